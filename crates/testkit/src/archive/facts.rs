//! What the metadata of a product say, in SAFE and in STAC alike.

use cubeflight_sentinel2::SpectralBand;

use super::orbit::{centre, sun, view};
use super::product::PlannedProduct;
use super::scene::CLASSES;

/// Numbers about one product.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) sun_azimuth: f64,
    pub(super) sun_elevation: f64,
    /// Zenith and azimuth of the satellite by band, in the order of the instrument.
    pub(super) views: Vec<(f64, f64)>,
    /// Percent of the classes of the scene classification: of no data of all pixels, of the others
    /// of the pixels with data.
    pub(super) percent: [f64; CLASSES],
    /// Percent of the pixels with data.
    pub(super) cloud_cover: f64,
    /// Percent of the land.
    pub(super) cloud_over_land: f64,
}

impl Facts {
    /// `counts`: pixels of each class in the area of interest.
    pub(super) fn new(product: &PlannedProduct, counts: &[u64; CLASSES]) -> Self {
        let place = centre(product.id.tile());
        let (sun_azimuth, sun_elevation) = sun(place, product.datatake.sensing);
        let (zenith, azimuth) = view(product.datatake.off_track);
        // the bands look through slits one behind the other
        let views = (0..SpectralBand::ALL.len())
            .map(|band| {
                let slit = band as f64 - 6.0;
                (zenith + 0.012 * slit.abs(), azimuth + 0.11 * slit)
            })
            .collect();
        let all: u64 = counts.iter().sum();
        let [none, .., water, _, medium, high, thin, _] = counts;
        let valid = all - none;
        let share = |count: u64, of: u64| if of == 0 { 0.0 } else { rounded(count, of) };
        let mut percent = counts.map(|count| share(count, valid));
        percent[0] = share(*none, all);
        let cloud = medium + high + thin;
        Self {
            sun_azimuth,
            sun_elevation,
            views,
            percent,
            cloud_cover: share(cloud, valid),
            cloud_over_land: share(cloud, valid - water),
        }
    }

    /// Means over the bands as readers compute them: azimuth and zenith of the satellite.
    pub(super) fn mean_view(&self) -> (f64, f64) {
        let count = self.views.len().max(1) as f64;
        let zenith = self.views.iter().map(|view| view.0).sum::<f64>() / count;
        let (mut x, mut y) = (0.0, 0.0);
        for angle in self.views.iter().map(|view| view.1.to_radians()) {
            x += angle.cos();
            y += angle.sin();
        }
        (y.atan2(x).to_degrees().rem_euclid(360.0), zenith)
    }
}

/// Percent with six digits, as metadata have them.
fn rounded(count: u64, of: u64) -> f64 {
    (count as f64 / of as f64 * 1e8).round().min(1e8) / 1e6
}
