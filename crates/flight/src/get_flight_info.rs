//! GetFlightInfo: plans, reads nothing.

use arrow_flight::{FlightDescriptor, FlightInfo};
use cubeflight_engine::Resolved;
use cubeflight_sentinel2::{CubeRequest, Order};
use tonic::Status;

use crate::CubeFlight;
use crate::caller::Caller;
use crate::convert::{Wanted, wanted};
use crate::get_schema::{check_offsets, schema};
use crate::status::{from_batch, from_engine, plain};
use crate::summary::wire_summary;

impl CubeFlight {
    pub(crate) async fn flight_info(
        &self,
        caller: &Caller,
        descriptor: FlightDescriptor,
    ) -> Result<FlightInfo, Status> {
        let (request, most) = match wanted(&descriptor)? {
            Wanted::Cube { request, endpoints } => (request, endpoints),
            Wanted::Tlm(query) => return self.records_info(caller, descriptor, query).await,
        };
        let resolved = self.engine().resolve(&request).await;
        let resolved = resolved.map_err(|error| from_engine(&error))?;
        self.info_of(caller, descriptor, &request, most, &resolved).await
    }

    /// The FlightInfo of a plan, with at most so many endpoints.
    pub(crate) async fn info_of(
        &self,
        caller: &Caller,
        descriptor: FlightDescriptor,
        request: &CubeRequest,
        most: Option<usize>,
        resolved: &Resolved,
    ) -> Result<FlightInfo, Status> {
        check_offsets(request, &resolved.plan)?;
        let layout = &resolved.plan.layout;
        let schema = schema(layout, request)?;

        let summary = wire_summary(resolved);
        let rows = resolved.plan.steps.len() as u64 * u64::from(layout.blocks);
        let bytes = rows.saturating_mul(layout.block_bytes());
        // Nobody knows before reading which steps will be skipped.
        let known = |count: u64| match layout.min_valid {
            Some(_) => -1,
            None => i64::try_from(count).unwrap_or(i64::MAX),
        };
        let most = most.unwrap_or(self.default_endpoints());
        let endpoints = self.endpoints(caller, request, resolved, most).await?;
        let metadata = serde_json::to_string(&summary)
            .map_err(|error| plain("CF-REQ-001", &error.to_string()))?;
        let info = FlightInfo::new()
            .try_with_schema(&schema)
            .map_err(|error| from_batch(&error.into()))?
            .with_descriptor(descriptor)
            .with_total_records(known(rows))
            .with_total_bytes(known(bytes))
            .with_ordered(request.delivery.order == Order::Time)
            .with_app_metadata(metadata);
        Ok(endpoints.into_iter().fold(info, FlightInfo::with_endpoint))
    }
}
