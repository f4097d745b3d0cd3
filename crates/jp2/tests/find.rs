//! Finding tile-parts gives what a scan gives, and reads little.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;
#[path = "common/virtual_file.rs"]
mod virtual_file;

use std::ops::Range;

use cubeflight_jp2::{
    Detail, FinderOptions, Found, Prior, ScanOptions, Scanner, Structure, TileFinder, scan_bytes,
};
use proptest::prelude::*;
use virtual_file::{Make, VirtualFile, tile_part_header};

/// Reads until nothing is wanted; counts reads and bytes.
fn run(mut finder: TileFinder, read: impl Fn(Range<u64>) -> Vec<u8>) -> (Found, u64) {
    let (mut reads, mut bytes) = (0, 0);
    while let Some(range) = finder.wants() {
        reads += 1;
        assert!(reads < 5000);
        bytes += range.end - range.start;
        finder.feed(range.start, &read(range)).unwrap();
    }
    let found = finder.finish().unwrap();
    assert_eq!(found.reads, reads);
    (found, bytes)
}

fn scan(file: &VirtualFile) -> Structure {
    let mut scanner = Scanner::new(file.size, ScanOptions::default());
    while let Some(range) = scanner.wants() {
        scanner.feed(range.start, &file.read(range)).unwrap();
    }
    scanner.finish().unwrap()
}

/// Wanted tile-parts are as scanned, and those met on the way are at least where they are.
fn assert_found(found: &Found, structure: &Structure, wanted: &[u16], detail: Detail) {
    assert_eq!(found.not_sequential, None);
    assert_eq!(found.header, structure.header);
    assert_eq!(found.codestream, structure.codestream);
    for part in &found.tile_parts {
        let expected = structure.tile_parts_of(part.tile).next().unwrap();
        if part.header_length > 0 {
            assert_eq!(part, expected);
        }
        assert_eq!((part.offset, part.length), (expected.offset, expected.length));
    }
    for &tile in wanted {
        let part = found.tile_parts.iter().find(|part| part.tile == tile);
        let part = part.unwrap_or_else(|| panic!("tile {tile} is missing"));
        assert!(part.header_length > 0 || detail == Detail::TileParts || found.from_tlm);
    }
}

/// Random sizes: even, skewed to the extreme, or rising.
fn sizes(tiles: usize) -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        prop::collection::vec(1u32..200_000, tiles),
        prop::collection::vec(
            prop_oneof![20 => 1u32..300, 1 => 900_000u32..1_100_000, 1 => Just(2_100_000)],
            tiles
        ),
        (0.2f64..6.0).prop_map(move |power| {
            (0..tiles)
                .map(|tile| ((tile as f64 / 20.0).powf(power) * 1e3) as u32 % 3_000_000)
                .collect()
        }),
    ]
}

