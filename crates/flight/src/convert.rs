//! Descriptors and tickets to requests.

use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use cubeflight_proto::{decode_request, v1};
use cubeflight_sentinel2::CubeRequest;
use tonic::Status;

use crate::status::{NO_DESCRIPTOR, UNIMPLEMENTED, from_request, plain};

/// The request of a CMD descriptor.
pub(crate) fn request_of(descriptor: &FlightDescriptor) -> Result<CubeRequest, Status> {
    match descriptor.r#type() {
        DescriptorType::Cmd => {
            let wire = decode_request(&descriptor.cmd).map_err(|error| from_request(&error))?;
            domain(&wire)
        }
        DescriptorType::Path => {
            Err(plain(UNIMPLEMENTED, "path descriptors are not served; send a CMD descriptor"))
        }
        DescriptorType::Unknown => {
            Err(plain(NO_DESCRIPTOR, "the descriptor has no type; send a CMD descriptor"))
        }
    }
}

pub(crate) fn domain(wire: &v1::CubeRequest) -> Result<CubeRequest, Status> {
    CubeRequest::try_from(wire).map_err(|error| from_request(&error))
}
