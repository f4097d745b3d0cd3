//! The Arrow Flight service: GetFlightInfo plans, GetSchema describes, DoGet streams, ListFlights
//! lists the tables of the index. Everything else answers UNIMPLEMENTED.

#![forbid(unsafe_code)]

mod convert;
mod do_get;
mod get_flight_info;
mod get_schema;
mod rows;
mod service;
mod status;
mod summary;
mod tlm;
mod trailers;

pub use cubeflight_proto::errors::{Class, Place};
pub use rows::{Encoder, row_of};
pub use service::{CubeFlight, server};
pub use status::{CODES, error_class, error_text};
pub use summary::wire_summary;
pub use trailers::WithTrailers;
