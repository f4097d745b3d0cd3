//! Decoding, and copying samples out of what was decoded.

use std::borrow::Cow;

use crate::geometry::Rect;
use crate::header::{MAX_COMPONENTS, Siz, wide};
use crate::marker::Marker;
use crate::memory::check_memory;
use crate::openjpeg;
use crate::samples::{Rows, Samples};
use crate::scan::{Detail, ScanOptions, scan_bytes_with};
use crate::{Error, Result};

/// What to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Area on the reference grid, inside the image; `None` for all of it.
    pub area: Option<Rect>,
    /// Resolutions to leave out: the result is on the lattice of every 2^`reduce`-th sample.
    pub reduce: u8,
    /// Most memory that the decoder may take, bytes, as [`decoder_scratch_bytes`] counts it.
    ///
    /// [`decoder_scratch_bytes`]: crate::decoder_scratch_bytes
    pub max_bytes: u64,
}

impl Default for DecodeOptions {
    /// The whole image at full resolution, in at most 1 GiB.
    fn default() -> Self {
        Self { area: None, reduce: 0, max_bytes: 1 << 30 }
    }
}

/// A decoded image or part of one; its samples are 32 bit inside and clamped to the bit depth on
/// the way out.
#[derive(Debug)]
#[non_exhaustive]
pub struct Image {
    /// Samples in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Components.
    pub components: u16,
    /// Bits of a sample, 1 to 16.
    pub bit_depth: u8,
    /// Column of the first sample on the reduced grid: `ceil(area.x0 / 2^reduce)`.
    pub x0: u32,
    /// Row of the first sample on the reduced grid.
    pub y0: u32,
    /// Resolutions left out.
    pub reduce: u8,
    pub(crate) samples: Samples,
}

/// What an image must be to be decoded: unsigned samples of one depth up to 16 bit, without
/// subsampling. Returns the bit depth.
pub(crate) fn check_supported(siz: &Siz) -> Result<u8> {
    let unsupported =
        |what, found: u64, supported| Err(Error::Unsupported { what, found, supported });
    let Some(first) = siz.components.first() else {
        return unsupported("number of components", 0, "1 to 256 components can be decoded");
    };
    for component in &siz.components {
        if component.signed {
            return unsupported("signed samples", 1, "only unsigned samples are decoded");
        }
        if component.bit_depth > 16 {
            let depth = u64::from(component.bit_depth);
            return unsupported("bit depth", depth, "depths up to 16 bit are decoded");
        }
        if component.bit_depth != first.bit_depth {
            let depth = u64::from(component.bit_depth);
            let supported = "all components must have the depth of the first";
            return unsupported("mixed bit depths", depth, supported);
        }
        if (component.dx, component.dy) != (1, 1) {
            let step = u64::from(component.dx.max(component.dy));
            return unsupported("subsampled component", step, "only separation 1 is decoded");
        }
    }
    if i32::try_from(siz.x_size.max(siz.y_size)).is_err() {
        let found = u64::from(siz.x_size.max(siz.y_size));
        return unsupported("reference grid", found, "sizes below 2^31 are decoded");
    }
    if siz.components.len() > usize::from(MAX_COMPONENTS) {
        let found = wide(siz.components.len());
        return unsupported("number of components", found, "1 to 256 components can be decoded");
    }
    Ok(first.bit_depth)
}

