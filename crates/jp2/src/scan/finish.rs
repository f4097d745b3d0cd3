//! Checks over whole tiles, and the result.

use super::{Detail, Scanner, State};
use crate::header::wide;
use crate::marker::Marker;
use crate::structure::{Structure, TileCoding};
use crate::{Error, Result};

impl Scanner {
    /// The structure, once nothing more is wanted.
    ///
    /// # Errors
    /// [`Error::Unfinished`] before that, or after an error.
    pub fn finish(self) -> Result<Structure> {
        let (State::Done, Some(header), Some(codestream)) =
            (self.state, self.header, self.codestream)
        else {
            return Err(Error::Unfinished);
        };
        let mut by_tile: Vec<_> =
            self.tile_parts.iter().enumerate().map(|(index, part)| (part.tile, index)).collect();
        by_tile.sort_unstable();
        Ok(Structure {
            size: self.size,
            boxes: self.boxes,
            codestream,
            header,
            tile_parts: self.tile_parts,
            complete: !self.options.stop_after_header,
            from_tlm: self.from_tlm,
            eoc: self.eoc,
            trailing: self.trailing,
            by_tile,
        })
    }

    /// Every tile must be there with all its parts, and with all its packets where they are
    /// listed.
    pub(super) fn check_tiles(&self) -> Result<()> {
        if self.from_tlm {
            return Ok(());
        }
        for (tile, &(count, declared)) in (0u32..).zip(&self.tiles) {
            let expected = declared.max(1);
            if count < u16::from(expected) {
                return Err(Error::TilePart {
                    tile,
                    offset: self.at,
                    reason: "tile-parts are missing at the end of the codestream",
                    found: u64::from(count),
                    expected: u64::from(expected),
                });
            }
        }
        if self.options.detail == Detail::PacketLengths { self.check_packets() } else { Ok(()) }
    }

    fn check_packets(&self) -> Result<()> {
        let Some(header) = &self.header else { return Ok(()) };
        #[derive(Clone, Default)]
        struct Tile {
            packets: u64,
            unlisted: bool,
            reordered: bool,
            coding: Vec<u8>,
        }
        let mut tiles = vec![Tile::default(); self.tiles.len()];
        for part in &self.tile_parts {
            let Some(tile) = tiles.get_mut(usize::from(part.tile)) else { continue };
            match &part.packet_lengths {
                Some(lengths) => tile.packets += wide(lengths.len()),
                None => tile.unlisted = true,
            }
            // a POC may leave packets out
            tile.reordered |= part.markers.contains(&Marker::POC.0);
            tile.coding.extend_from_slice(&part.coding_segments);
        }
        let reordered = header.has(Marker::POC);
        for (index, tile) in (0u16..).zip(tiles) {
            if tile.unlisted || tile.reordered || reordered {
                continue;
            }
            let expected = if tile.coding.is_empty() {
                crate::packet_count(header, index)?
            } else {
                TileCoding::new(header, &tile.coding)?.packet_count(header, index)?
            };
            if tile.packets != expected {
                let found = tile.packets;
                return Err(Error::PacketCount { tile: index, found, expected });
            }
        }
        Ok(())
    }
}
