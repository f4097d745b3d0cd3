//! Flags of requests.

use std::path::PathBuf;

use clap::Args;

use super::AccessArgs;
use super::values::bounds;

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// sentinel-2-l2a or sentinel-2-l1c
    #[arg(long, default_value = "sentinel-2-l2a", value_name = "ID")]
    pub(crate) collection: String,

    /// MGRS tile, for example 33TVN
    #[arg(long, value_name = "TILE")]
    pub(crate) tile: String,

    /// STAC interval on the datatake start, both ends included: 2021-01-01/2022-01-01, 2021-06/..,
    /// 2022-10-05 (the whole day). Default: all time
    #[arg(long, default_value = "", value_name = "A/B", hide_default_value = true)]
    pub(crate) datetime: String,

    /// Bands, comma separated: B08 (native resolution), B02_60m, SCL, AOT_20m, or EOPF paths
    #[arg(long, value_delimiter = ',', value_name = "LIST", required = true)]
    pub(crate) bands: Vec<String>,

    /// Bounds; pixels whose centres lie in them are read. Default: the whole tile
    #[arg(long, value_name = "MINX,MINY,MAXX,MAXY", allow_hyphen_values = true, value_parser = bounds)]
    pub(crate) bounds: Option<[f64; 4]>,

    /// Several areas instead of bounds, read as one plan: a file (or - for standard input) with four
    /// numbers MINX,MINY,MAXX,MAXY a line; a point has min = max
    #[arg(long, value_name = "FILE", conflicts_with = "bounds")]
    pub(crate) windows: Option<PathBuf>,

    /// CRS of the bounds or windows, for example EPSG:4326 (x is longitude). Default: UTM zone of the tile
    #[arg(long, default_value = "", value_name = "CODE", hide_default_value = true)]
    pub(crate) crs: String,

    /// Round bounds outward so that the grids of all resolutions nest: centre, 20m, 60m
    #[arg(long, default_value = "centre", value_name = "HOW")]
    pub(crate) align: String,

    /// Reduced resolution: pixels 2, 4, 8 or 16 times as large (1 to 4); 0 is full resolution
    #[arg(long, default_value_t = 0, value_name = "LEVEL")]
    pub(crate) reduce: u32,

    /// Largest cloud cover of a time step, percent
    #[arg(long, value_name = "MAX")]
    pub(crate) cloud_cover: Option<f64>,

    /// Reflectance as raw (DN as stored), harmonised (DN plus offset) or reflectance (float32)
    #[arg(long, default_value = "raw", value_name = "WHAT")]
    pub(crate) radiometry: String,

    /// Only these products, comma separated
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) product_ids: Vec<String>,

    /// A permanently broken asset becomes fill (mark) or ends the cube (fail)
    #[arg(long, default_value = "mark", value_name = "HOW")]
    pub(crate) on_error: String,

    /// Reflectance of these classes of the scene classification becomes fill, for example
    /// 3,8,9,10 for clouds and their shadows
    #[arg(long, value_delimiter = ',', value_name = "CLASSES")]
    pub(crate) mask_scl: Vec<u32>,

    /// Metres around masked pixels that are masked as well
    #[arg(long, default_value_t = 0.0, value_name = "METRES", requires = "mask_scl")]
    pub(crate) dilate: f64,

    /// Skip time steps with a smaller share of valid pixels, 0 to 1: neither without data nor
    /// masked
    #[arg(long, value_name = "SHARE")]
    pub(crate) min_valid: Option<f64>,

    /// Products of one `datatake` or of one `solar_day` are one time step
    #[arg(long, default_value = "datatake", value_name = "WHAT")]
    pub(crate) group_by: String,

    /// Condition on time steps, for example "eo:snow_cover <= 20" or
    /// "platform in sentinel-2a,sentinel-2b"; may be given several times
    #[arg(long, value_name = "CONDITION")]
    pub(crate) filter: Vec<String>,

    /// Only the time steps of these times, comma separated, for example 2021-01-03T10:14:11Z
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) times: Vec<String>,

    /// Let row-blocks be sent as they are complete, and not in time order
    #[arg(long)]
    pub(crate) unordered: bool,

    /// Compress messages: none, lz4 or zstd
    #[arg(long, default_value = "none", value_name = "HOW")]
    pub(crate) compression: String,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,

    /// Ask a server instead of planning here
    #[arg(long, value_name = "URL", conflicts_with_all = ["store", "index", "catalog"])]
    pub(crate) server: Option<String>,

    /// Archive with the products
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_STORE", required_unless_present = "server")]
    pub(crate) store: Option<String>,

    /// Index of the archive
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_INDEX", required_unless_present = "server")]
    pub(crate) index: Option<String>,

    #[command(flatten)]
    pub(crate) access: AccessArgs,

    /// List every request for pixels: file, first byte, byte after the last
    #[arg(long, conflicts_with = "server")]
    pub(crate) reads: bool,

    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Address of the server, for example grpc://127.0.0.1:50051
    pub(crate) server: String,

    #[command(flatten)]
    pub(crate) request: RequestArgs,

    /// File to write: .npz (all bands and coordinates), .zarr (a Zarr v3 store, as xarray writes
    /// it) or .png (one time step)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Time step that a .png shows, counted from 0
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) step: usize,
}
