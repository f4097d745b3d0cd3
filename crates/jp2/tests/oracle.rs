//! Every real file, decoded tile by tile, has the samples that an independent decoder gave.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::fs;

use cubeflight_jp2::{Rect, Structure, scan_bytes};
use sha2::{Digest, Sha256};

/// SHA-256 of the samples, row by row, little-endian, components interleaved; one row of tiles is
/// in memory at a time.
fn samples_sha256(file: &[u8], structure: &Structure) -> String {
    let siz = &structure.header.siz;
    let (columns, rows) = (siz.tiles_x(), siz.tiles_y());
    let components = siz.components.len();
    let deep = siz.components[0].bit_depth > 8;
    let pitch = siz.image_rect().width() as usize * components;
    let mut hash = Sha256::new();
    for row in 0..rows {
        let height = siz.tile_rect((row * columns) as u16).unwrap().height() as usize;
        let mut bytes = vec![0u8; if deep { 0 } else { pitch * height }];
        let mut words = vec![0u16; if deep { pitch * height } else { 0 }];
        for column in 0..columns {
            let index = (row * columns + column) as u16;
            let rect = siz.tile_rect(index).unwrap();
            let image = common::tile(file, structure, index, None, 0);
            assert_eq!(image.area(), rect);
            let at = (rect.x0 - siz.x_offset) as usize * components;
            for k in 0..components {
                let (component, at) = (k as u16, at + k);
                if deep {
                    let target = &mut words[at..];
                    image.write_u16(component, image.rect(), target, pitch, components).unwrap();
                } else {
                    let target = &mut bytes[at..];
                    image.write_u8(component, image.rect(), target, pitch, components).unwrap();
                }
            }
        }
        hash.update(&bytes);
        for line in words.chunks(pitch) {
            hash.update(line.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(wanted: impl Fn(&str) -> bool) {
    let Some(root) = common::realdata() else { return };
    let oracle = fs::read_to_string(root.join("oracle.tsv")).unwrap();
    let mut checked = 0;
    for line in oracle.lines().skip(1) {
        let fields: Vec<_> = line.split('\t').collect();
        let (name, sha256) = (fields[0], fields[7]);
        if !wanted(name) {
            continue;
        }
        let file = common::read(&root, name);
        let structure = scan_bytes(&file).unwrap();
        structure.can_splice().unwrap();
        assert_eq!(samples_sha256(&file, &structure), sha256, "{name}");
        checked += 1;
    }
    assert!(checked > 0);
}

fn is_large_mask(name: &str) -> bool {
    name.ends_with("MSK_QUALIT_B02.jp2")
}

#[test]
fn tiles_equal_the_oracle() {
    check(|name| !is_large_mask(name));
}

#[test]
#[ignore = "three masks of 10980 x 10980 x 8 samples take minutes"]
fn tiles_of_the_large_masks_equal_the_oracle() {
    check(is_large_mask);
}

/// Windows by way of splice and decode area equal the crop of the full decode.
#[test]
fn windows_equal_the_crop() {
    let Some(root) = common::realdata() else { return };
    let mut random = common::Random(20_221_005);
    for name in common::KINDS {
        let file = common::read(&root, name);
        let structure = scan_bytes(&file).unwrap();
        let siz = &structure.header.siz;
        for _ in 0..12 {
            let index = random.below(siz.tiles()) as u16;
            let rect = siz.tile_rect(index).unwrap();
            let window = random.window(rect);
            let reduce = random.below(3) as u8;
            let lattice = window.reduced(reduce);
            if lattice.is_empty() {
                continue;
            }
            let full = common::tile(&file, &structure, index, None, reduce);
            let part = common::tile(&file, &structure, index, Some(window), reduce);
            assert_eq!(part.area(), lattice, "{name}");
            let crop = Rect::new(
                lattice.x0 - full.x0,
                lattice.y0 - full.y0,
                lattice.x1 - full.x0,
                lattice.y1 - full.y0,
            );
            let pitch = lattice.width() as usize;
            let mut a = vec![0u16; pitch * lattice.height() as usize];
            let mut b = vec![1u16; a.len()];
            for component in 0..full.components {
                full.write_u16(component, crop, &mut a, pitch, 1).unwrap();
                part.write_u16(component, part.rect(), &mut b, pitch, 1).unwrap();
                assert!(a == b, "{name} tile {index} window {window} reduce {reduce}");
            }
        }
    }
}

/// The fall-back, a whole file in one call, gives the same samples.
#[test]
fn whole_files_equal_their_tiles() {
    let Some(root) = common::realdata() else { return };
    for name in common::KINDS {
        let file = common::read(&root, name);
        let structure = scan_bytes(&file).unwrap();
        let siz = &structure.header.siz;
        let options = cubeflight_jp2::DecodeOptions { max_bytes: 4 << 30, ..Default::default() };
        let whole = cubeflight_jp2::decode(&file, &options).unwrap();
        let step = (siz.tiles() / 7).max(1);
        for index in (0..siz.tiles()).step_by(step as usize) {
            let image = common::tile(&file, &structure, index as u16, None, 0);
            let rect = image.area();
            let mut a = vec![0u16; rect.area() as usize];
            let mut b = vec![1u16; a.len()];
            for component in 0..image.components {
                let pitch = rect.width() as usize;
                whole.write_u16(component, rect, &mut a, pitch, 1).unwrap();
                image.write_u16(component, image.rect(), &mut b, pitch, 1).unwrap();
                assert!(a == b, "{name} tile {index}");
            }
        }
    }
}
