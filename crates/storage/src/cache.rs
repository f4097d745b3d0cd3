//! Byte ranges of files, kept in memory and, where wanted, on disk.
//!
//! An entry is a piece exactly as it was asked for: the same piece is answered by it, another range of
//! the same file is not. It belongs to one state of the file, which the caller names. Readers who
//! want the same pieces at the same time share one request.

mod disk;
mod entry;
mod flights;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use foyer::{HybridCache, HybridCacheBuilder, HybridCachePolicy, LfuConfig, RecoverMode, Source};
use object_store::path::Path;

use crate::{Error, Result, Root};
use disk::Folder;
use entry::{Body, Key};
use flights::Flights;

/// Bytes that an entry counts beside its own: key, lists and counters around it.
const OVERHEAD: usize = 256;
/// An entry is at most this part of the memory: a single read must not drive out all others.
const LARGEST_PART: u64 = 8;
/// Less memory than this is no cache for images.
const LEAST_MEMORY: u64 = 1024 * 1024;

/// How large a [`RangeCache`] is.
#[derive(Debug, Clone)]
pub struct RangeCacheOptions {
    /// Bytes of entries in memory, at least 1 MiB. With a disk, at most 72 MiB more wait to be
    /// written.
    pub memory_bytes: u64,
    /// Folder, made if absent, and bytes of all files in it, at least 256 MiB. It is used by one
    /// process at a time.
    pub disk: Option<(PathBuf, u64)>,
}

/// Where a range came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// From the store, by a request of this reader.
    Upstream,
    /// From memory.
    Memory,
    /// From disk.
    Disk,
    /// From what another reader was reading at the same time.
    Shared,
}

/// Reads and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheTally {
    /// Number of ranges.
    pub reads: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a cache did since it was opened, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Answered from memory.
    pub memory: CacheTally,
    /// Answered from disk.
    pub disk: CacheTally,
    /// Answered by what another reader was reading.
    pub shared: CacheTally,
    /// Read from the store.
    pub upstream: CacheTally,
    /// Bytes in memory now, with what is counted beside the entries.
    pub held_bytes: u64,
}

/// A cache of byte ranges. Clones are the same cache.
#[derive(Clone)]
pub struct RangeCache(Arc<Inner>);

struct Inner {
    entries: HybridCache<Key, Body>,
    largest: u64,
    flights: Flights,
    memory: Count,
    disk: Count,
    shared: Count,
    upstream: Count,
    /// Locked as long as the cache is there.
    _folder: Option<Folder>,
}

