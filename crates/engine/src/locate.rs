//! Looks for the tile-parts of one file.

use cubeflight_index::scan_asset;
use cubeflight_jp2::scan_bytes;
use cubeflight_storage::Root;
use cubeflight_tlm::TlmRecord;
use std::sync::Arc;

use crate::held::Held;
use crate::learned::{Finding, Wanted};

/// What helps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'a> {
    /// Other tile-parts of the file.
    pub(crate) known: Option<&'a TlmRecord>,
    /// The same asset of another date.
    pub(crate) profile: Option<&'a TlmRecord>,
}

/// Finds the wanted tile-parts. The size that a catalogue says may be that of another state of the
/// file.
pub(crate) async fn locate(
    archive: &Root,
    wanted: &Wanted<'_>,
    search: Search<'_>,
) -> cubeflight_index::Result<Finding> {
    let Some(said) = wanted.size else {
        let size = archive.head(wanted.path).await?.size;
        return find(archive, wanted, size, search).await;
    };
    let outcome = find(archive, wanted, said, search).await;
    let Err(error) = &outcome else { return outcome };
    if error.is_transient() {
        return outcome;
    }
    match archive.head(wanted.path).await {
        Ok(found) if found.size != said => find(archive, wanted, found.size, search).await,
        _ => outcome,
    }
}

async fn find(
    archive: &Root,
    wanted: &Wanted<'_>,
    size: u64,
    _search: Search<'_>,
) -> cubeflight_index::Result<Finding> {
    if size <= wanted.max_whole_read {
        return whole(archive, wanted, size).await;
    }
    let record = scan_asset(archive, wanted.path, wanted.source.clone(), Some(size)).await?;
    Ok(Finding { record: Arc::new(record), held: Held::default(), requests: 0, bytes: 0 })
}

/// A small file, read in one go.
async fn whole(
    archive: &Root,
    wanted: &Wanted<'_>,
    size: u64,
) -> cubeflight_index::Result<Finding> {
    let bytes = archive.get_range(wanted.path, 0..size).await?;
    let structure = scan_bytes(&bytes)?;
    structure.can_splice()?;
    let record = TlmRecord::from_structure(wanted.source.clone(), &structure)?;
    let mut held = Held::default();
    held.add(0, bytes);
    Ok(Finding { record: Arc::new(record), held, requests: 1, bytes: size })
}
