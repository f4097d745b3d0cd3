//! What one asset of one time step costs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use cubeflight_jp2::MainHeader;
use cubeflight_sentinel2::Window;
use cubeflight_tlm::TlmRecord;

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

/// One JP2 tile to decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileRead {
    /// JP2 tile.
    pub tile: u16,
    /// Its tile-parts in the file, in order.
    pub parts: Vec<Range<u64>>,
    /// The part of the window that lies in this tile, in pixels of the asset's grid.
    pub area: Window,
    /// Row-blocks that the area fills.
    pub blocks: Range<u32>,
}

/// Tiles that are read together: each range is one request, and the tiles can be decoded when all
/// of them have arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadGroup {
    /// Byte ranges of the file, ascending, not overlapping.
    pub ranges: Vec<Range<u64>>,
    /// Tiles whose tile-parts lie in these ranges.
    pub tiles: Vec<TileRead>,
}

impl ReadGroup {
    /// Row-blocks that its tiles fill.
    #[must_use]
    pub fn blocks(&self) -> Range<u32> {
        let start = self.tiles.iter().map(|tile| tile.blocks.start).min().unwrap_or(0);
        let end = self.tiles.iter().map(|tile| tile.blocks.end).max().unwrap_or(0);
        start..end
    }
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

    let parts = parts_by_tile(&record);
    let mut tiles = Vec::new();
    for (tile, area) in lattice.tiles_in(column.window) {
        let not_indexed = || Error::TileNotIndexed { asset: name(), tile };
        let tile = u16::try_from(tile).map_err(|_| not_indexed())?;
        let parts = parts.get(&tile).ok_or_else(not_indexed)?.clone();
        tiles.push(TileRead { tile, parts, area, blocks: blocks_of(column, area) });
    }
    // A stale or foreign record often lists tiles that the image does not have.
    if let Some(tile) = parts.keys().map(|tile| u32::from(*tile)).find(|t| *t >= lattice.count()) {
        return Err(Error::TileNotIndexed { asset: name(), tile });
    }
    Ok(AssetRead { href, groups: group(tiles, cost), header, record })
}

fn parts_by_tile(record: &TlmRecord) -> BTreeMap<u16, Vec<Range<u64>>> {
    let mut parts: BTreeMap<u16, Vec<Range<u64>>> = BTreeMap::new();
    for part in &record.tile_parts {
        parts.entry(part.tile).or_default().push(part.range());
    }
    parts
}

fn blocks_of(column: &Column, area: Window) -> Range<u32> {
    let first = (area.y - column.window.y) / column.block_rows;
    let last = (area.bottom() - 1 - column.window.y) / column.block_rows;
    first..last + 1
}

/// Merges the ranges of neighbouring tiles where the gap costs less than a request. Only tiles that
/// fill the same row-blocks are merged, or a few small files would keep all row-blocks of a large
/// cube open. Tiles with several tile-parts stay apart: their parts are rarely neighbours of
/// another tile's.
fn group(tiles: Vec<TileRead>, cost: &CostModel) -> Vec<ReadGroup> {
    let gap = cost.worthwhile_gap();
    let mut groups: Vec<ReadGroup> = Vec::new();
    for tile in tiles {
        let [part] = tile.parts.as_slice() else {
            let ranges = merge_parts(&tile.parts, gap, cost.max_request_bytes);
            groups.push(ReadGroup { ranges, tiles: vec![tile] });
            continue;
        };
        let part = part.clone();
        let last = groups.last_mut().filter(|last| last.blocks() == tile.blocks);
        if let Some(open) = last.and_then(|last| joinable(last, &part, gap, cost)) {
            // joinable groups have one range, and this part begins behind it
            open.ranges.iter_mut().for_each(|range| range.end = part.end);
            open.tiles.push(tile);
            continue;
        }
        groups.push(ReadGroup { ranges: vec![part], tiles: vec![tile] });
    }
    groups
}

fn joinable<'a>(
    group: &'a mut ReadGroup,
    part: &Range<u64>,
    gap: u64,
    cost: &CostModel,
) -> Option<&'a mut ReadGroup> {
    let [range] = group.ranges.as_slice() else { return None };
    let single_parts = group.tiles.iter().all(|tile| tile.parts.len() == 1);
    let near = part.start >= range.end && part.start - range.end <= gap;
    let short = part.end.saturating_sub(range.start) <= cost.max_request_bytes;
    (single_parts && near && short).then_some(group)
}

fn merge_parts(parts: &[Range<u64>], gap: u64, longest: u64) -> Vec<Range<u64>> {
    let mut sorted = parts.to_vec();
    sorted.sort_by_key(|part| part.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for part in sorted {
        match merged.last_mut() {
            Some(last)
                if part.start.saturating_sub(last.end) <= gap
                    && part.end.saturating_sub(last.start) <= longest =>
            {
                last.end = last.end.max(part.end);
            }
            _ => merged.push(part),
        }
    }
    merged
}
