//! PollFlightInfo: looks into files without record, a while at a time, so that the stream that comes
//! after need not. Nothing is kept of a poll: how far it is stands in the index that all replicas
//! share, so the next one may go to any of them.

use std::time::Duration;

use arrow_flight::{FlightDescriptor, FlightInfo, PollInfo};
use cubeflight_engine::Resolved;
use tonic::Status;

use crate::CubeFlight;
use crate::caller::Caller;
use crate::convert::{Wanted, wanted};
use crate::status::from_engine;

/// How long one poll looks into files.
const TURN: Duration = Duration::from_secs(2);

impl CubeFlight {
    /// The FlightInfo as it is now: its tickets can be redeemed at once, whatever is left to be looked
    /// into. It is complete when every file has a record, or when a turn has found none.
    pub(crate) async fn poll(
        &self,
        caller: &Caller,
        descriptor: FlightDescriptor,
    ) -> Result<PollInfo, Status> {
        let (request, most) = match wanted(&descriptor)? {
            Wanted::Cube { request, endpoints } => (request, endpoints),
            Wanted::Tlm(query) => {
                return Ok(over(self.records_info(caller, descriptor, query).await?));
            }
        };
        let engine = self.engine();
        let mut resolved = engine.resolve(&request).await.map_err(|error| from_engine(&error))?;
        let before = resolved.plan.summary.assets_without_index;
        if before > 0 {
            engine.complete(&resolved.plan, TURN).await;
            resolved = engine.resolve(&request).await.map_err(|error| from_engine(&error))?;
        }
        let left = resolved.plan.summary.assets_without_index;
        let info = self.info_of(caller, descriptor.clone(), &request, most, &resolved).await?;
        if left == 0 || left >= before {
            return Ok(over(info));
        }
        Ok(PollInfo {
            info: Some(info),
            flight_descriptor: Some(descriptor),
            progress: Some(known(&resolved, left)),
            expiration_time: None,
        })
    }
}

fn over(info: FlightInfo) -> PollInfo {
    PollInfo {
        info: Some(info),
        flight_descriptor: None,
        progress: Some(1.0),
        expiration_time: None,
    }
}

/// Share of the images that have a record.
fn known(resolved: &Resolved, left: u64) -> f64 {
    let images: usize = resolved.plan.steps.iter().map(|step| step.planned().count()).sum();
    (1.0 - left as f64 / (images as f64).max(1.0)).clamp(0.0, 1.0)
}
