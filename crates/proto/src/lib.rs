//! What travels between clients and server: the types generated from `proto/` (binary form by
//! prost, JSON form by pbjson), how a request is told apart from its packed form, and the one
//! table of error codes from which gRPC codes, `docs/errors.md` and the clients' exceptions come.

#![forbid(unsafe_code)]

mod descriptor;
mod error;
pub mod errors;

#[cfg(feature = "domain")]
mod delivery;
#[cfg(feature = "domain")]
mod domain;

/// Version 1 of the wire types, generated from `proto/cubeflight/v1/cube.proto`.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]
pub mod v1 {
    include!("generated/cubeflight.v1.rs");
    include!("generated/cubeflight.v1.serde.rs");
}

/// The files of `proto/` as an encoded `google.protobuf.FileDescriptorSet`: the Flight service and
/// version 1 of the wire types. For reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptors.bin");

pub use descriptor::{
    MAX_BYTES, Presented, decode_filter, decode_request, decode_ticket, encode_request_json,
    encode_ticket,
};
#[cfg(feature = "domain")]
pub use domain::{assets, product_ids};
pub use error::{Error, Result};
