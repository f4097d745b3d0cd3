//! What a stream says when it ends.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use arrow_flight::{FlightDescriptor, Ticket};
use common::archive::{Act, L2A, Place, Tampered, guarded};
use common::{Client, check, descriptor, info, serve, ticket};
use cubeflight_engine::EngineConfig;
use cubeflight_jp2::{OpenJpeg, TileDecoder};
use cubeflight_proto::v1::PlanSummary;
use cubeflight_sentinel2::{CubeRequest, Resolution, Window};
use futures::StreamExt;
use tonic::Code;
use tonic::metadata::MetadataMap;

const BANDS: [&str; 2] = ["B04_60m", "SCL"];
const WINDOW: Window = Window { x: 700, y: 400, width: 500, height: 700 };

fn request() -> CubeRequest {
    let request = L2A.window(&BANDS, Resolution::R60m, WINDOW);
    CubeRequest { max_message_bytes: 200_000, ..request }
}

/// The names that stand there, and their numbers.
fn numbers(metadata: &MetadataMap) -> Vec<(String, u64)> {
    let mut numbers: Vec<_> = metadata
        .clone()
        .into_headers()
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-cubeflight-")?;
            // the only one that is text
            if name == "decoder" {
                return None;
            }
            Some((name.to_owned(), value.to_str().unwrap().parse().unwrap()))
        })
        .collect();
    numbers.sort();
    numbers
}

fn number(metadata: &MetadataMap, name: &str) -> u64 {
    let numbers = numbers(metadata);
    let found = numbers.iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name} in {numbers:?}")).1
}

/// Rows of a stream that succeeds, and its trailers.
async fn trailers(client: &mut Client, ticket: Ticket) -> (u64, MetadataMap) {
    guarded(async {
        let response = client.do_get(ticket).await.unwrap();
        assert_eq!(numbers(response.metadata()), []);
        let mut stream = response.into_inner();
        let mut messages = 0;
        while stream.next().await.transpose().unwrap().is_some() {
            messages += 1;
        }
        (messages - 1, stream.trailers().await.unwrap().unwrap())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cube_ends_with_what_it_cost() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let info = info(&mut client, &request()).await;
    let plan: PlanSummary = serde_json::from_slice(&info.app_metadata).unwrap();
    let (rows, metadata) = trailers(&mut client, ticket(&info)).await;
    assert_eq!(rows, info.total_records as u64);
    assert_eq!(number(&metadata, "rows"), rows);
    assert_eq!(number(&metadata, "upstream-requests"), plan.requests + plan.header_requests);
    assert!(number(&metadata, "upstream-bytes") >= plan.bytes && plan.bytes > 0);
    assert!(number(&metadata, "elapsed-ms") >= number(&metadata, "plan-ms"));
    // B04 at 60 m, SCL at 20 m
    assert_eq!(number(&metadata, "pixels"), (1 + 9) * WINDOW.pixels());
    assert_eq!(metadata.get("x-cubeflight-decoder").unwrap(), OpenJpeg.name());
    for job in ["queue-ms", "fetch-ms", "encode-ms"] {
        number(&metadata, job);
    }
    assert!(number(&metadata, "decode-ms") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_end_with_their_number() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let path = ["tlm", "sentinel-2-l2a", "29UNU"].map(str::to_owned);
    let info = client.get_flight_info(FlightDescriptor::new_path(path.into())).await.unwrap();
    let (messages, metadata) = trailers(&mut client, ticket(&info.into_inner())).await;
    assert_eq!(messages, 1);
    let names: Vec<_> = numbers(&metadata).into_iter().map(|(name, _)| name).collect();
    assert_eq!((names, number(&metadata, "rows")), (vec!["elapsed-ms".into(), "rows".into()], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_it_too() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let store = Tampered::new(&place.store(), |_, number| match number {
        0..4 => Act::Pass,
        _ => Act::Deny,
    });
    let config = EngineConfig { reads_per_stream: 1, ..EngineConfig::default() };
    let mut client = serve(place.tampered(store, config)).await;
    let info = info(&mut client, &request()).await;
    let mut stream = client.do_get(ticket(&info)).await.unwrap().into_inner();
    let mut messages = 0;
    let status = loop {
        match guarded(stream.next()).await.unwrap() {
            Ok(_) => messages += 1,
            Err(status) => break status,
        }
    };
    check(&status, Code::Unavailable, "CF-STO-006");
    assert_eq!(number(status.metadata(), "rows"), messages - 1);
    assert!(number(status.metadata(), "upstream-requests") >= 4);
    assert!(numbers(status.metadata()).iter().any(|(name, _)| name == "elapsed-ms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_never_streams_says_how_long_it_took() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let bare = Ticket::new(descriptor(&CubeRequest { max_message_bytes: 1, ..request() }).cmd);
    for (ticket, code) in [(bare, "CF-PLN-001"), (Ticket::new("{"), "CF-REQ-001")] {
        let status = guarded(client.do_get(ticket)).await.unwrap_err();
        check(&status, Code::InvalidArgument, code);
        let names: Vec<_> = numbers(status.metadata()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["elapsed-ms"]);
    }
}
