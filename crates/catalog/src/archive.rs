//! An archive of SAFE folders as a catalogue.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cubeflight_sentinel2::{ProductId, safe};
use cubeflight_storage::{ObjectMeta, Path, Root};
use futures::{StreamExt, TryStreamExt, stream};

use crate::safe_xml::{Fault, read_product, read_tile};
use crate::walk::walk;
use crate::{AssetRef, Catalog, Found, Omitted, Product, ProductMetadata, Query, Result};

/// Longest metadata file read; the longest real ones have some 600 kB.
pub(crate) const MAX_XML: u64 = 8 << 20;
/// Objects in one product; real ones have some 100.
const MAX_OBJECTS: usize = 5_000;
/// Products looked at together.
const AT_ONCE: usize = 8;

/// Every `*.SAFE` folder below a root, at any depth. Nothing of an image is read: sizes and
/// validators come from the listing.
///
/// The metadata XML of the products that match is read where it is there (files of at most one
/// byte stand for files that are not).
#[derive(Debug, Clone)]
pub struct ArchiveListing {
    root: Root,
}

impl ArchiveListing {
    /// The archive at a root.
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    /// One product, or why it cannot be used.
    async fn product(&self, folder: Path, id: ProductId) -> Result<Result<Product, Omitted>> {
        let listing = self.root.store().list(Some(&folder)).take(MAX_OBJECTS + 1);
        let objects: Vec<ObjectMeta> = listing
            .try_collect()
            .await
            .map_err(|error| cubeflight_storage::Error::from_store(&folder, error))?;
        if objects.len() > MAX_OBJECTS {
            let reason = format!("more than {MAX_OBJECTS} objects in one product");
            return Ok(Err(Omitted::new(&id, "too_many_objects", reason)));
        }
        let mut assets = BTreeMap::new();
        let mut granules = BTreeSet::new();
        for object in &objects {
            if object.size == 0 {
                continue;
            }
            let Some(key) = safe::parse_key(object.location.as_ref()) else { continue };
            granules.insert(key.granule);
            let asset = AssetRef {
                href: self.root.href(&object.location),
                size: Some(object.size),
                etag: object.e_tag.clone(),
                checksum: None,
            };
            assets.insert(key.asset, asset);
        }
        let mut names = granules.into_iter();
        let granule = match (names.next(), names.next()) {
            (Some(granule), None) => granule,
            (None, _) => return Ok(Err(without_images(&id, &objects))),
            (Some(first), Some(second)) => {
                let reason = format!("images in several granules: {first}, {second}");
                return Ok(Err(Omitted::new(&id, "several_granules", reason)));
            }
        };
        let metadata = match self.metadata(&folder, &granule, &id, &objects).await? {
            Ok(metadata) => metadata,
            Err(Fault { code, reason }) => return Ok(Err(Omitted::new(&id, code, reason))),
        };
        let datastrip_start = safe::datastrip_start(&granule);
        Ok(Ok(Product { id, granule: Some(granule), datastrip_start, assets, metadata }))
    }

    async fn metadata(
        &self,
        folder: &Path,
        granule: &str,
        id: &ProductId,
        objects: &[ObjectMeta],
    ) -> Result<Result<ProductMetadata, Fault>> {
        let mut metadata = ProductMetadata::default();
        let product = format!("{folder}/MTD_MSI{}.xml", id.level());
        match self.xml(&product, objects).await? {
            Ok(None) => (),
            Ok(Some(xml)) => {
                if let Err(fault) = read_product(&xml, id, &mut metadata) {
                    return Ok(Err(within(&product, fault)));
                }
            }
            Err(fault) => return Ok(Err(within(&product, fault))),
        }
        let tile = format!("{folder}/GRANULE/{granule}/MTD_TL.xml");
        match self.xml(&tile, objects).await? {
            Ok(None) => (),
            Ok(Some(xml)) => {
                if let Err(fault) = read_tile(&xml, id.tile(), &mut metadata) {
                    return Ok(Err(within(&tile, fault)));
                }
            }
            Err(fault) => return Ok(Err(within(&tile, fault))),
        }
        Ok(Ok(metadata))
    }

    /// The text of a metadata file; `None` where it is not there.
    async fn xml(
        &self,
        path: &str,
        objects: &[ObjectMeta],
    ) -> Result<Result<Option<String>, Fault>> {
        let fault = |reason: &str| {
            let reason = reason.to_owned();
            Ok(Err(Fault { code: "unreadable_metadata", reason }))
        };
        // archives in which only the images are kept have files of no or one byte in their place
        let there = |object: &&ObjectMeta| object.location.as_ref() == path && object.size > 1;
        let Some(object) = objects.iter().find(there) else { return Ok(Ok(None)) };
        match self.root.get(&object.location, MAX_XML).await {
            Ok(bytes) => match String::from_utf8(bytes.into()) {
                Ok(text) => Ok(Ok(Some(text))),
                Err(_) => fault("not UTF-8"),
            },
            Err(error) if error.is_not_found() => Ok(Ok(None)),
            Err(cubeflight_storage::Error::TooLarge { .. }) => fault("larger than 8 MiB"),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a product without JPEG 2000 images is no good: some were converted, with the manifest.
fn without_images(id: &ProductId, objects: &[ObjectMeta]) -> Omitted {
    let is_tiff = |object: &&ObjectMeta| {
        matches!(object.location.extension(), Some("tif" | "tiff"))
            && object.location.as_ref().contains("/IMG_DATA/")
    };
    match objects.iter().find(is_tiff).and_then(|object| object.location.filename()) {
        Some(name) => {
            let reason = format!("its images are TIFF, not the JPEG 2000 files of ESA: {name}");
            Omitted::new(id, "cog_asset", reason)
        }
        None => Omitted::new(id, "no_assets", "no JPEG 2000 image in its folder"),
    }
}

fn within(path: &str, fault: Fault) -> Fault {
    let name = path.rsplit('/').next().unwrap_or(path);
    Fault { reason: format!("{name}: {}", fault.reason), ..fault }
}

#[async_trait]
impl Catalog for ArchiveListing {
    async fn search(&self, query: &Query) -> Result<Found> {
        let walked = walk(&self.root, query).await?;
        let mut found = Found { products: Vec::new(), omitted: walked.omitted };
        let products: Vec<_> = stream::iter(walked.products)
            .map(|(folder, id)| self.product(folder, id))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for product in products {
            match product {
                Ok(product) => found.products.push(product),
                Err(omitted) => found.omitted.push(omitted),
            }
        }
        Ok(found.finish(query))
    }
}
