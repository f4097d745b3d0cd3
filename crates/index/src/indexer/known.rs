//! Which files the index knows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cubeflight_sentinel2::{Baseline, Level, MgrsTile, ProductId};
use cubeflight_tlm::TlmRecord;
use futures::{StreamExt, TryStreamExt};

use super::Candidate;
use crate::{Index, Result, ScanDetail, Selection};

/// Tiles looked up side by side.
const AT_ONCE: usize = 4;

/// Products since this baseline have files with a TLM of their own.
const TLM_SINCE: Baseline = Baseline { major: 5, minor: 12 };

/// The files whose present state has no record of the wanted detail, in the order given.
pub(super) async fn unknown(
    index: &Index,
    files: Vec<Candidate>,
    detail: ScanDetail,
) -> Result<Vec<Candidate>> {
    let mut tiles: BTreeMap<(Level, MgrsTile), HashSet<ProductId>> = BTreeMap::new();
    for Candidate { source, .. } in &files {
        let tile = (source.product.level(), source.product.tile());
        tiles.entry(tile).or_default().insert(source.product.clone());
    }
    // collected: the compiler cannot see that a closure over borrows may change threads
    let lookups = tiles.into_iter().map(|((level, tile), products)| {
        let products = products.into_iter().collect();
        let selection = Selection { products, ..Selection::default() };
        async move { index.records(level, tile, &selection).await }
    });
    let lookups: Vec<_> = lookups.collect();
    let records: Vec<Vec<Arc<TlmRecord>>> =
        futures::stream::iter(lookups).buffered(AT_ONCE).try_collect().await?;
    let mut by_key: HashMap<&str, Vec<&TlmRecord>> = HashMap::new();
    for record in records.iter().flatten() {
        by_key.entry(&record.key).or_default().push(record);
    }
    let is_known = |file: &Candidate| {
        let records = by_key.get(file.source.key.as_str());
        records.into_iter().flatten().any(|record| tells(record, file, detail))
    };
    let known: Vec<bool> = files.iter().map(is_known).collect();
    Ok(files.into_iter().zip(known).filter(|(_, known)| !known).map(|(file, _)| file).collect())
}

/// Whether the record is of the file's present state and says all that is wanted.
fn tells(record: &TlmRecord, file: &Candidate, detail: ScanDetail) -> bool {
    let source = &file.source;
    let same_etag = match (&record.etag, &source.etag) {
        (Some(record), Some(present)) => record == present,
        _ => true,
    };
    let same_file = record.size == file.size
        && same_etag
        && record.asset == source.asset
        && (record.store.is_none() || record.store == source.store);
    same_file
        && record.complete
        && (detail == ScanDetail::Tlm
            || record.packet_lengths.is_some()
            || (has_tlm(&source.product) && record.main_header.is_some()))
}

/// Whether files of the product have a TLM of their own, so that the packet lengths of the large
/// ones are not read by the indexer.
pub(super) fn has_tlm(product: &ProductId) -> bool {
    let baseline = product.baseline();
    baseline >= TLM_SINCE && baseline != Baseline::UNOFFICIAL
}
