//! Rows on the wire and back.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int16Type, TimestampMicrosecondType, UInt8Type, UInt16Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::utils::flight_data_to_arrow_batch;
use arrow_schema::Schema;
use common::{Request, kinds, pixels, reflectance, row, schema_ref, seed};
use cubeflight_batch::{BlockRow, ColumnError, Status, encode_row, encode_row_as, encode_schema};
use cubeflight_plan::{ElementType, Layout, StepMetadata};
use cubeflight_sentinel2::{Compression, DEFAULT_MESSAGE_BYTES};
use futures::{StreamExt, stream};
use prost::Message;

const PRODUCT: &str = "S2A_MSIL2A_20210103T101411_N0500_R022_T33TVN_20230306T172000";

fn error(column: &str, product_id: &str) -> ColumnError {
    ColumnError {
        column: column.to_owned(),
        product_id: product_id.to_owned(),
        code: "asset_absent".to_owned(),
        message: "the product has none".to_owned(),
    }
}

/// A row with a value in every column.
fn full_row(pixels: &[Vec<u8>]) -> BlockRow {
    BlockRow {
        product_ids: vec![PRODUCT.to_owned(), "second".to_owned()],
        status: Status::Partial,
        errors: vec![error("measurements/reflectance/r20m/b11", PRODUCT)],
        block: 7,
        metadata: StepMetadata {
            platform: Some("sentinel-2a".to_owned()),
            relative_orbit: Some(22),
            processing_baseline: Some("N0500".parse().unwrap()),
            radiometric_offset: Some(vec![-1000, 0]),
            cloud_cover: Some(12.5),
            snow_cover: Some(0.0),
            sun_azimuth: Some(170.25),
            sun_elevation: Some(20.0),
            view_azimuth: Some(100.0),
            view_incidence: Some(5.5),
            sensing_time: Some("2021-01-03T10:18:39.5Z".parse().unwrap()),
        },
        valid_fraction: Some(0.75),
        ..row(pixels)
    }
}

fn batch(request: &Request, row: BlockRow) -> RecordBatch {
    row.into_batch(&request.layout, &schema_ref(request)).unwrap()
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> &'a str {
    batch.column_by_name(name).unwrap().as_string::<i32>().value(0)
}

#[test]
fn a_row_has_what_it_was_given() {
    let request = seed();
    let batch = batch(&request, full_row(&pixels(&request.layout)));
    assert_eq!(batch.num_rows(), 1);
    assert!(batch.columns().iter().all(|column| column.null_count() == 0));
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let micros = |name: &str| column(name).as_primitive::<TimestampMicrosecondType>().value(0);
    assert_eq!(micros("time"), 1_609_668_851_000_000);
    assert_eq!(micros("sensing_time"), 1_609_669_119_500_000);
    let ids = column("product_ids").as_list::<i32>().value(0);
    assert_eq!(ids.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), [PRODUCT, "second"]);
    assert_eq!(text(&batch, "status"), "partial");
    assert_eq!(column("block").as_primitive::<UInt16Type>().value(0), 7);
    assert_eq!(text(&batch, "platform"), "sentinel-2a");
    assert_eq!(column("relative_orbit").as_primitive::<UInt16Type>().value(0), 22);
    assert_eq!(text(&batch, "processing_baseline"), "05.00");
    let offsets = column("radiometric_offset").as_list::<i32>().value(0);
    assert_eq!(offsets.as_primitive::<Int16Type>().values(), &[-1000, 0]);
    for (name, value) in [
        ("cloud_cover", 12.5),
        ("snow_cover", 0.0),
        ("sun_azimuth", 170.25),
        ("sun_elevation", 20.0),
        ("view_azimuth", 100.0),
        ("view_incidence", 5.5),
        ("valid_fraction", 0.75),
    ] {
        assert_eq!(column(name).as_primitive::<Float64Type>().values(), &[value], "{name}");
    }
    let errors = column("errors").as_list::<i32>().value(0);
    let errors = errors.as_struct();
    assert_eq!(errors.len(), 1);
    let of = |name: &str| errors.column_by_name(name).unwrap().as_string::<i32>().value(0);
    assert_eq!(
        [of("column"), of("product_id"), of("code"), of("message")],
        ["measurements/reflectance/r20m/b11", PRODUCT, "asset_absent", "the product has none"]
    );
}

