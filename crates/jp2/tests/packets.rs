//! Windows decoded from the packets that they need alone are those of the full decode.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::collections::HashMap;
use std::path::Path;

use cubeflight_jp2::{
    DecodeOptions, Error, Image, MainHeader, OpenJpeg, PacketRead, Rect, Structure, TileBytes,
    TileDecoder, TileInput, decode_tile, scan_bytes, splice_packets,
};

use crate::common::Random;

/// Only what a read asks for.
fn pieces<'a>(part: &'a [u8], read: &PacketRead) -> Vec<(u32, &'a [u8])> {
    let ranges = read.ranges().into_iter();
    ranges.map(|range| (range.start, &part[range.start as usize..range.end as usize])).collect()
}

fn decode_window(
    header: &MainHeader,
    part: &[u8],
    read: &PacketRead,
    area: Rect,
    reduce: u8,
) -> Image {
    let pieces = pieces(part, read);
    let bytes = TileBytes::Packets { read, pieces: &pieces };
    let input = TileInput { header, tile: read.tile, bytes };
    let options = DecodeOptions { area: Some(area), reduce, ..DecodeOptions::default() };
    decode_tile(&OpenJpeg, &input, &options).unwrap()
}

struct File {
    name: String,
    bytes: Vec<u8>,
    structure: Structure,
    /// Tiles decoded in full, by tile and reduction.
    full: HashMap<(u16, u8), Image>,
}

impl File {
    fn open(root: &Path, name: &str) -> Self {
        let bytes = common::read(root, name);
        let structure = scan_bytes(&bytes).unwrap();
        Self { name: name.to_owned(), bytes, structure, full: HashMap::new() }
    }

    /// Compares a random window; `None` where the file has no packets to choose from.
    fn compare(&mut self, random: &mut Random) -> Option<f64> {
        let siz = &self.structure.header.siz;
        // few tiles, so that their full decodes are used again
        let count = siz.tiles().min(9);
        let tile = (random.below(count) * siz.tiles() / count) as u16;
        let window = random.window(siz.tile_rect(tile).unwrap());
        let levels = self.structure.header.cod.coding.levels;
        let reduce = random.below(u32::from(levels) + 1) as u8;
        let lattice = window.reduced(reduce);
        if lattice.is_empty() {
            return None;
        }
        let at = self.structure.tile_parts_of(tile).next().unwrap();
        let part = &self.bytes[at.offset as usize..at.end() as usize];
        let lengths = at.packet_lengths.as_ref()?;
        let header = &self.structure.header;
        let read = PacketRead::new(header, tile, at.length, lengths, &[window], reduce)?;
        let found = decode_window(header, part, &read, window, reduce);
        assert_eq!((found.area(), found.reduce), (lattice, reduce));

        let full = self
            .full
            .entry((tile, reduce))
            .or_insert_with(|| common::tile(&self.bytes, &self.structure, tile, None, reduce));
        let crop = Rect::new(
            lattice.x0 - full.x0,
            lattice.y0 - full.y0,
            lattice.x1 - full.x0,
            lattice.y1 - full.y0,
        );
        let pitch = lattice.width() as usize;
        let mut a = vec![0u16; pitch * lattice.height() as usize];
        let mut b = vec![1u16; a.len()];
        let found = found.compact();
        for component in 0..full.components {
            full.write_u16(component, crop, &mut a, pitch, 1).unwrap();
            found.write_u16(component, found.rect(), &mut b, pitch, 1).unwrap();
            assert!(a == b, "{} tile {tile} window {window} reduce {reduce}", self.name);
        }
        let bytes: u32 = read.ranges().iter().map(|range| range.end - range.start).sum();
        Some(f64::from(bytes) / f64::from(at.length))
    }
}

/// Every kind but the one that is coded otherwise, which has to be read whole.
fn compare_windows(names: &[String], root: &Path, windows: usize) -> usize {
    let mut random = Random(20_150_623);
    let mut compared = 0;
    for name in names {
        let mut file = File::open(root, name);
        let shares: Vec<f64> = (0..windows).filter_map(|_| file.compare(&mut random)).collect();
        if file.name.contains("odd_") {
            assert!(shares.is_empty(), "{name}");
            continue;
        }
        assert!(shares.len() * 4 > windows, "{name}: {} of {windows}", shares.len());
        assert!(shares.iter().all(|share| *share <= 1.0));
        compared += shares.len();
    }
    compared
}

#[test]
fn windows_of_every_kind_equal_the_full_decode() {
    let Some(root) = common::realdata() else { return };
    let kinds: Vec<String> = common::KINDS.into_iter().map(str::to_owned).collect();
    assert!(compare_windows(&kinds, &root, 25) > 100);
}

#[test]
#[ignore = "10,000 windows over all real files take minutes"]
fn ten_thousand_windows_equal_the_full_decode() {
    let Some(root) = common::realdata() else { return };
    let mut names = common::real_files(&root);
    names.retain(|name| !name.ends_with("MSK_QUALIT_B02.jp2"));
    let windows = 16_000 / names.len() + 1;
    let compared = compare_windows(&names, &root, windows);
    println!("{compared} windows of {} files", names.len());
    assert!(compared >= 10_000, "{compared}");
}

