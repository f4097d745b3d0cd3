//! Which steps of a cube are sent, and how: the cube itself stays what it is.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt16Type;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::{FlightData, Ticket};
use common::archive::{L2A, Place};
use common::{check, descriptor, info, messages, serve, ticket};
use cubeflight_engine::EngineConfig;
use cubeflight_sentinel2::{
    Compression, CubeRequest, Delivery, Order, Resolution, Window, step_time,
};
use futures::{TryStreamExt, stream};
use prost::Message;
use tonic::Code;

const BANDS: [&str; 2] = ["B04_60m", "SCL"];
const WINDOW: Window = Window { x: 700, y: 400, width: 200, height: 300 };

fn request(delivery: Delivery) -> CubeRequest {
    let request = L2A.window(&BANDS, Resolution::R60m, WINDOW);
    CubeRequest { max_message_bytes: 100_000, delivery, ..request }
}

/// Rows by row-block, as a client reads them, and the bytes of all bodies.
async fn rows(messages: Vec<FlightData>) -> (BTreeMap<u16, RecordBatch>, usize) {
    let bytes = messages.iter().map(|message| message.data_body.len()).sum();
    for message in &messages[1..] {
        let encoded = message.encode_to_vec();
        assert_eq!((encoded.len() - message.data_body.len()) % 64, 0);
    }
    let messages = stream::iter(messages.into_iter().map(Ok));
    let batches: Vec<RecordBatch> =
        FlightRecordBatchStream::new_from_flight_data(messages).try_collect().await.unwrap();
    let count = batches.len();
    let block = |batch: &RecordBatch| {
        batch.column_by_name("block").unwrap().as_primitive::<UInt16Type>().value(0)
    };
    let rows: BTreeMap<_, _> = batches.into_iter().map(|batch| (block(&batch), batch)).collect();
    assert_eq!(rows.len(), count);
    (rows, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_gives_the_same_cube() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let plain = request(Delivery::default());
    let schema = client.get_schema(descriptor(&plain)).await.unwrap().into_inner().schema;
    let of_plain = info(&mut client, &plain).await;
    let sent = messages(&mut client, ticket(&of_plain)).await.unwrap();
    let header = sent[0].data_header.clone();
    let (expected, plain_bytes) = rows(sent).await;
    assert!(expected.len() > 5);

    let time = step_time("2022-10-05T11:54:11Z").unwrap();
    for order in [Order::Time, Order::Completion] {
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            for times in [Vec::new(), vec![time]] {
                let request = request(Delivery { order, compression, times });
                let asked = client.get_schema(descriptor(&request)).await.unwrap().into_inner();
                let info = info(&mut client, &request).await;
                assert_eq!((&asked.schema, &info.schema), (&schema, &schema));
                assert_eq!(info.ordered, order == Order::Time);
                assert_eq!(info.total_records, of_plain.total_records);
                assert_eq!(info.total_bytes, of_plain.total_bytes);
                let bare = Ticket::new(descriptor(&request).cmd);
                for ticket in [ticket(&info), bare] {
                    let sent = messages(&mut client, ticket).await.unwrap();
                    assert_eq!(sent[0].data_header, header);
                    let (found, bytes) = rows(sent).await;
                    assert_eq!(found, expected, "{order:?} {compression}");
                    match compression {
                        Compression::None => assert_eq!(bytes, plain_bytes),
                        _ => assert!(bytes < plain_bytes, "{bytes} of {plain_bytes}"),
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_the_cube_does_not_have_is_refused() {
    let Some(place) = Place::indexed(L2A, &BANDS).await else { return };
    let mut client = serve(place.engine(EngineConfig::default())).await;
    let times = |texts: &[&str]| {
        let times = texts.iter().map(|text| step_time(text).unwrap()).collect();
        request(Delivery { times, ..Delivery::default() })
    };
    let there = "2022-10-05T11:54:11Z";
    for (wrong, named) in [
        (&["2022-10-05T11:54:12Z"][..], "2022-10-05T11:54:12Z"),
        (&["2022-10-05T11:54:11.5Z"], "2022-10-05T11:54:11.500Z"),
        (&[there, "2022-10-06T11:54:11Z"], "2022-10-06T11:54:11Z"),
        // not in the period of the request
        (&["2023-10-05T11:54:11Z"], "2023-10-05T11:54:11Z"),
        (&[there, "2023-10-05T11:54:11Z"], "2023-10-05T11:54:11Z"),
    ] {
        let request = times(wrong);
        let status = client.get_flight_info(descriptor(&request)).await.unwrap_err();
        check(&status, Code::NotFound, "CF-ENG-004");
        assert!(status.message().contains(&format!("no time step at {named}; ")), "{status}");
        let bare = Ticket::new(descriptor(&request).cmd);
        let status = messages(&mut client, bare).await.unwrap_err();
        check(&status, Code::NotFound, "CF-ENG-004");
    }
}
