//! What the date makes of the landscape: growth and harvest of fields, leaves, snow line.

use super::noise::{derive, hash, mix, smoothstep, unit};

/// Shares of what a field shows, together 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FieldState {
    pub(super) crop: f32,
    pub(super) straw: f32,
    pub(super) soil: f32,
    pub(super) flower: f32,
    /// Brightness of the field's own soil, about 1.
    pub(super) tone: f32,
}

/// The time of the year at a tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Season {
    seed: u64,
    year: i64,
    /// Day of the year, moved by half a year in the southern hemisphere.
    day: f32,
    /// Elevation above which snow lies, metres.
    pub(super) snow_line: f32,
}

/// Up within `length` days after `from`.
fn after(day: f32, from: f32, length: f32) -> f32 {
    smoothstep(from, from + length, day)
}

/// Up from `from` on, down again from `to` on.
fn between(day: f32, from: f32, rise: f32, to: f32, fall: f32) -> f32 {
    after(day, from, rise) * (1.0 - after(day, to, fall))
}

impl Season {
    /// `day`: of the year, from 1 on. `latitude`: degrees.
    pub(super) fn new(seed: u64, year: i32, day: u32, latitude: f64) -> Self {
        let real = day as f32;
        let south = latitude < 0.0;
        let shifted = if south { (real + 182.6) % 365.25 } else { real };
        // a growing season begins in the autumn before where the calendar is turned
        let year = i64::from(year) + i64::from(south && real > 182.6);
        let warmth = ((shifted - 209.0) / 365.25 * std::f32::consts::TAU).cos();
        let latitude = latitude.abs().min(75.0) as f32;
        // spells of cold and warm weather, each of some nine days
        let spell = unit(hash(derive(seed, 40), year, (shifted / 9.0) as i64), 0) - 0.5;
        let snow_line =
            1_750.0 + 1_350.0 * warmth + (47.0 - latitude) * 75.0 + 700.0 * spell * (1.2 - warmth);
        Self { seed: derive(seed, 41), year, day: shifted, snow_line }
    }

    /// What a field shows: its crop changes from year to year, its soil does not.
    pub(super) fn field(&self, field: u32) -> FieldState {
        let own = mix(self.seed ^ u64::from(field));
        let this_year = hash(self.seed, i64::from(field), self.year);
        // late or early by some days
        let day = self.day + 18.0 * (unit(own, 1) - 0.5) + 8.0 * (unit(this_year, 1) - 0.5);
        let vigour = 0.78 + 0.22 * unit(this_year, 2);
        let (crop, straw, flower) = match unit(this_year, 0) {
            kind if kind < 0.24 => {
                // meadow, mown three times
                let grown = 0.42 + 0.5 * between(day, 85.0, 35.0, 295.0, 30.0);
                let cut = |at: f32| 0.5 * between(day, at, 2.0, at + 4.0, 26.0);
                let crop = grown - grown * (cut(146.0) + cut(192.0) + cut(243.0));
                (crop, (1.0 - crop) * 0.7, 0.0)
            }
            kind if kind < 0.50 => {
                // winter cereal
                let young = 0.26 + 0.1 * after(day, 280.0, 60.0);
                let crop = young
                    * (1.0 - after(day, 170.0, 20.0) + after(day, 285.0, 30.0)).min(1.0)
                    + 0.66 * between(day, 78.0, 35.0, 166.0, 22.0);
                let ripe = between(day, 168.0, 20.0, 224.0, 6.0);
                (crop, ripe * (1.0 - crop) * 0.95, 0.0)
            }
            kind if kind < 0.72 => {
                // maize
                let crop = 0.93 * between(day, 138.0, 45.0, 245.0, 32.0);
                let ripe = between(day, 248.0, 25.0, 292.0, 8.0);
                (crop, ripe * (1.0 - crop) * 0.8, 0.0)
            }
            kind if kind < 0.80 => {
                // rape
                let green = 0.45
                    * (1.0 - after(day, 112.0, 10.0) + after(day, 262.0, 40.0)).min(1.0)
                    + 0.85 * between(day, 84.0, 25.0, 170.0, 20.0);
                let flower = 0.85 * between(day, 109.0, 9.0, 138.0, 10.0);
                let crop = green.min(0.95) * (1.0 - flower);
                let ripe = between(day, 172.0, 18.0, 212.0, 6.0);
                (crop, ripe * (1.0 - crop - flower).max(0.0), flower)
            }
            kind if kind < 0.92 => {
                // beet and soy
                (0.9 * between(day, 128.0, 50.0, 262.0, 20.0), 0.0, 0.0)
            }
            _ => {
                // catch crops over the winter, sown late
                let crop = 0.6 * (1.0 - after(day, 100.0, 6.0) + after(day, 238.0, 40.0)).min(1.0)
                    + 0.7 * between(day, 125.0, 40.0, 205.0, 18.0);
                (crop, 0.1, 0.0)
            }
        };
        let crop = (crop * vigour).clamp(0.0, 1.0);
        let flower = flower.clamp(0.0, 1.0 - crop);
        let straw = straw.clamp(0.0, 1.0 - crop - flower);
        let soil = 1.0 - crop - flower - straw;
        FieldState { crop, straw, soil, flower, tone: 0.72 + 0.56 * unit(own, 3) }
    }

