//! Which files of an archive are meant.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use cubeflight_sentinel2::{AssetId, Band, Level, ProductId, Resolution, SpectralBand, Wanted};

/// Which files are to be indexed.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Of which products.
    pub wanted: Wanted,
    /// Which assets.
    pub assets: Assets,
    /// Which part of the products; all where there is none.
    pub shard: Option<Shard>,
}

impl Scope {
    /// All files.
    pub fn everything() -> Self {
        Self { assets: Assets::All, ..Self::default() }
    }
}

/// Why a product is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    Filtered,
    OtherShard,
}

impl Scope {
    pub(super) fn admit(&self, id: &ProductId) -> Result<(), Outside> {
        if !self.wanted.matches(id) {
            return Err(Outside::Filtered);
        }
        match self.shard {
            Some(shard) if !shard.holds(id) => Err(Outside::OtherShard),
            _ => Ok(()),
        }
    }
}

/// Which assets of a product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Assets {
    /// The spectral bands at their native resolution, and `SCL_20m`.
    #[default]
    Native,
    /// Every image.
    All,
    /// These.
    Only(BTreeSet<(Level, AssetId)>),
}

impl Assets {
    /// From names: none are the native ones, `all` is every image, others as
    /// [`AssetId::parse`] reads them; each must exist at one level at least.
    ///
    /// # Errors
    /// The first name that no level knows.
    pub fn parse(names: &[String]) -> cubeflight_sentinel2::Result<Self> {
        if names.is_empty() {
            return Ok(Self::Native);
        }
        if names.iter().any(|name| name == "all") {
            return Ok(Self::All);
        }
        let mut only = BTreeSet::new();
        for name in names {
            let parsed = Level::ALL.map(|level| AssetId::parse(name, level).map(|id| (level, id)));
            if let [Err(_), Err(error)] = parsed {
                return Err(error);
            }
            only.extend(parsed.into_iter().flatten());
        }
        Ok(Self::Only(only))
    }

    /// Whether an asset of a level is one of them.
    pub fn admit(&self, level: Level, asset: AssetId) -> bool {
        match self {
            Self::All => true,
            Self::Native => is_native(asset),
            Self::Only(only) => only.contains(&(level, asset)),
        }
    }
}

fn is_native(asset: AssetId) -> bool {
    if asset.band == Band::Scl {
        return asset.resolution == Resolution::R20m;
    }
    let native = asset.resolution == asset.band.native_resolution();
    native && SpectralBand::ALL.iter().any(|band| asset.band.to_string() == band.name())
}

/// One of so many parts of the products, by a hash of the product id that never changes: the parts
/// of any machine, at any time, are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Part `index`, counted from 0, of `count`.
    ///
    /// # Errors
    /// An index that is not below the count.
    pub fn new(index: u32, count: u32) -> Result<Self, String> {
        match index < count {
            true => Ok(Self { index, count }),
            false => Err(format!("shard {index}/{count}: shards of N are 0/N to N-1/N")),
        }
    }

    /// Whether the product belongs to this part.
    pub fn holds(&self, id: &ProductId) -> bool {
        hash(id.to_string().as_bytes()) % u64::from(self.count) == u64::from(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `I/N`, I from 0 to N-1.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some((index.trim().parse().ok()?, count.trim().parse().ok()?))
        });
        let (index, count) =
            numbers.ok_or_else(|| format!("{text:?} is no shard, write I/N as in 0/4"))?;
        Self::new(index, count)
    }
}

/// FNV-1a of 64 bits, then the finalizer of SplitMix64: names differ in few letters, and the low
/// bits decide. Part of what a shard is: it must never change.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(level: Level, assets: &Assets) -> String {
        let all = AssetId::all(level).into_iter().filter(|asset| assets.admit(level, *asset));
        let mut names: Vec<_> = all.map(|asset| asset.to_string()).collect();
        names.sort();
        names.join(" ")
    }

    fn parse(text: &str) -> cubeflight_sentinel2::Result<Assets> {
        let names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Assets::parse(&names)
    }

    #[test]
    fn native_bands_and_scl_unless_told_otherwise() {
        assert_eq!(
            names(Level::L2A, &Assets::default()),
            "B01_60m B02_10m B03_10m B04_10m B05_20m B06_20m B07_20m B08_10m B09_60m B11_20m \
             B12_20m B8A_20m SCL_20m"
        );
        assert_eq!(
            names(Level::L1C, &Assets::default()),
            "B01_60m B02_10m B03_10m B04_10m B05_20m B06_20m B07_20m B08_10m B09_60m B10_60m \
             B11_20m B12_20m B8A_20m"
        );
        for level in Level::ALL {
            let count = names(level, &parse("all").unwrap()).split(' ').count();
            assert_eq!(count, AssetId::all(level).len());
        }
        let some = parse("B08 SCL_60m B10").unwrap();
        assert_eq!(names(Level::L2A, &some), "B08_10m SCL_60m");
        assert_eq!(names(Level::L1C, &some), "B08_10m B10_60m");
        for wrong in ["B99", "B08 B08_20m", "TCI_5m"] {
            parse(wrong).unwrap_err();
        }
    }

    #[test]
    fn shards_are_numbered_from_0() {
        assert_eq!("0/1".parse::<Shard>().unwrap().to_string(), "0/1");
        for wrong in ["", "1", "1/1", "4/4", "-1/4", "0/0", "a/b", "1/2/3"] {
            wrong.parse::<Shard>().unwrap_err();
        }
    }

    #[test]
    fn shards_never_change() {
        let id = "S2A_MSIL2A_20210103T101411_N0500_R022_T33TVN_20230306T172000";
        assert_eq!(hash(id.as_bytes()), 0xd7ef_559d_cd03_2ac2);
        let holder = (0..7).find(|i| Shard::new(*i, 7).unwrap().holds(&id.parse().unwrap()));
        assert_eq!(holder, Some(6));
    }

    proptest! {
        #[test]
        fn every_product_is_in_exactly_one_shard(count in 1_u32..50, minute in 0_u32..60, second in 0_u32..60) {
            let id = format!(
                "S2A_MSIL2A_20210103T10{minute:02}{second:02}_N0500_R022_T33TVN_20230306T172000"
            );
            let id: ProductId = id.parse().unwrap();
            let holders = (0..count).filter(|i| Shard::new(*i, count).unwrap().holds(&id));
            prop_assert_eq!(holders.count(), 1);
        }
    }
}
