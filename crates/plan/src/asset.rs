//! What one asset of one time step costs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use cubeflight_jp2::{MainHeader, PacketRead, Rect};
use cubeflight_sentinel2::Window;
use cubeflight_tlm::{TilePartSpan, TlmRecord};

use crate::{Column, CostModel, Error, Result, TileLattice};

/// Length of a marker in bytes (ISO/IEC 15444-1 A.1.1).
const MARKER_BYTES: u64 = 2;

/// Where the main header of an asset comes from.
#[derive(Debug, Clone)]
pub enum HeaderSource {
    /// The record holds it.
    Known(Arc<MainHeader>),
    /// These bytes of the file hold it: everything up to the first SOT marker, the marker included,
    /// which shows that the header ends there.
    Fetch(Range<u64>),
}

/// Which bytes of a JP2 tile are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TileSource {
    /// All its tile-parts, in order.
    TileParts(Vec<Range<u64>>),
    /// The packets that the windows need, of its only tile-part.
    Packets {
        /// First byte of the tile-part in the file.
        offset: u64,
        /// Which packets.
        read: PacketRead,
    },
}

impl TileSource {
    /// Bytes of the file, as the tile has them: in the order of the file but for tile-parts that
    /// are not.
    #[must_use]
    pub fn ranges(&self) -> Vec<Range<u64>> {
        match self {
            Self::TileParts(parts) => parts.clone(),
            Self::Packets { offset, read } => {
                let at = |within: u32| offset.saturating_add(u64::from(within));
                read.ranges().into_iter().map(|range| at(range.start)..at(range.end)).collect()
            }
        }
    }
}

/// A part of the cube's window, or of one of its windows, that lies in one JP2 tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileArea {
    /// Samples of the column's lattice.
    pub samples: Window,
    /// Row-blocks that they fill.
    pub blocks: Range<u32>,
}

/// One JP2 tile to decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileRead {
    /// JP2 tile.
    pub tile: u16,
    /// What is read of it.
    pub source: TileSource,
    /// What is decoded of it.
    pub areas: Vec<TileArea>,
}

impl TileRead {
    /// Row-blocks that its areas fill, from the first to the last.
    #[must_use]
    pub fn blocks(&self) -> Range<u32> {
        span(self.areas.iter().map(|area| area.blocks.clone()))
    }
}

/// Tiles that are read together: each range is one request, and the tiles can be decoded when all
/// of them have arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadGroup {
    /// Byte ranges of the file, ascending, not overlapping.
    pub ranges: Vec<Range<u64>>,
    /// Tiles whose bytes lie in these ranges.
    pub tiles: Vec<TileRead>,
}

impl ReadGroup {
    /// Row-blocks that its tiles fill, from the first to the last.
    #[must_use]
    pub fn blocks(&self) -> Range<u32> {
        span(self.tiles.iter().map(TileRead::blocks))
    }

    /// Whether it has samples of a row-block. Of a list of windows those in between may belong to
    /// others.
    #[must_use]
    pub fn fills(&self, block: u32) -> bool {
        let mut areas = self.tiles.iter().flat_map(|tile| &tile.areas);
        areas.any(|area| area.blocks.contains(&block))
    }
}

fn span(ranges: impl Iterator<Item = Range<u32>>) -> Range<u32> {
    let both = |a: Range<u32>, b: Range<u32>| a.start.min(b.start)..a.end.max(b.end);
    ranges.reduce(both).unwrap_or(0..0)
}

/// How the pixels of one asset are read.
#[derive(Debug, Clone)]
pub struct AssetRead {
    /// Where the file is.
    pub href: String,
    /// The record that the ranges come from.
    pub record: Arc<TlmRecord>,
    /// Main header.
    pub header: HeaderSource,
    /// Reads in the order in which row-blocks need them.
    pub groups: Vec<ReadGroup>,
}

