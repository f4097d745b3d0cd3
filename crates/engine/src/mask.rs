//! Reading what tells which pixels of a step are valid.

use std::sync::Arc;

use cubeflight_plan::{Column, Fault, Layout, PlannedMask, PlannedPart, PlannedSource, SCL};
use cubeflight_sentinel2::{OnError, Resolution, Window};
use futures::{TryStreamExt, stream};

use crate::block::{OpenBlock, StepState};
use crate::error::fault_code;
use crate::fetch::{AssetTask, Context, Place};
use crate::queue::Gone;
use crate::run::judge;
use crate::validity::{PartPixels, StepValidity, Validity};
use crate::{Block, Error, Pixels, Result};

/// What was found out about a step.
#[derive(Debug)]
pub(crate) struct Masked {
    pub(crate) validity: Arc<StepValidity>,
    /// Parts of which it is not known which pixels are valid, and why.
    pub(crate) unknown: Vec<(usize, Fault)>,
    /// Images of other products that are read instead.
    pub(crate) replaced: Vec<Fault>,
    /// The images are scene classifications.
    pub(crate) is_scl: bool,
}

impl Masked {
    /// Whether the step has fewer valid pixels than were asked for.
    pub(crate) fn is_below(&self, min_valid: Option<f64>) -> bool {
        let share = self.validity.fraction();
        min_valid.zip(share).is_some_and(|(least, share)| share < least)
    }

    /// The column under which it is reported what the mask was read from: the scene classification
    /// where that is asked for, else the first.
    pub(crate) fn column(layout: &Layout) -> usize {
        layout.columns.iter().position(|column| column.asset == SCL).unwrap_or(0)
    }

    /// What cannot be given because it is not known which pixels are valid: all of an unknown part
    /// among several; of the only part its scene classification, and what it would mask.
    pub(crate) fn faults(&self, layout: &Layout, parts: usize) -> Vec<(Place, Fault)> {
        let mut faults = Vec::new();
        for (part, fault) in &self.unknown {
            for (column, shape) in layout.columns.iter().enumerate() {
                let place = Place { column, part: *part };
                if self.is_scl && shape.asset == SCL {
                    faults.push((place, fault.clone()));
                } else if parts > 1 || layout.mask.is_some() && shape.asset.is_reflectance() {
                    faults.push((place, without_mask(fault)));
                }
            }
        }
        faults
    }
}

/// Bytes that the mask of a step holds, at most, while it is made.
pub(crate) fn held_bytes(mask: &PlannedMask) -> u64 {
    let images = mask.layout.block_bytes() * u64::from(mask.layout.blocks);
    let pixels: u64 = mask.windows.iter().map(Window::pixels).sum();
    // per pixel and part: validity and class; per pixel: bits of the parts, class, masked, distance
    pixels * (2 * mask.parts.len() as u64 + 12) + images
}

