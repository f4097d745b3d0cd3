//! How much memory OpenJPEG takes for a decode, from the header alone.
//!
//! The figures are upper bounds of what OpenJPEG 2.5 allocates: it builds every precinct and
//! code-block of a tile even when a small area is decoded, and a table of coding parameters for
//! every tile of the image.

use crate::geometry::Rect;
use crate::header::{Coding, MainHeader, Siz, wide};
use crate::image::DecodeOptions;
use crate::structure::{Structure, TileCoding};
use crate::{Error, Result};

/// Coding parameters and index of one tile.
const TILE_BYTES: u64 = 9216;
/// Coding parameters of one component of one tile.
const TILE_COMPONENT_BYTES: u64 = 1280;
/// A precinct of one sub-band: structure, two tag trees, allocator overhead.
const PRECINCT_BYTES: u64 = 320;
/// A code-block: structure, ten segments, tag tree nodes, allocator overhead.
const BLOCK_BYTES: u64 = 512;
/// Codec, stream buffer, wavelet lines.
const BASE_BYTES: u64 = 4 << 20;

/// Bytes that a decode of an area takes beyond the codestream itself: the result at 4 bytes a
/// sample, the tile being decoded, and the tables of precincts and code-blocks. An upper bound.
///
/// For one tile of a file give [`MainHeader::tile_header`].
pub fn decoder_scratch_bytes(header: &MainHeader, area: Option<Rect>, reduce: u8) -> u64 {
    let area = area.unwrap_or(header.siz.image_rect());
    let tables = tables(header, &TileCoding::of_header(header));
    base(header).saturating_add(samples(header, area, reduce)).saturating_add(tables)
}

/// Refuses a decode that takes more than the options allow.
pub(crate) fn check_memory(
    structure: &Structure,
    file_bytes: u64,
    options: &DecodeOptions,
    area: Rect,
) -> Result<()> {
    let header = &structure.header;
    let coding = TileCoding::of_header(header);
    let mut tables_bytes = tables(header, &coding);
    let mut levels = min_levels(&coding);
    // tile-part headers may override the coding with smaller blocks and precincts
    let mut previous = None;
    for part in structure.tile_parts.iter().filter(|part| !part.coding_segments.is_empty()) {
        if previous.replace(part.tile) == Some(part.tile) {
            continue;
        }
        let coding = structure.tile_coding(part.tile)?;
        tables_bytes = tables_bytes.max(tables(header, &coding));
        levels = levels.min(min_levels(&coding));
    }
    if options.reduce > levels {
        return Err(Error::DecodeArea {
            reason: "more resolutions are left out than there are levels",
            area,
            reduce: options.reduce,
            image: header.siz.image_rect(),
        });
    }
    let needed = base(header)
        .saturating_add(samples(header, area, options.reduce))
        .saturating_add(tables_bytes)
        .saturating_add(file_bytes);
    if needed > options.max_bytes {
        return Err(Error::Memory { needed, limit: options.max_bytes });
    }
    Ok(())
}

fn min_levels(coding: &TileCoding) -> u8 {
    coding.components.iter().map(|component| component.levels).min().unwrap_or_default()
}

fn largest_tile(siz: &Siz) -> (u32, u32) {
    (
        siz.tile_width.min(siz.x_size.saturating_sub(siz.tile_x_offset)),
        siz.tile_height.min(siz.y_size.saturating_sub(siz.tile_y_offset)),
    )
}

fn base(header: &MainHeader) -> u64 {
    let components = wide(header.siz.components.len());
    let tile = TILE_BYTES + components.saturating_mul(TILE_COMPONENT_BYTES);
    BASE_BYTES.saturating_add(u64::from(header.siz.tiles()).saturating_mul(tile))
}

