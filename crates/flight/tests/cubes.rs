//! Cubes over the wire: schema, totals, tickets, cancellation.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_array::{Array, RecordBatch};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::{FlightData, FlightInfo, IpcMessage, SchemaResult};
use arrow_schema::Schema;
use common::archive::{Act, L1C, L2A, Place, Tampered, crop, decoded, guarded, original, until};
use common::{Client, check, descriptor, info, messages, serve, ticket};
use cubeflight_engine::EngineConfig;
use cubeflight_plan::Column;
use cubeflight_plan::CostModel;
use cubeflight_proto::v1::PlanSummary;
use cubeflight_sentinel2::{CubeRequest, OnError, Resolution, Window};
use futures::{StreamExt, TryStreamExt, stream};
use tonic::Code;

const BANDS: [&str; 2] = ["B04_60m", "SCL"];
const WINDOW: Window = Window { x: 700, y: 400, width: 500, height: 700 };

fn request() -> CubeRequest {
    let request = L2A.window(&BANDS, Resolution::R60m, WINDOW);
    CubeRequest { max_message_bytes: 200_000, ..request }
}

async fn rows(messages: Vec<FlightData>) -> Vec<RecordBatch> {
    let messages = stream::iter(messages.into_iter().map(Ok));
    FlightRecordBatchStream::new_from_flight_data(messages).try_collect().await.unwrap()
}

/// Pixels of a column of tensors, the fill below the last row cut off.
fn pixels(rows: &[RecordBatch], column: &Column) -> Vec<f32> {
    let mut cells = Vec::new();
    for (number, row) in (0..).zip(rows) {
        let tensor = row.column_by_name(&column.path).unwrap().as_fixed_size_list();
        assert_eq!((tensor.len(), tensor.null_count()), (1, 0));
        let values = tensor.value(0);
        let valid = usize::try_from(column.block_window(number).pixels()).unwrap();
        match values.as_primitive_opt::<UInt16Type>() {
            Some(values) => cells.extend(values.values()[..valid].iter().map(|v| f32::from(*v))),
            None => {
                let values = values.as_primitive::<arrow_array::types::UInt8Type>();
                cells.extend(values.values()[..valid].iter().map(|v| f32::from(*v)));
            }
        }
    }
    cells
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_the_same_everywhere() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let reduced = CubeRequest { reduce: 2, ..request() };
    for request in [request(), L2A.request(&BANDS), reduced] {
        let asked = client.get_schema(descriptor(&request)).await.unwrap().into_inner();
        let info = info(&mut client, &request).await;
        assert_eq!(asked.schema, info.schema);

        let first = messages(&mut client, ticket(&info)).await.unwrap().remove(0);
        // The stream has the message alone, the answers have its length before it and zeros after.
        let header = &first.data_header;
        assert_eq!(info.schema[..4], [0xff; 4]);
        assert_eq!(&info.schema[8..8 + header.len()], header);
        assert!(info.schema[8 + header.len()..].iter().all(|byte| *byte == 0));

        let asked = Schema::try_from(&asked).unwrap();
        assert_eq!(Schema::try_from(IpcMessage(info.schema)).unwrap(), asked);
        assert_eq!(
            Schema::try_from(&SchemaResult { schema: first_schema(&first) }).unwrap(),
            asked
        );
    }
}

fn first_schema(first: &FlightData) -> bytes_of::Bytes {
    let mut framed = vec![0xff; 4];
    framed.extend(u32::try_from(first.data_header.len()).unwrap().to_le_bytes());
    framed.extend(&first.data_header);
    framed.into()
}

/// The type of the schema's bytes.
mod bytes_of {
    pub(crate) use tonic::codegen::Bytes;
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_what_streams() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let engine = place.engine(EngineConfig::default());
    let layout = engine.layout(&request()).await.unwrap();
    let mut client = serve(engine).await;
    let info = info(&mut client, &request()).await;
    assert!(info.ordered);
    let summary: PlanSummary = serde_json::from_slice(&info.app_metadata).unwrap();
    assert_eq!((summary.time_steps, summary.matched_ids.as_slice()), (1, &[L2A.id.to_owned()][..]));
    assert!(summary.row_blocks > 5);

    let rows = rows(messages(&mut client, ticket(&info)).await.unwrap()).await;
    assert_eq!(info.total_records, rows.iter().map(|row| row.num_rows() as i64).sum::<i64>());
    assert_eq!(info.total_records, i64::from(summary.row_blocks));
    let tensors = rows.iter().flat_map(|row| {
        let schema = row.schema();
        let columns = layout.columns.iter().map(move |column| schema.index_of(&column.path));
        columns.map(|index| row.column(index.unwrap()).as_fixed_size_list().values().to_data())
    });
    let bytes: usize = tensors.map(|data| data.get_slice_memory_size().unwrap()).sum();
    assert_eq!(info.total_bytes, i64::try_from(bytes).unwrap());

    for (column, band) in layout.columns.iter().zip(BANDS) {
        let truth = crop(&decoded(&original(L2A, band)), column);
        assert!(pixels(&rows, column) == truth, "{band}");
    }
}

