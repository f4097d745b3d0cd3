//! A row-block while it is being filled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cubeflight_plan::{Column, Fault, Layout, SCL};
use tokio::sync::Notify;

use crate::memory::HeldBytes;
use crate::validity::{StepValidity, Validity};
use crate::{Error, Pixels, Result};

/// A finished row-block of a time step.
#[derive(Debug)]
pub struct Block {
    /// Position of the time step in the plan.
    pub step: usize,
    /// Row-block.
    pub block: u16,
    /// One buffer per column of the layout; a column that failed is fill.
    pub pixels: Vec<Pixels>,
    /// Columns that failed, and why.
    pub faults: Vec<(usize, Fault)>,
    /// Columns that are fill where a part of the step would have been, and why.
    pub partial: Vec<(usize, Fault)>,
    /// Columns in which another product stands in for one of the step, and why.
    pub replaced: Vec<(usize, Fault)>,
    /// Share of the step's pixels that are valid, where that was looked at.
    pub valid_fraction: Option<f64>,
    /// The step has too few valid pixels: this block stands for all of it and holds only fill.
    pub skipped: bool,
    /// Bytes of the look-ahead that this block holds until it is dropped.
    _held: Option<HeldBytes>,
}

impl Block {
    /// A row-block whose pixels come from elsewhere; it counts against no memory.
    #[must_use]
    pub fn of_pixels(step: usize, block: u16, pixels: Vec<Pixels>) -> Self {
        Self {
            step,
            block,
            pixels,
            faults: Vec::new(),
            partial: Vec::new(),
            replaced: Vec::new(),
            valid_fraction: None,
            skipped: false,
            _held: None,
        }
    }
}

/// What is known of a step before its first row-block.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepState {
    /// Position in the plan.
    pub(crate) step: usize,
    /// Parts of the step.
    pub(crate) parts: usize,
    /// Absent where all pixels of the only part are used.
    pub(crate) validity: Option<Arc<StepValidity>>,
    /// The scene classification is taken from the validity.
    pub(crate) scl_of_mask: bool,
    /// The step has too few valid pixels.
    pub(crate) skipped: bool,
}

/// A row-block that reads write into, side by side.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    state: StepState,
    block: u16,
    /// Reads that have yet to write.
    remaining: AtomicUsize,
    columns: Vec<Mutex<Pixels>>,
    troubles: Mutex<Troubles>,
    /// Why the block cannot be given at all.
    end: Mutex<Option<Error>>,
    /// Absent where the block is counted elsewhere.
    held: Mutex<Option<HeldBytes>>,
    finished: Notify,
}

/// What went wrong in a block, by column and part.
#[derive(Debug, Default)]
struct Troubles {
    faults: Vec<(usize, usize, Fault)>,
    replaced: Vec<(usize, Fault)>,
}

impl OpenBlock {
    pub(crate) fn new(
        layout: &Layout,
        state: StepState,
        block: u16,
        jobs: usize,
        held: Option<HeldBytes>,
    ) -> Self {
        Self {
            state,
            block,
            remaining: AtomicUsize::new(jobs),
            columns: layout.columns.iter().map(|c| Mutex::new(Pixels::fill(c))).collect(),
            troubles: Mutex::default(),
            end: Mutex::new(None),
            held: Mutex::new(held),
            finished: Notify::new(),
        }
    }

    /// Which row-block of its step it is.
    pub(crate) fn number(&self) -> u32 {
        u32::from(self.block)
    }

    /// Position of the time step in the plan.
    pub(crate) fn step(&self) -> usize {
        self.state.step
    }

    /// Where it is in an ordered stream.
    pub(crate) fn place(&self) -> (usize, u16) {
        (self.state.step, self.block)
    }

    /// Which pixels are used; absent where all pixels of the only part are.
    pub(crate) fn validity(&self) -> Option<&Validity> {
        self.state.validity.as_ref()?.of_block(self.block)
    }

