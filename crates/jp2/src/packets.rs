//! Which packets of a tile a window needs, and where they lie (ISO/IEC 15444-1 B.6 to B.12).

use std::ops::Range;

use crate::bytes::u16_at;
use crate::geometry::{Rect, count, precincts};
use crate::header::{Coding, MainHeader, Progression};
use crate::image::check_supported;
use crate::marker::Marker;
use crate::plt::plt_segments;
use crate::scan::{SOT_LENGTH, parse_plt};

/// Segments of a main header under which packets do not follow each other as counted here, or
/// code-blocks are decoded otherwise.
const FOREIGN: [Marker; 3] = [Marker::PPM, Marker::POC, Marker::RGN];
/// SOP and EPH: packets hold markers besides their data (table A.13).
const MARKED_PACKETS: u8 = 6;
/// The 5-3 wavelet (table A.20), whose filters reach one coefficient to each side.
const REVERSIBLE: u8 = 1;
/// An empty packet is this one byte: its first bit says so (B.10.3).
const EMPTY_PACKET: u32 = 1;

/// Packets that follow each other and are all read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketRun {
    /// Which, counted from the first packet of the tile.
    pub packets: Range<u32>,
    /// Their bytes, counted from the SOT marker of the tile-part.
    pub bytes: Range<u32>,
}

/// What a window needs of one tile: the header of its only tile-part, which proves that the bytes
/// are the ones that were meant, and some of its packets.
///
/// The packets of resolution 0 are read all, of the others those of precincts in which a sample or
/// coefficient lies that the window depends on. What is not read is replaced by empty packets:
/// it changes samples outside the window only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketRead {
    /// The tile.
    pub tile: u16,
    /// Resolutions of the file that are left out.
    pub reduce: u8,
    /// SOT, PLT and SOD as they must be in the file.
    pub(crate) header: Box<[u8]>,
    /// Bytes of the tile-part.
    pub(crate) length: u32,
    /// Packets of each resolution, from the lowest to the highest that is decoded.
    pub(crate) counts: Vec<u32>,
    /// Whether the tile has packets of resolution 0 only.
    sparse: bool,
    /// Decomposition levels of the file.
    levels: u8,
    runs: Vec<PacketRun>,
}

impl PacketRead {
    /// What windows of the reference grid need of a tile, on the lattice of every 2^`reduce`-th
    /// sample. `length` is that of its only tile-part, `lengths` are those of its packets (PLT).
    ///
    /// `None` where that cannot be told: other codings than one layer in the order LRCP or RLCP with
    /// the 5-3 wavelet, packets with markers of their own, a tile-part header with more in it than
    /// packet lengths, and lengths that do not fit the tile. Such tiles are read whole.
    #[must_use]
    pub fn new(
        header: &MainHeader,
        tile: u16,
        length: u32,
        lengths: &[u32],
        areas: &[Rect],
        reduce: u8,
    ) -> Option<Self> {
        let map = PacketMap::new(header, tile)?;
        let data = lengths.iter().try_fold(0u32, |sum, length| sum.checked_add(*length))?;
        let tile_part_header = tile_part_header(tile, length, lengths)?;
        if usize::try_from(length.checked_sub(data)?) != Ok(tile_part_header.len())
            || map.total() != u32::try_from(lengths.len()).ok()?
        {
            return None;
        }
        let needed = map.needed_by(areas, reduce)?;
        let first = usize::try_from(*map.counts().first()?).ok()?;
        let sparse = lengths.get(first..)?.iter().all(|length| *length == EMPTY_PACKET);
        let levels = map.levels.checked_sub(reduce)?;
        let counts = map.counts().get(..=usize::from(levels))?.to_vec();
        let wanted = if sparse { needed.get(..first)? } else { needed.as_slice() };
        Some(Self {
            tile,
            reduce,
            runs: runs(wanted, lengths, u32::try_from(tile_part_header.len()).ok()?, &counts),
            header: tile_part_header.into(),
            length,
            counts,
            sparse,
            levels: map.levels,
        })
    }

    /// The packets that are read, in order.
    #[must_use]
    pub fn runs(&self) -> &[PacketRun] {
        &self.runs
    }

