//! What raw numbers of a product need added, and when those of two products mean the same.

use cubeflight_sentinel2::{AssetId, Band, Baseline, Level};

use crate::Product;

/// What (DN + offset) is divided by where metadata do not say.
const QUANTIFICATION: f64 = 10_000.0;

/// Bands with reflectance that products of a level have.
pub(crate) fn reflectance_bands(level: Level) -> Vec<Band> {
    let mut bands: Vec<Band> = AssetId::all(level)
        .into_iter()
        .filter(AssetId::is_reflectance)
        .map(|asset| asset.band)
        .collect();
    bands.sort_unstable();
    bands.dedup();
    bands
}

impl Product {
    /// What is to be added to the digital numbers of a band before they are divided by the
    /// quantification value. In the order of trust: what the product's own metadata says, then what
    /// its baseline tells (02 and 03: 0, 04 and 05: -1000). STAC items have no say, they are wrong
    /// at times; nor has the date, as products were made again. `None` where neither knows, as for
    /// baseline 99.99 without metadata.
    pub fn radiometric_offset(&self, band: Band) -> Option<i16> {
        let own = self.metadata.radiometric_offset.get(&band).copied();
        own.or_else(|| self.id.baseline().radiometric_offset())
    }

    /// Whether the offset of each of its reflectance bands is known.
    pub(crate) fn offsets_known(&self) -> bool {
        reflectance_bands(self.id.level())
            .into_iter()
            .all(|band| self.radiometric_offset(band).is_some())
    }

    /// Whether numbers with the offset added are of the same size as those of another product.
    pub(crate) fn has_scale_of(&self, other: &Self) -> bool {
        let scale = |product: &Self| product.metadata.quantification.unwrap_or(QUANTIFICATION);
        scale(self) == scale(other)
    }

    /// Whether raw numbers mean the same as those of another product: offsets and quantification are
    /// equal. Unknown offsets are equal only within a baseline, which is one version of one
    /// processor; 99.99 stands for many.
    pub(crate) fn has_numbers_of(&self, other: &Self) -> bool {
        let (own, others) = (self.id.baseline(), other.id.baseline());
        let same_processor = own == others && own != Baseline::UNOFFICIAL;
        self.has_scale_of(other)
            && reflectance_bands(self.id.level()).into_iter().all(|band| {
                match (self.radiometric_offset(band), other.radiometric_offset(band)) {
                    (Some(a), Some(b)) => a == b,
                    (None, None) => same_processor,
                    _ => false,
                }
            })
    }
}
