//! One asset of one time step: reading its tiles, and starting over once when its record turns out
//! to be stale.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cubeflight_jp2::{MainHeader, ScanOptions, Scanner};
use cubeflight_plan::{
    AssetRead, Column, Fault, HeaderSource, Layout, PlannedCandidate, PlannedColumn, ReadGroup,
    TileArea, TileLattice, TileRead, Unindexed, plan_asset,
};
use cubeflight_sentinel2::{ProductId, safe};
use cubeflight_storage::{Origin, Path};
use cubeflight_tlm::{RecordSource, TlmRecord};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all, try_join_all};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::block::OpenBlock;
use crate::decode::{Conversion, TileData, TileJob};
use crate::decoded::Key;
use crate::error::fault_code;
use crate::held::Held;
use crate::learned::{Finding, Wanted};
use crate::queue::Flow;
use crate::trouble::{Trouble, ended, index_trouble, permanent, storage_trouble};

/// What all tasks of a stream share.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) engine: Engine,
    pub(crate) layout: Arc<Layout>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) counts: Arc<Counts>,
    /// Its place in the decoder's queue.
    pub(crate) flow: Arc<Flow>,
}

/// What a stream has read.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) cache_hits: AtomicU64,
    pub(crate) cache_bytes: AtomicU64,
    pub(crate) scanned_assets: AtomicU64,
    pub(crate) scan_requests: AtomicU64,
    pub(crate) scan_bytes: AtomicU64,
    /// Tiles that had been decoded before.
    pub(crate) decoded: AtomicU64,
    /// Decoder jobs that were begun.
    pub(crate) jobs: AtomicU64,
    /// Times of requests, of jobs in the queue, and of jobs.
    pub(crate) fetching: Elapsed,
    pub(crate) waiting: Elapsed,
    pub(crate) decoding: Elapsed,
}

/// A sum of times.
#[derive(Debug, Default)]
pub(crate) struct Elapsed(AtomicU64);

impl Elapsed {
    /// Adds the time since then.
    pub(crate) fn since(&self, begun: Instant) {
        let nanoseconds = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Counts {
    fn scan(&self, found: &Finding) {
        self.scanned_assets.fetch_add(1, Ordering::Relaxed);
        self.scan_requests.fetch_add(found.requests, Ordering::Relaxed);
        self.scan_bytes.fetch_add(found.bytes, Ordering::Relaxed);
    }

    fn read(&self, bytes: u64, origin: Origin) {
        let (reads, sum) = match origin {
            Origin::Upstream => (&self.requests, &self.bytes),
            _ => (&self.cache_hits, &self.cache_bytes),
        };
        reads.fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A read that does not give all that it should.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) trouble: Trouble,
    /// Row-blocks that lack pixels.
    pub(crate) blocks: Vec<Range<u32>>,
}

impl Failed {
    fn all_of(group: &ReadGroup, trouble: Trouble) -> Self {
        Self { trouble, blocks: group.tiles.iter().flat_map(filled).collect() }
    }
}

fn filled(tile: &TileRead) -> impl Iterator<Item = Range<u32>> {
    tile.areas.iter().map(|area| area.blocks.clone())
}

/// Where an image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Column of the layout.
    pub(crate) column: usize,
    /// Part of the step.
    pub(crate) part: usize,
}

/// One asset of one time step.
#[derive(Debug)]
pub(crate) struct AssetTask {
    pub(crate) place: Place,
    pub(crate) product: ProductId,
    pub(crate) conversion: Conversion,
    pub(crate) read: AssetRead,
    path: Path,
    /// The path with the state of the file that the record describes, as the caches name it.
    file: Arc<str>,
    /// What was read while its tile-parts were looked for.
    held: Held,
    /// Read once, whatever comes of it.
    header: OnceCell<Result<Arc<MainHeader>, Trouble>>,
    /// The same asset after its file was scanned again; once, whatever comes of it.
    refreshed: OnceCell<Result<Arc<AssetTask>, Trouble>>,
    /// What may stand in for the file.
    others: Vec<PlannedCandidate>,
    /// What does stand in for the file; once, whatever comes of it.
    stand_in: OnceCell<Result<Arc<AssetTask>, Trouble>>,
    /// Products whose images were looked for before this one.
    pub(crate) missed: Vec<Fault>,
}

impl AssetTask {
    /// The first of the candidates that can be read; the trouble with the first one where none can.
    /// `wanted` is the product that is to be read.
    pub(crate) async fn prepare(
        context: &Context,
        place: Place,
        wanted: &ProductId,
        candidates: Vec<PlannedCandidate>,
    ) -> Result<Self, (ProductId, Trouble)> {
        let mut missed: Vec<Fault> = Vec::new();
        let mut first: Option<(ProductId, Trouble)> = None;
        let mut candidates = candidates.into_iter();
        while let Some(PlannedCandidate { product, scale, column }) = candidates.next() {
            let conversion = Conversion::of(&context.layout, place.column, scale);
            let tried = match column {
                PlannedColumn::Read(read) => Self::new(context, place, conversion, read),
                PlannedColumn::Scan(file) => {
                    Self::find(context, place, conversion, file, None).await
                }
                PlannedColumn::Fault(Fault { code, message, .. }) => {
                    Err(Trouble::Gone { code, message })
                }
            };
            match tried {
                Ok(task) => return Ok(Self { missed, others: candidates.collect(), ..task }),
                Err(Trouble::Gone { code, message }) => {
                    let fault = Fault { product: product.clone(), code, message: message.clone() };
                    missed.push(fault);
                    first.get_or_insert((product, Trouble::Permanent { code, message }));
                }
                Err(trouble) => return Err((product, trouble)),
            }
        }
        let absent = || {
            let message = "no product has this image".to_owned();
            (wanted.clone(), Trouble::Permanent { code: fault_code::ABSENT, message })
        };
        Err(first.unwrap_or_else(absent))
    }

