//! Writing: any specification decodes to what went in, and bad ones are named.
#![cfg(feature = "encode")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::io;

use cubeflight_jp2::encode::{
    ConstantTiles, EncodeSpec, GeometryClass, Kind, TileContent, TlmPlacement, assemble, encode,
    encode_tile, gml, spec_of,
};
use cubeflight_jp2::{DecodeOptions, Error, Rect, decode, scan_bytes};
use proptest::prelude::*;

fn spec(width: u32, height: u32) -> EncodeSpec {
    EncodeSpec { width, height, ..spec_of(Kind::Scl60m) }
}

/// Noise, in half of the tiles, so that some are constant.
fn content(spec: &EncodeSpec, tile: u16, rect: Rect, seed: u64) -> TileContent {
    let limit = (1u32 << spec.bit_depth) - 1;
    let mut random = common::Random(seed ^ u64::from(tile) << 20 | 1);
    let mut value = || random.below(limit + 1) as u16;
    if tile % 3 == 1 {
        return TileContent::Constant((0..spec.components).map(|_| value() & 1).collect());
    }
    let count = rect.area() * u64::from(spec.components);
    TileContent::Samples((0..count).map(|_| value()).collect())
}

/// Encodes, decodes and compares.
fn round_trip(spec: &EncodeSpec, seed: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let source = |tile, rect| content(spec, tile, rect, seed);
    let report = encode(spec, &source, &mut file).unwrap();
    assert_eq!(report.bytes, file.len() as u64);
    let structure = scan_bytes(&file).unwrap();
    assert!(structure.eoc && structure.trailing == 0);
    let psot: Vec<_> = structure.tile_parts.iter().map(|part| part.length).collect();
    assert_eq!(psot, report.psot);
    assert_eq!(report.tiles_encoded + report.tiles_copied, structure.header.siz.tiles());
    let image = decode(&file, &DecodeOptions::default()).unwrap();
    for tile in 0..report.psot.len() as u16 {
        let rect = spec.tile_rect(tile).unwrap();
        let plane = rect.area() as usize;
        let expected = match content(spec, tile, rect, seed) {
            TileContent::Constant(values) => {
                values.iter().flat_map(|&value| vec![value; plane]).collect()
            }
            TileContent::Samples(samples) => samples,
        };
        for (component, expected) in (0u16..).zip(expected.chunks(plane)) {
            let mut found = vec![0; plane];
            image.write_u16(component, rect, &mut found, rect.width() as usize, 1).unwrap();
            assert!(found == expected, "tile {tile} component {component} of {spec:?}");
        }
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any grid, depth, number of levels, block and precinct: lossless, and the packet counts
    /// that the scan checks are right.
    #[test]
    fn any_specification_is_lossless(
        (width, height) in (1u32..130, 1u32..130), tile in 5u32..70, levels in 0u8..7,
        bit_depth in 1u8..=16, components in 1u16..5, mct: bool,
        block in 2u32..7, precinct in 3u32..9, seed: u64,
    ) {
        let spec = EncodeSpec {
            bit_depth,
            components,
            tile,
            levels,
            code_block: 1 << block,
            precinct: 1 << precinct,
            mct: mct && components >= 3,
            ..spec(width, height)
        };
        round_trip(&spec, seed);
    }

    /// A copy is what encoding the tile would have given.
    #[test]
    fn copies_equal_encoded_tiles(
        size in 30u32..200, tile in 5u32..40, levels in 0u8..6, block in 2u32..5, precinct in 3u32..6,
    ) {
        let spec = EncodeSpec {
            tile,
            levels,
            code_block: 1 << block,
            precinct: 1 << precinct,
            ..spec(size, size)
        };
        let (constant, content) = (ConstantTiles::new(), TileContent::Constant(vec![7]));
        let count = spec.siz().unwrap().tiles() as u16;
        let copied = (0..count).map(|tile| constant.encode_tile(&spec, tile, &content).unwrap());
        let plain = (0..count).map(|tile| encode_tile(&spec, tile, &content).unwrap());
        let (mut a, mut b) = (Vec::new(), Vec::new());
        assemble(&spec, copied, &mut a).unwrap();
        assemble(&spec, plain, &mut b).unwrap();
        prop_assert!(a == b);
    }
}

/// Full swing: the largest coefficients that a band can have.
#[test]
fn extreme_samples_fit_the_bit_planes() {
    for (components, bit_depth) in [(1, 15), (3, 8), (8, 8), (1, 8), (3, 16)] {
        let mct = components >= 3;
        for (code_block, pattern) in [(4, 0), (8, 1), (64, 2), (16, 3), (32, 4)] {
            let spec =
                EncodeSpec { components, bit_depth, mct, code_block, tile: 192, ..spec(192, 192) };
            let limit = u16::MAX >> (16 - bit_depth);
            let mut random = common::Random(99);
            let samples = (0..u32::from(components) * 192 * 192).map(|index| {
                let (k, y, x) = (index / 36_864, index / 192 % 192, index % 192);
                let high = match pattern {
                    0 => (x + y) % 2 == 0,
                    1 => (x + k) % 2 == 0,
                    2 => (y / 2 + x / 2 + k) % 2 == 0,
                    3 => x % 3 == 0 || (y + k) % 5 == 0,
                    _ => random.below(2) == 0,
                };
                if high { limit } else { 0 }
            });
            let samples: Vec<_> = samples.collect();
            let mut file = Vec::new();
            let source = |_, _| TileContent::Samples(samples.clone());
            encode(&spec, &source, &mut file).unwrap();
            let image = decode(&file, &DecodeOptions::default()).unwrap();
            for (k, plane) in (0u16..).zip(samples.chunks(36_864)) {
                let mut found = vec![0; plane.len()];
                image.write_u16(k, image.rect(), &mut found, 192, 1).unwrap();
                assert!(found == plane, "{components} x {bit_depth} bit, pattern {pattern}");
            }
        }
    }
}

#[test]
fn tlm_lists_the_tile_parts() {
    let plain = round_trip(&spec(500, 300), 5);
    for tlm in [TlmPlacement::BeforeCom, TlmPlacement::AfterCom] {
        let file = round_trip(&EncodeSpec { tlm, ..spec(500, 300) }, 5);
        let structure = scan_bytes(&file).unwrap();
        assert_eq!(structure.tlm_matches(), Some(true));
        let markers = structure.header.segments.iter().map(|segment| segment.marker.to_string());
        let markers: Vec<_> = markers.collect();
        let expected = match tlm {
            TlmPlacement::AfterCom => ["SIZ", "COD", "QCD", "COM", "COM", "TLM"],
            _ => ["SIZ", "COD", "QCD", "TLM", "COM", "COM"],
        };
        assert_eq!(markers, expected);
        // one marker segment more, nothing else
        // six tiles: an index of one byte, a length of two
        assert_eq!(file.len(), plain.len() + 6 + 6 * 3);
        let bare = structure.header.without_tlm();
        assert_eq!(bare, scan_bytes(&plain).unwrap().header.bytes());
    }
}

/// Files of every kind with nothing in them; large grids are cheap since tiles are copied.
#[test]
fn every_kind_can_be_written() {
    let constant = ConstantTiles::new();
    for kind in Kind::ALL {
        let spec = EncodeSpec {
            gml: Some(gml(32_633, 399_965, 5_300_035, kind.metres(), kind.side(), kind.side())),
            ..spec_of(kind)
        };
        let content = TileContent::Constant(vec![0; usize::from(spec.components)]);
        let tiles = spec.siz().unwrap().tiles() as u16;
        let encoded = (0..tiles).map(|tile| constant.encode_tile(&spec, tile, &content).unwrap());
        let mut file = Vec::new();
        assemble(&spec, encoded, &mut file).unwrap();
        let structure = scan_bytes(&file).unwrap();
        structure.can_splice().unwrap();
        let length = structure.header.bytes().len();
        let expected = match (spec.components, spec.levels) {
            (1, 4) => 193,
            (3, 4) => 199,
            (8, 4) => 214,
            (1, 5) => 197,
            (8, 5) => 218,
            _ => 203,
        };
        assert_eq!(length, expected, "{kind:?}");
        let last = common::tile(&file, &structure, tiles - 1, None, 0);
        assert!(last.samples(0).unwrap().iter().all(|&sample| sample == 0));
    }
}

#[test]
fn bad_specifications_are_named() {
    let good = spec(100, 100);
    let bad = [
        ("width", EncodeSpec { width: 0, ..good.clone() }),
        ("height", EncodeSpec { height: u32::MAX, ..good.clone() }),
        ("components", EncodeSpec { components: 0, ..good.clone() }),
        ("components", EncodeSpec { components: 2, mct: true, ..good.clone() }),
        ("components", EncodeSpec { components: 257, ..good.clone() }),
        ("bit depth", EncodeSpec { bit_depth: 0, ..good.clone() }),
        ("bit depth", EncodeSpec { bit_depth: 17, ..good.clone() }),
        ("tile size", EncodeSpec { tile: 0, ..good.clone() }),
        ("levels", EncodeSpec { levels: 17, ..good.clone() }),
        ("code-block size", EncodeSpec { code_block: 2, ..good.clone() }),
        ("code-block size", EncodeSpec { code_block: 12, ..good.clone() }),
        ("code-block size", EncodeSpec { code_block: 128, ..good.clone() }),
        ("precinct size", EncodeSpec { precinct: 1, ..good.clone() }),
        ("precinct size", EncodeSpec { precinct: 100, ..good.clone() }),
        ("precinct size", EncodeSpec { precinct: 1 << 16, ..good.clone() }),
        ("rate cap", EncodeSpec { rate_cap: f64::NAN, ..good.clone() }),
        ("rate cap", EncodeSpec { rate_cap: 0.0, ..good.clone() }),
        ("number of tiles", EncodeSpec { tile: 8, ..spec(2048, 2048) }),
        ("number of tiles", EncodeSpec { tile: 1, ..spec(1 << 30, 1 << 30) }),
        ("code-blocks of a tile", EncodeSpec { tile: 4096, ..spec(4096, 4096) }),
        ("samples of a tile", EncodeSpec { tile: 1 << 30, ..spec(1 << 30, 1 << 30) }),
    ];
    for (name, spec) in bad {
        let error = encode(&spec, &|_, _| TileContent::Constant(vec![0]), &mut Vec::new());
        let error = error.unwrap_err();
        assert_eq!(error.code(), "CF-JP2-022", "{error}");
        let Error::EncodeSpec { field, .. } = error else { panic!("{error}") };
        assert_eq!(field, name);
    }
}

#[test]
fn bad_samples_and_tiles_are_named() {
    let spec = spec(300, 300);
    let code = |content| encode_tile(&spec, 0, &content).unwrap_err().code();
    assert_eq!(code(TileContent::Constant(vec![])), "CF-JP2-023");
    assert_eq!(code(TileContent::Constant(vec![256])), "CF-JP2-023");
    assert_eq!(code(TileContent::Samples(vec![0; 192 * 192 - 1])), "CF-JP2-023");
    assert_eq!(code(TileContent::Samples(vec![256; 192 * 192])), "CF-JP2-023");
    let content = TileContent::Constant(vec![1]);
    assert_eq!(encode_tile(&spec, 4, &content).unwrap_err().code(), "CF-JP2-009");

    let tile = |index| encode_tile(&spec, index, &content).unwrap();
    let out = &mut Vec::new();
    let order = [vec![0, 1, 2], vec![1, 0, 2, 3], vec![0, 1, 2, 2], vec![0, 1, 2, 3, 3]];
    for order in order {
        let error = assemble(&spec, order.into_iter().map(tile), out).unwrap_err();
        assert_eq!(error.code(), "CF-JP2-025", "{error}");
    }
    let other = EncodeSpec { bit_depth: 7, ..spec.clone() };
    assert_eq!(assemble(&other, (0..4).map(tile), out).unwrap_err().code(), "CF-JP2-025");
    assert_eq!(tile(0).renumbered(&spec, 1).unwrap_err().code(), "CF-JP2-025");
    assert!(GeometryClass::of(&spec, 0).unwrap() != GeometryClass::of(&spec, 2).unwrap());

    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no space"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = assemble(&spec, (0..4).map(tile), &mut Full).unwrap_err();
    assert_eq!(error.code(), "CF-JP2-026");
}
