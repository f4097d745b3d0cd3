//! From flags to stores, catalogue and engine.

use std::sync::Arc;

use cubeflight_catalog::{ArchiveListing, Catalog, StacItems};
use cubeflight_engine::{Engine, EngineConfig, IndexCatalog};
use cubeflight_index::Index;
use cubeflight_storage::{Options, Root, open_file};

use crate::cli::StoreArgs;
use crate::error::CliError;

/// The engine over the stores that the flags name.
pub(crate) fn engine(args: &StoreArgs, config: EngineConfig) -> Result<Engine, CliError> {
    let options = args.limits.options()?;
    let archive_options = Options { aliases: args.store_alias.clone(), ..options.clone() };
    let archive = Root::open(&args.store, &archive_options)?;
    let index = Index::new(Root::open_or_create(&args.index, &options)?);
    let catalog = catalog(args.catalog.as_deref(), &archive, &index, &options)?;
    Ok(Engine::new(archive, index, catalog, config)?)
}

/// The catalogue that `choice` names, see [`StoreArgs::catalog`].
pub(crate) fn catalog(
    choice: Option<&str>,
    archive: &Root,
    index: &Index,
    options: &Options,
) -> Result<Arc<dyn Catalog>, CliError> {
    let listing = || Arc::new(ArchiveListing::new(archive.clone()));
    // Listing a directory is cheap and finds what the metadata files say; a bucket has one request
    // per day and folder, which the index saves.
    let local = archive.url().starts_with("file:");
    Ok(match choice {
        Some("archive") => listing(),
        None if local => listing(),
        Some("index") | None => {
            Arc::new(IndexCatalog::new(index.clone(), archive.clone(), listing()))
        }
        Some(url) if url.ends_with(".json") => {
            let (root, path) = open_file(url, options)?;
            Arc::new(StacItems::file(root, path))
        }
        Some(url) => Arc::new(StacItems::new(Root::open(url, options)?)),
    })
}
