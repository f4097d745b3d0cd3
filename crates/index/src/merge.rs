//! Several records of one file become one.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use cubeflight_tlm::TlmRecord;

use crate::table::Row;

/// What a record is about: one state of one file. Records of one state are merged.
fn state(record: &TlmRecord) -> impl Eq + std::hash::Hash + '_ {
    (
        &record.product,
        record.asset,
        record.store.as_deref(),
        record.key.as_str(),
        record.size,
        record.etag.as_deref(),
    )
}

/// One row for each state of a file: the newest, completed by what older ones know. Of rows written
/// at the same moment the later one is the newer. Ordered by datatake start, product, asset, and
/// then by age, the newest last.
pub(crate) fn merge(rows: &[Row]) -> Vec<Row> {
    let mut states: HashMap<_, Vec<usize>> = HashMap::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        states.entry(state(&row.record)).or_default().push(at);
    }
    let mut merged: Vec<(usize, Row)> = Vec::with_capacity(states.len());
    for mut places in states.into_values() {
        places.sort_unstable_by_key(|at| Reverse((rows.get(*at).map(|row| row.written_at), *at)));
        let mut same = places.iter().filter_map(|at| Some((*at, rows.get(*at)?)));
        let Some((newest, row)) = same.next() else { continue };
        let mut row = row.clone();
        for (_, older) in same {
            row.record = Arc::new(row.record.completed_by(&older.record));
            row.has_packets |= older.has_packets;
        }
        merged.push((newest, row));
    }
    merged.sort_by_cached_key(|(at, row)| {
        let record = &row.record;
        let start = record.product.datatake_start();
        (start, record.product.to_string(), record.asset, row.written_at, *at)
    });
    merged.into_iter().map(|(_, row)| row).collect()
}
