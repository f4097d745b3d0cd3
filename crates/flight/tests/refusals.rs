//! Calls that are refused: each with its gRPC status and a code.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{Action, Criteria, FlightData, FlightDescriptor, Ticket};
use common::archive::guarded;
use common::{Client, check, messages, serve, ticket};
use cubeflight_catalog::ArchiveListing;
use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_index::Index;
use cubeflight_proto::decode_ticket;
use cubeflight_storage::{Options, Root};
use futures::{StreamExt, stream};
use tempfile::TempDir;
use tonic::{Code, Status};

/// A server over an archive that is empty.
async fn empty() -> (TempDir, Client) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path().to_str().unwrap(), &Options::default()).unwrap();
    let catalog = Arc::new(ArchiveListing::new(root.clone()));
    let index = Index::new(root.clone());
    let engine = Engine::new(root, index, catalog, EngineConfig::default()).unwrap();
    (folder, serve(engine).await)
}

async fn refused(client: &mut Client, descriptor: FlightDescriptor) -> Status {
    let info = guarded(client.get_flight_info(descriptor.clone())).await.unwrap_err();
    let schema = guarded(client.get_schema(descriptor)).await.unwrap_err();
    assert_eq!((info.code(), info.message()), (schema.code(), schema.message()));
    info
}

#[tokio::test]
async fn descriptors() {
    let (_folder, mut client) = empty().await;
    for (segments, grpc, code) in [
        (&[][..], Code::InvalidArgument, "CF-FLT-004"),
        (&["sentinel-2-l2a"], Code::InvalidArgument, "CF-FLT-004"),
        (&["sentinel-2-l2a", "banana"], Code::InvalidArgument, "CF-S2-001"),
        (&["sentinel-2-l2a", "29UNU", "B08"], Code::InvalidArgument, "CF-FLT-004"),
        (&["tlm"], Code::InvalidArgument, "CF-FLT-004"),
        (&["tlm", "sentinel-2-l2a"], Code::InvalidArgument, "CF-FLT-004"),
        (&["tlm", "landsat-c2-l2", "29UNU"], Code::InvalidArgument, "CF-S2-009"),
        (&["tlm", "sentinel-2-l2a", "banana"], Code::InvalidArgument, "CF-S2-001"),
        (&["tlm", "sentinel-2-l2a", "29UNU", "colour=red"], Code::InvalidArgument, "CF-REQ-004"),
    ] {
        let path = segments.iter().map(|&segment| segment.to_owned()).collect();
        check(&refused(&mut client, FlightDescriptor::new_path(path)).await, grpc, code);
    }
    let mut unknown = FlightDescriptor::new_cmd("{}");
    for kind in [DescriptorType::Unknown as i32, 77, -1] {
        unknown.r#type = kind;
        let status = refused(&mut client, unknown.clone()).await;
        check(&status, Code::InvalidArgument, "CF-FLT-002");
    }
    let none = FlightDescriptor::default();
    check(&refused(&mut client, none).await, Code::InvalidArgument, "CF-FLT-002");
}

