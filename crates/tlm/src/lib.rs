//! The TLM record: for one asset, where its tile-parts lie in the file and, when known, its main
//! header and the lengths of its packets. Pure; storing and finding records is the index's work.

#![forbid(unsafe_code)]

mod error;
mod peer;
mod record;
#[cfg(test)]
mod test_support;

pub use error::{Error, Result};
pub use peer::{PeerCell, decode_peer_cell, encode_peer_cell};
pub use record::{PacketLengths, RecordSource, TilePartSpan, TlmRecord, parse_tlm_segments};
