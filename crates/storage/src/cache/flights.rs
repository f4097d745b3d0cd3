//! Reads under way: who wants the same meanwhile waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::entry::Key;
use crate::Result;

type Cell = Arc<OnceCell<Result<Vec<Bytes>>>>;

/// Reads under way, by what they read.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Key, Cell>>);

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Cell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The read of a key, begun by whoever comes first.
    pub(super) fn join(&self, key: &Key) -> Flight<'_> {
        let cell = Arc::clone(self.lock().entry(*key).or_default());
        Flight { flights: self, key: *key, cell }
    }
}

/// One who takes part in a read.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    key: Key,
    cell: Cell,
}

impl Flight<'_> {
    /// The outcome of the read, of which one of those who take part does the work. Where that one is
    /// dropped before its end, the next one does it.
    pub(super) async fn land<F>(self, read: impl FnOnce() -> F) -> Result<Vec<Bytes>>
    where
        F: Future<Output = Result<Vec<Bytes>>>,
    {
        let outcome = self.cell.get_or_init(read).await.clone();
        // Who comes from now on must not be given an old error.
        self.leave(|_| true);
        outcome
    }

    fn leave(&self, is_over: impl FnOnce(&Cell) -> bool) {
        let mut flights = self.flights.lock();
        let is_this = |cell: &&Cell| Arc::ptr_eq(cell, &self.cell);
        if flights.get(&self.key).filter(is_this).is_some_and(is_over) {
            flights.remove(&self.key);
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        // The last one to go takes the read with it: it and the table have the only two.
        self.leave(|cell| Arc::strong_count(cell) <= 2);
    }
}

#[cfg(test)]
impl Flights {
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}
