//! DoGet: streams the cube of a ticket, or of a bare request.

use std::ops::Range;
use std::sync::Arc;

use arrow_flight::{FlightData, Ticket};
use arrow_schema::SchemaRef;
use cubeflight_batch::{encode_empty, encode_schema};
use cubeflight_plan::Plan;
use cubeflight_proto::v1::ticket::Content;
use cubeflight_proto::{Presented, decode_ticket};
use cubeflight_sentinel2::{CubeRequest, Delivery};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt, stream};
use tokio::time::timeout;
use tonic::{Response, Status};

use crate::CubeFlight;
use crate::caller::Caller;
use crate::convert::domain;
use crate::get_schema::{check_offsets, schema};
use crate::life::{Call, KeepAlive, late};
use crate::rows::Encoder;
use crate::status::{TICKET_LAYOUT, from_batch, from_engine, from_request, plain};
use crate::ticket::{CubePart, Opened, cube_part};
use crate::tlm::Query;
use crate::trailers::{Counted, DECODER, PIXELS, PLAN_MS, ROWS, Trailers};

/// What a message says that has no rows.
const KEEP_ALIVE: &str = r#"{"keep_alive":true}"#;

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

/// The first message.
fn begin(schema: &SchemaRef) -> Rows {
    let message = encode_schema(schema);
    stream::once(async move { Ok(message) }).boxed()
}

impl CubeFlight {
    pub(crate) async fn get(
        &self,
        caller: &Caller,
        call: Option<&Call>,
        ticket: Ticket,
    ) -> Result<Response<Rows>, Status> {
        let trailers = Trailers::begin();
        let opened = self.open(caller, call, &ticket, &trailers).await;
        let messages = opened.map_err(|status| trailers.failed(status))?;
        // An error ends the stream: nothing may follow it.
        let all = messages.scan(false, |failed, item| {
            let over = std::mem::replace(failed, item.is_err());
            std::future::ready((!over).then_some(item))
        });
        let mut response = Response::new(all.boxed());
        response.extensions_mut().insert(trailers);
        Ok(response)
    }

    /// All messages. Planning that takes longer than a stream may be silent goes on behind the
    /// schema, which depends on the request alone; else its errors are those of the call.
    async fn open(
        &self,
        caller: &Caller,
        call: Option<&Call>,
        ticket: &Ticket,
        trailers: &Trailers,
    ) -> Result<Rows, Status> {
        let redeemed = self.read_ticket(caller, call, ticket)?;
        let (service, of_stream) = (self.clone(), trailers.clone());
        let wanted = redeemed.clone();
        let mut planning = async move { service.redeem(&wanted, &of_stream).await }.boxed();
        let Some(interval) = self.keep_alive() else {
            let (schema, rows) = planning.await?;
            return Ok(begin(&schema).chain(rows).boxed());
        };
        let (schema, rows) = match timeout(interval, &mut planning).await {
            Ok(planned) => planned?,
            Err(_) => {
                let schema = self.schema_of_ticket(&redeemed).await?;
                (schema, late(planning.map_ok(|(_, rows)| rows).boxed()))
            }
        };
        let empty = encode_empty(&schema, KEEP_ALIVE).map_err(|error| from_batch(&error))?;
        Ok(KeepAlive::new(begin(&schema).chain(rows), empty, interval).boxed())
    }

    async fn redeem(
        &self,
        redeemed: &Redeemed,
        trailers: &Trailers,
    ) -> Result<(SchemaRef, Rows), Status> {
        match redeemed {
            Redeemed::Whole(request) => {
                let resolved = self.engine().resolve(request).await;
                let plan = resolved.map_err(|error| from_engine(&error))?.plan;
                let steps = 0..plan.steps.len();
                self.cube(request, plan, steps, trailers)
            }
            Redeemed::Part(part) => {
                let CubePart { request, steps, cost, first_step, total_steps, row_blocks } =
                    &**part;
                let plan = self.engine().plan(request, steps, cost).await;
                let plan = plan.map_err(|error| from_engine(&error))?;
                if u32::from(plan.layout.blocks) != *row_blocks {
                    let message = "the ticket divides time steps into other row-blocks than this \
                                   server";
                    return Err(plain(TICKET_LAYOUT, message));
                }
                self.cube(request, plan, *first_step..*total_steps, trailers)
            }
            Redeemed::Tlm(query) => self.records(query.clone(), trailers).await,
        }
    }

    /// What a ticket is for, if the caller may redeem it. A signed ticket gives its name to the call,
    /// so that CancelFlightInfo finds it.
    fn read_ticket(
        &self,
        caller: &Caller,
        call: Option<&Call>,
        ticket: &Ticket,
    ) -> Result<Redeemed, Status> {
        let presented = decode_ticket(&ticket.ticket).map_err(|error| from_request(&error))?;
        let signed = match presented {
            Presented::Request(request) => return Ok(Redeemed::Whole(Box::new(domain(&request)?))),
            Presented::Signed(signed) => signed,
        };
        let Opened { id, content } = self.sealer().open(&caller.tenant, &signed)?;
        if let Some(call) = call {
            call.name(&id);
        }
        match content {
            Content::Cube(cube) => {
                let part = cube_part(cube, self.engine().cost());
                Ok(Redeemed::Part(Box::new(part.map_err(|error| from_request(&error))?)))
            }
            Content::Tlm(query) => Ok(Redeemed::Tlm(Query::from_wire(&query)?)),
        }
    }

    /// What the stream of a ticket has, by the ticket alone.
    async fn schema_of_ticket(&self, redeemed: &Redeemed) -> Result<SchemaRef, Status> {
        let request = match redeemed {
            Redeemed::Whole(request) => request,
            Redeemed::Part(part) => &part.request,
            Redeemed::Tlm(query) => return Ok(Arc::new(query.schema())),
        };
        let layout = self.engine().layout(request).await;
        let layout = layout.map_err(|error| from_engine(&error))?;
        Ok(Arc::new(schema(&layout, request)?))
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
        let Delivery { order, compression, .. } = request.delivery;
        let encoder = Encoder::new(layout, Arc::clone(&schema), &plan.steps, compression);
        let encoder = encoder.part(steps).counted(trailers.clone());

        trailers.set(PLAN_MS, trailers.elapsed_ms());
        trailers.set(ROWS, 0);
        trailers.set(PIXELS, 0);
        trailers.set_text(DECODER, self.engine().decoder());
        let sent = trailers.clone();
        let blocks = self.engine().run_in(order, plan, request.on_error);
        let rows = encoder
            .messages(Counted::new(blocks, trailers.clone()))
            .inspect(move |row| sent.add(ROWS, u64::from(row.is_ok())));
        Ok((schema, rows.boxed()))
    }
}
