//! The index: lookups and appends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{AssetId, Level, MgrsTile, ProductId, TimeRange};
use cubeflight_storage::{Path, Root};
use cubeflight_tlm::TlmRecord;
use object_store::{PutMode, PutOptions, PutPayload};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::cache::{CacheOptions, Caches};
use crate::files::{Files, Folder, Open, live};
use crate::merge::merge;
use crate::table::{Columns, Row, Table, Want, Writer};
use crate::{Error, Result};

/// How often a lookup starts again because a file went away under it. Each time a compaction
/// elsewhere must have removed one in between.
const RESTARTS: usize = 8;

/// A Parquet store of TLM records.
///
/// Clones share what is kept in memory.
#[derive(Clone)]
pub struct Index {
    pub(crate) files: Files,
    /// What all tables lie below.
    pub(crate) base: Path,
}

/// How much of each record a lookup reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Detail {
    /// All but packet lengths. They may be there all the same, where they are in memory.
    Tlm,
    /// Everything.
    #[default]
    Packets,
}

/// Which records, and how much of them; empty sets mean all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Products.
    pub products: Vec<ProductId>,
    /// Assets.
    pub assets: Vec<AssetId>,
    /// Datatake starts.
    pub time: Option<TimeRange>,
    /// How much of each record.
    pub detail: Detail,
}

impl Selection {
    fn admits(&self, record: &TlmRecord) -> bool {
        (self.products.is_empty() || self.products.contains(&record.product))
            && (self.assets.is_empty() || self.assets.contains(&record.asset))
            && self.time.is_none_or(|time| time.contains(record.product.datatake_start()))
    }

    fn want(&self) -> Want {
        let micros = |time: DateTime<Utc>| time.timestamp_micros();
        let mut starts: Vec<i64> =
            self.products.iter().map(|product| micros(product.datatake_start())).collect();
        starts.sort_unstable();
        Want {
            assets: (!self.assets.is_empty())
                .then(|| self.assets.iter().map(ToString::to_string).collect()),
            starts: (!self.products.is_empty()).then_some(starts),
            time: self.time.map(|time| {
                (time.start.map_or(i64::MIN, micros), time.end.map_or(i64::MAX, micros))
            }),
        }
    }
}

