//! One tile of a codestream as a codestream of its own.

mod header;
mod packets;

pub use self::packets::splice_packets;

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::header::{MainHeader, check_length, wide};
use crate::marker::Marker;
use crate::{Error, Result};

/// The codestream of one tile: the main header for it alone, its tile-parts as tile 0 without
/// packet lengths, and EOC.
///
/// `tile_parts` are the bytes of each tile-part of the tile, in order, from SOT to its end. Every
/// one is checked first, since the bytes are what an index said they are.
///
/// # Errors
/// [`Error::StaleTilePart`] where the bytes are not those tile-parts; [`Error::CannotSplice`] for
/// PPM; [`Error::Truncated`], [`Error::UnexpectedMarker`] and [`Error::Segment`] for damage in a
/// tile-part header, offsets counted from its SOT.
pub fn splice_tile(header: &MainHeader, tile: u16, tile_parts: &[&[u8]]) -> Result<Vec<u8>> {
    let spliced = header.tile_header(tile)?;
    let total = tile_parts.iter().fold(spliced.bytes().len() + 2, |sum, part| sum + part.len());
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(spliced.bytes());
    check_parts(tile, tile_parts)?;
    for part in tile_parts {
        append_tile_part(&mut out, part)?;
    }
    out.extend_from_slice(&Marker::EOC.0.to_be_bytes());
    Ok(out)
}

/// The SOT of each tile-part must be the one expected, and no part may be missing.
fn check_parts(tile: u16, tile_parts: &[&[u8]]) -> Result<()> {
    let mut declared = 0;
    for (index, bytes) in tile_parts.iter().enumerate() {
        let stale = |field, found: u64, expected: u64| Error::StaleTilePart {
            tile,
            part: index,
            field,
            found,
            expected,
        };
        let length = wide(bytes.len());
        let field = |value: Option<u32>, name, expected: u64| {
            let found = value.map(u64::from);
            if found == Some(expected) {
                return Ok(());
            }
            Err(stale(name, found.unwrap_or(length), expected))
        };
        if length < 14 {
            return Err(stale("length", length, 14));
        }
        field(u16_at(bytes, 0).map(u32::from), "marker", u64::from(Marker::SOT.0))?;
        field(u16_at(bytes, 2).map(u32::from), "Lsot", 10)?;
        field(u16_at(bytes, 4).map(u32::from), "Isot", u64::from(tile))?;
        let psot = u32_at(bytes, 6);
        // 0 stands for "up to EOC" in the last tile-part of a file
        if psot != Some(0) || index + 1 != tile_parts.len() {
            field(psot, "Psot", length)?;
        }
        field(u8_at(bytes, 10).map(u32::from), "TPsot", wide(index))?;
        declared = u8_at(bytes, 11).unwrap_or_default().max(declared);
    }
    let given = wide(tile_parts.len());
    if given == 0 || (declared != 0 && u64::from(declared) != given) {
        return Err(Error::StaleTilePart {
            tile,
            part: tile_parts.len(),
            field: "number of tile-parts",
            found: given,
            expected: u64::from(declared.max(1)),
        });
    }
    Ok(())
}

/// Appends a tile-part as one of tile 0, without its PLT segments.
fn append_tile_part(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(bytes.get(..12).unwrap_or_default());
    let mut at = 12usize;
    loop {
        let cut = |needed: u64| Error::Truncated {
            what: "tile-part header",
            offset: wide(at),
            needed,
            available: wide(bytes.len().saturating_sub(at)),
        };
        let marker = Marker(u16_at(bytes, at).ok_or(cut(2))?);
        if marker == Marker::SOD {
            break;
        }
        crate::scan::check_tile_part_marker(marker, wide(at))?;
        let length = match marker.is_bare() {
            true => 0,
            false => {
                let length = u16_at(bytes, at + 2).ok_or(cut(4))?;
                check_length(marker, wide(at), length)?;
                length
            }
        };
        let end = at + 2 + usize::from(length);
        let segment = bytes.get(at..end).ok_or(cut(u64::from(length) + 2))?;
        if marker != Marker::PLT {
            out.extend_from_slice(segment);
        }
        at = end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    let psot = u32::try_from(out.len() - start).map_err(|_| Error::Limit {
        what: "tile-part length",
        found: wide(out.len() - start),
        limit: u64::from(u32::MAX),
    })?;
    if let Some(sot) = out.get_mut(start + 4..start + 10) {
        sot[..2].fill(0);
        sot[2..].copy_from_slice(&psot.to_be_bytes());
    }
    Ok(())
}
