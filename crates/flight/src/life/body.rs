//! The answer to a call, which ends when the call is ended.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures::task::AtomicWaker;
use http::HeaderMap;
use http_body::Frame;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tracing::Span;

use super::call::Call;
use super::streams::{Entered, Reason};
use crate::trailers::Trailers;

const GRPC_STATUS: &str = "grpc-status";

/// Whether headers or trailers say that a call succeeded; none where they say nothing.
pub(super) fn succeeded(headers: &HeaderMap) -> Option<bool> {
    headers.get(GRPC_STATUS).map(|code| code.as_bytes() == b"0")
}

/// What is said of a call when it is over, however it ends.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) entered: Entered,
    pub(super) span: Span,
    pub(super) begun: Instant,
    pub(super) trailers: Option<Trailers>,
    pub(super) succeeded: Option<bool>,
    pub(super) bytes: u64,
}

impl Account {
    pub(super) fn call(&self) -> &Arc<Call> {
        self.entered.call()
    }

    fn reason(&self) -> Reason {
        let call = self.call();
        match (self.succeeded, call.reason()) {
            (Some(true), _) => Reason::Completed,
            (_, Some(reason)) => reason,
            (Some(false), None) => Reason::Error,
            // Clients end their calls at the deadline themselves, which may be seen first.
            (None, None) if call.is_late() => Reason::Deadline,
            (None, None) => Reason::Client,
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _in_span = self.span.enter();
        let reason = self.reason();
        self.entered.count(reason);
        let rows = self.trailers.as_ref().map_or(0, Trailers::rows);
        let (bytes, reason) = (self.bytes, reason.name());
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.call().is_stream() {
            tracing::info!(rows, bytes, reason, milliseconds, "stream ended");
        } else {
            tracing::debug!(bytes, reason, milliseconds, "call ended");
        }
    }
}

/// The body of an answer, where its reader and who ends it both can reach it: a reader that does not
/// read must not keep alive what stands behind.
#[derive(Debug)]
struct Slot {
    inner: Mutex<Option<Body>>,
    reader: AtomicWaker,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Body>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn empty(&self) {
        let inner = self.lock().take();
        // Not under the lock: all that the stream is made of goes with it.
        drop(inner);
    }
}

/// A body that is dropped when its call is ended, and then says why.
#[derive(Debug)]
pub(super) struct CallBody {
    slot: Arc<Slot>,
    over: bool,
    _watch: AbortOnDropHandle<()>,
    account: Account,
}

impl CallBody {
    pub(super) fn new(inner: Body, account: Account) -> Self {
        let slot = Arc::new(Slot { inner: Mutex::new(Some(inner)), reader: AtomicWaker::new() });
        let (watched, call) = (Arc::clone(&slot), Arc::clone(account.call()));
        let watch = tokio::spawn(async move {
            call.over().await;
            watched.empty();
            watched.reader.wake();
        });
        Self { slot, over: false, _watch: AbortOnDropHandle::new(watch), account }
    }

    /// The last frame of a call that was ended.
    fn ended(&self) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        // A text of ours is ASCII without control characters: it is a header value.
        let _ = self.account.call().status().add_header(&mut trailers);
        if let Some(numbers) = &self.account.trailers {
            numbers.write(&mut trailers);
        }
        trailers
    }
}

impl http_body::Body for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let span = this.account.span.clone();
        let _in_span = span.enter();
        this.slot.reader.register(context.waker());
        if this.account.call().reason().is_some() {
            this.slot.empty();
        }
        let polled = match this.slot.lock().as_mut() {
            Some(inner) => Some(ready!(http_body::Body::poll_frame(Pin::new(inner), context))),
            None => None,
        };
        let mut trailers = match polled {
            Some(Some(Ok(frame))) => match frame.into_trailers() {
                Ok(trailers) => trailers,
                Err(frame) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    this.account.bytes = this.account.bytes.saturating_add(length as u64);
                    return Poll::Ready(Some(Ok(frame)));
                }
            },
            Some(other) => {
                this.over = true;
                this.account.succeeded = Some(other.is_none());
                return Poll::Ready(other);
            }
            None => this.ended(),
        };
        this.over = true;
        this.account.succeeded = succeeded(&trailers);
        this.account.call().request().write(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.slot.lock().as_ref().is_some_and(http_body::Body::is_end_stream)
    }
}