impl Index {
    /// The shared index under a root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self::with_cache(root, &CacheOptions::default())
    }

    /// The shared index under a root, with bounds of what is kept in memory.
    #[must_use]
    pub fn with_cache(root: Root, options: &CacheOptions) -> Self {
        let base = root.prefix().clone().join("v1");
        Self { files: Files { root, caches: Arc::new(Caches::new(options)) }, base }
    }

    /// The index under a root of the records that belong to one owner. It has nothing in common
    /// with the shared index or with that of another owner but the root.
    ///
    /// # Errors
    /// An empty name.
    pub fn owned_by(root: Root, owner: &str) -> Result<Self> {
        Self::new(root).of_owner(owner)
    }

    /// As [`Index::owned_by`], sharing the bound of memory with this index.
    ///
    /// # Errors
    /// An empty name.
    pub fn of_owner(&self, owner: &str) -> Result<Self> {
        if owner.is_empty() {
            return Err(Error::NoOwner);
        }
        // A hash is a safe folder name whatever the owner is called, and tells nobody who it is.
        let hash: String =
            Sha256::digest(owner.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let base = self.files.root.prefix().clone().join("v1-owned").join(hash.as_str());
        Ok(Self { files: self.files.clone(), base })
    }

    /// URL of the root.
    #[must_use]
    pub fn url(&self) -> &str {
        self.files.root.url()
    }

    pub(crate) fn folder(&self, level: Level, tile: MgrsTile) -> Folder {
        let path = self.base.clone().join(level.collection()).join(tile.to_string().as_str());
        Folder { level, tile, path }
    }

    /// Writes records, one new file per collection and MGRS tile, and gives their paths. This index
    /// and its clones see them at once.
    ///
    /// # Errors
    /// Store failures. Some of the records may be in the index all the same; appending them again
    /// does no harm.
    pub async fn append(&self, records: &[TlmRecord]) -> Result<Vec<Path>> {
        let written_at = now();
        let mut by_table: BTreeMap<(&str, MgrsTile), (Level, Vec<Row>)> = BTreeMap::new();
        for record in records {
            record.check()?;
            let (level, tile) = (record.product.level(), record.product.tile());
            let table = by_table.entry((level.collection(), tile));
            let (_, rows) = table.or_insert_with(|| (level, Vec::new()));
            let has_packets = record.packet_lengths.is_some();
            rows.push(Row { record: Arc::new(record.clone()), written_at, has_packets });
        }
        let mut paths = Vec::with_capacity(by_table.len());
        for ((_, tile), (level, rows)) in by_table {
            let folder = self.folder(level, tile);
            let table = working(move || write(&rows)).await?;
            let path = self.create(&folder, table, None).await?;
            self.files.caches.outdated(&folder.path);
            paths.push(path);
        }
        Ok(paths)
    }

    /// The records of one collection and tile, ordered by datatake start, product and asset. Several
    /// records of one file state are one: the newest, completed by what older ones know. Where an
    /// asset has records of several file states, the one written last comes last.
    ///
    /// # Errors
    /// Store failures and unreadable index files.
    pub async fn records(
        &self,
        level: Level,
        tile: MgrsTile,
        selection: &Selection,
    ) -> Result<Vec<Arc<TlmRecord>>> {
        let folder = self.folder(level, tile);
        let want = selection.want();
        let columns = match selection.detail {
            Detail::Tlm => Columns::Tlm,
            Detail::Packets => Columns::Packets,
        };
        let mut restarts = 0;
        let blocks = loop {
            let outcome = match self.live(&folder).await {
                Ok(live) => self.files.rows(&folder, &live, &want, columns).await,
                Err(error) => Err(error),
            };
            if let Some(outcome) = self.settled(&folder, &mut restarts, outcome) {
                break outcome?;
            }
        };
        let rows = blocks.iter().flat_map(|rows| rows.iter());
        let rows: Vec<Row> = rows.filter(|row| selection.admits(&row.record)).cloned().collect();
        Ok(merge(&rows).into_iter().map(|row| row.record).collect())
    }

    /// The files of a table whose records count.
    pub(crate) async fn live(&self, folder: &Folder) -> Result<Vec<Open>> {
        let files = self.files.list(&folder.path).await?;
        Ok(live(&self.files.open_rest(&files).await?))
    }

    /// The outcome of reading a table; `None` where it is to be read again with a new listing, since
    /// one of its files was removed meanwhile.
    pub(crate) fn settled<T>(
        &self,
        folder: &Folder,
        restarts: &mut usize,
        outcome: Result<T>,
    ) -> Option<Result<T>> {
        match outcome {
            Err(error) if error.is_vanished() && *restarts < RESTARTS => {
                *restarts += 1;
                self.files.caches.outdated(&folder.path);
                None
            }
            outcome => Some(outcome),
        }
    }

    /// Creates a file under a name that is new. Its name sorts behind `after`.
    pub(crate) async fn create(
        &self,
        folder: &Folder,
        table: Table,
        after: Option<&str>,
    ) -> Result<Path> {
        let name = format!("{}-{}.parquet", new_id(after), table.tail);
        let path = folder.path.clone().join(name.as_str());
        let size = u64::try_from(table.bytes.len()).unwrap_or(u64::MAX);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.files.root.store();
        match put.put_opts(&path, PutPayload::from(table.bytes), options).await {
            Ok(_) => Ok(path),
            // Nobody else makes this name: the answer to an earlier attempt was lost.
            Err(object_store::Error::AlreadyExists { .. }) => {
                match self.files.root.head(&path).await {
                    Ok(found) if found.size == size => Ok(path),
                    // compacted and removed by now
                    Err(error) if error.is_not_found() => Ok(path),
                    Ok(_) => {
                        let path = path.to_string();
                        Err(cubeflight_storage::Error::AlreadyExists { path }.into())
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(cubeflight_storage::Error::from_store(&path, error).into()),
        }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("root", &self.files.root)
            .field("base", &self.base.as_ref())
            .finish_non_exhaustive()
    }
}

fn write(rows: &[Row]) -> Result<Table> {
    let mut by_asset: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in merge(rows) {
        by_asset.entry(row.record.asset.to_string()).or_default().push(row);
    }
    let mut writer = Writer::new(&[])?;
    for rows in by_asset.values() {
        writer.asset(rows)?;
    }
    writer.finish()
}

/// A UUIDv7. Behind that of `after` even if the clock of who made it is ahead: a listing in order
/// of names then sees a replacement if it did not see what it replaces.
fn new_id(after: Option<&str>) -> Uuid {
    let id = Uuid::now_v7();
    let after = after.and_then(|name| Uuid::try_parse(name.get(..36)?).ok());
    let Some(after) = after.filter(|after| *after >= id) else { return id };
    let Some((seconds, nanoseconds)) = after.get_timestamp().map(|time| time.to_unix()) else {
        return id;
    };
    // the next millisecond, which is what such an id counts
    let (seconds, nanoseconds) = match nanoseconds.saturating_add(1_000_000) {
        next @ ..1_000_000_000 => (seconds, next),
        next => (seconds.saturating_add(1), next - 1_000_000_000),
    };
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
}

/// Microseconds since 1970, never the same twice in this process: later appends are newer.
fn now() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let clock = Utc::now().timestamp_micros();
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(clock.max(last.saturating_add(1)))
    });
    let last = match last {
        Ok(last) | Err(last) => last,
    };
    clock.max(last.saturating_add(1))
}

/// Runs work that takes the processor for long.
pub(crate) async fn working<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::Task { reason: error.to_string() })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_sorts_behind_what_it_replaces() {
        let ahead = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 9_000_000_000, 7));
        for after in [ahead, Uuid::now_v7()] {
            let name = format!("{after}-1234.parquet");
            assert!(new_id(Some(&name)).to_string() > after.to_string());
        }
    }

    #[test]
    fn no_moment_comes_twice() {
        let moments: Vec<i64> = (0..1000).map(|_| now()).collect();
        assert!(moments.is_sorted_by(|a, b| a < b));
    }

    /// Other crates spawn what they ask of an index.
    #[test]
    fn futures_can_be_sent() {
        fn send<T: Send>(_: T) {}
        fn check(index: &Index, selection: &Selection, tile: MgrsTile) {
            send(index.records(Level::L2A, tile, selection));
            send(index.append(&[]));
            send(index.tables());
            send(index.compact(Level::L2A, tile, std::time::Duration::ZERO));
        }
        let _ = check;
    }
}
