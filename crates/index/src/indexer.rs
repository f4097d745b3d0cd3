//! Builds records for the files of an archive.
//!
//! A source (an archive's listing, a list, a catalogue) gives a stream of [`Found`]; products are
//! listed, what is out of [`Scope`] is left out, what the index knows is skipped, and the rest is
//! scanned, many files at a time, and written in batches. Memory is bounded whatever the length of
//! the stream.

mod expand;
mod known;
mod listed;
mod listing;
mod run;
mod scope;
mod tally;
mod write;

use std::time::Duration;

use cubeflight_sentinel2::{AssetId, ProductId, safe};
use cubeflight_storage::{ObjectMeta, Path, Root};
use cubeflight_tlm::RecordSource;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

pub use self::listed::{Line, listed};
pub use self::listing::archive_listing;
pub use self::run::Indexer;
pub use self::scope::{Assets, Scope, Shard};
pub use self::tally::{Progress, Tally};
use crate::{Error, Index, Result, ScanDetail};

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

impl Candidate {
    /// A file as a listing gives it; `None` for what is no image of a cube.
    fn listed(archive: &Root, object: &ObjectMeta) -> Option<Self> {
        let key = safe::parse_key(object.location.as_ref())?;
        Some(Self::new(archive, key.product, key.asset, object))
    }

    fn new(archive: &Root, product: ProductId, asset: AssetId, object: &ObjectMeta) -> Self {
        let source = RecordSource {
            product,
            asset,
            store: archive.name().map(ToOwned::to_owned),
            key: safe::archive_key(object.location.as_ref()).to_owned(),
            etag: object.e_tag.clone(),
        };
        Self { source, path: object.location.clone(), size: object.size }
    }
}

/// What a source of files came across.
#[derive(Debug)]
pub enum Found {
    /// A file of a listing.
    File(Candidate),
    /// A product, whose folder is still to be listed.
    Product {
        /// Its `.SAFE` folder.
        folder: Path,
        /// The product.
        id: ProductId,
        /// What named it, where it was named and not come across.
        name: Option<String>,
        /// Only these of its files, with what named them; `None` means all.
        only: Option<Vec<(Path, String)>>,
    },
    /// A file in another layout, named by a catalogue, of which only the place is known.
    Elsewhere {
        /// The product.
        id: ProductId,
        /// The asset.
        asset: AssetId,
        /// Path in the archive's store.
        path: Path,
    },
    /// Something that cannot be indexed.
    Unusable(Failure),
}

/// A stream of what there is; it ends with an error where the source fails.
pub type Source<'a> = BoxStream<'a, Result<Found>>;

/// How to index.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// Files scanned side by side; 0 is twice the connections of the archive, so that the next
    /// request is always waiting.
    pub concurrency: usize,
    /// Records written together; a run that is cut off loses no more than this.
    pub batch: usize,
    /// Longest time for which records are held back.
    pub flush_every: Duration,
    /// What records tell.
    pub detail: ScanDetail,
    /// Which files.
    pub scope: Scope,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self {
            concurrency: 0,
            batch: 500,
            flush_every: Duration::from_secs(30),
            detail: ScanDetail::Plt,
            scope: Scope::default(),
        }
    }
}

/// A file, or a name of one, that could not be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Key of the file, or what stands for it.
    pub key: String,
    /// Stable error code.
    pub code: &'static str,
    /// Why.
    pub reason: String,
}

impl Failure {
    /// An error as the failure of one file.
    pub fn new(key: impl Into<String>, error: &Error) -> Self {
        Self { key: key.into(), code: error.code(), reason: error.to_string() }
    }
}

/// What was left out on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Products of other shards.
    pub other_shards: usize,
    /// Products of other collections, tiles and times, as far as they were come across.
    pub filtered: usize,
    /// Files of assets that were not asked for.
    pub other_assets: usize,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Report {
    /// Files in scope.
    pub found: usize,
    /// Files scanned into new records, which are written.
    pub indexed: usize,
    /// Files whose record was there already.
    pub known: usize,
    /// What could not be indexed.
    pub failed: Vec<Failure>,
    /// What was left out on purpose.
    pub skipped: Skipped,
    /// Index files written.
    pub files: Vec<String>,
    /// What ended the run before its end.
    pub stopped: Option<Error>,
    /// Whether it was told to stop.
    pub interrupted: bool,
}

/// All images under an archive root, or under `prefix` in it, in key order. For small archives: all
/// of them are held in memory.
///
/// # Errors
/// Store failures.
pub async fn candidates(archive: &Root, prefix: Option<&Path>) -> Result<Vec<Candidate>> {
    let scope = Scope::everything();
    archive_listing(archive, prefix, &scope)
        .map(|found| async { expand::expand(archive, &scope, found?).await })
        .buffered(expand::AT_ONCE)
        .map_ok(|items| futures::stream::iter(items.into_iter().map(Ok)))
        .try_flatten()
        .try_filter_map(|item| async move {
            Ok(match item {
                expand::Item::File(file) => Some(file),
                _ => None,
            })
        })
        .try_collect()
        .await
}

/// Indexes files of which a list is at hand: those that the index does not know yet. A file that
/// cannot be indexed is in the report.
///
/// # Errors
/// What ended the run early; what was scanned until then is written.
pub async fn build(
    archive: &Root,
    index: &Index,
    candidates: Vec<Candidate>,
    options: &IndexOptions,
) -> Result<Report> {
    let options = IndexOptions { scope: Scope::everything(), ..options.clone() };
    let indexer = Indexer::new(archive.clone(), index.clone(), options);
    let source = futures::stream::iter(candidates.into_iter().map(|file| Ok(Found::File(file))));
    let mut report = indexer.run(source.boxed(), &CancellationToken::new()).await;
    match report.stopped.take() {
        Some(error) => Err(error),
        None => Ok(report),
    }
}
