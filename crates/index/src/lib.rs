//! The index: TLM records in Parquet files on object storage.
//!
//! Files lie at `v1/<collection>/<MGRS tile>/<UUIDv7>-<bytes>.parquet` below the index root and are
//! only ever created, never changed: the listing is the manifest. Records of one file state (store,
//! key, size, ETag) complete each other, the newest first. Any number of writers, readers and
//! compactions may work at the same time. `docs/index-format.md` describes the files.

#![forbid(unsafe_code)]

mod cache;
mod compact;
mod error;
mod files;
mod guard;
mod indexer;
mod info;
mod merge;
mod peer;
mod references;
mod scan;
mod store;
mod table;

pub use cache::CacheOptions;
pub use compact::Compaction;
pub use cubeflight_tlm::MAX_WHOLE_READ;
pub use error::{Error, Result};
pub use indexer::{
    Assets, Candidate, Failure, Found, IndexOptions, Indexer, Line, Progress, Report, Scope, Shard,
    Skipped, Source, Tally, archive_listing, build, candidates, listed,
};
pub use info::TableInfo;
pub use peer::{PeerRow, read_peer, write_peer};
pub use references::{LeftOut, MAX_JSON_REFERENCES, RECORD_SIZE, ReferenceFile, References};
pub use scan::{ScanDetail, scan_asset, scan_asset_with, scan_file, scan_header};
pub use store::{Detail, Index, Selection};
