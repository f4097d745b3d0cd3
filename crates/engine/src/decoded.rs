//! Decoded windows that are kept for those who ask again.

use std::sync::Arc;

use cubeflight_jp2::Image;
use cubeflight_plan::{Column, TileArea};
use cubeflight_sentinel2::Window;
use moka::sync::Cache;

/// What an entry takes besides its samples, about.
const ENTRY_BYTES: u64 = 256;

/// Decoded areas of tiles, up to so many bytes. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct DecodedCache(Option<Cache<Key, Arc<Image>>>);

/// An area of a tile of a certain state of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Path, size and validator.
    file: Arc<str>,
    tile: u16,
    /// Level of the lattice that the samples are counted in.
    reduce: u8,
    samples: Window,
}

impl Key {
    pub(crate) fn new(file: &Arc<str>, tile: u16, column: &Column, area: &TileArea) -> Self {
        let (reduce, samples) = (column.reduce, area.samples);
        Self { file: Arc::clone(file), tile, reduce, samples }
    }
}

impl DecodedCache {
    /// With 0 bytes nothing is kept.
    pub(crate) fn new(bytes: u64) -> Self {
        let weight = |_: &Key, image: &Arc<Image>| {
            u32::try_from(image.sample_bytes().saturating_add(ENTRY_BYTES)).unwrap_or(u32::MAX)
        };
        let cache = || Cache::builder().max_capacity(bytes).weigher(weight).build();
        Self((bytes > 0).then(cache))
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Image>> {
        self.0.as_ref()?.get(key)
    }

    /// Keeps an image, made small; gives back what is to be used.
    pub(crate) fn keep(&self, key: Key, image: Image) -> Arc<Image> {
        let Some(cache) = &self.0 else { return Arc::new(image) };
        let image = Arc::new(image.compact());
        cache.insert(key, Arc::clone(&image));
        image
    }
}
