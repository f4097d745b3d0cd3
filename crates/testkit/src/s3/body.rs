//! The body of a response, on its way through the limits and the faults.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use s3s::StdError;
use tokio::time::Sleep;

use super::exchange::Exchange;
use super::pace::catch_up;
use super::socket::Reset;

/// Bytes that pass a line at once: 3 ms at 20 MB/s, so that the connections of a shared line take
/// turns and the timer (1 ms) is fine enough.
const PIECE: usize = 64 * 1024;
/// Between the last byte and the end of a body that is cut: the bytes go out in this time, since
/// the end takes with it whatever has not left.
const FLUSH: Duration = Duration::from_millis(20);

/// A body that is broken off.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    /// Bytes that go out before.
    pub(crate) after: u64,
    /// By a reset; else the connection is closed in good order.
    pub(crate) reset: Option<Reset>,
}

/// The body.
pub(crate) struct Paced {
    inner: s3s::Body,
    exchange: Arc<Exchange>,
    cut: Option<Cut>,
    /// Read, not on the line yet.
    chunk: Bytes,
    /// On the line.
    piece: Option<Bytes>,
    /// When the piece has passed it.
    timer: Option<Pin<Box<Sleep>>>,
    /// When the last piece had passed, or should have.
    due: Option<Instant>,
    sent: u64,
    length: Option<u64>,
    cutting: bool,
}

impl Paced {
    pub(crate) fn new(inner: s3s::Body, exchange: Arc<Exchange>, cut: Option<Cut>) -> Self {
        let length = Body::size_hint(&inner).exact();
        Self {
            inner,
            exchange,
            cut,
            chunk: Bytes::new(),
            piece: None,
            timer: None,
            due: None,
            sent: 0,
            length,
            cutting: false,
        }
    }

    /// Puts the next piece of the chunk on the line.
    fn load(&mut self) {
        let size = match self.exchange.lines.is_empty() && self.cut.is_none() {
            true => self.chunk.len(),
            false => self.chunk.len().min(PIECE),
        };
        let mut piece = self.chunk.split_to(size);
        if let Some(cut) = &self.cut {
            let left = usize::try_from(cut.after - self.sent).unwrap_or(usize::MAX);
            piece.truncate(left);
        }
        if !self.exchange.lines.is_empty() {
            let now = Instant::now();
            let from = catch_up(self.due.unwrap_or(now), now);
            let due = self.exchange.reserve(piece.len(), from);
            self.due = Some(due);
            self.timer = (due > now).then(|| Box::pin(tokio::time::sleep_until(due.into())));
        }
        self.piece = Some(piece);
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        loop {
            if let Some(timer) = &mut this.timer {
                ready!(timer.as_mut().poll(cx));
                this.timer = None;
            }
            if this.cutting {
                let Some(reset) = this.cut.as_ref().and_then(|cut| cut.reset.as_ref()) else {
                    // fewer bytes than promised: hyper closes the connection
                    return Poll::Ready(None);
                };
                reset.store(true, Ordering::Relaxed);
                let error = io::Error::new(io::ErrorKind::ConnectionAborted, "reset on purpose");
                return Poll::Ready(Some(Err(error.into())));
            }
            if let Some(piece) = this.piece.take() {
                this.exchange.count_sent(piece.len());
                this.sent += u64::try_from(piece.len()).unwrap_or(0);
                if this.cut.as_ref().is_some_and(|cut| this.sent >= cut.after) {
                    this.cutting = true;
                    this.timer = Some(Box::pin(tokio::time::sleep(FLUSH)));
                } else if this.length == Some(this.sent) {
                    this.exchange.finish();
                }
                if piece.is_empty() {
                    continue;
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if !this.chunk.is_empty() {
                this.load();
                continue;
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    this.chunk = frame.into_data().unwrap_or_default();
                }
                other => {
                    this.exchange.finish();
                    return Poll::Ready(other);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.length == Some(self.sent)
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.sent)),
            None => Body::size_hint(&self.inner),
        }
    }
}
