//! DoGet: streams the cube of a ticket, or of a bare request.

use std::sync::Arc;

use arrow_buffer::Buffer;
use arrow_flight::{FlightData, Ticket};
use arrow_schema::SchemaRef;
use cubeflight_batch::{BlockRow, ColumnError, Status as RowStatus, encode_row, encode_schema};
use cubeflight_engine::{Block, Pixels};
use cubeflight_plan::{CostModel, Layout, PlannedStep};
use cubeflight_proto::{Redeemed, decode_ticket, product_ids, v1};
use cubeflight_sentinel2::ProductId;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use serde_json::json;
use tonic::{Response, Status};

use crate::CubeFlight;
use crate::convert::domain;
use crate::get_schema::{check_offsets, schema};
use crate::status::{PRODUCT_GONE, from_batch, from_engine, from_request, of_product, plain};
use crate::tlm::Query;
use crate::trailers::{Counted, PLAN_MS, ROWS, Trailers};

/// Row-blocks that are encoded side by side.
const ENCODING: usize = 2;

/// What the encoder of a row needs to know of its cube.
#[derive(Debug)]
struct Cube {
    layout: Arc<Layout>,
    schema: SchemaRef,
    /// Steps without their reads.
    steps: Vec<PlannedStep>,
}

/// The messages of a stream after its schema.
pub(crate) type Rows = BoxStream<'static, Result<FlightData, Status>>;

impl CubeFlight {
    pub(crate) async fn get(&self, ticket: Ticket) -> Result<Response<Rows>, Status> {
        let trailers = Trailers::begin();
        let redeemed = self.redeem(&ticket, &trailers).await;
        let (schema, rows) = redeemed.map_err(|status| trailers.failed(status))?;
        let first = stream::once(async move { Ok(encode_schema(&schema)) });
        // An error ends the stream: nothing may follow it.
        let all = first.chain(rows).scan(false, |failed, item| {
            let over = std::mem::replace(failed, item.is_err());
            std::future::ready((!over).then_some(item))
        });
        let mut response = Response::new(all.boxed());
        response.extensions_mut().insert(trailers);
        Ok(response)
    }

    async fn redeem(
        &self,
        ticket: &Ticket,
        trailers: &Trailers,
    ) -> Result<(SchemaRef, Rows), Status> {
        match decode_ticket(&ticket.ticket).map_err(|error| from_request(&error))? {
            Redeemed::Cube { request, product_ids, cost } => {
                self.cube(&request, product_ids.as_deref(), cost, trailers).await
            }
            Redeemed::Tlm(query) => self.records(Query::from_wire(&query)?, trailers).await,
        }
    }

    async fn cube(
        &self,
        request: &v1::CubeRequest,
        pins: Option<&[String]>,
        cost: Option<v1::ReadCost>,
        trailers: &Trailers,
    ) -> Result<(SchemaRef, Rows), Status> {
        let request = domain(request)?;
        let pins = pins.map(product_ids).transpose().map_err(|error| from_request(&error))?;
        let current = self.engine().cost();
        let cost = cost.map_or(current, |cost| CostModel {
            latency: cost.request_seconds,
            bandwidth: cost.bytes_per_second,
            ..current
        });
        let resolved = self.engine().resolve_at(&request, pins.as_deref(), cost).await;
        let resolved = resolved.map_err(|error| from_engine(&error))?;
        check_pins(pins.as_deref().unwrap_or_default(), &resolved.pins)?;
        check_offsets(&request, &resolved.plan)?;

        let layout = Arc::clone(&resolved.plan.layout);
        let schema = Arc::new(schema(&layout, &request)?);
        let steps = resolved.plan.steps.iter().map(without_reads).collect();
        let cube = Arc::new(Cube { layout, schema: Arc::clone(&schema), steps });

        trailers.set(PLAN_MS, trailers.elapsed_ms());
        trailers.set(ROWS, 0);
        let sent = trailers.clone();
        let blocks = self.engine().run(resolved.plan, request.on_error);
        let rows = Counted::new(blocks, trailers.clone())
            .map(move |block| encode(Arc::clone(&cube), block))
            .buffered(ENCODING)
            .inspect(move |row| sent.add(ROWS, u64::from(row.is_ok())));
        Ok((schema, rows.boxed()))
    }
}

/// A stream never holds less than its ticket promised.
fn check_pins(pins: &[ProductId], found: &[ProductId]) -> Result<(), Status> {
    match pins.iter().find(|pin| !found.contains(pin)) {
        Some(gone) => {
            let message = "the ticket names a product that the catalogue no longer has";
            Err(of_product(PRODUCT_GONE, message, &gone.to_string()))
        }
        None => Ok(()),
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

/// Encoding copies the pixels once more, so it stays off the threads that answer calls.
async fn encode(
    cube: Arc<Cube>,
    block: cubeflight_engine::Result<Block>,
) -> Result<FlightData, Status> {
    let block = block.map_err(|error| from_engine(&error))?;
    let work = move || {
        let Some(step) = cube.steps.get(block.step) else {
            return Err(plain("CF-ENG-002", "a row-block of a step that was not planned"));
        };
        let note = json!({ "step": block.step, "steps": cube.steps.len(), "block": block.block });
        let batch = row_of(&cube.layout, step, block).into_batch(&cube.layout, &cube.schema);
        let batch = batch.map_err(|error| from_batch(&error))?;
        encode_row(&batch, &note.to_string()).map_err(|error| from_batch(&error))
    };
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| plain("CF-ENG-002", &error.to_string()))?
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
