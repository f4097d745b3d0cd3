//! Flags of all commands.

mod cache;
#[cfg(feature = "demo")]
mod demo;
mod files;
mod index;
mod life;
mod request;
mod stores;
mod tickets;
mod tlm;
mod values;

use clap::{Parser, Subcommand};

#[cfg(feature = "demo")]
pub(crate) use self::demo::{ArchiveArgs, DemoArgs, S3Args, StacArgs};
pub(crate) use self::files::{InspectArgs, ReadArgs};
pub(crate) use self::index::IndexArgs;
pub(crate) use self::life::LifeArgs;
pub(crate) use self::request::{PlanArgs, PullArgs, RequestArgs};
pub(crate) use self::stores::{AccessArgs, LimitArgs, OwnerArgs, ServeArgs, StoreArgs, WebArgs};
pub(crate) use self::tickets::own_key;
pub(crate) use self::tlm::{
    ReferencesArgs, TableArgs, TlmArgs, TlmCommand, TlmCompactArgs, TlmStatsArgs,
};

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
    /// sets how much). On SIGTERM or SIGINT it takes no new calls, and ends when running streams are
    /// done, at most --grace seconds later; a second signal ends it at once.
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
