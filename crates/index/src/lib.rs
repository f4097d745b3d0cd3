//! The index: TLM records in Parquet files on object storage.
//!
//! Files lie at `v1/<collection>/<MGRS tile>/<UUIDv7>.parquet` below the index root and are only
//! ever created, never changed: the listing is the manifest. Where two files hold a record of the
//! same file state (asset, size, ETag), the newer file wins. Any number of writers may write at the
//! same time.

#![forbid(unsafe_code)]

mod error;
mod guard;
mod indexer;
mod peer;
mod references;
mod scan;
mod store;
mod table;

pub use error::{Error, Result};
pub use indexer::{Candidate, IndexOptions, Refusal, Report, build, candidates};
pub use peer::{PeerRow, read_peer, write_peer};
pub use references::{LeftOut, MAX_JSON_REFERENCES, RECORD_SIZE, ReferenceFile, References};
pub use scan::{MAX_WHOLE_READ, scan_asset, scan_file, scan_header};
pub use store::{Index, Selection};
