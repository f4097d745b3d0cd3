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
mod scan;
mod store;
mod table;

pub use error::{Error, Result};
pub use indexer::{
    Assets, Candidate, Failure, Found, IndexOptions, Indexer, Line, Progress, Report, Scope, Shard,
    Skipped, Source, Tally, archive_listing, build, candidates, listed,
};
pub use peer::{PeerRow, read_peer, write_peer};
pub use scan::{MAX_WHOLE_READ, ScanDetail, scan_asset, scan_asset_with, scan_file, scan_header};
pub use store::{Index, Selection};
