//! TLM records over the wire: tables, filters, messages.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::{Criteria, FlightData, FlightDescriptor, FlightInfo, IpcMessage};
use arrow_schema::{DataType, Schema};
use common::archive::{L1C, L2A, Place, guarded};
use common::{Client, check, messages, serve, ticket};
use cubeflight_catalog::ArchiveListing;
use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_index::{Index, Selection};
use cubeflight_sentinel2::{AssetId, DEFAULT_MESSAGE_BYTES, Level};
use cubeflight_storage::{Options, Root};
use cubeflight_tlm::{PacketLengths, TilePartSpan, TlmRecord};
use futures::{TryStreamExt, stream};
use prost::Message;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

const TABLE: [&str; 3] = ["tlm", "sentinel-2-l2a", "29UNU"];

fn path(filters: &[&str]) -> FlightDescriptor {
    let segments = TABLE.iter().chain(filters).map(|&segment| segment.to_owned());
    FlightDescriptor::new_path(segments.collect())
}

async fn info(client: &mut Client, filters: &[&str]) -> FlightInfo {
    guarded(client.get_flight_info(path(filters))).await.unwrap().into_inner()
}

async fn rows(messages: Vec<FlightData>) -> Vec<RecordBatch> {
    let messages = stream::iter(messages.into_iter().map(Ok));
    FlightRecordBatchStream::new_from_flight_data(messages).try_collect().await.unwrap()
}

async fn fetch(client: &mut Client, filters: &[&str]) -> Vec<RecordBatch> {
    let info = info(client, filters).await;
    let messages = messages(client, ticket(&info)).await.unwrap();
    for message in &messages {
        assert!(message.encoded_len() <= DEFAULT_MESSAGE_BYTES as usize);
    }
    let rows = rows(messages).await;
    assert_eq!(rows.iter().map(|batch| batch.num_rows() as i64).sum::<i64>(), info.total_records);
    rows
}

async fn list(client: &mut Client, filter: &str) -> Vec<FlightInfo> {
    let criteria = Criteria { expression: filter.to_owned().into() };
    let call = async { client.list_flights(criteria).await?.into_inner().try_collect().await };
    guarded(call).await.unwrap()
}

fn summary(info: &FlightInfo) -> Value {
    serde_json::from_slice(&info.app_metadata).unwrap()
}

/// One text column of all batches.
fn texts(rows: &[RecordBatch], column: &str) -> Vec<String> {
    let values = rows.iter().flat_map(|batch| {
        let column = batch.column_by_name(column).unwrap().as_string::<i32>();
        column.iter().map(|value| value.unwrap_or("null").to_owned()).collect::<Vec<_>>()
    });
    values.collect()
}

