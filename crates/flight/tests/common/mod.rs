//! A server in the test's process, and a client of it.

#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]

// The archive of the engine's tests, so that both test the same files.
#[path = "../../../engine/tests/common/mod.rs"]
pub mod archive;

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{FlightData, FlightDescriptor, FlightInfo, Ticket};
use cubeflight_engine::Engine;
use cubeflight_flight::{Issuing, TicketKeys};
use cubeflight_proto::{encode_request_json, v1};
use cubeflight_sentinel2::CubeRequest;
use futures::TryStreamExt;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Status};

pub type Client = FlightServiceClient<Channel>;

/// Serves an engine on a free port, until the runtime of the test ends.
pub async fn serve(engine: Engine) -> Client {
    serve_with(engine, TicketKeys::random().unwrap()).await
}

pub async fn serve_with(engine: Engine, keys: TicketKeys) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let issuing = Issuing::new(keys);
    let server = Server::builder().add_service(cubeflight_flight::server(engine, issuing));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    FlightServiceClient::new(endpoint.connect().await.unwrap())
}

pub fn descriptor(request: &CubeRequest) -> FlightDescriptor {
    FlightDescriptor::new_cmd(encode_request_json(&v1::CubeRequest::from(request)).unwrap())
}

pub async fn info(client: &mut Client, request: &CubeRequest) -> FlightInfo {
    let info = archive::guarded(client.get_flight_info(descriptor(request))).await;
    info.unwrap().into_inner()
}

pub fn ticket(info: &FlightInfo) -> Ticket {
    let [endpoint] = info.endpoint.as_slice() else { panic!("one endpoint: {info:?}") };
    endpoint.ticket.clone().unwrap()
}

/// All messages of a stream, or the error that ends it.
pub async fn messages(client: &mut Client, ticket: Ticket) -> Result<Vec<FlightData>, Status> {
    archive::guarded(async { client.do_get(ticket).await?.into_inner().try_collect().await }).await
}

/// The status has this gRPC code, and its text begins with this code of ours.
pub fn check(status: &Status, grpc: Code, code: &str) {
    assert_eq!(status.code(), grpc, "{status}");
    let text = status.message();
    assert!(text.starts_with(&format!("{code} ")), "{text} instead of {code}");
    assert!(text.contains("; hint=") && text.is_ascii() && text.len() <= 2_000, "{text}");
}