/// Reads and decodes the images of the mask of a step.
///
/// # Errors
/// Failures that may pass; with `on_error` fail, permanent ones as well. Masks that are larger than
/// what one stream may hold.
pub(crate) async fn read(
    context: &Context,
    step: usize,
    mask: PlannedMask,
    parts: &[PlannedPart],
    on_error: OnError,
) -> Result<Masked> {
    let allowed = context.engine.config.max_working_set_bytes;
    let needed = held_bytes(&mask);
    if needed > allowed {
        return Err(Error::WorkingSet { needed, allowed });
    }
    let is_scl = mask.is_scl();
    let PlannedMask { windows, layout, columns, parts: images } = mask;
    let images_context = Arc::new(Context { layout: Arc::clone(&layout), ..context.clone() });
    let part_of = |column: usize| {
        images.iter().position(|columns| columns.contains(&column)).unwrap_or_default()
    };
    let blocks = read_images(
        &images_context,
        step,
        columns,
        |column| {
            let part = part_of(column);
            (part, parts.get(part))
        },
        on_error,
    )
    .await?;
    let mut pixels = Vec::with_capacity(blocks.len());
    let mut replaced: Vec<(usize, Fault)> = Vec::new();
    let mut unknown = Vec::new();
    for block in blocks {
        pixels.push(block.pixels);
        for (column, fault) in block.replaced {
            if !replaced.iter().any(|known| known.0 == column && known.1.product == fault.product) {
                replaced.push((column, fault));
            }
        }
        for (column, fault) in block.faults {
            let part = part_of(column);
            if !unknown.iter().any(|(known, _)| *known == part) {
                unknown.push((part, fault));
            }
        }
    }
    let replaced = replaced.into_iter().map(|(_, fault)| fault).collect();
    let known = |part: usize| !unknown.iter().any(|(unknown, _)| *unknown == part);
    let wanted: Vec<(bool, std::ops::Range<usize>)> =
        images.into_iter().enumerate().map(|(part, columns)| (known(part), columns)).collect();
    let (footprints, rules) = (context.layout.footprints(), context.layout.mask.clone());
    // Decoder jobs are counted in coded bytes. What happens to a pixel here is roughly estimated as
    // an eighth of what decoding a byte takes.
    let all: u64 = windows.iter().map(Window::pixels).sum();
    let cost = all * wanted.len() as u64 / 8;
    let combine = move || {
        let of_window = |(number, window, footprint): (u32, &Window, &Window)| {
            let pixels = pixels.get(number as usize).map(Vec::as_slice).unwrap_or_default();
            let parts: Vec<Option<PartPixels>> = wanted
                .iter()
                .map(|(known, range)| {
                    let columns = layout.columns.get(range.clone()).unwrap_or_default();
                    let pixels = pixels.get(range.clone()).unwrap_or_default();
                    known.then(|| part_pixels(*window, number, columns, pixels))
                })
                .collect();
            Validity::new(*window, *footprint, &parts, rules.as_ref())
        };
        let windows = (0..).zip(&windows).zip(&footprints);
        let windows = windows.map(|((number, window), footprint)| (number, window, footprint));
        StepValidity::new(windows.map(of_window).collect())
    };
    let validity = context.flow.run(step as u64, cost, combine).await;
    let ended_early = |Gone| Error::Task { reason: "a mask could not be made".to_owned() };
    let validity = Arc::new(validity.map_err(ended_early)?);
    Ok(Masked { validity, unknown, replaced, is_scl })
}

/// The images of a mask, one row-block for each of its windows.
async fn read_images<'a>(
    context: &Arc<Context>,
    step: usize,
    columns: Vec<PlannedSource>,
    part_of: impl Fn(usize) -> (usize, Option<&'a PlannedPart>),
    on_error: OnError,
) -> Result<Vec<Block>> {
    let layout = Arc::clone(&context.layout);
    let path = |column: usize| layout.columns.get(column).map_or("", |it| it.path.as_str());
    let mut reads = Vec::new();
    let (mut faults, mut replaced) = (Vec::new(), Vec::new());
    for (column, source) in columns.into_iter().enumerate() {
        let (part, product) = part_of(column);
        let (PlannedSource::Files(candidates), Some(product)) = (source, product) else { continue };
        let place = Place { column, part };
        match AssetTask::prepare(context, place, &product.product, candidates).await {
            Ok(task) => {
                let missed = task.missed.iter().map(|fault| task.stands_in_for(fault));
                replaced.extend(missed.map(|fault| (column, fault)));
                let task = Arc::new(task);
                let groups = task.read.groups.clone().into_iter();
                reads.extend(groups.map(|group| (Arc::clone(&task), group)));
            }
            Err((product, trouble)) => {
                faults.push((column, judge(on_error, path(column), &product, trouble)?));
            }
        }
    }
    let state = StepState { step, parts: 1, ..StepState::default() };
    let mut blocks = Vec::with_capacity(usize::from(layout.blocks));
    for number in 0..layout.blocks {
        // The stream has reserved what its masks hold.
        let block = OpenBlock::new(&layout, state.clone(), number, 0, None);
        for (column, fault) in &faults {
            block.fail(*column, 0, fault.clone());
        }
        for (column, fault) in &replaced {
            block.replaced(*column, fault.clone());
        }
        blocks.push(Arc::new(block));
    }
    stream::iter(reads.into_iter().map(Ok))
        .try_for_each_concurrent(context.engine.config.reads_per_stream.max(1), |(task, group)| {
            let span = group.blocks();
            let filled = blocks.get(span.start as usize..span.end as usize).unwrap_or_default();
            let (filled, path): (Arc<[_]>, _) = (filled.into(), &path);
            async move {
                if let Err(failed) = task.run(context, &group, &filled).await {
                    let column = task.place.column;
                    let fault = judge(on_error, path(column), &task.product, failed.trouble)?;
                    filled.iter().for_each(|block| block.fail(column, 0, fault.clone()));
                }
                Ok::<(), Error>(())
            }
        })
        .await?;
    let mut finished = Vec::with_capacity(blocks.len());
    for block in blocks {
        finished.push(block.finish(&layout).await?);
    }
    Ok(finished)
}

