//! The decoder's queue, in front of the thread pool.
//!
//! The pool takes jobs as they come; it has no priorities, and what it was given cannot be taken
//! back. So jobs wait here, and there is never more than one job per thread in the pool. A thread
//! that becomes free gets the job that is next: by tenant, then by stream (see [`fair`]), then in
//! the order that the stream wants.

mod fair;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rayon::ThreadPool;
use tokio::sync::oneshot;

use fair::{Schedule, Turn};

type Job = Box<dyn FnOnce() + Send>;

/// The queue of one pool, all of whose jobs come from here. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Queue(Arc<Inner>);

struct Inner {
    pool: Arc<ThreadPool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Jobs in the pool.
    running: usize,
    jobs: Schedule<Job>,
}

impl Queue {
    pub(crate) fn new(pool: Arc<ThreadPool>) -> Self {
        Self(Arc::new(Inner { pool, state: Mutex::default() }))
    }

    /// Jobs of one stream of a tenant, whatever a tenant is. Tenants share the threads by weight (at
    /// least 1; the one given last holds), streams of a tenant evenly.
    pub(crate) fn flow(&self, tenant: Arc<str>, weight: u32) -> Flow {
        let id = self.0.lock().jobs.open(tenant, weight);
        Flow { inner: Arc::clone(&self.0), id }
    }
}

/// The jobs of one stream. Dropping it takes those out of the queue that have not begun.
#[derive(Debug)]
pub(crate) struct Flow {
    inner: Arc<Inner>,
    id: u64,
}

impl Flow {
    /// Queues a job. Of the jobs of a stream that wait, that of the least `order` is next, then that
    /// which came first. `cost` is what the job takes in any unit that all jobs share.
    ///
    /// Dropping the future takes the job out of the queue.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        order: u64,
        cost: u64,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Queued<T> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            // It may have been taken out of the queue for nobody: its waiter went meanwhile.
            if !sender.is_closed() {
                let _ = sender.send(job());
            }
        });
        let turn = self.inner.lock().jobs.push(self.id, order, cost, job);
        self.inner.start();
        Queued { receiver, inner: Arc::clone(&self.inner), stream: self.id, turn: turn.ok() }
    }

    /// Takes all jobs out of the queue that have not begun, and refuses further ones.
    pub(crate) fn close(&self) {
        let jobs = self.inner.lock().jobs.close(self.id);
        // Not under the lock: what jobs hold may itself hold a flow.
        drop(jobs);
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.close();
    }
}

/// The job did not come to its end: its stream was closed, or it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// A job in the queue or in the pool.
#[derive(Debug)]
#[must_use = "dropping it takes the job out of the queue"]
pub(crate) struct Queued<T> {
    receiver: oneshot::Receiver<T>,
    inner: Arc<Inner>,
    stream: u64,
    turn: Option<Turn>,
}

impl<T> Future for Queued<T> {
    type Output = Result<T, Gone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.receiver).poll(context));
        self.turn = None;
        Poll::Ready(outcome.map_err(|_| Gone))
    }
}

impl<T> Drop for Queued<T> {
    fn drop(&mut self) {
        if let Some(turn) = self.turn {
            let job = self.inner.lock().jobs.remove(self.stream, turn);
            drop(job);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives jobs to the threads that have none.
    fn start(self: &Arc<Self>) {
        while let Some(job) = self.next() {
            let slot = Slot(Arc::clone(self));
            self.pool.spawn(move || {
                // Also when the job panics, which the pool's handler sees.
                let _free = slot;
                job();
            });
        }
    }

    fn next(&self) -> Option<Job> {
        let threads = self.pool.current_num_threads();
        let mut state = self.lock();
        if state.running >= threads {
            return None;
        }
        let job = state.jobs.pop();
        match &job {
            Some(_) => state.running += 1,
            None if state.running == 0 => state.jobs.settle(),
            None => (),
        }
        job
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("running", &self.lock().running).finish_non_exhaustive()
    }
}

/// A thread of the pool while it has a job.
struct Slot(Arc<Inner>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.start();
    }
}