    pub(crate) fn new(
        context: &Context,
        place: Place,
        conversion: Conversion,
        read: AssetRead,
    ) -> Result<Self, Trouble> {
        let path = context.engine.archive.resolve(&read.href).map_err(storage_trouble)?;
        let header = match &read.header {
            HeaderSource::Known(header) => OnceCell::new_with(Some(Ok(Arc::clone(header)))),
            HeaderSource::Fetch(_) => OnceCell::new(),
        };
        let file = format!("{path} {}", state_of(&read.record)).into();
        Ok(Self {
            place,
            file,
            product: read.record.product.clone(),
            conversion,
            read,
            path,
            held: Held::default(),
            header,
            refreshed: OnceCell::new(),
            others: Vec::new(),
            stand_in: OnceCell::new(),
            missed: Vec::new(),
        })
    }

    /// Finds the wanted tile-parts of a file, then plans it. `stale` is a record that has turned
    /// out to be wrong.
    pub(crate) async fn find(
        context: &Context,
        place: Place,
        conversion: Conversion,
        file: Unindexed,
        stale: Option<&TlmRecord>,
    ) -> Result<Self, Trouble> {
        let Unindexed { product, href, size, etag, known } = file;
        let Engine { archive, learned, .. } = &context.engine;
        let path = archive.resolve(&href).map_err(storage_trouble)?;
        let shape = column_of(context, place.column)?;
        let store = archive.name().map(ToOwned::to_owned);
        let key = safe::archive_key(path.as_ref()).to_owned();
        let cost = context.engine.cost();
        let wanted = Wanted {
            path: &path,
            source: RecordSource { product, asset: shape.asset, store, key, etag },
            size,
            tiles: &tiles_of(shape),
            tile_count: TileLattice::of_asset(shape.asset, &shape.grid).count(),
            known,
            stale,
            max_whole_read: cost.max_whole_read,
        };
        let found = learned.find(archive, wanted).await.map_err(index_trouble)?;
        context.counts.scan(&found);
        let read = plan_asset(shape, href, found.record, &cost)
            .map_err(|error| permanent(error.code(), &error))?;
        let ranges = read.groups.iter().flat_map(|group| &group.ranges);
        let held = found.held.only(ranges);
        let task = Self::new(context, place, conversion, read)?;
        Ok(Self { held: context.engine.memory.keep(held), ..task })
    }

