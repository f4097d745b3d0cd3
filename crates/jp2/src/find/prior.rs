//! What is expected of the lengths of tiles.

/// The share of the data before each tile, such as another date of the same MGRS tile and band
/// has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prior {
    /// Ascending, one more than there are tiles.
    shares: Vec<u64>,
}

impl Prior {
    /// From the lengths of the tiles of another file of the same grid, in the order of tiles.
    pub fn from_lengths(lengths: impl IntoIterator<Item = u32>) -> Self {
        let mut sum = 0u64;
        let mut shares = vec![0];
        for length in lengths {
            sum = sum.saturating_add(u64::from(length));
            shares.push(sum);
        }
        Self { shares }
    }

    /// From the amount of data before each tile, and of all data as last value, in any unit.
    /// `None` where a value is smaller than the one before it.
    pub fn from_shares(shares: Vec<u64>) -> Option<Self> {
        shares.is_sorted().then_some(Self { shares })
    }

    /// The share between two tiles of that between two others around them, as a fraction; `None`
    /// where this says nothing.
    pub(super) fn between(&self, low: u16, tile: u16, high: u16) -> Option<(u64, u64)> {
        let at = |tile: u16| self.shares.get(usize::from(tile)).copied();
        let (low, tile, high) = (at(low)?, at(tile)?, at(high)?);
        (low < high && low <= tile && tile <= high).then_some((tile - low, high - low))
    }
}
