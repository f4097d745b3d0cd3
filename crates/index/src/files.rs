//! The files of a table: which there are, their footers, their rows.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use cubeflight_sentinel2::{Level, MgrsTile};
use cubeflight_storage::{Path, Root};
use futures::{StreamExt, TryStreamExt};

use crate::cache::{BlockKey, BlockRows, Caches, File};
use crate::table::{self, Block, Columns, Footer, Parsed, Row, Want};
use crate::{Error, Result};

/// Largest index file that is read. The whole mission of one tile, with packet lengths, is a
/// fraction of this.
const MAX_FILE: u64 = 1024 * 1024 * 1024;
/// Files up to this size are read whole, together with their footer.
const WHOLE_FILE: u64 = 128 * 1024;
/// Bytes read from the end of a file whose name does not say how many it takes.
const TAIL: u64 = 64 * 1024;
/// The largest footer that is read.
const MAX_TAIL: u64 = 64 * 1024 * 1024;
/// Ranges with a gap of this many bytes between them are read as one: so many bytes take about as
/// long as a request to a store that is near (DESIGN: near the data latency rules).
const GAP: u64 = 256 * 1024;
/// Bytes of one request at most, where several ranges are read as one.
const MAX_READ: u64 = 16 * 1024 * 1024;
/// Files read side by side, and requests for one file. The store has its own limit.
const READS: usize = 16;

/// One table: a folder of files.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) level: Level,
    pub(crate) tile: MgrsTile,
    pub(crate) path: Path,
}

/// A file with its footer.
pub(crate) type Open = (File, Arc<Footer>);

/// Reads files through the caches.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) root: Root,
    pub(crate) caches: Arc<Caches>,
}

impl Files {
    /// The files in a folder, in the order of their names; at most as old as the cache allows.
    pub(crate) async fn list(&self, folder: &Path) -> Result<Arc<Vec<File>>> {
        let generation = self.caches.generation(folder);
        let key = (folder.clone(), generation);
        let listed = self.caches.listings.try_get_with(key, async {
            let mut files: Vec<File> = self.list_all(folder).await?;
            files.retain(|file| file.path.parts().count() == folder.parts().count() + 1);
            Ok(Arc::new(files))
        });
        listed.await.map_err(|error: Arc<Error>| error.shared())
    }

