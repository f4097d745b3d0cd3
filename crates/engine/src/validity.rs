//! Which pixels of a step are used, and from which of its parts.

use cubeflight_sentinel2::{Resolution, SclMask, Window};

use crate::dilate::dilate;

/// Metres of the grid on which validity is known.
const METRES: f64 = 20.0;
/// Parts that a step can have: one bit each.
pub(crate) const MAX_PARTS: usize = 16;

/// Validity of the pixels of a step on the 20 m grid.
///
/// A pixel of 10 m belongs to the 20 m pixel that it lies in. A pixel of 60 m has nine of them: its
/// part is the one with the most valid ones, and it is masked if any of them is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Validity {
    window: Window,
    /// One bit per part, absent where there is one part only.
    valid: Option<Vec<u16>>,
    /// Parts that there are.
    parts: usize,
    /// Reflectance that becomes fill; absent where nothing is masked.
    masked: Option<Vec<bool>>,
    /// The scene classification of the step, from the part that is used.
    scl: Option<Vec<u8>>,
    /// Pixels of the footprint that are valid and not masked, and how many pixels it has.
    counts: Option<(u64, u64)>,
}

/// Validity of the pixels of a step, window by window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepValidity {
    windows: Vec<Validity>,
}

impl StepValidity {
    /// One for all row-blocks, or one for each of them.
    pub(crate) fn new(windows: Vec<Validity>) -> Self {
        Self { windows }
    }

    /// What holds for a row-block.
    pub(crate) fn of_block(&self, block: u16) -> Option<&Validity> {
        match self.windows.as_slice() {
            [only] => Some(only),
            windows => windows.get(usize::from(block)),
        }
    }

    /// Share of the pixels of all footprints that are valid; `None` where it is not known. What
    /// several footprints hold counts for each.
    pub(crate) fn fraction(&self) -> Option<f64> {
        let mut sum = (0, 0);
        for window in &self.windows {
            let (valid, pixels) = window.counts?;
            sum = (sum.0 + valid, sum.1 + pixels);
        }
        (sum.1 > 0).then(|| sum.0 as f64 / sum.1 as f64)
    }
}

/// What validity is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartPixels {
    /// Whether each pixel of the window is valid.
    pub(crate) valid: Vec<bool>,
    /// Its scene classification, where that is known.
    pub(crate) scl: Option<Vec<u8>>,
}

impl Validity {
    /// Puts the parts of a step together, in order of precedence. A part that is `None` is not
    /// known, and none of its pixels is valid.
    pub(crate) fn new(
        window: Window,
        footprint: Window,
        parts: &[Option<PartPixels>],
        mask: Option<&SclMask>,
    ) -> Self {
        let pixels = usize::try_from(window.pixels()).unwrap_or(0);
        let mut valid = vec![0_u16; pixels];
        for (part, known) in parts.iter().take(MAX_PARTS).enumerate() {
            for (bits, is_valid) in valid.iter_mut().zip(known.iter().flat_map(|it| &it.valid)) {
                *bits |= u16::from(*is_valid) << part;
            }
        }
        let scl = merged_scl(&valid, parts);
        let masked = mask.zip(scl.as_ref()).map(|(mask, scl)| {
            let mut masked: Vec<bool> = scl.iter().map(|class| mask.masks(*class)).collect();
            dilate(&mut masked, window.width as usize, mask.dilation() / METRES);
            for (masked, class) in masked.iter_mut().zip(scl) {
                *masked |= *class == 0;
            }
            masked
        });
        let counts = counts(window, footprint, &valid, masked.as_deref());
        let known = parts.iter().any(Option::is_some);
        Self {
            window,
            valid: (parts.len() > 1).then_some(valid),
            parts: parts.len().min(MAX_PARTS),
            masked,
            scl,
            counts: known.then_some(counts).flatten(),
        }
    }

    /// Whether pixels must be told apart by their part.
    pub(crate) fn has_parts(&self) -> bool {
        self.valid.is_some()
    }

    /// Whether some reflectance becomes fill.
    pub(crate) fn masks(&self) -> bool {
        self.masked.is_some()
    }

