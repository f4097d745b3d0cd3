//! Counts of a running indexer, to be watched from outside.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The live counts: relaxed atomics, since no other memory depends on them.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) found: AtomicUsize,
    pub(super) known: AtomicUsize,
    pub(super) scanned: AtomicUsize,
    pub(super) failed: AtomicUsize,
    pub(super) work: AtomicUsize,
    pub(super) work_done: AtomicUsize,
    pub(super) all_found: AtomicBool,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Files found so far.
    pub found: usize,
    /// Of these, files that the index knew.
    pub known: usize,
    /// Of these, files that are scanned.
    pub scanned: usize,
    /// What could not be indexed.
    pub failed: usize,
    /// Requests that the files to be scanned are expected to take.
    pub work: usize,
    /// Of these, requests for files that are done.
    pub work_done: usize,
    /// Whether no more files will be found.
    pub all_found: bool,
}

impl Tally {
    /// The counts as they are.
    pub fn progress(&self) -> Progress {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Progress {
            found: read(&self.found),
            known: read(&self.known),
            scanned: read(&self.scanned),
            failed: read(&self.failed),
            work: read(&self.work),
            work_done: read(&self.work_done),
            all_found: self.all_found.load(Ordering::Relaxed),
        }
    }

    pub(super) fn add(count: &AtomicUsize, number: usize) {
        count.fetch_add(number, Ordering::Relaxed);
    }
}
