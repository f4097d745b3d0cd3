//! The protocol as the Rust client of Arrow Flight sees it, with its own settings: every call,
//! option and refusal, at one server and at three replicas whose tickets each of them redeems.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic)]
#![allow(clippy::unwrap_used, missing_docs)]

// The archive of the engine's tests.
#[path = "../../engine/tests/common/mod.rs"]
mod archive;
mod process;

use std::future::Future;

use archive::{L2A, Place, guarded};
use arrow_array::{Array, FixedSizeListArray, RecordBatch, cast::AsArray};
use arrow_flight::error::FlightError;
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelStatus, FlightClient, FlightData, FlightDescriptor,
    FlightInfo, RenewFlightEndpointRequest, Ticket,
};
use futures::{StreamExt, TryStreamExt};
use process::{Server, path};
use serde_json::{Value, json};
use tonic::Code;

const BANDS: [&str; 3] = ["B11_60m", "B04_60m", "SCL"];
const B04: &str = "measurements/reflectance/r60m/b04";
const KEY: &str = "a 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "b ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
const TENANT: &str = "x-cubeflight-tenant";

/// A window of several row-blocks.
fn request(more: &Value) -> Value {
    let mut request = json!({
        "tile": L2A.tile,
        "bands": BANDS,
        "productIds": [L2A.id],
        "bounds": {"minX": 540_000, "minY": 5_830_020, "maxX": 544_800, "maxY": 5_834_820},
        "maxMessageBytes": 20_000,
    });
    let fields = more.as_object().unwrap().clone();
    request.as_object_mut().unwrap().extend(fields);
    request
}

fn command(more: &Value) -> FlightDescriptor {
    FlightDescriptor::new_cmd(request(more).to_string())
}

/// Servers over one archive and index, each with a client of its own.
struct Deployment {
    _servers: Vec<Server>,
    clients: Vec<FlightClient>,
}

impl Deployment {
    async fn start(place: &Place, replicas: usize) -> Self {
        let keys = path(&place.store().join("../keys"));
        std::fs::write(&keys, KEY).unwrap();
        let locations: Vec<String> =
            (0..replicas).map(|number| format!("grpc://replica-{number}:50051")).collect();
        let locations = locations.join(",");
        let shared = ["--ticket-keys", &keys, "--location", &locations, "--endpoints", "2"];
        let options: &[&str] = if replicas == 1 { &[] } else { &shared };
        let mut servers = Vec::new();
        for _ in 0..replicas {
            servers.push(serve(place, options).await);
        }
        let clients = servers.iter().map(|server| FlightClient::new(server.channel.clone()));
        let clients = clients.collect();
        Self { _servers: servers, clients }
    }

    /// Who is asked for tickets.
    fn first(&mut self) -> &mut FlightClient {
        self.clients.first_mut().unwrap()
    }

    /// Who redeems them.
    fn last(&mut self) -> &mut FlightClient {
        self.clients.last_mut().unwrap()
    }
}

async fn serve(place: &Place, options: &[&str]) -> Server {
    let store = place.store();
    Server::over(&store, &store.join("../index"), options).await
}

/// The deployments that all tests run against.
async fn deployments(place: &Place) -> [Deployment; 2] {
    [Deployment::start(place, 1).await, Deployment::start(place, 3).await]
}

async fn info(client: &mut FlightClient, more: &Value) -> FlightInfo {
    guarded(client.get_flight_info(command(more))).await.unwrap()
}

/// The rows of all endpoints; signs of life are none.
async fn rows(client: &mut FlightClient, info: &FlightInfo) -> Vec<RecordBatch> {
    let mut all = Vec::new();
    for endpoint in &info.endpoint {
        let stream = client.do_get(endpoint.ticket.clone().unwrap()).await.unwrap();
        let rows: Vec<RecordBatch> = guarded(stream.try_collect()).await.unwrap();
        all.extend(rows.into_iter().filter(|row| row.num_rows() > 0));
    }
    all
}

fn block(row: &RecordBatch) -> u16 {
    row.column_by_name("block").unwrap().as_primitive::<arrow_array::types::UInt16Type>().value(0)
}

