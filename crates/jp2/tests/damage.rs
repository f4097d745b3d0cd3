//! Bad input: an error that says where, never a panic, a hang or much memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::sync::LazyLock;

use cubeflight_jp2::{
    DecodeOptions, Detail, Error, MainHeader, Rect, ScanOptions, Scanner, Structure, decode,
    decoder_scratch_bytes, describe, packet_count, parse_tlm_segment, scan_bytes, scan_bytes_with,
    splice_tile,
};
use proptest::prelude::*;

/// A codestream of 3 x 2 tiles with empty packets, hand-made: 1 component of 8 bit, 40 x 30
/// samples in tiles of 16, one level, precincts of 8.
fn small_codestream() -> Vec<u8> {
    offset_codestream(0, 0)
}

/// The same with the image starting at (x, y) of the first tile.
fn offset_codestream(x: u32, y: u32) -> Vec<u8> {
    let mut out = vec![0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0];
    for value in [40u32, 30, x, y, 16, 16, 0, 0] {
        out.extend(value.to_be_bytes());
    }
    out.extend([0, 1, 7, 1, 1]);
    out.extend([0xff, 0x52, 0, 14, 1, 0, 0, 1, 0, 1, 4, 4, 0, 1, 0x33, 0x33]);
    out.extend([0xff, 0x5c, 0, 7, 0x40, 64, 72, 72, 80]);
    out.extend([0xff, 0x64, 0, 6, 0, 1, b'h', b'i']);
    let header = MainHeader::parse(&out).unwrap();
    for tile in 0..6u16 {
        let packets = packet_count(&header, tile).unwrap() as u8;
        out.extend([0xff, 0x90, 0, 10]);
        out.extend(tile.to_be_bytes());
        out.extend((12 + 5 + 2 + 2 * u32::from(packets)).to_be_bytes());
        out.extend([0, 1, 0xff, 0x58, 0, 3 + packets, 0]);
        out.extend(std::iter::repeat_n(1, usize::from(packets)));
        out.extend([0xff, 0x93]);
        out.extend(std::iter::repeat_n(0, usize::from(packets)));
    }
    out.extend([0xff, 0xd9]);
    out
}

/// The same in a JP2 file with boxes around it.
fn small_file() -> Vec<u8> {
    let mut out = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 ".to_vec();
    out.extend(b"\0\0\0\x2djp2h\0\0\0\x16ihdr\0\0\0\x1e\0\0\0\x28\0\x01\x07\x07\x01\0");
    out.extend(b"\0\0\0\x0fcolr\x01\0\0\0\0\0\x11");
    out.extend(b"\0\0\0\x01asoc\0\0\0\0\0\0\0\x20\0\0\0\x10lbl gml.data");
    out.extend(b"\0\0\0\0jp2c");
    out.extend(small_codestream());
    out
}

static SMALL: LazyLock<Vec<u8>> = LazyLock::new(small_file);

/// Real files without the bulk of their packets would not scan, so small ones are used whole.
static REAL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let Some(root) = common::realdata() else { return Vec::new() };
    let mut files = vec![
        common::read(&root, "jp2/L1C_N0400_S2A_20220125_T18LTM/QI_DATA/MSK_DETFOO_B01.jp2"),
        common::read(&root, "jp2/L1C_N0400_S2A_20220125_T18LTM/QI_DATA/MSK_QUALIT_B01.jp2"),
    ];
    files.push(common::read(&root, common::KINDS[5]));
    files
});

/// Everything that can be called on arbitrary bytes.
fn exercise(file: &[u8]) {
    let structure = scan_bytes(file);
    if let Ok(structure) = &structure {
        let _ = describe(structure);
        for tile in 0..structure.header.siz.tiles().min(3) as u16 {
            let parts = common::parts_of(file, structure, tile);
            if let Ok(codestream) = splice_tile(&structure.header, tile, &parts) {
                let options = DecodeOptions { max_bytes: 64 << 20, ..Default::default() };
                let _ = decode(&codestream, &options);
            }
        }
    }
    for detail in [Detail::TileParts, Detail::Headers] {
        let options = ScanOptions { detail, use_tlm: true, ..Default::default() };
        let _ = scan_bytes_with(file, options);
    }
    let _ = MainHeader::parse(file);
    let _ = parse_tlm_segment(file);
    let options = DecodeOptions { max_bytes: 64 << 20, reduce: 1, ..Default::default() };
    let _ = decode(file, &options);
}

