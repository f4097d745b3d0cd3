//! The main header of a codestream that holds one tile alone.

use crate::geometry::Rect;
use crate::header::MainHeader;
use crate::marker::Marker;
use crate::{Error, Result};

/// Segments of the main header that speak of the whole file's tile-parts.
const DROPPED: [Marker; 2] = [Marker::TLM, Marker::PLM];
/// Bytes of a COD segment before the decomposition levels: marker, Lcod, Scod, SGcod (A.6.1).
const COD_FIXED: usize = 9;
/// Bytes of a COC segment before the decomposition levels, without the index of the component:
/// marker, Lcoc, Scoc (A.6.2).
const COC_FIXED: usize = 5;
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
        // bytes that the index of a component takes (tables A.23 and A.31)
        let index = if self.siz.components.len() > 256 { 2 } else { 1 };
        let mut raw = Marker::SOC.0.to_be_bytes().to_vec();
        for segment in self.segments.iter().filter(|s| !DROPPED.contains(&s.marker)) {
            let bytes = self.bytes().get(segment.start()..segment.end()).unwrap_or_default();
            let mut bytes = bytes.to_vec();
            let done = match segment.marker {
                Marker::COD => shorten_coding(&mut bytes, COD_FIXED, reduce),
                Marker::COC => shorten_coding(&mut bytes, COC_FIXED + index, reduce),
                Marker::QCD => shorten_steps(&mut bytes, QCD_FIXED, reduce),
                Marker::QCC => shorten_steps(&mut bytes, QCD_FIXED + index, reduce),
                _ => Some(()),
            };
            let few = Error::CannotSplice { reason: "it has fewer levels than are left out" };
            done.ok_or(few)?;
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

/// Takes the levels that are left out from a COD or COC segment, with the precinct sizes of their
/// resolutions. The number of levels is at `at`.
fn shorten_coding(segment: &mut Vec<u8>, at: usize, reduce: u8) -> Option<()> {
    let levels = segment.get_mut(at)?;
    *levels = levels.checked_sub(reduce)?;
    let resolutions = usize::from(*levels) + 1;
    let has_precincts = segment.len() > at + SP_FIXED;
    if has_precincts {
        shorten(segment, at + SP_FIXED + resolutions);
    }
    Some(())
}

/// Takes the step sizes of the sub-bands that are left out, three a level, from a QCD or QCC segment
/// whose step sizes begin at `at`. Derived step sizes are one for all.
fn shorten_steps(segment: &mut Vec<u8>, at: usize, reduce: u8) -> Option<()> {
    let size = match segment.get(at - 1)? & 31 {
        0 => 1,
        1 => return Some(()),
        _ => 2,
    };
    let kept = segment.len().checked_sub(3 * usize::from(reduce) * size)?;
    if kept < at + size {
        return None;
    }
    shorten(segment, kept);
    Some(())
}

/// Cuts a segment and says so in its length field.
fn shorten(segment: &mut Vec<u8>, kept: usize) {
    segment.truncate(kept);
    let length = u16::try_from(kept.saturating_sub(2)).unwrap_or(u16::MAX);
    if let Some(field) = segment.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two components of 64 x 64 samples; the second has levels, precincts and steps of its own.
    const HEADER: [&[u8]; 7] = [
        &[0xff, 0x4f],
        &[
            0xff, 0x51, 0, 44, 0, 0, 0, 0, 0, 64, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64,
            0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 7, 1, 1, 7, 1, 1,
        ],
        &[0xff, 0x52, 0, 16, 1, 0, 0, 1, 0, 3, 4, 4, 0, 1, 0x55, 0x66, 0x77, 0x88],
        &[0xff, 0x53, 0, 12, 1, 1, 2, 4, 4, 0, 1, 0x56, 0x67, 0x78],
        &[0xff, 0x5c, 0, 13, 0x40, 64, 72, 72, 80, 72, 72, 80, 72, 72, 80],
        &[0xff, 0x5d, 0, 11, 1, 0x40, 56, 64, 64, 72, 64, 64, 72],
        &[0xff, 0x64, 0, 5, 0, 1, 65],
    ];

    #[test]
    fn components_with_coding_of_their_own_lose_the_same_resolutions() {
        let header = MainHeader::parse(&HEADER.concat()).unwrap();
        let reduced = header.reduced_tile_header(0, 1).unwrap();
        let rect = reduced.siz.tile_rect(0).unwrap();
        assert_eq!(rect, Rect::new(0, 0, 32, 32));
        for (component, levels) in [(0, 2), (1, 1)] {
            let (full, now) = (header.coding(component), reduced.coding(component));
            assert_eq!(now.levels, levels);
            assert_eq!(now.precincts, full.precincts[..=usize::from(levels)]);
        }
        assert_eq!(reduced.qcd.steps, header.qcd.steps[..7]);
        assert_eq!(reduced.qcc[0].quantisation.steps, header.qcc[0].quantisation.steps[..4]);
        let few = header.reduced_tile_header(0, 3).unwrap_err();
        assert!(few.to_string().contains("fewer levels"), "{few}");
    }
}
