//! Reading the structure of a file from as few bytes as possible, without doing the I/O.

mod boxes;
mod codestream;
mod finish;
mod lengths;

use std::ops::Range;

pub(crate) use self::codestream::{SOT_LENGTH, check_tile_part_marker};
pub(crate) use self::lengths::{check_sum, join_plt, parse_plt, tile_parts_of_tlm};

use crate::header::{MainHeader, wide};
use crate::structure::{BoxInfo, Structure, TilePart};
use crate::{Error, Result};

/// Most bytes of the contents of a box that are kept.
pub const MAX_PAYLOAD: u64 = 1024;
/// Most boxes of a file.
pub const MAX_BOXES: usize = 4096;
/// Most superboxes around a box.
pub const MAX_BOX_DEPTH: u8 = 16;
/// Most tile-parts of a codestream.
pub const MAX_TILE_PARTS: usize = 1 << 18;

/// How much of each tile-part is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Its SOT only: 12 bytes.
    TileParts,
    /// Its header: markers, its length, coding overrides; packet lengths are skipped.
    Headers,
    /// Its header with the packet lengths, checked against the coding.
    PacketLengths,
}

/// What a [`Scanner`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanOptions {
    /// Bytes asked for at first, and at each jump before the tile-parts.
    pub first_read: u64,
    /// Bytes asked for at each tile-part; more follow only when its header is longer.
    pub tile_part_read: u64,
    /// Stop at the first SOT.
    pub stop_after_header: bool,
    /// Take the tile-parts from TLM, where the main header has one that names every tile and adds
    /// up to the codestream, and read nothing more. Part numbers are then counted, and
    /// [`TilePart::header_length`] is 0.
    pub use_tlm: bool,
    /// How much of each tile-part is read.
    pub detail: Detail,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            first_read: 8192,
            tile_part_read: 256,
            stop_after_header: false,
            use_tlm: false,
            detail: Detail::PacketLengths,
        }
    }
}

/// Describes a JP2 file or a raw codestream, sans I/O: ask [`wants`](Self::wants), fetch, and
/// [`feed`](Self::feed), until nothing is wanted.
///
/// ```
/// # fn fetch(file: &[u8], range: std::ops::Range<u64>) -> &[u8] {
/// #     &file[range.start as usize..range.end as usize]
/// # }
/// # fn scan(file: &[u8]) -> cubeflight_jp2::Result<cubeflight_jp2::Structure> {
/// use cubeflight_jp2::{ScanOptions, Scanner};
/// let mut scanner = Scanner::new(file.len() as u64, ScanOptions::default());
/// while let Some(range) = scanner.wants() {
///     scanner.feed(range.start, fetch(file, range))?;
/// }
/// scanner.finish()
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Scanner {
    size: u64,
    options: ScanOptions,
    state: State,
    /// Where the next item starts.
    at: u64,
    /// Bytes that the next item needs from `at`.
    need: u64,
    /// Bytes worth asking for from `at`.
    hint: u64,
    /// Bytes from `at` on that were fed but did not suffice.
    buffer: Vec<u8>,
    boxes: Vec<BoxInfo>,
    /// Ends of the open superboxes.
    open: Vec<u64>,
    codestream: Option<Range<u64>>,
    raw_header: Vec<u8>,
    header: Option<MainHeader>,
    tile_parts: Vec<TilePart>,
    /// Per tile: parts so far, and TNsot where known.
    tiles: Vec<(u16, u8)>,
    /// Packet length segments of the tile-part being read: Zplt and lengths.
    plt: Vec<(u8, Vec<u32>)>,
    from_tlm: bool,
    eoc: bool,
    trailing: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Signature,
    BoxHeader,
    BoxPayload,
    MainHeader,
    /// Between tile-parts: SOT or EOC.
    TilePart,
    /// In the header of the last tile-part of the list.
    TilePartHeader,
    /// The last two bytes of the codestream, to resolve a Psot of 0.
    Tail,
    Done,
    Failed,
}

impl Scanner {
    /// A scanner of a file of `file_size` bytes.
    pub fn new(file_size: u64, options: ScanOptions) -> Self {
        Self {
            size: file_size,
            options,
            state: State::Signature,
            at: 0,
            need: 12,
            hint: options.first_read,
            buffer: Vec::new(),
            boxes: Vec::new(),
            open: Vec::new(),
            codestream: None,
            raw_header: Vec::new(),
            header: None,
            tile_parts: Vec::new(),
            tiles: Vec::new(),
            plt: Vec::new(),
            from_tlm: false,
            eoc: false,
            trailing: 0,
        }
    }

    /// The bytes to feed next; `None` when the scan is finished or has failed. The range lies
    /// inside the file unless the file is empty.
    pub fn wants(&self) -> Option<Range<u64>> {
        if matches!(self.state, State::Done | State::Failed) {
            return None;
        }
        let start = self.wanted();
        let end = self.at.saturating_add(self.need.max(self.hint)).min(self.size);
        Some(start..end.max(start))
    }

