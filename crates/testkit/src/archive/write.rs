//! Products to files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use cubeflight_jp2::encode::{
    ConstantTiles, EncodeSpec, EncodedTile, Kind, TileContent, TlmPlacement, assemble, gml, spec_of,
};
use cubeflight_sentinel2::{AssetId, Band, Level, Resolution, Window};
use md5::Md5;
use rayon::prelude::*;
use sha3::{Digest, Sha3_256};

use super::product::{PlannedProduct, WITH_OFFSET, WITH_TLM};
use super::scene::Scene;
use super::{Archive, AssetTotals, Report};
use super::{facts, manifest, product, safe_xml, stac_item};
use crate::{Error, Result};

/// A file that was written into a product.
#[derive(Debug, Clone)]
pub(super) struct FileFacts {
    /// Within the product's folder.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) checksum: Checksum,
}

/// Manifests have MD5 before baseline 04.00, and SHA3-256 since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    Md5([u8; 16]),
    Sha3([u8; 32]),
}

impl Checksum {
    fn of(product: &PlannedProduct, bytes: &[u8]) -> Self {
        if product.baseline < WITH_OFFSET {
            Self::Md5(Md5::digest(bytes).into())
        } else {
            Self::Sha3(Sha3_256::digest(bytes).into())
        }
    }