    /// Byte ranges to read, counted from the SOT marker, in order: the header of the tile-part and
    /// the runs, joined where they touch.
    #[must_use]
    pub fn ranges(&self) -> Vec<Range<u32>> {
        let header = 0..u32::try_from(self.header.len()).unwrap_or(u32::MAX);
        let mut ranges = vec![header];
        for run in &self.runs {
            match ranges.last_mut() {
                Some(last) if last.end == run.bytes.start => last.end = run.bytes.end,
                _ => ranges.push(run.bytes.clone()),
            }
        }
        ranges
    }

    /// Decomposition levels of the file.
    pub(crate) fn levels(&self) -> u8 {
        self.levels
    }

    /// Whether nothing but resolution 0 is in the tile: it is constant, or very smooth.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.sparse
    }
}

/// Runs of needed packets, none of which goes on in the next resolution; `start` is where the first
/// packet lies.
fn runs(needed: &[bool], lengths: &[u32], start: u32, counts: &[u32]) -> Vec<PacketRun> {
    let mut runs: Vec<PacketRun> = Vec::new();
    let mut at = start;
    let mut counts = counts.iter();
    let mut first_of_next = counts.next().copied().unwrap_or(u32::MAX);
    for (index, (needed, length)) in (0u32..).zip(needed.iter().zip(lengths)) {
        let end = at.saturating_add(*length);
        let begins_resolution = index == first_of_next;
        if begins_resolution {
            first_of_next = first_of_next.saturating_add(counts.next().copied().unwrap_or(0));
        }
        match runs.last_mut() {
            Some(run) if *needed && run.packets.end == index && !begins_resolution => {
                run.packets.end = index + 1;
                run.bytes.end = end;
            }
            // an empty packet is as good as one that is read
            _ if *needed && *length > EMPTY_PACKET => {
                runs.push(PacketRun { packets: index..index + 1, bytes: at..end });
            }
            _ => {}
        }
        at = end;
    }
    runs
}

/// The header of a tile's only tile-part that holds packet lengths and nothing else, as an encoder
/// writes it (A.4.2, A.7.3).
fn tile_part_header(tile: u16, length: u32, lengths: &[u32]) -> Option<Vec<u8>> {
    let plt = plt_segments(lengths)?;
    let mut header = Vec::with_capacity(16 + plt.len());
    header.extend(Marker::SOT.0.to_be_bytes());
    header.extend(10u16.to_be_bytes());
    header.extend(tile.to_be_bytes());
    header.extend(length.to_be_bytes());
    header.extend([0, 1]);
    header.extend(plt);
    header.extend(Marker::SOD.0.to_be_bytes());
    Some(header)
}

/// The packet lengths in the header of a tile-part that holds nothing else.
pub(crate) fn lengths_in(tile_part: &[u8]) -> Option<Vec<u32>> {
    let at = usize::try_from(SOT_LENGTH).ok()?;
    if u16_at(tile_part, at) != Some(Marker::PLT.0) {
        return None;
    }
    let end = at + 2 + usize::from(u16_at(tile_part, at + 2)?);
    let (_, lengths) = parse_plt(tile_part.get(at + 4..end)?, 0).ok()?;
    Some(lengths)
}

/// How the packets of a tile follow each other: resolution by resolution, in each component by
/// component, in each precinct by precinct in raster order (B.12.1.1 and B.12.1.2, one layer).
#[derive(Debug)]
struct PacketMap<'a> {
    area: Rect,
    levels: u8,
    components: Vec<&'a Coding>,
    counts: Vec<u32>,
}

/// Precincts of one resolution of one component: a window of the grid of 2^`exponents` samples that
/// is anchored at the canvas origin.
#[derive(Debug, Clone)]
struct Precincts {
    columns: Range<u32>,
    rows: Range<u32>,
    exponents: (u8, u8),
}

impl Precincts {
    /// Whether each of them holds a sample of an area of its resolution, in raster order.
    fn met_by(self, area: Rect) -> impl Iterator<Item = bool> + use<> {
        let hit = |index: u32, exponent: u8, start: u32, end: u32| {
            let first = u64::from(index) << exponent;
            first < u64::from(end) && u64::from(start) < first + (1 << exponent)
        };
        let Self { columns, rows, exponents: (wide, high) } = self;
        rows.flat_map(move |row| {
            let row = hit(row, high, area.y0, area.y1);
            columns.clone().map(move |column| row && hit(column, wide, area.x0, area.x1))
        })
    }
}

