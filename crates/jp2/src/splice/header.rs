//! The main header of a codestream that holds one tile alone.

use crate::geometry::Rect;
use crate::header::{Coding, MainHeader};
use crate::marker::Marker;
use crate::{Error, Result};

/// Segments of the main header that speak of the whole file's tile-parts.
const DROPPED: [Marker; 2] = [Marker::TLM, Marker::PLM];
/// Bytes of a COD segment before the decomposition levels: marker, Lcod, Scod, SGcod (A.6.1).
const COD_FIXED: usize = 9;
/// Bytes of SPcod and SPcoc before the precinct sizes (table A.15).
const SP_FIXED: usize = 5;
/// Bytes of a QCD segment before the step sizes: marker, Lqcd, Sqcd (A.6.4).
const QCD_FIXED: usize = 5;

impl MainHeader {
    /// The main header of a codestream that holds one tile alone, at its true place on the
    /// reference grid: the image area is the tile, and so is the only tile. Precincts and
    /// code-blocks are anchored at the canvas origin, so a tile moved to (0, 0) would have other
    /// packets.
    ///
    /// # Errors
    /// [`Error::CannotSplice`] for PPM, [`Error::TilePart`] when there is no such tile.
    pub fn tile_header(&self, tile: u16) -> Result<Self> {
        self.can_splice()?;
        let raw = self.without(&DROPPED);
        let (width, height) = (self.siz.tile_width, self.siz.tile_height);
        placed(raw, self.siz.tile_rect(tile)?, width, height)
    }

    /// The main header of one tile whose `reduce` highest resolutions are left out: the image is
    /// the tile on the lattice of every 2^`reduce`-th sample, coded with so many levels less. What
    /// is left of the packets is what it was, since sub-bands, precincts and code-blocks are those
    /// of the same resolutions (B-14, B-15: rounding up twice is rounding up once).
    ///
    /// # Errors
    /// As [`Self::tile_header`]; [`Error::CannotSplice`] for fewer levels than are left out, and for
    /// a tile without a sample of that lattice.
    pub(crate) fn reduced_tile_header(&self, tile: u16, reduce: u8) -> Result<Self> {
        if reduce == 0 {
            return self.tile_header(tile);
        }
        self.can_splice()?;
        let area = self.siz.tile_rect(tile)?.reduced(reduce);
        if area.is_empty() {
            return Err(Error::CannotSplice { reason: "the tile has no sample of the lattice" });
        }
        let mut raw = Marker::SOC.0.to_be_bytes().to_vec();
        for segment in self.segments.iter().filter(|s| !DROPPED.contains(&s.marker)) {
            let bytes = self.bytes().get(segment.start()..segment.end()).unwrap_or_default();
            let mut bytes = bytes.to_vec();
            let kept = match segment.marker {
                Marker::COD => coding_length(COD_FIXED, &self.cod.coding, bytes.len(), reduce),
                Marker::COC => {
                    // the index of the component takes one byte below 257 components
                    let wide = usize::from(self.siz.components.len() > 256);
                    let component = bytes.get(4..5 + wide).unwrap_or_default();
                    let component = component.iter().fold(0u16, |v, b| v << 8 | u16::from(*b));
                    coding_length(6 + wide, self.coding(component), bytes.len(), reduce)
                }
                Marker::QCD => steps_length(QCD_FIXED, &bytes, reduce),
                Marker::QCC => {
                    let wide = usize::from(self.siz.components.len() > 256);
                    steps_length(QCD_FIXED + 1 + wide, &bytes, reduce)
                }
                _ => Some(bytes.len()),
            };
            let few = Error::CannotSplice { reason: "it has fewer levels than are left out" };
            let kept = kept.ok_or(few)?;
            shorten(&mut bytes, kept);
            if let Some(levels) = levels_at(segment.marker, self).and_then(|at| bytes.get_mut(at)) {
                *levels = levels.saturating_sub(reduce);
            }
            raw.extend(bytes);
        }
        placed(raw, area, area.width(), area.height())
    }
}

/// A header whose image and only tile are `area`.
fn placed(mut raw: Vec<u8>, area: Rect, width: u32, height: u32) -> Result<MainHeader> {
    let Rect { x0, y0, x1, y1 } = area;
    // SIZ is the first segment: SOC 2, marker 2, Lsiz 2, Rsiz 2. A first tile that the image offset
    // cuts starts at the offset, which is where the new tile grid starts too.
    let values = [x1, y1, x0, y0, width, height, x0, y0];
    for (slot, value) in raw.iter_mut().skip(8).zip(values.map(u32::to_be_bytes).as_flattened()) {
        *slot = *value;
    }
    MainHeader::parse(&raw)
}

/// Length of a COD or COC segment without the precinct sizes of the resolutions that are left out.
fn coding_length(fixed: usize, coding: &Coding, length: usize, reduce: u8) -> Option<usize> {
    let levels = coding.levels.checked_sub(reduce)?;
    let has_precincts = length > fixed + SP_FIXED;
    Some(if has_precincts { fixed + SP_FIXED + usize::from(levels) + 1 } else { length })
}

/// Length of a QCD or QCC segment without the step sizes of the sub-bands that are left out; three
/// a level. Derived step sizes are one for all.
fn steps_length(fixed: usize, segment: &[u8], reduce: u8) -> Option<usize> {
    let size = match segment.get(fixed - 1)? & 31 {
        0 => 1,
        1 => return Some(segment.len()),
        _ => 2,
    };
    let kept = segment.len().checked_sub(3 * usize::from(reduce) * size)?;
    (kept >= fixed + size).then_some(kept)
}

/// Where a segment has its number of levels.
fn levels_at(marker: Marker, header: &MainHeader) -> Option<usize> {
    match marker {
        Marker::COD => Some(COD_FIXED),
        Marker::COC => Some(6 + usize::from(header.siz.components.len() > 256)),
        _ => None,
    }
}

/// Cuts a segment and says so in its length field.
fn shorten(segment: &mut Vec<u8>, kept: usize) {
    segment.truncate(kept);
    let length = u16::try_from(kept.saturating_sub(2)).unwrap_or(u16::MAX);
    if let Some(field) = segment.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