    /// The part whose pixel is used; the first one where none is valid.
    pub(crate) fn part_at(&self, resolution: Resolution, x: u32, y: u32) -> usize {
        let Some(valid) = &self.valid else { return 0 };
        let bits = |x, y| self.index(x, y).and_then(|at| valid.get(at).copied()).unwrap_or(0);
        let first = |bits: u16| match bits {
            0 => 0,
            bits => bits.trailing_zeros() as usize,
        };
        match resolution {
            Resolution::R10m => first(bits(x / 2, y / 2)),
            Resolution::R20m => first(bits(x, y)),
            Resolution::R60m => {
                let mut counts = [0_u8; MAX_PARTS];
                for bits in nine(x, y).map(|(x, y)| bits(x, y)) {
                    for (part, count) in counts.iter_mut().enumerate().take(self.parts) {
                        *count += u8::from(bits & (1 << part) != 0);
                    }
                }
                // the first of those with the most
                let most = counts.iter().max().copied().unwrap_or(0);
                counts.iter().position(|count| *count == most).unwrap_or(0)
            }
        }
    }

    /// Whether a pixel of reflectance becomes fill.
    pub(crate) fn is_masked(&self, resolution: Resolution, x: u32, y: u32) -> bool {
        let Some(masked) = &self.masked else { return false };
        let at = |x, y| self.index(x, y).and_then(|at| masked.get(at).copied()).unwrap_or(false);
        match resolution {
            Resolution::R10m => at(x / 2, y / 2),
            Resolution::R20m => at(x, y),
            Resolution::R60m => nine(x, y).any(|(x, y)| at(x, y)),
        }
    }

    /// A row of the scene classification of the step, on the 20 m grid.
    pub(crate) fn scl_row(&self, y: u32, x: u32, width: u32) -> Option<&[u8]> {
        let start = self.index(x, y)?;
        self.scl.as_deref()?.get(start..start + width as usize)
    }

    fn index(&self, x: u32, y: u32) -> Option<usize> {
        let (x, y) = (x.checked_sub(self.window.x)?, y.checked_sub(self.window.y)?);
        let inside = x < self.window.width && y < self.window.height;
        inside.then(|| y as usize * self.window.width as usize + x as usize)
    }
}

/// The pixels of 20 m in a pixel of 60 m.
fn nine(x: u32, y: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..9).map(move |at| (x * 3 + at % 3, y * 3 + at / 3))
}

/// The class of each pixel in the part that is used; absent where a part has none.
fn merged_scl(valid: &[u16], parts: &[Option<PartPixels>]) -> Option<Vec<u8>> {
    let classes: Vec<Option<&[u8]>> =
        parts.iter().map(|part| part.as_ref().and_then(|part| part.scl.as_deref())).collect();
    let known = parts.iter().zip(&classes).filter(|(part, _)| part.is_some());
    if classes.iter().all(Option::is_none) || known.clone().any(|(_, scl)| scl.is_none()) {
        return None;
    }
    let class = |(at, bits): (usize, &u16)| {
        let part = if *bits == 0 { 0 } else { bits.trailing_zeros() as usize };
        classes.get(part).copied().flatten().and_then(|scl| scl.get(at).copied()).unwrap_or(0)
    };
    Some(valid.iter().enumerate().map(class).collect())
}