/// Decodes a raw codestream or the first codestream of a JP2 file, or an area of it.
///
/// The samples are those of the codestream: palettes and channel definitions of a JP2 header are
/// not applied. The structure is checked first, so that what reaches OpenJPEG is well formed up
/// to the packets; those cannot be verified, and damage in them may decode to wrong samples.
///
/// # Errors
/// Damage as [`scan_bytes`](crate::scan_bytes) names it; [`Error::Unsupported`];
/// [`Error::DecodeArea`]; [`Error::Memory`] before anything is allocated; [`Error::Decoder`] with
/// OpenJPEG's own words.
pub fn decode(file: &[u8], options: &DecodeOptions) -> Result<Image> {
    let scan = ScanOptions { detail: Detail::Headers, ..ScanOptions::default() };
    let structure = scan_bytes_with(file, scan)?;
    let siz = &structure.header.siz;
    let bit_depth = check_supported(siz)?;
    let image = siz.image_rect();
    let area = options.area.unwrap_or(image);
    let reduced = area.reduced(options.reduce);
    let bad = |reason| Error::DecodeArea { reason, area, reduce: options.reduce, image };
    if area.is_empty() {
        return Err(bad("it is empty"));
    }
    if !image.contains(&area) {
        return Err(bad("it reaches outside the image"));
    }
    if reduced.is_empty() {
        return Err(bad("it holds no sample of the reduced grid"));
    }
    let copies = if structure.eoc { 1 } else { 2 };
    check_memory(&structure, wide(file.len()).saturating_mul(copies), options, area)?;
    let request = openjpeg::Request {
        // the decoder is faster when it knows that it decodes tiles whole
        area: Some(area).filter(|area| *area != image),
        reduce: options.reduce,
        width: reduced.width(),
        height: reduced.height(),
        components: u16::try_from(siz.components.len()).unwrap_or(u16::MAX),
    };
    let end = structure.codestream.end.saturating_sub(structure.trailing);
    let bytes = match (usize::try_from(structure.codestream.start), usize::try_from(end)) {
        (Ok(start), Ok(end)) => file.get(start..end).unwrap_or_default(),
        _ => &[],
    };
    let planes = if structure.eoc {
        openjpeg::decode(bytes, &request)?
    } else {
        // all tiles are there, but OpenJPEG insists on EOC
        let ended = [bytes, &Marker::EOC.0.to_be_bytes()].concat();
        openjpeg::decode(&ended, &request)?
    };
    Ok(Image {
        width: request.width,
        height: request.height,
        components: request.components,
        bit_depth,
        x0: reduced.x0,
        y0: reduced.y0,
        reduce: options.reduce,
        samples: Samples::Planes(planes),
    })
}

impl Image {
    /// All of the image in its own coordinates: (0, 0) is the first sample.
    pub fn rect(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// Where the image lies on the reduced grid.
    pub fn area(&self) -> Rect {
        let (x1, y1) = (self.x0.saturating_add(self.width), self.y0.saturating_add(self.height));
        Rect::new(self.x0, self.y0, x1, y1)
    }

    /// The samples of a component as decoded, row by row, not clamped.
    ///
    /// # Errors
    /// [`Error::Copy`] when there is no such component.
    pub fn samples(&self, component: u16) -> Result<Cow<'_, [i32]>> {
        let count = usize::try_from(self.rect().area()).unwrap_or(usize::MAX);
        self.samples.of(component, count).ok_or_else(|| self.no_such(component))
    }

    fn no_such(&self, component: u16) -> Error {
        Error::Copy {
            reason: "there is no such component",
            found: u64::from(component),
            expected: u64::from(self.components.saturating_sub(1)),
        }
    }

    /// The value of all samples of a component, not clamped, where they are the same.
    pub(crate) fn only_value(&self, component: u16) -> Option<i32> {
        let samples = self.samples(component).ok()?;
        let (first, rest) = samples.split_first()?;
        rest.iter().all(|value| value == first).then_some(*first)
    }

    /// The value of all samples of a component, clamped to the bit depth, where it is known that
    /// they are the same: decoders find that out of tiles with few packets only.
    #[must_use]
    pub fn constant(&self, component: u16) -> Option<u16> {
        let Samples::Constant(values) = &self.samples else { return None };
        let value = *values.get(usize::from(component))?;
        u16::try_from(value.clamp(0, self.max())).ok()
    }

    /// The same image with its samples clamped to the bit depth, and in as many bytes: to be kept.
    #[must_use]
    pub fn compact(self) -> Self {
        let max = self.max();
        Self { samples: self.samples.compact(self.components, max), ..self }
    }

    /// Bytes of memory that the samples take.
    #[must_use]
    pub fn sample_bytes(&self) -> u64 {
        let count = self.rect().area().saturating_mul(u64::from(self.components));
        count.saturating_mul(self.samples.size())
    }

    /// Largest value of a sample.
    fn max(&self) -> i32 {
        (1i32 << self.bit_depth.min(16)) - 1
    }

