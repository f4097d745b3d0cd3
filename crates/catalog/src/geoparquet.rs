//! STAC items in Parquet files, one a row, as the stac-geoparquet specification (1.0) lays them out:
//! properties are columns of their own, assets a struct of structs.
//!
//! A search reads the footer, then the row groups whose `datetime` may meet the wanted time; in
//! these first `id`, `datetime` and `grid:code`, then the rest of the rows that remain.

mod footer;
mod rows;

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cubeflight_sentinel2::Wanted;
use cubeflight_storage::{ObjectMeta, Path, Root};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use parquet::DecodeResult;
use parquet::arrow::push_decoder::ParquetPushDecoder;

use crate::geoparquet::footer::{Footer, Parsed};
use crate::stac_item::Entry;
use crate::{Error, Omitted, Result};

/// Read from the end of a file at first. Items of CDSE have some 900 columns, each with statistics in
/// every row group.
const FIRST_READ: u64 = 1 << 20;
/// Longest footer.
const MAX_FOOTER: u64 = 64 << 20;
/// Ranges of a row group that lie closer together are one request, up to `LONGEST`.
const GAP: u64 = 1 << 20;
const LONGEST: u64 = 64 << 20;

/// Whether a file is one by its name.
pub(crate) fn is_parquet(path: &Path) -> bool {
    matches!(path.extension(), Some("parquet" | "geoparquet"))
}

/// The footers that were read, by file.
#[derive(Debug, Default)]
pub(crate) struct Footers(Mutex<HashMap<Path, (ObjectMeta, Arc<Footer>)>>);

impl Footers {
    /// Forgets files that are no longer there.
    pub(crate) fn retain(&self, there: impl Fn(&Path) -> bool) {
        self.lock().retain(|path, _| there(path));
    }