/// The result and the work buffers of one tile.
fn samples(header: &MainHeader, area: Rect, reduce: u8) -> u64 {
    let siz = &header.siz;
    let components = wide(siz.components.len());
    let image = siz.image_rect();
    let result = area.reduced(reduce).area();
    let (tile_width, tile_height) = largest_tile(siz);
    let (tile_width, tile_height) = (lattice(tile_width, reduce), lattice(tile_height, reduce));
    let work = if area == image && siz.tiles() == 1 {
        // the tile buffer becomes the result
        0
    } else if area == image {
        tile_width.saturating_mul(tile_height)
    } else {
        // the area in the tile with the code-blocks at its border: blocks, their sparse array and
        // the window
        let width = tile_width.min(lattice(area.width(), reduce).saturating_add(256));
        let height = tile_height.min(lattice(area.height(), reduce).saturating_add(256));
        width.saturating_mul(height).saturating_mul(3)
    };
    result.saturating_add(work).saturating_mul(components).saturating_mul(4)
}

/// Most samples of the reduced lattice that a run of `length` points holds.
fn lattice(length: u32, reduce: u8) -> u64 {
    (u64::from(length) >> reduce.min(32)) + 1
}

/// Precincts, code-blocks and the packet list of the largest tile.
fn tables(header: &MainHeader, coding: &TileCoding) -> u64 {
    let siz = &header.siz;
    let (width, height) = largest_tile(siz);
    let (mut total, mut most_precincts, mut most_resolutions) = (0u64, 0u64, 0u64);
    for (component, component_coding) in siz.components.iter().zip(&coding.components) {
        let size = (
            width.div_ceil(u32::from(component.dx.max(1))),
            height.div_ceil(u32::from(component.dy.max(1))),
        );
        most_resolutions = most_resolutions.max(u64::from(component_coding.levels) + 1);
        for (resolution, &(ppx, ppy)) in (0u8..).zip(&component_coding.precincts) {
            let shift = component_coding.levels.saturating_sub(resolution);
            let (wide, high) = (lattice(size.0, shift), lattice(size.1, shift));
            let precincts = upto(wide, ppx).saturating_mul(upto(high, ppy));
            most_precincts = most_precincts.max(precincts);
            let blocks = blocks(component_coding, resolution, (wide, high), (ppx, ppy));
            let block = BLOCK_BYTES.saturating_add(extra_bytes(component_coding, coding.layers));
            let bands = if resolution == 0 { 1 } else { 3 };
            let bytes = precincts.saturating_mul(PRECINCT_BYTES * bands);
            total = total.saturating_add(bytes).saturating_add(blocks.saturating_mul(block));
        }
    }
    let packets = u64::from(coding.layers)
        .saturating_mul(wide(siz.components.len()))
        .saturating_mul(most_resolutions)
        .saturating_mul(most_precincts);
    // one 16-bit flag a packet
    total.saturating_add(packets.saturating_mul(2))
}

/// Code-blocks of all sub-bands of a resolution.
fn blocks(coding: &Coding, resolution: u8, (wide, high): (u64, u64), (ppx, ppy): (u8, u8)) -> u64 {
    let (bands, halved) = if resolution == 0 { (1, 0) } else { (3, 1) };
    // a block is no larger than its precinct in the sub-band (B-17, B-18)
    let block_x = coding.block_width.min(ppx.saturating_sub(halved));
    let block_y = coding.block_height.min(ppy.saturating_sub(halved));
    upto((wide >> halved) + 1, block_x)
        .saturating_mul(upto((high >> halved) + 1, block_y))
        .saturating_mul(bands)
}

/// What a code-block takes when its data come in many pieces: a list entry for each layer, and a
/// segment for each coding pass with block style bypass (1) or termination (4).
fn extra_bytes(coding: &Coding, layers: u16) -> u64 {
    let passes = if coding.block_style & 5 == 0 { 0 } else { 5 << 10 };
    u64::from(layers.saturating_sub(1)) * 40 + passes
}

/// Most cells of 2^`exponent` that a run of `length` samples meets, wherever it starts.
fn upto(length: u64, exponent: u8) -> u64 {
    (length >> exponent.min(63)) + 2
}
