//! One JP2 tile in the decoder pool.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use cubeflight_jp2::{DecodeOptions, Image, MainHeader, Rect, TileBytes, TileInput, decode_tile};
use cubeflight_plan::{Column, Layout, Scale, TileArea, TileRead, TileSource, decode_area};
use cubeflight_sentinel2::{Cells, Radiometry, Window, harmonise, reflectance};

use crate::Pixels;
use crate::block::OpenBlock;
use crate::decoded::Key;
use crate::fetch::Context;
use crate::queue::Gone;
use crate::trouble::{Trouble, permanent};

/// DN per unit of reflectance where a product's metadata do not say; every baseline so far.
const QUANTIFICATION: f32 = 10_000.0;

/// What happens to samples on their way into a row-block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Conversion {
    /// They stay as stored.
    Stored,
    /// The offset is added.
    Harmonise { offset: i16 },
    /// They become reflectance.
    Reflectance { offset: i16, quantification: f32 },
}

impl Conversion {
    /// The conversion of one column of a product. Products whose offset is unknown never get here.
    pub(crate) fn of(layout: &Layout, column: usize, scale: Scale) -> Self {
        let is_reflectance = |column: &Column| column.asset.is_reflectance();
        if !layout.columns.get(column).is_some_and(is_reflectance) {
            return Self::Stored;
        }
        let offset = scale.offset;
        match layout.radiometry {
            Radiometry::Raw => Self::Stored,
            Radiometry::Harmonised => Self::Harmonise { offset },
            Radiometry::Reflectance => {
                let quantification = scale.quantification.unwrap_or(QUANTIFICATION);
                Self::Reflectance { offset, quantification }
            }
        }
    }
}

/// What there is of a tile.
#[derive(Debug)]
pub(crate) enum TileData {
    /// Its areas, decoded before.
    Decoded(Vec<Arc<Image>>),
    /// The main header of the file and the bytes of the tile's ranges, in order.
    Read { header: Arc<MainHeader>, bytes: Vec<Bytes> },
}

/// A tile that can be decoded.
#[derive(Debug)]
pub(crate) struct TileJob {
    pub(crate) context: Arc<Context>,
    /// Path, size and validator of the file.
    pub(crate) file: Arc<str>,
    pub(crate) column: usize,
    /// Part of the step.
    pub(crate) part: usize,
    pub(crate) conversion: Conversion,
    pub(crate) tile: TileRead,
    pub(crate) data: TileData,
    /// Whether nothing has been written where this tile goes.
    pub(crate) fresh: bool,
    /// Row-blocks of the step, from `first_block` on.
    pub(crate) blocks: Arc<[Arc<OpenBlock>]>,
    /// Number of the first of `blocks`.
    pub(crate) first_block: u32,
}

impl TileJob {
    /// Runs in the decoder pool.
    pub(crate) async fn run(self) -> Result<(), Trouble> {
        let flow = Arc::clone(&self.context.flow);
        let (order, cost) = (self.order(), self.cost());
        let (queued, span) = (Instant::now(), tracing::Span::current());
        let job = move || {
            let counts = &self.context.counts;
            counts.waiting.since(queued);
            counts.jobs.fetch_add(1, Ordering::Relaxed);
            let begun = Instant::now();
            let outcome = span.in_scope(|| {
                tracing::trace!(tile = self.tile.tile, file = %self.file, "decoder job begins");
                self.decode()
            });
            counts.decoding.since(begun);
            outcome
        };
        flow.run(order, cost, job).await.unwrap_or_else(|Gone| {
            // The job was cancelled with its stream, or panicked.
            let message = "decoder job ended early".to_owned();
            Err(Trouble::Permanent { code: "CF-ENG-002", message })
        })
    }

    /// Earlier time steps first.
    fn order(&self) -> u64 {
        self.blocks.first().map_or(0, |block| block.step() as u64)
    }

    /// Decoding takes as long as there are coded bytes.
    fn cost(&self) -> u64 {
        match &self.data {
            TileData::Decoded(_) => 0,
            TileData::Read { bytes, .. } => bytes.iter().map(|bytes| bytes.len() as u64).sum(),
        }
    }

    fn decode(&self) -> Result<(), Trouble> {
        let Some(column) = self.context.layout.columns.get(self.column) else { return Ok(()) };
        let (header, bytes) = match &self.data {
            TileData::Read { header, bytes } => (header, bytes),
            TileData::Decoded(images) => {
                let areas = self.tile.areas.iter().zip(images);
                let mut written = areas.map(|(area, image)| self.write_area(column, image, area));
                return written.try_for_each(|outcome| outcome).map_err(jp2_trouble);
            }
        };
        let whole: Vec<&[u8]>;
        let pieces: Vec<(u32, &[u8])>;
        let bytes = match &self.tile.source {
            TileSource::TileParts(_) => {
                whole = bytes.iter().map(AsRef::as_ref).collect();
                TileBytes::TileParts(&whole)
            }
            TileSource::Packets { read, .. } => {
                let starts = read.ranges().into_iter().map(|range| range.start);
                pieces = starts.zip(bytes.iter().map(AsRef::as_ref)).collect();
                TileBytes::Packets { read, pieces: &pieces }
            }
        };
        let input = TileInput { header, tile: self.tile.tile, bytes };
        for area in &self.tile.areas {
            self.decode_area(column, &input, area).map_err(jp2_trouble)?;
        }
        Ok(())
    }