#[test]
fn what_is_unknown_is_null() {
    let request = seed();
    let batch = batch(&request, row(&pixels(&request.layout)));
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        assert_eq!(column.null_count() == 1, field.is_nullable(), "{}", field.name());
    }
    assert_eq!(text(&batch, "status"), "ok");
    // No offsets are not the same as offsets of no columns.
    let mut none = row(&pixels(&request.layout));
    none.metadata.radiometric_offset = Some(Vec::new());
    let batch = self::batch(&request, none);
    let offsets = batch.column_by_name("radiometric_offset").unwrap().as_list::<i32>().clone();
    assert!(offsets.is_valid(0) && offsets.value(0).is_empty());
}

#[test]
fn the_status_counts_columns_and_not_errors() {
    assert_eq!(Status::of(3, &[], false), Status::Ok);
    assert_eq!(Status::of(3, &[0], false), Status::Partial);
    assert_eq!(Status::of(3, &[], true), Status::Partial);
    // three products were tried for one column
    assert_eq!(Status::of(3, &[0, 0, 0], false), Status::Partial);
    assert_eq!(Status::of(3, &[0, 1, 2, 2], false), Status::Failed);
    let request = seed();
    for (status, word) in [(Status::Partial, "partial"), (Status::Skipped, "skipped")] {
        let batch = batch(&request, BlockRow { status, ..row(&pixels(&request.layout)) });
        assert_eq!(text(&batch, "status"), word);
    }
}

#[test]
fn buffers_that_do_not_fit_are_refused() {
    let request = seed();
    let good = pixels(&request.layout);
    let code = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut pixels = good.clone();
        change(&mut pixels);
        let batch = row(&pixels).into_batch(&request.layout, &schema_ref(&request));
        batch.unwrap_err().code()
    };
    assert_eq!(code(&|pixels| pixels[1].truncate(100)), "CF-BAT-002");
    assert_eq!(code(&|pixels| pixels[2].push(0)), "CF-BAT-002");
    assert_eq!(code(&|pixels| pixels.clear()), "CF-BAT-001");
}

#[test]
fn buffers_that_begin_anywhere_are_taken() {
    for request in [seed(), reflectance()] {
        let pixels = pixels(&request.layout);
        let shifted = |bytes: &Vec<u8>| Buffer::from([&[0][..], bytes].concat()).slice(1);
        let row = BlockRow { pixels: pixels.iter().map(shifted).collect(), ..row(&pixels) };
        assert_tensors(&request, &batch(&request, row), &pixels);
    }
}

fn assert_tensors(request: &Request, batch: &RecordBatch, pixels: &[Vec<u8>]) {
    for (column, bytes) in request.layout.columns.iter().zip(pixels) {
        let list = batch.column_by_name(&column.path).unwrap().as_fixed_size_list();
        let values = list.value(0);
        let found = match column.element {
            ElementType::U8 => values.as_primitive::<UInt8Type>().values().inner().clone(),
            ElementType::U16 => values.as_primitive::<UInt16Type>().values().inner().clone(),
            ElementType::F32 => values.as_primitive::<Float32Type>().values().inner().clone(),
        };
        assert!(found.as_slice() == bytes.as_slice(), "{}", column.path);
    }
}

/// What a client gets out of a stream of these messages.
fn decode(messages: Vec<FlightData>) -> Vec<RecordBatch> {
    // as bytes, as they travel
    let messages: Vec<FlightData> = messages
        .into_iter()
        .map(|message| FlightData::decode(message.encode_to_vec().as_slice()).unwrap())
        .collect();
    let stream =
        FlightRecordBatchStream::new_from_flight_data(stream::iter(messages.into_iter().map(Ok)));
    futures::executor::block_on(stream.map(Result::unwrap).collect())
}

