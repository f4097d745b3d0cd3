//! Tile-part length segments (TLM, ISO/IEC 15444-1 A.7.1).

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::header::{At, wide};
use crate::marker::Marker;
use crate::{Error, Result};

/// Length of one tile-part as a TLM segment has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TlmEntry {
    /// Tile index; `None` when the segment leaves it out (ST = 0: one tile-part per tile, in
    /// order).
    pub tile: Option<u16>,
    /// Length of the tile-part from its SOT, bytes (Ptlm).
    pub length: u32,
}

/// Largest length that is written in two bytes. 65,535 would fit too, but existing indexes stop
/// one below it, and segments are compared byte by byte.
const MAX_SHORT: u32 = 65_534;

/// Writes the TLM marker segments of a codestream, each from its marker on.
///
/// The tile index takes one byte for up to 255 tiles, else two; the length two bytes when all are
/// at most 65,534, else four. One segment holds as many entries as fit; `Ztlm` counts them.
///
/// # Errors
/// [`Error::TlmWrite`] for no tile-parts, a length below 14 (SOT and SOD), or more than 256
/// segments.
pub fn tlm_segment(tile_parts: impl IntoIterator<Item = (u16, u32)>) -> Result<Vec<Vec<u8>>> {
    let entries: Vec<(u16, u32)> = tile_parts.into_iter().collect();
    if entries.is_empty() {
        return Err(Error::TlmWrite { reason: "no tile-parts", index: 0 });
    }
    if let Some(index) = entries.iter().position(|&(_, length)| length < 14) {
        let reason = "length below 14 bytes";
        return Err(Error::TlmWrite { reason, index: wide(index) });
    }
    let wide_tile = entries.iter().any(|&(tile, _)| tile > 254);
    let wide_length = entries.iter().any(|&(_, length)| length > MAX_SHORT);
    let size = if wide_tile { 2 } else { 1 } + if wide_length { 4 } else { 2 };
    let style = if wide_tile { 0x20 } else { 0x10 } | if wide_length { 0x40 } else { 0 };
    let capacity = (usize::from(u16::MAX) - 4) / size;
    let mut segments = Vec::new();
    for (index, chunk) in entries.chunks(capacity).enumerate() {
        let first = wide(index.saturating_mul(capacity));
        let too_many = Error::TlmWrite { reason: "more than 256 segments", index: first };
        let index = u8::try_from(index).map_err(|_| too_many.clone())?;
        let length = u16::try_from(4 + chunk.len() * size).map_err(|_| too_many)?;
        let mut segment = Vec::with_capacity(2 + usize::from(length));
        segment.extend_from_slice(&Marker::TLM.0.to_be_bytes());
        segment.extend_from_slice(&length.to_be_bytes());
        segment.extend_from_slice(&[index, style]);
        for &(tile, length) in chunk {
            segment.extend_from_slice(&tile.to_be_bytes()[usize::from(!wide_tile)..]);
            segment.extend_from_slice(&length.to_be_bytes()[if wide_length { 0 } else { 2 }..]);
        }
        segments.push(segment);
    }
    Ok(segments)
}

/// Reads one TLM segment, marker included; the slice must be exactly the segment.
///
/// # Errors
/// [`Error::Truncated`], [`Error::UnexpectedMarker`] and [`Error::Segment`], offset 0.
pub fn parse_tlm_segment(bytes: &[u8]) -> Result<Vec<TlmEntry>> {
    let at = At { marker: Marker::TLM, offset: 0 };
    let truncated = |needed| Error::Truncated {
        what: "TLM segment",
        offset: 0,
        needed,
        available: wide(bytes.len()),
    };
    let marker = Marker(u16_at(bytes, 0).ok_or(truncated(6))?);
    if marker != Marker::TLM {
        return Err(Error::UnexpectedMarker { offset: 0, found: marker, expected: "TLM" });
    }
    let length = usize::from(u16_at(bytes, 2).ok_or(truncated(6))?);
    if length < 4 {
        return Err(at.bad("length below 4", wide(length)));
    }
    let body = bytes.get(4..length + 2).ok_or(truncated(wide(length + 2)))?;
    if bytes.len() > length + 2 {
        return Err(at.bad("bytes after the segment", wide(bytes.len() - length - 2)));
    }
    let style = u8_at(body, 1).ok_or(truncated(6))?;
    let tile_size = usize::from(style >> 4 & 3);
    if style & 0x8f != 0 || tile_size == 3 {
        return Err(at.bad("unknown Stlm", u64::from(style)));
    }
    let length_size = if style & 0x40 == 0 { 2 } else { 4 };
    let entries = body.get(2..).unwrap_or_default();
    if entries.len() % (tile_size + length_size) != 0 {
        return Err(at.bad("length is not a whole number of entries", wide(length)));
    }
    let read = |entry: &[u8]| {
        let tile = match tile_size {
            0 => None,
            1 => u8_at(entry, 0).map(u16::from),
            _ => u16_at(entry, 0),
        };
        let length = match length_size {
            2 => u16_at(entry, tile_size).map(u32::from),
            _ => u32_at(entry, tile_size),
        };
        Some(TlmEntry { tile, length: length? })
    };
    Ok(entries.chunks_exact(tile_size + length_size).filter_map(read).collect())
}

/// Ztlm of a segment that has been parsed.
pub(crate) fn tlm_index(segment: &[u8]) -> u8 {
    u8_at(segment, 4).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(parts: &[(u16, u32)]) -> Vec<Vec<u8>> {
        let segments = tlm_segment(parts.iter().copied()).unwrap();
        let mut back = Vec::new();
        for segment in &segments {
            back.extend(parse_tlm_segment(segment).unwrap());
        }
        let expected: Vec<_> =
            parts.iter().map(|&(tile, length)| TlmEntry { tile: Some(tile), length }).collect();
        assert_eq!(back, expected);
        segments
    }

    #[test]
    fn widths_follow_the_values() {
        let short = round_trip(&[(0, 14), (254, 65_534)]);
        assert_eq!(short, [[0xff, 0x55, 0, 10, 0, 0x10, 0, 0, 14, 254, 0xff, 0xfe]]);
        assert_eq!(round_trip(&[(0, 65_535)])[0][5], 0x50);
        assert_eq!(round_trip(&[(255, 14)])[0][5], 0x20);
        assert_eq!(round_trip(&[(1848, u32::MAX)])[0][5], 0x60);
    }

    #[test]
    fn many_entries_take_several_segments() {
        let parts: Vec<_> = (0..30_000).map(|tile| (tile, 100_000)).collect();
        let segments = round_trip(&parts);
        assert_eq!(segments.len(), 3);
        assert_eq!(segments.iter().map(|s| s[4]).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn damage_is_named() {
        assert!(matches!(tlm_segment([]), Err(Error::TlmWrite { .. })));
        assert!(matches!(tlm_segment([(0, 13)]), Err(Error::TlmWrite { .. })));
        let good = tlm_segment([(0, 14), (1, 15)]).unwrap().remove(0);
        for end in 0..good.len() {
            assert!(matches!(parse_tlm_segment(&good[..end]), Err(Error::Truncated { .. })));
        }
        let mut style = good.clone();
        style[5] = 0x30;
        assert!(matches!(parse_tlm_segment(&style), Err(Error::Segment { .. })));
        let mut length = good;
        length[3] -= 1;
        assert!(matches!(parse_tlm_segment(&length), Err(Error::Segment { .. })));
    }
}
