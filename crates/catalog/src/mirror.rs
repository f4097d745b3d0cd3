//! Products of a catalogue, read from a mirror that arranges its files in another way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cubeflight_sentinel2::{ProductId, StoreLayout};
use cubeflight_storage::{Path, Root};
use futures::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;

use crate::{AssetRef, Catalog, Found, Omitted, Product, Query, Result};

/// Longest description of a product; real ones have some kilobytes.
const MAX_INFO: u64 = 1 << 20;
/// Folders that are remembered.
const FOLDERS: u64 = 100_000;
/// Products looked up together; the root's own limits hold as well.
const AT_ONCE: usize = 8;

/// Where a mirror keeps the files of products.
#[derive(Clone)]
pub struct Mirror {
    layout: StoreLayout,
    archive: Root,
    folders: Cache<ProductId, Arc<str>>,
}

impl Mirror {
    /// A mirror whose root is `archive`.
    pub fn new(layout: StoreLayout, archive: Root) -> Self {
        Self { layout, archive, folders: Cache::new(FOLDERS) }
    }

    /// The product with hrefs of the mirror, or why it is not there. Files that the mirror keeps
    /// under no known name are left out of it. ETags are those of another store, and go.
    ///
    /// # Errors
    /// Failures of the mirror's store.
    pub async fn place(&self, product: Product) -> Result<Result<Product, Omitted>> {
        let folder = match self.layout {
            StoreLayout::Sinergise => match self.folder(&product.id).await? {
                Ok(folder) => folder,
                Err(reason) => {
                    return Ok(Err(Omitted::new(&product.id, "not_on_mirror", reason)));
                }
            },
            StoreLayout::Google => Arc::from(""),
            _ => return Ok(Ok(product)),
        };
        let Product { id, assets, .. } = &product;
        let mut placed = BTreeMap::new();
        for (asset, file) in assets {
            let key = match self.layout {
                StoreLayout::Sinergise => StoreLayout::sinergise_key(&folder, id.level(), *asset),
                _ => StoreLayout::google_key(id, &file.href),
            };
            if let Some(path) = key.and_then(|key| self.path(&key)) {
                let href = self.archive.href(&path);
                placed.insert(*asset, AssetRef { href, etag: None, ..file.clone() });
            }
        }
        if placed.is_empty() {
            let reason = format!("no file has a known place in the layout {}", self.layout);
            return Ok(Err(Omitted::new(id, "not_on_mirror", reason)));
        }
        Ok(Ok(Product { assets: placed, ..product }))
    }

    /// The folder of a product at Sinergise, or why there is none.
    async fn folder(&self, id: &ProductId) -> Result<Result<Arc<str>, String>> {
        if let Some(folder) = self.folders.get(id).await {
            return Ok(Ok(folder));
        }
        let key = StoreLayout::product_info(id);
        let Some(path) = self.path(&key) else { return Ok(Err(format!("{key} is no key"))) };
        let info = match self.archive.get(&path, MAX_INFO).await {
            Ok(info) => info,
            Err(error) if error.is_not_found() => return Ok(Err(format!("no {key}"))),
            Err(error @ cubeflight_storage::Error::TooLarge { .. }) => {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        match StoreLayout::sinergise_folder(id, &info) {
            Ok(folder) => {
                let folder: Arc<str> = folder.into();
                self.folders.insert(id.clone(), Arc::clone(&folder)).await;
                Ok(Ok(folder))
            }
            Err(reason) => Ok(Err(format!("{key}: {reason}"))),
        }
    }

    fn path(&self, key: &str) -> Option<Path> {
        let prefix = self.archive.prefix();
        Path::parse(format!("{prefix}/{key}").trim_start_matches('/')).ok()
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("layout", &self.layout)
            .field("archive", &self.archive)
            .finish_non_exhaustive()
    }
}

/// A catalogue whose products are read from a mirror.
#[derive(Debug, Clone)]
pub struct Mirrored {
    inner: Arc<dyn Catalog>,
    mirror: Mirror,
}

impl Mirrored {
    /// The products of `inner`, where the mirror has them.
    pub fn new(inner: Arc<dyn Catalog>, mirror: Mirror) -> Self {
        Self { inner, mirror }
    }
}

#[async_trait]
impl Catalog for Mirrored {
    async fn search(&self, query: &Query) -> Result<Found> {
        let Found { products, omitted } = self.inner.search(query).await?;
        let placed: Vec<Result<Product, Omitted>> = stream::iter(products)
            .map(|product| self.mirror.place(product))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut found = Found { products: Vec::with_capacity(placed.len()), omitted };
        for product in placed {
            match product {
                Ok(product) => found.products.push(product),
                Err(omitted) => found.omitted.push(omitted),
            }
        }
        Ok(found.finish(query))
    }
}
