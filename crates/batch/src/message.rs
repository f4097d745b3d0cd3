//! Flight messages.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::{FlightData, SchemaAsIpc};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use cubeflight_sentinel2::Compression;
use prost::Message;

use crate::Result;

/// Bodies begin on a multiple of this many bytes within the protobuf message.
const ALIGNMENT: usize = 64;

/// The schema as the first message of a stream.
#[must_use]
pub fn encode_schema(schema: &Schema) -> FlightData {
    SchemaAsIpc::new(schema, &IpcWriteOptions::default()).into()
}

/// A batch as one message. `note` becomes app_metadata; it is JSON and padded with blanks.
///
/// # Errors
/// What Arrow refuses to write.
pub fn encode_row(batch: &RecordBatch, note: &str) -> Result<FlightData> {
    encode_row_as(batch, note, Compression::None)
}

/// As [`encode_row`], each buffer compressed as asked for. One that would not become smaller is left
/// as it is, so a message is never larger than without compression but for 8 bytes a buffer.
///
/// # Errors
/// What Arrow refuses to write.
pub fn encode_row_as(
    batch: &RecordBatch,
    note: &str,
    compression: Compression,
) -> Result<FlightData> {
    let mut tracker = DictionaryTracker::new(true);
    let compression = match compression {
        Compression::None => None,
        Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
        Compression::Zstd => Some(CompressionType::ZSTD),
    };
    let (_, encoded) = IpcDataGenerator::default().encode(
        batch,
        &mut tracker,
        &IpcWriteOptions::default().try_with_compression(compression)?,
        &mut IpcWriteContext::default(),
    )?;
    let message =
        FlightData::new().with_data_header(encoded.ipc_message).with_data_body(encoded.arrow_data);
    Ok(align_body(message, note))
}

/// A message without rows, which readers pass over: what a stream sends while it has nothing else to
/// send. `note` as in [`encode_row`].
///
/// # Errors
/// What Arrow refuses to write.
pub fn encode_empty(schema: &SchemaRef, note: &str) -> Result<FlightData> {
    encode_row(&RecordBatch::new_empty(Arc::clone(schema)), note)
}

/// Pads app_metadata so that the body starts on a multiple of [`ALIGNMENT`]. The body is the last
/// field of the message, so it starts where the message without it ends.
fn align_body(mut message: FlightData, note: &str) -> FlightData {
    let mut padded = note.as_bytes().to_vec();
    // Growing the note may lengthen its own length prefix; a few rounds settle that.
    for _ in 0..2 * ALIGNMENT {
        message.app_metadata = Bytes::copy_from_slice(&padded);
        let start = message.encoded_len() - message.data_body.len();
        if message.data_body.is_empty() || start.is_multiple_of(ALIGNMENT) {
            break;
        }
        padded.push(b' ');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_start_aligned_for_every_header_length() {
        for header in 0..300 {
            for note in ["{}", "{\"step\":1,\"steps\":90}"] {
                let message = FlightData::new()
                    .with_data_header(vec![7; header])
                    .with_data_body(vec![9; 4096]);
                let aligned = align_body(message, note);
                let encoded = aligned.encode_to_vec();
                let start = encoded.len() - 4096;
                assert_eq!(start % ALIGNMENT, 0, "header {header}");
                assert_eq!(&encoded[start..], &[9; 4096][..]);
                assert_eq!(aligned.app_metadata.trim_ascii(), note.as_bytes());
            }
        }
    }
}
