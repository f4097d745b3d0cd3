//! Row-blocks as messages.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use arrow_buffer::Buffer;
use arrow_flight::FlightData;
use arrow_schema::SchemaRef;
use cubeflight_batch::{BlockRow, ColumnError, Status as RowStatus, encode_row_as, encode_schema};
use cubeflight_engine::{Block, Pixels};
use cubeflight_plan::{Column, Layout, PlannedStep};
use cubeflight_sentinel2::Compression;
use futures::{Stream, StreamExt};
use serde_json::json;
use tonic::Status;

use crate::status::{from_batch, from_engine, plain};
use crate::trailers::{ENCODE_MS, PIXELS, Trailers};

/// Row-blocks that are encoded side by side.
const ENCODING: usize = 2;
/// Bytes of pixels that are copied in less time than another thread takes to begin.
const AT_ONCE: u64 = 256 * 1024;

/// What the encoder of a row needs to know of its cube.
#[derive(Debug)]
pub struct Encoder {
    layout: Arc<Layout>,
    schema: SchemaRef,
    /// Steps without their reads.
    steps: Vec<PlannedStep>,
    compression: Compression,
    /// Position of the first step in the cube, and where the cube ends.
    place: Range<usize>,
    trailers: Option<Trailers>,
}

impl Encoder {
    /// An encoder for the row-blocks of these steps.
    #[must_use]
    pub fn new(
        layout: Arc<Layout>,
        schema: SchemaRef,
        steps: &[PlannedStep],
        compression: Compression,
    ) -> Self {
        let steps: Vec<PlannedStep> = steps.iter().map(without_reads).collect();
        let place = 0..steps.len();
        Self { layout, schema, steps, compression, place, trailers: None }
    }

    /// The same where the steps are a part of the cube, by the position of the first one and where the
    /// cube ends.
    pub(crate) fn part(self, place: Range<usize>) -> Self {
        Self { place, ..self }
    }

    /// The same with pixels and time told to the trailers.
    pub(crate) fn counted(self, trailers: Trailers) -> Self {
        Self { trailers: Some(trailers), ..self }
    }

    /// The first message of a stream.
    #[must_use]
    pub fn first(&self) -> FlightData {
        encode_schema(&self.schema)
    }

    /// The messages of row-blocks, in their order.
    pub fn messages(
        self,
        blocks: impl Stream<Item = cubeflight_engine::Result<Block>>,
    ) -> impl Stream<Item = Result<FlightData, Status>> {
        let cube = Arc::new(self);
        blocks.map(move |block| encode(Arc::clone(&cube), block)).buffered(ENCODING)
    }
}

fn without_reads(step: &PlannedStep) -> PlannedStep {
    PlannedStep {
        time: step.time,
        product_ids: step.product_ids.clone(),
        metadata: step.metadata.clone(),
        parts: Vec::new(),
        mask: None,
    }
}

/// Encoding copies the pixels once more, and compressing them takes several times as long as all else
/// of a stream, so it stays off the threads that answer calls, but for row-blocks that are copied
/// sooner than another thread has taken them over.
async fn encode(
    cube: Arc<Encoder>,
    block: cubeflight_engine::Result<Block>,
) -> Result<FlightData, Status> {
    let block = block.map_err(|error| from_engine(&error))?;
    let at_once = cube.compression == Compression::None && cube.layout.block_bytes() <= AT_ONCE;
    let work = move || {
        let begun = Instant::now();
        let pixels = pixels(&cube.layout, &block);
        let Some(step) = cube.steps.get(block.step) else {
            return Err(plain("CF-ENG-002", "a row-block of a step that was not planned"));
        };
        let at = cube.place.start + block.step;
        let note = json!({ "step": at, "steps": cube.place.end, "block": block.block });
        let batch = row_of(&cube.layout, step, block).into_batch(&cube.layout, &cube.schema);
        let batch = batch.map_err(|error| from_batch(&error))?;
        let message = encode_row_as(&batch, &note.to_string(), cube.compression);
        if let Some(trailers) = &cube.trailers {
            trailers.add_time(ENCODE_MS, begun.elapsed());
            trailers.add(PIXELS, pixels);
        }
        message.map_err(|error| from_batch(&error))
    };
    if at_once {
        return work();
    }
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| plain("CF-ENG-002", &error.to_string()))?
}

/// Pixels of the windows that a row holds, of all bands; what is padded is none. A row that stands for
/// a skipped step has none.
fn pixels(layout: &Layout, block: &Block) -> u64 {
    let of_column = |column: &Column| column.block_window(u32::from(block.block)).pixels();
    if block.skipped { 0 } else { layout.columns.iter().map(of_column).sum() }
}

/// A row-block with what is known of its step.
#[must_use]
pub fn row_of(layout: &Layout, step: &PlannedStep, block: Block) -> BlockRow {
    let faults = block.faults.iter().chain(&block.partial).chain(&block.replaced);
    let errors = faults.map(|(column, fault)| ColumnError {
        column: layout.columns.get(*column).map_or_else(String::new, |c| c.path.clone()),
        product_id: fault.product.to_string(),
        code: fault.code.to_owned(),
        message: fault.message.clone(),
    });
    let failed: Vec<usize> = block.faults.iter().map(|(column, _)| *column).collect();
    let status = match block.skipped {
        true => RowStatus::Skipped,
        false => RowStatus::of(layout.columns.len(), &failed, !block.partial.is_empty()),
    };
    BlockRow {
        time: step.time,
        product_ids: step.product_ids.iter().map(ToString::to_string).collect(),
        status,
        errors: errors.collect(),
        block: block.block,
        metadata: step.metadata.clone(),
        valid_fraction: block.valid_fraction,
        pixels: block.pixels.into_iter().map(buffer_of).collect(),
    }
}

fn buffer_of(pixels: Pixels) -> Buffer {
    match pixels {
        Pixels::U8(values) => Buffer::from_vec(values),
        Pixels::U16(values) => Buffer::from_vec(values),
        Pixels::F32(values) => Buffer::from_vec(values),
    }
}
