//! Builds records for the files of an archive.

use std::collections::HashSet;

use cubeflight_sentinel2::safe;
use cubeflight_storage::{Path, Root};
use cubeflight_tlm::{RecordSource, TlmRecord};
use futures::{StreamExt, TryStreamExt};

use crate::{Index, Result, scan_asset};

/// A file to index.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Whose file it is.
    pub source: RecordSource,
    /// Path in the archive's store.
    pub path: Path,
    /// Size in bytes.
    pub size: u64,
}

/// How to index.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// Files scanned side by side.
    pub concurrency: usize,
    /// Records per index file at most; a run that is cut off loses no more than this.
    pub batch: usize,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { concurrency: 8, batch: 2_000 }
    }
}

/// A file that could not be indexed.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Key of the file.
    pub key: String,
    /// Stable error code.
    pub code: &'static str,
    /// Why.
    pub reason: String,
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Files found.
    pub found: usize,
    /// Files scanned into new records.
    pub indexed: usize,
    /// Files whose record was there already.
    pub known: usize,
    /// Files that could not be indexed.
    pub refused: Vec<Refusal>,
    /// Index files written.
    pub files: Vec<String>,
}

/// The JP2 assets under an archive root, or under `prefix` in it, in key order.
///
/// # Errors
/// Store failures.
pub async fn candidates(archive: &Root, prefix: Option<&Path>) -> Result<Vec<Candidate>> {
    let prefix = prefix.unwrap_or(archive.prefix());
    let listing = archive.store().list(Some(prefix));
    let from_store = |error| cubeflight_storage::Error::from_store(prefix, error);
    let mut found: Vec<Candidate> = listing
        .map_err(from_store)
        .try_filter_map(|object| async move {
            let Some(key) = safe::parse_key(object.location.as_ref()) else { return Ok(None) };
            let source = RecordSource {
                product: key.product,
                asset: key.asset,
                store: archive.name().map(ToOwned::to_owned),
                key: safe::archive_key(object.location.as_ref()).to_owned(),
                etag: object.e_tag,
            };
            Ok(Some(Candidate { source, path: object.location, size: object.size }))
        })
        .try_collect()
        .await?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Scans the candidates that the index does not know yet and appends their records. Running it
/// again does nothing new. A file that cannot be indexed is reported and does not stop the others;
/// a store that fails does.
///
/// # Errors
/// Failures of either store.
pub async fn build(
    archive: &Root,
    index: &Index,
    candidates: Vec<Candidate>,
    options: &IndexOptions,
) -> Result<Report> {
    let mut report = Report { found: candidates.len(), ..Report::default() };
    let unknown = unknown(index, candidates).await?;
    report.known = report.found - unknown.len();

    let mut scans = futures::stream::iter(unknown)
        .map(|candidate| async move {
            let Candidate { source, path, size } = candidate;
            let key = source.key.clone();
            (key, scan_asset(archive, &path, source, Some(size)).await)
        })
        .buffered(options.concurrency.max(1));
    let mut pending: Vec<TlmRecord> = Vec::new();
    while let Some((key, outcome)) = scans.next().await {
        match outcome {
            Ok(record) => pending.push(record),
            Err(error) if error.is_transient() => {
                // What has been scanned is kept, so that the next run goes on from here.
                flush(index, &mut pending, &mut report).await?;
                return Err(error);
            }
            Err(error) => {
                let reason = error.to_string();
                report.refused.push(Refusal { key, code: error.code(), reason });
            }
        }
        if pending.len() >= options.batch.max(1) {
            flush(index, &mut pending, &mut report).await?;
        }
    }
    flush(index, &mut pending, &mut report).await?;
    Ok(report)
}

async fn flush(index: &Index, pending: &mut Vec<TlmRecord>, report: &mut Report) -> Result<()> {
    let files = index.append(pending).await?;
    report.indexed += pending.len();
    report.files.extend(files.iter().map(ToString::to_string));
    pending.clear();
    Ok(())
}

/// The candidates whose present file state has no record.
async fn unknown(index: &Index, candidates: Vec<Candidate>) -> Result<Vec<Candidate>> {
    let tiles: HashSet<_> = candidates
        .iter()
        .map(|candidate| (candidate.source.product.level(), candidate.source.product.tile()))
        .collect();
    let mut known = HashSet::new();
    for (level, tile) in tiles {
        for record in index.records(level, tile, &crate::Selection::default()).await? {
            known.insert((record.key.clone(), record.size, record.etag.clone()));
        }
    }
    let is_known = |candidate: &Candidate| {
        let source = &candidate.source;
        known.contains(&(source.key.clone(), candidate.size, source.etag.clone()))
    };
    Ok(candidates.into_iter().filter(|candidate| !is_known(candidate)).collect())
}