    /// Copies the part `source` (in the image's own coordinates) of a component to `target`:
    /// the sample of row `y` and column `x` of the part goes to `y * pitch + x * step`.
    ///
    /// # Errors
    /// [`Error::Copy`] for a depth above 8 bit, no such component, a part outside the image, or a
    /// target too small.
    pub fn write_u8(
        &self,
        component: u16,
        source: Rect,
        target: &mut [u8],
        pitch: usize,
        step: usize,
    ) -> Result<()> {
        if self.bit_depth > 8 {
            return Err(Error::Copy {
                reason: "samples are too deep for 8 bit",
                found: u64::from(self.bit_depth),
                expected: 8,
            });
        }
        let max = self.max();
        // clamped to at most 255, so the low byte is the value
        let convert = |value: i32| value.clamp(0, max).to_le_bytes()[0];
        self.write(component, source, target, pitch, step, |slot, value| *slot = convert(value))
    }

    /// Copies like [`write_u8`](Self::write_u8), for depths up to 16 bit; `pitch` and `step` in
    /// samples.
    ///
    /// # Errors
    /// As [`write_u8`](Self::write_u8).
    pub fn write_u16(
        &self,
        component: u16,
        source: Rect,
        target: &mut [u16],
        pitch: usize,
        step: usize,
    ) -> Result<()> {
        let max = self.max();
        let convert = |value: i32| {
            let [low, high, ..] = value.clamp(0, max).to_le_bytes();
            u16::from_le_bytes([low, high])
        };
        self.write(component, source, target, pitch, step, |slot, value| *slot = convert(value))
    }

    /// Packs up to 8 components into one byte a sample: bit `k` is set where component `k` is
    /// above 0. `source` and `pitch` as in [`write_u8`](Self::write_u8).
    ///
    /// # Errors
    /// As [`write_u8`](Self::write_u8); also for more than 8 components.
    pub fn write_flags_u8(&self, source: Rect, target: &mut [u8], pitch: usize) -> Result<()> {
        if self.components > 8 {
            return Err(Error::Copy {
                reason: "too many components for flags of 8 bit",
                found: u64::from(self.components),
                expected: 8,
            });
        }
        for component in 0..self.components {
            let bit = 1u8 << component;
            self.write(component, source, target, pitch, 1, |slot, value| {
                let flag = if value > 0 { bit } else { 0 };
                // the first component clears what was there
                *slot = if component == 0 { flag } else { *slot | flag };
            })?;
        }
        Ok(())
    }

    fn write<T>(
        &self,
        component: u16,
        source: Rect,
        target: &mut [T],
        pitch: usize,
        step: usize,
        put: impl Fn(&mut T, i32),
    ) -> Result<()> {
        let missing = || self.no_such(component);
        let copy = |reason, found: usize, expected: usize| Error::Copy {
            reason,
            found: wide(found),
            expected: wide(expected),
        };
        let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        if !self.rect().contains(&source) {
            return Err(Error::Copy {
                reason: "the part reaches outside the image",
                found: u64::from(source.x1.max(source.y1)),
                expected: u64::from(self.width.max(self.height)),
            });
        }
        if source.is_empty() {
            return Ok(());
        }
        let (width, height) = (size(source.width()), size(source.height()));
        // samples that one row of the target spans
        let span = (width - 1).checked_mul(step.max(1)).and_then(|span| span.checked_add(1));
        let row_length = span.unwrap_or(usize::MAX);
        if step == 0 {
            return Err(copy("step of the target", step, 1));
        }
        if pitch < row_length && height > 1 {
            return Err(copy("pitch of the target is below a row", pitch, row_length));
        }
        let needed = (height - 1).checked_mul(pitch).and_then(|rows| rows.checked_add(row_length));
        let needed = needed.unwrap_or(usize::MAX);
        if target.len() < needed {
            return Err(copy("target is too small", target.len(), needed));
        }
        let at = usize::from(component);
        let rows = Rows { source, stride: size(self.width), pitch, step };
        match &self.samples {
            Samples::Planes(planes) => {
                rows.copy(planes.samples(component).ok_or_else(missing)?, target, put);
            }
            Samples::Words(planes) => {
                rows.copy(planes.get(at).ok_or_else(missing)?, target, put);
            }
            Samples::Bytes(planes) => {
                rows.copy(planes.get(at).ok_or_else(missing)?, target, put);
            }
            Samples::Constant(values) => {
                let value = *values.get(at).ok_or_else(missing)?;
                for row in target.chunks_mut(pitch.max(1)).take(height) {
                    row.iter_mut().take(row_length).step_by(step).for_each(|s| put(s, value));
                }
            }
        }
        Ok(())
    }
}
