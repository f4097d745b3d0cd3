//! The pixels of one product: landscape, season, sky and sensor together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cubeflight_sentinel2::{
    AssetId, Band, Grid, Level, MgrsTile, Resolution, SpectralBand, Window,
};
use rayon::prelude::*;

use super::ground::{Cell, Cover, Ground};
use super::noise::{Line, add, derive, hash, normal};
use super::orbit::{centre, day_of_year, sun};
use super::product::{PlannedProduct, TRACK};
use super::season::Season;
use super::sky::{Sky, SkyRow};
use super::surface::{Sun, Surface};

/// Places of the unchanging landscape that are kept for the next product, at most.
const KEPT: usize = 8 << 20;

/// The landscape of a tile, the same for all its products.
#[derive(Debug)]
pub struct Landscape {
    seed: u64,
    tile: MgrsTile,
    ground: Ground,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    blocks: HashMap<(Resolution, Window), Arc<Vec<Cell>>>,
    places: usize,
}

impl Landscape {
    /// The landscape that a seed gives to a tile. Tiles of one UTM zone join.
    #[must_use]
    pub fn new(seed: u64, tile: MgrsTile) -> Self {
        Self { seed, tile, ground: Ground::new(seed, tile.epsg()), kept: Mutex::default() }
    }

    /// Places of a window, row by row.
    fn cells(&self, grid: &Grid, window: Window) -> Arc<Vec<Cell>> {
        let key = (grid.resolution, window);
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cells) = lock().blocks.get(&key) {
            return Arc::clone(cells);
        }
        let width = window.width as usize;
        let cells: Vec<Cell> = (window.y..window.bottom())
            .into_par_iter()
            .flat_map_iter(|row| self.ground.row(line(grid, window.x, row), width))
            .collect();
        let cells = Arc::new(cells);
        let mut kept = lock();
        if kept.places + cells.len() <= KEPT {
            kept.places += cells.len();
            kept.blocks.insert(key, Arc::clone(&cells));
        }
        cells
    }
}

fn line(grid: &Grid, column: u32, row: u32) -> Line {
    let step = f64::from(grid.resolution.metres());
    Line { x: grid.x_centre(column), y: grid.y_centre(row), step }
}

/// Where a product has data: on one side of each of some lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Coverage {
    /// `[a, b, c]`: where `a * easting + b * northing >= c`.
    pub(super) sides: Vec<[f64; 3]>,
}

impl Coverage {
    fn covers(&self, x: f64, y: f64) -> bool {
        self.sides.iter().all(|[a, b, c]| a * x + b * y >= *c)
    }
}

/// What one product shows.
#[derive(Debug)]
pub struct Scene<'a> {
    landscape: &'a Landscape,
    seed: u64,
    surface: Surface,
    sky: Sky,
    coverage: Coverage,
    offset: i16,
    day: u32,
    level: Level,
}

/// Classes of the scene classification.
pub(super) const CLASSES: usize = 12;

impl<'a> Scene<'a> {
    /// What a product shows of a landscape. Products of one datatake show the same, each in its
    /// own radiometry and where it has data.
    #[must_use]
    pub fn new(landscape: &'a Landscape, product: &PlannedProduct) -> Self {
        let datatake = &product.datatake;
        let place = centre(landscape.tile);
        let (azimuth, elevation) = sun(place, datatake.sensing);
        let (year, day) = day_of_year(datatake.start);
        // all tiles of one pass have one sky
        let seed = derive(landscape.seed, derive(u64::from(datatake.absolute_orbit), 7));
        let season = Season::new(landscape.seed, year, day, place.latitude);
        Self {
            landscape,
            seed,
            surface: Surface { season, sun: Sun::new(azimuth, elevation) },
            sky: Sky::new(seed, azimuth, elevation),
            coverage: product.coverage.clone(),
            offset: product.offset,
            day,
            level: product.id().level(),
        }
    }

    /// Samples of a window of an asset, the component planes one after the other. Components of
    /// quality masks are given one by one, as in the file.
    #[must_use]
    pub fn samples(&self, asset: AssetId, window: Window) -> Vec<u16> {
        let grid = self.landscape.tile.grid(asset.resolution);
        let components = usize::from(asset.coding().components);
        let width = window.width as usize;
        let plane = width * window.height as usize;
        let mut samples = vec![0_u16; plane * components];
        if plane == 0 || matches!(asset.band, Band::Qualit(_)) {
            return samples;
        }
        let cells = self.landscape.cells(&grid, window);
        let rows: Vec<Vec<u16>> = cells
            .par_chunks(width)
            .zip(window.y..window.bottom())
            .map(|(cells, row)| {
                let line = line(&grid, window.x, row);
                let mut row = self.row(asset, cells, line);
                let covered = (0..width).map(|i| self.coverage.covers(line.x_at(i), line.y));
                for (i, covered) in covered.enumerate() {
                    if !covered {
                        row.iter_mut().skip(i).step_by(width).for_each(|value| *value = 0);
                    }
                }
                row
            })
            .collect();
        for (y, row) in rows.iter().enumerate() {
            for (component, values) in row.chunks(width).enumerate() {
                let start = component * plane + y * width;
                if let Some(target) = samples.get_mut(start..start + width) {
                    target.copy_from_slice(values);
                }
            }
        }
        samples
    }

