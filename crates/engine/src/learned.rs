//! What readers learn of files that the index does not know: one scan per file however many streams
//! wait for it, and records that go back into the index.

use std::sync::Arc;

use cubeflight_index::Index;
use cubeflight_sentinel2::{AssetId, MgrsTile, ProductId, safe};
use cubeflight_storage::{Path, Root};
use cubeflight_tlm::{RecordSource, TilePartSpan, TlmRecord};
use moka::future::Cache;
use tokio::sync::Mutex;

use crate::held::Held;
use crate::locate::{self, Search};
use crate::write_back::WriteBack;

/// Files that are remembered: with the packet lengths of some tiles a record has a few kB.
const FILES: u64 = 10_000;
/// Distributions of data over a tile's area that are remembered.
const PROFILES: u64 = 1_000;

/// Shared by all streams of an engine.
#[derive(Debug)]
pub(crate) struct Learned {
    files: Cache<Path, Arc<Mutex<Option<Arc<TlmRecord>>>>>,
    /// The newest record by tile, asset and orbit: the data of another date lie much alike.
    profiles: Cache<(MgrsTile, AssetId, u16), Arc<TlmRecord>>,
    write_back: Option<Arc<WriteBack>>,
}

/// A file whose tile-parts are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) path: &'a Path,
    pub(crate) source: RecordSource,
    /// Bytes, where the catalogue knows.
    pub(crate) size: Option<u64>,
    /// JP2 tiles.
    pub(crate) tiles: &'a [u16],
    /// JP2 tiles that the file should have.
    pub(crate) tile_count: u32,
    /// What the index knows.
    pub(crate) known: Option<Arc<TlmRecord>>,
    /// A record that has turned out not to belong to the file.
    pub(crate) stale: Option<&'a TlmRecord>,
    /// Files up to this size are read whole.
    pub(crate) max_whole_read: u64,
}

/// What is known of the file now.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) record: Arc<TlmRecord>,
    /// What this caller's scan read on the way.
    pub(crate) held: Held,
    /// Requests and bytes of this caller's scan; none where another's did.
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
}

impl Learned {
    pub(crate) fn new(index: &Index, write_back: bool) -> Self {
        Self {
            files: Cache::new(FILES),
            profiles: Cache::new(PROFILES),
            write_back: write_back.then(|| Arc::new(WriteBack::new(index.clone()))),
        }
    }

    /// A record that holds the wanted tiles, from memory or by a scan. Whoever wants something of
    /// the same file meanwhile waits for it.
    pub(crate) async fn find(
        &self,
        archive: &Root,
        wanted: Wanted<'_>,
    ) -> cubeflight_index::Result<Finding> {
        let file = self.files.get_with_by_ref(wanted.path, async { Arc::default() }).await;
        let mut remembered = file.lock().await;
        if remembered.as_deref().is_some_and(|record| !wanted.believes(record)) {
            *remembered = None;
        }
        let known = remembered.clone().or_else(|| wanted.known.clone());
        if let Some(record) = known.as_ref().filter(|record| holds(record, wanted.tiles)) {
            let record = wanted.named(record);
            return Ok(Finding { record, held: Held::default(), requests: 0, bytes: 0 });
        }
        let profile =
            self.profiles.get(&profile_key(&wanted.source.product, wanted.source.asset)).await;
        let search = Search { known: known.as_deref(), profile: profile.as_deref() };
        let finding = locate::locate(archive, &wanted, search).await?;
        *remembered = Some(Arc::clone(&finding.record));
        self.keep(&finding.record).await;
        Ok(finding)
    }

    /// Remembers what was learnt of a file otherwise, unless a search has found the file in another
    /// state meanwhile.
    pub(crate) async fn learn(&self, path: &Path, record: TlmRecord) {
        let file = self.files.get_with_by_ref(path, async { Arc::default() }).await;
        let mut remembered = file.lock().await;
        let record = match remembered.as_deref() {
            Some(found) if contradicts(found, &record) => return,
            Some(found) => record.completed_by(found),
            None => record,
        };
        let record = Arc::new(record);
        *remembered = Some(Arc::clone(&record));
        self.keep(&record).await;
    }

    async fn keep(&self, record: &Arc<TlmRecord>) {
        let key = profile_key(&record.product, record.asset);
        self.profiles.insert(key, Arc::clone(record)).await;
        let Some(write_back) = &self.write_back else { return };
        // What a catalogue calls a product's file need not be it: the index holds no such claims.
        if !safe::belongs_to(&record.key, &record.product, record.asset) {
            return;
        }
        if write_back.add(record) {
            let write_back = Arc::clone(write_back);
            tokio::spawn(async move { write_back.flush().await });
        }
    }

    /// Writes what waits to be written.
    pub(crate) async fn flush(&self) {
        if let Some(write_back) = &self.write_back {
            write_back.flush().await;
        }
    }
}

impl Wanted<'_> {
    /// A record under the names of this caller: another may have called the file otherwise.
    fn named(&self, record: &Arc<TlmRecord>) -> Arc<TlmRecord> {
        let RecordSource { product, asset, .. } = &self.source;
        if record.product == *product && record.asset == *asset {
            return Arc::clone(record);
        }
        let (product, asset) = (product.clone(), *asset);
        Arc::new(TlmRecord { product, asset, ..(**record).clone() })
    }

    /// Whether a remembered record may describe the file. Beside a stale record it must have one of
    /// the wanted tiles elsewhere: only then has somebody looked since. What was learnt from the
    /// stale record itself, a main header or other tiles, is as stale.
    fn believes(&self, record: &TlmRecord) -> bool {
        let has_moved = |stale: &TlmRecord| {
            let mut found = self.tiles.iter().filter_map(|tile| record.tile_part(*tile));
            found.any(|part| stale.tile_part(part.tile) != Some(part))
        };
        self.size.is_none_or(|size| size == record.size) && self.stale.is_none_or(has_moved)
    }
}

/// Whether the record lists all these tiles.
pub(crate) fn holds(record: &TlmRecord, tiles: &[u16]) -> bool {
    record.complete || tiles.iter().all(|tile| record.tile_part(*tile).is_some())
}

/// Whether two records of one file cannot both be right.
fn contradicts(a: &TlmRecord, b: &TlmRecord) -> bool {
    let elsewhere = |part: &TilePartSpan| b.tile_part(part.tile).is_some_and(|other| other != part);
    a.size != b.size || a.tile_parts.iter().any(elsewhere)
}

fn profile_key(product: &ProductId, asset: AssetId) -> (MgrsTile, AssetId, u16) {
    (product.tile(), asset, product.relative_orbit())
}
