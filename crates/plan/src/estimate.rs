//! What a file costs whose tile-parts are not known.

use std::collections::BTreeSet;

use crate::{Column, CostModel, TileLattice};

/// Requests that find a tile-part in a row of tiles, as far as experience goes.
const READS_PER_ROW: u64 = 2;

/// Requests and bytes of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanEstimate {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
}

impl ScanEstimate {
    /// Of a file of `size` bytes; where that is unknown, of ESA's rate limit (9 bits a sample).
    pub(crate) fn of(column: &Column, size: Option<u64>, cost: &CostModel) -> Self {
        let lattice = TileLattice::of_asset(column.asset, &column.grid);
        let samples = u64::from(lattice.width) * u64::from(lattice.height);
        let size = size.unwrap_or(samples * 9 / 8);
        if size <= cost.max_whole_read {
            return Self { requests: 1, bytes: size };
        }
        let wanted = column.tiles(&lattice);
        let across = lattice.width.div_ceil(lattice.tile_width);
        let in_rows: BTreeSet<u32> = wanted.iter().map(|tile| tile / across).collect();
        let (tiles, rows) = (wanted.len() as u64, in_rows.len() as u64);
        // of equal tiles, and one more for each row that is looked for
        let tile = size / u64::from(lattice.count()).max(1);
        Self { requests: 1 + rows * READS_PER_ROW + tiles, bytes: tile * (tiles + rows) }
    }
}

#[cfg(test)]
mod tests {
    use cubeflight_sentinel2::{Align, AssetId, Bounds, Level, Radiometry};

    use super::*;
    use crate::{Layout, LayoutRequest};

    #[test]
    fn small_files_are_read_whole_and_large_ones_in_part() {
        let assets = ["B08", "SCL"].map(|name| AssetId::parse(name, Level::L2A).unwrap()).to_vec();
        let layout = Layout::new(&LayoutRequest {
            level: Level::L2A,
            tile: "33TVN".parse().unwrap(),
            assets: &assets,
            windows: &[],
            bounds: Some(Bounds::new(449_030.0, 5_204_447.0, 459_657.0, 5_214_944.0).unwrap()),
            align: Align::Centre,
            reduce: 0,
            radiometry: Radiometry::Raw,
            mask: None,
            min_valid: None,
            max_message_bytes: cubeflight_sentinel2::DEFAULT_MESSAGE_BYTES,
        })
        .unwrap();
        let [b08, scl] = layout.columns.as_slice() else { panic!() };
        let estimate = ScanEstimate::of(b08, Some(121_000_000), &CostModel::LOCAL);
        // two rows of two tiles of 1 MB
        assert_eq!(estimate, ScanEstimate { requests: 9, bytes: 6_000_000 });
        let estimate = ScanEstimate::of(scl, Some(3_000_000), &CostModel::LOCAL);
        assert_eq!(estimate, ScanEstimate { requests: 1, bytes: 3_000_000 });
        assert!(ScanEstimate::of(b08, None, &CostModel::LOCAL).bytes > 6_000_000);
    }
}
