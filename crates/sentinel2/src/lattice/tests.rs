use proptest::prelude::*;

use super::{Lattice, MAX_REDUCE, centres_within, reduce_level};
use crate::{Align, Bounds, Grid, MgrsTile, Resolution, Window};

const LEFT: f64 = 399_960.0;
const TOP: f64 = 5_300_040.0;

fn grid(resolution: Resolution) -> Grid {
    "33TVN".parse::<MgrsTile>().unwrap().grid(resolution)
}

fn window(x: u32, y: u32, width: u32, height: u32) -> Window {
    Window { x, y, width, height }
}

#[test]
fn centres_of_any_lattice() {
    // Every fourth 10 m centre: 5, 45, 85, …
    assert_eq!(centres_within(5.0, 40.0, 10, 45.0, 125.0), 1..4);
    assert_eq!(centres_within(5.0, 40.0, 10, -1e308, 1e308), 0..10);
    assert!(centres_within(5.0, 40.0, 10, 46.0, 84.0).is_empty());
    assert!(centres_within(5.0, 40.0, 10, 1e308, -1e308).is_empty());
}

#[test]
fn levels() {
    assert_eq!((0..=4).map(|level| reduce_level(level).unwrap()).max(), Some(MAX_REDUCE));
    for level in [5, 255, 256, u32::MAX] {
        let error = reduce_level(level).unwrap_err();
        assert_eq!(error.code(), "CF-S2-021");
        assert!(error.to_string().contains(&format!("reduce is {level},")), "{error}");
    }
}

#[test]
fn whole_tiles() {
    let sides = |resolution| (0..=4).map(move |r| grid(resolution).reduced(r).width());
    assert_eq!(sides(Resolution::R10m).collect::<Vec<_>>(), [10980, 5490, 2745, 1373, 687]);
    assert_eq!(sides(Resolution::R20m).collect::<Vec<_>>(), [5490, 2745, 1373, 687, 344]);
    assert_eq!(sides(Resolution::R60m).collect::<Vec<_>>(), [1830, 915, 458, 229, 115]);
    let lattice = grid(Resolution::R10m).reduced(4);
    let everywhere = Bounds::new(-1e300, -1e300, 1e300, 1e300).unwrap();
    for align in [Align::Centre, Align::R20m, Align::R60m] {
        assert_eq!(lattice.window(&everywhere, align).unwrap(), lattice.full());
    }
}

#[test]
fn samples_lie_in_the_middle_of_their_pixels() {
    let lattice = grid(Resolution::R10m).reduced(4);
    assert_eq!((lattice.stride(), lattice.metres()), (16, 160));
    // The first sample is the first pixel of the grid; the edges of its pixel lie outside the tile.
    assert_eq!((lattice.x_centre(0), lattice.y_centre(0)), (LEFT + 5.0, TOP - 5.0));
    let expected = [160.0, 0.0, LEFT - 75.0, 0.0, -160.0, TOP + 75.0, 0.0, 0.0, 1.0];
    assert_eq!(lattice.transform(&lattice.full()), expected);
    let part = window(3, 5, 2, 1);
    let expected = [160.0, 0.0, LEFT + 405.0, 0.0, -160.0, TOP - 725.0, 0.0, 0.0, 1.0];
    assert_eq!(lattice.transform(&part), expected);
    let edges = lattice.window_bounds(&part);
    assert_eq!((edges.max_x, edges.min_y), (LEFT + 725.0, TOP - 885.0));
    assert_eq!(lattice.area(&part), window(48, 80, 17, 1));
    assert_eq!(lattice.area(&lattice.full()), window(0, 0, 10977, 10977));
}

#[test]
fn a_bound_on_a_centre_includes_it() {
    let lattice = grid(Resolution::R20m).reduced(3);
    let (x0, x1) = (lattice.x_centre(10), lattice.x_centre(20));
    let (y0, y1) = (lattice.y_centre(30), lattice.y_centre(25));
    let on = lattice.window(&Bounds::new(x0, y0, x1, y1).unwrap(), Align::Centre);
    assert_eq!(on.unwrap(), window(10, 25, 11, 6));
    let inner = Bounds::new(x0.next_up(), y0.next_up(), x1.next_down(), y1.next_down()).unwrap();
    assert_eq!(lattice.window(&inner, Align::Centre).unwrap(), window(11, 26, 9, 4));
    let between = Bounds::new(x0.next_up(), y0, x0 + 140.0, y1).unwrap();
    let error = lattice.window(&between, Align::Centre).unwrap_err();
    assert_eq!(error.code(), "CF-S2-007");
    assert!(error.to_string().contains("at 160 m"), "{error}");
    assert_eq!(lattice.window(&between, Align::R20m).unwrap(), window(10, 25, 1, 6));
}

