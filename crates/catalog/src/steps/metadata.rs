//! What is known of a whole time step.

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{Band, Baseline, Mission};

use super::TimeStep;
use crate::radiometry::reflectance_bands;
use crate::{Product, ProductMetadata};

impl TimeStep {
    /// What is known of the step without reading pixels.
    ///
    /// Numbers are means over the parts by the area that each adds: a part counts with what it has
    /// of the tile, at most with what the parts before it leave; with the same weight where that is
    /// not known of all. A mean of which something is unknown is unknown. Azimuths are means of
    /// directions, the sensing time is the earliest, offsets and quantification are those on which
    /// all parts agree, by the order of trust of [`Product::radiometric_offset`].
    pub fn metadata(&self) -> ProductMetadata {
        let weights = self.weights();
        let mean = |get: fn(&ProductMetadata) -> Option<f64>| {
            weighted(&weights, &self.values(get)).map(|(sum, total)| sum / total)
        };
        let direction = |get: fn(&ProductMetadata) -> Option<f64>| {
            let angles = self.values(get);
            let along = |part: fn(f64) -> f64| {
                let parts: Vec<_> =
                    angles.iter().map(|angle| angle.map(f64::to_radians).map(part)).collect();
                weighted(&weights, &parts)
            };
            let ((x, total), (y, _)) = (along(f64::cos)?, along(f64::sin)?);
            let length = x.hypot(y) / total;
            // opposite directions have no mean
            (length > 1e-6).then(|| y.atan2(x).to_degrees().rem_euclid(360.0))
        };
        let level = self.parts.first().map(|part| part.product.id.level());
        let offsets = level.into_iter().flat_map(reflectance_bands);
        ProductMetadata {
            cloud_cover: mean(|m| m.cloud_cover),
            snow_cover: mean(|m| m.snow_cover),
            no_data: self.no_data(),
            sun_azimuth: direction(|m| m.sun_azimuth),
            sun_elevation: mean(|m| m.sun_elevation),
            view_azimuth: direction(|m| m.view_azimuth),
            view_incidence: mean(|m| m.view_incidence),
            sensing_time: self.products().filter_map(|p| p.metadata.sensing_time).min(),
            radiometric_offset: offsets
                .filter_map(|band| Some((band, self.radiometric_offset(band)?)))
                .collect(),
            quantification: self.agreed(|product| product.metadata.quantification).flatten(),
            processed: self.latest_processing(),
        }
    }

    /// The satellite, where all parts are of one.
    pub fn platform(&self) -> Option<Mission> {
        self.agreed(|product| product.id.mission())
    }

    /// The relative orbit, where all parts are of one.
    pub fn relative_orbit(&self) -> Option<u16> {
        self.agreed(|product| product.id.relative_orbit())
    }

    /// The processing baseline, where all parts have one.
    pub fn baseline(&self) -> Option<Baseline> {
        self.agreed(|product| product.id.baseline())
    }

    /// What raw numbers of a band need added, where it is known and the same for all parts.
    pub fn radiometric_offset(&self, band: Band) -> Option<i16> {
        self.agreed(|product| product.radiometric_offset(band)).flatten()
    }

    fn products(&self) -> impl Iterator<Item = &Product> {
        self.parts.iter().map(|part| &part.product)
    }

    fn values(&self, get: fn(&ProductMetadata) -> Option<f64>) -> Vec<Option<f64>> {
        self.products().map(|product| get(&product.metadata)).collect()
    }

    pub(super) fn agreed<T: PartialEq>(&self, get: impl Fn(&Product) -> T) -> Option<T> {
        let mut all = self.products().map(get);
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }

    fn latest_processing(&self) -> Option<DateTime<Utc>> {
        self.products().filter_map(|product| product.metadata.processed).max()
    }

    /// Percent of the tile that no part is known to have; `None` where that is unknown of one.
    fn no_data(&self) -> Option<f64> {
        let known: Option<Vec<f64>> = self.values(|m| m.no_data).into_iter().collect();
        let added: f64 = added(&known?).iter().sum();
        Some(100.0 - added)
    }

    /// How much each part counts.
    fn weights(&self) -> Vec<f64> {
        let known: Option<Vec<f64>> = self.values(|m| m.no_data).into_iter().collect();
        known
            .map(|known| added(&known))
            .filter(|weights| weights.iter().any(|weight| *weight > 0.0))
            .unwrap_or_else(|| vec![1.0; self.parts.len()])
    }
}

/// Percent of the tile that each part adds, at most what those before it leave.
fn added(no_data: &[f64]) -> Vec<f64> {
    let mut left = 100.0_f64;
    no_data
        .iter()
        .map(|none| {
            let adds = (100.0 - none).clamp(0.0, left);
            left -= adds;
            adds
        })
        .collect()
}

/// Sum of the weighted values, and of the weights; `None` where a value that counts is unknown.
fn weighted(weights: &[f64], values: &[Option<f64>]) -> Option<(f64, f64)> {
    let mut sums = (0.0, 0.0);
    for (weight, value) in weights.iter().zip(values).filter(|(weight, _)| **weight > 0.0) {
        sums.0 += weight * (*value)?;
        sums.1 += weight;
    }
    (sums.1 > 0.0).then_some(sums)
}
