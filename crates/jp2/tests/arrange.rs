//! Other arrangements of tile-parts, made of a real file by cutting it at its packets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use common::KINDS;
use cubeflight_jp2::{DecodeOptions, Error, MainHeader, Marker, Structure, decode, scan_bytes};

/// How to rearrange.
#[derive(Debug, Clone, Copy)]
struct Arrangement {
    /// Tile-parts of a tile.
    parts: usize,
    /// First parts of all tiles, then second parts, …
    interleaved: bool,
    /// TNsot is in the last part only; 0 in the others.
    late_count: bool,
    /// Packet length segments of a tile-part, written from the last to the first; 0 none.
    plts: usize,
    /// Psot of the last tile-part is 0.
    open_end: bool,
    /// A COD that says what the main header says in the first part of each tile.
    coding: bool,
}

const PLAIN: Arrangement = Arrangement {
    parts: 1,
    interleaved: false,
    late_count: false,
    plts: 1,
    open_end: false,
    coding: false,
};

/// The lengths of a list of packets as a PLT segment.
fn plt(index: u8, lengths: &[u32]) -> Vec<u8> {
    let mut body = vec![index];
    for &length in lengths {
        let mut bytes = vec![(length & 0x7f) as u8];
        let mut rest = length >> 7;
        while rest > 0 {
            bytes.insert(0, (rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        body.extend(bytes);
    }
    let mut segment = vec![0xff, 0x58];
    segment.extend(((body.len() + 2) as u16).to_be_bytes());
    segment.extend(body);
    segment
}

fn rearranged(file: &[u8], structure: &Structure, how: Arrangement) -> Vec<u8> {
    let header = &structure.header;
    let cod = header.segments.iter().find(|segment| segment.marker == Marker::COD).unwrap();
    let cod = &header.bytes()[cod.offset as usize..][..usize::from(cod.length) + 2];
    let mut parts = Vec::new();
    for part in &structure.tile_parts {
        let lengths = part.packet_lengths.as_ref().unwrap();
        let size = lengths.len().div_ceil(how.parts);
        let mut data = &file[(part.offset + u64::from(part.header_length)) as usize..];
        for index in 0..how.parts {
            let start = (index * size).min(lengths.len());
            let lengths = &lengths[start..(start + size).min(lengths.len())];
            let (own, rest) = data.split_at(lengths.iter().sum::<u32>() as usize);
            data = rest;
            let mut bytes = vec![0xff, 0x90, 0, 10];
            bytes.extend(part.tile.to_be_bytes());
            bytes.extend([0; 4]);
            let last = index + 1 == how.parts;
            let count = if how.late_count && !last { 0 } else { how.parts as u8 };
            bytes.extend([index as u8, count]);
            if how.coding && index == 0 {
                bytes.extend(cod);
            }
            if how.plts > 0 {
                let chunks = lengths.chunks(lengths.len().div_ceil(how.plts).max(1));
                let segments: Vec<_> =
                    chunks.enumerate().map(|(index, chunk)| plt(index as u8, chunk)).collect();
                bytes.extend(segments.into_iter().rev().flatten());
            }
            bytes.extend([0xff, 0x93]);
            bytes.extend(own);
            let length = bytes.len() as u32;
            bytes[6..10].copy_from_slice(&length.to_be_bytes());
            parts.push((if how.interleaved { index } else { 0 }, bytes));
        }
    }
    parts.sort_by_key(|&(round, _)| round);
    if how.open_end {
        parts.last_mut().unwrap().1[6..10].fill(0);
    }
    let mut out = header.bytes().to_vec();
    out.extend(parts.into_iter().flat_map(|(_, bytes)| bytes));
    out.extend([0xff, 0xd9]);
    out
}

fn samples(codestream: &[u8]) -> Vec<i32> {
    let image = decode(codestream, &DecodeOptions::default()).unwrap();
    (0..image.components).flat_map(|k| image.samples(k).unwrap().to_vec()).collect()
}

#[test]
fn any_arrangement_is_described_and_decoded() {
    let Some(root) = common::realdata() else { return };
    for name in [KINDS[2], KINDS[6]] {
        let file = common::read(&root, name);
        let structure = scan_bytes(&file).unwrap();
        let expected = samples(&file);
        for how in [
            PLAIN,
            Arrangement { parts: 3, ..PLAIN },
            Arrangement { parts: 3, interleaved: true, late_count: true, plts: 3, ..PLAIN },
            Arrangement { parts: 2, interleaved: true, plts: 0, open_end: true, ..PLAIN },
            Arrangement { plts: 2, open_end: true, coding: true, ..PLAIN },
        ] {
            let file = rearranged(&file, &structure, how);
            let found = scan_bytes(&file).unwrap();
            assert!(found.eoc && found.trailing == 0, "{how:?}");
            assert_eq!(found.tile_parts.len(), structure.tile_parts.len() * how.parts);
            for tile in 0..structure.header.siz.tiles() as u16 {
                let lengths = |structure: &Structure| {
                    let parts = structure.tile_parts_of(tile);
                    let lists = parts.filter_map(|part| part.packet_lengths.clone());
                    lists.flatten().collect::<Vec<_>>()
                };
                if how.plts > 0 {
                    assert_eq!(lengths(&found), lengths(&structure), "{how:?}");
                }
                let image = common::tile(&file, &found, tile, None, 0);
                let whole = common::tile(&file, &found, tile, None, 1);
                assert_eq!(image.area().reduced(1), whole.area());
            }
            assert!(samples(&file) == expected, "{name} {how:?}");
        }
    }
}

#[test]
fn tlm_is_read_written_and_used() {
    let Some(root) = common::realdata() else { return };
    let names = common::real_files(&root);
    let injected: Vec<_> = names.iter().filter(|name| name.contains("TLM_injected")).collect();
    assert!(!injected.is_empty());
    for name in injected {
        let file = common::read(&root, name);
        let structure = scan_bytes(&file).unwrap();
        assert_eq!(structure.tlm_matches(), Some(true));
        let parts = structure.tile_parts.iter().map(|part| (part.tile, part.length));
        let segments = cubeflight_jp2::tlm_segment(parts).unwrap();
        let header = &structure.header;
        let tlm = header.segments.iter().find(|segment| segment.marker == Marker::TLM).unwrap();
        let raw = &header.bytes()[tlm.offset as usize..][..usize::from(tlm.length) + 2];
        assert_eq!(segments, [raw], "{name}");

        let without = MainHeader::parse(&header.without_tlm()).unwrap();
        assert!(without.tlm.is_empty() && !without.has(Marker::TLM));
        assert_eq!(without.bytes().len() + raw.len(), header.bytes().len());

        // the first read is all that is needed
        let options = cubeflight_jp2::ScanOptions { use_tlm: true, ..Default::default() };
        let mut scanner = cubeflight_jp2::Scanner::new(file.len() as u64, options);
        assert_eq!(scanner.wants(), Some(0..8192));
        scanner.feed(0, &file[..8192]).unwrap();
        assert_eq!(scanner.wants(), None);
        let quick = scanner.finish().unwrap();
        assert!(quick.from_tlm && quick.eoc);
        let places = |structure: &Structure| {
            let parts = structure.tile_parts.iter();
            parts.map(|part| (part.tile, part.part, part.offset, part.length)).collect::<Vec<_>>()
        };
        assert_eq!(places(&quick), places(&structure));

        // a TLM that does not fit the file is not used
        let mut stale = file.clone();
        let at = structure.codestream.start as usize + tlm.offset as usize + 6;
        stale[at + 2] ^= 1;
        let found = cubeflight_jp2::scan_bytes_with(&stale, options).unwrap();
        assert!(!found.from_tlm);
        assert_eq!(found.tlm_matches(), Some(false));
        assert_eq!(places(&found), places(&structure));
    }
}

#[test]
fn a_stale_index_is_named() {
    let Some(root) = common::realdata() else { return };
    let file = common::read(&root, KINDS[0]);
    let structure = scan_bytes(&file).unwrap();
    let splice = |tile, parts: &[&[u8]]| {
        cubeflight_jp2::splice_tile(&structure.header, tile, parts).map(|_| ())
    };
    let good = common::parts_of(&file, &structure, 5)[0];
    assert_eq!(splice(5, &[good]), Ok(()));
    let field = |result| match result {
        Err(Error::StaleTilePart { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let start = structure.tile_parts[5].offset as usize;
    assert_eq!(field(splice(6, &[good])), "Isot");
    assert_eq!(field(splice(5, &[&good[1..]])), "marker");
    assert_eq!(field(splice(5, &[&file[start..start + good.len() + 1]])), "Psot");
    assert_eq!(field(splice(5, &[&good[..10]])), "length");
    assert_eq!(field(splice(5, &[good, good])), "TPsot");
    assert_eq!(field(splice(5, &[])), "number of tile-parts");
    assert!(matches!(splice(100, &[good]), Err(Error::TilePart { .. })));

    // packet headers of the whole file in the main header belong to no single tile
    let mut raw = structure.header.bytes().to_vec();
    raw.extend([0xff, 0x60, 0, 3, 0]);
    let header = MainHeader::parse(&raw).unwrap();
    let result = cubeflight_jp2::splice_tile(&header, 5, &[good]);
    assert!(matches!(result, Err(Error::CannotSplice { .. })));
}

/// Bytes and requests of a scan stay small: one read for the header, one for each tile-part.
#[test]
fn scans_read_little() {
    let Some(root) = common::realdata() else { return };
    for name in common::real_files(&root) {
        let file = common::read(&root, &name);
        let size = file.len() as u64;
        let mut scanner = cubeflight_jp2::Scanner::new(size, Default::default());
        let (mut requests, mut bytes) = (0, 0);
        while let Some(range) = scanner.wants() {
            requests += 1;
            bytes += range.end - range.start;
            scanner.feed(range.start, &file[range.start as usize..range.end as usize]).unwrap();
        }
        let structure = scanner.finish().unwrap();
        assert_eq!(structure, scan_bytes(&file).unwrap(), "{name}");
        let parts = structure.tile_parts.len() as u64;
        // long packet lists of multi-component masks take a second read
        assert!(requests <= 2 + 2 * parts, "{name}: {requests} requests");
        assert!(bytes <= 8192 + 1024 * (parts + 1), "{name}: {bytes} bytes");
    }
}