impl AssetRead {
    /// Requests for pixels.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.groups.iter().map(|group| group.ranges.len() as u64).sum()
    }

    /// Bytes of these requests.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let ranges = self.groups.iter().flat_map(|group| &group.ranges);
        ranges.map(|range| range.end - range.start).sum()
    }

    /// About the requests and bytes of the same tiles with other costs.
    pub(crate) fn requests_with(&self, together: bool, cost: &CostModel) -> (u64, u64) {
        let tiles = self.groups.iter().flat_map(|group| &group.tiles);
        let shapes = shapes(tiles, together, cost);
        let requests = shapes.iter().flat_map(|shape| &shape.requests);
        let length = |request: &Request| request.range.end - request.range.start;
        requests.fold((0, 0), |(count, bytes), it| (count + 1, bytes + length(it)))
    }

    /// JP2 tiles to decode.
    #[must_use]
    pub fn jp2_tiles(&self) -> u64 {
        self.groups.iter().map(|group| group.tiles.len() as u64).sum()
    }
}

/// Plans the reads of one asset.
///
/// # Errors
/// A record or main header that does not fit the asset, see [`Error`].
pub fn plan_asset(
    column: &Column,
    href: String,
    record: Arc<TlmRecord>,
    cost: &CostModel,
) -> Result<AssetRead> {
    let name = || column.asset.to_string();
    let (header, lattice) = match &record.main_header {
        Some(bytes) => {
            let header = MainHeader::parse(bytes)
                .map_err(|error| Error::Header { asset: name(), reason: error.to_string() })?;
            let lattice = TileLattice::of_header(column.asset, &column.grid, &header)?;
            (HeaderSource::Known(Arc::new(header)), lattice)
        }
        None => {
            let lattice = TileLattice::of_asset(column.asset, &column.grid);
            (HeaderSource::Fetch(0..record.first_sot.saturating_add(MARKER_BYTES)), lattice)
        }
    };

    let parts = Parts::new(&record);
    let mut groups = Vec::new();
    for turn in column.areas_by_tile(&lattice) {
        let mut tiles = Vec::with_capacity(turn.len());
        for (tile, areas) in turn {
            let not_indexed = || Error::TileNotIndexed { asset: name(), tile };
            let tile = u16::try_from(tile).map_err(|_| not_indexed())?;
            let source = parts.source(tile, &header, column, &areas).ok_or_else(not_indexed)?;
            tiles.push(TileRead { tile, source, areas });
        }
        groups.extend(group(tiles, column.is_list(), cost));
    }
    // A stale or foreign record often lists tiles that the image does not have.
    if let Some(tile) = parts.tiles().find(|tile| *tile >= lattice.count()) {
        return Err(Error::TileNotIndexed { asset: name(), tile });
    }
    // The packet lengths of all tiles are many times what the plan keeps of them.
    let record = match record.packet_lengths {
        Some(_) => Arc::new(record.without_packet_lengths()),
        None => record,
    };
    Ok(AssetRead { href, groups, header, record })
}

/// The tile-parts of a record, by tile.
struct Parts<'a> {
    record: &'a TlmRecord,
    /// Positions in the record.
    by_tile: BTreeMap<u16, Vec<usize>>,
}

impl<'a> Parts<'a> {
    fn new(record: &'a TlmRecord) -> Self {
        let mut by_tile: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (position, part) in record.tile_parts.iter().enumerate() {
            by_tile.entry(part.tile).or_default().push(position);
        }
        Self { record, by_tile }
    }

    fn tiles(&self) -> impl Iterator<Item = u32> {
        self.by_tile.keys().map(|tile| u32::from(*tile))
    }

    /// What is read of a tile: the packets that its areas need where these are known.
    fn source(
        &self,
        tile: u16,
        header: &HeaderSource,
        column: &Column,
        areas: &[TileArea],
    ) -> Option<TileSource> {
        let positions = self.by_tile.get(&tile)?;
        if let (HeaderSource::Known(header), [position]) = (header, positions.as_slice())
            && let Some(source) = self.packets(*position, header, column, areas)
        {
            return Some(source);
        }
        let parts = positions.iter().filter_map(|at| self.record.tile_parts.get(*at));
        Some(TileSource::TileParts(parts.map(TilePartSpan::range).collect()))
    }