fn in_chunks(file: &[u8], options: ScanOptions, seed: u64) -> Result<Structure, Error> {
    let mut random = common::Random(seed | 1);
    let mut scanner = Scanner::new(file.len() as u64, options);
    let mut rounds = 0;
    while let Some(range) = scanner.wants() {
        // shorter or longer than wanted, and from a little before
        let size = 1 + u64::from(random.below(400));
        let start = range.start - range.start.min(u64::from(random.below(9)));
        let end = (range.start + size).min(file.len() as u64).max(start);
        scanner.feed(start, &file[start as usize..end as usize])?;
        rounds += 1;
        assert!(rounds < 1_000_000, "no end");
    }
    scanner.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0..3) {
        let mut file = match kind {
            0 => Vec::new(),
            1 => SMALL[..32].to_vec(),
            _ => vec![0xff, 0x4f, 0xff, 0x51, 0, 41],
        };
        file.extend(bytes);
        exercise(&file);
    }

    #[test]
    fn mutated_small_files(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut file = SMALL.clone();
        for (index, value) in edits {
            let at = index.index(file.len());
            file[at] = value;
        }
        if !whole {
            file.truncate(cut.index(file.len()));
        }
        exercise(&file);
    }

    #[test]
    fn mutated_real_files(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((0usize..3000, any::<u8>()), 1..4),
    ) {
        if REAL.is_empty() {
            return Ok(());
        }
        let mut file = REAL[which.index(REAL.len())].clone();
        for (at, value) in edits {
            file[at] = value;
        }
        exercise(&file);
    }

    #[test]
    fn chunking_changes_nothing(
        seed in any::<u64>(),
        first_read in 1u64..5000,
        tile_part_read in 1u64..300,
        damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut files = vec![SMALL.clone(), SMALL[small_file().len() - small_codestream().len()..].to_vec()];
        files.extend(REAL.first().cloned());
        for mut file in files {
            if let Some((index, value)) = damage {
                let at = index.index(file.len());
                file[at] = value;
            }
            let options = ScanOptions { first_read, tile_part_read, ..Default::default() };
            prop_assert_eq!(in_chunks(&file, options, seed), scan_bytes(&file));
        }
    }
}

#[test]
fn the_small_file_is_sound() {
    let structure = scan_bytes(&SMALL).unwrap();
    assert_eq!(structure.tile_parts.len(), 6);
    assert_eq!(structure.boxes.len(), 8);
    assert_eq!(structure.boxes[6].depth, 1);
    assert_eq!(structure.header.siz.tile_rect(5).unwrap(), Rect::new(32, 16, 40, 30));
    let image = decode(&SMALL, &DecodeOptions::default()).unwrap();
    assert_eq!((image.width, image.height), (40, 30));
    assert!(image.samples(0).unwrap().iter().all(|&value| value == 128));
    let tiles: Vec<_> = structure.header.siz.tiles_in(Rect::new(15, 16, 33, 17)).collect();
    assert_eq!(tiles, [3, 4, 5]);
    assert_eq!(structure.header.siz.tiles_in(Rect::new(40, 0, 50, 9)).count(), 0);
}

/// Where the image offset cuts the first tiles, a spliced tile starts at the offset.
#[test]
fn image_offsets_are_kept() {
    for (x, y) in [(0, 0), (5, 3), (15, 0), (9, 15)] {
        let file = offset_codestream(x, y);
        let structure = scan_bytes(&file).unwrap();
        let whole = decode(&file, &DecodeOptions::default()).unwrap();
        assert_eq!(whole.area(), Rect::new(x, y, 40, 30));
        for tile in 0..6 {
            let image = common::tile(&file, &structure, tile, None, 0);
            assert_eq!(image.area(), structure.header.siz.tile_rect(tile).unwrap());
            assert!(image.samples(0).unwrap().iter().all(|&value| value == 128));
        }
    }
}