#[test]
fn levels_beyond_reason_do_not_overflow() {
    let grid = grid(Resolution::R10m);
    for level in [31, 32, u8::MAX] {
        let lattice = grid.reduced(level);
        assert_eq!(lattice.full(), window(0, 0, 1, 1));
        assert_eq!(lattice.area(&window(7, u32::MAX, u32::MAX, 0)).height, 0);
        assert_eq!(lattice.window(&grid.bounds(), Align::R60m).unwrap(), lattice.full());
        assert!(lattice.transform(&lattice.full()).iter().all(|number| number.is_finite()));
    }
}

fn lattices() -> impl Strategy<Value = Lattice> {
    (prop::sample::select(&Resolution::ALL[..]), 0..=MAX_REDUCE)
        .prop_map(|(resolution, level)| grid(resolution).reduced(level))
}

/// Offsets from the tile's corner, often exactly where centres and edges lie, some outside the tile.
fn offset() -> impl Strategy<Value = f64> {
    prop_oneof![
        -1_000.0..111_000.0,
        (-100i32..22_000).prop_map(|n| f64::from(n) * 5.0),
        (-100i32..22_000).prop_map(|n| (f64::from(n) * 5.0).next_up()),
        (-100i32..22_000).prop_map(|n| (f64::from(n) * 5.0).next_down()),
    ]
}

fn span() -> impl Strategy<Value = (f64, f64)> {
    (offset(), prop_oneof![offset(), 0.0..3000.0]).prop_filter_map("empty", |(a, b)| {
        let b = if b < 3000.0 { a + b } else { b };
        (a != b).then(|| (a.min(b), a.max(b)))
    })
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (span(), span()).prop_filter_map("empty", |(x, y)| {
        Bounds::new(LEFT + x.0, TOP - y.1, LEFT + x.1, TOP - y.0).ok()
    })
}

/// What both windows hold; none where there is none.
fn both(a: Window, b: Option<Window>) -> Option<Window> {
    b.and_then(|b| a.intersection(&b))
}

