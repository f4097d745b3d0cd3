//! What Flight promises beyond streams: endpoints, renewal, polling, tickets without a catalogue.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_flight::{Action, FlightDescriptor, RenewFlightEndpointRequest, Ticket};
use arrow_schema::{Metadata, Schema};
use async_trait::async_trait;
use common::archive::{L2A, Place, guarded};
use common::{check, descriptor, info, messages, serve, serve_with, ticket};
use cubeflight_catalog::{ArchiveListing, Catalog, Found, Query};
use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_flight::TicketKeys;
use cubeflight_index::Index;
use cubeflight_proto::v1::PlanSummary;
use cubeflight_proto::{Presented, decode_ticket, encode_ticket, v1};
use cubeflight_sentinel2::{CubeRequest, Resolution, Window};
use cubeflight_storage::{Options, Root};
use futures::TryStreamExt;
use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use sha2::Sha256;
use tonic::Code;

const BANDS: [&str; 2] = ["B04_60m", "SCL"];
const WINDOW: Window = Window { x: 700, y: 400, width: 200, height: 100 };

fn request() -> CubeRequest {
    L2A.window(&BANDS, Resolution::R60m, WINDOW)
}

/// A catalogue that can be shut.
#[derive(Debug)]
struct Shut {
    inner: ArchiveListing,
    shut: Arc<AtomicBool>,
}

