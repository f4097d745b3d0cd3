//! DoGet: streams the cube of a ticket, or of a bare request.

use std::sync::Arc;

use arrow_flight::{FlightData, Ticket};
use arrow_schema::SchemaRef;
use cubeflight_batch::encode_schema;
use cubeflight_plan::CostModel;
use cubeflight_proto::{Redeemed, decode_ticket, product_ids, v1};
use cubeflight_sentinel2::{Delivery, ProductId};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use tonic::{Response, Status};

use crate::CubeFlight;
use crate::convert::domain;
use crate::get_schema::{check_offsets, schema};
use crate::rows::Encoder;
use crate::status::{PRODUCT_GONE, from_engine, from_request, of_product};
use crate::tlm::Query;
use crate::trailers::{Counted, PLAN_MS, ROWS, Trailers};

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
        let Delivery { order, compression, .. } = request.delivery;
        let encoder = Encoder::new(layout, Arc::clone(&schema), &resolved.plan.steps, compression);

        trailers.set(PLAN_MS, trailers.elapsed_ms());
        trailers.set(ROWS, 0);
        let sent = trailers.clone();
        let blocks = self.engine().run_in(order, resolved.plan, request.on_error);
        let rows = encoder
            .messages(Counted::new(blocks, trailers.clone()))
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
