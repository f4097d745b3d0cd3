//! Flags of `cubeflight tlm`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::OwnerArgs;
use crate::commands::tlm::{InjectArgs, VerifyArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum TlmCommand {
    /// Write the records of a tile as a table of jp2io
    Export(TlmArgs),
    /// Add the records of a table of jp2io to the index
    Import(TlmArgs),
    /// Write a copy of a JP2 file with a TLM in its main header
    ///
    /// GDAL and everything else that reads by OpenJPEG 2.5.3 or later then finds a tile by one
    /// read. All other bytes are copied; see docs/tlm-tools.md.
    Inject(InjectArgs),
    /// Compare the records of a tile with the files they describe
    ///
    /// Sizes, and the tile-parts that stand where the record says; with --full all of each file
    /// is read, scanned anew, and compared with its checksum where the catalogue has one. Ends
    /// with 1 where anything disagrees, after a list of it.
    Verify(VerifyArgs),
    /// Count what the tables of an index hold
    Stats(TlmStatsArgs),
    /// Make one file of the many of a table
    ///
    /// Writes the records of all files of a table to a new one and removes files whose records
    /// another has held for longer than --grace. Writers, readers and other compactions may be at
    /// work. A table of one file is left as it is, so that it can be run as often as wanted.
    Compact(TlmCompactArgs),
    /// Write Kerchunk references, by which zarr and xarray read the files without a server
    ///
    /// A chunk of the Zarr store is one JP2 tile, read by its byte range; the Python package
    /// cubeflight has the codec. Files whose records are incomplete, or that are coded otherwise
    /// than the rest of their asset, are left out and named.
    References(ReferencesArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReferencesArgs {
    /// Index: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_INDEX")]
    pub(crate) index: String,

    #[command(flatten)]
    pub(crate) owner: OwnerArgs,

    /// Archive that the references point to: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_STORE")]
    pub(crate) store: String,

    /// MGRS tile
    #[arg(long, value_name = "TILE")]
    pub(crate) tile: String,

    /// sentinel-2-l2a or sentinel-2-l1c
    #[arg(long, default_value = "sentinel-2-l2a", value_name = "ID")]
    pub(crate) collection: String,

    /// Only these datatake starts, as in `pull`. Default: all
    #[arg(long, default_value = "../..", value_name = "A/B", hide_default_value = true)]
    pub(crate) datetime: String,

    /// Only these bands, comma separated, as in `pull`. Default: all that are indexed
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) bands: Vec<String>,

    /// FILE.json, or DIR.parq for many references: a new directory of Parquet files
    #[arg(long, value_name = "FILE.json|DIR.parq")]
    pub(crate) out: PathBuf,
}

/// Which tables of an index.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// Index: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_INDEX")]
    pub(crate) index: String,

    #[command(flatten)]
    pub(crate) owner: OwnerArgs,

    /// Only this collection: sentinel-2-l2a or sentinel-2-l1c
    #[arg(long, value_name = "ID")]
    pub(crate) collection: Option<String>,

    /// Only this MGRS tile
    #[arg(long, value_name = "TILE")]
    pub(crate) tile: Option<String>,

    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TlmStatsArgs {
    #[command(flatten)]
    pub(crate) tables: TableArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TlmCompactArgs {
    #[command(flatten)]
    pub(crate) tables: TableArgs,

    /// Seconds for which a file stays after another has taken its records: longer than any listing
    /// of the table takes, and than this machine's clock may be ahead of the store's
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    pub(crate) grace: u64,
}

#[derive(Debug, Args)]
pub(crate) struct TlmArgs {
    /// Index: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_INDEX")]
    pub(crate) index: String,

    #[command(flatten)]
    pub(crate) owner: OwnerArgs,

    /// MGRS tile
    #[arg(long, value_name = "TILE")]
    pub(crate) tile: String,

    /// sentinel-2-l2a or sentinel-2-l1c
    #[arg(long, default_value = "sentinel-2-l2a", value_name = "ID")]
    pub(crate) collection: String,

    /// The table, a local Parquet file
    #[arg(long, value_name = "FILE")]
    pub(crate) peer: PathBuf,

    /// Export only the finest resolution of each band, named by the band alone
    #[arg(long)]
    pub(crate) best_only: bool,
}
