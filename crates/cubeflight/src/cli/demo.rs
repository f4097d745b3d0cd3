//! Flags of the commands that the testkit brings.

use std::path::PathBuf;

use clap::Args;

use super::values::{bounds, credential};

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Directory for the archive, its index and the picture; made if absent
    #[arg(long, default_value = "cubeflight-demo", value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Time steps over the year
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) steps: usize,

    /// Another landscape and other weather
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub(crate) seed: u64,

    /// Leave the server running at the end
    #[arg(long)]
    pub(crate) serve: bool,

    /// Address of the server; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub(crate) listen: std::net::SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveArgs {
    /// Directory to write to; made if absent
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// MGRS tile, for example 33TVN
    #[arg(long, value_name = "TILE")]
    pub(crate) tile: String,

    /// Collection of the products
    #[arg(long, default_value = "sentinel-2-l2a", value_name = "COLLECTION")]
    pub(crate) collection: String,

    /// First day. Default: 2021-01-01, with --mission 2018-01-01
    #[arg(long, value_name = "DATE")]
    pub(crate) start: Option<String>,

    /// Day after the last. Default: 2022-01-01, with --mission 2026-06-01
    #[arg(long, value_name = "DATE")]
    pub(crate) end: Option<String>,

    /// A series over the mission's baselines, with two steps of each kind below unless said otherwise
    #[arg(long)]
    pub(crate) mission: bool,

    /// Time steps, evenly chosen from the passes of the satellites
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) steps: usize,

    /// Images, comma separated: B08 (native resolution), B02_60m, TCI. SCL (level 2A) or the detector
    /// footprints of the bands (level 1C) are always made
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LIST",
        default_value = "B02,B03,B04,B08,B11,SCL"
    )]
    pub(crate) bands: Vec<String>,

    /// Area of interest in the UTM coordinates of the tile. Default: the whole tile
    #[arg(long, value_name = "MINX,MINY,MAXX,MAXY", value_parser = bounds)]
    pub(crate) bounds: Option<[f64; 4]>,

    /// Another landscape and other weather
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub(crate) seed: u64,

    /// Write a TLM marker into all images, as products since February 2026 have it
    #[arg(long)]
    pub(crate) with_tlm: bool,

    /// Products of before 2022-01-25 are those of the reprocessing (baseline 05.00)
    #[arg(long)]
    pub(crate) reprocessed: bool,

    /// Steps with a second product of the same baseline, processed later
    #[arg(long, value_name = "N")]
    pub(crate) duplicates: Option<usize>,

    /// Steps whose product was made again with a higher baseline
    #[arg(long, value_name = "N")]
    pub(crate) superseded: Option<usize>,

    /// Steps in two products, of two datastrips that overlap
    #[arg(long, value_name = "N")]
    pub(crate) split_datastrips: Option<usize>,

    /// Steps in two products, of two datastrips that do not overlap
    #[arg(long, value_name = "N")]
    pub(crate) disjoint_datastrips: Option<usize>,

    /// Steps that the edge of the swath goes through
    #[arg(long, value_name = "N")]
    pub(crate) swath_edges: Option<usize>,

    /// Steps whose product was made again with a higher baseline and lost a side
    #[arg(long, value_name = "N")]
    pub(crate) lost_areas: Option<usize>,

    /// Steps whose product is of baseline 99.99, with offset and without by turns
    #[arg(long, value_name = "N")]
    pub(crate) unofficial: Option<usize>,

    /// Steps with a second product, processed later, that has no images
    #[arg(long, value_name = "N")]
    pub(crate) without_assets: Option<usize>,

    /// Steps with a second product, processed later, that lists an image which is not there
    #[arg(long, value_name = "N")]
    pub(crate) missing_assets: Option<usize>,

    /// Print the report as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct S3Args {
    /// Directory whose directories are the buckets
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,

    /// Address to listen on; port 0 takes a free one. Printed on stdout when ready
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDR")]
    pub(crate) listen: std::net::SocketAddr,

    /// local: no limits. cdse: 60 ms, 20 MB/s a connection, 4 connections and 2,000 requests a
    /// minute per credential (burst 200), beyond it 403 and 429. wan: 80 ms, 8 MB/s in all,
    /// 32 connections
    #[arg(long, default_value = "local", value_name = "local|cdse|wan")]
    pub(crate) profile: cubeflight_testkit::s3::Profile,

    /// File to which every request is appended as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    /// Faults, or a file with them: `seed=7; 503 share=0.05 burst=3; reset nth=10 key=B08; short
    /// count=2; hang count=1 seconds=30; stale key=index/`
    #[arg(long, value_name = "FILE|FAULTS")]
    pub(crate) faults: Option<String>,

    /// Access keys with their secrets, comma separated
    #[arg(
        long,
        value_name = "ACCESS:SECRET,...",
        value_delimiter = ',',
        value_parser = credential,
        default_value = "cubeflight:cubeflight",
        env = "CUBEFLIGHT_S3_CREDENTIALS",
        hide_env_values = true
    )]
    pub(crate) credentials: Vec<(String, String)>,

    /// Serve requests without signature too
    #[arg(long)]
    pub(crate) anonymous: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StacArgs {
    /// Directory with items and collections (*.json at any depth)
    #[arg(long, value_name = "DIR")]
    pub(crate) items: PathBuf,

    /// Address to listen on; port 0 takes a free one. Printed on stdout when ready
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub(crate) listen: std::net::SocketAddr,
}