fn counts(
    window: Window,
    footprint: Window,
    valid: &[u16],
    masked: Option<&[bool]>,
) -> Option<(u64, u64)> {
    let inside = window.intersection(&footprint)?;
    let mut count = 0_u64;
    for y in inside.y..inside.bottom() {
        let start =
            (y - window.y) as usize * window.width as usize + (inside.x - window.x) as usize;
        let row = start..start + inside.width as usize;
        let valid = valid.get(row.clone()).unwrap_or_default();
        let masked = masked.and_then(|masked| masked.get(row));
        let is_masked = |at: usize| masked.and_then(|row| row.get(at).copied()).unwrap_or(false);
        let used = valid.iter().enumerate().filter(|(at, bits)| **bits != 0 && !is_masked(*at));
        count += used.count() as u64;
    }
    Some((count, inside.pixels()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Window = Window { x: 30, y: 60, width: 6, height: 3 };

    fn scl(classes: &[u8]) -> Option<PartPixels> {
        let valid = classes.iter().map(|class| *class != 0).collect();
        Some(PartPixels { valid, scl: Some(classes.to_vec()) })
    }

    fn mask(classes: &[u32], metres: f64) -> SclMask {
        SclMask::new(classes, metres).unwrap()
    }

    #[test]
    fn the_first_valid_part_is_used() {
        let west = scl(&[4, 4, 4, 0, 0, 0, 4, 4, 4, 0, 0, 0, 4, 4, 0, 0, 0, 0]);
        let east = scl(&[0, 0, 5, 5, 5, 0, 0, 0, 5, 5, 5, 0, 0, 0, 5, 5, 5, 0]);
        let validity = Validity::new(WINDOW, WINDOW, &[west, east], None);
        let row =
            |y| (30..36).map(|x| validity.part_at(Resolution::R20m, x, y)).collect::<Vec<_>>();
        // where neither is valid the first one is used
        assert_eq!(row(60), [0, 0, 0, 1, 1, 0]);
        assert_eq!(row(62), [0, 0, 1, 1, 1, 0]);
        assert_eq!(validity.scl_row(62, 30, 6), Some(&[4, 4, 5, 5, 5, 0][..]));
        assert_eq!(validity.part_at(Resolution::R10m, 67, 121), 1);
        // most of the nine pixels: eight of the first; then none of the first
        assert_eq!(validity.part_at(Resolution::R60m, 10, 20), 0);
        assert_eq!(validity.part_at(Resolution::R60m, 11, 20), 1);
        assert_eq!(validity.counts, Some((15, 18)));
    }

    #[test]
    fn masked_pixels_spread_and_are_not_valid() {
        let classes = [4, 4, 4, 4, 4, 0, 4, 4, 9, 4, 4, 0, 4, 4, 4, 4, 4, 0];
        let validity = Validity::new(WINDOW, WINDOW, &[scl(&classes)], Some(&mask(&[9], 20.0)));
        let row =
            |y| (30..36).map(|x| validity.is_masked(Resolution::R20m, x, y)).collect::<Vec<_>>();
        assert_eq!(row(60), [false, false, true, false, false, true]);
        assert_eq!(row(61), [false, true, true, true, false, true]);
        assert!(validity.is_masked(Resolution::R60m, 10, 20));
        assert!(!validity.is_masked(Resolution::R10m, 60, 120));
        assert!(validity.is_masked(Resolution::R10m, 65, 121));
        assert_eq!(validity.counts, Some((18 - 5 - 3, 18)));
        assert!(!validity.has_parts());
        // the windows of a list count together
        let clear = Validity::new(WINDOW, WINDOW, &[scl(&[4; 18])], Some(&mask(&[9], 20.0)));
        let both = StepValidity::new(vec![validity, clear.clone()]);
        assert_eq!(both.fraction(), Some((10.0 + 18.0) / 36.0));
        assert_eq!((both.of_block(1), both.of_block(2)), (Some(&clear), None));
        assert_eq!(StepValidity::new(vec![clear.clone()]).of_block(7), Some(&clear));
    }

    #[test]
    fn an_unknown_part_has_no_valid_pixel() {
        let known = scl(&[4; 18]);
        let validity = Validity::new(WINDOW, WINDOW, &[None, known], None);
        assert_eq!(validity.part_at(Resolution::R20m, 31, 61), 1);
        assert_eq!(validity.scl_row(60, 30, 2), Some(&[4, 4][..]));
        let nothing = Validity::new(WINDOW, WINDOW, &[None], Some(&mask(&[9], 0.0)));
        assert_eq!((nothing.counts, nothing.masks()), (None, false));
    }

    proptest! {
        /// Cropping a larger mask equals the smaller mask, where that looks as far as masks spread.
        #[test]
        fn the_mask_of_a_crop_is_the_crop_of_the_mask(
            classes in prop::collection::vec(prop_oneof![4 => Just(4_u8), 1 => Just(9), 1 => Just(0)], 900),
            x in 0_u32..20, y in 0_u32..20, width in 1_u32..10, height in 1_u32..10,
            radius in 0.0..100.0_f64,
        ) {
            let full = Window { x: 0, y: 0, width: 30, height: 30 };
            let mask = mask(&[9], radius);
            let whole = Validity::new(full, full, &[scl(&classes)], Some(&mask));
            let margin = (radius / 20.0).ceil() as u32;
            let footprint = Window { x, y, width, height };
            let (left, top) = (x.saturating_sub(margin), y.saturating_sub(margin));
            let window = Window {
                x: left,
                y: top,
                width: (x + width + margin).min(30) - left,
                height: (y + height + margin).min(30) - top,
            };
            let cut: Vec<u8> = (window.y..window.bottom())
                .flat_map(|row| (window.x..window.right()).map(move |column| (row * 30 + column) as usize))
                .map(|at| classes[at])
                .collect();
            let part = Validity::new(window, footprint, &[scl(&cut)], Some(&mask));
            for row in footprint.y..footprint.bottom() {
                for column in footprint.x..footprint.right() {
                    prop_assert_eq!(
                        part.is_masked(Resolution::R20m, column, row),
                        whole.is_masked(Resolution::R20m, column, row)
                    );
                }
            }
        }
    }
}