    /// The items of a file that may be wanted, some rows at a time. A file that is no good is an
    /// entry that says so; an error is of the store.
    pub(crate) fn items<'a>(
        &'a self,
        root: &'a Root,
        file: ObjectMeta,
        wanted: Wanted,
    ) -> BoxStream<'a, Result<Vec<Entry>>> {
        let opened = async move {
            let name: Arc<str> = Arc::from(file.location.as_ref());
            Ok::<_, Error>(match self.footer(root, &file).await? {
                Ok(footer) => read(root, file.location, name, footer, wanted).boxed(),
                Err(reason) => stream::iter([Ok(vec![unreadable(&name, reason)])]).boxed(),
            })
        };
        stream::once(opened).try_flatten().boxed()
    }

    async fn footer(&self, root: &Root, file: &ObjectMeta) -> Result<Result<Arc<Footer>, String>> {
        let known = self.lock().get(&file.location).cloned();
        if let Some((_, footer)) = known.filter(|(meta, _)| meta == file) {
            return Ok(Ok(footer));
        }
        let mut length = FIRST_READ.min(file.size);
        loop {
            let end = root.get_range(&file.location, file.size - length..file.size).await?;
            let size = file.size;
            match apart(move || Footer::parse(&end, size)).await? {
                Ok(Parsed::Footer(footer)) => {
                    let footer = Arc::new(*footer);
                    let entry = (file.clone(), Arc::clone(&footer));
                    self.lock().insert(file.location.clone(), entry);
                    return Ok(Ok(footer));
                }
                Ok(Parsed::More(needed)) if needed > MAX_FOOTER => {
                    return Ok(Err(format!("a footer of {needed} bytes")));
                }
                Ok(Parsed::More(needed)) => length = needed,
                Err(reason) => return Ok(Err(reason)),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Path, (ObjectMeta, Arc<Footer>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What reading has come to: the row groups left, and the one that is being decoded.
struct Reading<'a> {
    root: &'a Root,
    path: Path,
    name: Arc<str>,
    footer: Arc<Footer>,
    wanted: Wanted,
    groups: std::vec::IntoIter<usize>,
    decoder: Option<ParquetPushDecoder>,
}

/// One turn of a decoder.
enum Turn {
    Needs(Box<ParquetPushDecoder>, Vec<Range<u64>>),
    Entries(Box<ParquetPushDecoder>, Vec<Entry>),
    Finished,
}

fn read(
    root: &Root,
    path: Path,
    name: Arc<str>,
    footer: Arc<Footer>,
    wanted: Wanted,
) -> impl futures::Stream<Item = Result<Vec<Entry>>> + Send + '_ {
    let groups = footer.groups(&wanted.time).into_iter();
    let reading = Reading { root, path, name, footer, wanted, groups, decoder: None };
    stream::try_unfold(Some(reading), |reading| async move {
        let Some(mut reading) = reading else { return Ok(None) };
        Ok(match reading.next().await? {
            Some(Ok(entries)) => Some((entries, Some(reading))),
            Some(Err(reason)) => Some((vec![unreadable(&reading.name, reason)], None)),
            None => None,
        })
    })
}

impl Reading<'_> {
    /// The next rows, or why there are no more to be had.
    async fn next(&mut self) -> Result<Option<Result<Vec<Entry>, String>>> {
        loop {
            let decoder = match self.decoder.take() {
                Some(decoder) => decoder,
                None => {
                    let Some(group) = self.groups.next() else { return Ok(None) };
                    match guarded(|| self.footer.decoder(group, self.wanted)) {
                        Ok(decoder) => decoder,
                        Err(reason) => return Ok(Some(Err(reason))),
                    }
                }
            };
            let name = Arc::clone(&self.name);
            match apart(move || turn(decoder, &name)).await? {
                Ok(Turn::Entries(decoder, entries)) => {
                    self.decoder = Some(*decoder);
                    return Ok(Some(Ok(entries)));
                }
                Ok(Turn::Needs(decoder, ranges)) => {
                    match feed(self.root, &self.path, *decoder, ranges).await? {
                        Ok(decoder) => self.decoder = Some(decoder),
                        Err(reason) => return Ok(Some(Err(reason))),
                    }
                }
                Ok(Turn::Finished) => {}
                Err(reason) => return Ok(Some(Err(reason))),
            }
        }
    }
}

/// Gives a decoder the bytes that it asks for.
async fn feed(
    root: &Root,
    path: &Path,
    mut decoder: ParquetPushDecoder,
    ranges: Vec<Range<u64>>,
) -> Result<Result<ParquetPushDecoder, String>> {
    let pieces = coalesce(ranges);
    let mut bodies: Vec<Bytes> = Vec::new();
    for range in &pieces {
        bodies.push(root.get_range(path, range.clone()).await?);
    }
    let pushed = guarded(|| decoder.push_ranges(pieces, bodies).map_err(text));
    Ok(pushed.map(|()| decoder))
}

fn turn(mut decoder: ParquetPushDecoder, name: &str) -> Result<Turn, String> {
    Ok(match decoder.try_decode().map_err(text)? {
        DecodeResult::NeedsData(ranges) => Turn::Needs(Box::new(decoder), ranges),
        DecodeResult::Data(batch) => {
            let entries = rows::entries(&batch, name)?;
            Turn::Entries(Box::new(decoder), entries)
        }
        DecodeResult::Finished => Turn::Finished,
    })
}

/// A row group has hundreds of short column chunks, one behind the other.
fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last)
                if range.start <= last.end.saturating_add(GAP)
                    && range.end.saturating_sub(last.start) <= LONGEST =>
            {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

fn unreadable(name: &str, reason: String) -> Entry {
    Entry::unknown(Omitted::new(name, "unreadable_file", reason))
}

/// Runs work that keeps a processor busy, and whose panics are those of a damaged file.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<Result<T, String>> {
    tokio::task::spawn_blocking(move || guarded(work)).await.map_err(Error::other)
}

/// The Parquet reader asserts some of what a footer says, so that a flipped bit panics.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("the parquet reader gave up: the file is damaged".to_owned()))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::{GAP, LONGEST, coalesce};

    #[test]
    fn neighbours_are_one_request() {
        assert_eq!(
            coalesce(vec![10..20, 0..10, 5..8, 2 * GAP..3 * GAP]),
            [0..20, 2 * GAP..3 * GAP]
        );
        assert_eq!(coalesce(vec![0..10, 11 + GAP..30 + GAP]), [0..10, 11 + GAP..30 + GAP]);
        assert_eq!(coalesce(vec![0..LONGEST, LONGEST..LONGEST + 1]).len(), 2);
        assert!(coalesce(Vec::new()).is_empty());
    }
}
