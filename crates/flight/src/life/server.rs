//! The service with what is shared by all its calls.

use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use cubeflight_engine::Engine;

use super::calls::Calls;
use super::streams::{StreamStats, Streams};
use crate::trailers::WithTrailers;
use crate::{CubeFlight, Issuing};

/// Largest message that is taken from a caller: a request of 256 KiB, wrapped.
const MAX_REQUEST: usize = 512 * 1024;

/// How a server treats its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// After so much silence a stream gives an empty batch; `None` leaves it silent.
    pub keep_alive: Option<Duration>,
    /// The longest that a stream may take.
    pub longest_stream: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep_alive: Some(Duration::from_secs(5)), longest_stream: None }
    }
}

impl Options {
    /// Keep-alives after so much silence; zero is never.
    #[must_use]
    pub fn with_keep_alive(self, interval: Duration) -> Self {
        Self { keep_alive: Some(interval).filter(|interval| !interval.is_zero()), ..self }
    }

    /// An end of all streams.
    #[must_use]
    pub fn with_longest_stream(self, longest: Option<Duration>) -> Self {
        Self { longest_stream: longest, ..self }
    }
}

/// The Flight service over an engine, and the calls that it is answering.
#[derive(Debug, Clone)]
pub struct Server {
    service: CubeFlight,
    options: Options,
}

impl Server {
    /// Nothing is answered before [`Self::service`] is added to a server.
    #[must_use]
    pub fn new(engine: Engine, issuing: Issuing, options: Options) -> Self {
        let service = CubeFlight::new(engine, issuing).with_keep_alive(options.keep_alive);
        Self { service, options }
    }

    /// What a tonic server takes.
    #[must_use]
    pub fn service(&self) -> Calls<WithTrailers<FlightServiceServer<CubeFlight>>> {
        let service = FlightServiceServer::new(self.service.clone());
        let service = WithTrailers::new(service.max_decoding_message_size(MAX_REQUEST));
        Calls::new(service, self.streams().clone(), self.options.longest_stream)
    }

    /// The calls that it is answering.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        self.service.streams()
    }

    /// How streams ended so far.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        self.streams().stats()
    }
}