    /// Reads the tiles of a group and decodes them into the row-blocks. Where the file turns out not
    /// to exist, that of the next candidate is read.
    pub(crate) fn run<'a>(
        &'a self,
        context: &'a Arc<Context>,
        group: &'a ReadGroup,
        blocks: &'a Arc<[Arc<OpenBlock>]>,
    ) -> BoxFuture<'a, Result<(), Failed>> {
        async move {
            let gone = match self.read_group(context, group, blocks).await {
                Err(Failed { trouble: Trouble::Gone { code, message }, .. })
                    if !self.others.is_empty() =>
                {
                    Fault { product: self.product.clone(), code, message }
                }
                outcome => return outcome,
            };
            let other = self.stand_in.get_or_init(|| self.next_candidate(context)).await;
            let Ok(other) = other else {
                // what the first one lacked is what matters
                let trouble = Trouble::Permanent { code: gone.code, message: gone.message };
                return Err(Failed::all_of(group, trouble));
            };
            let group = other.group_of(group);
            other.run(context, &group, blocks).await?;
            let filled = || blocks.iter().filter(|block| group.fills(block.number()));
            for fault in std::iter::once(&gone).chain(&other.missed) {
                let fault = other.stands_in_for(fault);
                filled().for_each(|block| block.replaced(self.place.column, fault.clone()));
            }
            Ok(())
        }
        .boxed()
    }

    async fn next_candidate(&self, context: &Context) -> Result<Arc<Self>, Trouble> {
        let prepared = Self::prepare(context, self.place, &self.product, self.others.clone()).await;
        prepared.map(Arc::new).map_err(|(_, trouble)| trouble)
    }

    /// What is said of an image that this one stands in for.
    pub(crate) fn stands_in_for(&self, missing: &Fault) -> Fault {
        let Fault { product, message, .. } = missing;
        let message = format!("{message}; that of {} is used instead", self.product);
        Fault { product: product.clone(), code: fault_code::REPLACED, message }
    }

    async fn read_group(
        &self,
        context: &Arc<Context>,
        group: &ReadGroup,
        blocks: &Arc<[Arc<OpenBlock>]>,
    ) -> Result<(), Failed> {
        // What passed its checks stays as it is where no better record is to be had.
        let stale = match self.attempt(context, group, blocks, true).await {
            Err(Failed { trouble: Trouble::Stale(reason), blocks }) => {
                tracing::warn!(product = %self.product, href = self.read.href, reason, "stale index record");
                blocks
            }
            outcome => return outcome,
        };
        let fresh = self.refreshed.get_or_init(|| self.rescan(context)).await.as_ref();
        let fresh = fresh.map_err(|trouble| Failed { trouble: trouble.clone(), blocks: stale })?;
        let group = fresh.group_of(group);
        let outcome = fresh.attempt(context, &group, blocks, false).await;
        outcome.map_err(|Failed { trouble, blocks }| match trouble {
            Trouble::Stale(message) => {
                let trouble = Trouble::Permanent { code: fault_code::SIZE_CHANGED, message };
                Failed { trouble, blocks }
            }
            trouble => Failed { trouble, blocks },
        })
    }

    async fn rescan(&self, context: &Context) -> Result<Arc<Self>, Trouble> {
        let (product, href) = (self.product.clone(), self.read.href.clone());
        let file = Unindexed { product, href, size: None, etag: None, known: None };
        let stale = Some(&*self.read.record);
        let fresh = Self::find(context, self.place, self.conversion, file, stale).await?;
        Ok(Arc::new(fresh))
    }

    /// The tiles that fill the same pixels by this task's own record: the file may have been tiled
    /// otherwise before. Of the row-blocks only those that the stale group fills are written.
    fn group_of(&self, stale: &ReadGroup) -> ReadGroup {
        let blocks = stale.blocks();
        let of_stale = || stale.tiles.iter().flat_map(|tile| &tile.areas);
        // windows of a list may overlap
        let same_blocks = |a: &TileArea, b: &TileArea| {
            a.blocks.start < b.blocks.end && b.blocks.start < a.blocks.end
        };
        let overlaps = |own: &&TileArea| {
            of_stale().any(|area| {
                same_blocks(area, own) && area.samples.intersection(&own.samples).is_some()
            })
        };
        let within = |area: &TileArea| TileArea {
            blocks: area.blocks.start.max(blocks.start)..area.blocks.end.min(blocks.end),
            ..area.clone()
        };
        let own = self.read.groups.iter().flat_map(|group| &group.tiles);
        let tiles = own.map(|own| TileRead {
            areas: own.areas.iter().filter(overlaps).map(within).collect(),
            ..own.clone()
        });
        let tiles: Vec<TileRead> = tiles.filter(|tile| !tile.areas.is_empty()).collect();
        let ranges = tiles.iter().flat_map(|tile| tile.source.ranges()).collect();
        ReadGroup { ranges, tiles }
    }

    async fn attempt(
        &self,
        context: &Arc<Context>,
        group: &ReadGroup,
        blocks: &Arc<[Arc<OpenBlock>]>,
        fresh: bool,
    ) -> Result<(), Failed> {
        let all = |trouble| Failed::all_of(group, trouble);
        let decoded = self.decoded(context, group);
        // until all tiles are decoded
        let mut _fetched = None;
        let data = match decoded {
            Some(decoded) => decoded,
            None => {
                let bytes = group.ranges.iter().map(|range| range.end - range.start).sum();
                _fetched = Some(
                    context.engine.memory.fetch(bytes).await.map_err(|error| all(ended(error)))?,
                );
                self.read(context, group).await.map_err(all)?
            }
        };
        let jobs = group.tiles.iter().zip(data).map(|(tile, data)| {
            let job = TileJob {
                context: Arc::clone(context),
                file: Arc::clone(&self.file),
                column: self.place.column,
                part: self.place.part,
                conversion: self.conversion,
                tile: tile.clone(),
                data,
                fresh,
                blocks: Arc::clone(blocks),
                first_block: group.blocks().start,
            };
            job.run()
        });
        // All of them, also after a failure: one that goes on alone would write into blocks that
        // another attempt fills, or that were given away.
        let outcomes = group.tiles.iter().zip(join_all(jobs).await);
        let mut blocks = Vec::new();
        let mut worst: Option<Trouble> = None;
        for (tile, outcome) in outcomes {
            let Err(trouble) = outcome else { continue };
            blocks.extend(filled(tile));
            // A stale tile explains the failures of its neighbours.
            let is_stale = |trouble: &Trouble| matches!(trouble, Trouble::Stale(_));
            if worst.as_ref().is_none_or(|worst| is_stale(&trouble) && !is_stale(worst)) {
                worst = Some(trouble);
            }
        }
        worst.map_or(Ok(()), |trouble| Err(Failed { trouble, blocks }))
    }

    /// What was decoded before of all tiles of a group; nothing where some of it is missing.
    fn decoded(&self, context: &Context, group: &ReadGroup) -> Option<Vec<TileData>> {
        let column = context.layout.columns.get(self.place.column)?;
        let area = |tile: &TileRead, area: &TileArea| {
            context.engine.decoded.get(&Key::new(&self.file, tile.tile, column, area))
        };
        let tiles = group.tiles.iter().map(|tile| {
            let images: Option<_> = tile.areas.iter().map(|it| area(tile, it)).collect();
            images.map(TileData::Decoded)
        });
        let tiles: Vec<TileData> = tiles.collect::<Option<_>>()?;
        context.counts.decoded.fetch_add(tiles.len() as u64, Ordering::Relaxed);
        Some(tiles)
    }

    /// Fetches the bytes of a group.
    async fn read(&self, context: &Context, group: &ReadGroup) -> Result<Vec<TileData>, Trouble> {
        let header = self.header(context).await?;
        let wanted: Vec<Vec<Range<u64>>> =
            group.tiles.iter().map(|tile| tile.source.ranges()).collect();
        let within = |range: &Range<u64>| {
            let pieces = wanted.iter().flatten();
            let pieces = pieces.filter(|it| range.start <= it.start && it.end <= range.end);
            pieces.cloned().collect::<Vec<_>>()
        };
        let reads = group.ranges.iter().map(|range| {
            let (range, pieces) = (range.clone(), within(range));
            async move {
                let bytes = self.get(context, range, &pieces).await?;
                Ok::<_, Trouble>(pieces.into_iter().zip(bytes))
            }
        });
        let read: Vec<(Range<u64>, Bytes)> =
            try_join_all(reads).await?.into_iter().flatten().collect();
        let find = |wanted: &Range<u64>| {
            let found = read.iter().find(|(range, _)| range == wanted);
            // No bytes are refused by the splice as not being those of the tile.
            found.map(|(_, bytes)| bytes.clone()).unwrap_or_default()
        };
        let tiles = wanted.iter().map(|ranges| TileData::Read {
            header: Arc::clone(&header),
            bytes: ranges.iter().map(find).collect(),
        });
        Ok(tiles.collect())
    }

    /// The pieces of a range.
    async fn get(
        &self,
        context: &Context,
        range: Range<u64>,
        pieces: &[Range<u64>],
    ) -> Result<Vec<Bytes>, Trouble> {
        let held: Option<Vec<Bytes>> = pieces.iter().map(|piece| self.held.get(piece)).collect();
        if let Some(held) = held {
            return Ok(held);
        }
        let Engine { archive, config, .. } = &context.engine;
        let length = range.end - range.start;
        let begun = Instant::now();
        let read = match &config.range_cache {
            Some(cache) => cache.get(archive, &self.path, &self.file, range, pieces).await,
            None => {
                let read = archive.get_pieces(&self.path, range, pieces).await;
                read.map(|bytes| (bytes, Origin::Upstream))
            }
        };
        context.counts.fetching.since(begun);
        let (bytes, origin) = read.map_err(storage_trouble)?;
        let length = match origin {
            Origin::Upstream => length,
            _ => bytes.iter().map(|bytes| bytes.len() as u64).sum(),
        };
        context.counts.read(length, origin);
        Ok(bytes)
    }

    async fn header(&self, context: &Context) -> Result<Arc<MainHeader>, Trouble> {
        let fetch = || async {
            let HeaderSource::Fetch(range) = &self.read.header else {
                return Err(Trouble::Stale("record has no main header".to_owned()));
            };
            let piece = std::slice::from_ref(range);
            let bytes = self.get(context, range.clone(), piece).await?;
            let bytes = bytes.first().cloned().unwrap_or_default();
            let header = parse_header(&bytes, self.read.record.size)?;
            let column = column_of(context, self.place.column)?;
            let found = TileLattice::of_header(column.asset, &column.grid, &header)
                .map_err(|error| permanent(error.code(), &error))?;
            if found != TileLattice::of_asset(column.asset, &column.grid) {
                return Err(Trouble::Stale("file is not tiled as its kind usually is".to_owned()));
            }
            let record = TlmRecord {
                main_header: Some(header.without_tlm().into()),
                ..(*self.read.record).clone()
            };
            context.engine.learned.learn(&self.path, record).await;
            Ok(Arc::new(header))
        };
        self.header.get_or_init(fetch).await.clone()
    }
}

