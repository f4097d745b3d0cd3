//! What a cube would read.

use chrono::{DateTime, SecondsFormat, Utc};
use cubeflight_engine::Resolved;
use cubeflight_plan::{PlannedColumn, PlannedStep, StepMetadata};
use cubeflight_proto::decode_request;
use serde_json::{Value, json};
use tonic::Status;

use crate::CubeFlight;
use crate::convert::domain;
use crate::status::{from_engine, from_request, plain};
use crate::summary::wire_summary;

impl CubeFlight {
    /// The plan of a request as JSON.
    pub(super) async fn explain(&self, body: &[u8]) -> Result<Vec<u8>, Status> {
        let wire = decode_request(body).map_err(|error| from_request(&error))?;
        let request = domain(&wire)?;
        let resolved = self.engine().resolve(&request).await;
        let resolved = resolved.map_err(|error| from_engine(&error))?;
        let told = explained(&resolved).map_err(|error| plain("CF-REQ-001", &error.to_string()))?;
        Ok(told.to_string().into_bytes())
    }
}

fn explained(resolved: &Resolved) -> serde_json::Result<Value> {
    Ok(json!({
        "summary": serde_json::to_value(wire_summary(resolved))?,
        "cost": {
            "requestSeconds": resolved.cost.latency,
            "bytesPerSecond": resolved.cost.bandwidth,
        },
        "steps": resolved.plan.steps.iter().map(step).collect::<Vec<_>>(),
    }))
}

/// What is read for a step. Numbers are JSON numbers: none is near 2^53.
fn step(step: &PlannedStep) -> Value {
    let (mut requests, mut bytes, mut jp2_tiles, mut without_index) = (0, 0, 0, 0);
    let mut faults = Vec::new();
    for column in step.planned() {
        match column {
            PlannedColumn::Read(read) => {
                requests += read.requests();
                let ranges = read.groups.iter().flat_map(|group| &group.ranges);
                bytes += ranges.map(|range| range.end - range.start).sum::<u64>();
                jp2_tiles += read.groups.iter().map(|group| group.tiles.len()).sum::<usize>();
            }
            PlannedColumn::Scan(_) => without_index += 1,
            PlannedColumn::Fault(fault) => faults.push(json!({
                "productId": fault.product.to_string(),
                "code": fault.code,
                "message": fault.message,
            })),
        }
    }
    json!({
        "time": instant(step.time),
        "productIds": step.product_ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "requests": requests,
        "bytes": bytes,
        "jp2Tiles": jp2_tiles,
        "assetsWithoutIndex": without_index,
        "errors": faults,
        "metadata": metadata(&step.metadata),
    })
}

/// What is known of a step before it is read, by the names of the stream's columns; what is not known
/// is null. How many pixels are valid only reading tells.
fn metadata(step: &StepMetadata) -> Value {
    json!({
        "platform": step.platform,
        "relative_orbit": step.relative_orbit,
        "processing_baseline": step.processing_baseline.map(|baseline| baseline.to_string()),
        "radiometric_offset": step.radiometric_offset,
        "cloud_cover": step.cloud_cover,
        "snow_cover": step.snow_cover,
        "sun_azimuth": step.sun_azimuth,
        "sun_elevation": step.sun_elevation,
        "view_azimuth": step.view_azimuth,
        "view_incidence": step.view_incidence,
        "sensing_time": step.sensing_time.map(instant),
    })
}

fn instant(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
