//! Descriptors and tickets to requests.

use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use cubeflight_proto::{decode_request, v1};
use cubeflight_sentinel2::CubeRequest;
use tonic::Status;

use crate::status::{NO_DESCRIPTOR, from_request, plain};
use crate::tlm::Query;

/// What a descriptor asks for.
#[derive(Debug)]
pub(crate) enum Wanted {
    Cube(Box<CubeRequest>),
    Tlm(Query),
}

pub(crate) fn wanted(descriptor: &FlightDescriptor) -> Result<Wanted, Status> {
    match descriptor.r#type() {
        DescriptorType::Cmd => {
            let wire = decode_request(&descriptor.cmd).map_err(|error| from_request(&error))?;
            Ok(Wanted::Cube(Box::new(domain(&wire)?)))
        }
        DescriptorType::Path => Ok(Wanted::Tlm(Query::from_path(&descriptor.path)?)),
        DescriptorType::Unknown => {
            Err(plain(NO_DESCRIPTOR, "the descriptor has no type; send a CMD or PATH descriptor"))
        }
    }
}

pub(crate) fn domain(wire: &v1::CubeRequest) -> Result<CubeRequest, Status> {
    CubeRequest::try_from(wire).map_err(|error| from_request(&error))
}
