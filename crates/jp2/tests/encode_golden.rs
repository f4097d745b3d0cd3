//! Files that are written have the form of the real ones, field by field.
#![cfg(feature = "encode")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;

use cubeflight_jp2::encode::{
    ConstantTiles, EncodeSpec, Kind, TileContent, assemble, encode_tile, gml, spec_of,
};
use cubeflight_jp2::{BoxInfo, Structure, scan_bytes};

/// The kind of a real file, by its name.
fn kind(name: &str) -> Option<Kind> {
    let file = name.rsplit('/').next().unwrap();
    let has = |part: &str| file.contains(part);
    // native resolution of the band of a mask: B01 60 m, B02 10 m, B05 20 m
    let by_band = |kinds: [Kind; 3]| {
        kinds[if has("B02") {
            0
        } else if has("B05") {
            1
        } else {
            2
        }]
    };
    Some(match () {
        // not coded by ESA, or copies of others
        () if has("odd_rpcl") || name.contains("L1C_preview/B") || has(".tlm.") => return None,
        () if has("DETFOO") => by_band([Kind::Detfoo10m, Kind::Detfoo20m, Kind::Detfoo60m]),
        () if has("QUALIT") => by_band([Kind::Qualit10m, Kind::Qualit20m, Kind::Qualit60m]),
        () if has("CLASSI") => Kind::Classi,
        () if has("PVI") || has("preview") => Kind::Pvi,
        () if has("TCI_60m") => Kind::Tci60m,
        () if has("SCL_20m") || has("PRB_20m") => Kind::Scl20m,
        () if has("SCL_60m") || has("PRB_60m") => Kind::Scl60m,
        () if has("_10m") => Kind::Reflectance10m,
        () if has("_20m") => Kind::Reflectance20m,
        () => Kind::Reflectance60m,
    })
}

fn samples(file: &[u8], structure: &Structure, tile: u16) -> Vec<u16> {
    let image = common::tile(file, structure, tile, None, 0);
    let (plane, pitch) = (image.rect().area() as usize, image.width as usize);
    let mut samples = vec![0; plane * usize::from(image.components)];
    for (component, target) in (0u16..).zip(samples.chunks_mut(plane)) {
        image.write_u16(component, image.rect(), target, pitch, 1).unwrap();
    }
    samples
}

fn contents<'a>(file: &'a [u8], found: &BoxInfo) -> &'a [u8] {
    let start = found.offset as usize;
    &file[start + usize::from(found.header_length)..start + found.length as usize]
}

/// The texts of XML boxes: inside `asoc`, and at the top.
fn xml(file: &[u8], structure: &Structure, depth: u8) -> Option<String> {
    let wanted = |found: &&BoxInfo| found.kind == *b"xml " && found.depth == depth;
    let found = structure.boxes.iter().find(wanted)?;
    Some(String::from_utf8(contents(file, found).to_vec()).unwrap())
}

/// Tiles whose real samples are encoded: all of small images, of large ones the heaviest, one of
/// the middle and those at the corner. The others get one value, which changes no header.
fn chosen(structure: &Structure) -> BTreeSet<u16> {
    let siz = &structure.header.siz;
    let (tiles, columns) = (siz.tiles() as u16, siz.tiles_x() as u16);
    let samples = siz.image_rect().area() * siz.components.len() as u64;
    if samples < 50_000_000 {
        return (0..tiles).collect();
    }
    let mut heavy: Vec<_> = structure.tile_parts.iter().collect();
    heavy.sort_by_key(|part| std::cmp::Reverse(part.length));
    let mut chosen: BTreeSet<_> = heavy.iter().take(2).map(|part| part.tile).collect();
    chosen.extend([tiles - 1]);
    if siz.tile_rect(0).unwrap().area() * siz.components.len() as u64 <= 1 << 23 {
        chosen.extend([heavy[heavy.len() / 2].tile, columns - 1, tiles - columns]);
    }
    chosen
}

