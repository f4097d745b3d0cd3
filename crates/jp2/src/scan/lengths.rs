//! Lengths that headers state: of tile-parts (TLM) and of packets (PLT).

use super::MAX_TILE_PARTS;
use crate::header::{At, MainHeader};
use crate::marker::Marker;
use crate::structure::TilePart;
use crate::{Error, Result};

/// The tile-parts that the TLM of a main header lists, from `first` on, and whether EOC follows
/// them; `None` where it does not name every tile or does not add up to the codestream's `end`.
/// Part numbers are counted.
pub(crate) fn tile_parts_of_tlm(
    header: &MainHeader,
    first: u64,
    end: u64,
) -> Option<(Vec<TilePart>, bool)> {
    if header.tlm.is_empty() || header.tlm.len() > MAX_TILE_PARTS {
        return None;
    }
    let mut parts = Vec::with_capacity(header.tlm.len());
    let mut counts = vec![0u8; usize::try_from(header.siz.tiles()).ok()?];
    let mut at = first;
    for (index, entry) in header.tlm.iter().enumerate() {
        let tile = entry.tile.or(u16::try_from(index).ok())?;
        let count = counts.get_mut(usize::from(tile))?;
        if entry.length < 14 || *count == u8::MAX {
            return None;
        }
        parts.push(TilePart { part: *count, ..TilePart::bare(tile, at, entry.length) });
        *count += 1;
        at = at.saturating_add(u64::from(entry.length));
    }
    if counts.contains(&0) || (at + 2 != end && at != end) {
        return None;
    }
    for part in &mut parts {
        part.parts = counts.get(usize::from(part.tile)).copied().unwrap_or_default();
    }
    Some((parts, at != end))
}

/// The packet length segments of one tile-part header put together: Zplt and lengths of each;
/// `None` without any.
pub(crate) fn join_plt(
    mut plt: Vec<(u8, Vec<u32>)>,
    tile: u16,
    offset: u64,
) -> Result<Option<Vec<u32>>> {
    if plt.is_empty() {
        return Ok(None);
    }
    // Zplt orders the segments within this tile-part header (A.7.3)
    plt.sort_by_key(|&(index, _)| index);
    if let Some((expected, found)) =
        (0u16..).zip(&plt).find(|&(expected, (found, _))| expected != u16::from(*found))
    {
        return Err(Error::TilePart {
            tile: u32::from(tile),
            offset,
            reason: "PLT segments are not numbered from 0 (Zplt)",
            found: u64::from(found.0),
            expected: u64::from(expected),
        });
    }
    Ok(Some(plt.into_iter().flat_map(|(_, lengths)| lengths).collect()))
}

/// The packet lengths must fill the tile-part behind its header.
pub(crate) fn check_sum(part: &TilePart) -> Result<()> {
    let Some(lengths) = &part.packet_lengths else { return Ok(()) };
    let found = lengths.iter().fold(0u64, |sum, &length| sum + u64::from(length));
    let expected = u64::from(part.length.saturating_sub(part.header_length));
    if found == expected {
        return Ok(());
    }
    Err(Error::PacketSum { tile: part.tile, offset: part.offset, found, expected })
}

/// The body of a PLT segment: Zplt and lengths of 7 bits a byte (A.7.3, table A.36).
pub(crate) fn parse_plt(body: &[u8], offset: u64) -> Result<(u8, Vec<u32>)> {
    let at = At { marker: Marker::PLT, offset };
    let (&index, rest) = body.split_first().ok_or(at.bad("too short", 0))?;
    let mut lengths = Vec::with_capacity(rest.iter().filter(|&&byte| byte < 0x80).count());
    let (mut value, mut open) = (0u32, false);
    for &byte in rest {
        if value >> 25 != 0 {
            return Err(at.bad("packet length above 32 bits", u64::from(value)));
        }
        value = value << 7 | u32::from(byte & 0x7f);
        open = byte & 0x80 != 0;
        if !open {
            lengths.push(value);
            value = 0;
        }
    }
    if open {
        return Err(at.bad("ends inside a packet length", u64::from(value)));
    }
    Ok((index, lengths))
}
