//! The Arrow Flight service: GetFlightInfo plans and gives signed tickets, DoGet streams what a ticket
//! is for, on any replica that has the key; GetSchema describes, ListFlights lists what the index
//! knows, PollFlightInfo completes the index first, DoAction cancels, renews and explains. DoPut and
//! DoExchange answer UNIMPLEMENTED.

#![forbid(unsafe_code)]

mod actions;
mod caller;
mod convert;
mod do_get;
mod endpoints;
mod get_flight_info;
mod get_schema;
mod handshake;
mod life;
mod list_flights;
mod locations;
mod poll_flight_info;
mod rows;
mod service;
mod status;
mod summary;
mod ticket;
mod tlm;
mod trailers;

pub use cubeflight_proto::errors::{Class, Place};
pub use life::{Calls, Options, REQUEST_ID, Reason, RequestId, Server, StreamStats, Streams};
pub use locations::{Location, LocationError, Locations};
pub use rows::{Encoder, row_of};
pub use service::{CubeFlight, Issuing, server};
pub use status::{CODES, error_class, error_text};
pub use summary::wire_summary;
pub use ticket::{KeyError, TicketKeys};
pub use trailers::WithTrailers;