proptest! {
    /// Every centre in the bounds and no other; centres written out as the rule says.
    #[test]
    fn window_is_brute_force(lattice in lattices(), bounds in bounds()) {
        let metres = f64::from(lattice.grid.resolution.metres());
        let at = |i: u32| (f64::from(i << lattice.level) + 0.5) * metres;
        let columns: Vec<u32> = (0..lattice.grid.width.div_ceil(1 << lattice.level))
            .filter(|&i| bounds.min_x <= LEFT + at(i) && LEFT + at(i) <= bounds.max_x)
            .collect();
        let rows: Vec<u32> = (0..lattice.grid.height.div_ceil(1 << lattice.level))
            .filter(|&i| bounds.min_y <= TOP - at(i) && TOP - at(i) <= bounds.max_y)
            .collect();
        match lattice.window(&bounds, Align::Centre) {
            Ok(window) => {
                prop_assert_eq!(columns, (window.x..window.right()).collect::<Vec<_>>());
                prop_assert_eq!(rows, (window.y..window.bottom()).collect::<Vec<_>>());
            }
            Err(_) => prop_assert!(columns.is_empty() || rows.is_empty()),
        }
    }

    /// Reducing what was cropped is cropping what was reduced.
    #[test]
    fn crops_and_reductions_commute(lattice in lattices(), bounds in bounds()) {
        let full = lattice.grid.window(&bounds, Align::Centre).ok();
        let samples = full.and_then(|full| lattice.samples_in(&full));
        prop_assert_eq!(lattice.window(&bounds, Align::Centre).ok(), samples);
    }

    /// From the first to the last sample lie those samples and no others.
    #[test]
    fn areas_hold_their_samples(
        lattice in lattices(), x in 0..600u32, y in 0..600u32, width in 1..600u32, height in 1..600u32,
    ) {
        let Some(part) = lattice.full().intersection(&window(x, y, width, height)) else {
            return Ok(());
        };
        let area = lattice.area(&part);
        prop_assert_eq!(lattice.samples_in(&area), Some(part));
        prop_assert_eq!(area.intersection(&lattice.grid.full()), Some(area));
        let (first, last) = (lattice.full_x(part.x), lattice.full_x(part.right() - 1));
        prop_assert_eq!((area.x, area.right() - 1), (first, last));
        let (first, last) = (lattice.full_y(part.y), lattice.full_y(part.bottom() - 1));
        prop_assert_eq!((area.y, area.bottom() - 1), (first, last));
        // one pixel less at any side loses samples
        let less = Window { x: area.x + 1, width: area.width - 1, ..area };
        prop_assert_ne!(lattice.samples_in(&less), Some(part));
        let less = Window { height: area.height - 1, ..area };
        prop_assert_ne!(lattice.samples_in(&less), Some(part));
    }

    /// Windows tile by tile give each sample once, whatever the tiles.
    #[test]
    fn areas_that_are_cut_share_no_sample(
        lattice in lattices(), x in 0..500u32, width in 1..500u32, cut in 0..500u32,
    ) {
        let area = window(x, x, width, width);
        let samples = lattice.samples_in(&area);
        let cut = x + cut % width;
        let west = Window { width: cut - x, ..area };
        let east = Window { x: cut, width: area.right() - cut, ..area };
        let columns = |part: Window| lattice.samples_in(&part).map_or(0, |samples| samples.width);
        if let Some(samples) = samples {
            prop_assert_eq!(columns(west) + columns(east), samples.width);
        }
    }

    /// Pixels of a transform have their samples in the middle.
    #[test]
    fn transforms_give_the_centres(lattice in lattices(), x in 0..100u32, y in 0..100u32) {
        let part = window(x, y, 7, 9);
        let [step, _, left, _, down, top, ..] = lattice.transform(&part);
        for i in 0..7 {
            prop_assert_eq!(left + (f64::from(i) + 0.5) * step, lattice.x_centre(x + i));
            prop_assert_eq!(top + (f64::from(i) + 0.5) * down, lattice.y_centre(y + i));
        }
        prop_assert_eq!(step, f64::from(lattice.metres()));
    }

    #[test]
    fn level_0_is_the_grid(bounds in bounds(), resolution in prop::sample::select(&Resolution::ALL[..])) {
        let grid = grid(resolution);
        let lattice = grid.reduced(0);
        prop_assert_eq!(lattice.full(), grid.full());
        if let Ok(window) = lattice.window(&bounds, Align::Centre) {
            prop_assert_eq!(lattice.area(&window), window);
            prop_assert_eq!(lattice.transform(&window), grid.transform(&window));
            prop_assert_eq!(lattice.window_bounds(&window), grid.window_bounds(&window));
        }
    }

    /// At every level the finer windows are whole multiples of the coarser ones, as far as the finer
    /// grid has samples.
    #[test]
    fn aligned_windows_nest(level in 0..=MAX_REDUCE, bounds in bounds()) {
        let lattice = |resolution| grid(resolution).reduced(level);
        let window = |resolution, align| lattice(resolution).window(&bounds, align).ok();
        let times = |coarse: Option<Window>, n: u32| coarse.map(|w| Window {
            x: w.x * n, y: w.y * n, width: w.width * n, height: w.height * n,
        });
        let (fine, middle) = (lattice(Resolution::R10m).full(), lattice(Resolution::R20m).full());
        let coarse = window(Resolution::R20m, Align::R20m);
        prop_assert_eq!(window(Resolution::R10m, Align::R20m), both(fine, times(coarse, 2)));
        let coarse = window(Resolution::R60m, Align::R60m);
        prop_assert_eq!(window(Resolution::R20m, Align::R60m), both(middle, times(coarse, 3)));
        prop_assert_eq!(window(Resolution::R10m, Align::R60m), both(fine, times(coarse, 6)));
        // only at the end of the tile they are shorter, by less than one coarse pixel
        let short = |n: u32, coarse: Option<Window>, fine: Option<Window>| {
            coarse.zip(fine).is_none_or(|(c, f)| c.right() * n - f.right() < n)
        };
        prop_assert!(short(6, coarse, window(Resolution::R10m, Align::R60m)));
    }

    /// Aligning never loses a sample and never adds as much as a step of its own.
    #[test]
    fn aligned_windows_cover(lattice in lattices(), bounds in bounds()) {
        let plain = lattice.window(&bounds, Align::Centre).ok();
        for (align, metres) in [(Align::R20m, 20.0), (Align::R60m, 60.0)] {
            let Ok(aligned) = lattice.window(&bounds, align) else {
                prop_assert_eq!(plain, None);
                continue;
            };
            if let Some(plain) = plain {
                prop_assert_eq!(aligned.intersection(&plain), Some(plain));
            }
            let reach = metres * f64::from(lattice.stride());
            prop_assert!(lattice.x_centre(aligned.x) > bounds.min_x - reach);
            prop_assert!(lattice.x_centre(aligned.right() - 1) < bounds.max_x + reach);
            prop_assert!(lattice.y_centre(aligned.y) < bounds.max_y + reach);
            prop_assert!(lattice.y_centre(aligned.bottom() - 1) > bounds.min_y - reach);
        }
    }
}

