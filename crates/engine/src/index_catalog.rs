//! The index as a catalogue: products whose assets have records.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use cubeflight_catalog::{AssetRef, Catalog, Found, Product, ProductMetadata, Query};
use cubeflight_index::{Detail, Index, Selection};
use cubeflight_sentinel2::safe;
use cubeflight_storage::{Path, Root};
use tokio::sync::OnceCell;

/// Deepest folder below the archive's root in which `Sentinel-2/` is looked for.
const MAX_DEPTH: usize = 3;
/// Most folders that are listed for that.
const MAX_LISTINGS: usize = 64;

/// Lists the products that the index knows. Their metadata are unknown but for what the product id
/// says; cloud cover is not in the index.
#[derive(Debug, Clone)]
pub struct IndexCatalog {
    index: Index,
    archive: Root,
    /// Folder of the archive that the keys of records are counted from.
    base: Arc<OnceCell<Path>>,
    /// Asked when the index knows nothing of a tile.
    fallback: Arc<dyn Catalog>,
}

impl IndexCatalog {
    /// The products of an index over an archive. `fallback` is asked when the index holds nothing
    /// of a tile, so that an archive can be read before it is indexed.
    #[must_use]
    pub fn new(index: Index, archive: Root, fallback: Arc<dyn Catalog>) -> Self {
        Self { index, archive, base: Arc::new(OnceCell::new()), fallback }
    }

    async fn base(&self) -> cubeflight_catalog::Result<&Path> {
        self.base.get_or_try_init(|| archive_base(&self.archive)).await
    }
}

#[async_trait]
impl Catalog for IndexCatalog {
    async fn search(&self, query: &Query) -> cubeflight_catalog::Result<Found> {
        let selection = Selection {
            products: query.product_ids.clone(),
            time: Some(query.time),
            detail: Detail::Tlm,
            ..Selection::default()
        };
        let records = self.index.records(query.level, query.tile, &selection).await;
        let records = records.map_err(|error| cubeflight_catalog::Error::Other {
            transient: error.is_transient(),
            source: Box::new(error),
        })?;
        if records.is_empty() {
            return self.fallback.search(query).await;
        }
        let base = self.base().await?;
        let mut products = BTreeMap::new();
        for record in records {
            if !query.time.contains(record.product.datatake_start()) {
                continue;
            }
            let id = record.product.clone();
            let order = (id.datatake_start(), id.to_string());
            let granule = safe::parse_key(&record.key).map(|key| key.granule);
            let product = products.entry(order).or_insert_with(|| Product {
                id,
                datastrip_start: granule.as_deref().and_then(safe::datastrip_start),
                granule,
                assets: BTreeMap::new(),
                metadata: ProductMetadata::default(),
            });
            let asset = AssetRef {
                href: self.archive.href(&path_of_key(base, &record.key)),
                size: Some(record.size),
                etag: record.etag.clone(),
                checksum: None,
            };
            product.assets.insert(record.asset, asset);
        }
        Ok(Found { products: products.into_values().collect(), omitted: Vec::new() })
    }
}

/// The folder of an archive that the keys of records are counted from. They begin with
/// `Sentinel-2/`, whatever the mirror; the archive's root may lie some folders above that.
///
/// # Errors
/// Store failures.
pub async fn archive_base(archive: &Root) -> cubeflight_catalog::Result<Path> {
    let mut folders = VecDeque::from([(archive.prefix().clone(), 0)]);
    let mut listings = 0;
    while let Some((folder, depth)) = folders.pop_front() {
        listings += 1;
        if listings > MAX_LISTINGS {
            break;
        }
        let listing = archive.store().list_with_delimiter(Some(&folder)).await;
        let listing = listing.map_err(|error| {
            let error = cubeflight_storage::Error::from_store(&folder, error);
            cubeflight_catalog::Error::from(error)
        })?;
        for below in listing.common_prefixes {
            if below.filename() == Some("Sentinel-2") {
                return Ok(folder);
            }
            if depth < MAX_DEPTH {
                folders.push_back((below, depth + 1));
            }
        }
    }
    // Keys of an archive in another layout are whole paths.
    Ok(Path::default())
}

/// Where the file of a record lies in an archive with that [base](archive_base).
#[must_use]
pub fn path_of_key(base: &Path, key: &str) -> Path {
    base.parts().chain(Path::from(key).parts()).collect()
}
