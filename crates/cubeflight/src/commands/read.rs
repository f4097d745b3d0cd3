//! `cubeflight read`: decodes a file tile by tile, one row of JP2 tiles at a time, so that memory
//! does not grow with the image. A file whose tiles cannot be read one by one is decoded whole.

use std::ops::Range;
use std::sync::Arc;

use cubeflight_index::scan_file;
use cubeflight_jp2::{
    DecodeOptions, Image, Rect, Structure, TileBytes, TileDecoder, TileInput, decode, decode_tile,
};
use cubeflight_storage::{Options, Path, Root, open_file};
use futures::{StreamExt, TryStreamExt, stream};
use rayon::prelude::*;

use crate::cli::ReadArgs;
use crate::commands::print;
use crate::error::CliError;
use crate::output::raster::{Shape, Sink};

/// Memory that decoding one tile may take, bytes.
const MAX_DECODE: u64 = 2 << 30;
/// Memory that one row of tiles, decoded, may take, bytes.
const MAX_STRIP: u64 = 2 << 30;
/// Largest file that is decoded as a whole, bytes.
const MAX_WHOLE: u64 = 2 << 30;
/// Tile-parts fetched side by side.
const READS: usize = 8;

pub(crate) async fn run(args: ReadArgs) -> Result<(), CliError> {
    let (root, path) = open_file(&args.url, &Options::from_env()?)?;
    let structure = scan_file(&root, &path, None).await?;
    let job = Job::new(root, path, structure, &args)?;

    let mut sinks = Vec::new();
    if let Some(out) = &args.out {
        sinks.push(Sink::create(out, job.shape)?);
    }
    if args.sha256 || args.out.is_none() {
        sinks.push(Sink::hash());
    }
    job.decode(&mut sinks).await?;
    let mut sha256 = None;
    for sink in sinks {
        sha256 = sink.finish()?.or(sha256);
    }
    if args.verify {
        job.verify().await?;
    }
    report(&args, job.shape, sha256.as_deref())
}

fn report(args: &ReadArgs, shape: Shape, sha256: Option<&str>) -> Result<(), CliError> {
    match sha256 {
        Some(sha256) if args.sha256 => print(sha256)?,
        Some(sha256) => print(&format!(
            "{} x {} pixels, {} component(s) of {} byte(s), sha256 {sha256}",
            shape.width, shape.height, shape.components, shape.sample_bytes
        ))?,
        None => {}
    }
    if args.verify {
        eprintln!("verified: equal to decoding the codestream as a whole");
    }
    Ok(())
}

/// What is decoded, checked against the image.
struct Job {
    root: Root,
    path: Path,
    structure: Structure,
    decoder: Arc<dyn TileDecoder>,
    /// Reference grid.
    window: Rect,
    /// The window on the reduced grid.
    target: Rect,
    reduce: u8,
    /// Components in the output, in order.
    components: Range<u16>,
    shape: Shape,
}

impl Job {
    fn new(
        root: Root,
        path: Path,
        structure: Structure,
        args: &ReadArgs,
    ) -> Result<Self, CliError> {
        let siz = &structure.header.siz;
        let image = siz.image_rect();
        let outside = |text: String| CliError::coded("CF-CLI-003", &text);
        let window = match args.window {
            None => image,
            Some([x, y, width, height]) => {
                let start = |offset: u32, value: u32| offset.checked_add(value);
                let rect = start(image.x0, x).zip(start(image.y0, y)).and_then(|(x0, y0)| {
                    Some(Rect::new(x0, y0, x0.checked_add(width)?, y0.checked_add(height)?))
                });
                rect.filter(|rect| !rect.is_empty() && image.contains(rect)).ok_or_else(|| {
                    let (w, h) = (image.width(), image.height());
                    outside(format!(
                        "window {x},{y},{width},{height} is not in the image of {w}x{h}"
                    ))
                })?
            }
        };
        let count = u16::try_from(siz.components.len()).unwrap_or(u16::MAX);
        let components = match args.component {
            None => 0..count,
            Some(component) if component < count => component..component + 1,
            Some(component) => {
                return Err(outside(format!("component {component} of {count} does not exist")));
            }
        };
        let levels = structure.header.cod.coding.levels;
        if args.reduce > levels {
            let text = format!("--reduce {} of a file with {levels} levels", args.reduce);
            return Err(outside(text));
        }
        let target = window.reduced(args.reduce);
        if target.is_empty() {
            return Err(outside("the window holds no sample of the reduced image".to_owned()));
        }
        let depth = siz.components.iter().map(|component| component.bit_depth).max().unwrap_or(8);
        let shape = Shape {
            width: target.width(),
            height: target.height(),
            components: components.end - components.start,
            sample_bytes: if depth > 8 { 2 } else { 1 },
        };
        let (decoder, reduce) = (args.decoder.decoder(), args.reduce);
        Ok(Self { root, path, decoder, window, target, reduce, components, shape, structure })
    }

    async fn decode(&self, sinks: &mut [Sink]) -> Result<(), CliError> {
        if let Err(reason) = self.structure.can_splice() {
            tracing::warn!(%reason, "decoding the whole codestream");
            let image = self.decode_whole().await?;
            let mut strip = self.strip(self.target)?;
            self.copy(&image, self.target, &mut strip)?;
            return emit(sinks, &strip);
        }
        let siz = &self.structure.header.siz;
        let tiles: Vec<u16> = siz.tiles_in(self.window).collect();
        let across = siz.tiles_x();
        for row in tiles.chunk_by(|a, b| u32::from(*a) / across == u32::from(*b) / across) {
            self.decode_row(row, sinks).await?;
        }
        Ok(())
    }