fn check(name: &str, file: &[u8], constant: &ConstantTiles) {
    let real = scan_bytes(file).unwrap();
    let spec = EncodeSpec {
        gml: xml(file, &real, 2),
        extra_xml: xml(file, &real, 0),
        ..spec_of(kind(name).unwrap())
    };
    let chosen = chosen(&real);
    let zeros = TileContent::Constant(vec![0; usize::from(spec.components)]);
    let tiles = (0..real.header.siz.tiles() as u16).map(|tile| match chosen.contains(&tile) {
        true => {
            let samples = samples(file, &real, tile);
            encode_tile(&spec, tile, &TileContent::Samples(samples)).unwrap()
        }
        false => constant.encode_tile(&spec, tile, &zeros).unwrap(),
    });
    let mut ours = Vec::new();
    let report = assemble(&spec, tiles, &mut ours).unwrap();
    assert_eq!(report.bytes, ours.len() as u64);
    let found = scan_bytes(&ours).unwrap();

    // boxes, and all bytes before the codestream
    assert_eq!(found.boxes.len(), real.boxes.len(), "{name}");
    for (ours, real) in found.boxes.iter().zip(&real.boxes) {
        assert_eq!((ours.kind, ours.offset, ours.depth), (real.kind, real.offset, real.depth));
        assert_eq!((ours.length_field, &ours.payload), (real.length_field, &real.payload));
    }
    let start = real.codestream.start as usize;
    assert!(ours[..start] == file[..start], "{name}: boxes");

    // main header: all of it but the first comment, and the slope where the real file is cut
    let (ours_header, header) = (&found.header, &real.header);
    assert_eq!(ours_header.siz, header.siz, "{name}");
    assert_eq!(ours_header.cod, header.cod, "{name}");
    assert_eq!(ours_header.qcd, header.qcd, "{name}");
    // markers, offsets and lengths, so the length of the header too
    assert_eq!(ours_header.segments, header.segments, "{name}");
    assert_eq!(ours_header.bytes().len(), header.bytes().len(), "{name}");
    let comments = header.comments.iter().zip(&ours_header.comments);
    for (real, ours) in comments {
        assert_eq!((real.registration, real.data.len()), (ours.registration, ours.data.len()));
    }
    let last = |header: &cubeflight_jp2::MainHeader| {
        let text = String::from_utf8(header.comments[1].data.clone()).unwrap();
        let (slope, cap) = text.lines().nth(1).unwrap().split_once(',').unwrap();
        (slope.to_owned(), cap.to_owned())
    };
    let lossless = last(header).0 == "-192.0";
    assert_eq!(last(ours_header).1, last(header).1, "{name}");
    if lossless {
        assert_eq!(ours_header.comments[1], header.comments[1], "{name}");
    }

    // tile-parts
    assert_eq!(found.tile_parts.len(), real.tile_parts.len(), "{name}");
    for (ours, real) in found.tile_parts.iter().zip(&real.tile_parts) {
        assert_eq!((ours.tile, ours.part, ours.parts), (real.tile, real.part, real.parts));
        assert_eq!((&ours.markers, ours.open_ended), (&real.markers, false), "{name}");
        let packets = |part: &cubeflight_jp2::TilePart| {
            part.packet_lengths.as_ref().map(|lengths| lengths.len())
        };
        assert_eq!(packets(ours), packets(real), "{name} tile {}", real.tile);
    }
    assert_eq!((found.eoc, found.trailing), (true, 0));
    let (mut bytes, mut real_bytes, mut equal) = (0, 0, 0);
    for &tile in &chosen {
        assert!(samples(&ours, &found, tile) == samples(file, &real, tile), "{name} tile {tile}");
        let parts =
            [&common::parts_of(&ours, &found, tile)[0], &common::parts_of(file, &real, tile)[0]];
        bytes += parts[0].len();
        real_bytes += parts[1].len();
        equal += usize::from(parts[0] == parts[1]);
    }
    let count = chosen.len();
    println!("{name}: {count} tiles, {bytes} bytes (real {real_bytes}), {equal} byte-identical");
    if lossless {
        // another encoder ends its code-blocks otherwise, by a byte or so
        assert!(bytes.abs_diff(real_bytes) * 100 <= real_bytes * 8, "{name}: {bytes} {real_bytes}");
    }
}

fn check_all(wanted: impl Fn(Kind) -> bool) {
    let Some(root) = common::realdata() else { return };
    let constant = ConstantTiles::new();
    let mut checked = 0;
    for name in common::real_files(&root) {
        if kind(&name).is_some_and(&wanted) {
            check(&name, &common::read(&root, &name), &constant);
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn reflectance_equals_the_real_files() {
    check_all(|kind| {
        matches!(kind, Kind::Reflectance10m | Kind::Reflectance20m | Kind::Reflectance60m)
    });
}

#[test]
fn classes_and_colours_equal_the_real_files() {
    check_all(|kind| {
        matches!(kind, Kind::Scl20m | Kind::Scl60m | Kind::Tci60m | Kind::Classi | Kind::Pvi)
    });
}

#[test]
fn footprints_equal_the_real_files() {
    check_all(|kind| matches!(kind, Kind::Detfoo10m | Kind::Detfoo20m | Kind::Detfoo60m));
}

#[test]
fn quality_masks_equal_the_real_files() {
    check_all(|kind| matches!(kind, Kind::Qualit10m | Kind::Qualit20m | Kind::Qualit60m));
}

/// The GMLJP2 document has the elements, attributes and values of a real one, in order.
#[test]
fn gml_equals_a_real_document() {
    let Some(root) = common::realdata() else { return };
    let name = "jp2/L2A_N0400_S2A_20221005_T29UNU/QI_DATA/MSK_DETFOO_B02.jp2";
    let file = common::read(&root, name);
    let real = xml(&file, &scan_bytes(&file).unwrap(), 2).unwrap();
    let ours = gml(32_629, 499_985, 5_900_035, 10, 10_980, 10_980);
    let lines = |text: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&ours), lines(&real));
}
