//! What a stream cost, as gRPC trailing metadata.
//!
//! tonic has no way to end a successful stream with metadata: the service leaves a [`Trailers`] in
//! the extensions of its response, and [`WithTrailers`] around the service adds what stands in it
//! to the last frame of the body. An error that ends the call before its stream begins carries the
//! same metadata itself.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

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
/// Waiting of decoder jobs for a thread.
const QUEUE_MS: &str = "x-cubeflight-queue-ms";
/// Requests to the store.
const FETCH_MS: &str = "x-cubeflight-fetch-ms";
/// Decoder jobs.
const DECODE_MS: &str = "x-cubeflight-decode-ms";
/// Making messages of row-blocks.
pub(crate) const ENCODE_MS: &str = "x-cubeflight-encode-ms";
/// Pixels of all bands in the rows sent.
pub(crate) const PIXELS: &str = "x-cubeflight-pixels";
/// What decodes JP2 tiles.
pub(crate) const DECODER: &str = "x-cubeflight-decoder";
/// Milliseconds from the call to the last frame.
const ELAPSED_MS: &str = "x-cubeflight-elapsed-ms";

/// What the engine counted, by the name under which it travels.
fn counts(stats: &RunStats) -> impl IntoIterator<Item = (&'static str, u64)> + use<> {
    [
        ("x-cubeflight-upstream-requests", stats.requests),
        ("x-cubeflight-upstream-bytes", stats.bytes),
        ("x-cubeflight-cache-hits", stats.cache_hits),
        ("x-cubeflight-cache-bytes", stats.cache_bytes),
        ("x-cubeflight-decoded-hits", stats.decoded_hits),
        ("x-cubeflight-scanned-assets", stats.scanned_assets),
        ("x-cubeflight-scan-requests", stats.scan_requests),
        ("x-cubeflight-scan-bytes", stats.scan_bytes),
    ]
}

/// How long its jobs took, all together: they run side by side, so it may be longer than the call.
fn times(stats: &RunStats) -> [(&'static str, Duration); 3] {
    let RunStats { queue_time, fetch_time, decode_time, .. } = *stats;
    [(QUEUE_MS, queue_time), (FETCH_MS, fetch_time), (DECODE_MS, decode_time)]
}

/// What is said under a name.
#[derive(Debug, Clone, Copy)]
enum Value {
    Number(u64),
    /// Travels in whole milliseconds.
    Time(Duration),
    Text(&'static str),
}

impl Value {
    fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Time(time) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            Self::Text(_) => 0,
        }
    }

    fn header(self) -> HeaderValue {
        match self {
            // Names are ASCII; what is not has none.
            Self::Text(text) => {
                HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unnamed"))
            }
            _ => HeaderValue::from(self.number()),
        }
    }
}

/// The numbers of one call, filled while it runs. Clones are the same numbers.
#[derive(Debug, Clone)]
pub(crate) struct Trailers {
    begun: Instant,
    values: Arc<Mutex<Vec<(&'static str, Value)>>>,
}

impl Trailers {
    /// The clock starts now.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), values: Arc::default() }
    }

    /// Sets a number; a name has one.
    pub(crate) fn set(&self, name: &'static str, value: u64) {
        self.update(name, |_| Value::Number(value));
    }

    /// Sets a time.
    pub(crate) fn set_time(&self, name: &'static str, time: Duration) {
        self.update(name, |_| Value::Time(time));
    }

    /// Sets a text.
    pub(crate) fn set_text(&self, name: &'static str, text: &'static str) {
        self.update(name, |_| Value::Text(text));
    }

    /// Adds to a number.
    pub(crate) fn add(&self, name: &'static str, value: u64) {
        self.update(name, |known| {
            Value::Number(known.map_or(0, Value::number).saturating_add(value))
        });
    }

    /// Adds to a time.
    pub(crate) fn add_time(&self, name: &'static str, time: Duration) {
        self.update(name, |known| match known {
            Some(Value::Time(known)) => Value::Time(known.saturating_add(time)),
            _ => Value::Time(time),
        });
    }

    /// Rows sent so far.
    pub(crate) fn rows(&self) -> u64 {
        let values = self.lock();
        let rows = values.iter().find(|(name, _)| *name == ROWS);
        rows.map_or(0, |(_, rows)| rows.number())
    }

    /// Milliseconds since the call began.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        Value::Time(self.begun.elapsed()).number()
    }

    /// The error of a call that has no stream.
    pub(crate) fn failed(&self, mut status: Status) -> Status {
        for (name, value) in self.all() {
            // What is made of numbers and names is ASCII.
            if let Ok(value) = AsciiMetadataValue::try_from(value.header().as_bytes()) {
                status.metadata_mut().insert(name, value);
            }
        }
        status
    }

    fn update(&self, name: &'static str, change: impl FnOnce(Option<Value>) -> Value) {
        let mut values = self.lock();
        match values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, value)) => *value = change(Some(*value)),
            None => values.push((name, change(None))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(&'static str, Value)>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<(&'static str, Value)> {
        let mut all = self.lock().clone();
        all.push((ELAPSED_MS, Value::Time(self.begun.elapsed())));
        all
    }

    /// Adds them to the last frame of a body.
    pub(crate) fn write(&self, trailers: &mut HeaderMap) {
        for (name, value) in self.all() {
            trailers.insert(HeaderName::from_static(name), value.header());
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
        let stats = self.blocks.stats();
        for (name, value) in counts(&stats) {
            self.trailers.set(name, value);
        }
        for (name, time) in times(&stats) {
            self.trailers.set_time(name, time);
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
    /// Around a service that leaves its numbers in the extensions of its responses.
    #[must_use]
    pub fn new(inner: S) -> Self {
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
            let response = response.await?;
            let Some(trailers) = response.extensions().get::<Trailers>().cloned() else {
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
