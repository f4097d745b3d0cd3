//! Taking what a read brought: SOT markers, and which of them are certain.

use std::ops::Range;

use super::TileFinder;
use super::head::{Head, PATTERN, read_head, read_sot};
use crate::Detail;
use crate::header::wide;
use crate::scan::SOT_LENGTH;
use crate::structure::TilePart;

/// Most SOT markers that await confirmation; real files have one or two.
const MAX_PENDING: usize = 64;
/// Shortest tile-part: SOT and SOD.
const SHORTEST: u64 = 14;

impl TileFinder {
    /// Takes the bytes of the file from `start` on.
    pub(super) fn harvest(&mut self, start: u64, bytes: &[u8]) {
        if self.from_tlm {
            return;
        }
        let mut at = 0usize;
        while let Some(found) = find(bytes.get(at..).unwrap_or_default()) {
            at = at.saturating_add(found);
            let rest = bytes.get(at..).unwrap_or_default();
            let taken = self.sot(start.saturating_add(wide(at)), rest);
            at = at.saturating_add(taken.max(PATTERN.len()));
        }
        self.confirm();
        let end = start.saturating_add(wide(bytes.len()));
        self.refute(start..end.saturating_sub(SOT_LENGTH - 1).max(start));
    }

    /// Takes what looks like a SOT at `offset`; the number of bytes that it explains.
    fn sot(&mut self, offset: u64, bytes: &[u8]) -> usize {
        let Some(image) = &self.image else { return 0 };
        let Some(mut part) = read_sot(bytes, offset) else { return 0 };
        if part.tile >= image.tiles || self.is_inside(offset) {
            return 0;
        }
        let known = self.starts.get(&part.tile) == Some(&offset);
        if self.parts.get(&part.tile).is_some_and(|old| known && old.header_length > 0) {
            return 0;
        }
        let (tile, length) = (part.tile, usize::try_from(part.length).unwrap_or(usize::MAX));
        let head = read_head(&image.header, &mut part, bytes);
        let plausible = self.is_plausible(&part);
        match head {
            Head::Whole { proven: true } if !plausible => {
                self.stop("tile-parts are not in the order of tiles");
            }
            _ if !plausible => return 0,
            Head::Whole { proven } if proven || known => {
                self.settle(part);
                return length;
            }
            Head::Cut { needed } if known => {
                let twice = 2 * self.cut.get(&tile).copied().unwrap_or_default();
                self.cut.insert(tile, needed.max(twice.min(u64::from(part.length))));
                self.settle(part);
            }
            Head::Broken if known && self.options.detail == Detail::TileParts => self.settle(part),
            Head::Broken if known => self.stop("the header of a tile-part is damaged"),
            Head::Broken => {}
            Head::Whole { .. } | Head::Cut { .. } if self.pending.len() < MAX_PENDING => {
                self.pending.insert(offset, part);
            }
            Head::Whole { .. } | Head::Cut { .. } => {}
        }
        0
    }

    /// Whether `offset` lies behind the start of a tile-part that is certain, and before its end.
    fn is_inside(&self, offset: u64) -> bool {
        let below = self.places.range(..offset).next_back();
        let part = below.and_then(|(_, tile)| self.parts.get(tile));
        part.is_some_and(|part| offset < part.end())
    }

    /// Whether a tile-part fits between the places that are known.
    pub(super) fn is_plausible(&self, part: &TilePart) -> bool {
        let Some(image) = &self.image else { return false };
        let tile = part.tile;
        if tile >= image.tiles || part.length < 14 {
            return false;
        }
        let room = |tiles: u16| SHORTEST * u64::from(tiles);
        let below = self.places.range(..=part.offset).next_back();
        let fits_below = below.is_some_and(|(&offset, &other)| {
            if offset == part.offset {
                return other == tile;
            }
            other < tile && part.offset - offset >= room(tile - other)
        });
        let above = self.places.range(part.offset.saturating_add(1)..).next();
        let fits_above = match above {
            Some((&offset, &other)) if other == tile.saturating_add(1) => part.end() == offset,
            Some((&offset, &other)) => {
                other > tile && part.end().saturating_add(room(other - tile - 1)) <= offset
            }
            None => part.end().saturating_add(room(image.tiles - tile - 1)) <= image.codestream.end,
        };
        fits_below && fits_above && self.starts.get(&tile).is_none_or(|&at| at == part.offset)
    }

    /// Settles what the chain of tile-part lengths confirms: a known place before it, a known
    /// place or another SOT behind it, or the end of the codestream.
    fn confirm(&mut self) {
        loop {
            let certain = self.pending.values().find(|part| self.is_linked(part));
            let Some(offset) = certain.map(|part| part.offset) else { return };
            let Some(part) = self.pending.remove(&offset) else { return };
            if self.is_plausible(&part) {
                self.settle(part);
            }
        }
    }

    fn is_linked(&self, part: &TilePart) -> bool {
        let known = |tile: u16, offset: u64| self.starts.get(&tile) == Some(&offset);
        if known(part.tile, part.offset) {
            return true;
        }
        // where tile-parts list their packets the list is asked for: a pattern in the data could
        // end where the tile-part does that holds it
        let header_read = |part: &&TilePart| part.header_length > 0;
        let read = self.parts.values().find(header_read);
        if read.is_none_or(|part| part.packet_lengths.is_some()) {
            return false;
        }
        let (next, end) = (part.tile.saturating_add(1), part.end());
        let follows = self.pending.get(&end).is_some_and(|other| other.tile == next);
        let last = self.image.as_ref().is_some_and(|image| {
            next == image.tiles && (end == image.codestream.end || end + 2 == image.codestream.end)
        });
        known(next, end) || follows || last
    }

    /// Drops what the bytes that were read contradict: `searched` is where each SOT has been
    /// found.
    fn refute(&mut self, searched: Range<u64>) {
        let mut missing = self.places.range(searched.clone());
        if missing.any(|(_, tile)| !self.parts.contains_key(tile)) {
            self.stop("no tile-part of the next tile stands where one ends");
        }
        self.pending.retain(|_, part| !searched.contains(&part.end()));
        let pending = std::mem::take(&mut self.pending);
        self.pending = pending.into_iter().filter(|(_, part)| self.is_plausible(part)).collect();
        self.searched.push(searched);
        self.searched.sort_unstable_by_key(|range| range.start);
        self.searched.dedup_by(|next, range| {
            let joined = next.start <= range.end;
            if joined {
                range.end = range.end.max(next.end);
            }
            joined
        });
    }

    /// Takes a tile-part as certain, and so the place of the next one.
    pub(super) fn settle(&mut self, part: TilePart) {
        let Some(image) = &self.image else { return };
        let (tile, end) = (part.tile, part.end());
        let next = tile.saturating_add(1);
        let last = next == image.tiles;
        self.place(tile, part.offset);
        if !last {
            self.place(next, end);
        }
        self.parts.insert(tile, part);
    }

    /// Takes the place of a tile as certain.
    pub(super) fn place(&mut self, tile: u16, offset: u64) {
        let twice = self.starts.insert(tile, offset).is_some_and(|old| old != offset);
        let other = self.places.insert(offset, tile).is_some_and(|old| old != tile);
        if twice || other {
            self.stop("tile-parts contradict each other");
        }
    }

    pub(super) fn stop(&mut self, reason: &'static str) {
        self.not_sequential.get_or_insert(reason);
    }
}

/// Where the pattern of a SOT starts.
fn find(bytes: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|&byte| byte == PATTERN[0])?;
        if bytes.get(at..)?.starts_with(&PATTERN) {
            return Some(at);
        }
        at += 1;
    }
}
