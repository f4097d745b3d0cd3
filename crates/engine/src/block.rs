//! A row-block while it is being filled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cubeflight_plan::{Fault, Layout};
use tokio::sync::{Notify, OwnedSemaphorePermit};

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
    /// Bytes of the look-ahead that this block holds until it is dropped.
    _held: Option<OwnedSemaphorePermit>,
}

/// A row-block that reads write into, side by side.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    step: usize,
    block: u16,
    /// Reads that have yet to write.
    remaining: AtomicUsize,
    columns: Vec<Mutex<Pixels>>,
    faults: Mutex<Vec<(usize, Fault)>>,
    /// Why the block cannot be given at all.
    end: Mutex<Option<Error>>,
    held: Mutex<Option<OwnedSemaphorePermit>>,
    finished: Notify,
}

impl OpenBlock {
    pub(crate) fn new(
        layout: &Layout,
        step: usize,
        block: u16,
        jobs: usize,
        held: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            step,
            block,
            remaining: AtomicUsize::new(jobs),
            columns: layout.columns.iter().map(|c| Mutex::new(Pixels::fill(c))).collect(),
            faults: Mutex::new(Vec::new()),
            end: Mutex::new(None),
            held: Mutex::new(Some(held)),
            finished: Notify::new(),
        }
    }

    /// The buffer of a column; held only while one tile copies its samples.
    pub(crate) fn column(&self, column: usize) -> Option<MutexGuard<'_, Pixels>> {
        self.columns.get(column).map(lock)
    }

    /// The column of this block becomes fill. Only the first fault of a column is kept.
    pub(crate) fn fail(&self, column: usize, fault: Fault) {
        let mut faults = lock(&self.faults);
        if !faults.iter().any(|(known, _)| *known == column) {
            faults.push((column, fault));
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
        let mut faults = std::mem::take(&mut *lock(&self.faults));
        faults.sort_by_key(|(column, _)| *column);
        let pixels = layout
            .columns
            .iter()
            .zip(&self.columns)
            .enumerate()
            .map(|(position, (column, pixels))| {
                let failed = faults.iter().any(|(failed, _)| *failed == position);
                if failed {
                    return Pixels::fill(column);
                }
                std::mem::replace(&mut *lock(pixels), Pixels::U8(Vec::new()))
            })
            .collect();
        let held = lock(&self.held).take();
        Ok(Block { step: self.step, block: self.block, pixels, faults, _held: held })
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

    /// A column becomes fill.
    pub(crate) fn fail(&self, column: usize, fault: &Fault) {
        for block in self.blocks.iter() {
            block.fail(column, fault.clone());
        }
    }

    /// The stream ends before the first of the blocks.
    pub(crate) fn end(&self, error: Error) {
        if let Some(first) = self.blocks.first() {
            first.end(error);
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
