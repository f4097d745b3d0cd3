//! Reflectance of pure surfaces, typical of spectral libraries, rounded.

use cubeflight_sentinel2::SpectralBand;

/// Reflectance in B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spectrum([f32; 12]);

impl Spectrum {
    /// Reflectance in one band. B10 sees no ground and is in no product of level 2A.
    pub(super) fn at(&self, band: SpectralBand) -> f32 {
        let index = match band {
            SpectralBand::B01 => 0,
            SpectralBand::B02 => 1,
            SpectralBand::B03 => 2,
            SpectralBand::B04 => 3,
            SpectralBand::B05 => 4,
            SpectralBand::B06 => 5,
            SpectralBand::B07 => 6,
            SpectralBand::B08 => 7,
            SpectralBand::B8A => 8,
            SpectralBand::B09 => 9,
            SpectralBand::B10 | SpectralBand::B11 => 10,
            SpectralBand::B12 => 11,
        };
        self.0[index]
    }
}

pub(super) const CROP: Spectrum =
    Spectrum([0.020, 0.028, 0.062, 0.032, 0.090, 0.310, 0.410, 0.450, 0.470, 0.480, 0.215, 0.105]);
pub(super) const STRAW: Spectrum =
    Spectrum([0.075, 0.095, 0.135, 0.175, 0.205, 0.235, 0.255, 0.285, 0.305, 0.315, 0.360, 0.270]);
pub(super) const SOIL: Spectrum =
    Spectrum([0.055, 0.072, 0.098, 0.132, 0.150, 0.168, 0.184, 0.208, 0.224, 0.235, 0.300, 0.265]);
pub(super) const FLOWER: Spectrum =
    Spectrum([0.035, 0.045, 0.135, 0.115, 0.160, 0.300, 0.360, 0.400, 0.420, 0.430, 0.240, 0.130]);
pub(super) const GRASS: Spectrum =
    Spectrum([0.025, 0.034, 0.070, 0.045, 0.105, 0.270, 0.340, 0.375, 0.395, 0.400, 0.220, 0.115]);
pub(super) const CONIFER: Spectrum =
    Spectrum([0.014, 0.018, 0.031, 0.020, 0.045, 0.140, 0.180, 0.205, 0.220, 0.225, 0.095, 0.042]);
pub(super) const LEAVES: Spectrum =
    Spectrum([0.017, 0.023, 0.047, 0.025, 0.070, 0.270, 0.360, 0.400, 0.420, 0.430, 0.185, 0.080]);
pub(super) const AUTUMN: Spectrum =
    Spectrum([0.028, 0.036, 0.065, 0.090, 0.130, 0.215, 0.255, 0.290, 0.310, 0.320, 0.225, 0.130]);
pub(super) const TWIGS: Spectrum =
    Spectrum([0.036, 0.044, 0.060, 0.072, 0.095, 0.130, 0.155, 0.185, 0.205, 0.215, 0.190, 0.120]);
pub(super) const ROCK: Spectrum =
    Spectrum([0.110, 0.130, 0.158, 0.180, 0.190, 0.200, 0.208, 0.218, 0.225, 0.230, 0.260, 0.230]);
pub(super) const ROOF: Spectrum =
    Spectrum([0.085, 0.098, 0.125, 0.180, 0.200, 0.215, 0.225, 0.245, 0.255, 0.260, 0.280, 0.250]);
pub(super) const ASPHALT: Spectrum =
    Spectrum([0.085, 0.098, 0.115, 0.125, 0.130, 0.140, 0.145, 0.155, 0.160, 0.165, 0.175, 0.160]);
pub(super) const WATER: Spectrum =
    Spectrum([0.038, 0.040, 0.042, 0.024, 0.019, 0.014, 0.012, 0.010, 0.009, 0.008, 0.005, 0.004]);
pub(super) const SNOW: Spectrum =
    Spectrum([0.850, 0.860, 0.860, 0.850, 0.840, 0.820, 0.800, 0.780, 0.760, 0.730, 0.100, 0.080]);
pub(super) const CLOUD: Spectrum =
    Spectrum([0.640, 0.620, 0.610, 0.620, 0.630, 0.640, 0.650, 0.660, 0.660, 0.600, 0.470, 0.370]);