    /// Share of green and of coloured leaves in broadleaf forest: spring climbs 30 m a day.
    pub(super) fn leaves(&self, elevation: f32, texture: f32) -> (f32, f32) {
        let late = (elevation - 450.0) / 30.0 + texture * 6.0;
        let green = between(self.day, 104.0 + late, 22.0, 272.0 - late * 0.4, 20.0);
        let coloured = between(self.day, 272.0 - late * 0.4, 20.0, 302.0 - late * 0.4, 18.0);
        (green, coloured)
    }

    /// How green grass is.
    pub(super) fn grass(&self, elevation: f32) -> f32 {
        let late = ((elevation - 450.0) / 28.0).max(0.0);
        0.35 * (1.0 - smoothstep(900.0, 1_600.0, elevation))
            + 0.6 * between(self.day, 88.0 + late, 30.0, 290.0 - late * 0.8, 30.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_grow_and_are_harvested() {
        let mean = |day: u32| {
            let season = Season::new(5, 2021, day, 47.0);
            let states: Vec<_> = (0..400).map(|field| season.field(mix(field) as u32)).collect();
            for state in &states {
                let sum = state.crop + state.straw + state.soil + state.flower;
                assert!((sum - 1.0).abs() < 1e-5 && state.soil >= 0.0, "{state:?}");
            }
            let mean = |get: fn(&FieldState) -> f32| states.iter().map(get).sum::<f32>() / 400.0;
            (mean(|s| s.crop), mean(|s| s.straw), mean(|s| s.flower))
        };
        assert!(mean(160).0 > 0.6 && mean(20).0 < 0.35, "{:?} {:?}", mean(160), mean(20));
        assert!(mean(205).1 > mean(120).1 && mean(124).2 > mean(200).2);
        // crops rotate, soils stay
        let (a, b) = (Season::new(5, 2021, 160, 47.0), Season::new(5, 2022, 160, 47.0));
        assert!((0..50).any(|field| a.field(field).crop != b.field(field).crop));
        assert!((0..50).all(|field| a.field(field).tone == b.field(field).tone));
    }

    #[test]
    fn snow_comes_in_winter() {
        let line = |day, latitude| Season::new(5, 2021, day, latitude).snow_line;
        assert!(line(30, 47.0) < 1_300.0 && line(200, 47.0) > 2_300.0);
        assert!(line(200, -45.0) < 1_700.0 && line(15, -45.0) > 2_200.0);
        assert!(line(30, 5.0) > 2_500.0);
    }

    #[test]
    fn leaves_come_later_higher_up() {
        let green = |day, elevation| Season::new(5, 2021, day, 47.0).leaves(elevation, 0.0).0;
        assert!(green(122, 450.0) > 0.5 && green(122, 1_200.0) < 0.1 && green(200, 1_200.0) > 0.99);
        assert_eq!(green(20, 450.0), 0.0);
    }
}
