//! GetFlightInfo: plans, reads nothing.

use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use cubeflight_proto::{encode_ticket, v1};
use cubeflight_sentinel2::Order;
use tonic::{Response, Status};

use crate::CubeFlight;
use crate::convert::{Wanted, wanted};
use crate::get_schema::{check_offsets, schema};
use crate::status::{from_batch, from_engine, plain};
use crate::summary::wire_summary;

impl CubeFlight {
    pub(crate) async fn flight_info(
        &self,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>, Status> {
        let request = match wanted(&descriptor)? {
            Wanted::Cube(request) => request,
            Wanted::Tlm(query) => return self.records_info(descriptor, query).await,
        };
        let resolved = self.engine().resolve(&request, None).await;
        let resolved = resolved.map_err(|error| from_engine(&error))?;
        check_offsets(&request, &resolved.plan)?;
        let layout = &resolved.plan.layout;
        let schema = schema(layout, &request)?;

        let summary = wire_summary(&resolved);
        let rows = resolved.plan.steps.len() as u64 * u64::from(layout.blocks);
        let bytes = rows.saturating_mul(layout.block_bytes());
        // Nobody knows before reading which steps will be skipped.
        let known = |count: u64| match layout.min_valid {
            Some(_) => -1,
            None => i64::try_from(count).unwrap_or(i64::MAX),
        };
        let pins = resolved.pins.iter().map(ToString::to_string).collect();
        let cost = v1::ReadCost {
            request_seconds: resolved.cost.latency,
            bytes_per_second: resolved.cost.bandwidth,
        };
        let ticket = encode_ticket(v1::CubeRequest::from(&*request), pins, Some(cost));
        let metadata = serde_json::to_string(&summary)
            .map_err(|error| plain("CF-REQ-001", &error.to_string()))?;
        let info = FlightInfo::new()
            .try_with_schema(&schema)
            .map_err(|error| from_batch(&error.into()))?
            .with_descriptor(descriptor)
            .with_endpoint(FlightEndpoint::new().with_ticket(Ticket::new(ticket)))
            .with_total_records(known(rows))
            .with_total_bytes(known(bytes))
            .with_ordered(request.delivery.order == Order::Time)
            .with_app_metadata(metadata);
        Ok(Response::new(info))
    }
}
