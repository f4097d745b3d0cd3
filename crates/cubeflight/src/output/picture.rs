//! One time step as a picture: true colour where its bands are there, classes in their colours,
//! anything else as stretched grey.

use std::io::Write;

use crate::commands::pull::cube::{Column, Cube};
use crate::error::CliError;

/// Share of the pixels that are darker than black and brighter than white after stretching.
const CLIPPED: f64 = 0.02;

/// Colours of the scene classes 0 to 11 as ESA's quicklooks have them.
const SCENE_CLASSES: [[u8; 3]; 12] = [
    [0, 0, 0],
    [255, 0, 0],
    [47, 47, 47],
    [100, 50, 0],
    [0, 160, 0],
    [255, 230, 90],
    [0, 0, 255],
    [128, 128, 128],
    [192, 192, 192],
    [255, 255, 255],
    [100, 200, 255],
    [255, 150, 255],
];

pub(crate) fn write(file: impl Write, cube: &Cube, step: usize) -> Result<(), CliError> {
    if step >= cube.steps.len() {
        let text = format!("step {step} of a cube of {} time steps", cube.steps.len());
        return Err(CliError::coded("CF-CLI-003", &text));
    }
    let Some(first) = cube.columns.first() else {
        return Err(CliError::coded("CF-CLI-006", &"the cube has no bands"));
    };
    let (shown, rgb) = paint(cube, first, step);
    write_rgb(file, shown.width, shown.height, &rgb)
}

/// Writes an RGB image, 8 bit.
pub(crate) fn write_rgb(
    file: impl Write,
    width: usize,
    height: usize,
    rgb: &[u8],
) -> Result<(), CliError> {
    let encode = || {
        let size = |extent: usize| u32::try_from(extent).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(file, size(width), size(height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(rgb)?;
        writer.finish()
    };
    encode().map_err(|error| CliError::write("write the PNG", &error))
}

fn paint<'a>(cube: &'a Cube, first: &'a Column, step: usize) -> (&'a Column, Vec<u8>) {
    let named = |name: &str| cube.columns.iter().find(|column| column.path.ends_with(name));
    if let Some(tci) = cube.columns.iter().find(|column| column.planes == 3) {
        let start = step * tci.step_bytes();
        let planes = tci.pixels.get(start..start + tci.step_bytes()).unwrap_or_default();
        let mut planes = planes.chunks(tci.width * tci.height);
        let bands = [(); 3].map(|()| planes.next().unwrap_or_default().to_vec());
        return (tci, interleave(&bands));
    }
    if let (Some(red), Some(green), Some(blue)) = (named("/b04"), named("/b03"), named("/b02"))
        && (red.width, red.height) == (green.width, green.height)
        && (red.width, red.height) == (blue.width, blue.height)
    {
        let bands = [red, green, blue].map(|band| stretch(&samples(band, step)));
        return (red, interleave(&bands));
    }
    if first.path.ends_with("/scl") {
        let classes = samples(first, step);
        let colour = |class: &f32| SCENE_CLASSES.get(*class as usize).copied().unwrap_or_default();
        return (first, classes.iter().flat_map(colour).collect());
    }
    let grey = stretch(&samples(first, step));
    (first, grey.into_iter().flat_map(|value| [value; 3]).collect())
}

fn interleave(bands: &[Vec<u8>; 3]) -> Vec<u8> {
    let [red, green, blue] = bands;
    red.iter().zip(green).zip(blue).flat_map(|((r, g), b)| [*r, *g, *b]).collect()
}

/// The samples of one step as numbers.
pub(crate) fn samples(column: &Column, step: usize) -> Vec<f32> {
    let bytes = column.step_bytes();
    let pixels = column.pixels.get(step * bytes..(step + 1) * bytes).unwrap_or_default();
    match column.element_bytes {
        1 => pixels.iter().map(|value| f32::from(*value)).collect(),
        2 => pixels.as_chunks().0.iter().map(|b| f32::from(u16::from_le_bytes(*b))).collect(),
        _ => pixels.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
    }
}

/// Linear between the percentiles of the pixels that hold data; nodata is black.
fn stretch(samples: &[f32]) -> Vec<u8> {
    let mut sorted: Vec<f32> = samples.iter().copied().filter(|v| *v > 0.0).collect();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f64| {
        let position = (share * sorted.len().saturating_sub(1) as f64) as usize;
        sorted.get(position).copied().unwrap_or_default()
    };
    let (low, high) = (at(CLIPPED), at(1.0 - CLIPPED));
    let scale = 255.0 / (high - low).max(f32::MIN_POSITIVE);
    // Conversion to u8 saturates, and takes NaN to 0.
    samples.iter().map(|v| if *v > 0.0 { ((v - low) * scale) as u8 } else { 0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretching_keeps_order_and_nodata() {
        let samples: Vec<f32> = (0..1000).map(|v| v as f32).chain([f32::NAN]).collect();
        let grey = stretch(&samples);
        assert!(grey[..1000].is_sorted());
        assert_eq!((grey[0], grey[999], grey[1000]), (0, 255, 0));
    }

    #[test]
    fn a_constant_image_does_not_divide_by_nothing() {
        assert_eq!(stretch(&[7.0; 4]).len(), 4);
        assert_eq!(stretch(&[0.0; 4]), [0; 4]);
    }
}