#[derive(Default)]
struct Count {
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    fn add(&self, pieces: &[Bytes]) {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn read(&self) -> CacheTally {
        let (reads, bytes) = (&self.reads, &self.bytes);
        CacheTally { reads: reads.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }
}

impl RangeCache {
    /// Opens a cache, with what an earlier one has left in the folder. Must be called within a tokio
    /// runtime, which must outlive the cache.
    ///
    /// # Errors
    /// Budgets that are too small; a folder that cannot be written or that another process uses.
    pub async fn open(options: RangeCacheOptions) -> Result<Self> {
        let RangeCacheOptions { memory_bytes, disk } = options;
        let too_small = |what: &str, least: u64| Error::BadOption {
            reason: format!("a cache of less than {least} bytes {what} is of no use"),
        };
        if memory_bytes < LEAST_MEMORY {
            return Err(too_small("in memory", LEAST_MEMORY));
        }
        if disk.as_ref().is_some_and(|(_, bytes)| *bytes < disk::LEAST) {
            return Err(too_small("on disk", disk::LEAST));
        }
        let capacity = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        let builder = HybridCacheBuilder::new()
            .with_name("ranges")
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            // what is in memory was written when it came
            .with_flush_on_close(false)
            .memory(capacity)
            // each shard would have a part of the memory: of entries this large too small a part
            .with_shards(1)
            .with_eviction_config(LfuConfig::default())
            .with_weighter(|_: &Key, body: &Body| body.0.len().saturating_add(OVERHEAD))
            .storage()
            .with_recover_mode(RecoverMode::Quiet);
        let (builder, folder) = match disk {
            None => (builder, None),
            Some((path, bytes)) => {
                let folder = Folder::open(path, bytes)?;
                (builder.with_engine_config(folder.engine()?), Some(folder))
            }
        };
        let entries = builder.build().await.map_err(|error| match &folder {
            Some(folder) => folder.unusable(&error),
            None => Error::BadOption { reason: format!("no cache: {error}") },
        })?;
        Ok(Self(Arc::new(Inner {
            entries,
            largest: memory_bytes / LARGEST_PART,
            flights: Flights::default(),
            memory: Count::default(),
            disk: Count::default(),
            shared: Count::default(),
            upstream: Count::default(),
            _folder: folder,
        })))
    }

    /// The bytes of some pieces of a file, read by one request for `range`, which holds them all, and
    /// where they came from. `state` names the state of the file, by its size and validator: other
    /// states have other entries. The pieces are what is kept, each by itself: how they are put
    /// together to requests may change from one time to the next. A piece that does not lie in the
    /// range is empty.
    ///
    /// Local directories are read as they are; the system caches them.
    ///
    /// # Errors
    /// Those of [`Root::get_range`]. All who wait for one request get its error.
    pub async fn get(
        &self,
        root: &Root,
        path: &Path,
        state: &str,
        range: Range<u64>,
        pieces: &[Range<u64>],
    ) -> Result<(Vec<Bytes>, Origin)> {
        if root.is_local() || pieces.iter().all(Range::is_empty) {
            return Ok((root.get_pieces(path, range, pieces).await?, Origin::Upstream));
        }
        let inner = &*self.0;
        let key = |piece: &Range<u64>| Key::new(root.identity(), path, state, piece);
        let keys: Vec<Key> = pieces.iter().map(key).collect();
        if let Some(found) = inner.in_memory(&keys) {
            inner.memory.add(&found);
            return Ok((found, Origin::Memory));
        }
        let mut origin = Origin::Shared;
        let flight = inner.flights.join(&Key::of_all(&keys));
        let outcome = {
            let own = &mut origin;
            flight.land(|| async move {
                match inner.read(&keys, root, path, range, pieces).await {
                    Ok((bytes, from)) => {
                        *own = from;
                        Ok(bytes)
                    }
                    Err(error) => Err(error),
                }
            })
        };
        let found = outcome.await?;
        match origin {
            Origin::Upstream => inner.upstream.add(&found),
            Origin::Memory => inner.memory.add(&found),
            Origin::Disk => inner.disk.add(&found),
            Origin::Shared => inner.shared.add(&found),
        }
        Ok((found, origin))
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let Inner { entries, memory, disk, shared, upstream, .. } = &*self.0;
        CacheStats {
            memory: memory.read(),
            disk: disk.read(),
            shared: shared.read(),
            upstream: upstream.read(),
            held_bytes: u64::try_from(entries.memory().usage()).unwrap_or(u64::MAX),
        }
    }

    /// Waits until what is to be kept is on disk. Nothing is kept from then on.
    pub async fn close(&self) {
        if let Err(error) = self.0.entries.close().await {
            tracing::warn!(%error, "the cache was not closed well");
        }
    }
}

impl Inner {
    /// All entries, where all of them are in memory.
    fn in_memory(&self, keys: &[Key]) -> Option<Vec<Bytes>> {
        let memory = self.entries.memory();
        keys.iter().map(|key| memory.get(key).map(|entry| entry.value().0.clone())).collect()
    }

    async fn read(
        &self,
        keys: &[Key],
        root: &Root,
        path: &Path,
        range: Range<u64>,
        pieces: &[Range<u64>],
    ) -> Result<(Vec<Bytes>, Origin)> {
        // another flight may have landed since memory was looked at
        if let Some(found) = self.in_memory(keys) {
            return Ok((found, Origin::Memory));
        }
        if let Some(found) = self.on_disk(keys).await {
            return Ok(found);
        }
        let mut found = root.get_pieces(path, range, pieces).await?;
        for (key, piece) in keys.iter().zip(&mut found) {
            if piece.len() as u64 > self.largest {
                continue;
            }
            // a buffer of its own: these are a part of a larger one
            *piece = Bytes::copy_from_slice(piece);
            self.entries.insert(*key, Body(piece.clone()));
        }
        Ok((found, Origin::Upstream))
    }

    /// All entries, where none is neither in memory nor on disk.
    async fn on_disk(&self, keys: &[Key]) -> Option<(Vec<Bytes>, Origin)> {
        if !self.entries.is_hybrid() {
            return None;
        }
        let mut found = Vec::with_capacity(keys.len());
        let mut origin = Origin::Memory;
        for key in keys {
            match self.entries.get(key).await {
                Ok(Some(entry)) => {
                    if entry.source() == Source::Disk {
                        origin = Origin::Disk;
                    }
                    found.push(entry.value().0.clone());
                }
                Ok(None) => return None,
                Err(error) => {
                    // the store has it still
                    tracing::warn!(%error, "an entry of the cache cannot be read");
                    return None;
                }
            }
        }
        Some((found, origin))
    }
}

impl fmt::Debug for RangeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
