//! What a stream cost, as gRPC trailing metadata.
//!
//! tonic has no way to end a successful stream with metadata: the service leaves a [`Trailers`] in
//! the extensions of its response, and [`WithTrailers`] around the service adds what stands in it
//! to the last frame of the body. An error that ends the call before its stream begins carries the
//! same metadata itself.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use cubeflight_engine::{Block, BlockStream, RunStats};
use futures::Stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Bytes, Service};
use tonic::metadata::AsciiMetadataValue;
use tonic::server::NamedService;

/// Rows sent.
pub(crate) const ROWS: &str = "x-cubeflight-rows";
/// Milliseconds from the call to the plan.
pub(crate) const PLAN_MS: &str = "x-cubeflight-plan-ms";
/// Milliseconds from the call to the last frame.
const ELAPSED_MS: &str = "x-cubeflight-elapsed-ms";

/// What the engine counted, by the name under which it travels.
fn counts(stats: &RunStats) -> impl IntoIterator<Item = (&'static str, u64)> + use<> {
    [
        ("x-cubeflight-upstream-requests", stats.requests),
        ("x-cubeflight-upstream-bytes", stats.bytes),
        ("x-cubeflight-cache-hits", stats.cache_hits),
        ("x-cubeflight-cache-bytes", stats.cache_bytes),
        ("x-cubeflight-scanned-assets", stats.scanned_assets),
        ("x-cubeflight-scan-requests", stats.scan_requests),
        ("x-cubeflight-scan-bytes", stats.scan_bytes),
    ]
}

/// The numbers of one call, filled while it runs. Clones are the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Trailers {
    begun: Instant,
    numbers: Arc<Mutex<Vec<(&'static str, u64)>>>,
}

impl Trailers {
    /// The clock starts now.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), numbers: Arc::default() }
    }

    /// Sets a number; a name has one.
    pub(crate) fn set(&self, name: &'static str, value: u64) {
        self.update(name, |number| *number = value);
    }

    /// Adds to a number.
    pub(crate) fn add(&self, name: &'static str, value: u64) {
        self.update(name, |number| *number = number.saturating_add(value));
    }

    /// Milliseconds since the call began.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The error of a call that has no stream.
    pub(crate) fn failed(&self, mut status: Status) -> Status {
        for (name, value) in self.all() {
            status.metadata_mut().insert(name, AsciiMetadataValue::from(value));
        }
        status
    }

    fn update(&self, name: &'static str, change: impl FnOnce(&mut u64)) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, number)) = numbers.iter_mut().find(|(known, _)| *known == name) {
            return change(number);
        }
        let mut number = 0;
        change(&mut number);
        numbers.push((name, number));
    }

    fn all(&self) -> Vec<(&'static str, u64)> {
        let mut all = self.numbers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.push((ELAPSED_MS, self.elapsed_ms()));
        all
    }

    fn write(&self, trailers: &mut HeaderMap) {
        for (name, value) in self.all() {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

/// The blocks of a stream; what they cost goes to the trailers as they come.
#[derive(Debug)]
pub(crate) struct Counted {
    blocks: BlockStream,
    trailers: Trailers,
}

impl Counted {
    pub(crate) fn new(blocks: BlockStream, trailers: Trailers) -> Self {
        Self { blocks, trailers }
    }
}

impl Stream for Counted {
    type Item = cubeflight_engine::Result<Block>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut self.blocks).poll_next(context));
        for (name, value) in counts(&self.blocks.stats()) {
            self.trailers.set(name, value);
        }
        Poll::Ready(item)
    }
}

/// A service whose responses end with the numbers that it left in their extensions.
#[derive(Debug, Clone)]
pub struct WithTrailers<S> {
    inner: S,
}

impl<S> WithTrailers<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: NamedService> NamedService for WithTrailers<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for WithTrailers<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let response = self.inner.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            let Some(trailers) = response.extensions_mut().remove::<Trailers>() else {
                return Ok(response);
            };
            Ok(response.map(|inner| Body::new(Ending { inner, trailers })))
        })
    }
}

/// A body that adds numbers to its last frame.
#[derive(Debug)]
struct Ending {
    inner: Body,
    trailers: Trailers,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_trailers() {
                Ok(mut trailers) => {
                    self.trailers.write(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