    fn packets(
        &self,
        position: usize,
        header: &MainHeader,
        column: &Column,
        areas: &[TileArea],
    ) -> Option<TileSource> {
        let part = self.record.tile_parts.get(position)?;
        let lengths = self.record.packet_lengths.as_ref()?.of(position)?;
        let areas: Vec<Rect> = areas.iter().map(|area| decode_area(column, area.samples)).collect();
        let read = PacketRead::new(
            header,
            part.tile,
            part.length,
            lengths,
            &areas,
            column.decode_reduce(),
        )?;
        Some(TileSource::Packets { offset: part.offset, read })
    }
}

/// The pixels of a column's image from the first to the last of some samples, on the reference grid.
#[must_use]
pub fn decode_area(column: &Column, samples: Window) -> Rect {
    let Window { x, y, width, height } = column.lattice().area(&samples);
    Rect::new(x, y, x + width, y + height)
}

/// Makes requests of what the tiles need: ranges become one where the cost model says so, those of
/// neighbouring tiles too. Of a window that is cut into row-blocks only tiles that fill the same ones
/// are joined, or a few small files would keep all row-blocks of a large cube open. Those of windows
/// that are read `together` are open anyway.
fn group(tiles: Vec<TileRead>, together: bool, cost: &CostModel) -> Vec<ReadGroup> {
    let shapes = shapes(tiles.iter(), together, cost);
    let mut tiles = tiles.into_iter();
    let group = |Shape { requests, tiles: count, .. }: Shape| ReadGroup {
        ranges: requests.into_iter().map(|request| request.range).collect(),
        tiles: tiles.by_ref().take(count).collect(),
    };
    shapes.into_iter().map(group).collect()
}

/// The requests of a group of tiles that follow each other.
struct Shape {
    requests: Vec<Request>,
    tiles: usize,
    /// Row-blocks of its last tile.
    blocks: Range<u32>,
}

fn shapes<'a>(
    tiles: impl Iterator<Item = &'a TileRead>,
    together: bool,
    cost: &CostModel,
) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for tile in tiles {
        let (mut requests, blocks) = (requests(tile.source.ranges(), cost), tile.blocks());
        if let Some(open) = shapes.last_mut().filter(|open| together || open.blocks == blocks)
            && let (Some(last), Some(first)) = (open.requests.last_mut(), requests.first())
            && let Some(joined) = last.joined(first, cost)
        {
            *last = joined;
            open.requests.extend(requests.drain(1..));
            open.tiles += 1;
            continue;
        }
        shapes.push(Shape { requests, tiles: 1, blocks });
    }
    shapes
}

/// One request, and how many of its bytes are wanted.
#[derive(Debug, Clone)]
struct Request {
    range: Range<u64>,
    wanted: u64,
}

impl Request {
    /// Both as one, where they follow each other and that costs less.
    fn joined(&self, next: &Self, cost: &CostModel) -> Option<Self> {
        let gap = next.range.start.checked_sub(self.range.end)?;
        let range = self.range.start..next.range.end.max(self.range.end);
        let wanted = self.wanted + next.wanted;
        cost.joins(gap, range.end - range.start, wanted).then_some(Self { range, wanted })
    }
}

/// The ranges of one tile as requests.
fn requests(mut ranges: Vec<Range<u64>>, cost: &CostModel) -> Vec<Request> {
    ranges.sort_by_key(|range| range.start);
    let mut requests: Vec<Request> = Vec::new();
    for range in ranges {
        let next = Request { wanted: range.end.saturating_sub(range.start), range };
        match requests.last_mut() {
            Some(last) if let Some(joined) = last.joined(&next, cost) => *last = joined,
            _ => requests.push(next),
        }
    }
    requests
}
