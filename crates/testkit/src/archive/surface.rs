//! What the sensor would see of the ground without an atmosphere: reflectance of a row in a band.

use cubeflight_sentinel2::SpectralBand;

use super::ground::{Cell, Cover};
use super::noise::smoothstep;
use super::season::{FieldState, Season};
use super::spectra;

/// The sun of a datatake over a tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sun {
    /// Towards the sun: east, north, up.
    direction: [f32; 3],
}

/// Light from the sky, as a share of what comes from an overhead sun.
const DIFFUSE: f32 = 0.5;

impl Sun {
    /// Degrees.
    pub(super) fn new(azimuth: f64, elevation: f64) -> Self {
        let (sin, cos) = elevation.max(5.0).to_radians().sin_cos();
        let (east, north) = azimuth.to_radians().sin_cos();
        Self { direction: [east * cos, north * cos, sin].map(|part| part as f32) }
    }

    /// Light on a slope, relative to level ground: what is left after the topographic correction
    /// of the product, which overdoes it nowhere and does too little on slopes that turn away.
    fn light(&self, slope: [i16; 2]) -> f32 {
        let [dx, dy] = slope.map(|rise| f32::from(rise) / 4_096.0);
        let [east, north, up] = self.direction;
        let cosine = (up - dx * east - dy * north) / (1.0 + dx * dx + dy * dy).sqrt();
        ((cosine.max(0.0) + DIFFUSE) / (up + DIFFUSE)).min(1.9)
    }
}

/// One band of the surface on one date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    pub(super) season: Season,
    pub(super) sun: Sun,
}

impl Surface {
    /// Reflectance of a row of places.
    pub(super) fn row(&self, cells: &[Cell], band: SpectralBand) -> Vec<f32> {
        let of = |spectrum: spectra::Spectrum| spectrum.at(band);
        let [crop, straw, soil, flower] =
            [spectra::CROP, spectra::STRAW, spectra::SOIL, spectra::FLOWER].map(of);
        let [grass, conifer, leaves, autumn, twigs] =
            [spectra::GRASS, spectra::CONIFER, spectra::LEAVES, spectra::AUTUMN, spectra::TWIGS]
                .map(of);
        let [rock, roof, asphalt, water, snow] =
            [spectra::ROCK, spectra::ROOF, spectra::ASPHALT, spectra::WATER, spectra::SNOW].map(of);
        let field = |state: FieldState| {
            state.crop * crop
                + state.straw * straw
                + state.soil * soil * state.tone
                + state.flower * flower
        };
        let mut last_field = None;
        let mut field_value = 0.0;
        cells
            .iter()
            .map(|cell| {
                let elevation = f32::from(cell.elevation);
                let texture = f32::from(cell.texture) / 127.0;
                let meadow =
                    |green: f32| green * grass + (1.0 - green) * (0.65 * straw + 0.35 * soil);
                let value = match cell.cover {
                    Cover::Water => return water * (1.0 + 0.1 * texture),
                    Cover::Field => {
                        if last_field != Some(cell.field) {
                            last_field = Some(cell.field);
                            field_value = field(self.season.field(cell.field));
                        }
                        let edge = f32::from(cell.edge) / 255.0 * 0.75;
                        let track = 0.55 * meadow(self.season.grass(elevation)) + 0.45 * soil;
                        (field_value + (track - field_value) * edge) * (1.0 + 0.08 * texture)
                    }
                    Cover::Conifer => conifer * (1.0 + 0.32 * texture),
                    Cover::Broadleaf => {
                        let (green, coloured) = self.season.leaves(elevation, texture);
                        let bare = (1.0 - green - coloured).max(0.0);
                        (green * leaves + coloured * autumn + bare * twigs) * (1.0 + 0.24 * texture)
                    }
                    Cover::Meadow | Cover::Alpine => {
                        let patch = if cell.cover == Cover::Alpine { 0.3 * texture } else { 0.0 };
                        let green = (self.season.grass(elevation) + patch).clamp(0.0, 1.0);
                        meadow(green) * (1.0 + 0.12 * texture)
                    }
                    Cover::Rock => rock * (1.0 + 0.3 * texture),
                    Cover::Garden => {
                        let green = self.season.grass(elevation);
                        (0.7 * meadow(green) + 0.3 * asphalt) * (1.0 + 0.25 * texture)
                    }
                    Cover::Roof => roof * (1.0 + 0.45 * texture),
                    Cover::Street => asphalt * (1.0 + 0.12 * texture),
                };
                let light = self.sun.light(cell.slope);
                let lying = self.snow(cell);
                (value + (snow * (1.0 + 0.05 * texture) - value) * lying) * light
            })
            .collect()
    }

    /// Share of a place that is under snow.
    pub(super) fn snow(&self, cell: &Cell) -> f32 {
        // on the far side of the sun it stays longer
        let [_, dy] = cell.slope.map(|rise| f32::from(rise) / 4_096.0);
        let shade = dy * self.sun.direction[1].signum() * 260.0;
        let height = f32::from(cell.elevation) + shade + f32::from(cell.texture) * 0.9;
        let lying = smoothstep(-160.0, 200.0, height - self.season.snow_line);
        lying
            * match cell.cover {
                Cover::Water => 0.0,
                Cover::Conifer => 0.3,
                Cover::Broadleaf => 0.55,
                Cover::Street | Cover::Roof => 0.6,
                _ => 0.97,
            }
    }
}