    /// One row, component after component.
    fn row(&self, asset: AssetId, cells: &[Cell], line: Line) -> Vec<u16> {
        if let Some(band) = asset.band.spectral() {
            // rounded before the offset is added: products of all baselines then show the same
            let offset = f32::from(self.offset);
            let to_number = |value: f32| (value.round() - offset).clamp(1.0, 32_767.0) as u16;
            return self.reflectance(band, cells, line).into_iter().map(to_number).collect();
        }
        let sky = || self.sky.row(line, cells.len());
        match asset.band {
            Band::Tci => [SpectralBand::B04, SpectralBand::B03, SpectralBand::B02]
                .into_iter()
                .flat_map(|band| self.reflectance(band, cells, line))
                .map(|value| (value * 255.0 / 3_558.0).round().clamp(1.0, 255.0) as u16)
                .collect(),
            Band::Scl => self.classes(cells, line),
            Band::Aot => {
                let thick = 90.0 + self.sky.haze * 9_000.0;
                self.smooth(line, cells.len(), 70, 24_000.0, thick, thick * 0.25)
            }
            Band::Wvp => {
                let warm = ((self.day as f32 - 209.0) / 365.25 * std::f32::consts::TAU).cos();
                let mut row = self.smooth(line, cells.len(), 71, 17_000.0, 1_500.0, 320.0);
                for (value, cell) in row.iter_mut().zip(cells) {
                    let column = (-f32::from(cell.elevation) / 2_200.0).exp();
                    *value = (f32::from(*value) * column * (1.0 + 0.6 * warm)) as u16;
                }
                row
            }
            Band::Cld => {
                let sky = sky();
                let percent = |(cloud, cirrus): (&f32, &f32)| cloud.max(cirrus * 0.7) * 100.0;
                sky.cloud.iter().zip(&sky.cirrus).map(percent).map(|p| p.round() as u16).collect()
            }
            Band::Snw => cells
                .iter()
                .zip(sky().cloud)
                .map(|(cell, cloud)| (self.surface.snow(cell) * (1.0 - cloud) * 100.0) as u16)
                .collect(),
            Band::Detfoo(_) => (0..cells.len())
                .map(|i| {
                    // twelve detectors side by side across the swath, along the track
                    let across = line.x_at(i) - TRACK * line.y;
                    let strip = (across / 24_500.0).rem_euclid(12.0);
                    strip as u16 + 1
                })
                .collect(),
            Band::Classi => {
                let sky = sky();
                let flag = |value: f32, from: f32| u16::from(value > from);
                let opaque = sky.cloud.iter().map(|cloud| flag(*cloud, 0.6));
                let cirrus = sky.cirrus.iter().map(|cirrus| flag(*cirrus, 0.3));
                let snow = cells.iter().map(|cell| flag(self.surface.snow(cell), 0.5));
                opaque.chain(cirrus).chain(snow).collect()
            }
            _ => vec![0; cells.len()],
        }
    }

    fn smooth(
        &self,
        line: Line,
        width: usize,
        name: u64,
        wavelength: f64,
        mean: f32,
        amplitude: f32,
    ) -> Vec<u16> {
        let mut row = vec![mean; width];
        add(&mut row, line, derive(self.seed, name), wavelength, amplitude);
        add(&mut row, line, derive(self.seed, name + 100), wavelength / 5.0, amplitude * 0.15);
        row.into_iter().map(|value| value.round().clamp(1.0, 32_767.0) as u16).collect()
    }

    /// Reflectance times 10,000 as the sensor measures it, noise included.
    fn reflectance(&self, band: SpectralBand, cells: &[Cell], line: Line) -> Vec<f32> {
        let sky = self.sky.row(line, cells.len());
        let mut row = self.surface.row(cells, band);
        self.through(&mut row, &sky, band);
        if self.level == Level::L1C {
            top_of_atmosphere(&mut row, band, &sky);
        }
        let seed = derive(self.seed, 80 + band as u64);
        let y = (line.y / line.step).round() as i64;
        for (i, value) in row.iter_mut().enumerate() {
            let x = (line.x_at(i) / line.step).round() as i64;
            let signal = *value * 10_000.0;
            // of the detector, and of the light itself
            let deviation = (DETECTOR_NOISE + LIGHT_NOISE * signal.max(0.0)).sqrt();
            *value = signal + deviation * normal(hash(seed, x, y));
        }
        row
    }