    /// Decodes an area at once or, where that takes too much memory, in strips.
    fn decode_area(
        &self,
        column: &Column,
        input: &TileInput<'_>,
        area: &TileArea,
    ) -> cubeflight_jp2::Result<()> {
        match self.decode_strip(column, input, area) {
            Err(cubeflight_jp2::Error::Memory { .. }) if area.samples.height > 1 => {}
            outcome => return outcome,
        }
        let Window { x, y, width, height } = area.samples;
        let half = height / 2;
        for (y, height) in [(y, half), (y + half, height - half)] {
            let samples = Window { x, y, width, height };
            self.decode_area(column, input, &TileArea { samples, ..area.clone() })?;
        }
        Ok(())
    }

    fn decode_strip(
        &self,
        column: &Column,
        input: &TileInput<'_>,
        area: &TileArea,
    ) -> cubeflight_jp2::Result<()> {
        let engine = &self.context.engine;
        let options = DecodeOptions {
            area: Some(decode_area(column, area.samples)),
            reduce: column.decode_reduce(),
            max_bytes: engine.config.max_decode_bytes,
        };
        let image = decode_tile(engine.decoder.as_ref(), input, &options)?;
        let image = engine.decoded.keep(self.key(column, area), image);
        self.write_area(column, &image, area)
    }

    fn key(&self, column: &Column, area: &TileArea) -> Key {
        Key::new(&self.file, self.tile.tile, column, area)
    }

    fn write_area(
        &self,
        column: &Column,
        image: &Image,
        area: &TileArea,
    ) -> cubeflight_jp2::Result<()> {
        for number in area.blocks.clone() {
            let position = number.checked_sub(self.first_block).map(|position| position as usize);
            let Some(block) = position.and_then(|at| self.blocks.get(at)) else { continue };
            self.write(column, image, area.samples, number, block)?;
        }
        Ok(())
    }

    /// Copies the samples that belong to one row-block.
    fn write(
        &self,
        column: &Column,
        image: &Image,
        samples: Window,
        number: u32,
        block: &OpenBlock,
    ) -> cubeflight_jp2::Result<()> {
        let of_block = column.block_window(number);
        let Some(part) = samples.intersection(&of_block) else { return Ok(()) };
        let pitch = column.block_width as usize;
        let target = Target {
            start: (part.y - of_block.y) as usize * pitch + (part.x - of_block.x) as usize,
            pitch,
            plane: column.block_rows as usize * pitch,
        };
        let validity = block.validity();
        match validity.filter(|validity| validity.has_parts()) {
            // the buffer holds nothing but fill
            None if self.fresh && is_fill(column, image) => {}
            None => {
                let Some(mut pixels) = block.column(self.column) else { return Ok(()) };
                self.place(column, image, part, &mut pixels, target)?;
            }
            Some(validity) => {
                let (width, height) = (part.width as usize, part.height as usize);
                let own = Target { start: 0, pitch: width, plane: width * height };
                let mut samples = Pixels::fill_of(column, own.plane);
                self.place(column, image, part, &mut samples, own)?;
                let Some(mut pixels) = block.column(self.column) else { return Ok(()) };
                let resolution = column.grid.resolution;
                let is_used = |x, y| {
                    let (x, y) = (column.full_x(x), column.full_y(y));
                    validity.part_at(resolution, x, y) == self.part
                };
                each_pixel(part, |line, at, x, y| {
                    if is_used(x, y) {
                        let from = line * own.pitch + at;
                        let to = target.start + line * target.pitch + at;
                        pixels.copy_pixel(to, target.plane, &samples, from, own.plane);
                    }
                });
            }
        }
        let masking = validity.filter(|validity| validity.masks());
        if let Some(validity) = masking.filter(|_| column.asset.is_reflectance()) {
            let Some(mut pixels) = block.column(self.column) else { return Ok(()) };
            let resolution = column.grid.resolution;
            each_pixel(part, |line, at, x, y| {
                if validity.is_masked(resolution, column.full_x(x), column.full_y(y)) {
                    pixels.clear(target.start + line * target.pitch + at, target.plane);
                }
            });
        }
        Ok(())
    }

