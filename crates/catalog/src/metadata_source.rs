//! The metadata of products whose catalogue does not read it.

use std::sync::Arc;
use std::time::Duration;

use cubeflight_sentinel2::{ProductId, safe};
use cubeflight_storage::{Path, Root};
use futures::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;

use crate::archive::MAX_XML;
use crate::safe_xml::read_product;
use crate::{Product, ProductMetadata, Result};

/// Files read together; the root's own limit of connections holds as well.
const AT_ONCE: usize = 8;
/// Products whose metadata is kept.
const KEPT: u64 = 20_000;
/// How long: a product never changes under its name, but what answers to the name may.
const KNOWN: Duration = Duration::from_secs(3_600);
/// How long a file that is not there is not asked for again.
const MISSING: Duration = Duration::from_secs(60);

/// Reads `MTD_MSIL1C.xml` or `MTD_MSIL2A.xml` of products whose radiometric offset neither their
/// catalogue nor their baseline tells (99.99, and baselines that are newer than this program).
/// Catalogues of items and the index as catalogue know no metadata files.
///
/// Cheap to clone; clones share what was read.
#[derive(Debug, Clone)]
pub struct MetadataSource {
    /// By the store and the path of the file.
    known: Cache<(String, Path), Arc<ProductMetadata>>,
    missing: Cache<(String, Path), ()>,
}

impl Default for MetadataSource {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(KEPT).time_to_live(KNOWN).build(),
            missing: Cache::builder().max_capacity(KEPT).time_to_live(MISSING).build(),
        }
    }
}

impl MetadataSource {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Completes what is known of the products whose offset is not. The file is taken from beside
    /// the images, and only where these lie under `root`. What is not there, not readable or of
    /// another product leaves the offset unknown.
    ///
    /// # Errors
    /// The store failed: to go on would make one cube today and another one tomorrow.
    pub async fn complete(&self, root: &Root, products: &mut [Product]) -> Result<()> {
        let wanted: Vec<(usize, ProductId, Path)> = products
            .iter()
            .enumerate()
            .filter(|(_, product)| !product.offsets_known())
            .filter_map(|(at, product)| Some((at, product.id.clone(), place(root, product)?)))
            .collect();
        let read: Vec<(usize, Arc<ProductMetadata>)> = stream::iter(wanted)
            .map(|(at, id, path)| async move {
                let metadata = self.metadata(root, path, &id).await?;
                Ok::<_, crate::Error>(metadata.map(|metadata| (at, metadata)))
            })
            .buffer_unordered(AT_ONCE)
            .try_filter_map(|read| std::future::ready(Ok(read)))
            .try_collect()
            .await?;
        for (at, metadata) in read {
            if let Some(product) = products.get_mut(at) {
                fill(&mut product.metadata, &metadata);
            }
        }
        Ok(())
    }

    async fn metadata(
        &self,
        root: &Root,
        path: Path,
        id: &ProductId,
    ) -> Result<Option<Arc<ProductMetadata>>> {
        let key = (root.url().to_owned(), path);
        if let Some(known) = self.known.get(&key).await {
            return Ok(Some(known));
        }
        if self.missing.contains_key(&key) {
            return Ok(None);
        }
        let path = &key.1;
        let text = match root.get(path, MAX_XML).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => {
                self.missing.insert(key, ()).await;
                return Ok(None);
            }
            Err(error @ cubeflight_storage::Error::TooLarge { .. }) => {
                tracing::warn!(product = %id, %error, "the product's metadata is not read");
                self.missing.insert(key, ()).await;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let mut metadata = ProductMetadata::default();
        let fault = match std::str::from_utf8(&text) {
            // archives in which only the images are kept have files of at most one byte
            Ok(text) if text.len() <= 1 => None,
            Ok(text) => read_product(text, id, &mut metadata).err().map(|fault| fault.reason),
            Err(_) => Some("not utf-8".to_owned()),
        };
        if let Some(reason) = fault {
            tracing::warn!(product = %id, %path, reason, "the product's metadata cannot be used");
            metadata = ProductMetadata::default();
        }
        if metadata.radiometric_offset.is_empty() {
            self.missing.insert(key, ()).await;
            return Ok(None);
        }
        let metadata = Arc::new(metadata);
        self.known.insert(key, Arc::clone(&metadata)).await;
        Ok(Some(metadata))
    }
}

/// The path of the product's metadata, beside images that are the product's own by their keys. Hrefs
/// are untrusted: what does not lie under the root is not read.
fn place(root: &Root, product: &Product) -> Option<Path> {
    let own = |href: &str| safe::parse_key(href).filter(|key| key.product == product.id);
    let key = product.assets.values().find_map(|asset| own(&asset.href))?;
    let href = format!("{}/MTD_MSI{}.xml", key.product_prefix, product.id.level());
    match root.resolve(&href) {
        Ok(path) => Some(path),
        Err(error) => {
            tracing::debug!(product = %product.id, %error, "no metadata from outside the store");
            None
        }
    }
}

/// Offsets as the product says; the rest where nothing was known.
fn fill(known: &mut ProductMetadata, read: &ProductMetadata) {
    known.radiometric_offset.clone_from(&read.radiometric_offset);
    known.quantification = read.quantification.or(known.quantification);
    known.cloud_cover = known.cloud_cover.or(read.cloud_cover);
    known.snow_cover = known.snow_cover.or(read.snow_cover);
    known.no_data = known.no_data.or(read.no_data);
    known.processed = known.processed.or(read.processed);
}
