//! Flags of all commands.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use cubeflight_catalog::StacApiOptions;
use cubeflight_index::{Index, ScanDetail, Shard};
use cubeflight_sentinel2::{Level, MgrsTile, StoreLayout, TimeRange};
use cubeflight_storage::{Options, Root, StoreProfile};

use crate::commands::tlm::{InjectArgs, VerifyArgs};

/// Sentinel-2 time series over Arrow Flight, read straight from JPEG 2000 files by byte range.
#[derive(Debug, Parser)]
#[command(name = "cubeflight", version, arg_required_else_help = true)]
#[command(after_help = "\
First steps, for a directory that holds Sentinel-2 products (*.SAFE at any depth):

  cubeflight index --store /data/eodata --index /data/index
  cubeflight serve --store /data/eodata --index /data/index
  cubeflight pull grpc://127.0.0.1:50051 --tile 33TVN --datetime 2021-06 \\
             --bands B08,SCL --out cube.npz

A bucket is named s3://bucket/prefix; endpoint, region and credentials come from the usual
AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or from AWS_PROFILE.

Exit status: 0 done, 2 wrong usage, 1 everything else. Errors carry a code, see docs/errors.md.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve cubes over Arrow Flight
    ///
    /// Prints `listening on grpc://ADDRESS` on stdout when it is ready, logs to stderr (RUST_LOG
    /// sets how much), and ends on SIGTERM or SIGINT after running streams are done, at most 30 s.
    Serve(ServeArgs),
    /// Scan the JP2 files of an archive and store where their tiles lie
    ///
    /// Finds the products (*.SAFE at any depth; or those of a list or a catalogue), reads the headers
    /// of their JP2 files and appends one record per file to the index. Files that are indexed
    /// already are left alone, so it can be run again at any time and goes on from where it was cut
    /// off. A file that cannot be indexed is named with its error code and does not stop the others;
    /// the exit status is then 1. See docs/indexing.md.
    Index(IndexArgs),
    /// Show what a request would read, without reading it
    ///
    /// Asks catalogue and index, then prints time steps, products that are left out and why, and
    /// the requests and bytes that serving the cube would cost. No pixel is read.
    Plan(PlanArgs),
    /// Fetch a cube from a server into a file
    ///
    /// A .npz holds one array per band under its EOPF path (time, y, x), the pixel centres x and y
    /// of each group, time, status and product_ids; load it with numpy.load. A .png shows one time
    /// step: true colour when TCI, or B04, B03 and B02, are asked for, SCL in its colours, else
    /// the first band in stretched grey. The cube is held in memory until it is written.
    Pull(PullArgs),
    /// Decode a JP2 file, or a window of it
    ///
    /// Reads and decodes only the JP2 tiles that the window meets, one row of tiles at a time. A
    /// file whose tiles cannot be read one by one is decoded as a whole. Samples are those of the
    /// codestream, without offsets or scaling. Without --out and --sha256 it prints size and hash.
    Read(ReadArgs),
    /// Describe the structure of a JP2 file: boxes, headers, tile-parts
    ///
    /// Reads headers only: a local or remote file of any size is described from its boxes, its main
    /// header and the headers of its tile-parts. With --json everything is printed: boxes, marker
    /// segments, each tile-part with its offset, length and number of packets.
    Inspect(InspectArgs),
    /// Exchange index records with the table format of jp2io
    #[command(subcommand)]
    Tlm(TlmCommand),
    /// Serve a directory over S3, with limits and faults where wanted (for tests and the demo)
    ///
    /// The directories below --root are the buckets, the files in them the objects. Prints
    /// `listening on http://ADDRESS` on stdout when it is ready and ends on SIGTERM or SIGINT.
    /// Point clients to it with AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    /// Not made for the open network: no TLS, no access rules but the key pairs.
    #[cfg(feature = "demo")]
    S3(S3Args),
    /// Serve STAC items over a STAC API (for tests and the demo)
    ///
    /// Item search by POST and GET over the items in files below --items, with the conditions that
    /// CDSE knows (collections, ids, datetime, bbox, query). Prints `listening on http://ADDRESS/`
    /// on stdout when it is ready and ends on SIGTERM or SIGINT. The items are read once.
    #[cfg(feature = "demo")]
    Stac(StacArgs),
    /// Show all of it on this machine: make a small archive, serve it, index it, pull a cube, draw it
    ///
    /// Needs nothing from outside. Synthetic products of tile 33TVN over the year 2021, coded as ESA
    /// codes them, are written to --out, served over S3 from inside the process, indexed, and read
    /// back as a cube of B08, B11 and SCL over Arrow Flight. The cube is drawn to cube.png: near and
    /// short-wave infrared, vegetation green, soil magenta, water black.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Make a synthetic archive of Sentinel-2 products, coded as ESA codes them
    ///
    /// Writes DIR/eodata/Sentinel-2/MSI/L2A/... (images, metadata, manifests, in the layout of CDSE)
    /// and DIR/stac (an item for each product). The landscape and its weather are made up and follow
    /// from --seed: the same flags give the same bytes. Only JP2 tiles that meet --bounds hold data,
    /// so that files of full size are made in seconds; the whole tile takes minutes for each image.
    #[cfg(feature = "demo")]
    Archive(ArchiveArgs),
}

