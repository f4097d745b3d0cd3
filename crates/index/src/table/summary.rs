//! What a file holds, in numbers.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::ProductId;
use serde::{Deserialize, Serialize};

use super::Row;

/// Counts over the records of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Records.
    pub(crate) records: u64,
    /// Distinct products.
    pub(crate) products: u64,
    /// Records with packet lengths.
    pub(crate) with_packets: u64,
    /// Records that do not list all tile-parts.
    pub(crate) incomplete: u64,
    /// Earliest datatake start.
    pub(crate) start: Option<DateTime<Utc>>,
    /// Latest datatake start.
    pub(crate) end: Option<DateTime<Utc>>,
}

/// Builds a [`Summary`].
#[derive(Debug, Default)]
pub(crate) struct Counting {
    summary: Summary,
    products: HashSet<ProductId>,
}

impl Counting {
    pub(crate) fn add(&mut self, rows: &[Row]) {
        for Row { record, has_packets, .. } in rows {
            let start = record.product.datatake_start();
            let summary = &mut self.summary;
            summary.records += 1;
            summary.with_packets += u64::from(*has_packets);
            summary.incomplete += u64::from(!record.complete);
            summary.start = Some(summary.start.map_or(start, |earliest| earliest.min(start)));
            summary.end = Some(summary.end.map_or(start, |latest| latest.max(start)));
            if !self.products.contains(&record.product) {
                self.products.insert(record.product.clone());
            }
        }
    }

    pub(crate) fn finish(self) -> Summary {
        let products = u64::try_from(self.products.len()).unwrap_or(u64::MAX);
        Summary { products, ..self.summary }
    }
}
