//! The service: which RPC goes where.

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use cubeflight_engine::Engine;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tonic::{Request, Response, Status, Streaming};

use crate::actions;
use crate::caller::Caller;
use crate::handshake;
use crate::life::{Call, Calls, Options, Server, Streams};
use crate::locations::Locations;
use crate::status::{UNIMPLEMENTED, plain};
use crate::ticket::{Sealer, TicketKeys};
use crate::trailers::WithTrailers;

/// What tickets are and where they are redeemed.
#[derive(Debug, Clone)]
pub struct Issuing {
    /// Keys that sign tickets.
    pub keys: TicketKeys,
    /// How long a ticket is valid.
    pub lifetime: Duration,
    /// Endpoints of a cube unless a request says otherwise, at least 1.
    pub endpoints: usize,
    /// The replicas of the deployment.
    pub locations: Locations,
}

impl Issuing {
    /// Tickets of an hour, one endpoint, a server alone.
    #[must_use]
    pub fn new(keys: TicketKeys) -> Self {
        let lifetime = Duration::from_secs(3_600);
        Self { keys, lifetime, endpoints: 1, locations: Locations::default() }
    }
}

/// The service over an engine, as a server takes it; see [`Server`] for one that can be drained.
#[must_use]
pub fn server(
    engine: Engine,
    issuing: Issuing,
) -> Calls<WithTrailers<FlightServiceServer<CubeFlight>>> {
    Server::new(engine, issuing, Options::default()).service()
}

/// Cubes over Arrow Flight.
#[derive(Debug, Clone)]
pub struct CubeFlight {
    engine: Engine,
    sealer: Sealer,
    endpoints: usize,
    locations: Locations,
    streams: Streams,
    /// Silence after which a stream gives an empty batch.
    keep_alive: Option<Duration>,
}

impl CubeFlight {
    /// A service over an engine, whose streams are silent as long as there is nothing to send.
    #[must_use]
    pub fn new(engine: Engine, issuing: Issuing) -> Self {
        let Issuing { keys, lifetime, endpoints, locations } = issuing;
        let sealer = Sealer::new(keys, lifetime);
        let streams = Streams::default();
        Self { engine, sealer, endpoints, locations, streams, keep_alive: None }
    }

    pub(crate) fn with_keep_alive(self, keep_alive: Option<Duration>) -> Self {
        Self { keep_alive, ..self }
    }

    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive
    }

    /// The calls that are being answered.
    pub(crate) fn streams(&self) -> &Streams {
        &self.streams
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub(crate) fn default_endpoints(&self) -> usize {
        self.endpoints
    }

    pub(crate) fn locations(&self) -> &Locations {
        &self.locations
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
        let caller = Caller::of(request.metadata())?;
        self.flight_info(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        self.schema_of(&request.into_inner()).await
    }

    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let caller = Caller::of(request.metadata())?;
        let call = request.extensions().get::<Arc<Call>>().cloned();
        self.get(&caller, call.as_deref(), request.into_inner()).await
    }

    async fn list_actions(&self, _: Request<Empty>) -> Answer<Self::ListActionsStream> {
        Ok(Response::new(actions::types()))
    }

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        handshake::answer(request)
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        let caller = Caller::of(request.metadata())?;
        let infos = self.list(&caller, &request.into_inner()).await?;
        Ok(Response::new(stream::iter(infos.into_iter().map(Ok)).boxed()))
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<PollInfo> {
        let caller = Caller::of(request.metadata())?;
        self.poll(&caller, request.into_inner()).await.map(Response::new)
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        let caller = Caller::of(request.metadata())?;
        self.act(&caller, &request.into_inner()).await
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
