//! Records for the tests.

use cubeflight_jp2::TlmEntry;
use cubeflight_sentinel2::{AssetId, Level};
use proptest::prelude::*;

use crate::{RecordSource, TlmRecord};

pub(crate) fn source() -> RecordSource {
    RecordSource {
        product: "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454".parse().unwrap(),
        asset: AssetId::parse("B04_60m", Level::L2A).unwrap(),
        key: "Sentinel-2/key.jp2".to_owned(),
        store: None,
        etag: None,
    }
}

/// The record of (tile, length) pairs behind a header of 2,400 bytes.
pub(crate) fn record(parts: &[(u16, u32)]) -> TlmRecord {
    let entries: Vec<TlmEntry> =
        parts.iter().map(|&(tile, length)| TlmEntry { tile: Some(tile), length }).collect();
    let size = 2400 + parts.iter().map(|&(_, length)| u64::from(length)).sum::<u64>() + 2;
    TlmRecord::from_tlm(source(), size, 2400, &entries).unwrap()
}

/// Tile-parts of one or two bytes of tile index, two or four bytes of length.
pub(crate) fn parts(most: usize) -> impl Strategy<Value = Vec<(u16, u32)>> {
    let tile = prop_oneof![0..256_u16, any::<u16>()];
    let length = prop_oneof![14..65_537_u32, 14..=u32::MAX];
    prop_oneof![
        prop::collection::vec((0..255_u16, 14..65_535_u32), 1..most),
        prop::collection::vec((tile, length), 1..most),
    ]
}