    /// Offset of the first byte that is missing.
    fn wanted(&self) -> u64 {
        self.at.saturating_add(wide(self.buffer.len()))
    }

    /// Takes the bytes of the file from `range_start` on. They must hold the first byte wanted,
    /// and may be more or fewer than wanted; the whole file at once finishes the scan.
    ///
    /// # Errors
    /// Damage, as found; [`Error::Truncated`] where the file ends inside something, or where
    /// nothing was fed; [`Error::Feed`] for bytes that do not hold the first byte wanted. After
    /// an error the scanner wants nothing more and cannot be finished.
    pub fn feed(&mut self, range_start: u64, bytes: &[u8]) -> Result<()> {
        let result = self.take(range_start, bytes);
        if result.is_err() {
            self.state = State::Failed;
            self.buffer = Vec::new();
        }
        result
    }

    fn take(&mut self, start: u64, bytes: &[u8]) -> Result<()> {
        match self.state {
            State::Failed => return Err(Error::Unfinished),
            State::Done => return Ok(()),
            _ => {}
        }
        let wanted = self.wanted();
        let end = start.saturating_add(wide(bytes.len()));
        let feed = |hint| Error::Feed { start, end, wanted, hint };
        if end > self.size {
            return Err(feed("it reaches beyond the size that was given for the file"));
        }
        if start > wanted {
            return Err(feed("feed what wants() returns"));
        }
        if end <= wanted {
            return Err(Error::Truncated {
                what: "file",
                offset: wanted,
                needed: self.at.saturating_add(self.need).saturating_sub(wanted),
                available: 0,
            });
        }
        let skip = usize::try_from(wanted - start).unwrap_or(usize::MAX);
        let fresh = bytes.get(skip..).unwrap_or_default();
        if self.buffer.is_empty() {
            return self.run(fresh);
        }
        let mut data = std::mem::take(&mut self.buffer);
        data.extend_from_slice(fresh);
        if wide(data.len()) < self.need {
            self.buffer = data;
            return Ok(());
        }
        self.run(&data)
    }

    /// Takes items from `data`, which starts at `self.at`, and keeps what does not suffice.
    fn run(&mut self, data: &[u8]) -> Result<()> {
        let base = self.at;
        while self.state != State::Done {
            self.check_need()?;
            let from = usize::try_from(self.at - base).unwrap_or(usize::MAX);
            let Some(item) = data.get(from..).filter(|rest| !rest.is_empty()) else {
                return Ok(());
            };
            if wide(item.len()) < self.need {
                self.buffer = item.to_vec();
                return Ok(());
            }
            let item = usize::try_from(self.need).ok().and_then(|need| item.get(..need));
            self.step(item.unwrap_or_default())?;
        }
        Ok(())
    }

    /// What is needed must be inside the file, and inside the codestream once that is known.
    fn check_need(&self) -> Result<()> {
        let (what, end) = match (&self.codestream, self.state) {
            (_, State::Signature) => ("file signature", self.size),
            (_, State::BoxHeader) => ("box header", self.size),
            (_, State::BoxPayload) => ("box", self.size),
            (Some(range), State::MainHeader) => ("main header", range.end),
            (Some(range), State::TilePartHeader) => ("tile-part header", range.end),
            (Some(range), _) => ("tile-part", range.end),
            (None, _) => ("file", self.size),
        };
        let available = end.saturating_sub(self.at);
        if self.need <= available {
            return Ok(());
        }
        Err(Error::Truncated { what, offset: self.at, needed: self.need, available })
    }

    /// Handles one item: `item` holds exactly `need` bytes from `at` on.
    fn step(&mut self, item: &[u8]) -> Result<()> {
        match self.state {
            State::Signature => self.signature(item),
            State::BoxHeader => self.box_header(item),
            State::BoxPayload => self.box_payload(item),
            State::MainHeader => self.main_header(item),
            State::TilePart => self.tile_part(item),
            State::TilePartHeader => self.tile_part_header(item),
            State::Tail => self.tail(item),
            State::Done | State::Failed => Ok(()),
        }
    }

    /// Goes on at `at` in `state`, with at least `need` bytes.
    fn go(&mut self, state: State, at: u64, need: u64) {
        self.state = state;
        self.at = at;
        self.need = need;
        self.hint = match state {
            State::TilePart if self.options.detail == Detail::TileParts => 12,
            State::TilePart | State::TilePartHeader => self.options.tile_part_read,
            State::Tail => 2,
            _ => self.options.first_read,
        };
    }
}

/// Scans a file that is in memory, with everything read.
///
/// # Errors
/// As [`Scanner::feed`].
pub fn scan_bytes(file: &[u8]) -> Result<Structure> {
    scan_bytes_with(file, ScanOptions::default())
}

/// Scans a file that is in memory.
///
/// # Errors
/// As [`Scanner::feed`].
pub fn scan_bytes_with(file: &[u8], options: ScanOptions) -> Result<Structure> {
    let mut scanner = Scanner::new(wide(file.len()), options);
    scanner.feed(0, file)?;
    scanner.finish()
}