/// A cut anywhere is an error, save that of EOC.
#[test]
fn every_cut_is_an_error() {
    let size = SMALL.len();
    for end in 0..size {
        match scan_bytes(&SMALL[..end]) {
            Ok(structure) => {
                assert!(end == size - 2 && !structure.eoc);
                decode(&SMALL[..end], &DecodeOptions::default()).unwrap();
            }
            Err(error) => assert!(
                matches!(
                    error,
                    Error::Truncated { .. } | Error::NoCodestream { .. } | Error::TilePart { .. }
                ),
                "{end}: {error}"
            ),
        }
        // a file that is shorter than was said
        let mut scanner = Scanner::new(size as u64, ScanOptions::default());
        scanner.feed(0, &SMALL[..end]).ok();
        if let Some(range) = scanner.wants() {
            let error = scanner.feed(range.start, &[]).unwrap_err();
            assert_eq!(error.code(), "CF-JP2-002");
            assert_eq!(scanner.wants(), None);
            assert_eq!(scanner.finish(), Err(Error::Unfinished));
        }
    }
}

#[test]
fn each_damage_has_its_code() {
    let good = small_codestream();
    let code = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        scan_bytes(&bytes).unwrap_err().code()
    };
    let sot = good.windows(2).position(|pair| pair == [0xff, 0x90]).unwrap();
    assert_eq!(code(&|b| b[0] = 0), "CF-JP2-001");
    assert_eq!(code(&|b| b.truncate(100)), "CF-JP2-002");
    assert_eq!(code(&|b| b[sot] = 0xfe), "CF-JP2-005");
    assert_eq!(code(&|b| b[sot + 1] = 0x93), "CF-JP2-005");
    // a component separation of 0
    assert_eq!(code(&|b| b[44] = 0), "CF-JP2-006");
    // COD made a comment
    assert_eq!(code(&|b| b[46] = 0x64), "CF-JP2-007");
    assert_eq!(code(&|b| (b[40], b[5]) = (2, 41)), "CF-JP2-008");
    assert_eq!(code(&|b| b[sot + 5] = 6), "CF-JP2-009");
    assert_eq!(code(&|b| b[sot + 9] = 13), "CF-JP2-009");
    assert_eq!(code(&|b| b[sot + 10] = 1), "CF-JP2-009");
    assert_eq!(code(&|b| b[sot + 11] = 2), "CF-JP2-009");
    // the first packet is a byte longer
    assert_eq!(code(&|b| b[sot + 17] = 2), "CF-JP2-010");
    // two packets of one byte are one of two
    let merged = |b: &mut Vec<u8>| {
        b[sot + 15] -= 1;
        b[sot + 9] -= 1;
        b[sot + 17] = 2;
        b.remove(sot + 18);
    };
    assert_eq!(code(&|b| merged(b)), "CF-JP2-011");
    let mut file = SMALL.clone();
    file[43] = 200;
    assert_eq!(scan_bytes(&file).unwrap_err().code(), "CF-JP2-003");
    assert_eq!(scan_bytes(&SMALL[..77]).unwrap_err().code(), "CF-JP2-004");
    assert_eq!(
        Scanner::new(9, ScanOptions::default()).feed(1, &[0]).unwrap_err().code(),
        "CF-JP2-020"
    );
}

#[test]
fn what_cannot_be_decoded_is_refused() {
    let good = small_codestream();
    let error = |change: &dyn Fn(&mut Vec<u8>), options: DecodeOptions| {
        let mut bytes = good.clone();
        change(&mut bytes);
        decode(&bytes, &options).unwrap_err()
    };
    let plain = DecodeOptions::default();
    assert!(matches!(error(&|b| b[42] = 0x87, plain), Error::Unsupported { .. }));
    assert!(matches!(error(&|b| b[42] = 16, plain), Error::Unsupported { .. }));
    let area = |x0, y0, x1, y1, reduce| {
        let area = Some(Rect::new(x0, y0, x1, y1));
        error(&|_| (), DecodeOptions { area, reduce, ..plain })
    };
    for error in
        [area(3, 3, 3, 9, 0), area(0, 0, 41, 1, 0), area(1, 1, 2, 2, 1), area(0, 0, 8, 8, 2)]
    {
        assert_eq!(error.code(), "CF-JP2-017", "{error}");
    }
    let low = DecodeOptions { max_bytes: 1000, ..plain };
    assert!(matches!(error(&|_| (), low), Error::Memory { .. }));
}

