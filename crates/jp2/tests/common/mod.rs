//! Real files for the tests, and one tile after another.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::path::{Path, PathBuf};

use cubeflight_jp2::{DecodeOptions, Image, Rect, Structure, decode, splice_tile};

/// The folder of real files; `None` (and a note) when it is not there, which is a failure in CI.
pub(crate) fn realdata() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/realdata");
    let root = std::env::var_os("CUBEFLIGHT_REALDATA").map_or(default, PathBuf::from);
    if root.join("jp2").is_dir() {
        return Some(root);
    }
    skipped(&format!("no real files in {}", root.display()));
    None
}

/// Notes that a test was skipped; fails in CI.
pub(crate) fn skipped(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI: {reason}");
    println!("skipped: {reason}");
}

/// Every real JP2, sorted, as path below the folder of real files.
pub(crate) fn real_files(root: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else if path.extension().is_some_and(|extension| extension == "jp2") {
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut files = Vec::new();
    walk(root, &root.join("jp2"), &mut files);
    files.sort();
    files
}

pub(crate) fn read(root: &Path, name: &str) -> Vec<u8> {
    fs::read(root.join(name)).unwrap()
}

/// A file of each kind that is small enough for slow tests.
pub(crate) const KINDS: [&str; 7] = [
    "jp2/L2A_N0400_S2A_20221005_T29UNU/R60m/T29UNU_20221005T115411_B04_60m.jp2",
    "jp2/L2A_N0400_S2A_20221005_T29UNU/R20m/T29UNU_20221005T115411_SCL_20m.jp2",
    "jp2/L2A_N0400_S2A_20221005_T29UNU/R60m/T29UNU_20221005T115411_TCI_60m.jp2",
    "jp2/L1C_rasterframes_B01/B01.jp2",
    "jp2/L2A_N0509_S2B_202308_T33TWL_masks/MSK_QUALIT_B05.jp2",
    "jp2/L1C_N0204_S2A_20170226_T32TNM/T32TNM_20170226T102021_PVI.jp2",
    "jp2/odd_rpcl_one_tile.jp2",
];

/// The bytes of the tile-parts of a tile.
pub(crate) fn parts_of<'a>(file: &'a [u8], structure: &Structure, tile: u16) -> Vec<&'a [u8]> {
    let slice = |offset: u64, length: u32| &file[offset as usize..][..length as usize];
    structure.tile_parts_of(tile).map(|part| slice(part.offset, part.length)).collect()
}

/// One tile by way of a spliced codestream.
pub(crate) fn tile(
    file: &[u8],
    structure: &Structure,
    tile: u16,
    area: Option<Rect>,
    reduce: u8,
) -> Image {
    let parts = parts_of(file, structure, tile);
    let codestream = splice_tile(&structure.header, tile, &parts).unwrap();
    let options = DecodeOptions { area, reduce, ..DecodeOptions::default() };
    decode(&codestream, &options).unwrap()
}

/// A small generator of numbers for seeded loops (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 16) % u64::from(bound)).unwrap()
    }

    pub(crate) fn window(&mut self, inside: Rect) -> Rect {
        let span = |random: &mut Self, low: u32, high: u32| {
            let start = low + random.below(high - low);
            (start, start + 1 + random.below(high - start))
        };
        let (x0, x1) = span(self, inside.x0, inside.x1);
        let (y0, y1) = span(self, inside.y0, inside.y1);
        Rect::new(x0, y0, x1, y1)
    }
}
