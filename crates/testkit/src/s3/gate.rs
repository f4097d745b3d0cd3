//! Around s3s: latency before the headers, faults, the log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use s3s::StdError;
use s3s::service::S3Service;
use tokio_util::sync::CancellationToken;

use super::body::{Cut, Paced};
use super::exchange::Exchange;
use super::fault::Fault;
use super::log::Log;
use super::pace::Line;
use super::profile::Profile;
use super::socket::Reset;

/// What all connections share.
pub(crate) struct Gate {
    pub(crate) service: S3Service,
    pub(crate) profile: Profile,
    pub(crate) total: Option<Arc<Line>>,
    pub(crate) log: Arc<Log>,
    pub(crate) stop: CancellationToken,
}

/// What the requests of a connection share.
#[derive(Clone)]
pub(crate) struct Connection {
    gate: Arc<Gate>,
    lines: Vec<Arc<Line>>,
    reset: Reset,
}

impl Connection {
    pub(crate) fn new(gate: Arc<Gate>, reset: Reset) -> Self {
        let own = gate.profile.connection_rate.map(|rate| Arc::new(Line::new(rate)));
        let lines = own.into_iter().chain(gate.total.clone()).collect();
        Self { gate, lines, reset }
    }

    /// Answers a request. An error ends the connection without an answer.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Paced>, StdError> {
        let (mut head, body) = request.into_parts();
        let log = Arc::clone(&self.gate.log);
        let exchange = Arc::new(Exchange::new(&head, log, self.lines));
        head.extensions.insert(Arc::clone(&exchange));
        let request = Request::from_parts(head, s3s::Body::from(body));
        let response = self.gate.service.call(request).await.map_err(StdError::from)?;

        tokio::time::sleep_until((exchange.ready() + self.gate.profile.latency).into()).await;

        let no_body = exchange.method == "HEAD" || response.body().size_hint().exact() == Some(0);
        let length = response.body().size_hint().exact().unwrap_or(u64::MAX);
        let cut = match exchange.fault.get() {
            Some(Fault::Hang { at_most }) => {
                tokio::select! {
                    () = tokio::time::sleep(*at_most) => {}
                    () = self.gate.stop.cancelled() => {}
                }
                return Err(broken_off());
            }
            Some(fault @ (Fault::Reset { bytes } | Fault::Short { bytes })) => {
                let reset = matches!(fault, Fault::Reset { .. }).then(|| Arc::clone(&self.reset));
                if no_body {
                    if let Some(reset) = reset {
                        reset.store(true, Ordering::Relaxed);
                    }
                    return Err(broken_off());
                }
                let after = bytes.unwrap_or(length / 2).min(length.saturating_sub(1));
                Some(Cut { after, reset })
            }
            _ => None,
        };
        exchange.set_status(response.status().as_u16());
        Ok(response.map(|body| Paced::new(body, exchange, cut)))
    }
}

fn broken_off() -> StdError {
    io::Error::new(io::ErrorKind::ConnectionAborted, "no answer on purpose").into()
}