    /// The buffer of a column; held only while one tile copies its samples.
    pub(crate) fn column(&self, column: usize) -> Option<MutexGuard<'_, Pixels>> {
        self.columns.get(column).map(lock)
    }

    /// What a part would give to a column becomes fill. Only its first fault is kept.
    pub(crate) fn fail(&self, column: usize, part: usize, fault: Fault) {
        let faults = &mut lock(&self.troubles).faults;
        if !faults.iter().any(|(c, p, _)| (*c, *p) == (column, part)) {
            faults.push((column, part, fault));
        }
    }

    /// Another product stands in for the one that a fault is about.
    pub(crate) fn replaced(&self, column: usize, fault: Fault) {
        let replaced = &mut lock(&self.troubles).replaced;
        if !replaced.iter().any(|known| known.0 == column && known.1.product == fault.product) {
            replaced.push((column, fault));
        }
    }

    /// The stream ends here. Only the first reason is kept.
    pub(crate) fn end(&self, error: Error) {
        lock(&self.end).get_or_insert(error);
    }

    /// One read is done with this block.
    pub(crate) fn job_done(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            // notify_one keeps a permit, so a wait that begins later still ends.
            self.finished.notify_one();
        }
    }

    /// Waits for the last read and takes the pixels out.
    ///
    /// # Errors
    /// What the block was ended with.
    pub(crate) async fn finish(&self, layout: &Layout) -> Result<Block> {
        if self.remaining.load(Ordering::Acquire) > 0 {
            self.finished.notified().await;
        }
        if let Some(error) = lock(&self.end).take() {
            return Err(error);
        }
        let Troubles { mut faults, mut replaced } = std::mem::take(&mut *lock(&self.troubles));
        faults.sort_by_key(|(column, part, _)| (*column, *part));
        replaced.sort_by_key(|(column, _)| *column);
        let mut pixels = Vec::with_capacity(layout.columns.len());
        let (mut whole, mut partial) = (Vec::new(), Vec::new());
        for (position, (column, buffer)) in layout.columns.iter().zip(&self.columns).enumerate() {
            let failed: Vec<_> = faults.iter().filter(|(at, ..)| *at == position).collect();
            let list = failed.iter().map(|(at, _, fault)| (*at, fault.clone()));
            let mut buffer = std::mem::replace(&mut *lock(buffer), Pixels::U8(Vec::new()));
            if !failed.is_empty() && failed.len() >= self.state.parts.max(1) {
                whole.extend(list);
                buffer = Pixels::fill(column);
            } else {
                partial.extend(list);
                let parts: Vec<usize> = failed.iter().map(|(_, part, _)| *part).collect();
                self.clear(column, &parts, &mut buffer);
            }
            pixels.push(buffer);
        }
        Ok(Block {
            step: self.state.step,
            block: self.block,
            pixels,
            faults: whole,
            partial,
            replaced,
            valid_fraction: self.state.validity.as_ref().and_then(|it| it.fraction()),
            skipped: self.state.skipped,
            _held: lock(&self.held).take(),
        })
    }

    /// Pixels of failed parts become fill, whatever was written of them, and the scene
    /// classification is taken from the mask.
    fn clear(&self, column: &Column, failed: &[usize], buffer: &mut Pixels) {
        let Some(validity) = self.validity() else { return };
        let scl = self.state.scl_of_mask && column.asset == SCL;
        if failed.is_empty() && !scl || self.state.skipped {
            return;
        }
        let (window, resolution) =
            (column.block_window(u32::from(self.block)), column.grid.resolution);
        let lattice = column.lattice();
        let (pixels, stride) = (lattice.area(&window), lattice.stride() as usize);
        let (pitch, width) = (column.block_width as usize, window.width as usize);
        let plane = column.block_rows as usize * pitch;
        for line in 0..window.height {
            let y = column.full_y(window.y + line);
            let start = line as usize * pitch;
            if scl
                && let Pixels::U8(values) = buffer
                && let Some(classes) = validity.scl_row(y, pixels.x, pixels.width)
                && let Some(target) = values.get_mut(start..start + width)
            {
                let classes = classes.iter().step_by(stride);
                target.iter_mut().zip(classes).for_each(|(slot, class)| *slot = *class);
            }
            for x in 0..window.width {
                let x_full = column.full_x(window.x + x);
                if failed.contains(&validity.part_at(resolution, x_full, y)) {
                    buffer.clear(start + x as usize, plane);
                }
            }
        }
    }
}

/// The row-blocks that a read fills, from the first to the last one. Each of them learns when the
/// read is over, whatever ended it.
#[derive(Debug)]
pub(crate) struct Filling {
    blocks: Arc<[Arc<OpenBlock>]>,
    over: bool,
}

impl Filling {
    pub(crate) fn new(blocks: Arc<[Arc<OpenBlock>]>) -> Self {
        Self { blocks, over: false }
    }

    pub(crate) fn blocks(&self) -> &Arc<[Arc<OpenBlock>]> {
        &self.blocks
    }

    /// The read came to its end.
    pub(crate) fn done(mut self) {
        self.over = true;
    }

    /// What a part would give to a column becomes fill in those row-blocks that `lacks` names.
    pub(crate) fn fail(
        &self,
        column: usize,
        part: usize,
        fault: &Fault,
        lacks: impl Fn(u32) -> bool,
    ) {
        let lacking = self.blocks.iter().filter(|block| lacks(block.number()));
        lacking.for_each(|block| block.fail(column, part, fault.clone()));
    }

    /// The stream ends before the first of the blocks. The others lack pixels, too: where blocks are
    /// not given in order, they must not be given either.
    pub(crate) fn end(&self, error: Error) {
        let Some((first, others)) = self.blocks.split_first() else { return };
        first.end(error);
        for block in others {
            let reason = "a read of several row-blocks failed, the first of them tells why";
            block.end(Error::Task { reason: reason.to_owned() });
        }
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if !self.over {
            self.end(Error::Task { reason: "a read was stopped or panicked".to_owned() });
        }
        for block in self.blocks.iter() {
            block.job_done();
        }
    }
}

/// A job that panicked left its buffer in some state of being written; the fault that it reports
/// turns the column into fill, so the buffer's content does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