#[async_trait]
impl Catalog for Shut {
    async fn search(&self, query: &Query) -> cubeflight_catalog::Result<Found> {
        assert!(!self.shut.load(Ordering::SeqCst), "the catalogue is asked");
        self.inner.search(query).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redeeming_asks_no_catalogue() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let store = Root::open(place.store().to_str().unwrap(), &Options::default()).unwrap();
    let shut = Arc::new(AtomicBool::new(false));
    let catalog = Shut { inner: ArchiveListing::new(store), shut: Arc::clone(&shut) };
    let mut client = serve(place.engine_with(EngineConfig::default(), catalog)).await;
    let info = info(&mut client, &request()).await;
    shut.store(true, Ordering::SeqCst);
    let rows = messages(&mut client, ticket(&info)).await.unwrap();
    assert_eq!(rows.len() as i64, info.total_records + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_ticket_gives_the_same() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let info = info(&mut client, &request()).await;
    let [endpoint] = info.endpoint.as_slice() else { panic!("{info:?}") };
    assert_eq!(endpoint.location[0].uri, "arrow-flight-reuse-connection://?");
    let body = RenewFlightEndpointRequest { endpoint: Some(endpoint.clone()) }.encode_to_vec();
    let action = Action::new("RenewFlightEndpoint", body);
    let results = client.do_action(action).await.unwrap().into_inner();
    let results: Vec<arrow_flight::Result> = guarded(results.try_collect()).await.unwrap();
    let renewed = arrow_flight::FlightEndpoint::decode(results[0].body.clone()).unwrap();
    let until = |it: &arrow_flight::FlightEndpoint| it.expiration_time.as_ref().unwrap().seconds;
    assert!(until(&renewed) >= until(endpoint));
    assert_eq!(renewed.app_metadata, endpoint.app_metadata);
    let again: Ticket = renewed.ticket.unwrap();
    assert_ne!(Some(&again), endpoint.ticket.as_ref());
    let first = messages(&mut client, ticket(&info)).await.unwrap();
    assert_eq!(messages(&mut client, again).await.unwrap(), first);
}

/// Tickets that this deployment has signed, but another version of the server.
#[tokio::test(flavor = "multi_thread")]
async fn tickets_of_other_versions_are_refused() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let secret = [7; 32];
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = TicketKeys::parse(&format!("a {digits}")).unwrap();
    let mut client = serve_with(place.engine(EngineConfig::default()), keys).await;
    let info = info(&mut client, &request()).await;
    let Presented::Signed(signed) = decode_ticket(&ticket(&info).ticket).unwrap() else {
        panic!("not signed")
    };
    let bytes = zstd::decode_all(signed.ticket.as_slice()).unwrap();
    let original = v1::Ticket::decode(bytes.as_slice()).unwrap();
    let sign = |ticket: &v1::Ticket| {
        let ticket = zstd::encode_all(ticket.encode_to_vec().as_slice(), 3).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(b"a\0");
        mac.update(&ticket);
        let signature = mac.finalize().into_bytes().to_vec();
        let signed = v1::SignedTicket { key: "a".to_owned(), ticket, signature };
        Ticket::new(encode_ticket(&signed).unwrap())
    };
    messages(&mut client, sign(&original)).await.unwrap();

    let newer = v1::Ticket { version: original.version + 1, ..original.clone() };
    let refused = messages(&mut client, sign(&newer)).await.unwrap_err();
    check(&refused, Code::FailedPrecondition, "CF-REQ-003");
    let mut other_blocks = original;
    let Some(v1::ticket::Content::Cube(cube)) = &mut other_blocks.content else {
        panic!("no cube")
    };
    cube.row_blocks += 1;
    let refused = messages(&mut client, sign(&other_blocks)).await.unwrap_err();
    check(&refused, Code::FailedPrecondition, "CF-FLT-017");
}

/// A poll looks into files; who asks after that finds all of them in the index.
#[tokio::test(flavor = "multi_thread")]
async fn polling_completes_the_index() {
    let Some(place) = Place::new(&[(L2A, &BANDS[..])]) else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let summary = |info: &arrow_flight::FlightInfo| -> PlanSummary {
        serde_json::from_slice(&info.app_metadata).unwrap()
    };
    let before = info(&mut client, &request()).await;
    assert_eq!(summary(&before).assets_without_index, 2);
    let mut next: Option<FlightDescriptor> = Some(descriptor(&request()));
    let mut last = None;
    while let Some(descriptor) = next {
        let poll = guarded(client.poll_flight_info(descriptor)).await.unwrap().into_inner();
        next = poll.flight_descriptor.clone();
        last = Some(poll);
    }
    let poll = last.unwrap();
    assert_eq!(poll.progress, Some(1.0));
    let done = poll.info.unwrap();
    assert_eq!(summary(&done).assets_without_index, 0);
    let rows = messages(&mut client, ticket(&done)).await.unwrap();
    assert_eq!(rows.len() as i64, done.total_records + 1);
    let after = info(&mut client, &request()).await;
    assert_eq!(summary(&after).assets_without_index, 0);
}

/// The schema that clients depend on, with a band, a class band, an image of colours and a mask of
/// flags; a change of it is a change of the wire.
#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_the_golden_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path().to_str().unwrap(), &Options::default()).unwrap();
    let catalog = Arc::new(ArchiveListing::new(root.clone()));
    let index = Index::new(root.clone());
    let engine = Engine::new(root, index, catalog, EngineConfig::default()).unwrap();
    let mut client = serve(engine).await;
    let request = r#"{
        "tile": "33TVN", "datetime": "2021-06", "bands": ["B08", "SCL", "TCI", "QUALIT_B02"],
        "bounds": {"minX": 449030, "minY": 5204447, "maxX": 459657, "maxY": 5214944}, "align": "20m"
    }"#;
    let asked = client.get_schema(FlightDescriptor::new_cmd(request));
    let schema = Schema::try_from(&guarded(asked).await.unwrap().into_inner()).unwrap();
    let sorted = |metadata: &Metadata, indent: &str| {
        let mut lines: Vec<String> =
            metadata.iter().map(|(key, value)| format!("{indent}@ {key} = {value}")).collect();
        lines.sort();
        lines
    };
    let mut found = sorted(schema.metadata(), "");
    let version = format!("@ cubeflight:server_version = {}", env!("CARGO_PKG_VERSION"));
    assert!(found.contains(&version));
    found.retain(|line| *line != version);
    for field in schema.fields() {
        let null = if field.is_nullable() { "nullable" } else { "not null" };
        found.push(format!("{}: {}, {null}", field.name(), field.data_type()));
        found.extend(sorted(field.metadata(), "  "));
    }
    let golden = include_str!("golden/cube.txt");
    assert_eq!(found.join("\n"), golden.trim_end());
}