/// A header that asks for absurd amounts is refused before OpenJPEG sees it.
#[test]
fn absurd_sizes_are_refused_by_their_memory() {
    let sized = |width: u32, tile: u32, precinct: u8, levels: u8| {
        let mut bytes = small_codestream();
        bytes[8..12].copy_from_slice(&width.to_be_bytes());
        bytes[12..16].copy_from_slice(&width.to_be_bytes());
        bytes[24..28].copy_from_slice(&tile.to_be_bytes());
        bytes[28..32].copy_from_slice(&tile.to_be_bytes());
        bytes[59] = precinct;
        bytes[60] = precinct;
        assert_eq!(levels, 1);
        MainHeader::parse(&bytes).unwrap()
    };
    let bytes = |header: &MainHeader, reduce| decoder_scratch_bytes(header, None, reduce);
    assert!(bytes(&sized(0x7fff_ffff, 0x7fff_ffff, 0xff, 1), 0) > 1 << 40);
    // small precincts cost more than the samples
    assert!(bytes(&sized(4096, 4096, 0x11, 1), 1) > 1 << 30);
    // a table for each tile
    assert!(bytes(&sized(40_800, 160, 0xff, 1), 1) > 600 << 20);
}

/// Bit flips in packets decode to something or to an error.
#[test]
fn damaged_packets_do_no_harm() {
    let Some(root) = common::realdata() else { return };
    let mut random = common::Random(7);
    let (mut decoded, mut refused) = (0, 0);
    for name in [common::KINDS[0], common::KINDS[2], common::KINDS[3], common::KINDS[5]] {
        let file = common::read(&root, name);
        let structure = scan_bytes(&file).unwrap();
        for _ in 0..60 {
            let tile = random.below(structure.header.siz.tiles()) as u16;
            let parts = common::parts_of(&file, &structure, tile);
            let mut codestream = splice_tile(&structure.header, tile, &parts).unwrap();
            let start = scan_bytes(&codestream).unwrap().tile_parts[0].offset as usize + 14;
            for _ in 0..1 + random.below(4) {
                let at = start + random.below((codestream.len() - start - 2) as u32) as usize;
                codestream[at] ^= 1 << random.below(8);
            }
            let options = DecodeOptions { max_bytes: 64 << 20, ..Default::default() };
            match decode(&codestream, &options) {
                Ok(image) => {
                    let mut row = vec![0; image.rect().area() as usize];
                    image.write_u16(0, image.rect(), &mut row, image.width as usize, 1).unwrap();
                    let most = (1u32 << image.bit_depth) - 1;
                    assert!(row.iter().all(|&value| u32::from(value) <= most));
                    decoded += 1;
                }
                Err(Error::Decoder { message, .. }) => {
                    assert_ne!(message, "no message");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    println!("{decoded} decoded, {refused} refused");
    assert!(decoded > 0);
}

#[test]
fn copies_check_their_sizes() {
    let image = decode(&SMALL, &DecodeOptions::default()).unwrap();
    let mut bytes = vec![9u8; 6 * 3];
    let part = Rect::new(1, 1, 4, 3);
    image.write_u8(0, part, &mut bytes, 6, 2).unwrap();
    assert_eq!(bytes[..12], [128, 9, 128, 9, 128, 9, 128, 9, 128, 9, 128, 9]);
    assert_eq!(bytes[12..], [9; 6]);
    image.write_flags_u8(part, &mut bytes, 3).unwrap();
    assert_eq!(bytes[..7], [1, 1, 1, 1, 1, 1, 128]);
    let mut words = [0u16; 6];
    image.write_u16(0, part, &mut words, 3, 1).unwrap();
    for result in [
        image.write_u16(0, part, &mut words[..5], 3, 1),
        image.write_u16(0, part, &mut words, 2, 1),
        image.write_u16(0, part, &mut words, 3, 0),
        image.write_u16(0, part, &mut words, usize::MAX, usize::MAX),
        image.write_u16(1, part, &mut words, 3, 1),
        image.write_u16(0, Rect::new(0, 0, 41, 1), &mut words, 3, 1),
    ] {
        assert!(matches!(result, Err(Error::Copy { .. })));
    }
    assert_eq!(image.write_u16(0, Rect::default(), &mut [], 0, 1), Ok(()));
}