fn pixels(row: &RecordBatch) -> usize {
    let column: &FixedSizeListArray = row.column_by_name(B04).unwrap().as_fixed_size_list();
    column.values().len()
}

/// What a call was refused with.
async fn refused<T>(call: impl Future<Output = Result<T, FlightError>>) -> (Code, String) {
    match guarded(call).await {
        Ok(_) => panic!("not refused"),
        Err(FlightError::Tonic(status)) => {
            let code = status.message().split(' ').next().unwrap();
            (status.code(), code.to_owned())
        }
        Err(other) => panic!("{other}"),
    }
}

async fn drained(client: &mut FlightClient, ticket: Ticket) -> Result<(), FlightError> {
    client.do_get(ticket).await?.try_for_each(|_| async { Ok(()) }).await
}

fn is(found: &(Code, String), code: Code, ours: &str) {
    assert_eq!((found.0, found.1.as_str()), (code, ours));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for mut at in deployments(&place).await {
        let wanted = info(at.first(), &json!({})).await;
        let schema = wanted.clone().try_decode_schema().unwrap();
        assert_eq!(at.last().get_schema(command(&json!({}))).await.unwrap(), schema);
        let found = rows(at.last(), &wanted).await;
        assert_eq!(found.len() as i64, wanted.total_records);
        assert!(found.len() > 2 && wanted.ordered);
        assert!(found.iter().all(|row| *row.schema() == schema));

        // the request itself is a ticket
        let bare = Ticket::new(request(&json!({})).to_string());
        let stream = at.last().do_get(bare).await.unwrap();
        let rows_of_bare: Vec<RecordBatch> = guarded(stream.try_collect()).await.unwrap();
        assert_eq!(rows_of_bare, found);

        let poll = guarded(at.last().poll_flight_info(command(&json!({})))).await.unwrap();
        assert_eq!((poll.progress, poll.flight_descriptor), (Some(1.0), None));
        let polled = poll.info.unwrap();
        assert_eq!(rows(at.first(), &polled).await, found);

        let endpoint = wanted.endpoint[0].clone();
        let renew = RenewFlightEndpointRequest { endpoint: Some(endpoint.clone()) };
        let renewed = guarded(at.last().renew_flight_endpoint(renew)).await.unwrap();
        assert_ne!(renewed.ticket, endpoint.ticket);
        let again = FlightInfo { endpoint: vec![renewed], ..wanted.clone() };
        assert_eq!(rows(at.first(), &again).await, found);

        // nothing of it has ever run
        let unused = info(at.first(), &json!({})).await;
        let cancel = CancelFlightInfoRequest { info: Some(unused) };
        let cancelled = guarded(at.first().cancel_flight_info(cancel)).await.unwrap();
        assert_eq!(cancelled.status, i32::from(CancelStatus::NotCancellable));

        let actions: Vec<_> = at.first().list_actions().await.unwrap().try_collect().await.unwrap();
        let names: Vec<&str> = actions.iter().map(|action| action.r#type.as_str()).collect();
        assert_eq!(names, ["CancelFlightInfo", "RenewFlightEndpoint", "explain"]);
        let explain = Action::new("explain", request(&json!({})).to_string());
        let told = guarded(at.first().do_action(explain)).await.unwrap();
        let told: Vec<_> = guarded(told.try_collect()).await.unwrap();
        let told: Value = serde_json::from_slice(&told[0]).unwrap();
        assert_eq!(told["steps"][0]["productIds"], json!([L2A.id]));

        let listed = at.first().list_flights(r#"{"kind": "cube"}"#).await.unwrap();
        let listed: Vec<FlightInfo> = guarded(listed.try_collect()).await.unwrap();
        let descriptor = listed[0].flight_descriptor.clone().unwrap();
        assert_eq!(descriptor.path, ["sentinel-2-l2a", L2A.tile]);
        let by_path = guarded(at.last().get_flight_info(descriptor)).await.unwrap();
        assert_eq!(by_path.schema, listed[0].schema);

        let echoed = guarded(at.first().handshake("hello")).await.unwrap();
        assert_eq!(echoed, "hello");
    }
}

/// Options of delivery change no row; the others change what they name.
#[tokio::test(flavor = "multi_thread")]
async fn options() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for mut at in deployments(&place).await {
        let plain = info(at.first(), &json!({})).await;
        let expected = rows(at.last(), &plain).await;
        let time = "2022-10-05T11:54:11Z";
        for more in [
            json!({"ordered": true, "compression": "none"}),
            json!({"ordered": false}),
            json!({"compression": "lz4"}),
            json!({"compression": "zstd", "ordered": false}),
            json!({"times": [time]}),
            json!({"maxEndpoints": 1}),
            json!({"onError": "fail"}),
            json!({"collection": "sentinel-2-l2a", "datetime": "2022-10"}),
        ] {
            let asked = info(at.first(), &more).await;
            assert_eq!(asked.ordered, more.get("ordered") != Some(&Value::Bool(false)), "{more}");
            let mut found = rows(at.last(), &asked).await;
            found.sort_by_key(block);
            assert_eq!(found.len(), expected.len(), "{more}");
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.columns(), expected.columns(), "{more}");
            }
        }
        let all: usize = expected.iter().map(pixels).sum();
        let reduced = info(at.first(), &json!({"reduce": 2})).await;
        let reduced: usize = rows(at.last(), &reduced).await.iter().map(pixels).sum();
        // blocks are padded, so that the sixteenth is not exact
        assert!(reduced >= 20 * 20 && reduced < all / 8, "{reduced} of {all}");
        let large = info(at.first(), &json!({"maxMessageBytes": 4_000_000})).await;
        assert_eq!(rows(at.last(), &large).await.len(), 1);
        let real = info(at.first(), &json!({"radiometry": "reflectance"})).await;
        let schema = real.clone().try_decode_schema().unwrap();
        let kind = schema.field_with_name(B04).unwrap().data_type().to_string();
        assert!(kind.contains("Float32"), "{kind}");
        assert_eq!(rows(at.last(), &real).await.len() as i64, real.total_records);
        let windows = json!([
            {"minX": 540_000, "minY": 5_840_000, "maxX": 540_200, "maxY": 5_840_200},
            {"minX": 541_000, "minY": 5_841_000, "maxX": 541_100, "maxY": 5_841_180},
        ]);
        let fields = info(at.first(), &json!({"windows": windows, "bounds": null})).await;
        let fields = rows(at.last(), &fields).await;
        assert_eq!(fields.iter().map(block).collect::<Vec<_>>(), [0, 1]);
        let masked = json!({"mask": {"scl": [3, 8, 9, 10]}, "minValid": 1.0});
        let masked = info(at.first(), &masked).await;
        let masked = rows(at.last(), &masked).await;
        let status = masked[0].column_by_name("status").unwrap();
        assert_eq!((masked.len(), status.as_string::<i32>().value(0)), (1, "skipped"));
    }
}