#[test]
fn points_are_pixels() {
    let ten = grid(Resolution::R10m);
    let point = |x: f64, y: f64| Bounds::with_points(x, y, x, y).unwrap();
    let at = |lattice: Lattice, x, y, align| {
        let found = lattice.window_or_point(&point(x, y), align).unwrap();
        (found.x, found.y, found.width, found.height)
    };
    let lattice = ten.reduced(0);
    // on a centre, inside, on the west and north edges, which belong to the pixel
    for (x, y) in [(15.0, 25.0), (11.0, 29.9), (10.0, 20.0), (19.999, 20.0)] {
        assert_eq!(at(lattice, LEFT + x, TOP - y, Align::Centre), (1, 2, 1, 1), "{x} {y}");
    }
    // the square of 20 m around it, also where it lies on its corner
    assert_eq!(at(lattice, LEFT + 15.0, TOP - 25.0, Align::R20m), (0, 2, 2, 2));
    assert_eq!(at(lattice, LEFT + 20.0, TOP - 40.0, Align::R20m), (2, 4, 2, 2));
    let coarse = grid(Resolution::R60m).reduced(0);
    assert_eq!(at(coarse, LEFT + 61.0, TOP - 20.0, Align::R20m), (1, 0, 1, 1));
    // reduced pixels have their samples in the middle
    let reduced = ten.reduced(2);
    assert_eq!(at(reduced, LEFT + 24.9, TOP - 25.0, Align::Centre), (0, 1, 1, 1));
    // the edges of the tile
    assert_eq!(at(lattice, LEFT, TOP, Align::Centre), (0, 0, 1, 1));
    let last = at(lattice, LEFT + 109_799.0, TOP - 109_799.0, Align::R60m);
    assert_eq!(last, (10_974, 10_974, 6, 6));
    for (x, y) in [(109_800.0, 5.0), (5.0, 109_800.0), (-0.1, 5.0)] {
        let outside = lattice.window_or_point(&point(LEFT + x, TOP - y), Align::R60m);
        assert_eq!(outside.unwrap_err().code(), "CF-S2-006");
    }
    assert_eq!(Bounds::with_points(1.0, 0.0, 0.0, 1.0).unwrap_err().code(), "CF-S2-022");
}

proptest! {
    /// Windows of a list are those of bounds, and where these hold no centre the pixel is taken that
    /// the middle lies in.
    #[test]
    fn windows_are_never_empty(
        x in 0.0..109_700.0, y in 0.0..109_700.0,
        width in prop_oneof![Just(0.0), 0.0..200.0], height in prop_oneof![Just(0.0), 0.0..200.0],
        resolution in prop::sample::select(Resolution::ALL.to_vec()), level in 0..=MAX_REDUCE,
        align in prop::sample::select(vec![Align::Centre, Align::R20m, Align::R60m]),
    ) {
        let lattice = grid(resolution).reduced(level);
        let (left, top) = (LEFT + x, TOP - y);
        let bounds = Bounds::with_points(left, top - height, left + width, top).unwrap();
        let found = lattice.window_or_point(&bounds, align).unwrap();
        prop_assert!(found.width > 0 && found.height > 0);
        prop_assert_eq!(found.intersection(&lattice.full()), Some(found));
        if width > 0.0 && height > 0.0 && let Ok(window) = lattice.window(&bounds, align) {
            prop_assert_eq!(found, window);
        }
        let edges = lattice.window_bounds(&found);
        let middle = (left + width / 2.0).min(lattice.window_bounds(&lattice.full()).max_x);
        if align == Align::Centre && found.width == 1 {
            prop_assert!(edges.min_x <= middle + 1e-6 && middle <= edges.max_x + 1e-6);
        }
    }
}