    /// Writes samples of the column's lattice into a buffer.
    fn place(
        &self,
        column: &Column,
        image: &Image,
        samples: Window,
        pixels: &mut Pixels,
        target: Target,
    ) -> cubeflight_jp2::Result<()> {
        if column.sampled() {
            return place_sampled(column, image, samples, pixels, target);
        }
        let (x, y) = (samples.x - image.x0, samples.y - image.y0);
        let source = Rect::new(x, y, x + samples.width, y + samples.height);
        match (pixels, column.cells) {
            (Pixels::U8(buffer), Cells::Plain) => {
                image.write_u8(0, source, target.of(buffer, 0), target.pitch, 1)
            }
            (Pixels::U8(buffer), Cells::Rgb) => (0..3).try_for_each(|component| {
                let plane = target.of(buffer, usize::from(component));
                image.write_u8(component, source, plane, target.pitch, 1)
            }),
            (Pixels::U8(buffer), Cells::Flags { .. }) => {
                image.write_flags_u8(source, target.of(buffer, 0), target.pitch)
            }
            (Pixels::U16(buffer), _) => {
                let buffer = target.of(buffer, 0);
                image.write_u16(0, source, buffer, target.pitch, 1)?;
                if let Conversion::Harmonise { offset } = self.conversion {
                    for dn in rows_of(buffer, source, target.pitch).flatten() {
                        *dn = harmonise(*dn, offset);
                    }
                }
                Ok(())
            }
            (Pixels::F32(buffer), _) => {
                self.write_reflectance(image, source, target.of(buffer, 0), target.pitch)
            }
        }
    }

    fn write_reflectance(
        &self,
        image: &Image,
        source: Rect,
        target: &mut [f32],
        pitch: usize,
    ) -> cubeflight_jp2::Result<()> {
        let Conversion::Reflectance { offset, quantification } = self.conversion else {
            return Ok(());
        };
        let width = source.width() as usize;
        let mut stored = vec![0_u16; width * source.height() as usize];
        image.write_u16(0, source, &mut stored, width, 1)?;
        let rows = rows_of(target, source, pitch).zip(stored.chunks(width.max(1)));
        for (row, stored) in rows {
            for (value, dn) in row.iter_mut().zip(stored) {
                *value = reflectance(*dn, offset, quantification);
            }
        }
        Ok(())
    }
}

/// Writes every 2^reduce-th pixel of an image of full resolution: classes and flags, which are 8 bit.
fn place_sampled(
    column: &Column,
    image: &Image,
    samples: Window,
    pixels: &mut Pixels,
    target: Target,
) -> cubeflight_jp2::Result<()> {
    let Pixels::U8(buffer) = pixels else { return Ok(()) };
    let mut row = vec![0_u8; image.width as usize];
    let first = (column.full_x(samples.x) - image.x0) as usize;
    let stride = column.lattice().stride() as usize;
    for line in 0..samples.height {
        let y = column.full_y(samples.y + line) - image.y0;
        let source = Rect::new(0, y, image.width, y + 1);
        match column.cells {
            Cells::Flags { .. } => image.write_flags_u8(source, &mut row, image.width as usize)?,
            _ => image.write_u8(0, source, &mut row, image.width as usize, 1)?,
        }
        let start = line as usize * target.pitch;
        let slots = target.of(buffer, 0).get_mut(start..start + samples.width as usize);
        let every = row.get(first..).unwrap_or_default().iter().step_by(stride);
        slots.unwrap_or_default().iter_mut().zip(every).for_each(|(slot, value)| *slot = *value);
    }
    Ok(())
}

/// Whether an image has no data: fill in a fresh buffer already, whatever the radiometry.
fn is_fill(column: &Column, image: &Image) -> bool {
    let is_zero = |plane| u16::try_from(plane).is_ok_and(|plane| image.constant(plane) == Some(0));
    let planes = if matches!(column.cells, Cells::Flags { .. }) {
        u32::from(image.components)
    } else {
        column.planes()
    };
    (0..planes).all(is_zero)
}

/// Calls with row and column in the part, and column and row in the grid.
fn each_pixel(part: Window, mut call: impl FnMut(usize, usize, u32, u32)) {
    for (line, y) in (part.y..part.bottom()).enumerate() {
        for (at, x) in (part.x..part.right()).enumerate() {
            call(line, at, x, y);
        }
    }
}

/// Where in a row-block's buffer a tile's samples go; all in elements.
#[derive(Debug, Clone, Copy)]
struct Target {
    start: usize,
    pitch: usize,
    plane: usize,
}

impl Target {
    fn of<T>(self, buffer: &mut [T], plane: usize) -> &mut [T] {
        buffer.get_mut(self.start + plane * self.plane..).unwrap_or_default()
    }
}

/// The rows of a rectangle that starts at the first element of a buffer.
fn rows_of<T>(buffer: &mut [T], part: Rect, pitch: usize) -> impl Iterator<Item = &mut [T]> {
    let width = part.width() as usize;
    buffer
        .chunks_mut(pitch.max(1))
        .take(part.height() as usize)
        .map(move |row| row.get_mut(..width).unwrap_or_default())
}

fn jp2_trouble(error: cubeflight_jp2::Error) -> Trouble {
    match error {
        cubeflight_jp2::Error::StaleTilePart { .. } => Trouble::Stale(error.to_string()),
        _ => permanent(error.code(), &error),
    }
}
