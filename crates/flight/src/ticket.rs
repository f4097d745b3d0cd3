//! Tickets: what was found for an endpoint, signed, so that every replica that has the key serves it
//! and the catalogue is not asked twice. Nothing is kept of them here.

mod cube;
mod keys;
mod seal;
#[cfg(test)]
mod tests;

pub(crate) use cube::{CubePart, cube_part, cube_ticket};
pub use keys::{KeyError, TicketKeys};
pub(crate) use seal::{Opened, Sealer};