/// A copy of the product with another discriminator is another product of the same scene.
fn add_product(place: &Place) -> String {
    let safe = place.file(L2A, BANDS[0]);
    let safe = safe.ancestors().find(|folder| folder.extension().is_some_and(|e| e == "SAFE"));
    let safe = safe.unwrap();
    let id = L2A.id.replace("20221005T115411", "20221008T115411");
    let copy = safe.with_file_name(format!("{id}.SAFE"));
    for band in BANDS {
        let from = place.file(L2A, band);
        let to = copy.join(from.strip_prefix(safe).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
    id
}

fn summary(info: &FlightInfo) -> PlanSummary {
    serde_json::from_slice(&info.app_metadata).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_gives_the_products_that_it_was_made_for() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let before = info(&mut client, &request()).await;
    let streamed = messages(&mut client, ticket(&before)).await.unwrap();

    let added = add_product(&place);
    let after = info(&mut client, &request()).await;
    assert_eq!(summary(&after).matched_ids, [L2A.id.to_owned(), added]);
    assert_eq!(messages(&mut client, ticket(&before)).await.unwrap(), streamed);
    let both = messages(&mut client, ticket(&after)).await.unwrap();
    assert_eq!(both.len() as i64, after.total_records + 1);
    assert_eq!(both.len() - 1, 2 * (streamed.len() - 1));

    // A ticket for nothing stays one for nothing.
    let nothing = CubeRequest { time: "2023-01".parse().unwrap(), ..request() };
    let nothing = info(&mut client, &nothing).await;
    assert_eq!((nothing.total_records, nothing.total_bytes), (0, 0));
    assert_eq!(messages(&mut client, ticket(&nothing)).await.unwrap().len(), 1);

    // What was promised and is gone is a row that says so, not a shorter stream.
    fs::remove_dir_all(place.store().join("eodata")).unwrap();
    let gone = rows(messages(&mut client, ticket(&before)).await.unwrap()).await;
    assert_eq!(gone.len() as i64, before.total_records);
    for row in &gone {
        assert_eq!(row.column_by_name("status").unwrap().as_string::<i32>().value(0), "failed");
    }
}

/// The descriptor's bytes are a ticket too.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_request_is_a_ticket() {
    let bands = ["B01", "DETFOO_B01"];
    let Some(place) = Place::indexed(L1C, &bands).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let request = L1C.window(&bands, Resolution::R60m, WINDOW);
    let bare = arrow_flight::Ticket::new(descriptor(&request).cmd);
    let ticket = ticket(&info(&mut client, &request).await);
    let streamed = messages(&mut client, ticket).await.unwrap();
    assert_eq!(messages(&mut client, bare).await.unwrap(), streamed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_fails_in_mid_stream_is_unavailable() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let store = Tampered::new(&place.store(), |_, number| match number {
        0..4 => Act::Pass,
        _ => Act::Deny,
    });
    // one request a tile
    let cost = Some(CostModel { gap: Some(1 << 20), ..CostModel::LOCAL });
    let config = EngineConfig { reads_per_stream: 1, cost, ..EngineConfig::default() };
    let mut client = serve(place.tampered(store, config)).await;
    let info = info(&mut client, &request()).await;
    let mut stream = client.do_get(ticket(&info)).await.unwrap().into_inner();
    let mut given = 0;
    let status = loop {
        match guarded(stream.next()).await.unwrap() {
            Ok(_) => given += 1,
            Err(status) => break status,
        }
    };
    assert!(given > 1 && given < info.total_records);
    check(&status, Code::Unavailable, "CF-STO-006");
    assert!(status.message().contains(&format!("; product={}; band=", L2A.id)));
    assert!(guarded(stream.next()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_ends_the_stream_when_asked_to() {
    let Some(place) = Place::indexed(L2A, &BANDS[..1]).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let failing = CubeRequest { on_error: OnError::Fail, ..request() };
    let info = info(&mut client, &failing).await;
    let status = messages(&mut client, ticket(&info)).await.unwrap_err();
    check(&status, Code::NotFound, "CF-ENG-011");
    assert!(status.message().contains("band=conditions/mask/l2a_classification/r20m/scl"));
}

async fn hanging(place: &Place, after: usize) -> (Arc<Tampered>, Client) {
    let store = Tampered::new(&place.store(), move |_, number| match number < after {
        true => Act::Pass,
        false => Act::Hang,
    });
    let engine = place.tampered(Arc::clone(&store), EngineConfig::default());
    (store, serve(engine).await)
}

/// A client that drops its stream ends the reads on the server.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stream_ends_the_work() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    for after in [0, 4] {
        let (store, mut client) = hanging(&place, after).await;
        let info = info(&mut client, &request()).await;
        let mut stream = client.do_get(ticket(&info)).await.unwrap().into_inner();
        guarded(stream.next()).await.unwrap().unwrap();
        until(|| store.waiting() > 0).await;
        drop(stream);
        until(|| store.waiting() == 0).await;
    }
}