/// Where products and their index are.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Archive with the products: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_STORE")]
    pub(crate) store: String,

    /// Index: a directory (made if absent), file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_INDEX")]
    pub(crate) index: String,

    /// Which products there are: `archive` (list the store), `index` (what is indexed), the root
    /// of a STAC API (`https://stac.dataspace.copernicus.eu/v1`), or a directory, bucket or file of
    /// STAC items (JSON or stac-geoparquet). Default: `archive` for a directory; for a bucket
    /// `index`, and `archive` for tiles that are not indexed
    #[arg(long, value_name = "URL|archive|index", env = "CUBEFLIGHT_CATALOG")]
    pub(crate) catalog: Option<String>,

    /// Another name under which catalogues know the store, for example s3://eodata for a local
    /// mirror; may be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) store_alias: Vec<String>,

    /// How the store arranges its files, where it is a mirror of what the catalogue names: cdse (as
    /// the catalogue says), google (gcp-public-data-sentinel-2) or sinergise (sentinel-s2-l2a and
    /// -l1c). See docs/catalogues.md
    #[arg(long, default_value_t, value_name = "NAME", env = "CUBEFLIGHT_STORE_LAYOUT")]
    pub(crate) store_layout: StoreLayout,

    #[command(flatten)]
    pub(crate) web: WebArgs,

    #[command(flatten)]
    pub(crate) owner: OwnerArgs,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// How a STAC API is asked.
#[derive(Clone, Args)]
pub(crate) struct WebArgs {
    /// Seconds for which an answer of a STAC API is used again: new products are seen after at
    /// most this time. 0 asks every time
    #[arg(long, default_value_t = 60, value_name = "SECONDS", env = "CUBEFLIGHT_CATALOG_TTL")]
    pub(crate) catalog_ttl: u64,

    /// Bearer token for the STAC API; from the environment only, where no other user sees it
    #[arg(
        long,
        hide = true,
        value_name = "TOKEN",
        env = "CUBEFLIGHT_STAC_TOKEN",
        hide_env_values = true
    )]
    stac_token: Option<String>,
}

impl WebArgs {
    pub(crate) fn token(&self) -> Option<&str> {
        self.stac_token.as_deref().filter(|token| !token.is_empty())
    }

    pub(crate) fn options(&self) -> StacApiOptions {
        StacApiOptions {
            time_to_live: Duration::from_secs(self.catalog_ttl),
            ..StacApiOptions::default()
        }
    }
}

impl fmt::Debug for WebArgs {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token().map(|_| "hidden");
        f.debug_struct("WebArgs")
            .field("catalog_ttl", &self.catalog_ttl)
            .field("stac_token", &token)
            .finish()
    }
}

/// Whose records are read and written.
#[derive(Debug, Clone, Args)]
pub(crate) struct OwnerArgs {
    /// The store belongs to a tenant: its records are kept apart under this name, and neither the
    /// shared index nor that of another owner ever holds them. Default: the shared index
    #[arg(long, value_name = "NAME", env = "CUBEFLIGHT_INDEX_OWNER")]
    pub(crate) index_owner: Option<String>,
}

impl OwnerArgs {
    /// The owner's part of an index, or the shared one.
    pub(crate) fn index(&self, root: Root) -> cubeflight_index::Result<Index> {
        match &self.index_owner {
            Some(owner) => Index::owned_by(root, owner),
            None => Ok(Index::new(root)),
        }
    }
}

/// What the credential of the stores may do.
#[derive(Debug, Clone, Args)]
pub(crate) struct LimitArgs {
    /// What is known of the service: `cdse` is 4 connections and 2,000 requests a minute with a
    /// burst of 200, and 403 means load. The index counts too where it is a bucket; directories
    /// have no limits
    #[arg(
        long,
        value_name = "none|cdse",
        default_value = "none",
        env = "CUBEFLIGHT_STORE_PROFILE"
    )]
    pub(crate) store_profile: StoreProfile,

    /// Requests in flight at a time. Default: those of the profile, else 16
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroUsize>,

    /// Requests a minute, a tenth of them at once. Default: those of the profile, else any number
    #[arg(long, value_name = "N")]
    pub(crate) requests_per_minute: Option<NonZeroU32>,
}

