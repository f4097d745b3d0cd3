//! The Arrow Flight service: GetFlightInfo plans, GetSchema describes, DoGet streams. Everything
//! else answers UNIMPLEMENTED.

#![forbid(unsafe_code)]

mod convert;
mod do_get;
mod get_flight_info;
mod get_schema;
mod service;
mod status;
mod summary;

pub use cubeflight_proto::errors::{Class, Place};
pub use do_get::row_of;
pub use service::CubeFlight;
pub use status::{CODES, error_class, error_text};
pub use summary::wire_summary;
