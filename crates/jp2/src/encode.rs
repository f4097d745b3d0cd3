//! Writing JP2 files coded exactly as ESA codes Sentinel-2, for test archives (feature `encode`).
//!
//! Every file of an operational product has the same shape: boxes `jP`, `ftyp`, `jp2h`, `asoc`
//! with GML, and `jp2c` up to the end of the file; a main header of SIZ, COD, QCD and two
//! comments; one tile-part for each tile in raster order, with PLT; 5-3 reversible, LRCP, one
//! layer, one guard bit. What differs by kind of image is in an [`EncodeSpec`]; [`spec_of`] has
//! the values of every [`Kind`].
//!
//! OpenJPEG codes each tile as a codestream of its own, at its true place on the reference grid,
//! since precincts and code-blocks are anchored at the canvas origin. It cannot be told ESA's
//! exponents (QCD), which decide how many zero bit-planes a packet header states, so the packet
//! headers are written anew for them (ISO/IEC 15444-1 B.10); the code-blocks' data stay.
//!
//! - [`encode`] writes a file, tile after tile, in little memory.
//! - [`encode_tile`] and [`assemble`] are its two halves, for callers that encode in a pool;
//!   [`ConstantTiles`] remembers tiles of one value by [`GeometryClass`], across files too.
//!
//! Files are lossless: the rate cap of real files is only stated in the comment.

mod assemble;
mod bits;
mod class;
mod gml;
mod header;
mod kinds;
mod packets;
mod spec;
mod tagtree;
mod tile;

use std::io::Write;

pub use self::assemble::{EncodeReport, assemble};
pub use self::class::{ConstantTiles, GeometryClass};
pub use self::gml::gml;
pub use self::kinds::{Kind, spec_of};
pub use self::spec::{EncodeSpec, TileContent, TlmPlacement};
pub use self::tile::{EncodedTile, encode_tile};
use crate::{Rect, Result};

/// Encodes a file and writes it to `out`; `source` gives the samples of a tile, which lies at the
/// rectangle on the reference grid (the image starts at 0, 0).
///
/// Tiles are asked for and encoded one after the other, in raster order; tiles of one value are
/// encoded once for each [`GeometryClass`]. With a TLM the encoded tiles are kept in memory, since
/// their lengths stand before them.
///
/// # Errors
/// [`Error::EncodeSpec`](crate::Error::EncodeSpec),
/// [`Error::EncodeContent`](crate::Error::EncodeContent),
/// [`Error::Encoder`](crate::Error::Encoder) and [`Error::Write`](crate::Error::Write).
pub fn encode(
    spec: &EncodeSpec,
    source: &(dyn Fn(u16, Rect) -> TileContent + Sync),
    out: &mut dyn Write,
) -> Result<EncodeReport> {
    let siz = spec.siz()?;
    let constant = ConstantTiles::new();
    let tiles = (0..siz.tiles()).map_while(|tile| u16::try_from(tile).ok()).map(|tile| {
        let content = source(tile, siz.tile_rect(tile)?);
        constant.encode_tile(spec, tile, &content)
    });
    assemble::assemble_with(spec, tiles, out)
}