impl LimitArgs {
    /// The environment's options with these limits, shared by all roots that are opened with them.
    pub(crate) fn options(&self) -> Result<Options, cubeflight_storage::Error> {
        let mut options = Options::from_env()?;
        self.store_profile.apply(&mut options);
        if let Some(number) = self.max_connections {
            options.max_connections = number.get();
        }
        if let Some(number) = self.requests_per_minute {
            options.requests_per_minute = Some(number.get());
            options.burst = (number.get() / 10).max(1);
        }
        options.share_limits()?;
        Ok(options)
    }
}

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

    /// CRS of the bounds, for example EPSG:4326 (x is longitude). Default: UTM zone of the tile
    #[arg(long, default_value = "", value_name = "CODE", hide_default_value = true)]
    pub(crate) crs: String,

    /// Round bounds outward so that the grids of all resolutions nest: centre, 20m, 60m
    #[arg(long, default_value = "centre", value_name = "HOW")]
    pub(crate) align: String,

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
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) stores: StoreArgs,

    /// Address to listen on; port 0 takes a free one. Printed on stdout when ready
    #[arg(long, default_value = "127.0.0.1:50051", value_name = "ADDR", env = "CUBEFLIGHT_LISTEN")]
    pub(crate) listen: std::net::SocketAddr,

    /// Decoder threads; 0 is one per core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) threads: usize,

    /// Leave the index as it is. By default the places of tiles that had to be found for files
    /// without record are written into it, so that they need not be found again. It is left alone
    /// as well where it serves as the catalogue: what readers found is not all there is
    #[arg(long)]
    pub(crate) no_write_back: bool,

    /// Read files without record whole up to this size in bytes, and find their tiles one by one
    /// above. Default: 8 MiB
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_whole_read: Option<u64>,
}

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

    /// Which products there are, as in `serve`
    #[arg(long, value_name = "URL|archive|index", env = "CUBEFLIGHT_CATALOG")]
    pub(crate) catalog: Option<String>,

    /// Another name under which catalogues know the store, as in `serve`
    #[arg(long, value_name = "URL")]
    pub(crate) store_alias: Vec<String>,

    /// How the store arranges its files, as in `serve`: cdse, google or sinergise
    #[arg(long, default_value_t, value_name = "NAME", env = "CUBEFLIGHT_STORE_LAYOUT")]
    pub(crate) store_layout: StoreLayout,

    #[command(flatten)]
    pub(crate) web: WebArgs,

    #[command(flatten)]
    pub(crate) owner: OwnerArgs,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

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

    /// File to write: .npz (all bands and coordinates) or .png (one time step)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Time step that a .png shows, counted from 0
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) step: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// File: a path, file:///… or s3://bucket/key
    pub(crate) url: String,

    /// Only these pixels: column, row, width, height
    #[arg(long, value_name = "X,Y,W,H", value_parser = window)]
    pub(crate) window: Option<[u32; 4]>,

    /// Leave out this many resolutions of the wavelet: each one halves width and height
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub(crate) reduce: u8,

    /// Only this component, counted from 0
    #[arg(long, value_name = "C")]
    pub(crate) component: Option<u16>,

    /// File to write: .npy, .png or .raw (rows, little-endian, components interleaved)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Print the SHA-256 of the samples: rows, little-endian, components interleaved
    #[arg(long)]
    pub(crate) sha256: bool,

    /// Decode a second time, the codestream as a whole, and fail unless all samples are equal
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// File: a path, file:///… or s3://bucket/key
    pub(crate) url: String,

    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

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

#[cfg(feature = "demo")]
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

#[cfg(feature = "demo")]
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

#[cfg(feature = "demo")]
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

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(crate) struct StacArgs {
    /// Directory with items and collections (*.json at any depth)
    #[arg(long, value_name = "DIR")]
    pub(crate) items: PathBuf,

    /// Address to listen on; port 0 takes a free one. Printed on stdout when ready
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub(crate) listen: std::net::SocketAddr,
}

/// The secret may hold colons.
#[cfg(feature = "demo")]
fn credential(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((key, secret)) if !key.is_empty() && !secret.is_empty() => {
            Ok((key.to_owned(), secret.to_owned()))
        }
        _ => Err("expected ACCESS:SECRET".to_owned()),
    }
}

fn detail(text: &str) -> Result<ScanDetail, String> {
    match text {
        "tlm" => Ok(ScanDetail::Tlm),
        "plt" => Ok(ScanDetail::Plt),
        _ => Err("expected tlm or plt".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| (0.01..=86_400.0).contains(number))
        .ok_or_else(|| "expected seconds, 0.01 to 86400".to_owned())
}

fn bounds(text: &str) -> Result<[f64; 4], String> {
    numbers(text, "MINX,MINY,MAXX,MAXY")
}

fn window(text: &str) -> Result<[u32; 4], String> {
    numbers(text, "X,Y,W,H")
}

fn numbers<T: std::str::FromStr>(text: &str, form: &str) -> Result<[T; 4], String> {
    let parsed: Result<Vec<T>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let parsed = parsed.map_err(|_| format!("expected four numbers {form}"))?;
    <[T; 4]>::try_from(parsed).map_err(|_| format!("expected four numbers {form}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn four_numbers_are_wanted() {
        assert_eq!(bounds("1,-2.5, 3,4e5"), Ok([1.0, -2.5, 3.0, 4e5]));
        for text in ["", "1,2,3", "1,2,3,4,5", "1,2,3,x"] {
            assert!(bounds(text).is_err(), "{text}");
        }
        assert!(window("1,2,3,-4").is_err());
    }
}