/// Tiles without details are decoded at resolution 0 only, with the same result.
#[test]
fn sparse_tiles_equal_the_full_decode() {
    let Some(root) = common::realdata() else { return };
    let (mut constant, mut other) = (0, 0);
    for name in common::real_files(&root) {
        let file = common::read(&root, &name);
        let structure = scan_bytes(&file).unwrap();
        let header = &structure.header;
        let mut of_file = 0;
        for at in &structure.tile_parts {
            let Some(lengths) = &at.packet_lengths else { continue };
            let area = header.siz.tile_rect(at.tile).unwrap();
            let read = PacketRead::new(header, at.tile, at.length, lengths, &[area], 0);
            let Some(read) = read.filter(PacketRead::is_sparse) else { continue };
            of_file += 1;
            if of_file > 3 {
                break;
            }
            let part = &file[at.offset as usize..at.end() as usize];
            let found = decode_window(header, part, &read, area, 0);
            let full = common::tile(&file, &structure, at.tile, None, 0);
            for component in 0..full.components {
                assert_eq!(found.samples(component).unwrap(), full.samples(component).unwrap());
            }
            match found.constant(0) {
                Some(_) => constant += 1,
                None => other += 1,
            }
        }
    }
    println!("{constant} constant tiles, {other} others");
    assert!(constant > 0);
}

fn first_of(root: &Path) -> (Vec<u8>, Structure) {
    let file = common::read(root, common::KINDS[0]);
    let structure = scan_bytes(&file).unwrap();
    (file, structure)
}

#[test]
fn foreign_bytes_are_stale() {
    let Some(root) = common::realdata() else { return };
    let (file, structure) = first_of(&root);
    let header = &structure.header;
    let at = &structure.tile_parts[0];
    let area = header.siz.tile_rect(at.tile).unwrap();
    let lengths = at.packet_lengths.as_ref().unwrap();
    let read = PacketRead::new(header, at.tile, at.length, lengths, &[area], 0).unwrap();
    let part = &file[at.offset as usize..at.end() as usize];
    let mut other = part.to_vec();
    for changed in [1, 5, 9, 10, 20] {
        other.copy_from_slice(part);
        other[changed] ^= 1;
        let error = splice_packets(header, &read, 0, &pieces(&other, &read)).unwrap_err();
        assert!(matches!(error, Error::StaleTilePart { .. }), "{changed}: {error}");
    }
    // TNsot may be left unsaid
    other.copy_from_slice(part);
    other[11] = 0;
    splice_packets(header, &read, 0, &pieces(&other, &read)).unwrap();
    let error = splice_packets(header, &read, 0, &[(0, &part[..10])]).unwrap_err();
    assert!(matches!(error, Error::StaleTilePart { field: "length", .. }), "{error}");
    let error = splice_packets(header, &read, 0, &[(0, &part[..part.len() - 1])]).unwrap_err();
    assert!(matches!(error, Error::CannotSplice { .. }), "{error}");
    let error = splice_packets(header, &read, 9, &pieces(part, &read)).unwrap_err();
    assert!(matches!(error, Error::CannotSplice { .. }), "{error}");
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let Some(root) = common::realdata() else { return };
    let (_, structure) = first_of(&root);
    let header = &structure.header;
    let at = &structure.tile_parts[0];
    let area = header.siz.tile_rect(at.tile).unwrap();
    let lengths = at.packet_lengths.as_ref().unwrap();
    let new = |length, lengths: &[u32], area, reduce| {
        PacketRead::new(header, at.tile, length, lengths, &[area], reduce)
    };
    assert!(new(at.length, lengths, area, 0).is_some());
    assert!(new(at.length - 1, lengths, area, 0).is_none());
    assert!(new(at.length, &lengths[1..], area, 0).is_none());
    assert!(new(at.length, &[u32::MAX, u32::MAX], area, 0).is_none());
    assert!(new(at.length, &[], area, 0).is_none());
    assert!(new(at.length, lengths, area, 33).is_none());
    let outside = Rect::new(area.x1, area.y0, area.x1 + 1, area.y1);
    assert!(new(at.length, lengths, outside, 0).is_none());
}

/// What several windows need is read once, and each of them decodes from it.
#[test]
fn windows_of_one_tile_share_a_read() {
    let Some(root) = common::realdata() else { return };
    let mut random = Random(11);
    let (file, structure) = first_of(&root);
    let header = &structure.header;
    for at in structure.tile_parts.iter().take(20) {
        let lengths = at.packet_lengths.as_ref().unwrap();
        let part = &file[at.offset as usize..at.end() as usize];
        let tile = header.siz.tile_rect(at.tile).unwrap();
        let windows = [(); 3].map(|()| random.window(tile));
        let read = PacketRead::new(header, at.tile, at.length, lengths, &windows, 0).unwrap();
        for window in windows {
            let own = PacketRead::new(header, at.tile, at.length, lengths, &[window], 0).unwrap();
            let found = decode_window(header, part, &read, window, 0);
            let expected = decode_window(header, part, &own, window, 0);
            assert_eq!(found.samples(0).unwrap(), expected.samples(0).unwrap());
        }
    }
}

/// Whole tile-parts with packet lengths in their headers go the same way.
#[test]
fn whole_tile_parts_are_spared_what_is_not_needed() {
    let Some(root) = common::realdata() else { return };
    let mut random = Random(7);
    for name in common::KINDS {
        let file = common::read(&root, name);
        let structure = scan_bytes(&file).unwrap();
        let header = &structure.header;
        for _ in 0..4 {
            let tile = random.below(header.siz.tiles()) as u16;
            let area = random.window(header.siz.tile_rect(tile).unwrap());
            let parts = common::parts_of(&file, &structure, tile);
            let input = TileInput { header, tile, bytes: TileBytes::TileParts(&parts) };
            let options = DecodeOptions { area: Some(area), ..DecodeOptions::default() };
            let spared = decode_tile(&OpenJpeg, &input, &options).unwrap();
            let whole = OpenJpeg.decode(&input, &options).unwrap();
            assert_eq!(spared.area(), whole.area());
            for component in 0..whole.components {
                assert_eq!(spared.samples(component).unwrap(), whole.samples(component).unwrap());
            }
        }
    }
}
