//! Records that readers have learnt, on their way into the index.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cubeflight_index::Index;
use cubeflight_sentinel2::{AssetId, ProductId};
use cubeflight_tlm::TlmRecord;

/// Records that are written without waiting for the end of a stream.
const BATCH: usize = 256;
/// Records that wait at most, while the index cannot be written to.
const MOST: usize = 8 * BATCH;

type State = (ProductId, AssetId, u64, Option<String>);

/// Collects records and writes them together: one index file for many of them.
#[derive(Debug)]
pub(crate) struct WriteBack {
    index: Index,
    pending: Mutex<HashMap<State, TlmRecord>>,
    /// One batch at a time.
    writing: tokio::sync::Mutex<()>,
    refused: AtomicBool,
}

impl WriteBack {
    pub(crate) fn new(index: Index) -> Self {
        let (pending, writing, refused) = Default::default();
        Self { index, pending, writing, refused }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<State, TlmRecord>> {
        // a map is whole between any two operations on it
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record; true when a batch is full.
    pub(crate) fn add(&self, record: &TlmRecord) -> bool {
        if self.refused.load(Ordering::Relaxed) {
            return false;
        }
        let mut pending = self.pending();
        let state = state_of(record);
        let record = match pending.get(&state) {
            Some(older) => record.completed_by(older),
            None if pending.len() >= MOST => return true,
            None => record.clone(),
        };
        pending.insert(state, record);
        pending.len() >= BATCH
    }

    /// Writes what waits. A failure is logged: what was learnt is then learnt again, and nobody's
    /// pixels depend on it.
    pub(crate) async fn flush(&self) {
        let _one = self.writing.lock().await;
        let batch: Vec<TlmRecord> = self.pending().drain().map(|(_, record)| record).collect();
        if batch.is_empty() {
            return;
        }
        let Err(error) = self.index.append(&batch).await else {
            tracing::info!(records = batch.len(), index = self.index.url(), "index completed");
            return;
        };
        if error.is_transient() {
            tracing::warn!(%error, records = batch.len(), "index not written, tried again later");
            let mut pending = self.pending();
            for older in batch {
                let newer = pending.get(&state_of(&older));
                let record = newer.map(|newer| newer.completed_by(&older)).unwrap_or(older);
                pending.insert(state_of(&record), record);
            }
            return;
        }
        self.refused.store(true, Ordering::Relaxed);
        let index = self.index.url();
        tracing::warn!(%error, index, "index cannot be written, nothing is written back from now on");
    }
}

fn state_of(record: &TlmRecord) -> State {
    (record.product.clone(), record.asset, record.size, record.etag.clone())
}
