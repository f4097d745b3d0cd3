//! Descriptors and tickets to requests.

use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use cubeflight_plan::SCL;
use cubeflight_proto::{Error, decode_request, v1};
use cubeflight_sentinel2::{AssetId, CubeRequest, Level, MgrsTile, SpectralBand};
use tonic::Status;

use crate::endpoints::MAX_ENDPOINTS;
use crate::status::{BAD_PATH, NO_DESCRIPTOR, from_domain, from_request, plain};
use crate::tlm::{Query, is_tlm};

/// What a descriptor asks for.
#[derive(Debug)]
pub(crate) enum Wanted {
    Cube {
        request: Box<CubeRequest>,
        /// Endpoints at most; absent where that is left to the server.
        endpoints: Option<usize>,
    },
    Tlm(Query),
}

pub(crate) fn wanted(descriptor: &FlightDescriptor) -> Result<Wanted, Status> {
    match descriptor.r#type() {
        DescriptorType::Cmd => {
            cube(&decode_request(&descriptor.cmd).map_err(|error| from_request(&error))?)
        }
        DescriptorType::Path if is_tlm(&descriptor.path) => {
            Ok(Wanted::Tlm(Query::from_path(&descriptor.path)?))
        }
        DescriptorType::Path => cube(&of_path(&descriptor.path)?),
        DescriptorType::Unknown => {
            Err(plain(NO_DESCRIPTOR, "the descriptor has no type; send a CMD or PATH descriptor"))
        }
    }
}

fn cube(wire: &v1::CubeRequest) -> Result<Wanted, Status> {
    let request = Box::new(domain(wire)?);
    let endpoints = usize::try_from(wire.max_endpoints).ok().filter(|most| *most > 0);
    Ok(Wanted::Cube { request, endpoints })
}

/// What is to be had of a tile, for those who look around: the whole of it, all reflectance at its own
/// resolution, and at level 2A the scene classification.
pub(crate) fn discovered(level: Level, tile: MgrsTile) -> v1::CubeRequest {
    let own = |asset: &AssetId| {
        asset.is_reflectance()
            && asset.band.spectral().map(SpectralBand::native_resolution) == Some(asset.resolution)
    };
    let wanted = |asset: &AssetId| own(asset) || *asset == SCL;
    v1::CubeRequest {
        collection: level.collection().to_owned(),
        tile: tile.to_string(),
        bands: AssetId::all(level)
            .iter()
            .filter(|it| wanted(it))
            .map(ToString::to_string)
            .collect(),
        ..v1::CubeRequest::default()
    }
}

fn of_path(path: &[String]) -> Result<v1::CubeRequest, Status> {
    let [collection, tile] = path else {
        let message = "the path is neither [collection, tile] nor [\"tlm\", collection, tile]";
        return Err(plain(BAD_PATH, message));
    };
    let level = collection.parse().map_err(|error| from_domain(&error))?;
    let tile = tile.parse().map_err(|error| from_domain(&error))?;
    Ok(discovered(level, tile))
}

pub(crate) fn domain(wire: &v1::CubeRequest) -> Result<CubeRequest, Status> {
    if wire.max_endpoints > MAX_ENDPOINTS {
        return Err(from_request(&Error::OutOfRange {
            field: "maxEndpoints",
            value: wire.max_endpoints.to_string(),
            expected: "at most 64",
        }));
    }
    CubeRequest::try_from(wire).map_err(|error| from_request(&error))
}
