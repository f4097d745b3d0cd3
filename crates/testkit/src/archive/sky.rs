//! Clouds over the landscape and the shadows that they throw.

use super::noise::{Line, add, add_octaves, derive, smoothstep, unit};

/// The sky of one datatake.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sky {
    seed: u64,
    /// Noise above which there is cloud; smaller is more cloud.
    threshold: f32,
    /// How soft the edges of clouds are.
    softness: f32,
    /// Size of clouds, metres.
    size: f64,
    /// From a place to the cloud that shades it, metres east and north.
    towards_sun: (f64, f64),
    /// How much thin high cloud there is, 0 to 1.
    cirrus: f32,
    /// Reflectance of haze in the blue.
    pub(super) haze: f32,
}

/// What the sky does to a row of places, each 0 to 1.
#[derive(Debug, Clone)]
pub(super) struct SkyRow {
    pub(super) cloud: Vec<f32>,
    pub(super) cirrus: Vec<f32>,
    pub(super) shadow: Vec<f32>,
    /// Brightness of the cloud, about 1.
    pub(super) depth: Vec<f32>,
}

impl Sky {
    /// `seed`: of the datatake. Angles in degrees.
    pub(super) fn new(seed: u64, sun_azimuth: f64, sun_elevation: f64) -> Self {
        let weather = derive(seed, 50);
        let kind = unit(weather, 0);
        // two in five scenes are clear, one in seven is closed; the rest lies between
        let threshold = match unit(weather, 1) {
            share if share < 0.44 => 2.0,
            share if share < 0.70 => 0.45 + 0.35 * kind,
            share if share < 0.86 => 0.1 + 0.35 * kind,
            _ => -0.75 + 0.5 * kind,
        };
        let heaped = unit(weather, 2) < 0.55;
        let (size, softness, height) =
            if heaped { (3_800.0, 0.22, 1_500.0) } else { (11_000.0, 0.45, 2_600.0) };
        let height = height * (0.7 + 0.6 * f64::from(unit(weather, 3)));
        let reach = height / sun_elevation.clamp(8.0, 90.0).to_radians().tan();
        let (east, north) = sun_azimuth.to_radians().sin_cos();
        let high = derive(seed, 51);
        Self {
            seed: derive(seed, 52),
            threshold,
            softness,
            size,
            towards_sun: (reach * east, reach * north),
            cirrus: (unit(high, 0) * 1.6 - 1.0).max(0.0),
            haze: 0.004 + 0.014 * unit(high, 1) * unit(high, 2),
        }
    }

    /// Whether there may be clouds at all.
    fn is_clear(&self) -> bool {
        self.threshold > 1.5
    }

    /// How far the noise of the clouds is above its threshold.
    fn excess(&self, line: Line, width: usize) -> Vec<f32> {
        let mut row = vec![-self.threshold; width];
        add_octaves(&mut row, line, self.seed, self.size, 6, 0.55);
        row
    }

    fn cover(&self, line: Line, width: usize) -> Vec<f32> {
        if self.is_clear() {
            return vec![0.0; width];
        }
        let mut row = self.excess(line, width);
        for value in &mut row {
            *value = smoothstep(0.0, self.softness, *value);
        }
        row
    }

    /// The sky over a row of places.
    pub(super) fn row(&self, line: Line, width: usize) -> SkyRow {
        let mut cloud = vec![0.0; width];
        let mut depth = vec![1.0; width];
        if !self.is_clear() {
            cloud = self.excess(line, width);
            for (cloud, depth) in cloud.iter_mut().zip(&mut depth) {
                *depth = (0.6 + 0.42 * *cloud).min(1.3);
                *cloud = smoothstep(0.0, self.softness, *cloud);
            }
        }
        let (dx, dy) = self.towards_sun;
        let mut shadow = self.cover(line.shifted(dx, dy), width);
        for (shadow, cloud) in shadow.iter_mut().zip(&cloud) {
            *shadow *= 1.0 - cloud;
        }
        let mut cirrus = vec![0.0; width];
        if self.cirrus > 0.0 {
            // long streaks: the same noise on a grid that is drawn out to the east
            let drawn = Line { x: line.x * 0.25, y: line.y, step: line.step * 0.25 };
            add(&mut cirrus, drawn, derive(self.seed, 60), 9_000.0, 1.0);
            add(&mut cirrus, drawn, derive(self.seed, 61), 3_100.0, 0.4);
            add(&mut cirrus, drawn, derive(self.seed, 62), 900.0, 0.12);
            let from = 0.75 - self.cirrus;
            for value in &mut cirrus {
                *value = smoothstep(from, from + 0.8, *value) * 0.75;
            }
        }
        SkyRow { cloud, cirrus, shadow, depth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadows_lie_away_from_the_sun() {
        // Sun in the south-east: shadows fall to the north-west of clouds.
        let sky = (0..100)
            .map(|seed| Sky::new(seed, 135.0, 35.0))
            .find(|sky| (0.1..0.45).contains(&sky.threshold))
            .unwrap();
        let (dx, dy) = sky.towards_sun;
        assert!(dx > 500.0 && dy < -500.0);
        let line = Line { x: 450_000.0, y: 5_200_000.0, step: 10.0 };
        let clouds = sky.cover(line.shifted(dx, dy), 500);
        let here = sky.row(line, 500);
        for ((shadow, shading), cloud) in here.shadow.iter().zip(clouds).zip(&here.cloud) {
            assert!((shadow - shading * (1.0 - cloud)).abs() < 1e-6);
        }
    }

    #[test]
    fn weather_varies() {
        let clear = (0..300).filter(|seed| Sky::new(*seed, 160.0, 40.0).is_clear()).count();
        assert!((100..165).contains(&clear), "{clear}");
    }
}
