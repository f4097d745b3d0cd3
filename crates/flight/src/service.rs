//! The service: which RPC goes where.

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use cubeflight_engine::Engine;
use futures::stream::{self, BoxStream};
use tonic::{Request, Response, Status, Streaming};

use crate::life::{Call, Calls, Options, Server};
use crate::status::{UNIMPLEMENTED, plain};
use crate::trailers::WithTrailers;

/// The service over an engine, as a server takes it; see [`Server`] for one that can be drained.
#[must_use]
pub fn server(engine: Engine) -> Calls<WithTrailers<FlightServiceServer<CubeFlight>>> {
    Server::new(engine, Options::default()).service()
}

/// Cubes over Arrow Flight.
#[derive(Debug, Clone)]
pub struct CubeFlight {
    engine: Engine,
    /// Silence after which a stream gives an empty batch.
    keep_alive: Option<Duration>,
}

impl CubeFlight {
    /// A service over an engine, whose streams are silent as long as there is nothing to send.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine, keep_alive: None }
    }

    pub(crate) fn with_keep_alive(self, keep_alive: Option<Duration>) -> Self {
        Self { keep_alive, ..self }
    }

    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

type Answer<T> = Result<Response<T>, Status>;
pub(crate) type Items<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl FlightService for CubeFlight {
    type HandshakeStream = Items<HandshakeResponse>;
    type ListFlightsStream = Items<FlightInfo>;
    type DoGetStream = Items<FlightData>;
    type DoPutStream = Items<PutResult>;
    type DoActionStream = Items<arrow_flight::Result>;
    type ListActionsStream = Items<ActionType>;
    type DoExchangeStream = Items<FlightData>;

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        self.flight_info(request.into_inner()).await
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        self.schema_of(&request.into_inner()).await
    }

    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let call = request.extensions().get::<Arc<Call>>();
        if let Some(call) = call {
            call.name(&request.get_ref().ticket);
        }
        self.get(request.into_inner()).await
    }

    async fn list_actions(&self, _: Request<Empty>) -> Answer<Self::ListActionsStream> {
        Ok(Response::new(Box::pin(stream::empty())))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        Err(unimplemented("Handshake", "no login is needed"))
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        self.list(&request.into_inner()).await
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<PollInfo> {
        Err(unimplemented("PollFlightInfo", "GetFlightInfo answers at once"))
    }

    async fn do_action(&self, _: Request<Action>) -> Answer<Self::DoActionStream> {
        Err(unimplemented("DoAction", "there are no actions, see ListActions"))
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        Err(unimplemented("DoPut", "cubes are read only"))
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Answer<Self::DoExchangeStream> {
        Err(unimplemented("DoExchange", "use GetFlightInfo and DoGet"))
    }
}

fn unimplemented(rpc: &str, instead: &str) -> Status {
    plain(UNIMPLEMENTED, &format!("{rpc} is not served: {instead}"))
}
