//! Columns, records, and what every plan of an asset must hold.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use cubeflight_jp2::TlmEntry;
use cubeflight_plan::{AssetRead, Column, CostModel, Layout, LayoutRequest, TileSource};
use cubeflight_sentinel2::{Align, AssetId, Bounds, Level, MgrsTile, Radiometry, Window};
use cubeflight_tlm::{RecordSource, TlmRecord};

pub(crate) const PRODUCT: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";

pub(crate) fn asset(name: &str) -> AssetId {
    AssetId::parse(name, Level::L2A).unwrap()
}

pub(crate) fn layout(tile: MgrsTile, bands: &[&str], bounds: Option<Bounds>) -> Layout {
    let assets: Vec<AssetId> = bands.iter().map(|band| asset(band)).collect();
    Layout::new(&LayoutRequest {
        level: Level::L2A,
        tile,
        assets: &assets,
        bounds,
        windows: &[],
        align: Align::Centre,
        reduce: 0,
        radiometry: Radiometry::Raw,
        mask: None,
        min_valid: None,
        max_message_bytes: u32::MAX,
    })
    .unwrap()
}

/// The column of an asset over a window, in row-blocks of so many rows.
pub(crate) fn column(name: &str, window: Window, block_rows: u32) -> Column {
    let layout = layout("29UNU".parse().unwrap(), &[name], None);
    Column {
        window,
        block_rows,
        block_width: window.width,
        ..layout.columns.into_iter().next().unwrap()
    }
}

pub(crate) fn source(product: &str, asset: AssetId) -> RecordSource {
    RecordSource {
        product: product.parse().unwrap(),
        asset,
        key: format!("{product}/{asset}.jp2"),
        store: None,
        etag: None,
    }
}

/// A record without main header: these (tile, length) pairs behind 2,400 bytes.
pub(crate) fn record(source: RecordSource, parts: &[(u16, u32)]) -> Arc<TlmRecord> {
    let entries: Vec<TlmEntry> =
        parts.iter().map(|&(tile, length)| TlmEntry { tile: Some(tile), length }).collect();
    let size = 2400 + parts.iter().map(|&(_, length)| u64::from(length)).sum::<u64>() + 2;
    Arc::new(TlmRecord::from_tlm(source, size, 2400, &entries).unwrap())
}

/// Tiles of an asset as ESA codes it.
pub(crate) fn tile_count(asset: AssetId) -> u16 {
    let across = asset.resolution.pixels().div_ceil(asset.coding().jp2_tile);
    u16::try_from(across * across).unwrap()
}

/// A record of one tile-part a tile, all of them of `length` bytes.
pub(crate) fn even_record(product: &str, asset: AssetId, length: u32) -> Arc<TlmRecord> {
    let parts: Vec<_> = (0..tile_count(asset)).map(|tile| (tile, length)).collect();
    record(source(product, asset), &parts)
}

pub(crate) fn spans(record: &TlmRecord) -> BTreeMap<u16, Vec<Range<u64>>> {
    let mut spans: BTreeMap<u16, Vec<Range<u64>>> = BTreeMap::new();
    for part in &record.tile_parts {
        spans.entry(part.tile).or_default().push(part.range());
    }
    spans
}

/// The tiles that meet the window, each with what it has of it, pixel rule by pixel rule: a tile of
/// column c holds the pixels c * side up to (c + 1) * side.
pub(crate) fn wanted(column: &Column) -> BTreeMap<u16, Window> {
    let side = column.asset.coding().jp2_tile;
    let across = column.grid.width.div_ceil(side);
    let overlap = |tile: u32, from: u32, to: u32| {
        let (start, end) = (from.max(tile * side), to.min((tile + 1) * side));
        (start < end).then(|| (start, end - start))
    };
    let window = column.window;
    let mut wanted = BTreeMap::new();
    for tile in 0..across * across {
        let Some((x, width)) = overlap(tile % across, window.x, window.right()) else { continue };
        let Some((y, height)) = overlap(tile / across, window.y, window.bottom()) else { continue };
        wanted.insert(u16::try_from(tile).unwrap(), Window { x, y, width, height });
    }
    wanted
}

/// What holds for the plan of any asset.
pub(crate) fn check(read: &AssetRead, column: &Column, cost: &CostModel) {
    let spans = spans(&read.record);
    let tiles: Vec<_> = read.groups.iter().flat_map(|group| &group.tiles).collect();
    let mut areas = BTreeMap::new();
    for tile in &tiles {
        let [area] = tile.areas.as_slice() else { panic!("{} areas", tile.areas.len()) };
        areas.insert(tile.tile, area.samples);
        match &tile.source {
            TileSource::TileParts(parts) => assert_eq!(*parts, spans[&tile.tile]),
            TileSource::Packets { offset, .. } => {
                let [part] = spans[&tile.tile].as_slice() else { panic!("several tile-parts") };
                assert_eq!(*offset, part.start);
                let ranges = tile.source.ranges();
                assert_eq!(ranges[0].start, part.start, "the SOT marker is read");
                assert!(ranges.iter().all(|range| range.end <= part.end));
                assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
        let block_of = |row: u32| (row - column.window.y) / column.block_rows;
        assert_eq!(area.blocks.start, block_of(area.samples.y));
        assert_eq!(area.blocks.end, block_of(area.samples.bottom() - 1) + 1);
    }
    assert_eq!(areas, wanted(column));
    assert_eq!(areas.len(), tiles.len(), "a tile is read twice");
    let gap = cost.worthwhile_gap();
    let mut least = 0;
    for group in &read.groups {
        let mut pieces: Vec<_> = group.tiles.iter().flat_map(|tile| tile.source.ranges()).collect();
        pieces.sort_by_key(|piece| piece.start);
        least += pieces.iter().map(|piece| piece.end - piece.start).sum::<u64>();
        assert!(group.tiles.iter().all(|tile| tile.blocks() == group.blocks()));
        assert!(group.ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "overlap");
        for range in &group.ranges {
            let inside: Vec<_> = pieces
                .iter()
                .filter(|piece| range.start <= piece.start && piece.end <= range.end)
                .collect();
            // a range begins and ends with what is wanted and skips no more than is worth it
            assert_eq!(inside.first().map(|piece| piece.start), Some(range.start));
            assert_eq!(inside.last().map(|piece| piece.end), Some(range.end));
            assert!(inside.windows(2).all(|pair| pair[1].start - pair[0].end <= gap));
            let length = range.end - range.start;
            assert!(inside.len() == 1 || length <= cost.max_request_bytes, "{length} bytes");
            let useful: u64 = inside.iter().map(|piece| piece.end - piece.start).sum();
            assert!(length / 8 <= useful, "{length} bytes for {useful}");
        }
        let held = |piece: &Range<u64>| {
            group.ranges.iter().any(|range| range.start <= piece.start && piece.end <= range.end)
        };
        assert!(pieces.iter().all(held), "what is wanted lies in no range");
    }
    assert!(read.bytes() >= least);
    if gap == 0 {
        assert_eq!(read.bytes(), least);
    }
}