/// Which pixels of a window of a part are valid: those where none of its images is 0.
fn part_pixels(window: Window, block: u32, columns: &[Column], pixels: &[Pixels]) -> PartPixels {
    let mut valid = vec![true; usize::try_from(window.pixels()).unwrap_or(0)];
    let mut scl = None;
    for (column, pixels) in columns.iter().zip(pixels) {
        let image = ImageAt { window: column.block_window(block), pitch: column.block_width };
        let resolution = column.grid.resolution;
        match pixels {
            Pixels::U8(values) => {
                let is_set = |at| values.get(at) != Some(&0);
                clear_invalid(window, resolution, image, &mut valid, is_set);
            }
            Pixels::U16(values) => {
                let is_set = |at| values.get(at) != Some(&0);
                clear_invalid(window, resolution, image, &mut valid, is_set);
            }
            Pixels::F32(_) => (),
        }
        if let Pixels::U8(values) = pixels
            && column.asset == SCL
        {
            scl = Some(image.rows(values));
        }
    }
    PartPixels { valid, scl }
}

/// Where the pixels of an image lie in a buffer.
#[derive(Debug, Clone, Copy)]
struct ImageAt {
    window: Window,
    /// Columns of the buffer.
    pitch: u32,
}

impl ImageAt {
    fn index(self, x: u32, y: u32) -> usize {
        let (x, y) = (x.saturating_sub(self.window.x), y.saturating_sub(self.window.y));
        y as usize * self.pitch as usize + x as usize
    }

    /// The pixels without what fills the buffer beyond them.
    fn rows(self, values: &[u8]) -> Vec<u8> {
        let width = self.window.width as usize;
        let rows = values.chunks(self.pitch.max(1) as usize).take(self.window.height as usize);
        rows.flat_map(|row| row.get(..width).unwrap_or_default()).copied().collect()
    }
}

/// Clears the pixels of the 20 m grid of which an image lacks a pixel: one of four of 10 m, or the
/// one of 60 m that holds it.
fn clear_invalid(
    window: Window,
    resolution: Resolution,
    image: ImageAt,
    valid: &mut [bool],
    is_set: impl Fn(usize) -> bool,
) {
    let at = |x: u32, y: u32| is_set(image.index(x, y));
    let pixels =
        (window.y..window.bottom()).flat_map(|y| (window.x..window.right()).map(move |x| (x, y)));
    for (valid, (x, y)) in valid.iter_mut().zip(pixels) {
        *valid &= match resolution {
            Resolution::R10m => {
                let (x, y) = (x * 2, y * 2);
                at(x, y) && at(x + 1, y) && at(x, y + 1) && at(x + 1, y + 1)
            }
            Resolution::R20m => at(x, y),
            Resolution::R60m => at(x / 3, y / 3),
        };
    }
}

/// What is said where a mask was asked for and there is none.
fn without_mask(fault: &Fault) -> Fault {
    Fault {
        product: fault.product.clone(),
        code: fault_code::NO_MASK,
        message: format!("it is not known which pixels are masked: {}", fault.message),
    }
}
