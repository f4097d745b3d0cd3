//! The codestream: main header and tile-parts (ISO/IEC 15444-1 Annex A).

use super::lengths::{check_sum, join_plt, parse_plt, tile_parts_of_tlm};
use super::{Detail, MAX_TILE_PARTS, Scanner, State};
use crate::bytes::{u8_at, u16_at, u32_at};
use crate::header::{MainHeader, check_header_size, check_length, check_main_marker, wide};
use crate::marker::Marker;
use crate::structure::TilePart;
use crate::{Error, Result};

/// SOT with its segment, bytes.
pub(crate) const SOT_LENGTH: u64 = 12;

impl Scanner {
    /// One marker segment of the main header, or SOC, or the SOT behind it.
    pub(super) fn main_header(&mut self, item: &[u8]) -> Result<()> {
        let marker = Marker(u16_at(item, 0).unwrap_or_default());
        let offset = wide(self.raw_header.len());
        if self.raw_header.is_empty() {
            if marker != Marker::SOC {
                let expected = "SOC";
                return Err(Error::UnexpectedMarker { offset: self.at, found: marker, expected });
            }
            self.raw_header.extend_from_slice(item);
            self.go(State::MainHeader, self.at + 2, 2);
            return Ok(());
        }
        if marker == Marker::SOT && offset > 2 {
            return self.end_main_header();
        }
        check_main_marker(marker, self.at, offset == 2)?;
        if !marker.is_bare() {
            let Some(length) = u16_at(item, 2) else {
                self.need = 4;
                return Ok(());
            };
            check_length(marker, self.at, length)?;
            if wide(item.len()) < u64::from(length) + 2 {
                self.need = u64::from(length) + 2;
                return Ok(());
            }
        }
        check_header_size(offset + wide(item.len()))?;
        self.raw_header.extend_from_slice(item);
        self.go(State::MainHeader, self.at + wide(item.len()), 2);
        Ok(())
    }

    fn end_main_header(&mut self) -> Result<()> {
        let raw = std::mem::take(&mut self.raw_header);
        let start = self.at - wide(raw.len());
        let header = MainHeader::parse(&raw).map_err(|error| shifted(error, start))?;
        let tiles = usize::try_from(header.siz.tiles()).unwrap_or(usize::MAX);
        self.tiles = vec![(0, 0); tiles];
        self.header = Some(header);
        if self.options.stop_after_header {
            self.state = State::Done;
        } else if !(self.options.use_tlm && self.tile_parts_from_tlm()?) {
            self.go(State::TilePart, self.at, 2);
        }
        Ok(())
    }

    /// Takes the tile-parts from TLM where it fits the codestream; `false` where it does not.
    fn tile_parts_from_tlm(&mut self) -> Result<bool> {
        let (Some(header), Some(range)) = (&self.header, &self.codestream) else {
            return Ok(false);
        };
        let Some((parts, eoc)) = tile_parts_of_tlm(header, self.at, range.end) else {
            return Ok(false);
        };
        self.tile_parts = parts;
        self.from_tlm = true;
        self.eoc = eoc;
        self.close_codestream()?;
        Ok(true)
    }

    /// SOT or EOC, at the start of a tile-part or at the end.
    pub(super) fn tile_part(&mut self, item: &[u8]) -> Result<()> {
        let marker = Marker(u16_at(item, 0).unwrap_or_default());
        let end = self.codestream_end();
        match marker {
            Marker::SOT if wide(item.len()) < SOT_LENGTH => {
                self.need = SOT_LENGTH;
                Ok(())
            }
            Marker::SOT => self.start_of_tile_part(item),
            Marker::EOC => {
                self.eoc = true;
                self.trailing = end - self.at - 2;
                self.close_codestream()
            }
            found => {
                let expected = "SOT or EOC";
                Err(Error::UnexpectedMarker { offset: self.at, found, expected })
            }
        }
    }

    fn start_of_tile_part(&mut self, item: &[u8]) -> Result<()> {
        let (Some(segment), Some(tile), Some(psot), Some(part), Some(parts)) =
            (u16_at(item, 2), u16_at(item, 4), u32_at(item, 6), u8_at(item, 10), u8_at(item, 11))
        else {
            return Ok(());
        };
        let (offset, end) = (self.at, self.codestream_end());
        let bad = |reason, found: u64, expected: u64| Error::TilePart {
            tile: u32::from(tile),
            offset,
            reason,
            found,
            expected,
        };
        if segment != 10 {
            return Err(bad("length of SOT", u64::from(segment), 10));
        }
        let tiles = wide(self.tiles.len());
        let Some((count, declared)) = self.tiles.get_mut(usize::from(tile)) else {
            return Err(bad(
                "tile index (Isot) is not below the number of tiles",
                u64::from(tile),
                tiles,
            ));
        };
        if u16::from(part) != *count {
            return Err(bad("part index (TPsot) out of order", u64::from(part), u64::from(*count)));
        }
        if parts != 0 {
            if *declared != 0 && *declared != parts {
                let expected = u64::from(*declared);
                return Err(bad("number of parts (TNsot) changes", u64::from(parts), expected));
            }
            *declared = parts;
        }
        if *declared != 0 && part >= *declared {
            let expected = u64::from(*declared) - 1;
            return Err(bad("more parts than TNsot says", u64::from(part), expected));
        }
        *count += 1;
        if psot != 0 && psot < 14 {
            return Err(bad("length (Psot) below that of SOT and SOD", u64::from(psot), 14));
        }
        if u64::from(psot) > end - offset {
            let (needed, available) = (u64::from(psot), end - offset);
            return Err(Error::Truncated { what: "tile-part", offset, needed, available });
        }
        if self.tile_parts.len() >= MAX_TILE_PARTS {
            return Err(Error::Limit {
                what: "number of tile-parts",
                found: wide(self.tile_parts.len()) + 1,
                limit: wide(MAX_TILE_PARTS),
            });
        }
        self.tile_parts.push(TilePart {
            part,
            parts,
            open_ended: psot == 0,
            ..TilePart::bare(tile, offset, psot)
        });
        if self.options.detail > Detail::TileParts {
            self.go(State::TilePartHeader, offset + SOT_LENGTH, 2);
            return Ok(());
        }
        self.end_tile_part()
    }

