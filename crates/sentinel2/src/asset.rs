//! Assets: a band at a resolution, and which of them exist at which level.

use std::fmt;

use crate::{Band, Baseline, Error, Level, Resolution, Result};

/// One image of a product: a band at a resolution.
///
/// Displayed as in `B02_10m`, `SCL_20m`, `DETFOO_B02_10m`, `CLASSI_B00_60m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetId {
    /// What the image shows.
    pub band: Band,
    /// Its pixel size.
    pub resolution: Resolution,
}

/// Type of the samples as served, raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleType {
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
}

impl SampleType {
    /// Size of one sample in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
        }
    }
}

/// How the components of an image become the values of its cube.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cells {
    /// One component, shape (y, x).
    Plain,
    /// Three components, shape (band, y, x).
    Rgb,
    /// Several components of 0 and 1, packed into one byte: component k is bit k. Shape (y, x).
    Flags {
        /// Number of components.
        components: u8,
    },
}

impl AssetId {
    /// Reads a band (`B08`, at its native resolution), a band at a resolution (`B02_60m`), or an
    /// EOPF path (`measurements/reflectance/r10m/b08`, with or without leading slash).
    ///
    /// A name that no level knows is [`Error::UnknownBand`]; one that the level does not have is
    /// [`Error::NotInLevel`] and tells what it has.
    pub fn parse(text: &str, level: Level) -> Result<Self> {
        let path = text.contains('/').then(|| text.strip_prefix('/').unwrap_or(text));
        let asset = path.map_or_else(|| by_name(text), |path| by_path(path, level));
        let Some(asset) = asset else {
            let (text, available) = (text.to_owned(), band_list(level));
            return Err(Error::UnknownBand { text, level, available });
        };
        // A path of the other level is refused even where the band exists here too.
        if asset.exists(level) && path.is_none_or(|path| asset.eopf_path(level) == path) {
            return Ok(asset);
        }
        let siblings: Vec<String> = Resolution::ALL
            .into_iter()
            .map(|resolution| Self { resolution, ..asset })
            .filter(|sibling| sibling.exists(level))
            .map(|sibling| sibling.to_string())
            .collect();
        let available = if siblings.is_empty() { band_list(level) } else { siblings.join(", ") };
        Err(Error::NotInLevel { text: text.to_owned(), level, available })
    }

    /// Everything that can be asked for at a level, sorted.
    pub fn all(level: Level) -> Vec<Self> {
        let mut all: Vec<Self> = every().filter(|asset| asset.exists(level)).collect();
        all.sort_unstable();
        all
    }

    /// Whether products of the level hold such an image. Single products may lack it: quality
    /// masks are images from baseline 04.00 on, and so is `B01_20m`.
    pub fn exists(&self, level: Level) -> bool {
        use Resolution::{R10m, R20m, R60m};
        let native = self.resolution == self.band.native_resolution();
        match (level, self.band) {
            (_, Band::Detfoo(_) | Band::Qualit(_) | Band::Classi) => native,
            (Level::L1C, Band::Scl | Band::Aot | Band::Wvp | Band::Cld | Band::Snw) => false,
            (Level::L1C, _) => native,
            (Level::L2A, Band::Aot | Band::Wvp | Band::Tci) => true,
            (Level::L2A, Band::Scl | Band::Cld | Band::Snw) => self.resolution != R10m,
            (Level::L2A, Band::B10) => false,
            (Level::L2A, Band::B08) => self.resolution == R10m,
            (Level::L2A, Band::B09) => self.resolution == R60m,
            (Level::L2A, Band::B02 | Band::B03 | Band::B04) => true,
            (Level::L2A, _) => matches!(self.resolution, R20m | R60m),
        }
    }

    /// First baseline whose products hold the image as JPEG 2000, where those of earlier ones do
    /// not: the quality masks, which were GML before, and `B01_20m`.
    pub fn since(&self) -> Option<Baseline> {
        let later =
            self.is_later_mask() || (self.band, self.resolution) == (Band::B01, Resolution::R20m);
        later.then_some(Baseline { major: 4, minor: 0 })
    }

