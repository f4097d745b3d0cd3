//! The header of one tile-part in bytes that were read for it, or that happen to hold it.

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::header::{MainHeader, check_length, wide};
use crate::marker::Marker;
use crate::scan::{SOT_LENGTH, check_sum, check_tile_part_marker, join_plt, parse_plt};
use crate::structure::{TileCoding, TilePart};
use crate::{Error, Result};

/// SOT with its length field, which is always 10 (A.4.2).
pub(super) const PATTERN: [u8; 4] = [0xff, 0x90, 0x00, 0x0a];

/// How much of a header the bytes held, and what it proves.
#[derive(Debug)]
pub(super) enum Head {
    /// All of it. Whether it lists the lengths of exactly the packets that the tile has, and these
    /// fill the tile-part to the byte: then no chance made it.
    Whole { proven: bool },
    /// Not up to SOD: so many bytes from the SOT on are needed at least.
    Cut { needed: u64 },
    /// It contradicts itself.
    Broken,
}

/// The SOT at the start of `bytes` as the only tile-part of its tile; `None` where it is none.
pub(super) fn read_sot(bytes: &[u8], offset: u64) -> Option<TilePart> {
    if !bytes.starts_with(&PATTERN) {
        return None;
    }
    let (tile, length) = (u16_at(bytes, 4)?, u32_at(bytes, 6)?);
    let only = u8_at(bytes, 10)? == 0 && u8_at(bytes, 11)? == 1;
    (only && length >= 14).then(|| TilePart::bare(tile, offset, length))
}

/// Completes `part` from the bytes from its SOT on.
pub(super) fn read_head(header: &MainHeader, part: &mut TilePart, bytes: &[u8]) -> Head {
    match parse(part, bytes) {
        Ok(None) => {}
        Ok(Some(needed)) => {
            *part = TilePart::bare(part.tile, part.offset, part.length);
            return Head::Cut { needed };
        }
        Err(_) => {
            *part = TilePart::bare(part.tile, part.offset, part.length);
            return Head::Broken;
        }
    }
    let listed = part.packet_lengths.as_ref().map(Vec::len);
    let Some(listed) = listed.filter(|_| !reordered(header, part)) else {
        return Head::Whole { proven: false };
    };
    let coding = TileCoding::new(header, &part.coding_segments);
    match coding.and_then(|coding| coding.packet_count(header, part.tile)) {
        Ok(expected) if expected == wide(listed) => Head::Whole { proven: listed > 0 },
        _ => Head::Broken,
    }
}

/// A change of progression may leave packets out.
fn reordered(header: &MainHeader, part: &TilePart) -> bool {
    header.has(Marker::POC) || part.markers.contains(&Marker::POC.0)
}

/// Reads the segments up to SOD; the number of bytes needed where these do not suffice.
fn parse(part: &mut TilePart, bytes: &[u8]) -> Result<Option<u64>> {
    let mut plt = Vec::new();
    let mut at = SOT_LENGTH;
    loop {
        let offset = part.offset.saturating_add(at);
        if at + 2 > u64::from(part.length) {
            return Err(cut(offset));
        }
        let here = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(marker) = u16_at(bytes, here).map(Marker) else { return Ok(Some(at + 2)) };
        if marker == Marker::SOD {
            at += 2;
            break;
        }
        check_tile_part_marker(marker, offset)?;
        if marker.is_bare() {
            part.markers.push(marker.0);
            at += 2;
            continue;
        }
        let Some(length) = u16_at(bytes, here.saturating_add(2)) else {
            return Ok(Some(at + 4));
        };
        check_length(marker, offset, length)?;
        let end = at + 2 + u64::from(length);
        if end > u64::from(part.length) {
            return Err(cut(offset));
        }
        let range = here..usize::try_from(end).unwrap_or(usize::MAX);
        let Some(segment) = bytes.get(range) else { return Ok(Some(end + 2)) };
        part.markers.push(marker.0);
        match marker {
            Marker::PLT => plt.push(parse_plt(segment.get(4..).unwrap_or_default(), offset)?),
            Marker::COD | Marker::COC => part.coding_segments.extend_from_slice(segment),
            _ => {}
        }
        at = end;
    }
    part.header_length = u32::try_from(at).unwrap_or(u32::MAX);
    part.packet_lengths = join_plt(plt, part.tile, part.offset)?;
    check_sum(part)?;
    Ok(None)
}

fn cut(offset: u64) -> Error {
    Error::Truncated { what: "tile-part header", offset, needed: 2, available: 0 }
}
