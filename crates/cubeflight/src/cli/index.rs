//! Flags of `cubeflight index`.

use std::path::PathBuf;

use clap::Args;
use cubeflight_index::{ScanDetail, Shard};
use cubeflight_sentinel2::{Level, MgrsTile, StoreLayout, TimeRange};

use super::values::{detail, seconds};
use super::{LimitArgs, OwnerArgs, WebArgs};

#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Archive with the products: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_STORE")]
    pub(crate) store: String,

    /// Index to add to: a directory (made if absent), file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_INDEX")]
    pub(crate) index: String,

    /// Only what lies in this folder, counted from the store's root
    #[arg(long, value_name = "KEY", conflicts_with_all = ["list", "catalog"])]
    pub(crate) prefix: Option<String>,

    /// Index the products of a catalogue: the root of a STAC API, or a directory, bucket or file of
    /// STAC items (JSON or stac-geoparquet)
    #[arg(long, value_name = "URL|PATH", conflicts_with = "list")]
    pub(crate) catalog: Option<String>,

    /// How the store arranges its files, as in `serve`: cdse, google or sinergise
    #[arg(long, default_value_t, value_name = "NAME", env = "CUBEFLIGHT_STORE_LAYOUT")]
    pub(crate) store_layout: StoreLayout,

    #[command(flatten)]
    pub(crate) web: WebArgs,

    /// Index what a file names, `-` is standard input: a JP2 or a .SAFE folder a line, by key
    /// (counted from the store's root) or href; lines that begin with # are comments
    #[arg(long, value_name = "FILE")]
    pub(crate) list: Option<PathBuf>,

    /// Another name under which lists and catalogues know the store, as in `serve`
    #[arg(long, value_name = "URL")]
    pub(crate) store_alias: Vec<String>,

    /// Only products of this collection: sentinel-2-l2a or sentinel-2-l1c
    #[arg(long, value_name = "ID")]
    pub(crate) collection: Option<Level>,

    /// Only products of this MGRS tile, for example 33TVN
    #[arg(long, value_name = "TILE")]
    pub(crate) tile: Option<MgrsTile>,

    /// Only products of this time: a STAC interval on the datatake start, both ends included
    #[arg(long, value_name = "A/B")]
    pub(crate) datetime: Option<TimeRange>,

    /// Assets, comma separated: B08, SCL_60m, TCI, ... or `all` (quality masks too). Default: the
    /// spectral bands at their native resolution, and SCL_20m
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) assets: Vec<String>,

    /// How much records tell. plt: lengths of packets as well, with which a read costs what its
    /// window needs. tlm: only where the tiles lie; less to store, as many requests
    #[arg(long, value_name = "tlm|plt", default_value = "plt", value_parser = detail)]
    pub(crate) detail: ScanDetail,

    /// Only one of N parts of the products, counted from 0: the same parts on every machine
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,

    /// Files scanned side by side. Default: twice the connections
    #[arg(long, default_value_t = 0, value_name = "N", hide_default_value = true)]
    pub(crate) concurrency: usize,

    /// Write records at least so often, seconds, and whenever 500 are there: what a run that is
    /// killed loses. Every write makes one index file for each tile
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) flush_every: f64,

    #[command(flatten)]
    pub(crate) owner: OwnerArgs,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
