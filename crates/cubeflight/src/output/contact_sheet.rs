//! All time steps of a cube side by side: near and short-wave infrared as a picture, with the date
//! and the cloud cover under each.

use std::io::Write;

use chrono::DateTime;

use crate::commands::pull::cube::{Column, Cube};
use crate::error::CliError;
use crate::output::picture::{samples, write_rgb};

/// Width of one step, pixels.
const CELL: usize = 300;
/// Space between steps and under each for its text, pixels.
const GAP: usize = 8;
const TEXT: usize = 24;
/// Share of the clear pixels that are darker than black and brighter than white.
const CLIPPED: f64 = 0.01;
/// Scene classes that are clouds, their shadows, snow, or nothing: too bright or dark to stretch by.
const NOT_CLEAR: [u8; 7] = [0, 1, 3, 8, 9, 10, 11];
const CLOUDS: [u8; 3] = [8, 9, 10];

/// Draws a cube of B08, B11 and SCL: short-wave infrared as red and blue, near infrared as green.
/// Vegetation is green, bare soil magenta, water black, snow bright green, clouds white.
pub(crate) fn write(file: impl Write, cube: &Cube) -> Result<(), CliError> {
    let band = |name: &str| {
        let found = cube.columns.iter().find(|column| column.path.ends_with(name));
        found.ok_or_else(|| {
            CliError::coded("CF-CLI-006", &format!("the contact sheet needs {name} in the cube"))
        })
    };
    let (nir, swir, scl) = (band("/b08")?, band("/b11")?, band("/scl")?);
    let steps = cube.steps.len();
    let across = (1..=steps).find(|n| n * n * 3 >= steps * 4).unwrap_or(1).max(1);
    let height = CELL * nir.height / nir.width.max(1);
    let sheet_width = across * (CELL + GAP) + GAP;
    let sheet_height = steps.div_ceil(across) * (height + TEXT + GAP) + GAP;
    let mut sheet = Sheet { width: sheet_width, rgb: vec![24; sheet_width * sheet_height * 3] };

    let ranges = [range(cube, swir, scl), range(cube, nir, scl)];
    for step in 0..steps {
        let (left, top) =
            (GAP + step % across * (CELL + GAP), GAP + step / across * (height + TEXT + GAP));
        let [swir, nir] = [(swir, ranges[0]), (nir, ranges[1])]
            .map(|(column, range)| shrink(&samples(column, step), column, CELL, height, range));
        for (i, (swir, nir)) in swir.iter().zip(&nir).enumerate() {
            sheet.put(left + i % CELL, top + i / CELL, [*swir, *nir, *swir]);
        }
        let label = label(cube, scl, step);
        sheet.text(left, top + height + 6, &label);
    }
    write_rgb(file, sheet_width, sheet_height, &sheet.rgb)
}

/// `2021-06-12  34%`: date, and how much of the window clouds cover.
fn label(cube: &Cube, scl: &Column, step: usize) -> String {
    let time = cube.steps.get(step).and_then(|step| DateTime::from_timestamp_micros(step.time));
    let date = time.unwrap_or_default().format("%Y-%m-%d");
    let classes = classes(scl, step);
    let clouds = classes.iter().filter(|class| CLOUDS.contains(class)).count();
    let percent = 100 * clouds / classes.len().max(1);
    format!("{date}  {percent}%")
}

fn classes(scl: &Column, step: usize) -> &[u8] {
    let bytes = scl.step_bytes();
    scl.pixels.get(step * bytes..(step + 1) * bytes).unwrap_or_default()
}

/// Darkest and brightest value of the pixels that SCL calls clear, over all steps.
fn range(cube: &Cube, column: &Column, scl: &Column) -> (f32, f32) {
    let mut clear = Vec::new();
    for step in 0..cube.steps.len() {
        let classes = classes(scl, step);
        let pixels = samples(column, step);
        // Every seventh pixel is enough, and seven shares no factor with the sizes of the grids.
        for i in (0..pixels.len()).step_by(7) {
            let (x, y) = (i % column.width, i / column.width);
            let at = y * scl.height / column.height * scl.width + x * scl.width / column.width;
            if classes.get(at).is_some_and(|class| !NOT_CLEAR.contains(class)) {
                clear.extend(pixels.get(i).copied());
            }
        }
    }
    clear.sort_by(f32::total_cmp);
    let at = |share: f64| {
        let position = (share * clear.len().saturating_sub(1) as f64) as usize;
        clear.get(position).copied().unwrap_or_default()
    };
    (at(CLIPPED), at(1.0 - CLIPPED))
}

/// Mean of the pixels under each pixel of the sheet, stretched to a byte.
fn shrink(
    samples: &[f32],
    column: &Column,
    width: usize,
    height: usize,
    (low, high): (f32, f32),
) -> Vec<u8> {
    let scale = 255.0 / (high - low).max(1.0);
    let mut out = Vec::with_capacity(width * height);
    for y in 0..height {
        let rows = span(y, height, column.height);
        for x in 0..width {
            let columns = span(x, width, column.width);
            let mut sum = 0.0;
            for row in rows.clone() {
                let line = row * column.width;
                let part = samples.get(line + columns.start..line + columns.end);
                sum += part.unwrap_or_default().iter().sum::<f32>();
            }
            let mean = sum / (rows.len() * columns.len()) as f32;
            // Saturates at both ends.
            out.push(((mean - low) * scale) as u8);
        }
    }
    out
}

fn span(i: usize, of: usize, source: usize) -> std::ops::Range<usize> {
    let start = i * source / of;
    start..((i + 1) * source / of).clamp(start + 1, source.max(start + 1))
}

struct Sheet {
    width: usize,
    rgb: Vec<u8>,
}

impl Sheet {
    fn put(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        let start = (y * self.width + x) * 3;
        if let Some(pixel) = self.rgb.get_mut(start..start + 3) {
            pixel.copy_from_slice(&colour);
        }
    }

    /// Writes digits, `-` and `%` at twice their size.
    fn text(&mut self, left: usize, top: usize, text: &str) {
        for (position, character) in text.chars().enumerate() {
            for (y, row) in glyph(character).into_iter().enumerate() {
                for x in 0..5 {
                    if row >> (4 - x) & 1 == 1 {
                        for (dx, dy) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                            let at = (left + position * 12 + x * 2 + dx, top + y * 2 + dy);
                            self.put(at.0, at.1, [230; 3]);
                        }
                    }
                }
            }
        }
    }
}

/// Seven rows of five dots.
fn glyph(character: char) -> [u8; 7] {
    match character {
        '0' => [0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e],
        '1' => [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e],
        '2' => [0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f],
        '3' => [0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e],
        '4' => [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02],
        '5' => [0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e],
        '6' => [0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e],
        '7' => [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
        '8' => [0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e],
        '9' => [0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c],
        '-' => [0x00, 0x00, 0x00, 0x1f, 0x00, 0x00, 0x00],
        '%' => [0x18, 0x19, 0x02, 0x04, 0x08, 0x13, 0x03],
        _ => [0; 7],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_the_source_once() {
        for (of, source) in [(300, 1063), (300, 300), (7, 100)] {
            let mut next = 0;
            for i in 0..of {
                let span = span(i, of, source);
                assert_eq!(span.start, next);
                next = span.end;
            }
            assert_eq!(next, source);
        }
    }
}
