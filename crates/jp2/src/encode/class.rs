//! What makes two tiles of one value the same bytes, and a store of such tiles.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::spec::{EncodeSpec, TileContent};
use super::tile::{EncodedTile, encode_tile};
use crate::Result;
use crate::geometry::ceil_shift;

/// Everything that the coding of a tile depends on but its samples.
///
/// Two tiles of one class have the same packets when their samples are equal: the same size, the
/// same phase of the wavelet at every resolution, and the same cuts into precincts and
/// code-blocks, which are anchored at the canvas origin (ISO/IEC 15444-1 B.6, B.7). Neither the
/// place of the tile nor the size of the image matters beyond that, so one class may occur in
/// many files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GeometryClass {
    pub(super) components: u16,
    pub(super) bit_depth: u8,
    pub(super) mct: bool,
    /// Code-block and precinct, which stand in the header and limit the cuts.
    block: u8,
    precinct: u8,
    pub(super) columns: Axis,
    pub(super) rows: Axis,
}

/// One axis of a tile: its resolutions, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Axis(pub(super) Vec<AxisResolution>);

/// One axis of a resolution.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct AxisResolution {
    /// Whether the first sample is a high-pass one.
    odd: bool,
    /// The precincts that meet the tile.
    pub(super) precincts: Vec<AxisPrecinct>,
}

/// One axis of a precinct: lengths of its code-blocks in the low-pass and in the high-pass band.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct AxisPrecinct {
    pub(super) low: Vec<u32>,
    /// Empty at the lowest resolution, which has one band only.
    pub(super) high: Vec<u32>,
}

impl GeometryClass {
    /// The class of a tile.
    ///
    /// # Errors
    /// [`Error::EncodeSpec`](crate::Error::EncodeSpec), and
    /// [`Error::TilePart`](crate::Error::TilePart) when there is no such tile.
    pub fn of(spec: &EncodeSpec, tile: u16) -> Result<Self> {
        let rect = spec.tile_rect(tile)?;
        let (block, precinct) = (spec.block_exponent(), spec.precinct_exponent());
        let axis = |start, end| Axis::new(start, end, spec.levels, block, precinct);
        Ok(Self {
            components: spec.components,
            bit_depth: spec.bit_depth,
            mct: spec.mct,
            block,
            precinct,
            columns: axis(rect.x0, rect.x1),
            rows: axis(rect.y0, rect.y1),
        })
    }

    /// The number of lowest resolutions that hold no sample, less one: how many levels can be left
    /// out without changing a packet.
    pub(super) fn idle_levels(&self) -> usize {
        let axes = self.columns.0.iter().zip(&self.rows.0);
        let empty = |(x, y): &(&AxisResolution, &AxisResolution)| {
            x.precincts.is_empty() || y.precincts.is_empty()
        };
        axes.take_while(empty).count().saturating_sub(1)
    }
}

impl Axis {
    fn new(start: u32, end: u32, levels: u8, block: u8, precinct: u8) -> Self {
        let resolution = |index: u8| {
            let (start, end) = (ceil_shift(start, levels - index), ceil_shift(end, levels - index));
            let mut precincts = Vec::new();
            if start < end {
                for number in start >> precinct..ceil_shift(end, precinct) {
                    // a band of a higher resolution has half of its samples, and so have its
                    // precincts
                    precincts.push(match index {
                        0 => AxisPrecinct {
                            low: blocks((start, end), number, block, precinct),
                            high: Vec::new(),
                        },
                        _ => {
                            let low = (ceil_shift(start, 1), ceil_shift(end, 1));
                            let high = (start >> 1, end >> 1);
                            AxisPrecinct {
                                low: blocks(low, number, block, precinct - 1),
                                high: blocks(high, number, block, precinct - 1),
                            }
                        }
                    });
                }
            }
            AxisResolution { odd: start & 1 == 1, precincts }
        };
        Self((0..=levels).map(resolution).collect())
    }
}

/// Lengths of the code-blocks of precinct `number` of a band.
fn blocks((start, end): (u32, u32), number: u32, block: u8, precinct: u8) -> Vec<u32> {
    let start = start.max(number << precinct);
    let end = end.min((number + 1) << precinct);
    if start >= end {
        return Vec::new();
    }
    let block = block.min(precinct);
    let cut = |index: u32| (end.min((index + 1) << block)) - start.max(index << block);
    (start >> block..ceil_shift(end, block)).map(cut).collect()
}

/// Encoded tiles of one value, by class and value; may serve many files and threads. It keeps
/// what it has until it is dropped, some hundred bytes a tile.
#[derive(Debug, Default)]
pub struct ConstantTiles {
    tiles: Mutex<HashMap<(GeometryClass, Vec<u16>), EncodedTile>>,
}

impl ConstantTiles {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// [`encode_tile`], but for a tile of one value whose like has been encoded before.
    ///
    /// # Errors
    /// As [`encode_tile`].
    pub fn encode_tile(
        &self,
        spec: &EncodeSpec,
        tile: u16,
        content: &TileContent,
    ) -> Result<EncodedTile> {
        let TileContent::Constant(values) = content else {
            return encode_tile(spec, tile, content);
        };
        let key = (GeometryClass::of(spec, tile)?, values.clone());
        let known = {
            let tiles = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
            tiles.get(&key).cloned()
        };
        if let Some(known) = known {
            return known.renumbered(spec, tile);
        }
        // two threads may encode the same tile at the same time; that is rare and harmless
        let encoded = encode_tile(spec, tile, content)?;
        let mut tiles = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        tiles.insert(key, encoded.clone());
        Ok(encoded)
    }
}