/// A batch's row as the record that it was.
fn record(batch: &RecordBatch, row: usize) -> TlmRecord {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let text = |name| {
        let column = column(name).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let number = |name| column(name).as_primitive::<UInt64Type>().value(row);
    let lists = |name| {
        let list = batch.column_by_name(name)?.as_list::<i32>();
        list.is_valid(row).then(|| list.value(row))
    };
    let u32s = |name| Some(lists(name)?.as_primitive::<UInt32Type>().values().to_vec());
    let tiles = lists("tile_part_tiles").unwrap();
    let offsets = lists("tile_part_offsets").unwrap();
    let offsets = offsets.as_primitive::<UInt64Type>().values();
    let lengths = u32s("tile_part_lengths").unwrap();
    let parts = tiles.as_primitive::<UInt16Type>().values().iter().zip(offsets).zip(&lengths);
    let parts = parts.map(|((&tile, &offset), &length)| TilePartSpan { tile, offset, length });
    let header = column("main_header").as_binary::<i32>();
    let packets = u32s("packet_counts").zip(u32s("packet_lengths"));
    TlmRecord {
        product: text("product_id").unwrap().parse().unwrap(),
        asset: AssetId::parse(&text("band_id").unwrap(), Level::L2A).unwrap(),
        store: text("store"),
        key: text("path").unwrap(),
        size: number("size"),
        etag: text("etag"),
        first_sot: number("first_sot"),
        tile_parts: parts.collect(),
        complete: column("complete").as_boolean().value(row),
        main_header: header.is_valid(row).then(|| header.value(row).to_vec().into()),
        packet_lengths: packets.map(|(counts, lengths)| PacketLengths { counts, lengths }),
    }
}

fn records(batches: &[RecordBatch]) -> Vec<TlmRecord> {
    let rows = |batch: &RecordBatch| (0..batch.num_rows()).collect::<Vec<_>>();
    batches
        .iter()
        .flat_map(|batch| rows(batch).into_iter().map(move |row| record(batch, row)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_real_files() {
    let bands: (&[&str], &[&str]) = (&["B04_60m", "SCL"], &["B01"]);
    let Some(place) = Place::new(&[(L2A, bands.0), (L1C, bands.1)]) else { return };
    place.build().await;
    let mut client = serve(place.engine(EngineConfig::default())).await;

    let everything = list(&mut client, "").await;
    assert_eq!(everything.len(), 4);
    let cubes = list(&mut client, r#"{"kind": "cube"}"#).await;
    assert!(cubes.iter().all(|info| info.endpoint.is_empty() && everything.contains(info)));
    let all = list(&mut client, r#"{"kind": "tlm"}"#).await;
    let mut tables: Vec<_> =
        all.iter().map(|info| info.flight_descriptor.clone().unwrap().path).collect();
    tables.sort();
    assert_eq!(tables, [vec!["tlm", "sentinel-2-l1c", "18LTM"], TABLE.to_vec()]);
    for (filter, known) in [
        (r#"{"collection": "sentinel-2-l1c", "kind": "tlm"}"#, L1C),
        (r#"{"tile": "T29UNU", "kind": "tlm"}"#, L2A),
        (r#"{"collection": "sentinel-2-l2a", "tile": "29UNU", "kind": "tlm"}"#, L2A),
    ] {
        let infos = list(&mut client, filter).await;
        let [info] = infos.as_slice() else { panic!("{filter}: {infos:?}") };
        let every = Selection::default();
        let records = place.index.records(known.level, known.mgrs(), &every).await.unwrap();
        let start = known.product().datatake_start().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let expected = json!({
            "collection": known.level.collection(), "tile": known.tile, "products": 1,
            "records": records.len(), "with_packets": records.len(), "incomplete": 0,
            "datetime": format!("{start}/{start}"),
        });
        assert_eq!(summary(info), expected);
        assert_eq!(info.total_records, records.len() as i64);
        // What is listed can be fetched as it stands.
        let streamed = messages(&mut client, ticket(info)).await.unwrap();
        assert_eq!(rows(streamed).await[0].num_rows(), records.len());
    }
    assert_eq!(list(&mut client, r#"{"tile": "33TVN"}"#).await, []);
    let none = r#"{"collection": "sentinel-2-l1c", "tile": "29UNU"}"#;
    assert_eq!(list(&mut client, none).await, []);

    let wanted = place.index.records(L2A.level, L2A.mgrs(), &Selection::default()).await.unwrap();
    let served = records(&fetch(&mut client, &["detail=packets"]).await);
    assert!(served.iter().eq(wanted.iter().map(|record| &**record)));
    let served = records(&fetch(&mut client, &[]).await);
    let without =
        wanted.iter().map(|record| TlmRecord { packet_lengths: None, ..TlmRecord::clone(record) });
    assert!(served.into_iter().eq(without));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_of_records_is_the_same_everywhere() {
    let (_folder, mut client) = synthetic(2, 3).await;
    for (filters, columns) in [(&[][..], 12), (&["detail=packets", "bands=B08"], 14)] {
        let asked = guarded(client.get_schema(path(filters))).await.unwrap().into_inner();
        let info = info(&mut client, filters).await;
        assert_eq!(asked.schema, info.schema);
        let schema = Schema::try_from(IpcMessage(info.schema.clone())).unwrap();
        assert_eq!(schema.fields().len(), columns);
        let streamed = rows(messages(&mut client, ticket(&info)).await.unwrap()).await;
        assert_eq!(*streamed[0].schema(), schema);
        assert!(info.ordered);
    }
}

/// A server over an index of made-up records: products a day apart, each with four assets of
/// 121 tile-parts with so many packets.
async fn synthetic(products: u32, packets: usize) -> (TempDir, Client) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path().to_str().unwrap(), &Options::default()).unwrap();
    let index = Index::new(root.clone());
    let records: Vec<TlmRecord> =
        (0..products).flat_map(|number| BANDS.map(|band| made_up(number, band, packets))).collect();
    index.append(&records).await.unwrap();
    let catalog = Arc::new(ArchiveListing::new(root.clone()));
    let engine = Engine::new(root, index, catalog, EngineConfig::default()).unwrap();
    (folder, serve(engine).await)
}

const BANDS: [&str; 4] = ["B04_10m", "B08_10m", "B8A_20m", "SCL_20m"];

fn id(number: u32) -> String {
    let (month, day) = (1 + number / 28, 1 + number % 28);
    format!("S2A_MSIL2A_2022{month:02}{day:02}T115411_N0400_R023_T29UNU_20230101T000000")
}

fn made_up(number: u32, band: &str, packets: usize) -> TlmRecord {
    let part = |tile: u16| TilePartSpan {
        tile,
        offset: 200 + 1_000_000 * u64::from(tile),
        length: 1_000_000,
    };
    let lengths = PacketLengths {
        counts: vec![u32::try_from(packets).unwrap(); 121],
        lengths: (0..121 * packets).map(|n| u32::try_from(n).unwrap() + number).collect(),
    };
    TlmRecord {
        product: id(number).parse().unwrap(),
        asset: AssetId::parse(band, Level::L2A).unwrap(),
        store: None,
        key: format!("Sentinel-2/{number}/{band}.jp2"),
        size: 200 + 121 * 1_000_000 + 2,
        etag: number.is_multiple_of(2).then(|| format!("\"{number}\"")),
        first_sot: 200,
        tile_parts: (0..121).map(part).collect(),
        complete: true,
        main_header: None,
        packet_lengths: Some(lengths),
    }
}

/// What no message takes ends the stream with a code, and what does not ask for it is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_above_a_message_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::open(folder.path().to_str().unwrap(), &Options::default()).unwrap();
    let index = Index::new(root.clone());
    let parts = 400_000;
    let part = |number: u32| TilePartSpan {
        tile: u16::try_from(number % 60_000).unwrap(),
        offset: 200 + 1_000 * u64::from(number),
        length: 1_000,
    };
    let large = TlmRecord {
        tile_parts: (0..parts).map(part).collect(),
        size: 200 + 1_000 * u64::from(parts) + 2,
        packet_lengths: None,
        ..made_up(0, "B08_10m", 1)
    };
    index.append(&[large, made_up(0, "SCL_20m", 1)]).await.unwrap();
    let catalog = Arc::new(ArchiveListing::new(root.clone()));
    let engine = Engine::new(root, index, catalog, EngineConfig::default()).unwrap();
    let mut client = serve(engine).await;
    assert_eq!(fetch(&mut client, &["bands=SCL"]).await.len(), 1);
    let info = info(&mut client, &[]).await;
    let status = messages(&mut client, ticket(&info)).await.unwrap_err();
    check(&status, Code::ResourceExhausted, "CF-FLT-006");
}

/// More products than are read at once, more bytes than a message takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_table_comes_in_messages_and_in_order() {
    let (_folder, mut client) = synthetic(70, 300).await;
    let batches = fetch(&mut client, &["detail=packets"]).await;
    assert!(batches.len() > 10, "{} messages", batches.len());
    let expected: Vec<TlmRecord> =
        (0..70).flat_map(|number| BANDS.map(|band| made_up(number, band, 300))).collect();
    let served = records(&batches);
    assert_eq!(served.len(), expected.len());
    for record in &expected {
        assert!(served.contains(record), "{} {}", record.product, record.asset);
    }
    let times: Vec<_> = served.iter().map(|record| record.product.datatake_start()).collect();
    assert!(times.is_sorted());
    // Without packet lengths it is a fraction of that.
    assert_eq!(fetch(&mut client, &[]).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters() {
    let (_folder, mut client) = synthetic(40, 2).await;
    let bands = texts(&fetch(&mut client, &["bands=B08,SCL"]).await, "band_id");
    assert_eq!(bands.len(), 80);
    assert!(bands.iter().all(|band| band == "B08_10m" || band == "SCL_20m"));

    let some = format!("product_ids={},{}", id(7), id(33));
    let rows = fetch(&mut client, &[&some, "bands=B8A"]).await;
    assert_eq!(texts(&rows, "product_id"), [id(7), id(33)]);
    assert_eq!(texts(&rows, "etag"), ["null", "null"]);

    let days = fetch(&mut client, &["datetime=2022-01-05/2022-01-06", "bands=B04_10m"]).await;
    assert_eq!(texts(&days, "product_id"), [id(4), id(5)]);
    let all = fetch(&mut client, &["datetime=../..", "detail=tlm"]).await;
    assert_eq!(all.iter().map(RecordBatch::num_rows).sum::<usize>(), 160);
}

/// The stream of nothing is its schema.
#[tokio::test(flavor = "multi_thread")]
async fn no_match_is_no_error_but_no_table_is() {
    let (_folder, mut client) = synthetic(1, 1).await;
    for filters in [["datetime=2019", "detail=packets"], ["bands=B01", "detail=tlm"]] {
        let info = info(&mut client, &filters).await;
        assert_eq!(info.total_records, 0);
        assert_eq!(summary(&info)["records"], 4);
        assert_eq!(messages(&mut client, ticket(&info)).await.unwrap().len(), 1);
    }
    let elsewhere = ["tlm", "sentinel-2-l1c", "29UNU"].map(str::to_owned);
    let elsewhere = FlightDescriptor::new_path(elsewhere.into());
    let status = guarded(client.get_flight_info(elsewhere.clone())).await.unwrap_err();
    check(&status, Code::NotFound, "CF-FLT-005");
    // The schema does not depend on what there is.
    guarded(client.get_schema(elsewhere)).await.unwrap();
}

/// The schema that clients depend on; a change of it is a change of the wire.
#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_the_golden_one() {
    let (_folder, mut client) = synthetic(1, 1).await;
    let asked = guarded(client.get_schema(path(&["detail=packets"]))).await.unwrap().into_inner();
    let mut schema = Schema::try_from(&asked).unwrap();
    assert_eq!(schema.metadata["cubeflight:server_version"], env!("CARGO_PKG_VERSION"));
    schema.metadata.remove("cubeflight:server_version");
    let mut found: Vec<String> =
        schema.metadata.iter().map(|(key, value)| format!("@ {key} = {value}")).collect();
    found.sort();
    for field in schema.fields() {
        assert!(field.metadata().is_empty());
        let null = if field.is_nullable() { "nullable" } else { "not null" };
        let kind = match field.data_type() {
            DataType::List(item) if !item.is_nullable() && item.name() == "item" => {
                format!("list of {}", item.data_type())
            }
            other => other.to_string(),
        };
        found.push(format!("{}: {kind}, {null}", field.name()));
    }
    let golden = include_str!("golden/tlm.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>());
}
