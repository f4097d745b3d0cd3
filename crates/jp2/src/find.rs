//! Finding the tile-parts of a few tiles in a file that nobody has indexed, without walking the
//! chain of all its SOT markers.
//!
//! # Method
//!
//! The place of some tiles is known: of the first one, of every one whose SOT was read, and of the
//! one behind it (Psot). For the lowest wanted tile whose place is not known, it is estimated
//! between the known places around it: evenly, or by a [`Prior`]. A block is read there, as long as
//! a tile-part is expected to be, and searched for `FF90 000A`, the SOT with its length: packet
//! data never holds a value above `FF8F` (ISO/IEC 15444-1 B.10.1 and C.2), so that in real files
//! nothing else looks like it. Up to two tiles ahead the chain is followed by reads of headers,
//! and so it is from one wanted tile to its neighbour in a row.
//!
//! What looks like a SOT is taken only when one of these confirms it:
//!
//! - a known place: a tile-part that is certain ends there;
//! - its packet lengths: as many as the tile's coding implies, which fill it to the byte;
//! - in files without packet lengths the chain: a SOT of the next tile, or the end, stands exactly
//!   where it ends.
//!
//! Until then it only guides the next estimate. After [`FinderOptions::max_reads`] reads, the chain
//! is walked up to what is still missing, so that the number of reads is bounded by that and the
//! number of tiles. A file whose tiles are not one tile-part each, in order, is told by
//! [`Found::not_sequential`]; where the main header has a TLM for all of the codestream, nothing
//! else is read.
//!
//! # Cost
//!
//! Reads and kilobytes for the four tiles of a 2 x 2 window of a file of which nothing is known,
//! mean and largest number over all windows (`cargo run --example find_reads`); one read is that of
//! the main header. A scan takes 122 reads at 10 m and 82 at 20 m.
//!
//! | file | reads | at most | kB | with prior | at most | kB |
//! |---|---|---|---|---|---|---|
//! | 10 m, tile-parts of 0.8 to 1 MB | 5.0 | 7 | 1,980 | 5.5 | 8 | 1,910 |
//! | 10 m, of 0.2 to 1.2 MB, prior unrelated | 6.9 | 12 | 3,370 | 6.8 | 11 | 3,010 |
//! | 20 m, of 0.33 to 0.43 MB | 5.5 | 9 | 820 | 5.5 | 7 | 800 |
//! | 10 m, edge of the swath: most empty or above 0.5 MB | 6.6 | 10 | 3,930 | 5.2 | 7 | 2,760 |
//! | nearly all below 0.3 kB, some of 1 MB | 5.1 | 9 | 1,240 | 2.7 | 4 | 130 |
//! | lengths of a real 60 m band x 32, prior another band | 7.9 | 14 | 7,450 | 4.4 | 7 | 3,210 |
//!
//! With [`FinderOptions::data`] the numbers are the same or smaller, and the kilobytes hold the data
//! of the wanted tiles nearly whole: 5.0 reads and 3,940 kB for the first file, whose four tiles
//! have 3,600 kB.

mod choose;
mod harvest;
mod head;
mod prior;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use self::prior::Prior;
use crate::header::{MainHeader, wide};
use crate::scan::tile_parts_of_tlm;
use crate::structure::TilePart;
use crate::{Detail, Error, Result, ScanOptions, Scanner};

/// How a [`TileFinder`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinderOptions {
    /// Bytes read at first.
    pub first_read: u64,
    /// Bytes read at the place of a tile-part; more where the coding lets expect a longer header.
    pub tile_part_read: u64,
    /// Shortest read where the place of a tile-part is not known.
    pub min_block: u64,
    /// Longest read of any kind.
    pub max_block: u64,
    /// Follow the chain of tile-parts up to a tile that is at most so many tiles ahead.
    pub walk: u16,
    /// After so many reads the chain is walked up to the tiles that are still missing.
    pub max_reads: u32,
    /// Read wanted tile-parts up to about their end where their place is known, for callers that
    /// use the bytes that were read: one request for a tile instead of two.
    pub data: bool,
    /// What is wanted of the tile-parts.
    pub detail: Detail,
}

impl Default for FinderOptions {
    fn default() -> Self {
        Self {
            first_read: 8192,
            tile_part_read: 256,
            min_block: 64 << 10,
            max_block: 2 << 20,
            walk: 2,
            max_reads: 64,
            data: false,
            detail: Detail::PacketLengths,
        }
    }
}

/// What a [`TileFinder`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The main header.
    pub header: MainHeader,
    /// The codestream in the file.
    pub codestream: Range<u64>,
    /// Every tile-part that was met, by tile; the wanted ones are among them unless
    /// `not_sequential` is set. [`TilePart::header_length`] is 0 where only its SOT was read.
    pub tile_parts: Vec<TilePart>,
    /// Whether the tile-parts were taken from TLM: then these are all.
    pub from_tlm: bool,
    /// Why tiles of this file cannot be found one by one; scan it instead. What is in
    /// `tile_parts` is then not to be used.
    pub not_sequential: Option<&'static str>,
    /// Reads that were asked for.
    pub reads: u32,
}

