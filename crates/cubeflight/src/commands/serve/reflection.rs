//! grpc.reflection.v1: which services and messages there are.

use tonic_reflection::server::Builder;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use crate::error::CliError;

/// Describes Flight, the messages that travel in it, and health.
pub(super) fn service() -> Result<ServerReflectionServer<impl ServerReflection>, CliError> {
    let described = Builder::configure()
        .register_encoded_file_descriptor_set(cubeflight_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    described.build_v1().map_err(|error| CliError::coded("CF-CLI-001", &error))
}
