//! From flags to stores, catalogue and engine.

use std::sync::Arc;

use cubeflight_catalog::{ArchiveListing, Catalog, Mirror, Mirrored, StacApi, StacItems};
use cubeflight_engine::{Engine, EngineConfig, IndexCatalog};
use cubeflight_index::Index;
use cubeflight_plan::CostModel;
use cubeflight_sentinel2::StoreLayout;
use cubeflight_storage::{Options, Root, open_file};

use crate::cli::{StoreArgs, WebArgs};
use crate::error::CliError;

/// The engine over the stores that the flags name.
pub(crate) fn engine(args: &StoreArgs, config: EngineConfig) -> Result<Engine, CliError> {
    let access = &args.access;
    let options = access.limits.options()?;
    let archive_options = Options { aliases: access.store_alias.clone(), ..options.clone() };
    let archive = Root::open(&args.store, &archive_options)?;
    let index = access.owner.index(Root::open_or_create(&args.index, &options)?)?;
    let choice = choice(access.catalog.as_deref(), &archive);
    // What readers write is what they happened to read: no catalogue.
    let write_back = config.write_back && choice != Choice::Index;
    let mut catalog = catalog(choice, &archive, &index, &options, &access.web)?;
    if access.store_layout != StoreLayout::Cdse {
        let mirror = Mirror::new(access.store_layout, archive.clone());
        catalog = Arc::new(Mirrored::new(catalog, mirror));
    }
    let cost = access.read_cost.map(|(latency, bandwidth)| CostModel {
        latency,
        bandwidth,
        ..CostModel::OBJECT_STORE
    });
    Ok(Engine::new(archive, index, catalog, EngineConfig { write_back, cost, ..config })?)
}

/// Where products are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    /// The store is listed.
    Archive,
    /// What is indexed.
    Index,
    /// STAC items under this URL.
    Items(&'a str),
    /// The STAC API with this root.
    Api(&'a str),
}

/// Listing a directory is cheap and finds what the metadata files say; a bucket has one request per
/// day and folder, which the index saves.
pub(crate) fn choice<'a>(flag: Option<&'a str>, archive: &Root) -> Choice<'a> {
    match flag {
        Some("archive") => Choice::Archive,
        Some("index") => Choice::Index,
        Some(url) if is_web(url) => Choice::Api(url),
        Some(url) => Choice::Items(url),
        None if archive.url().starts_with("file:") => Choice::Archive,
        None => Choice::Index,
    }
}

/// Over the web there are APIs only: a list of files, which items are found by, is nothing that http
/// has.
pub(crate) fn is_web(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
}

/// The STAC API with this root.
pub(crate) fn api(url: &str, options: &Options, args: &WebArgs) -> Result<StacApi, CliError> {
    Ok(StacApi::new(url, args.token(), options, args.options())?)
}

/// The catalogue that `choice` names, see [`AccessArgs::catalog`](crate::cli::AccessArgs::catalog).
pub(crate) fn catalog(
    choice: Choice<'_>,
    archive: &Root,
    index: &Index,
    options: &Options,
    web: &WebArgs,
) -> Result<Arc<dyn Catalog>, CliError> {
    let listing = || Arc::new(ArchiveListing::new(archive.clone()));
    Ok(match choice {
        Choice::Archive => listing(),
        Choice::Index => Arc::new(IndexCatalog::new(index.clone(), archive.clone(), listing())),
        Choice::Api(url) => Arc::new(api(url, options, web)?),
        Choice::Items(url) if is_one_file(url) => {
            let (root, path) = open_file(url, options)?;
            Arc::new(StacItems::file(root, path))
        }
        Choice::Items(url) => Arc::new(StacItems::new(Root::open(url, options)?)),
    })
}

/// Whether a URL of items names one file of them, and not a directory or prefix.
pub(crate) fn is_one_file(url: &str) -> bool {
    [".json", ".geojson", ".parquet", ".geoparquet"].iter().any(|end| url.ends_with(end))
        && !std::path::Path::new(url.strip_prefix("file://").unwrap_or(url)).is_dir()
}