impl<'a> PacketMap<'a> {
    fn new(header: &'a MainHeader, tile: u16) -> Option<Self> {
        let cod = &header.cod;
        let in_order = matches!(cod.progression, Progression::Lrcp | Progression::Rlcp);
        let plain = cod.layers == 1 && cod.style & MARKED_PACKETS == 0;
        if !in_order || !plain || FOREIGN.into_iter().any(|marker| header.has(marker)) {
            return None;
        }
        // components without subsampling, so that all lie on the reference grid
        check_supported(&header.siz).ok()?;
        let number = u16::try_from(header.siz.components.len()).ok()?;
        let components: Vec<&Coding> = (0..number).map(|index| header.coding(index)).collect();
        let levels = components.first()?.levels;
        let unlike = |coding: &&Coding| coding.levels != levels || coding.transform != REVERSIBLE;
        if components.iter().any(unlike) {
            return None;
        }
        let area = header.siz.tile_rect(tile).ok()?;
        let mut map = Self { area, levels, components, counts: Vec::new() };
        for resolution in 0..=levels {
            let precincts = map.components.iter().map(|coding| map.precincts(coding, resolution));
            let counts = precincts.map(|it| count(&(it.columns, it.rows)));
            let total = counts.fold(0u64, u64::saturating_add);
            map.counts.push(u32::try_from(total).ok()?);
        }
        Some(map)
    }

    fn counts(&self) -> &[u32] {
        &self.counts
    }

    fn total(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn precincts(&self, coding: &Coding, resolution: u8) -> Precincts {
        let area = self.area.reduced(self.levels - resolution);
        let sizes = coding.precincts.get(usize::from(resolution));
        let exponents = sizes.copied().unwrap_or((15, 15));
        let (columns, rows) = precincts(area, exponents);
        Precincts { columns, rows, exponents }
    }

    /// Whether each packet is needed by one of several windows.
    fn needed_by(&self, windows: &[Rect], reduce: u8) -> Option<Vec<bool>> {
        let (first, others) = windows.split_first()?;
        let mut needed = self.needed(*first, reduce)?;
        for window in others {
            for (needed, also) in needed.iter_mut().zip(self.needed(*window, reduce)?) {
                *needed |= also;
            }
        }
        Some(needed)
    }

    /// Whether each packet is needed, up to the highest resolution that is decoded. `None` for a
    /// window that holds no sample of the tile, and more resolutions left out than there are.
    fn needed(&self, window: Rect, reduce: u8) -> Option<Vec<bool>> {
        let top = self.levels.checked_sub(reduce)?;
        let window = window.intersection(&self.area)?.reduced(reduce);
        if window.is_empty() {
            return None;
        }
        // from the highest resolution down: what each needs of itself, and of the one below
        let mut areas = Vec::with_capacity(usize::from(top));
        let mut wanted = window;
        for _ in 0..top {
            areas.push(details(wanted));
            wanted = approximation(wanted);
        }
        let total: u32 = self.counts.iter().take(usize::from(top) + 1).sum();
        let mut needed = Vec::with_capacity(usize::try_from(total).ok()?);
        needed.resize(usize::try_from(*self.counts.first()?).ok()?, true);
        for (resolution, area) in (1u8..).zip(areas.into_iter().rev()) {
            for coding in &self.components {
                needed.extend(self.precincts(coding, resolution).met_by(area));
            }
        }
        Some(needed)
    }
}

/// Samples of a resolution whose high-pass coefficients a window of it needs, in the interleaved
/// order of the resolution. A sample at an odd place needs the even ones beside it, each of which
/// needs the high-pass coefficients beside it (F.3, 5-3 synthesis): n/2 - 1 to n/2 + 1.
fn details(window: Rect) -> Rect {
    let low = |start: u32| (start >> 1).saturating_sub(1) << 1;
    let high = |end: u32| ((end >> 1) << 1).saturating_add(2);
    Rect::new(low(window.x0), low(window.y0), high(window.x1), high(window.y1))
}

/// Samples of the resolution below that a window needs.
fn approximation(window: Rect) -> Rect {
    let high = |end: u32| (end >> 1).saturating_add(1);
    Rect::new(window.x0 >> 1, window.y0 >> 1, high(window.x1), high(window.y1))
}
