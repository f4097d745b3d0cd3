//! Records as a Parquet table: format 1, described in `docs/index-format.md`.

mod columns;
mod footer;
mod pages;
mod rows;
mod summary;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use footer::{Block, Footer, Parsed, Want};
pub(crate) use pages::{decode, ranges};
pub(crate) use summary::{Counting, Summary};
pub(crate) use write::{Table, Writer};

use std::sync::Arc;

use cubeflight_tlm::TlmRecord;

/// Value of the file metadata `cubeflight.format`.
pub(crate) const FORMAT: &str = "1";
/// File metadata: version of the format.
pub(crate) const FORMAT_KEY: &str = "cubeflight.format";
/// File metadata: JSON array of the names of the files whose records this one holds.
pub(crate) const REPLACES_KEY: &str = "cubeflight.replaces";
/// File metadata: JSON object with counts, see [`Summary`].
pub(crate) const SUMMARY_KEY: &str = "cubeflight.summary";

/// Rows of a page in the columns that are read in part, and of what is kept in memory as one.
pub(crate) const BLOCK_ROWS: usize = 64;
/// Rows of a row group at most. A multiple of [`BLOCK_ROWS`].
pub(crate) const GROUP_ROWS: usize = 512;

/// A record as one file has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The record.
    pub(crate) record: Arc<TlmRecord>,
    /// When it was appended, microseconds since 1970 UTC.
    pub(crate) written_at: i64,
    /// Whether the file has its packet lengths, read or not.
    pub(crate) has_packets: bool,
}

/// The columns to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Columns {
    /// All but packet lengths and main header: what counting takes.
    Count,
    /// All but packet lengths.
    Tlm,
    /// All.
    Packets,
}
