//! What an index keeps in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use cubeflight_storage::Path;
use moka::future::Cache;
use tokio::sync::watch;

use crate::TableInfo;
use crate::table::{Block, Columns, Footer, Row};

/// How much an index keeps in memory, and for how long it trusts a listing.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// Bytes of footers and records, about.
    pub bytes: u64,
    /// How long the files of a table are taken to be those of its last listing. What this index or
    /// a clone of it writes is seen at once, what other processes write after at most this time.
    pub listing: Duration,
}

impl Default for CacheOptions {
    /// 256 MiB, 10 s.
    fn default() -> Self {
        Self { bytes: 256 * 1024 * 1024, listing: Duration::from_secs(10) }
    }
}

/// One file of a table, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct File {
    /// Path in the store.
    pub(crate) path: Path,
    /// Bytes.
    pub(crate) size: u64,
    /// When it was written, by the store's clock.
    pub(crate) modified: DateTime<Utc>,
}

impl File {
    /// The last segment of its path.
    pub(crate) fn name(&self) -> &str {
        self.path.filename().unwrap_or_default()
    }
}

/// Some rows of a file.
pub(crate) type BlockKey = (Path, Block, Columns);
pub(crate) type BlockRows = Arc<Vec<Row>>;

/// Index files are never changed, so that nothing but listings has to expire.
pub(crate) struct Caches {
    /// By folder and generation.
    pub(crate) listings: Cache<(Path, u64), Arc<Vec<File>>>,
    pub(crate) footers: Cache<Path, Arc<Footer>>,
    pub(crate) blocks: Cache<BlockKey, BlockRows>,
    /// By the names of the files.
    pub(crate) infos: Cache<Vec<Path>, TableInfo>,
    pub(crate) loading: Loading,
    /// Raised whenever this process learns that its listing of a folder is old. A listing that
    /// began before is then not used after.
    generations: Mutex<HashMap<Path, u64>>,
}

impl Caches {
    pub(crate) fn new(options: &CacheOptions) -> Self {
        // row groups and pages of the largest footers take a few megabytes
        let footers = options.bytes / 4;
        Self {
            listings: Cache::builder().max_capacity(4096).time_to_live(options.listing).build(),
            footers: Cache::builder()
                .max_capacity(footers)
                .weigher(|_, footer: &Arc<Footer>| weight(footer.weight()))
                .build(),
            blocks: Cache::builder()
                .max_capacity(options.bytes - footers)
                .weigher(|_, rows: &BlockRows| weight(rows.iter().map(row_weight).sum()))
                .build(),
            infos: Cache::new(4096),
            loading: Loading::default(),
            generations: Mutex::default(),
        }
    }

    pub(crate) fn generation(&self, folder: &Path) -> u64 {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.get(folder).copied().unwrap_or(0)
    }

    /// Makes the next look at a folder list it.
    pub(crate) fn outdated(&self, folder: &Path) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        *generations.entry(folder.clone()).or_default() += 1;
    }
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn row_weight(row: &Row) -> usize {
    let record = &row.record;
    let packets = record.packet_lengths.as_ref();
    let numbers = packets.map_or(0, |packets| packets.counts.len() + packets.lengths.len());
    let text = record.key.len() + record.etag.as_ref().map_or(0, String::len);
    // the rest: the record itself, its product's text, allocations
    480 + text + record.tile_parts.len() * 16 + numbers * 4
}

/// What is being loaded: two lookups of the same rows read them once.
#[derive(Default)]
pub(crate) struct Loading(Mutex<HashMap<BlockKey, watch::Receiver<()>>>);

/// Rows that its holder loads. Dropping it wakes who waits for them, loaded or not.
pub(crate) struct Claim<'a> {
    loading: &'a Loading,
    /// What the holder has to load.
    pub(crate) mine: Vec<BlockKey>,
    _done: watch::Sender<()>,
}

impl Loading {
    /// Claims what nobody loads; for the rest, what to wait for before looking again.
    pub(crate) fn claim(&self, wanted: Vec<BlockKey>) -> (Claim<'_>, Vec<watch::Receiver<()>>) {
        let (done, waiting) = watch::channel(());
        let mut loading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        for key in wanted {
            match loading.get(&key) {
                Some(other) => others.push(other.clone()),
                None => {
                    loading.insert(key.clone(), waiting.clone());
                    mine.push(key);
                }
            }
        }
        (Claim { loading: self, mine, _done: done }, others)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut loading = self.loading.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.mine {
            loading.remove(key);
        }
    }
}
