//! Tiles put together to a file.

use std::io::{self, Write};

use super::class::GeometryClass;
use super::header::{boxes, main_header};
use super::spec::{EncodeSpec, TlmPlacement};
use super::tile::EncodedTile;
use crate::header::wide;
use crate::marker::Marker;
use crate::tlm::tlm_segment;
use crate::{Error, Result};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EncodeReport {
    /// Size of the file.
    pub bytes: u64,
    /// Length of the tile-part of each tile (Psot), in raster order.
    pub psot: Vec<u32>,
    /// Tiles that were encoded.
    pub tiles_encoded: u32,
    /// Tiles that are copies of another tile with the same samples.
    pub tiles_copied: u32,
}

/// Writes a file of encoded tiles, which must come in raster order and may be made on the way.
/// Without a TLM each is written as it comes; with one, all are kept until the last has come.
///
/// # Errors
/// [`Error::EncodeSpec`]; [`Error::Assemble`] for a tile that is missing, out of order, or
/// encoded for another specification; [`Error::Write`].
pub fn assemble(
    spec: &EncodeSpec,
    tiles: impl IntoIterator<Item = EncodedTile>,
    out: &mut dyn Write,
) -> Result<EncodeReport> {
    assemble_with(spec, tiles.into_iter().map(Ok), out)
}

/// [`assemble`] of tiles that may fail.
pub(super) fn assemble_with(
    spec: &EncodeSpec,
    tiles: impl Iterator<Item = Result<EncodedTile>>,
    out: &mut dyn Write,
) -> Result<EncodeReport> {
    let siz = spec.siz()?;
    let mut report = EncodeReport::default();
    let mut kept = Vec::new();
    let keep = spec.tlm != TlmPlacement::None;
    let mut out = Counted { out, bytes: 0 };
    out.write(&boxes(spec)?)?;
    if !keep {
        out.write(&main_header(spec, &siz, &[])?)?;
    }
    for tile in tiles {
        let tile = tile?;
        let expected = wide(report.psot.len());
        check(spec, &tile, expected, siz.tiles())?;
        report.psot.push(tile.psot());
        let count =
            if tile.is_copied() { &mut report.tiles_copied } else { &mut report.tiles_encoded };
        *count += 1;
        if keep { kept.push(tile) } else { out.tile(&tile)? }
    }
    let (found, expected) = (wide(report.psot.len()), u64::from(siz.tiles()));
    if found != expected {
        return Err(Error::Assemble { reason: "tiles are missing", found, expected });
    }
    if keep {
        let lengths = kept.iter().map(|tile| (tile.tile(), tile.psot()));
        out.write(&main_header(spec, &siz, &tlm_segment(lengths)?.concat())?)?;
        for tile in &kept {
            out.tile(tile)?;
        }
    }
    out.write(&Marker::EOC.0.to_be_bytes())?;
    report.bytes = out.bytes;
    Ok(report)
}

fn check(spec: &EncodeSpec, tile: &EncodedTile, expected: u64, tiles: u32) -> Result<()> {
    let found = u64::from(tile.tile());
    if found != expected || expected >= u64::from(tiles) {
        return Err(Error::Assemble { reason: "a tile is out of order", found, expected });
    }
    if GeometryClass::of(spec, tile.tile())? != *tile.class {
        let reason = "a tile was encoded for another specification";
        return Err(Error::Assemble { reason, found, expected });
    }
    Ok(())
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
}

impl Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let failed = |error: io::Error| Error::Write { message: error.to_string() };
        self.out.write_all(bytes).map_err(failed)?;
        self.bytes += wide(bytes.len());
        Ok(())
    }

    fn tile(&mut self, tile: &EncodedTile) -> Result<()> {
        let (sot, body) = tile.parts();
        self.write(&sot)?;
        self.write(body)
    }
}
