//! Flags that say where products, their index and their catalogue are.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use cubeflight_catalog::StacApiOptions;
use cubeflight_index::Index;
use cubeflight_jp2::DecoderChoice;
use cubeflight_sentinel2::StoreLayout;
use cubeflight_storage::{Options, Root, StoreProfile};

use super::cache::CacheArgs;
use super::life::LifeArgs;
use super::tickets::TicketArgs;
use super::values::read_cost;

/// Where products and their index are.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Archive with the products: a directory, file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_STORE")]
    pub(crate) store: String,

    /// Index: a directory (made if absent), file:///dir or s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "CUBEFLIGHT_INDEX")]
    pub(crate) index: String,

    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

/// How products are found in a store, and what may be read of it.
#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
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

    /// What reading from the store costs: seconds that one more request takes beside those that are
    /// in flight, and bytes per second of all connections together. Decides which gaps between
    /// ranges are read over. Default: measured while running; for a bucket 0.015,20000000 before that
    #[arg(
        long,
        value_name = "SECONDS,BYTES_PER_SECOND",
        value_parser = read_cost,
        env = "CUBEFLIGHT_READ_COST"
    )]
    pub(crate) read_cost: Option<(f64, f64)>,

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

    /// What decodes JP2 tiles: auto (the fastest for the coding of a file) or openjpeg
    #[arg(long, default_value_t, value_name = "NAME", env = "CUBEFLIGHT_DECODER")]
    pub(crate) decoder: DecoderChoice,

    /// Leave the index as it is. By default the places of tiles that had to be found for files
    /// without record are written into it, so that they need not be found again. It is left alone
    /// as well where it serves as the catalogue: what readers found is not all there is
    #[arg(long)]
    pub(crate) no_write_back: bool,

    /// Read files without record whole up to this size in bytes, and find their tiles one by one
    /// above. Default: 8 MiB
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_whole_read: Option<u64>,

    #[command(flatten)]
    pub(crate) cache: CacheArgs,

    #[command(flatten)]
    pub(crate) tickets: TicketArgs,

    #[command(flatten)]
    pub(crate) life: LifeArgs,
}
