//! Around the service: every call gets a name, a deadline and an end.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tracing::Instrument;

use super::body::{Account, CallBody, succeeded};
use super::call::Seed;
use super::streams::Streams;
use crate::status::{DRAINING, later};
use crate::trailers::Trailers;

/// Seconds after which a refused call may be sent again: other replicas can take it at once, and a
/// server that starts again is gone for a moment only.
const RETRY_AFTER: u64 = 1;

/// A service whose calls are known to [`Streams`].
///
/// Tonic ends calls at their deadline only until their stream has begun. Here a deadline ends the
/// stream as well, as does everything else that [`Streams`] can end, whether or not it is read.
#[derive(Debug, Clone)]
pub struct Calls<S> {
    inner: S,
    streams: Streams,
    /// The longest that a stream may take.
    longest: Option<Duration>,
}

impl<S> Calls<S> {
    pub(super) fn new(inner: S, streams: Streams, longest: Option<Duration>) -> Self {
        Self { inner, streams, longest }
    }
}

impl<S: NamedService> NamedService for Calls<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Calls<S>
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

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let rpc = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let seed = Seed::new(request.headers(), rpc == "DoGet", self.longest);
        let entered = self.streams.enter(seed);
        let call = Arc::clone(entered.call());
        let span = tracing::info_span!("call", rpc, request_id = %call.request());
        let account = Account {
            entered,
            span: span.clone(),
            begun: Instant::now(),
            trailers: None,
            succeeded: None,
            bytes: 0,
        };
        // Not before it is known: who drains waits for all calls that were not refused.
        let answer = if self.streams.is_draining() {
            None
        } else {
            request.extensions_mut().insert(Arc::clone(&call));
            Some(span.in_scope(|| self.inner.call(request)))
        };
        let answered = async move {
            let status = match answer {
                None => later(DRAINING, "the server is shutting down", RETRY_AFTER),
                Some(answer) => tokio::select! {
                    biased;
                    () = call.over() => call.status(),
                    response = answer => return Ok(account.accompany(response?)),
                },
            };
            Ok(account.accompany(status.into_http()))
        };
        Box::pin(answered.instrument(span))
    }
}

impl Account {
    /// Goes with an answer to its end.
    fn accompany(mut self, mut response: http::Response<Body>) -> http::Response<Body> {
        self.trailers = response.extensions().get::<Trailers>().cloned();
        self.call().request().write(response.headers_mut());
        if http_body::Body::is_end_stream(response.body()) {
            self.succeeded = succeeded(response.headers()).or(Some(true));
            return response;
        }
        response.map(|body| Body::new(CallBody::new(body, self)))
    }
}
