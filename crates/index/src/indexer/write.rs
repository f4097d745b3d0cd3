//! Records on their way to the index.

use cubeflight_storage::Path;
use cubeflight_tlm::TlmRecord;
use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};

use super::Report;
use crate::{Error, Index, Result};

/// Writes that may fail one after the other; each was repeated by the store already.
const FAILURES: usize = 3;

type Written = (Vec<TlmRecord>, Result<Vec<Path>>);

/// Collects records and writes them in batches, one batch at a time, beside the scans.
pub(super) struct Writer<'a> {
    index: &'a Index,
    batch: usize,
    pending: Vec<TlmRecord>,
    writing: Option<BoxFuture<'a, Written>>,
    failures: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(index: &'a Index, batch: usize) -> Self {
        Self { index, batch: batch.max(1), pending: Vec::new(), writing: None, failures: 0 }
    }

    pub(super) fn push(&mut self, record: TlmRecord) {
        self.pending.push(record);
    }

    /// Whether scanning should wait for the index to catch up.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= self.batch.saturating_mul(4)
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Begins to write where a batch is full, or, when `due`, where there is anything.
    pub(super) fn start(&mut self, due: bool) {
        let enough = self.pending.len() >= self.batch || (due && !self.pending.is_empty());
        if !enough || self.writing.is_some() {
            return;
        }
        let (index, records) = (self.index, std::mem::take(&mut self.pending));
        let write = async move {
            let outcome = index.append(&records).await;
            (records, outcome)
        };
        self.writing = Some(write.boxed());
    }

    /// Waits for the batch that is being written; `Err` when the index cannot be written to.
    pub(super) async fn written(&mut self, report: &mut Report) -> Result<()> {
        let done = OptionFuture::from(self.writing.as_mut()).await;
        self.writing = None;
        let Some((records, outcome)) = done else { return Ok(()) };
        match outcome {
            Ok(paths) => {
                self.failures = 0;
                report.indexed += records.len();
                report.files.extend(paths.iter().map(ToString::to_string));
                Ok(())
            }
            Err(error) => {
                self.failures += 1;
                self.pending.splice(0..0, records);
                if self.failures >= FAILURES || !error.is_transient() {
                    return Err(error);
                }
                tracing::warn!(%error, "records not written, they will be tried again");
                Ok(())
            }
        }
    }

    /// Writes the rest.
    pub(super) async fn finish(mut self, report: &mut Report) -> Result<(), (usize, Error)> {
        loop {
            self.start(true);
            if !self.is_writing() {
                return Ok(());
            }
            if let Err(error) = self.written(report).await {
                return Err((self.pending.len(), error));
            }
        }
    }
}