    /// The index files anywhere below a folder.
    pub(crate) async fn list_all(&self, folder: &Path) -> Result<Vec<File>> {
        let from_store = |error| cubeflight_storage::Error::from_store(folder, error);
        let listing = self.root.store().list(Some(folder)).map_err(from_store);
        let files = listing.map_ok(|object| File {
            path: object.location,
            size: object.size,
            modified: object.last_modified,
        });
        let mut files: Vec<File> = files.try_collect().await?;
        files.retain(|file| file.path.as_ref().ends_with(".parquet"));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// The footers of files.
    pub(crate) async fn open(&self, files: &[File]) -> Result<Vec<Open>> {
        let footers: Vec<_> = files.iter().map(|file| self.open_file(file)).collect();
        futures::stream::iter(footers).buffered(READS).try_collect().await
    }

    /// The footers of the files of a listing that are still there. A file that went away since is
    /// none of them if one of these holds its records: what reads a table that is compacted all the
    /// time gets ahead. Any other is an error that says so (`Error::is_vanished`).
    pub(crate) async fn open_rest(&self, files: &[File]) -> Result<Vec<Open>> {
        let opened = files.iter().map(|file| async move { (file, self.open_file(file).await) });
        let opened: Vec<_> = opened.collect();
        let opened: Vec<_> = futures::stream::iter(opened).buffered(READS).collect().await;
        let mut rest = Vec::with_capacity(opened.len());
        let mut vanished = Vec::new();
        for (file, outcome) in opened {
            match outcome {
                Ok(open) => rest.push(open),
                Err(error) if error.is_vanished() => vanished.push((file, error)),
                Err(error) => return Err(error),
            }
        }
        let held = replaced(&rest);
        let lost = vanished.into_iter().find(|(file, _)| !held.contains(file.name()));
        match lost {
            Some((_, error)) => Err(error),
            None => Ok(rest),
        }
    }

    async fn open_file(&self, file: &File) -> Result<Open> {
        let key = file.path.clone();
        let footer = self.caches.footers.try_get_with(key, self.footer(file)).await;
        Ok((file.clone(), footer.map_err(|error: Arc<Error>| error.shared())?))
    }

    async fn footer(&self, file: &File) -> Result<Arc<Footer>> {
        let (path, size) = (&file.path, file.size);
        if size > MAX_FILE {
            let reason = format!("{size} bytes are more than the {MAX_FILE} allowed");
            return Err(bad(path, reason));
        }
        let mut tail = match size <= WHOLE_FILE {
            true => size,
            false => tail_of(file.name()).unwrap_or(TAIL).clamp(1024, MAX_TAIL).min(size),
        };
        // the second reading knows how much it takes; a footer that then wants more is damaged
        for _ in 0..3 {
            let end = self.get(path, size - tail..size).await?;
            let parsed = blocking(path, move || Footer::parse(end, size)).await?;
            match parsed {
                Parsed::Footer(footer) => return Ok(Arc::from(footer)),
                Parsed::More(wanted) if wanted <= MAX_TAIL => tail = wanted,
                Parsed::More(wanted) => return Err(bad(path, format!("footer of {wanted} bytes"))),
            }
        }
        Err(bad(path, "footer has no end".to_owned()))
    }

    async fn get(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        match self.root.get_range(path, range).await {
            Err(error @ cubeflight_storage::Error::EndsEarly { .. }) => {
                Err(bad(path, error.to_string()))
            }
            read => Ok(read?),
        }
    }

    async fn body(&self, path: &Path, range: Range<u64>) -> Result<(u64, Bytes)> {
        let start = range.start;
        Ok((start, self.get(path, range).await?))
    }

    /// The rows of a table that may be wanted, block by block, out of memory where possible. Of
    /// files in the order given, rows in the order of the file.
    pub(crate) async fn rows(
        &self,
        folder: &Folder,
        files: &[Open],
        want: &Want,
        columns: Columns,
    ) -> Result<Vec<BlockRows>> {
        let wanted: Vec<(Path, Vec<Block>)> =
            files.iter().map(|(file, footer)| (file.path.clone(), footer.blocks(want))).collect();
        let keys = wanted.iter().flat_map(|(path, blocks)| {
            blocks.iter().map(move |block| (path.clone(), *block, columns))
        });
        let keys: Vec<BlockKey> = keys.collect();
        let mut have: HashMap<BlockKey, BlockRows> = HashMap::with_capacity(keys.len());
        loop {
            let missing = self.cached(&keys, &mut have).await;
            if missing.is_empty() {
                break;
            }
            let (claim, others) = self.caches.loading.claim(missing);
            // what another lookup finished loading just before
            let missing = self.cached(&claim.mine, &mut have).await;
            for (key, rows) in self.load(folder, files, &missing, columns).await? {
                self.caches.blocks.insert(key.clone(), Arc::clone(&rows)).await;
                have.insert(key, rows);
            }
            drop(claim);
            for mut other in others {
                // it ends when the other lookup has loaded, has failed or was cancelled
                let _ = other.changed().await;
            }
        }
        Ok(keys.iter().filter_map(|key| have.get(key).cloned()).collect())
    }

    /// Moves what the cache has to `have`; what it has not.
    async fn cached(
        &self,
        keys: &[BlockKey],
        have: &mut HashMap<BlockKey, BlockRows>,
    ) -> Vec<BlockKey> {
        let blocks = &self.caches.blocks;
        let mut missing = Vec::new();
        for key in keys {
            if have.contains_key(key) {
                continue;
            }
            let mut found = blocks.get(key).await;
            if found.is_none() && key.2 == Columns::Tlm {
                found = blocks.get(&(key.0.clone(), key.1, Columns::Packets)).await;
            }
            match found {
                Some(rows) => drop(have.insert(key.clone(), rows)),
                None => missing.push(key.clone()),
            }
        }
        missing
    }

    /// Reads and decodes blocks, all files at once.
    pub(crate) async fn load(
        &self,
        folder: &Folder,
        files: &[Open],
        keys: &[BlockKey],
        columns: Columns,
    ) -> Result<Vec<(BlockKey, BlockRows)>> {
        let mut by_file: HashMap<&Path, Vec<Block>> = HashMap::new();
        for (path, block, _) in keys {
            by_file.entry(path).or_default().push(*block);
        }
        let reads = files.iter().filter_map(|open| {
            let mut blocks = by_file.remove(&open.0.path)?;
            blocks.sort_unstable();
            Some(self.load_file(folder, open, blocks, columns))
        });
        let reads: Vec<_> = reads.collect();
        let loaded = futures::stream::iter(reads).buffered(READS);
        let loaded: Vec<Vec<(BlockKey, BlockRows)>> = loaded.try_collect().await?;
        Ok(loaded.into_iter().flatten().collect())
    }

    async fn load_file(
        &self,
        folder: &Folder,
        (file, footer): &Open,
        blocks: Vec<Block>,
        columns: Columns,
    ) -> Result<Vec<(BlockKey, BlockRows)>> {
        let (path, size) = (&file.path, file.size);
        let planned = {
            let (footer, blocks) = (Arc::clone(footer), blocks.clone());
            blocking(path, move || match footer.whole {
                Some(_) => Ok(Vec::new()),
                None => table::ranges(&footer, &blocks, columns, size),
            })
        };
        let ranges = coalesce(planned.await?);
        let reads: Vec<_> = ranges.into_iter().map(|range| self.body(path, range)).collect();
        let mut bodies: Vec<(u64, Bytes)> =
            futures::stream::iter(reads).buffered(READS).try_collect().await?;
        bodies.extend(footer.whole.clone().map(|whole| (0, whole)));
        let of = folder.clone();
        let footer = Arc::clone(footer);
        let (decoded, blocks) = blocking(path, move || {
            let decoded = table::decode(&footer, &blocks, columns, |range| cut(&bodies, range))?;
            check(&of, &decoded)?;
            Ok((decoded, blocks))
        })
        .await?;
        let rows = blocks.into_iter().zip(decoded);
        Ok(rows.map(|(block, rows)| ((path.clone(), block, columns), Arc::new(rows))).collect())
    }
}

/// A file in the folder of another tile would hide from those who look for its records.
fn check(folder: &Folder, blocks: &[Vec<Row>]) -> Result<(), String> {
    let here = |row: &&Row| {
        let product = &row.record.product;
        product.level() == folder.level && product.tile() == folder.tile
    };
    match blocks.iter().flatten().find(|row| !here(row)) {
        Some(row) => Err(format!("{} is not of this table", row.record.product)),
        None => Ok(()),
    }
}

/// The files whose records count: all but those whose records another file holds as well.
pub(crate) fn live(files: &[Open]) -> Vec<Open> {
    let replaced = replaced(files);
    files.iter().filter(|(file, _)| !replaced.contains(file.name())).cloned().collect()
}

/// Names that some other file names as its input, there or not.
pub(crate) fn replaced(files: &[Open]) -> HashSet<&str> {
    let named = files.iter().flat_map(|(file, footer)| {
        footer.replaces.iter().map(String::as_str).filter(|name| *name != file.name())
    });
    named.collect()
}

/// `<UUID>-<bytes>.parquet`: how many bytes at the end of the file hold page indexes and footer.
fn tail_of(name: &str) -> Option<u64> {
    name.strip_suffix(".parquet")?.get(37..)?.parse().ok()
}

/// Joins ranges that lie near each other.
fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last)
                if range.start < last.end
                    || (range.start <= last.end.saturating_add(GAP)
                        && range.end.saturating_sub(last.start) <= MAX_READ) =>
            {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// The bytes of a range out of what was read, in order of its place in the file.
fn cut(bodies: &[(u64, Bytes)], range: &Range<u64>) -> Option<Bytes> {
    let part = |at: u64| {
        bodies.iter().find_map(|(start, body)| {
            let from = usize::try_from(at.checked_sub(*start)?).ok()?;
            let end = usize::try_from(range.end.checked_sub(*start)?).ok()?.min(body.len());
            (from < end).then(|| body.slice(from..end))
        })
    };
    let wanted = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
    let first = part(range.start).filter(|_| wanted > 0).unwrap_or_default();
    if first.len() == wanted {
        return Some(first);
    }
    // a column chunk that was too long for one request
    let mut joined = BytesMut::from(first);
    while joined.len() < wanted {
        let at = range.start.checked_add(u64::try_from(joined.len()).ok()?)?;
        joined.extend_from_slice(&part(at)?);
    }
    Some(joined.freeze())
}

pub(crate) fn bad(path: &Path, reason: String) -> Error {
    Error::BadFile { path: path.to_string(), reason }
}

/// Runs work that takes the processor for long; what it fails with is the fault of the file.
async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined
        .map_err(|error| Error::Task { reason: error.to_string() })?
        .map_err(|reason| bad(path, reason))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_say_how_long_the_tail_is() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(tail_of(&format!("{id}-123456.parquet")), Some(123_456));
        for name in [format!("{id}.parquet"), format!("{id}-x.parquet"), "a.parquet".to_owned()] {
            assert_eq!(tail_of(&name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn joined_ranges_hold_all(ranges in prop::collection::vec((0..1_u64 << 24, 1..1_u64 << 16), 0..60)) {
            let ranges: Vec<Range<u64>> =
                ranges.into_iter().map(|(start, length)| start..start + length).collect();
            let joined = coalesce(ranges.clone());
            for range in &ranges {
                prop_assert!(joined.iter().any(|j| j.start <= range.start && range.end <= j.end));
            }
            prop_assert!(joined.is_sorted_by(|a, b| a.end <= b.start));
        }
    }
}