#[tokio::test]
async fn requests() {
    let (_folder, mut client) = empty().await;
    let long = format!(r#"{{"tile": "{}"}}"#, "x".repeat(300_000));
    for (request, code) in [
        ("", "CF-REQ-001"),
        ("{", "CF-REQ-001"),
        (r#"{"tile": 7}"#, "CF-REQ-001"),
        (r#"{"tiles": "29UNU"}"#, "CF-REQ-001"),
        (long.as_str(), "CF-REQ-002"),
        (r#"{"bands": ["SCL"]}"#, "CF-REQ-005"),
        (r#"{"tile": "29UNU"}"#, "CF-REQ-005"),
        (r#"{"tile": "29UNU", "bands": ["SCL"], "onError": "maybe"}"#, "CF-REQ-004"),
        (r#"{"tile": "29UNU", "bands": ["SCL"], "cloudCoverMax": 101}"#, "CF-REQ-006"),
        (r#"{"tile": "61UNU", "bands": ["SCL"]}"#, "CF-S2-002"),
        (r#"{"tile": "29UNU", "bands": ["B99"]}"#, "CF-S2-013"),
        (r#"{"tile": "29UNU", "bands": ["SCL"], "reduce": 5}"#, "CF-S2-021"),
        (r#"{"tile": "29UNU", "bands": ["SCL"], "reduce": -1}"#, "CF-REQ-001"),
        (r#"{"tile": "29UNU", "bands": ["SCL"], "maxMessageBytes": 100}"#, "CF-PLN-001"),
        (r#"{"tile": "29UNU", "bands": ["SCL"], "maxEndpoints": 65}"#, "CF-REQ-006"),
        (
            r#"{"tile": "29UNU", "bands": ["SCL"], "crs": "EPSG:999999",
                "bounds": {"minX": 1, "minY": 1, "maxX": 2, "maxY": 2}}"#,
            "CF-CRS-002",
        ),
    ] {
        let status = refused(&mut client, FlightDescriptor::new_cmd(request.to_owned())).await;
        check(&status, Code::InvalidArgument, code);
        let ticket = Ticket::new(request.to_owned());
        let status = messages(&mut client, ticket).await.unwrap_err();
        check(&status, Code::InvalidArgument, code);
    }
}

/// A ticket that is cut, has a bit flipped, or is noise is refused; none of them is taken for another.
#[tokio::test]
async fn tickets() {
    let (_folder, mut client) = empty().await;
    let request = r#"{"tile": "29UNU", "bands": ["SCL"]}"#;
    let info = guarded(client.get_flight_info(FlightDescriptor::new_cmd(request))).await;
    let good = ticket(&info.unwrap().into_inner()).ticket.to_vec();
    assert_eq!(messages(&mut client, Ticket::new(good.clone())).await.unwrap().len(), 1);

    let flipped = (0..good.len() * 8).map(|bit| {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    let cut = (0..good.len()).map(|end| good[..end].to_vec());
    for bytes in flipped.chain(cut).chain([vec![0xff; 64], vec![0; 1000]]) {
        // what protobuf takes for the same message is the same ticket
        let same = match (decode_ticket(&bytes), decode_ticket(&good)) {
            (Ok(found), Ok(wanted)) => found == wanted,
            _ => false,
        };
        match messages(&mut client, Ticket::new(bytes)).await {
            Ok(_) => assert!(same),
            Err(status) => {
                let code = status.message().split(' ').next().unwrap().to_owned();
                let expected = match code.as_str() {
                    "CF-FLT-013" => Code::PermissionDenied,
                    "CF-FLT-014" => Code::FailedPrecondition,
                    "CF-REQ-001" => Code::InvalidArgument,
                    other => panic!("{other}"),
                };
                check(&status, expected, &code);
            }
        }
    }
}

#[tokio::test]
async fn everything_else() {
    let (_folder, mut client) = empty().await;
    let data = || stream::once(async { FlightData::default() });
    let statuses = [
        client.do_action(Action::new("explode", "")).await.err(),
        client.do_put(data()).await.err(),
        client.do_exchange(data()).await.err(),
    ];
    for status in statuses {
        check(&status.unwrap(), Code::Unimplemented, "CF-FLT-001");
    }
    let mut flights = client.list_flights(Criteria::default()).await.unwrap().into_inner();
    assert!(guarded(flights.next()).await.is_none());
    for (filter, code) in [
        ("tlm", "CF-REQ-001"),
        (r#"{"tiles": "29UNU"}"#, "CF-REQ-001"),
        (r#"{"tile": "banana"}"#, "CF-S2-001"),
        (r#"{"collection": "landsat-c2-l2"}"#, "CF-S2-009"),
        (r#"{"kind": "cubes"}"#, "CF-REQ-004"),
    ] {
        let criteria = Criteria { expression: filter.to_owned().into() };
        let status = guarded(client.list_flights(criteria)).await.unwrap_err();
        check(&status, Code::InvalidArgument, code);
    }
    for name in ["CancelFlightInfo", "RenewFlightEndpoint", "explain"] {
        let status = client.do_action(Action::new(name, "\u{1}")).await.err().unwrap();
        let code = if name == "explain" { "CF-REQ-001" } else { "CF-FLT-019" };
        check(&status, Code::InvalidArgument, code);
    }
}