/// Finds tile-parts sans I/O: ask [`wants`](Self::wants), fetch, and [`feed`](Self::feed), until
/// nothing is wanted. The bytes are the caller's: those of wanted tiles are worth keeping.
///
/// ```
/// # fn find(file: &[u8]) -> cubeflight_jp2::Result<cubeflight_jp2::Found> {
/// use cubeflight_jp2::{FinderOptions, TileFinder};
/// let mut finder = TileFinder::new(file.len() as u64, [90, 91], FinderOptions::default());
/// while let Some(range) = finder.wants() {
///     finder.feed(range.start, &file[range.start as usize..range.end as usize])?;
/// }
/// finder.finish()
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TileFinder {
    size: u64,
    options: FinderOptions,
    wanted: BTreeSet<u16>,
    prior: Option<Prior>,
    /// Reads the main header, while that is not known.
    scanner: Option<Scanner>,
    image: Option<Image>,
    /// Tile-parts given by the caller before the main header was known.
    given: Vec<(u16, u64, u32)>,
    /// Where tiles start, read or not: a tile-part tells where the next one starts.
    starts: BTreeMap<u16, u64>,
    /// The same by offset.
    places: BTreeMap<u64, u16>,
    /// Tile-parts that are certain.
    parts: BTreeMap<u16, TilePart>,
    /// What looks like a tile-part and awaits confirmation, by offset.
    pending: BTreeMap<u64, TilePart>,
    /// Bytes that the header of a tile-part needs at least, where it was cut.
    cut: BTreeMap<u16, u64>,
    /// Where all SOT markers have been found, ascending, not touching.
    searched: Vec<Range<u64>>,
    next: Option<Range<u64>>,
    /// The first bytes of `next`.
    buffer: Vec<u8>,
    /// The tile looked for, and the blocks read for it so far.
    target: (u16, u32),
    reads: u32,
    from_tlm: bool,
    not_sequential: Option<&'static str>,
    failed: bool,
}

/// What the main header says.
#[derive(Debug, Clone)]
struct Image {
    header: MainHeader,
    codestream: Range<u64>,
    /// Number of tiles.
    tiles: u16,
}

impl TileFinder {
    /// A finder of `wanted` tiles in a file of `file_size` bytes of which nothing is known.
    pub fn new(
        file_size: u64,
        wanted: impl IntoIterator<Item = u16>,
        options: FinderOptions,
    ) -> Self {
        let header_only = ScanOptions {
            first_read: options.first_read,
            stop_after_header: true,
            ..ScanOptions::default()
        };
        let scanner = Scanner::new(file_size, header_only);
        Self {
            size: file_size,
            options,
            wanted: wanted.into_iter().collect(),
            prior: None,
            next: scanner.wants(),
            scanner: Some(scanner),
            image: None,
            given: Vec::new(),
            starts: BTreeMap::new(),
            places: BTreeMap::new(),
            parts: BTreeMap::new(),
            pending: BTreeMap::new(),
            cut: BTreeMap::new(),
            searched: Vec::new(),
            buffer: Vec::new(),
            target: (0, 0),
            reads: 1,
            from_tlm: false,
            not_sequential: None,
            failed: false,
        }
    }

    /// A finder in a file whose main header is known; `codestream` is where SOC and the end of
    /// the codestream are.
    ///
    /// # Errors
    /// [`Error::TilePart`] for a wanted tile that the image does not have, [`Error::Truncated`]
    /// for a codestream that does not lie in the file.
    pub fn with_header(
        file_size: u64,
        header: MainHeader,
        codestream: Range<u64>,
        wanted: impl IntoIterator<Item = u16>,
        options: FinderOptions,
    ) -> Result<Self> {
        let mut finder = Self::new(file_size, wanted, options);
        finder.scanner = None;
        finder.reads = 0;
        finder.open(header, codestream)?;
        finder.advance();
        Ok(finder)
    }

    /// Lengths of the tiles are expected to be as in another file of the same grid.
    #[must_use]
    pub fn with_prior(mut self, prior: Prior) -> Self {
        self.prior = Some(prior);
        self.again();
        self
    }

    /// Adds tile-parts that are known already: tile, offset of the SOT, length. They must be
    /// whole tiles. What contradicts the file is not used.
    #[must_use]
    pub fn with_known(mut self, parts: impl IntoIterator<Item = (u16, u64, u32)>) -> Self {
        self.given.extend(parts);
        if self.image.is_some() {
            self.take_given();
            self.again();
        }
        self
    }

    /// The bytes to feed next; `None` when all is found, or cannot be.
    pub fn wants(&self) -> Option<Range<u64>> {
        if self.failed {
            return None;
        }
        if let Some(scanner) = &self.scanner {
            return scanner.wants();
        }
        let range = self.next.as_ref()?;
        Some(range.start.saturating_add(wide(self.buffer.len()))..range.end)
    }