    /// Why a product of this baseline lacks the image; `None` where the baseline is not the reason.
    /// Products made outside ESA's own chain (99.99) may hold anything.
    pub fn absence(&self, baseline: Baseline) -> Option<String> {
        let since = self.since().filter(|since| baseline < *since)?;
        let form = if self.is_later_mask() { " as JPEG 2000" } else { "" };
        (baseline != Baseline::UNOFFICIAL)
            .then(|| format!("baseline {baseline} has no {self}{form}; from {since} on"))
    }

    fn is_later_mask(&self) -> bool {
        matches!(self.band, Band::Detfoo(_) | Band::Qualit(_) | Band::Classi)
    }

    /// Path in the EOPF product structure without leading slash, as in
    /// `measurements/reflectance/r10m/b08`.
    pub fn eopf_path(&self, level: Level) -> String {
        let group = self.resolution.group();
        let name = self.band.to_string().to_ascii_lowercase();
        match self.band {
            Band::Scl => format!("conditions/mask/l2a_classification/{group}/scl"),
            Band::Classi => format!("conditions/mask/l1c_classification/{group}/b00"),
            Band::Aot | Band::Wvp => format!("quality/atmosphere/{group}/{name}"),
            Band::Cld | Band::Snw => format!("quality/probability/{group}/{name}"),
            Band::Tci => {
                let level = level.to_string().to_ascii_lowercase();
                format!("quality/{level}_quicklook/{group}/tci")
            }
            Band::Detfoo(band) => {
                let name = band.name().to_ascii_lowercase();
                format!("conditions/mask/detector_footprint/{group}/{name}")
            }
            Band::Qualit(band) => {
                format!("quality/mask/{group}/{}", band.name().to_ascii_lowercase())
            }
            _ => format!("measurements/reflectance/{group}/{name}"),
        }
    }

    /// Type of the raw samples.
    pub fn sample_type(&self) -> SampleType {
        if self.is_reflectance() || matches!(self.band, Band::Aot | Band::Wvp) {
            SampleType::U16
        } else {
            SampleType::U8
        }
    }

    /// How components become values.
    pub fn cells(&self) -> Cells {
        match self.band {
            Band::Tci => Cells::Rgb,
            Band::Qualit(_) => Cells::Flags { components: 8 },
            Band::Classi => Cells::Flags { components: 3 },
            _ => Cells::Plain,
        }
    }

    /// Whether the values are reflectances, to which the radiometric offset applies.
    pub fn is_reflectance(&self) -> bool {
        self.band.spectral().is_some()
    }

    /// Whether the values are classes, flags or probabilities, which must never be filtered to a
    /// coarser resolution.
    pub fn is_class(&self) -> bool {
        matches!(
            self.band,
            Band::Scl | Band::Cld | Band::Snw | Band::Detfoo(_) | Band::Qualit(_) | Band::Classi
        )
    }

    /// What stands where there are no pixels. 0 for all assets; for some of them 0 is a value as
    /// well, and their [`attributes`](Self::attributes) then have no `_FillValue`.
    pub fn fill_value(&self) -> u16 {
        0
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.band, self.resolution)
    }
}

/// All bands at all resolutions, whether they exist or not.
fn every() -> impl Iterator<Item = AssetId> {
    Band::all().flat_map(|band| {
        Resolution::ALL.into_iter().map(move |resolution| AssetId { band, resolution })
    })
}

fn by_name(text: &str) -> Option<AssetId> {
    let name = text.to_ascii_uppercase();
    let (band, resolution) = match name.rsplit_once('_') {
        Some((band, suffix)) if suffix.ends_with('M') && !suffix.starts_with('R') => {
            (band, Some(suffix.parse().ok()?))
        }
        _ => (name.as_str(), None),
    };
    let band = Band::from_name(band)?;
    let resolution = resolution.unwrap_or_else(|| band.native_resolution());
    Some(AssetId { band, resolution })
}

/// Looks at what the level has, then at what the other has, then at what the level might have.
fn by_path(path: &str, level: Level) -> Option<AssetId> {
    let other = Level::ALL.into_iter().filter(|&l| l != level);
    std::iter::once(level)
        .chain(other)
        .find_map(|l| every().find(|asset| asset.exists(l) && asset.eopf_path(l) == path))
        .or_else(|| every().find(|asset| asset.eopf_path(level) == path))
}

