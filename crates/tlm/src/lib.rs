//! The TLM record: for one asset, where its tile-parts lie in the file and, when known, its main
//! header and the lengths of its packets. Pure; storing and finding records is the index's work.

#![forbid(unsafe_code)]

mod error;
mod peer;
mod record;
#[cfg(test)]
mod test_support;

/// Files without record are read whole up to this size in bytes: one request instead of one per
/// tile-part. Nearly all SCL, AOT, mask and 60 m files are smaller.
///
/// At 20 MB/s a connection this takes half a second of one, as long as four to eight requests of
/// 60 ms each; the tile-parts of such a file would take 64 to 121.
pub const MAX_WHOLE_READ: u64 = 8 * 1024 * 1024;

pub use error::{Error, Result};
pub use peer::{PeerCell, decode_peer_cell, encode_peer_cell};
pub use record::{PacketLengths, RecordSource, TilePartSpan, TlmRecord, parse_tlm_segments};
