//! Which bytes to read next.

use std::ops::Range;

use super::TileFinder;
use crate::Detail;
use crate::header::wide;
use crate::scan::SOT_LENGTH;

/// The tile wanted lies between two tiles whose places are known or likely.
#[derive(Debug, Clone, Copy)]
struct Gap {
    /// Tile and offset below; its SOT has not been read.
    low: (u16, u64),
    /// Tile and offset above, or the number of tiles and the end of the codestream.
    high: (u16, u64),
}

impl Gap {
    fn tiles(&self) -> u64 {
        u64::from(self.high.0.saturating_sub(self.low.0).max(1))
    }

    fn bytes(&self) -> u64 {
        self.high.1.saturating_sub(self.low.1)
    }

    fn mean(&self) -> u64 {
        self.bytes() / self.tiles()
    }
}

impl TileFinder {
    /// The next read; `None` when all is found, or cannot be.
    pub(super) fn choose(&mut self) -> Option<Range<u64>> {
        let end = self.image.as_ref()?.codestream.end;
        if self.not_sequential.is_some() || self.from_tlm {
            return None;
        }
        let tile = self.wanted.iter().copied().find(|&tile| !self.is_done(tile))?;
        if self.target.0 != tile {
            self.target = (tile, 0);
        }
        let fits = |range: Range<u64>| {
            let range = range.start..range.end.min(end);
            (range.end >= range.start.saturating_add(SOT_LENGTH)).then_some(range)
        };
        if let Some(range) = fits(self.range_for(tile)?) {
            return Some(range);
        }
        // what is not certain led to the end: from here on only the chain is followed
        self.pending.clear();
        self.options.max_reads = 0;
        let range = fits(self.range_for(tile)?);
        if range.is_none() {
            self.stop("the codestream ends before its last tile");
        }
        range
    }

    fn is_done(&self, tile: u16) -> bool {
        let header = self.options.detail > Detail::TileParts;
        self.parts.get(&tile).is_some_and(|part| !header || part.header_length > 0)
    }

    fn range_for(&mut self, tile: u16) -> Option<Range<u64>> {
        if let Some(part) = self.parts.get(&tile) {
            let needed = self.cut.get(&tile).copied().unwrap_or_default();
            let needed = needed.max(self.head_length(tile)).min(u64::from(part.length));
            return Some(part.offset..part.offset.saturating_add(needed));
        }
        if let Some(&offset) = self.starts.get(&tile) {
            return Some(self.tile_part_at(tile, offset));
        }
        let walking = self.reads >= self.options.max_reads;
        let gap = self.gap(tile, !walking)?;
        let (low, offset) = gap.low;
        if low == tile || walking {
            return Some(self.tile_part_at(low, offset));
        }
        if let Some(part) = self.pending.values().find(|part| part.tile == tile) {
            // its own header may prove it, and the next SOT confirms it
            let own = part.offset..part.offset.saturating_add(self.plt_length(tile));
            if part.header_length == 0 && !self.is_searched(part.offset, own.end) {
                return Some(own);
            }
            return Some(self.tile_part_at(tile.saturating_add(1), part.end()));
        }
        let expected = gap.mean().saturating_mul(u64::from(tile - low) + 1);
        if expected <= self.options.min_block {
            let length = self.options.min_block.min(gap.bytes());
            return Some(offset..offset.saturating_add(length));
        }
        if tile - low <= self.options.walk {
            return Some(self.tile_part_at(low, offset));
        }
        self.target.1 = self.target.1.saturating_add(1);
        Some(self.block(tile, gap))
    }

    /// The nearest places around a tile; what awaits confirmation counts where `likely`.
    fn gap(&self, tile: u16, likely: bool) -> Option<Gap> {
        let image = self.image.as_ref()?;
        let (&low, &offset) = self.starts.range(..tile).next_back()?;
        let end = (image.tiles, image.codestream.end.saturating_sub(2));
        let high = self.starts.range(tile..).next().map_or(end, |(&tile, &offset)| (tile, offset));
        let mut gap = Gap { low: (low, offset), high };
        for part in self.pending.values().filter(|_| likely) {
            let next = part.tile.saturating_add(1);
            if part.tile < tile && next > gap.low.0 {
                gap.low = (next, part.end());
            }
            if part.tile > tile && part.tile < gap.high.0 {
                gap.high = (part.tile, part.offset);
            }
        }
        Some(gap)
    }

    /// A read of the tile-part that starts at `offset`: its header, or all of it.
    fn tile_part_at(&self, tile: u16, offset: u64) -> Range<u64> {
        let head = self.head_length(tile);
        if !self.options.data || !self.wanted.contains(&tile) {
            return offset..offset.saturating_add(head);
        }
        let whole = self.expected_length(tile, offset);
        offset..offset.saturating_add(whole.clamp(head, self.options.max_block.max(head)))
    }

