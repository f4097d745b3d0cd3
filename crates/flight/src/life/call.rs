//! One call: its name, its deadline and what ends it.

use std::sync::OnceLock;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::deadline::timeout;
use super::request_id::RequestId;
use super::streams::{Reason, Streams};
use crate::status::{DEADLINE, ENDED_BY_ACTION, SHUT_DOWN, STREAM_TOO_LONG, plain};

/// What is known of a call when it comes in.
#[derive(Debug)]
pub(super) struct Seed {
    request: RequestId,
    is_stream: bool,
    end: Option<(Instant, Limit)>,
}

/// Who has set the end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Caller,
    Server,
}

impl Seed {
    /// The clock of the deadline starts now. `longest` is what the server allows a stream.
    pub(super) fn new(headers: &HeaderMap, is_stream: bool, longest: Option<Duration>) -> Self {
        let now = Instant::now();
        // What is too far away to be counted is no deadline.
        let after = |time: Duration| now.checked_add(time);
        let caller = timeout(headers).and_then(after).map(|end| (end, Limit::Caller));
        let server = longest.filter(|_| is_stream).and_then(after).map(|end| (end, Limit::Server));
        let end = [caller, server].into_iter().flatten().min_by_key(|(end, _)| *end);
        Self { request: RequestId::of(headers), is_stream, end }
    }
}

/// A call that is being answered.
#[derive(Debug)]
pub(crate) struct Call {
    seed: Seed,
    streams: Streams,
    id: u64,
    reason: OnceLock<Reason>,
    ended: CancellationToken,
    key: OnceLock<[u8; 32]>,
}

impl Call {
    pub(super) fn new(seed: Seed, streams: Streams, id: u64) -> Self {
        let (reason, ended, key) = (OnceLock::new(), CancellationToken::new(), OnceLock::new());
        Self { seed, streams, id, reason, ended, key }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn request(&self) -> &RequestId {
        &self.seed.request
    }

    /// Whether it is a DoGet.
    pub(super) fn is_stream(&self) -> bool {
        self.seed.is_stream
    }

    /// Makes it known as one of the streams of a ticket.
    pub(crate) fn name(&self, ticket: &[u8]) {
        let key = Streams::key(ticket);
        if self.key.set(key).is_ok() {
            self.streams.insert(key, self.id);
        }
    }

    pub(super) fn key(&self) -> Option<&[u8; 32]> {
        self.key.get()
    }

    /// Ends it; the first reason holds. Whether this one is.
    pub(super) fn end(&self, reason: Reason) -> bool {
        let first = self.reason.set(reason).is_ok();
        self.ended.cancel();
        first
    }

    /// Why it was ended, if it was.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }

    /// Whether its time is over, though nobody may have noticed yet.
    pub(super) fn is_late(&self) -> bool {
        self.seed.end.is_some_and(|(end, _)| end <= Instant::now())
    }

    /// Waits until it is ended, by its deadline or by somebody.
    pub(super) async fn over(&self) {
        let Some((end, _)) = self.seed.end else { return self.ended.cancelled().await };
        tokio::select! {
            biased;
            () = self.ended.cancelled() => (),
            () = sleep_until(end) => {
                self.end(Reason::Deadline);
            }
        }
    }

    /// What the caller is told.
    pub(super) fn status(&self) -> Status {
        match (self.reason(), self.seed.end) {
            (Some(Reason::Deadline), Some((_, Limit::Server))) => {
                plain(STREAM_TOO_LONG, "the stream took longer than this server allows")
            }
            (Some(Reason::Deadline), _) => plain(DEADLINE, "the deadline of the call has passed"),
            (Some(Reason::Action), _) => plain(ENDED_BY_ACTION, "the stream was cancelled"),
            _ => plain(SHUT_DOWN, "the server has shut down before the stream was complete"),
        }
    }
}