    /// One marker segment between SOT and SOD, or SOD.
    pub(super) fn tile_part_header(&mut self, item: &[u8]) -> Result<()> {
        let marker = Marker(u16_at(item, 0).unwrap_or_default());
        let (at, end) = (self.at, self.codestream_end());
        let Some(part) = self.tile_parts.last_mut() else { return Ok(()) };
        let part_end = if part.open_ended { end } else { part.offset + u64::from(part.length) };
        let cut = |needed| Error::Truncated {
            what: "tile-part header",
            offset: at,
            needed,
            available: part_end.saturating_sub(at),
        };
        if at + 2 > part_end {
            return Err(cut(2));
        }
        if marker == Marker::SOD {
            let header = u32::try_from(at + 2 - part.offset);
            part.header_length = header.map_err(|_| too_long(at + 2 - part.offset))?;
            return self.end_tile_part_header();
        }
        let kept = marker == Marker::PLT && self.options.detail == Detail::PacketLengths
            || matches!(marker, Marker::COD | Marker::COC);
        check_tile_part_marker(marker, at)?;
        let length = match u16_at(item, 2) {
            _ if marker.is_bare() => 0,
            Some(length) => length,
            None => {
                self.need = 4;
                return Ok(());
            }
        };
        if !marker.is_bare() {
            check_length(marker, at, length)?;
        }
        let whole = u64::from(length) + 2;
        if at + whole > part_end {
            return Err(cut(whole));
        }
        if kept && wide(item.len()) < whole {
            self.need = whole;
            return Ok(());
        }
        part.markers.push(marker.0);
        if kept && marker == Marker::PLT {
            let lengths = parse_plt(item.get(4..).unwrap_or_default(), at)?;
            self.plt.push(lengths);
        } else if kept {
            part.coding_segments.extend_from_slice(item);
        }
        self.go(State::TilePartHeader, at + whole, 2);
        Ok(())
    }

    /// Puts the packet lengths together and checks their sum, which an open end delays.
    fn end_tile_part_header(&mut self) -> Result<()> {
        let plt = std::mem::take(&mut self.plt);
        let Some(part) = self.tile_parts.last_mut() else { return Ok(()) };
        part.packet_lengths = join_plt(plt, part.tile, part.offset)?;
        self.end_tile_part()
    }

    /// Goes on behind the last tile-part.
    fn end_tile_part(&mut self) -> Result<()> {
        let end = self.codestream_end();
        let Some(part) = self.tile_parts.last() else { return Ok(()) };
        if part.open_ended {
            // the end is where EOC starts, or where the codestream ends without one
            let tail = end.saturating_sub(2).max(part.offset + SOT_LENGTH).max(self.at);
            self.go(State::Tail, tail, 2.min(end.saturating_sub(tail)));
            if self.need == 0 {
                return self.tail(&[]);
            }
            return Ok(());
        }
        check_sum(part)?;
        let next = part.offset + u64::from(part.length);
        if next == end {
            return self.close_codestream();
        }
        self.go(State::TilePart, next, 2);
        Ok(())
    }

    pub(super) fn tail(&mut self, item: &[u8]) -> Result<()> {
        let end = self.codestream_end();
        self.eoc = u16_at(item, 0) == Some(Marker::EOC.0);
        let Some(part) = self.tile_parts.last_mut() else { return Ok(()) };
        let length = end - part.offset - if self.eoc { 2 } else { 0 };
        part.length = u32::try_from(length).map_err(|_| too_long(length))?;
        if length < u64::from(part.header_length).max(14) {
            return Err(Error::Truncated {
                what: "tile-part",
                offset: part.offset,
                needed: u64::from(part.header_length).max(14),
                available: length,
            });
        }
        check_sum(part)?;
        self.close_codestream()
    }

    pub(super) fn codestream_end(&self) -> u64 {
        self.codestream.as_ref().map_or(self.size, |range| range.end)
    }

    /// Goes on with the boxes behind the codestream.
    fn close_codestream(&mut self) -> Result<()> {
        self.check_tiles()?;
        let end = self.codestream_end();
        self.next_box(end)
    }
}

fn too_long(found: u64) -> Error {
    Error::Limit { what: "tile-part length", found, limit: u64::from(u32::MAX) }
}

/// What may stand between SOT and SOD (table A.2).
pub(crate) fn check_tile_part_marker(marker: Marker, offset: u64) -> Result<()> {
    let misplaced =
        matches!(marker, Marker::SIZ | Marker::CAP | Marker::TLM | Marker::PLM | Marker::PPM);
    if (marker.is_segment() || marker.is_bare()) && !misplaced {
        return Ok(());
    }
    let expected = "a marker segment of a tile-part header, or SOD";
    Err(Error::UnexpectedMarker { offset, found: marker, expected })
}

/// The same error with offsets counted from the start of the file.
fn shifted(mut error: Error, start: u64) -> Error {
    match &mut error {
        Error::Truncated { offset, .. }
        | Error::UnexpectedMarker { offset, .. }
        | Error::Segment { offset, .. } => *offset = offset.saturating_add(start),
        _ => {}
    }
    error
}