    /// About the length of a tile-part whose place is known, rather too long than too short.
    fn expected_length(&self, tile: u16, offset: u64) -> u64 {
        let next = tile.saturating_add(1);
        let Some(high) = self.gap(next, true).map(|gap| gap.high) else { return 0 };
        let gap = Gap { low: (tile, offset), high };
        let prior = self.prior.as_ref().and_then(|prior| prior.between(tile, next, high.0));
        let before = tile.checked_sub(1).and_then(|tile| self.parts.get(&tile));
        let length = match (prior, before) {
            (Some(share), _) => scaled(gap.bytes(), share),
            (None, Some(part)) => u64::from(part.length),
            (None, None) => gap.mean(),
        };
        length.saturating_add(length / 8)
    }

    /// Bytes from a SOT on that hold its header: a packet length takes up to three bytes.
    fn head_length(&self, tile: u16) -> u64 {
        if self.options.detail == Detail::TileParts {
            return SOT_LENGTH;
        }
        self.plt_length(tile)
    }

    /// The same where the packet lengths are needed as proof.
    fn plt_length(&self, tile: u16) -> u64 {
        let image = self.image.as_ref();
        let packets = image.and_then(|image| crate::packet_count(&image.header, tile).ok());
        let plt = packets.unwrap_or_default().saturating_mul(3).saturating_add(24);
        self.options.tile_part_read.max(plt.min(self.options.max_block)).max(SOT_LENGTH)
    }

    fn is_searched(&self, start: u64, end: u64) -> bool {
        self.searched.iter().any(|range| range.start <= start && end <= range.end)
    }

    /// A block where the tile is expected, outside what has been searched.
    fn block(&self, tile: u16, gap: Gap) -> Range<u64> {
        let (min, max) = (self.options.min_block, self.options.max_block.max(SOT_LENGTH));
        let (low, high) = (gap.low.1, gap.high.1);
        let seen = self.parts.values().map(|part| u64::from(part.length));
        let seen = seen.sum::<u64>() / wide(self.parts.len()).max(1);
        // each block that did not lead to the tile makes the next one longer
        let growth = self.target.1.saturating_sub(1).min(3);
        let length = (gap.mean().max(seen) << growth).clamp(min.min(max), max);
        if gap.bytes() <= length {
            return low..high;
        }
        let expected = self.estimate(tile, gap);
        let start = expected.saturating_sub(length / 2).clamp(low, high - length);
        // what has been searched holds no SOT in this gap: from the block on forward, else backward
        let around = self.searched.iter().find(|range| range.contains(&expected));
        let Some(around) = around else {
            let below = self.searched.iter().rev().find(|range| range.end <= expected);
            let above = self.searched.iter().find(|range| range.start > expected);
            let start = start.max(below.map_or(low, |range| range.end));
            let end = start.saturating_add(length).min(high);
            return match above.filter(|range| range.start < end) {
                Some(range) => {
                    let end = range.start.saturating_add(SOT_LENGTH);
                    let floor = below.map_or(low, |range| range.end).max(low);
                    end.saturating_sub(length).max(floor)..end
                }
                None => start..end,
            };
        };
        if around.end.saturating_add(SOT_LENGTH) < high {
            return around.end..around.end.saturating_add(length).min(high);
        }
        around.start.saturating_sub(length).max(low)..around.start.saturating_add(SOT_LENGTH)
    }

    /// Where the tile is expected to start.
    fn estimate(&self, tile: u16, gap: Gap) -> u64 {
        let count = |from: u16, to: u16| u64::from(to.saturating_sub(from));
        let linear = (count(gap.low.0, tile), count(gap.low.0, gap.high.0));
        let prior = self.prior.as_ref();
        let share = prior.and_then(|prior| prior.between(gap.low.0, tile, gap.high.0));
        let even = gap.low.1.saturating_add(scaled(gap.bytes(), share.unwrap_or(linear)));
        // neighbours are alike: every other time from the nearer side by the length found there,
        // since a straight line through uneven lengths misses on the same side again and again
        if share.is_some() || self.target.1 % 2 == 1 {
            return even;
        }
        let (below, above) = (linear.0, linear.1 - linear.0);
        let local = if below <= above {
            let part = gap.low.0.checked_sub(1).and_then(|tile| self.parts.get(&tile));
            part.map(|part| gap.low.1.saturating_add(u64::from(part.length) * below))
        } else {
            let part = self.parts.get(&gap.high.0);
            part.map(|part| gap.high.1.saturating_sub(u64::from(part.length) * above))
        };
        local.filter(|at| (gap.low.1..gap.high.1).contains(at)).unwrap_or(even)
    }
}

/// A fraction of a length, rounded down.
fn scaled(length: u64, (part, whole): (u64, u64)) -> u64 {
    let scaled = u128::from(length) * u128::from(part.min(whole)) / u128::from(whole.max(1));
    u64::try_from(scaled).unwrap_or(length)
}
