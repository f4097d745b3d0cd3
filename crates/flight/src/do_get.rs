//! DoGet: streams the cube of a ticket, or of a bare request.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::Buffer;
use arrow_flight::{FlightData, Ticket};
use arrow_schema::SchemaRef;
use cubeflight_batch::{BlockRow, ColumnError, Status as RowStatus, encode_row, encode_schema};
use cubeflight_engine::{Block, Pixels};
use cubeflight_plan::{Layout, Plan, PlannedStep};
use cubeflight_proto::v1::ticket::Content;
use cubeflight_proto::{Presented, decode_ticket};
use cubeflight_sentinel2::CubeRequest;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use serde_json::json;
use tonic::{Response, Status};

use crate::CubeFlight;
use crate::caller::Caller;
use crate::convert::domain;
use crate::get_schema::{check_offsets, schema};
use crate::status::{TICKET_LAYOUT, from_batch, from_engine, from_request, plain};
use crate::ticket::{CubePart, Opened, cube_part};
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
    /// Position of the first of them in the cube, and steps of the cube.
    first_step: usize,
    total_steps: usize,
}

/// What a stream holds.
#[derive(Debug, Clone)]
enum Redeemed {
    /// All of a request, which is still to be planned.
    Whole(Box<CubeRequest>),
    /// Steps that were found before.
    Part(Box<CubePart>),
    Tlm(Query),
}

/// The messages of a stream after its schema.
pub(crate) type Rows = BoxStream<'static, Result<FlightData, Status>>;

impl CubeFlight {
    pub(crate) async fn get(
        &self,
        caller: &Caller,
        ticket: Ticket,
    ) -> Result<Response<Rows>, Status> {
        let trailers = Trailers::begin();
        let redeemed = self.redeem(caller, &ticket, &trailers).await;
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
        caller: &Caller,
        ticket: &Ticket,
        trailers: &Trailers,
    ) -> Result<(SchemaRef, Rows), Status> {
        match self.read_ticket(caller, ticket)? {
            Redeemed::Whole(request) => {
                let resolved = self.engine().resolve(&request).await;
                let plan = resolved.map_err(|error| from_engine(&error))?.plan;
                let steps = 0..plan.steps.len();
                self.cube(&request, plan, steps, trailers)
            }
            Redeemed::Part(part) => {
                let CubePart { request, steps, cost, first_step, total_steps, row_blocks } = *part;
                let plan = self.engine().plan(&request, &steps, &cost).await;
                let plan = plan.map_err(|error| from_engine(&error))?;
                if u32::from(plan.layout.blocks) != row_blocks {
                    let message = "the ticket divides time steps into other row-blocks than this \
                                   server";
                    return Err(plain(TICKET_LAYOUT, message));
                }
                self.cube(&request, plan, first_step..total_steps, trailers)
            }
            Redeemed::Tlm(query) => self.records(query, trailers).await,
        }
    }

    /// What a ticket is for, if the caller may redeem it.
    fn read_ticket(&self, caller: &Caller, ticket: &Ticket) -> Result<Redeemed, Status> {
        let presented = decode_ticket(&ticket.ticket).map_err(|error| from_request(&error))?;
        let signed = match presented {
            Presented::Request(request) => return Ok(Redeemed::Whole(Box::new(domain(&request)?))),
            Presented::Signed(signed) => signed,
        };
        let Opened { content, .. } = self.sealer().open(&caller.tenant, &signed)?;
        match content {
            Content::Cube(cube) => {
                let part = cube_part(cube, self.engine().cost());
                Ok(Redeemed::Part(Box::new(part.map_err(|error| from_request(&error))?)))
            }
            Content::Tlm(query) => Ok(Redeemed::Tlm(Query::from_wire(&query)?)),
        }
    }

    /// The stream of a plan; `steps` is the position of its first step in the cube, and where the cube
    /// ends.
    fn cube(
        &self,
        request: &CubeRequest,
        plan: Plan,
        steps: Range<usize>,
        trailers: &Trailers,
    ) -> Result<(SchemaRef, Rows), Status> {
        check_offsets(request, &plan)?;
        let layout = Arc::clone(&plan.layout);
        let schema = Arc::new(schema(&layout, request)?);
        let cube = Arc::new(Cube {
            layout,
            schema: Arc::clone(&schema),
            steps: plan.steps.iter().map(without_reads).collect(),
            first_step: steps.start,
            total_steps: steps.end,
        });

        trailers.set(PLAN_MS, trailers.elapsed_ms());
        trailers.set(ROWS, 0);
        let sent = trailers.clone();
        let blocks = self.engine().run(plan, request.on_error);
        let rows = Counted::new(blocks, trailers.clone())
            .map(move |block| encode(Arc::clone(&cube), block))
            .buffered(ENCODING)
            .inspect(move |row| sent.add(ROWS, u64::from(row.is_ok())));
        Ok((schema, rows.boxed()))
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
        let at = cube.first_step + block.step;
        let note = json!({ "step": at, "steps": cube.total_steps, "block": block.block });
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
