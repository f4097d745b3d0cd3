//! How calls and streams end, and what they say meanwhile.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightData,
    FlightDescriptor, FlightInfo, Ticket,
};
use cubeflight_catalog::{ArchiveListing, Catalog, Found, Query};
use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_flight::{Issuing, Options, Server, TicketKeys};
use cubeflight_sentinel2::{CubeRequest, Resolution, Window};
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status, Streaming};

use common::archive::{Act, L2A, Place, Tampered, guarded, until};
use common::{Client, check, descriptor, info, ticket};

const BANDS: [&str; 2] = ["B04_60m", "SCL"];
const WINDOW: Window = Window { x: 700, y: 400, width: 500, height: 700 };
/// Short, so that tests are.
const SILENCE: Duration = Duration::from_millis(50);

fn request() -> CubeRequest {
    let request = L2A.window(&BANDS, Resolution::R60m, WINDOW);
    CubeRequest { max_message_bytes: 200_000, ..request }
}

fn bare() -> Ticket {
    Ticket::new(descriptor(&request()).cmd)
}

/// A server that can be drained, and a client of it.
async fn serve(engine: Engine, options: Options) -> (Server, Client) {
    let issuing = Issuing::new(TicketKeys::random().unwrap());
    let server = Server::new(engine, issuing, options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = tonic::transport::Server::builder().add_service(server.service());
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    (server, FlightServiceClient::new(endpoint.connect().await.unwrap()))
}

/// A server whose store never answers.
async fn silent(place: &Place, options: Options) -> (Arc<Tampered>, Server, Client) {
    let store = Tampered::new(&place.store(), |_, _| Act::Hang);
    let engine = place.tampered(Arc::clone(&store), EngineConfig::default());
    let (server, client) = serve(engine, options).await;
    (store, server, client)
}

fn quiet() -> Options {
    Options::default().with_keep_alive(Duration::ZERO)
}

async fn message(stream: &mut Streaming<FlightData>) -> Result<FlightData, Status> {
    guarded(stream.next()).await.unwrap()
}

fn is_keep_alive(message: &FlightData) -> bool {
    let note: serde_json::Value = serde_json::from_slice(&message.app_metadata).unwrap_or_default();
    note["keep_alive"] == true
}

/// A catalogue that answers when it may, and fails where its gate is shut for good.
#[derive(Debug)]
struct Gated {
    listing: ArchiveListing,
    gate: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Catalog for Gated {
    async fn search(&self, query: &Query) -> cubeflight_catalog::Result<Found> {
        let shut = |_| cubeflight_catalog::Error::Unreachable { reason: "shut".to_owned() };
        let _open = self.gate.acquire().await.map_err(shut)?;
        self.listing.search(query).await
    }
}

fn gated(place: &Place) -> (Arc<Semaphore>, Engine) {
    let gate = Arc::new(Semaphore::new(0));
    let options = cubeflight_storage::Options::default();
    let archive = cubeflight_storage::Root::open(place.store().to_str().unwrap(), &options);
    let listing = ArchiveListing::new(archive.unwrap());
    let catalog = Gated { listing, gate: Arc::clone(&gate) };
    (gate, place.engine_with(EngineConfig::default(), catalog))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_store_is_not_a_silent_stream() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let options = Options::default().with_keep_alive(SILENCE);
    let (_, _, mut client) = silent(&place, options).await;
    let stream = client.do_get(bare()).await.unwrap().into_inner();
    let mut batches = FlightRecordBatchStream::new_from_flight_data(
        stream.map_err(arrow_flight::error::FlightError::from),
    );
    for _ in 0..3 {
        let batch = guarded(batches.next()).await.unwrap().unwrap();
        assert_eq!(batch.num_rows(), 0);
        assert_eq!(Some(&batch.schema()), batches.schema());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_planning_is_part_of_the_stream() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut prompt = serve(place.engine(EngineConfig::default()), quiet()).await.1;
    let want = common::messages(&mut prompt, bare()).await.unwrap();

    let (gate, engine) = gated(&place);
    let (_, mut client) = serve(engine, Options::default().with_keep_alive(SILENCE)).await;
    let mut stream = guarded(client.do_get(bare())).await.unwrap().into_inner();
    assert_eq!(message(&mut stream).await.unwrap(), want[0], "the schema");
    for _ in 0..2 {
        let empty = message(&mut stream).await.unwrap();
        assert!(is_keep_alive(&empty) && !empty.data_header.is_empty());
    }
    gate.add_permits(1);
    let rows: Vec<FlightData> = guarded(stream.try_collect()).await.unwrap();
    let rows: Vec<_> = rows.into_iter().filter(|message| !is_keep_alive(message)).collect();
    assert_eq!(rows, want[1..]);

    // what goes wrong then ends the stream
    let (gate, engine) = gated(&place);
    let (_, mut client) = serve(engine, Options::default().with_keep_alive(SILENCE)).await;
    let mut stream = guarded(client.do_get(bare())).await.unwrap().into_inner();
    message(&mut stream).await.unwrap();
    gate.close();
    let failure = loop {
        match message(&mut stream).await {
            Ok(message) => assert!(is_keep_alive(&message)),
            Err(status) => break status,
        }
    };
    assert_eq!(failure.code(), Code::Unavailable);
    assert!(failure.message().starts_with("CF-CAT-"), "{failure}");
    assert!(failure.metadata().contains_key("x-cubeflight-elapsed-ms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_end_streams_and_what_is_behind_them() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let (store, server, mut client) = silent(&place, Options::default()).await;
    let mut call = Request::new(bare());
    call.set_timeout(Duration::from_millis(400));
    let mut stream = guarded(client.do_get(call)).await.unwrap().into_inner();
    message(&mut stream).await.unwrap();
    until(|| store.waiting() > 0).await;
    let status = message(&mut stream).await.unwrap_err();
    check(&status, Code::DeadlineExceeded, "CF-FLT-010");
    assert!(status.metadata().contains_key("x-cubeflight-rows"));
    until(|| store.waiting() == 0).await;
    until(|| server.stats().deadline == 1).await;

    // the server's own limit, met by a client that does not read
    let longest = Some(Duration::from_millis(300));
    let (store, server, mut client) = silent(&place, quiet().with_longest_stream(longest)).await;
    let mut stream = guarded(client.do_get(bare())).await.unwrap().into_inner();
    until(|| store.waiting() > 0).await;
    until(|| store.waiting() == 0).await;
    message(&mut stream).await.unwrap();
    let status = message(&mut stream).await.unwrap_err();
    check(&status, Code::DeadlineExceeded, "CF-FLT-012");
    until(|| server.stats().deadline == 1 && server.stats().running == 0).await;

    // planning has the same deadline, also where it is waited for
    let (_gate, engine) = gated(&place);
    let (server, mut client) = serve(engine, quiet().with_longest_stream(longest)).await;
    let status = guarded(client.do_get(bare())).await.unwrap_err();
    check(&status, Code::DeadlineExceeded, "CF-FLT-012");
    assert_eq!(server.stats().deadline, 1);
    let mut call = Request::new(FlightDescriptor::new_cmd(bare().ticket));
    call.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
    let status = guarded(client.get_flight_info(call)).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status}");
}

/// What CancelFlightInfo says.
async fn cancel(client: &mut Client, info: &FlightInfo) -> CancelStatus {
    let body = CancelFlightInfoRequest { info: Some(info.clone()) }.encode_to_vec();
    let action = Action::new("CancelFlightInfo", body);
    let results = guarded(client.do_action(action)).await.unwrap().into_inner();
    let results: Vec<arrow_flight::Result> = guarded(results.try_collect()).await.unwrap();
    CancelFlightInfoResult::decode(results[0].body.clone()).unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_end_their_streams() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let (store, server, mut client) = silent(&place, quiet()).await;
    let info = info(&mut client, &request()).await;
    let ticket = ticket(&info);
    assert_eq!(cancel(&mut client, &info).await, CancelStatus::NotCancellable);
    // the catalogue, which a ticket does not ask, has no connections when all are waiting
    let mut other = client.do_get(bare()).await.unwrap().into_inner();
    let mut first = client.do_get(ticket.clone()).await.unwrap().into_inner();
    let mut second = client.do_get(ticket).await.unwrap().into_inner();
    // streams of the same pixels wait for the same reads
    until(|| store.waiting() > 0).await;
    assert_eq!(server.stats().running, 3);
    assert_eq!(cancel(&mut client, &info).await, CancelStatus::Cancelled);
    for stream in [&mut first, &mut second] {
        message(stream).await.unwrap();
        check(&message(stream).await.unwrap_err(), Code::Aborted, "CF-FLT-011");
    }
    until(|| server.stats().action == 2).await;
    assert_eq!(server.stats().running, 1);
    message(&mut other).await.unwrap();
    drop(other);
    until(|| server.stats().client == 1).await;
    until(|| store.waiting() == 0).await;
    assert_eq!(server.stats().running, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_refuses_new_calls_and_lets_others_finish() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let (gate, engine) = gated(&place);
    let (server, mut client) = serve(engine, quiet()).await;
    let mut running = client.clone();
    let running = tokio::spawn(async move { common::messages(&mut running, bare()).await });
    until(|| server.stats().running == 1).await;

    server.streams().drain();
    let refused = [
        guarded(client.do_get(bare())).await.unwrap_err(),
        guarded(client.get_schema(descriptor(&request()))).await.unwrap_err(),
    ];
    for status in &refused {
        check(status, Code::Unavailable, "CF-FLT-008");
        assert!(status.message().contains("; retry_after=1; "), "{status}");
    }
    let idle = server.streams().clone();
    let idle = tokio::spawn(async move { idle.idle().await });
    assert!(!idle.is_finished());
    gate.add_permits(1);
    assert!(guarded(running).await.unwrap().unwrap().len() > 1);
    guarded(idle).await.unwrap();
    assert_eq!((server.stats().completed, server.stats().running), (1, 0));

    // who does not finish is told
    let (store, server, mut client) = silent(&place, quiet()).await;
    let mut stream = client.do_get(bare()).await.unwrap().into_inner();
    until(|| store.waiting() > 0).await;
    server.streams().drain();
    server.streams().end_all();
    until(|| store.waiting() == 0).await;
    message(&mut stream).await.unwrap();
    check(&message(&mut stream).await.unwrap_err(), Code::Unavailable, "CF-FLT-009");
    guarded(server.streams().idle()).await;
    assert_eq!((server.stats().drain, server.stats().running), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_have_names() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let (server, mut client) = serve(place.engine(EngineConfig::default()), quiet()).await;
    let mut call = Request::new(bare());
    call.metadata_mut().insert("x-request-id", "mine-1".parse().unwrap());
    let response = guarded(client.do_get(call)).await.unwrap();
    assert_eq!(response.metadata().get("x-request-id").unwrap(), "mine-1");
    let mut stream = response.into_inner();
    while guarded(stream.next()).await.transpose().unwrap().is_some() {}
    let trailers = stream.trailers().await.unwrap().unwrap();
    assert_eq!(trailers.get("x-request-id").unwrap(), "mine-1");
    until(|| server.stats().completed == 1).await;

    let mut names = Vec::new();
    for _ in 0..2 {
        let mut call = Request::new(Ticket::new("{"));
        call.metadata_mut().insert("x-request-id", "not sane".parse().unwrap());
        let status = guarded(client.do_get(call)).await.unwrap_err();
        check(&status, Code::InvalidArgument, "CF-REQ-001");
        let name = status.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        assert!(name.len() == 32 && !status.message().contains(&name));
        names.push(name);
    }
    assert_ne!(names[0], names[1]);
    until(|| server.stats().error == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_pauses_is_not_flooded_with_signs_of_life() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let options = Options::default().with_keep_alive(Duration::from_millis(1));
    let (_, _, mut client) = silent(&place, options).await;
    let mut stream = client.do_get(bare()).await.unwrap().into_inner();
    message(&mut stream).await.unwrap();
    let begun = Instant::now();
    for _ in 0..20 {
        assert!(is_keep_alive(&message(&mut stream).await.unwrap()));
    }
    assert!(begun.elapsed() >= Duration::from_millis(15));
}
