//! GetSchema, and the schema for the other RPCs.

use arrow_flight::{FlightDescriptor, SchemaAsIpc, SchemaResult};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::Schema;
use cubeflight_batch::cube_schema;
use cubeflight_plan::{Layout, Plan};
use cubeflight_proto::{encode_request_json, v1};
use cubeflight_sentinel2::CubeRequest;
use tonic::{Response, Status};

use crate::CubeFlight;
use crate::convert::{Wanted, wanted};
use crate::status::{OTHER_OFFSET, from_batch, from_engine, from_request, of_product};

impl CubeFlight {
    pub(crate) async fn schema_of(
        &self,
        descriptor: &FlightDescriptor,
    ) -> Result<Response<SchemaResult>, Status> {
        let schema = match wanted(descriptor)? {
            Wanted::Cube { request, .. } => {
                let layout = self.engine().layout(&request).await;
                schema(&*layout.map_err(|error| from_engine(&error))?, &request)?
            }
            Wanted::Tlm(query) => query.schema(),
        };
        let result = SchemaResult::try_from(SchemaAsIpc::new(&schema, &IpcWriteOptions::default()));
        let result = result.map_err(|error| from_batch(&error.into()))?;
        Ok(Response::new(result))
    }
}

/// The schema of a request: the same for every RPC and every endpoint, and however the cube is
/// delivered.
pub(crate) fn schema(layout: &Layout, request: &CubeRequest) -> Result<Schema, Status> {
    let normalised = v1::CubeRequest::from(request).without_delivery();
    let json = encode_request_json(&normalised).map_err(|error| from_request(&error))?;
    let schema = cube_schema(layout, &request.time, &json, request.raw_offset());
    schema.map_err(|error| from_batch(&error))
}

/// What the schema says of raw numbers holds for every step: baselines tell the offset, but the
/// metadata of a product have the last word.
pub(crate) fn check_offsets(request: &CubeRequest, plan: &Plan) -> Result<(), Status> {
    let Some(stated) = request.raw_offset() else { return Ok(()) };
    for step in &plan.steps {
        let offsets = step.metadata.radiometric_offset.iter().flatten();
        let Some(other) = offsets.copied().find(|offset| *offset != stated) else { continue };
        let message = format!(
            "the metadata of the product have the radiometric offset {other}, its baseline has {stated}"
        );
        let product = step.product_ids.first().map(ToString::to_string).unwrap_or_default();
        return Err(of_product(OTHER_OFFSET, &message, &product));
    }
    Ok(())
}
