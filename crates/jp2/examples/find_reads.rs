//! Prints how many reads finding the four tiles of a 2 x 2 window takes, over all windows of files
//! of several shapes.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/virtual_file.rs"]
mod virtual_file;

use common::Random;
use cubeflight_jp2::{FinderOptions, Prior, TileFinder, scan_bytes};
use virtual_file::{Make, VirtualFile};

/// A file, and another date of the same place for the prior.
struct Shape {
    name: &'static str,
    side: u16,
    data: Vec<u32>,
    other: Vec<u32>,
}

fn main() {
    println!("file             prior  data   reads: mean, most     kB");
    for shape in shapes() {
        let make = Make { side: shape.side.into(), plt: true };
        let file = VirtualFile::new(make, &shape.data);
        let other = VirtualFile::new(make, &shape.other);
        let prior = Prior::from_lengths(other.places.iter().map(|place| place.1));
        for (label, prior) in [("no", None), ("yes", Some(&prior))] {
            for data in [false, true] {
                let options = FinderOptions { data, ..FinderOptions::default() };
                let (mean, most, kilobytes) = windows(&file, shape.side, prior, options);
                let name = shape.name;
                println!("{name:16} {label:6} {data:5} {mean:10.2} {most:7} {kilobytes:8.0}");
            }
        }
    }
}

/// Mean and most reads over all windows, and the mean of the kilobytes read.
fn windows(
    file: &VirtualFile,
    side: u16,
    prior: Option<&Prior>,
    options: FinderOptions,
) -> (f64, u32, f64) {
    let (mut sum, mut most, mut bytes, mut count) = (0, 0, 0, 0);
    for first in (0..side - 1).flat_map(|y| (0..side - 1).map(move |x| y * side + x)) {
        let wanted = [first, first + 1, first + side, first + side + 1];
        let mut finder = TileFinder::new(file.size, wanted, options);
        if let Some(prior) = prior {
            finder = finder.with_prior(prior.clone());
        }
        while let Some(range) = finder.wants() {
            bytes += range.end - range.start;
            finder.feed(range.start, &file.read(range)).unwrap();
        }
        let found = finder.finish().unwrap();
        assert_eq!(found.not_sequential, None);
        (sum, most, count) = (sum + found.reads, most.max(found.reads), count + 1);
    }
    (f64::from(sum) / f64::from(count), most, bytes as f64 / 1e3 / f64::from(count))
}

fn shapes() -> Vec<Shape> {
    let mut random = Random(7);
    let mut shapes = Vec::new();
    let mut push = |name, side, mut tile: Box<dyn FnMut(u32) -> u32>| {
        let mut file = || (0..u32::from(side).pow(2)).map(&mut tile).collect::<Vec<_>>();
        let (data, other) = (file(), file());
        shapes.push(Shape { name, side, data, other });
    };
    let mut own = Random(random.below(1 << 20).into());
    push("10 m, even", 11, Box::new(move |_| 800_000 + own.below(200_000)));
    let mut own = Random(random.below(1 << 20).into());
    push("10 m, uneven", 11, Box::new(move |_| 200_000 + own.below(1_000_000)));
    let mut own = Random(random.below(1 << 20).into());
    push("20 m, even", 9, Box::new(move |_| 330_000 + own.below(100_000)));
    let mut own = Random(random.below(1 << 20).into());
    let swath =
        move |tile| if tile % 11 + tile / 22 < 6 { 60 } else { 500_000 + own.below(500_000) };
    push("10 m, swath edge", 11, Box::new(swath));
    // the same in every file: what is large stays large
    push("few of 1 MB", 11, Box::new(|tile| if tile * 7 % 20 == 3 { 1_000_000 } else { 150 }));
    if let Some(root) = common::realdata() {
        let folder = "jp2/L2A_N0400_S2A_20221005_T29UNU/R60m/T29UNU_20221005T115411_";
        let lengths = |band: &str| {
            let file = common::read(&root, &format!("{folder}{band}_60m.jp2"));
            let parts = scan_bytes(&file).unwrap().tile_parts;
            parts.iter().map(|part| part.length * 32).collect::<Vec<_>>()
        };
        // as large as 10 m bands; the prior is another band
        let (data, other) = (lengths("B07"), lengths("B03"));
        shapes.push(Shape { name: "real, x 32", side: 10, data, other });
    }
    shapes
}