fn band_list(level: Level) -> String {
    let mut names: Vec<String> = Band::all()
        .filter(|&band| {
            Resolution::ALL.into_iter().any(|resolution| AssetId { band, resolution }.exists(level))
        })
        .filter(|band| !matches!(band, Band::Detfoo(_) | Band::Qualit(_)))
        .map(|band| band.to_string())
        .collect();
    names.push("DETFOO_B01 to DETFOO_B12".to_owned());
    names.push("QUALIT_B01 to QUALIT_B12".to_owned());
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{AssetId, Cells, SampleType};
    use crate::Level::{L1C, L2A};
    use crate::{Band, Level, Resolution, SpectralBand};

    fn name(text: &str, level: Level) -> String {
        AssetId::parse(text, level).unwrap().to_string()
    }

    #[test]
    fn bare_names_mean_the_native_resolution() {
        for (text, asset) in [
            ("B08", "B08_10m"),
            ("b8a", "B8A_20m"),
            ("B01", "B01_60m"),
            ("B01_20m", "B01_20m"),
            ("B02_60m", "B02_60m"),
            ("SCL", "SCL_20m"),
            ("scl_60M", "SCL_60m"),
            ("AOT", "AOT_10m"),
            ("WVP", "WVP_10m"),
            ("TCI", "TCI_10m"),
            ("CLD", "CLD_20m"),
            ("SNW_60m", "SNW_60m"),
            ("DETFOO_B02", "DETFOO_B02_10m"),
            ("QUALIT_B10", "QUALIT_B10_60m"),
            ("CLASSI", "CLASSI_B00_60m"),
            ("CLASSI_B00", "CLASSI_B00_60m"),
            ("measurements/reflectance/r10m/b08", "B08_10m"),
            ("/conditions/mask/l2a_classification/r60m/scl", "SCL_60m"),
            ("quality/l2a_quicklook/r20m/tci", "TCI_20m"),
        ] {
            assert_eq!(name(text, L2A), asset, "{text}");
        }
        assert_eq!(name("B10", L1C), "B10_60m");
        assert_eq!(name("/quality/l1c_quicklook/r10m/tci", L1C), "TCI_10m");
    }

    #[test]
    fn what_a_level_lacks_is_named() {
        for (text, level, code, says) in [
            ("B02_60m", L1C, "CF-S2-014", "L1C has no `B02_60m`: it has B02_10m"),
            ("SCL", L1C, "CF-S2-014", "L1C has no `SCL`: it has B01, B02"),
            ("B08_20m", L2A, "CF-S2-014", "L2A has no `B08_20m`: it has B08_10m"),
            ("B10", L2A, "CF-S2-014", "L2A has no `B10`: it has B01, B02"),
            ("SCL_10m", L2A, "CF-S2-014", "it has SCL_20m, SCL_60m"),
            ("DETFOO_B02_20m", L2A, "CF-S2-014", "it has DETFOO_B02_10m"),
            ("quality/l1c_quicklook/r10m/tci", L2A, "CF-S2-014", "it has TCI_10m"),
            ("measurements/reflectance/r10m/b05", L2A, "CF-S2-014", "B05_20m, B05_60m"),
            ("conditions/mask/l2a_classification/r20m/scl", L1C, "CF-S2-014", "L1C"),
            ("B13", L2A, "CF-S2-013", "is not a band: L2A has B01"),
            ("B8", L2A, "CF-S2-013", "not a band"),
            ("B02_15m", L2A, "CF-S2-013", "not a band"),
            ("", L2A, "CF-S2-013", "not a band"),
            ("//measurements/reflectance/r10m/b08", L2A, "CF-S2-013", "not a band"),
        ] {
            let error = AssetId::parse(text, level).unwrap_err();
            assert_eq!(error.code(), code, "{text}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn everything_parses_back() {
        for (level, count) in [(L1C, 13 + 1 + 2 * 13 + 1), (L2A, 4 + 10 + 11 + 3 * 3 + 3 * 2 + 27)]
        {
            let all = AssetId::all(level);
            assert_eq!(all.len(), count, "{level}");
            assert!(all.is_sorted());
            let paths: HashSet<String> = all.iter().map(|a| a.eopf_path(level)).collect();
            assert_eq!(paths.len(), count, "paths are distinct");
            for asset in all {
                assert_eq!(AssetId::parse(&asset.to_string(), level), Ok(asset));
                assert_eq!(AssetId::parse(&asset.eopf_path(level), level), Ok(asset));
            }
        }
    }

    #[test]
    fn shapes_of_values() {
        let asset = |text: &str| AssetId::parse(text, L2A).unwrap();
        for text in ["B02", "AOT", "WVP"] {
            assert_eq!(asset(text).sample_type(), SampleType::U16);
            assert!(!asset(text).is_class());
        }
        assert!(asset("B02").is_reflectance() && !asset("AOT").is_reflectance());
        for text in ["SCL", "CLD", "SNW", "DETFOO_B02", "QUALIT_B02", "CLASSI"] {
            assert_eq!(asset(text).sample_type(), SampleType::U8);
            assert!(asset(text).is_class(), "{text}");
        }
        assert_eq!(asset("TCI").cells(), Cells::Rgb);
        assert_eq!(asset("QUALIT_B02").cells(), Cells::Flags { components: 8 });
        assert_eq!(asset("CLASSI").cells(), Cells::Flags { components: 3 });
        assert_eq!(asset("DETFOO_B02").cells(), Cells::Plain);
        assert_eq!(Band::from(SpectralBand::B8A).spectral(), Some(SpectralBand::B8A));
    }

    #[test]
    fn absent_by_baseline() {
        let absence = |text: &str, baseline: &str| {
            AssetId::parse(text, L2A).unwrap().absence(baseline.parse().unwrap())
        };
        let masks = "baseline 02.12 has no QUALIT_B02_10m as JPEG 2000; from 04.00 on";
        assert_eq!(absence("QUALIT_B02", "0212").as_deref(), Some(masks));
        let coastal = "baseline 03.01 has no B01_20m; from 04.00 on";
        assert_eq!(absence("B01_20m", "0301").as_deref(), Some(coastal));
        for (text, baseline) in [
            ("QUALIT_B02", "0400"),
            ("CLASSI", "0511"),
            ("DETFOO_B10", "9999"),
            ("B01_60m", "0204"),
            ("SCL", "0204"),
            ("CLD", "0214"),
        ] {
            assert_eq!(absence(text, baseline), None, "{text} of {baseline}");
        }
    }

    #[test]
    fn codings() {
        let coding = |text: &str| {
            let c = AssetId::parse(text, L2A).unwrap().coding();
            (c.jp2_tile, c.components, c.bit_depth, c.levels)
        };
        assert_eq!(coding("B08"), (1024, 1, 15, 4));
        assert_eq!(coding("TCI_10m"), (1024, 3, 8, 4));
        assert_eq!(coding("QUALIT_B02"), (1024, 8, 8, 4));
        assert_eq!(coding("B11"), (640, 1, 15, 4));
        assert_eq!(coding("SCL"), (640, 1, 8, 4));
        assert_eq!(coding("TCI_20m"), (2048, 3, 8, 5));
        assert_eq!(coding("DETFOO_B05"), (2048, 1, 8, 5));
        assert_eq!(coding("QUALIT_B05"), (2048, 8, 8, 5));
        assert_eq!(coding("B09"), (192, 1, 15, 4));
        assert_eq!(coding("CLD_60m"), (192, 1, 8, 4));
        assert_eq!(coding("TCI_60m"), (256, 3, 8, 4));
        assert_eq!(coding("CLASSI"), (256, 3, 8, 4));
        assert_eq!(coding("DETFOO_B10"), (256, 1, 8, 4));
        // The class columns follow from the grid alone.
        let side = Resolution::R20m.pixels();
        assert_eq!(side.div_ceil(640) * side.div_ceil(640), 81);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            for level in Level::ALL {
                let _ = AssetId::parse(&text, level);
            }
        }
    }
}