/// Names the state of a file: by its size and validator, or where there is none by where its
/// tile-parts lie. Another compiler may hash otherwise: its entries are then not found.
fn state_of(record: &TlmRecord) -> String {
    match &record.etag {
        Some(etag) => format!("{} {etag}", record.size),
        None => {
            let mut hasher = DefaultHasher::new();
            record.tile_parts.hash(&mut hasher);
            format!("{} parts {:016x}", record.size, hasher.finish())
        }
    }
}

/// Boxes and main header, from everything up to the first SOT marker.
fn parse_header(bytes: &[u8], size: u64) -> Result<MainHeader, Trouble> {
    let options = ScanOptions { stop_after_header: true, ..ScanOptions::default() };
    let mut scanner = Scanner::new(size, options);
    let stale = |error: cubeflight_jp2::Error| Trouble::Stale(error.to_string());
    scanner.feed(0, bytes).map_err(stale)?;
    if scanner.wants().is_some() {
        return Err(Trouble::Stale("main header does not end where the record says".to_owned()));
    }
    Ok(scanner.finish().map_err(stale)?.header)
}

/// The JP2 tiles that hold samples of a column, where the file is tiled as its kind is.
fn tiles_of(column: &Column) -> Vec<u16> {
    let lattice = TileLattice::of_asset(column.asset, &column.grid);
    column.tiles(&lattice).into_iter().filter_map(|tile| u16::try_from(tile).ok()).collect()
}

fn column_of(context: &Context, column: usize) -> Result<&Column, Trouble> {
    context.layout.columns.get(column).ok_or(Trouble::Permanent {
        code: "CF-ENG-002",
        message: "plan and layout have different columns".to_owned(),
    })
}