#[test]
fn messages_decode_to_the_same_rows() {
    for request in [seed(), kinds(), reflectance()] {
        let pixels = pixels(&request.layout);
        let schema = schema_ref(&request);
        let rows = [batch(&request, full_row(&pixels)), batch(&request, row(&pixels))];
        let mut messages = vec![encode_schema(&schema)];
        messages.extend(rows.iter().map(|row| encode_row(row, "{\"step\":1}").unwrap()));

        let decoded = Schema::try_from(&messages[0]).unwrap();
        assert_eq!(decoded, *schema, "{}", request.name);
        for (message, row) in messages[1..].iter().zip(&rows) {
            let back =
                flight_data_to_arrow_batch(message, Arc::clone(&schema), &HashMap::new()).unwrap();
            assert_eq!(&back, row);
            assert_eq!(message.app_metadata.trim_ascii_end(), b"{\"step\":1}");
        }
        let back = decode(messages);
        assert_eq!(back, rows);
        assert_tensors(&request, &back[1], &pixels);
    }
}

#[test]
fn messages_stay_below_what_clients_take() {
    for request in [seed(), kinds()] {
        let batch = batch(&request, full_row(&pixels(&request.layout)));
        let message = encode_row(&batch, "{}").unwrap();
        assert!(request.layout.block_bytes() <= u64::from(DEFAULT_MESSAGE_BYTES));
        assert!(message.encoded_len() < 4 * 1024 * 1024, "{} bytes", message.encoded_len());
    }
}

#[test]
fn bodies_and_their_buffers_are_aligned() {
    let request = kinds();
    let row = batch(&request, full_row(&pixels(&request.layout)));
    for length in 0..70 {
        let message = encode_row(&row, &"x".repeat(length)).unwrap();
        let encoded = message.encode_to_vec();
        let body = encoded.len() - message.data_body.len();
        assert_eq!(body % 64, 0, "note of {length} bytes");
        assert!(encoded[body..] == message.data_body[..]);
    }
    let message = encode_row(&row, "{}").unwrap();
    let header = arrow_ipc::root_as_message(&message.data_header).unwrap();
    let buffers = header.header_as_record_batch().unwrap().buffers().unwrap();
    assert!(buffers.iter().all(|buffer| buffer.offset() % 64 == 0));
}

/// Pixels that nothing can make smaller.
fn noise(layout: &Layout) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let columns = layout.columns.iter().map(|column| column.block_bytes());
    columns.map(|bytes| (0..bytes).map(|_| next()).collect()).collect()
}

/// Pixels that repeat become smaller, noise stays as it is; either way readers get the same rows, and
/// body and buffers lie as without compression.
#[test]
fn compressed_messages_decode_to_the_same_rows() {
    let request = kinds();
    let schema = schema_ref(&request);
    let noise = noise(&request.layout);
    let plain: Vec<Vec<u8>> = noise.iter().map(|bytes| vec![3; bytes.len()]).collect();
    for (pixels, shrinks) in [(&noise, false), (&plain, true)] {
        let row = batch(&request, full_row(pixels));
        let whole = encode_row(&row, "{}").unwrap();
        for compression in [Compression::Lz4, Compression::Zstd] {
            let message = encode_row_as(&row, "{}", compression).unwrap();
            let header = arrow_ipc::root_as_message(&message.data_header).unwrap();
            let header = header.header_as_record_batch().unwrap();
            let codec = header.compression().unwrap().codec();
            let expected = match compression {
                Compression::Lz4 => arrow_ipc::CompressionType::LZ4_FRAME,
                _ => arrow_ipc::CompressionType::ZSTD,
            };
            assert_eq!(codec, expected);
            let buffers = header.buffers().unwrap();
            assert!(buffers.iter().all(|buffer| buffer.offset() % 64 == 0));
            let encoded = message.encode_to_vec();
            assert_eq!((encoded.len() - message.data_body.len()) % 64, 0);

            let (smaller, larger) = (message.data_body.len(), whole.data_body.len());
            match shrinks {
                true => assert!(smaller * 20 < larger, "{smaller} of {larger}"),
                // 8 bytes a buffer, with the room up to the next multiple of 64
                false => assert!(smaller <= larger + 64 * buffers.len(), "{smaller} of {larger}"),
            }
            let back = decode(vec![encode_schema(&schema), message]);
            assert_eq!(back, std::slice::from_ref(&row));
            assert_tensors(&request, &back[0], pixels);
        }
    }
}