    /// As manifests name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Md5(_) => "MD5",
            Self::Sha3(_) => "SHA3-256",
        }
    }

    pub(super) fn hex(&self) -> String {
        let bytes: &[u8] = match self {
            Self::Md5(bytes) => bytes,
            Self::Sha3(bytes) => bytes,
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As a multihash, the form of STAC items.
    pub(super) fn multihash(&self) -> String {
        let prefix = match self {
            Self::Md5(_) => "d50110",
            Self::Sha3(_) => "1620",
        };
        format!("{prefix}{}", self.hex())
    }
}

/// An image that is encoded.
struct Image {
    asset: AssetId,
    spec: EncodeSpec,
    tiles: u16,
    /// Tiles that are filled.
    filled: Vec<u16>,
}

impl Archive {
    /// Writes all products and their items.
    pub(super) fn write_all(&self, progress: &dyn Fn(super::Progress<'_>)) -> Result<Report> {
        let config = &self.config;
        let assets = config.assets()?;
        let constant = ConstantTiles::new();
        let mut report = Report { steps: config.steps, ..Report::default() };
        let items = config.out.join("stac");
        let name = match config.level {
            Level::L2A => "collection.json",
            Level::L1C => "collection-l1c.json",
        };
        let collection = stac_item::collection(config.level);
        self.write_file(&items.join(name), &collection, config.start)?;
        let mut written: Vec<Vec<FileFacts>> = Vec::new();
        for (index, product) in self.products.iter().enumerate() {
            let total = self.products.len();
            let id = product.id.to_string();
            progress(super::Progress { done: index, total, product: &id });
            let assets: Vec<AssetId> =
                assets.iter().copied().filter(|asset| product.has(*asset)).collect();
            let images = match product
                .same_as
                .and_then(|first| Some((self.products.get(first)?, written.get(first)?)))
            {
                Some((first, files)) => self.copy_images(first, product, files, &assets)?,
                None => self.encode_images(product, &assets, &constant, &mut report)?,
            };
            let files = self.write_product(product, &assets, images)?;
            report.products += 1;
            report.files += files.len() as u64;
            report.bytes += files.iter().map(|file| file.bytes).sum::<u64>();
            written.push(files);
        }
        let done = self.products.len();
        progress(super::Progress { done, total: done, product: "" });
        Ok(report)
    }

    fn folder(&self, product: &PlannedProduct) -> PathBuf {
        self.config.out.join("eodata").join(product.prefix())
    }

    /// Metadata, manifest and item around the images.
    fn write_product(
        &self,
        product: &PlannedProduct,
        assets: &[AssetId],
        images: Vec<FileFacts>,
    ) -> Result<Vec<FileFacts>> {
        let config = &self.config;
        let scene = Scene::new(&self.landscape, product);
        let counts = scene.class_counts(config.window(Resolution::R20m)?);
        let facts = facts::Facts::new(product, &counts);
        let footprint = product::footprint(config);
        let mut files = Vec::with_capacity(images.len() + 3);
        let level = product.id.level();
        let product_xml = safe_xml::product_metadata(product, assets, &facts, &footprint);
        files.push(self.add(product, format!("MTD_MSI{level}.xml"), product_xml.as_bytes())?);
        let path = format!("GRANULE/{}/MTD_TL.xml", product.granule);
        let tile_xml = safe_xml::tile_metadata(product, assets, &facts);
        files.push(self.add(product, path, tile_xml.as_bytes())?);
        files.extend(images);
        let manifest = manifest::manifest(product, &files);
        files.push(self.add(product, "manifest.safe".to_owned(), manifest.as_bytes())?);

        let item = stac_item::item(product, &facts, &files, &footprint);
        let day = product.datatake.start.format("%Y/%m/%d");
        let path = config
            .out
            .join("stac")
            .join(level.collection())
            .join(format!("{day}/{}.json", product.id));
        self.write_file(&path, &item, product.processed)?;
        if let Some(missing) = product.missing {
            let path = self.folder(product).join(within(&product.key(missing), product));
            fs::remove_file(&path).map_err(|error| Error::archive(&path, error))?;
        }
        Ok(files)
    }

    fn encode_images(
        &self,
        product: &PlannedProduct,
        assets: &[AssetId],
        constant: &ConstantTiles,
        report: &mut Report,
    ) -> Result<Vec<FileFacts>> {
        let images: Vec<Image> =
            assets.iter().map(|asset| self.image(product, *asset)).collect::<Result<_>>()?;
        let jobs: Vec<(usize, u16)> = images
            .iter()
            .enumerate()
            .flat_map(|(index, image)| image.filled.iter().map(move |tile| (index, *tile)))
            .collect();
        let scene = Scene::new(&self.landscape, product);
        let mut filled: BTreeMap<(usize, u16), (EncodedTile, u64)> = jobs
            .into_par_iter()
            .filter_map(|(index, tile)| Some((index, tile, images.get(index)?)))
            .map(|(index, tile, image)| {
                let window = tile_window(&image.spec, tile)?;
                let content = TileContent::Samples(scene.samples(image.asset, window));
                let encoded = constant.encode_tile(&image.spec, tile, &content)?;
                Ok(((index, tile), (encoded, window.pixels())))
            })
            .collect::<Result<_>>()?;
        for ((index, _), (encoded, pixels)) in &filled {
            let Some(image) = images.get(*index) else { continue };
            let totals: &mut AssetTotals = report.filled.entry(image.asset).or_default();
            totals.pixels += pixels;
            totals.bytes += u64::from(encoded.psot());
        }
        let mut parts: Vec<(&Image, Vec<EncodedTile>)> = Vec::new();
        for (index, image) in images.iter().enumerate() {
            let nothing = TileContent::Constant(vec![0; usize::from(image.spec.components)]);
            let tiles = (0..image.tiles)
                .map(|tile| match filled.remove(&(index, tile)) {
                    Some((encoded, _)) => Ok(encoded),
                    None => Ok(constant.encode_tile(&image.spec, tile, &nothing)?),
                })
                .collect::<Result<_>>()?;
            parts.push((image, tiles));
        }
        parts
            .into_par_iter()
            .map(|(image, tiles)| {
                let mut bytes = Vec::new();
                assemble(&image.spec, tiles, &mut bytes)?;
                let key = product.key(image.asset);
                let path = within(&key, product);
                self.add(product, path, &bytes)
            })
            .collect()
    }

    /// The images of another product of the archive, under this one's names.
    fn copy_images(
        &self,
        first: &PlannedProduct,
        product: &PlannedProduct,
        files: &[FileFacts],
        assets: &[AssetId],
    ) -> Result<Vec<FileFacts>> {
        let mut copied = Vec::new();
        for asset in assets {
            let from = within(&first.key(*asset), first);
            let Some(facts) = files.iter().find(|file| file.path == from) else { continue };
            let source = self.folder(first).join(&from);
            let bytes = fs::read(&source).map_err(|error| Error::archive(&source, error))?;
            let path = within(&product.key(*asset), product);
            self.write_file(&self.folder(product).join(&path), &bytes, product.processed)?;
            copied.push(FileFacts { path, ..facts.clone() });
        }
        Ok(copied)
    }

    fn image(&self, product: &PlannedProduct, asset: AssetId) -> Result<Image> {
        let config = &self.config;
        let mut spec = spec_of(kind(asset));
        let (ulx, uly) = config.tile.upper_left();
        let step = asset.resolution.metres();
        let half = i32::try_from(step / 2).unwrap_or_default();
        spec.gml =
            Some(gml(config.tile.epsg(), ulx + half, uly - half, step, spec.width, spec.height));
        if (asset.band, asset.resolution) == (Band::Tci, Resolution::R60m) {
            spec.extra_xml = Some(safe_xml::inventory(product));
        }
        if config.with_tlm || product.baseline >= WITH_TLM {
            spec.tlm = TlmPlacement::BeforeCom;
        }
        let interest = config.window(asset.resolution)?;
        let tiles = u16::try_from(spec.siz()?.tiles()).unwrap_or(u16::MAX);
        let mut filled = Vec::new();
        for tile in 0..tiles {
            if tile_window(&spec, tile)?.intersection(&interest).is_some() {
                filled.push(tile);
            }
        }
        Ok(Image { asset, spec, tiles, filled })
    }

    fn add(&self, product: &PlannedProduct, path: String, bytes: &[u8]) -> Result<FileFacts> {
        self.write_file(&self.folder(product).join(&path), bytes, product.processed)?;
        let checksum = Checksum::of(product, bytes);
        Ok(FileFacts { path, bytes: bytes.len() as u64, checksum })
    }

    /// Writes a file and gives it a time: a server's validators often come from it.
    fn write_file(&self, path: &Path, bytes: &[u8], time: DateTime<Utc>) -> Result<()> {
        let failed = |error| Error::archive(path, error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(path, bytes).map_err(failed)?;
        let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let file = fs::File::options().write(true).open(path).map_err(failed)?;
        file.set_modified(modified).map_err(failed)
    }
}

/// The part of a key behind the product's folder.
fn within(key: &str, product: &PlannedProduct) -> String {
    let prefix = product.prefix();
    key.strip_prefix(&prefix).unwrap_or(key).trim_start_matches('/').to_owned()
}

/// Pixels of a JPEG 2000 tile.
fn tile_window(spec: &EncodeSpec, tile: u16) -> Result<Window> {
    let rect = spec.tile_rect(tile)?;
    Ok(Window { x: rect.x0, y: rect.y0, width: rect.x1 - rect.x0, height: rect.y1 - rect.y0 })
}

/// How ESA codes an asset.
fn kind(asset: AssetId) -> Kind {
    use Resolution::{R10m, R20m, R60m};
    match (asset.band, asset.resolution) {
        (Band::Tci, R10m) => Kind::Tci10m,
        (Band::Tci, R20m) => Kind::Tci20m,
        (Band::Tci, R60m) => Kind::Tci60m,
        (Band::Scl | Band::Cld | Band::Snw, R60m) => Kind::Scl60m,
        (Band::Scl | Band::Cld | Band::Snw, _) => Kind::Scl20m,
        (Band::Detfoo(_), R10m) => Kind::Detfoo10m,
        (Band::Detfoo(_), R20m) => Kind::Detfoo20m,
        (Band::Detfoo(_), R60m) => Kind::Detfoo60m,
        (Band::Qualit(_), R10m) => Kind::Qualit10m,
        (Band::Qualit(_), R20m) => Kind::Qualit20m,
        (Band::Qualit(_), R60m) => Kind::Qualit60m,
        (Band::Classi, _) => Kind::Classi,
        (_, R10m) => Kind::Reflectance10m,
        (_, R20m) => Kind::Reflectance20m,
        (_, R60m) => Kind::Reflectance60m,
    }
}
