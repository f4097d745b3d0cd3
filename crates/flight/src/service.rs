//! The service: which RPC goes where.

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use cubeflight_engine::Engine;
use futures::stream::{self, BoxStream};
use tonic::{Request, Response, Status, Streaming};

use crate::status::{UNIMPLEMENTED, plain};
use crate::trailers::WithTrailers;

/// The service over an engine, as a server takes it: streams end with trailers.
#[must_use]
pub fn server(engine: Engine) -> WithTrailers<FlightServiceServer<CubeFlight>> {
    WithTrailers::new(FlightServiceServer::new(CubeFlight::new(engine)))
}

/// Cubes over Arrow Flight.
#[derive(Debug, Clone)]
pub struct CubeFlight {
    engine: Engine,
}

impl CubeFlight {
    /// A service over an engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine }
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
