//! The calls that a server is answering, by whom they are ended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::call::{Call, Seed};

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Everything was sent.
    Completed,
    /// An error of the request, an upstream or the server.
    Error,
    /// The client has gone, or has cancelled the call.
    Client,
    /// Its `grpc-timeout`, or the most that the server allows.
    Deadline,
    /// [`Streams::cancel`], as CancelFlightInfo asks for it.
    Action,
    /// The server has ended.
    Drain,
}

impl Reason {
    /// Name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Client => "client",
            Self::Deadline => "deadline",
            Self::Action => "action",
            Self::Drain => "drain",
        }
    }
}

/// How the streams of a server (DoGet) ended so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StreamStats {
    /// Streams that have not ended.
    pub running: u64,
    /// [`Reason::Completed`].
    pub completed: u64,
    /// [`Reason::Error`].
    pub error: u64,
    /// [`Reason::Client`].
    pub client: u64,
    /// [`Reason::Deadline`].
    pub deadline: u64,
    /// [`Reason::Action`].
    pub action: u64,
    /// [`Reason::Drain`].
    pub drain: u64,
}

#[derive(Debug, Default)]
struct Counts {
    running: AtomicU64,
    completed: AtomicU64,
    error: AtomicU64,
    client: AtomicU64,
    deadline: AtomicU64,
    action: AtomicU64,
    drain: AtomicU64,
}

impl Counts {
    fn of(&self, reason: Reason) -> &AtomicU64 {
        match reason {
            Reason::Completed => &self.completed,
            Reason::Error => &self.error,
            Reason::Client => &self.client,
            Reason::Deadline => &self.deadline,
            Reason::Action => &self.action,
            Reason::Drain => &self.drain,
        }
    }
}

/// The calls that are being answered. Clones are the same calls.
#[derive(Debug, Clone, Default)]
pub struct Streams(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    draining: AtomicBool,
    tracker: TaskTracker,
    running: Mutex<Running>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Running {
    number: u64,
    calls: HashMap<u64, Arc<Call>>,
    /// Streams by what they were asked with. The same ticket may be redeemed several times.
    keys: HashMap<[u8; 32], Vec<u64>>,
}

impl Streams {
    /// Under which the streams of a ticket are known.
    #[must_use]
    pub fn key(ticket: &[u8]) -> [u8; 32] {
        Sha256::digest(ticket).into()
    }

    /// Ends all streams with this key, and says how many.
    #[must_use]
    pub fn cancel(&self, key: &[u8; 32]) -> usize {
        let running = self.lock();
        let streams = running.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        let calls: Vec<_> =
            streams.iter().filter_map(|id| running.calls.get(id).cloned()).collect();
        drop(running);
        calls.iter().filter(|call| call.end(Reason::Action)).count()
    }

    /// How streams ended so far.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        let counts = &self.0.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StreamStats {
            running: of(&counts.running),
            completed: of(&counts.completed),
            error: of(&counts.error),
            client: of(&counts.client),
            deadline: of(&counts.deadline),
            action: of(&counts.action),
            drain: of(&counts.drain),
        }
    }

    /// From now on new calls are refused; those that run go on.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
        self.0.tracker.close();
    }

    /// Whether new calls are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// Waits until new calls are refused and all others are over.
    pub async fn idle(&self) {
        self.0.tracker.wait().await;
    }

    /// Ends all calls that run with UNAVAILABLE.
    pub fn end_all(&self) {
        let calls: Vec<_> = self.lock().calls.values().cloned().collect();
        for call in calls {
            call.end(Reason::Drain);
        }
    }

    /// Makes a call known until the guard is dropped.
    pub(super) fn enter(&self, seed: Seed) -> Entered {
        let tracked = self.0.tracker.token();
        let mut running = self.lock();
        running.number += 1;
        let id = running.number;
        let call = Arc::new(Call::new(seed, self.clone(), id));
        running.calls.insert(id, Arc::clone(&call));
        drop(running);
        if call.is_stream() {
            self.0.counts.running.fetch_add(1, Ordering::Relaxed);
        }
        Entered { streams: self.clone(), call, _tracked: tracked }
    }

    pub(super) fn insert(&self, key: [u8; 32], id: u64) {
        self.lock().keys.entry(key).or_default().push(id);
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is being answered.
#[derive(Debug)]
pub(super) struct Entered {
    streams: Streams,
    call: Arc<Call>,
    _tracked: TaskTrackerToken,
}

impl Entered {
    pub(super) fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// Counts how it ended.
    pub(super) fn count(&self, reason: Reason) {
        if self.call.is_stream() {
            self.streams.0.counts.of(reason).fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.call.is_stream() {
            self.streams.0.counts.running.fetch_sub(1, Ordering::Relaxed);
        }
        let id = self.call.id();
        let mut running = self.streams.lock();
        running.calls.remove(&id);
        if let Some(key) = self.call.key()
            && let Some(streams) = running.keys.get_mut(key)
        {
            streams.retain(|stream| *stream != id);
            if streams.is_empty() {
                running.keys.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn stream(streams: &Streams, ticket: &[u8]) -> Entered {
        let entered = streams.enter(Seed::new(&HeaderMap::new(), true, None));
        entered.call().name(ticket);
        entered
    }

    #[tokio::test]
    async fn a_ticket_ends_its_streams_while_they_run() {
        let streams = Streams::default();
        let [first, second, other] = [b"a", b"a", b"b"].map(|ticket| stream(&streams, ticket));
        assert_eq!(streams.stats().running, 3);
        assert_eq!(streams.cancel(&Streams::key(b"a")), 2);
        assert_eq!(streams.cancel(&Streams::key(b"a")), 0, "they are ended already");
        assert_eq!(first.call().reason(), Some(Reason::Action));
        assert_eq!(other.call().reason(), None);
        second.call().over().await;
        second.count(Reason::Action);
        drop((first, second));
        assert_eq!(streams.cancel(&Streams::key(b"a")), 0);
        assert_eq!(streams.lock().keys.len(), 1);
        assert_eq!(streams.cancel(&Streams::key(b"b")), 1);
        drop(other);
        assert!(streams.lock().calls.is_empty() && streams.lock().keys.is_empty());
        let ended = StreamStats { action: 1, ..StreamStats::default() };
        assert_eq!(streams.stats(), ended);
    }

    #[tokio::test]
    async fn who_drains_waits_for_those_that_run() {
        let streams = Streams::default();
        let running = stream(&streams, b"a");
        streams.drain();
        assert!(streams.is_draining());
        let mut idle = Box::pin(streams.idle());
        assert!(futures::poll!(idle.as_mut()).is_pending());
        streams.end_all();
        assert_eq!(running.call().reason(), Some(Reason::Drain));
        assert!(futures::poll!(idle.as_mut()).is_pending(), "it has not gone yet");
        drop(running);
        idle.await;
    }
}