    /// The ground through haze, shadow, cirrus and cloud.
    fn through(&self, row: &mut [f32], sky: &SkyRow, band: SpectralBand) {
        use SpectralBand::{B01, B02, B03, B04, B05, B09, B11, B12};
        let (haze, dark, thin) = match band {
            B01 | B02 => (1.0, 0.48, 0.40),
            B03 => (0.7, 0.54, 0.39),
            B04 | B05 => (0.45, 0.60, 0.38),
            B09 => (0.2, 0.66, 0.30),
            B11 | B12 => (0.05, 0.74, 0.22),
            _ => (0.25, 0.66, 0.37),
        };
        let bright = super::spectra::CLOUD.at(band);
        for (i, value) in row.iter_mut().enumerate() {
            let (cloud, cirrus) = (sky.cloud[i], sky.cirrus[i]);
            let lit = *value * (1.0 - dark * sky.shadow[i]) + haze * self.sky.haze;
            let veiled = lit + (thin - lit) * cirrus * 0.8;
            *value = veiled + (bright * sky.depth[i] - veiled) * cloud;
        }
    }

    /// The scene classification: what the other bands show, in classes.
    fn classes(&self, cells: &[Cell], line: Line) -> Vec<u16> {
        let sky = self.sky.row(line, cells.len());
        let red = self.surface.row(cells, SpectralBand::B04);
        let infrared = self.surface.row(cells, SpectralBand::B08);
        cells
            .iter()
            .enumerate()
            .map(|(i, cell)| {
                let texture = f32::from(cell.texture) / 127.0;
                let (cloud, cirrus) = (sky.cloud[i], sky.cirrus[i]);
                if cloud > 0.3 {
                    return if cloud > 0.72 { 9 } else { 8 };
                }
                if cirrus > 0.22 {
                    return 10;
                }
                if cloud > 0.08 {
                    return 7;
                }
                if sky.shadow[i] > 0.4 {
                    return 3;
                }
                if cell.cover == Cover::Water {
                    return 6;
                }
                if self.surface.snow(cell) > 0.5 {
                    return 11;
                }
                if infrared[i] < 0.075 {
                    return 2;
                }
                let index = (infrared[i] - red[i]) / (infrared[i] + red[i]).max(0.01);
                if index + 0.05 * texture > 0.42 { 4 } else { 5 }
            })
            .collect()
    }

    /// Pixels of each class of the scene classification in a window of the 20 m grid.
    pub(super) fn class_counts(&self, window: Window) -> [u64; CLASSES] {
        let scl = AssetId { band: Band::Scl, resolution: Resolution::R20m };
        let mut counts = [0; CLASSES];
        // in strips: the window may be the whole tile
        let strip = (1 << 20) / window.width.max(1);
        for y in (window.y..window.bottom()).step_by(strip.max(1) as usize) {
            let height = strip.clamp(1, window.bottom() - y);
            for class in self.samples(scl, Window { y, height, ..window }) {
                if let Some(count) = counts.get_mut(usize::from(class)) {
                    *count += 1;
                }
            }
        }
        counts
    }
}

/// What the air adds and takes. B10 sees cirrus and nothing below.
fn top_of_atmosphere(row: &mut [f32], band: SpectralBand, sky: &SkyRow) {
    use SpectralBand::{B01, B02, B03, B04, B05, B06, B09, B10, B11, B12};
    let (path, through) = match band {
        B01 => (0.105, 0.78),
        B02 => (0.075, 0.82),
        B03 => (0.042, 0.85),
        B04 => (0.026, 0.89),
        B05 | B06 => (0.020, 0.90),
        B09 => (0.004, 0.35),
        B10 => (0.001, 0.0),
        B11 | B12 => (0.002, 0.94),
        _ => (0.010, 0.93),
    };
    for (value, cirrus) in row.iter_mut().zip(&sky.cirrus) {
        let high = if band == B10 { cirrus * 0.09 } else { 0.0 };
        *value = path + *value * through + high;
    }
}

/// Variance of a pixel in the dark, squared units of reflectance times 10,000.
const DETECTOR_NOISE: f32 = 40.0;
/// What each unit of signal adds to it.
const LIGHT_NOISE: f32 = 0.06;