/// This client takes 4 MiB, which no message exceeds unless the request asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn whole_tiles() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let server = serve(&place, &[]).await;
    let mut client = FlightClient::new(server.channel.clone());
    let whole = |most: u32| json!({"bounds": null, "maxMessageBytes": most});
    let asked = info(&mut client, &whole(0)).await;
    let found = rows(&mut client, &asked).await;
    let bytes: i64 = 2 * (2 * 1_830 * 1_830) + 5_490 * 5_490;
    assert!(asked.total_bytes >= bytes && found.len() as i64 == asked.total_records);
    let large = info(&mut client, &whole(64 << 20)).await;
    assert_eq!(large.total_records, 1);
    let ticket = large.endpoint[0].ticket.clone().unwrap();
    let found = guarded(drained(&mut client, ticket)).await.unwrap_err();
    assert!(found.to_string().contains("too large"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for mut at in deployments(&place).await {
        let good = request(&json!({})).to_string();
        let mut descriptors = vec![
            (FlightDescriptor::new_cmd(good[..good.len() - 1].to_owned()), "CF-REQ-001"),
            (FlightDescriptor::new_cmd(vec![0]), "CF-REQ-001"),
            (FlightDescriptor::default(), "CF-FLT-002"),
            (FlightDescriptor::new_path(vec!["x".to_owned()]), "CF-FLT-004"),
        ];
        for (more, code) in [
            (json!({"bands": []}), "CF-REQ-005"),
            (json!({"surprise": 1}), "CF-REQ-001"),
            (json!({"compression": "gzip"}), "CF-REQ-004"),
            (json!({"bands": ["B99"]}), "CF-S2-013"),
            (json!({"maxMessageBytes": 10}), "CF-PLN-001"),
        ] {
            descriptors.push((command(&more), code));
        }
        for (descriptor, code) in descriptors {
            let found = refused(at.first().get_flight_info(descriptor.clone())).await;
            is(&found, Code::InvalidArgument, code);
            let found = refused(at.first().get_schema(descriptor)).await;
            is(&found, Code::InvalidArgument, code);
        }
        let unknown = ["tlm", "sentinel-2-l2a", "33TVN"].map(str::to_owned).to_vec();
        let found = refused(at.first().get_flight_info(FlightDescriptor::new_path(unknown))).await;
        is(&found, Code::NotFound, "CF-FLT-005");
        let found = refused(
            at.first().get_flight_info(command(&json!({"times": ["2020-01-01T00:00:00Z"]}))),
        )
        .await;
        is(&found, Code::NotFound, "CF-ENG-004");

        let ticket = info(at.first(), &json!({})).await.endpoint[0].ticket.clone().unwrap();
        let mut tampered = ticket.ticket.to_vec();
        *tampered.last_mut().unwrap() ^= 1;
        let found = refused(drained(at.last(), Ticket::new(tampered))).await;
        is(&found, Code::PermissionDenied, "CF-FLT-013");
        let other = place.store().join("../other");
        std::fs::write(&other, OTHER).unwrap();
        let stranger = serve(&place, &["--ticket-keys", &path(&other)]).await;
        let mut stranger = FlightClient::new(stranger.channel.clone());
        let found = refused(drained(&mut stranger, ticket.clone())).await;
        is(&found, Code::FailedPrecondition, "CF-FLT-014");
        at.last().add_header(TENANT, "somebody").unwrap();
        let found = refused(drained(at.last(), ticket)).await;
        is(&found, Code::PermissionDenied, "CF-FLT-016");
        at.last().metadata_mut().insert(TENANT, "no name".parse().unwrap());
        let found = refused(at.last().get_flight_info(command(&json!({})))).await;
        is(&found, Code::InvalidArgument, "CF-FLT-018");
        at.last().metadata_mut().clear();

        let found = refused(at.first().do_action(Action::new("usage", ""))).await;
        is(&found, Code::Unimplemented, "CF-FLT-001");
        let found = refused(at.first().do_action(Action::new("RenewFlightEndpoint", "x"))).await;
        is(&found, Code::InvalidArgument, "CF-FLT-019");
        at.first().add_header("authorization", "Digest x").unwrap();
        let found = refused(at.first().handshake("")).await;
        is(&found, Code::InvalidArgument, "CF-FLT-020");
        at.first().metadata_mut().clear();
        let nothing = || futures::stream::empty::<Result<FlightData, FlightError>>().boxed();
        is(&refused(at.first().do_put(nothing())).await, Code::Unimplemented, "CF-FLT-001");
        is(&refused(at.first().do_exchange(nothing())).await, Code::Unimplemented, "CF-FLT-001");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_expire() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let server = serve(&place, &["--ticket-seconds", "1"]).await;
    let mut client = FlightClient::new(server.channel.clone());
    let info = info(&mut client, &json!({})).await;
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let late = loop {
        match guarded(drained(&mut client, ticket.clone())).await {
            Ok(()) => {}
            Err(FlightError::Tonic(status)) => break status,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(late.code(), Code::FailedPrecondition);
    assert!(late.message().starts_with("CF-FLT-015 "), "{late}");
}