    /// One row of JP2 tiles.
    async fn decode_row(&self, tiles: &[u16], sinks: &mut [Sink]) -> Result<(), CliError> {
        let siz = &self.structure.header.siz;
        let mut areas = Vec::with_capacity(tiles.len());
        for tile in tiles {
            let area = siz.tile_rect(*tile)?.intersection(&self.window);
            // A thin tile may hold no sample of the reduced grid.
            let area = area.filter(|area| !area.reduced(self.reduce).is_empty());
            areas.extend(area.map(|area| (*tile, area)));
        }
        let Some((_, first)) = areas.first() else { return Ok(()) };
        let first = first.reduced(self.reduce);
        let band = Rect::new(self.target.x0, first.y0, self.target.x1, first.y1);
        let mut strip = self.strip(band)?;
        // A few at a time: decoded samples take four bytes each.
        for some in areas.chunks(2 * rayon::current_num_threads()) {
            let parts: Vec<_> = stream::iter(some)
                .map(|(tile, _)| self.tile_parts(*tile))
                .buffered(READS)
                .try_collect()
                .await?;
            let images: Result<Vec<Image>, cubeflight_jp2::Error> = some
                .par_iter()
                .zip(parts)
                .map(|((tile, area), parts)| self.decode_tile(*tile, *area, &parts))
                .collect();
            for image in images? {
                self.copy(&image, band, &mut strip)?;
            }
        }
        emit(sinks, &strip)
    }

    async fn tile_parts(&self, tile: u16) -> Result<Vec<Vec<u8>>, CliError> {
        let mut parts = Vec::new();
        for part in self.structure.tile_parts_of(tile) {
            let range = part.offset..part.offset + u64::from(part.length);
            parts.push(self.root.get_range(&self.path, range).await?.to_vec());
        }
        Ok(parts)
    }

    fn decode_tile(
        &self,
        tile: u16,
        area: Rect,
        parts: &[Vec<u8>],
    ) -> cubeflight_jp2::Result<Image> {
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let header = &self.structure.header;
        let input = TileInput { header, tile, bytes: TileBytes::TileParts(&parts) };
        let options =
            DecodeOptions { area: Some(area), reduce: self.reduce, max_bytes: MAX_DECODE };
        decode_tile(self.decoder.as_ref(), &input, &options)
    }

    async fn decode_whole(&self) -> Result<Image, CliError> {
        let file = self.root.get(&self.path, MAX_WHOLE).await?;
        let options = DecodeOptions {
            area: Some(self.window),
            reduce: self.reduce,
            max_bytes: 2 * MAX_DECODE,
        };
        Ok(decode(&file, &options)?)
    }

    /// A buffer for the rows of `band`, components interleaved.
    fn strip(&self, band: Rect) -> Result<Vec<u8>, CliError> {
        let needed = self.shape.row_bytes().saturating_mul(u64::from(band.height()));
        if needed > MAX_STRIP {
            return Err(cubeflight_jp2::Error::Memory { needed, limit: MAX_STRIP }.into());
        }
        Ok(vec![0; usize::try_from(needed).unwrap_or(usize::MAX)])
    }

    /// Copies a decoded image into the rows of `band`.
    fn copy(&self, image: &Image, band: Rect, strip: &mut [u8]) -> Result<(), CliError> {
        let area = image.area();
        let step = usize::from(self.shape.components);
        let pitch = self.shape.width as usize * step;
        let start =
            (area.y0 - band.y0) as usize * pitch + (area.x0 - self.target.x0) as usize * step;
        for (position, component) in self.components.clone().enumerate() {
            if self.shape.sample_bytes == 1 {
                let target = strip.get_mut(start + position..).unwrap_or_default();
                image.write_u8(component, image.rect(), target, pitch, step)?;
                continue;
            }
            let mut samples = vec![0_u16; area.width() as usize * area.height() as usize];
            image.write_u16(component, image.rect(), &mut samples, area.width() as usize, 1)?;
            let rows = samples.chunks(area.width() as usize);
            for (y, row) in rows.enumerate() {
                let offset = (start + position + y * pitch) * 2;
                let target = strip.get_mut(offset..).unwrap_or_default();
                for (sample, slot) in row.iter().zip(target.chunks_mut(2 * step)) {
                    if let Some(bytes) = slot.first_chunk_mut::<2>() {
                        *bytes = sample.to_le_bytes();
                    }
                }
            }
        }
        Ok(())
    }

    /// Decodes again, the codestream as a whole, and compares.
    async fn verify(&self) -> Result<(), CliError> {
        let mut sinks = [Sink::hash()];
        let image = self.decode_whole().await?;
        let mut strip = self.strip(self.target)?;
        self.copy(&image, self.target, &mut strip)?;
        emit(&mut sinks, &strip)?;
        let [whole] = sinks;
        let mut sinks = [Sink::hash()];
        self.decode(&mut sinks).await?;
        let [tiles] = sinks;
        if whole.finish()? == tiles.finish()? {
            return Ok(());
        }
        let text = "samples differ between tile by tile and whole decoding";
        Err(CliError::coded("CF-JP2-018", &text))
    }
}

fn emit(sinks: &mut [Sink], rows: &[u8]) -> Result<(), CliError> {
    for sink in sinks {
        sink.write(rows).map_err(|error| CliError::write("write the file", &error))?;
    }
    Ok(())
}