    /// Takes the bytes of the file from `range_start` on. They must hold the first byte wanted,
    /// and may be more or fewer than wanted.
    ///
    /// # Errors
    /// As [`Scanner::feed`] for the boxes and the main header; [`Error::TilePart`] for a wanted
    /// tile that the image does not have; [`Error::Feed`] and [`Error::Truncated`] for bytes that
    /// are not those wanted. What is wrong with tile-parts is not an error but
    /// [`Found::not_sequential`]: a scan names it.
    pub fn feed(&mut self, range_start: u64, bytes: &[u8]) -> Result<()> {
        let result = self.take(range_start, bytes);
        self.failed |= result.is_err();
        result
    }

    /// What was found, once nothing more is wanted.
    ///
    /// # Errors
    /// [`Error::Unfinished`] before that, or after an error.
    pub fn finish(self) -> Result<Found> {
        let unfinished = self.failed || self.wants().is_some();
        let Some(image) = self.image.filter(|_| !unfinished) else {
            return Err(Error::Unfinished);
        };
        Ok(Found {
            header: image.header,
            codestream: image.codestream,
            tile_parts: self.parts.into_values().collect(),
            from_tlm: self.from_tlm,
            not_sequential: self.not_sequential,
            reads: self.reads,
        })
    }

    fn take(&mut self, start: u64, bytes: &[u8]) -> Result<()> {
        let Some(wanted) = self.wants() else { return Ok(()) };
        if let Some(scanner) = &mut self.scanner {
            scanner.feed(start, bytes)?;
            if scanner.wants().is_some() {
                self.reads += 1;
                return Ok(());
            }
            if let Some(scanner) = self.scanner.take() {
                let structure = scanner.finish()?;
                self.open(structure.header, structure.codestream)?;
            }
            self.harvest(start, bytes);
            self.advance();
            return Ok(());
        }
        let end = start.saturating_add(wide(bytes.len()));
        let feed = |hint| Error::Feed { start, end, wanted: wanted.start, hint };
        if end > self.size {
            return Err(feed("it reaches beyond the size that was given for the file"));
        }
        if start > wanted.start {
            return Err(feed("feed what wants() returns"));
        }
        if end <= wanted.start {
            return Err(Error::Truncated {
                what: "file",
                offset: wanted.start,
                needed: wanted.end.saturating_sub(wanted.start),
                available: 0,
            });
        }
        if self.buffer.is_empty() && end >= wanted.end {
            self.harvest(start, bytes);
            self.advance();
            return Ok(());
        }
        let skip = usize::try_from(wanted.start - start).unwrap_or(usize::MAX);
        self.buffer.extend_from_slice(bytes.get(skip..).unwrap_or_default());
        if end < wanted.end {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let start = self.next.as_ref().map_or(start, |range| range.start);
        self.harvest(start, &buffer);
        self.advance();
        Ok(())
    }

    /// Starts with the main header known.
    fn open(&mut self, header: MainHeader, codestream: Range<u64>) -> Result<()> {
        // at most MAX_TILES, which SIZ was checked for
        let tiles = u16::try_from(header.siz.tiles()).unwrap_or(u16::MAX);
        if let Some(&last) = self.wanted.last() {
            header.siz.tile_rect(last)?;
        }
        let first = codestream.start.saturating_add(wide(header.bytes().len()));
        if codestream.end > self.size || first > codestream.end {
            return Err(Error::Truncated {
                what: "codestream",
                offset: codestream.start,
                needed: wide(header.bytes().len()),
                available: self.size.saturating_sub(codestream.start),
            });
        }
        let listed = tile_parts_of_tlm(&header, first, codestream.end);
        self.image = Some(Image { header, codestream, tiles });
        self.next = None;
        match listed {
            Some((parts, _)) if parts.iter().all(|part| part.parts == 1) => {
                self.parts = parts.into_iter().map(|part| (part.tile, part)).collect();
                self.from_tlm = true;
            }
            _ => {
                self.place(0, first);
                self.take_given();
            }
        }
        Ok(())
    }

    fn take_given(&mut self) {
        for (tile, offset, length) in std::mem::take(&mut self.given) {
            let part = TilePart::bare(tile, offset, length);
            if self.is_plausible(&part) && !self.parts.contains_key(&tile) {
                self.settle(part);
            }
        }
    }

    /// Chooses the next read, and counts it.
    fn advance(&mut self) {
        self.next = self.choose();
        self.reads += u32::from(self.next.is_some());
    }

    /// Chooses again with what the caller added before the first byte was fed.
    fn again(&mut self) {
        if self.image.is_some() && self.buffer.is_empty() {
            self.reads -= u32::from(self.next.is_some());
            self.target = (0, 0);
            self.advance();
        }
    }
}