/// What is no SOT though it looks like one, in the data of a tile.
fn decoys() -> impl Strategy<Value = Vec<(usize, f64, u16, u32, bool)>> {
    let decoy = (0..49usize, 0.0..1.0, 0..49u16, 14u32..3_000_000, any::<bool>());
    prop::collection::vec(decoy, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn finds_what_a_scan_finds(
        data in sizes(49),
        wanted in prop::collection::btree_set(0u16..49, 1..6),
        decoys in decoys(),
        plt in any::<bool>(),
        whole in any::<bool>(),
        packets in any::<bool>(),
        prior in prop::option::of(sizes(49)),
        known in prop::collection::btree_set(0usize..49, 0..3),
        (min_block, max_block, walk, max_reads) in
            (16u64..100_000, 16u64..2_000_000, 0u16..4, 1u32..80),
    ) {
        let mut file = VirtualFile::new(Make { side: 7, plt }, &data);
        for (tile, share, named, length, fits) in decoys {
            let head = tile_part_header(named, length.saturating_sub(14), None);
            // one that names the tile after it has the best chance
            let head = if fits { tile_part_header(tile as u16 + 1, 600, None) } else { head };
            // without packet lengths, what names its own tile and ends with it cannot be told
            file.decoy(tile, if plt { share } else { 0.9 * share }, head);
        }
        let structure = scan(&file);
        let detail = if packets { Detail::PacketLengths } else { Detail::TileParts };
        let options = FinderOptions {
            min_block, max_block, walk, max_reads, data: whole, detail, ..Default::default()
        };
        let wanted: Vec<u16> = wanted.into_iter().collect();
        let known = known.into_iter().map(|tile| {
            let (offset, length) = file.places[tile];
            (tile as u16, offset, length)
        });
        let mut finder = TileFinder::new(file.size, wanted.clone(), options).with_known(known);
        if let Some(prior) = prior {
            finder = finder.with_prior(Prior::from_lengths(prior));
        }
        let (found, _) = run(finder, |range| file.read(range));
        assert_found(&found, &structure, &wanted, detail);
        // the estimates, then the chain, each header perhaps in two reads
        prop_assert!(found.reads <= max_reads + 49 + 2 * wanted.len() as u32 + 2);
    }

    #[test]
    fn takes_bytes_in_any_pieces(
        data in sizes(49),
        wanted in prop::collection::btree_set(0u16..49, 1..4),
        pieces in prop::collection::vec((0u64..400, 1u64..90_000), 1..20),
    ) {
        let file = VirtualFile::new(Make { side: 7, plt: true }, &data);
        let structure = scan(&file);
        let wanted: Vec<u16> = wanted.into_iter().collect();
        let mut finder = TileFinder::new(file.size, wanted.clone(), FinderOptions::default());
        let mut pieces = pieces.into_iter().cycle();
        while let Some(range) = finder.wants() {
            let (before, length) = pieces.next().unwrap();
            let start = range.start.saturating_sub(before);
            finder.feed(start, &file.read(start..(range.start + length).min(file.size))).unwrap();
        }
        assert_found(&finder.finish().unwrap(), &structure, &wanted, Detail::PacketLengths);
    }

    #[test]
    fn never_panics_on_damage(
        data in sizes(49),
        wanted in prop::collection::btree_set(0u16..49, 1..4),
        damage in prop::collection::vec((0usize..49, 0usize..40, any::<u8>()), 1..8),
        max_reads in 1u32..40,
    ) {
        let file = VirtualFile::new(Make { side: 7, plt: true }, &data);
        let places: Vec<(u64, u8)> = damage
            .iter()
            .map(|&(tile, at, byte)| ((file.places[tile].0 + at as u64).min(file.size - 1), byte))
            .collect();
        let read = |range: Range<u64>| {
            let mut bytes = file.read(range.clone());
            for &(at, byte) in places.iter().filter(|(at, _)| range.contains(at)) {
                bytes[(at - range.start) as usize] = byte;
            }
            bytes
        };
        let options = FinderOptions { max_reads, ..Default::default() };
        let mut finder = TileFinder::new(file.size, wanted.clone(), options);
        let mut reads = 0;
        while let Some(range) = finder.wants() {
            reads += 1;
            prop_assert!(reads < 200);
            // the first SOT belongs to the main header's scan too
            if finder.feed(range.start, &read(range)).is_err() {
                prop_assert_eq!(finder.wants(), None);
                prop_assert!(finder.finish().is_err());
                return Ok(());
            }
        }
        let found = finder.finish().unwrap();
        for tile in wanted.iter().filter(|_| found.not_sequential.is_none()) {
            prop_assert!(found.tile_parts.iter().any(|part| part.tile == *tile));
        }
    }
}

#[test]
fn known_places_save_reads() {
    let file = VirtualFile::new(Make { side: 11, plt: true }, &[700_000; 121]);
    let structure = scan(&file);
    let all = structure.tile_parts.iter().map(|part| (part.tile, part.offset, part.length));
    let places = FinderOptions { detail: Detail::TileParts, ..Default::default() };
    let (header, codestream) = (structure.header.clone(), structure.codestream.clone());
    let finder = |wanted: &[u16], options| {
        TileFinder::with_header(
            file.size,
            header.clone(),
            codestream.clone(),
            wanted.iter().copied(),
            options,
        )
    };
    // all is known already
    let known = finder(&[60, 120], places).unwrap().with_known(all.clone());
    assert_eq!(known.wants(), None);
    assert_eq!(known.finish().unwrap().tile_parts.len(), 121);
    // packet lengths are read where the tile is
    let (offset, _) = file.places[60];
    let known = finder(&[60], FinderOptions::default()).unwrap().with_known(all);
    assert_eq!(known.wants(), Some(offset..offset + 256));
    // nothing is known but the header
    let (found, _) = run(finder(&[60], places).unwrap(), |range| file.read(range));
    assert_found(&found, &structure, &[60], Detail::TileParts);
    assert!(found.reads <= 3, "{}", found.reads);
    assert!(finder(&[121], places).is_err());
    // nothing wanted: the header, and what stands behind it
    let (found, _) = run(TileFinder::new(file.size, [], places), |range| file.read(range));
    assert_eq!((found.reads, found.tile_parts.len()), (1, 1));
}

#[test]
fn other_arrangements_are_refused() {
    let data = [60_000; 49];
    let file = VirtualFile::new(Make { side: 7, plt: true }, &data);
    let whole = file.read(0..file.size);
    let refused = |bytes: &[u8], wanted: u16| {
        let read = |range: Range<u64>| bytes[range.start as usize..range.end as usize].to_vec();
        let finder = TileFinder::new(bytes.len() as u64, [wanted], FinderOptions::default());
        run(finder, read).0.not_sequential
    };
    assert_eq!(refused(&whole, 40), None);
    // several tile-parts, or an unknown number
    for parts in [0, 2] {
        let mut bytes = whole.clone();
        for &(offset, _) in &file.places {
            bytes[offset as usize + 11] = parts;
        }
        assert!(refused(&bytes, 40).is_some());
    }
    // tiles in reverse order, and two of them exchanged
    let named = |names: &dyn Fn(u16) -> u16| {
        let mut bytes = whole.clone();
        for (tile, &(offset, _)) in (0u16..).zip(&file.places) {
            bytes[offset as usize + 4..][..2].copy_from_slice(&names(tile).to_be_bytes());
        }
        bytes
    };
    assert!(refused(&named(&|tile| 48 - tile), 40).is_some());
    let exchanged = |tile| match tile {
        30 => 31,
        31 => 30,
        _ => tile,
    };
    assert!(refused(&named(&exchanged), 30).is_some());
    assert!(refused(&named(&exchanged), 31).is_some());
    // an end that is left open
    let mut bytes = whole.clone();
    bytes[file.places[48].0 as usize + 6..][..4].fill(0);
    assert!(refused(&bytes, 48).is_some());
    assert_eq!(refused(&bytes, 47), None);
}

/// Every tile of every real file, by itself.
#[test]
fn real_files_are_found_as_scanned() {
    let Some(root) = common::realdata() else { return };
    let mut files = 0;
    for name in common::real_files(&root) {
        let file = common::read(&root, &name);
        let structure = scan_bytes(&file).unwrap();
        let tiles = structure.header.siz.tiles() as u16;
        let sequential = (0..).zip(&structure.tile_parts).all(|(tile, part)| {
            (part.tile, part.part, part.parts, part.open_ended) == (tile, 0, 1, false)
        });
        let read = |range: Range<u64>| file[range.start as usize..range.end as usize].to_vec();
        // small blocks make small files as hard as large ones
        for min_block in [512, 64 << 10] {
            let options = FinderOptions { min_block, first_read: 4096, ..Default::default() };
            let step = usize::from(tiles / 128 + 1);
            for tile in (0..tiles).step_by(step) {
                let wanted = [tile, (tile + 1).min(tiles - 1)];
                let (found, _) = run(TileFinder::new(file.len() as u64, wanted, options), read);
                if sequential {
                    assert_found(&found, &structure, &wanted, Detail::PacketLengths);
                    assert!(!found.from_tlm || found.reads <= 2);
                } else {
                    assert!(found.not_sequential.is_some());
                }
            }
        }
        files += u32::from(sequential);
    }
    assert!(files > 40, "{files}");
}
