//! Noise on hash lattices: every value follows from a seed and a place alone, so that tiles join
//! and any part of a scene can be made on its own.

/// Points on one row of a grid: their first easting, the northing, and their distance, in metres.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) step: f64,
}

impl Line {
    /// Easting of a point of the row.
    pub(super) fn x_at(&self, index: usize) -> f64 {
        self.x + index as f64 * self.step
    }

    /// The same row somewhere else.
    pub(super) fn shifted(self, dx: f64, dy: f64) -> Self {
        Self { x: self.x + dx, y: self.y + dy, step: self.step }
    }
}

/// The finaliser of `SplitMix64`: a good hash of 64 bits in three multiplications.
pub(super) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The hash of a lattice point.
pub(super) fn hash(seed: u64, x: i64, y: i64) -> u64 {
    let x = x.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let y = y.cast_unsigned().wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    mix(seed ^ x ^ y.rotate_left(32))
}

/// The seed of a part of the scene, from the whole's and a name of the part.
pub(super) fn derive(seed: u64, name: u64) -> u64 {
    mix(seed ^ mix(name))
}

/// `0.0..1.0` from sixteen bits of a hash, `part` 0 to 3.
pub(super) fn unit(hash: u64, part: u32) -> f32 {
    f32::from((hash >> (16 * part)) as u16) / 65_536.0
}

/// Normally distributed to within what the eye and a coder see: the sum of four uniform parts of
/// a hash, with mean 0 and deviation 1.
pub(super) fn normal(hash: u64) -> f32 {
    let sum: f32 = (0..4).map(|part| unit(hash, part)).sum();
    (sum - 2.0) * 1.732_050_8
}

/// Rounds down. The method of `f64` is a call where the target has no instruction for it.
pub(super) fn floor(value: f64) -> i64 {
    let whole = value as i64;
    whole - i64::from(whole as f64 > value)
}

fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

/// 0 below `from`, 1 above `to`, smooth in between.
pub(super) fn smoothstep(from: f32, to: f32, value: f32) -> f32 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn gradient(seed: u64, x: i64, y: i64) -> [f32; 2] {
    let hash = hash(seed, x, y);
    // scaled so that the noise has a deviation of about 0.33 and stays within -1..1 nearly always
    [unit(hash, 0) * 5.0 - 2.5, unit(hash, 1) * 5.0 - 2.5]
}

/// Adds gradient noise of a wavelength (metres) and amplitude to a row.
///
/// Going along the row, the corners of a lattice cell are hashed once for all its points.
pub(super) fn add(row: &mut [f32], line: Line, seed: u64, wavelength: f64, amplitude: f32) {
    let v = line.y / wavelength;
    let cell_y = floor(v);
    let v = (v - cell_y as f64) as f32;
    let fade_v = fade(v);
    let mut cell = i64::MIN;
    let mut corners = [[0.0_f32; 2]; 4];
    for (i, value) in row.iter_mut().enumerate() {
        let u = line.x_at(i) / wavelength;
        let cell_x = floor(u);
        if cell_x != cell {
            cell = cell_x;
            corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
                .map(|(dx, dy)| gradient(seed, cell_x + dx, cell_y + dy));
        }
        let u = (u - cell_x as f64) as f32;
        let [a, b, c, d] = corners;
        let a = a[0] * u + a[1] * v;
        let b = b[0] * (u - 1.0) + b[1] * v;
        let c = c[0] * u + c[1] * (v - 1.0);
        let d = d[0] * (u - 1.0) + d[1] * (v - 1.0);
        let fade_u = fade(u);
        let low = a + (b - a) * fade_u;
        let high = c + (d - c) * fade_u;
        *value += amplitude * (low + (high - low) * fade_v);
    }
}

/// Adds octaves of noise, each of half the wavelength and `gain` times the amplitude of the last.
pub(super) fn add_octaves(
    row: &mut [f32],
    line: Line,
    seed: u64,
    wavelength: f64,
    octaves: u32,
    gain: f32,
) {
    let (mut wavelength, mut amplitude) = (wavelength, 1.0);
    for octave in 0..octaves {
        // octaves below the distance of the points would only alias
        if octave > 0 && wavelength < 2.0 * line.step {
            break;
        }
        add(row, line, derive(seed, u64::from(octave)), wavelength, amplitude);
        wavelength /= 2.0;
        amplitude *= gain;
    }
}

/// Cells of a jittered lattice (Worley): the nearest points of each place.
#[derive(Debug)]
pub(super) struct Cells {
    seed: u64,
    size: f64,
    row: i64,
    column: i64,
    points: [(f64, f64, u64); 9],
}

/// What [`Cells::at`] tells of a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nearest {
    /// Hash of the nearest point, the cell's name.
    pub(super) id: u64,
    /// From that point, metres east and north.
    pub(super) dx: f64,
    pub(super) dy: f64,
    /// To the nearest other cell, about, in metres.
    pub(super) edge: f32,
}

impl Cells {
    /// A lattice of this size in metres.
    pub(super) fn new(seed: u64, size: f64) -> Self {
        Self { seed, size, row: i64::MIN, column: i64::MIN, points: [(0.0, 0.0, 0); 9] }
    }

    /// The cell of a place. Cheap along a row.
    pub(super) fn at(&mut self, x: f64, y: f64) -> Nearest {
        let (column, row) = (floor(x / self.size), floor(y / self.size));
        if (column, row) != (self.column, self.row) {
            (self.column, self.row) = (column, row);
            for (point, k) in self.points.iter_mut().zip(0_i64..) {
                let (cx, cy) = (column + k % 3 - 1, row + k / 3 - 1);
                let id = hash(self.seed, cx, cy);
                let jitter = |part| 0.1 + 0.8 * f64::from(unit(id, part));
                *point = (
                    (cx as f64 + jitter(0)) * self.size,
                    (cy as f64 + jitter(1)) * self.size,
                    mix(id),
                );
            }
        }
        let (mut best, mut second) = (f64::INFINITY, f64::INFINITY);
        let mut nearest = Nearest { id: 0, dx: 0.0, dy: 0.0, edge: 0.0 };
        for &(px, py, id) in &self.points {
            let (dx, dy) = (x - px, y - py);
            let distance = dx * dx + dy * dy;
            if distance < best {
                second = best;
                best = distance;
                nearest = Nearest { id, dx, dy, edge: 0.0 };
            } else if distance < second {
                second = distance;
            }
        }
        nearest.edge = ((second.sqrt() - best.sqrt()) / 2.0) as f32;
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_do_not_depend_on_where_they_start() {
        let line = Line { x: 449_035.0, y: 5_200_005.0, step: 10.0 };
        let mut whole = vec![0.0; 300];
        add_octaves(&mut whole, line, 7, 800.0, 5, 0.5);
        let mut part = vec![0.0; 100];
        add_octaves(&mut part, line.shifted(1_000.0, 0.0), 7, 800.0, 5, 0.5);
        assert_eq!(part, whole[100..200]);
    }

    #[test]
    fn noise_is_centred_and_of_known_spread() {
        let (mut sum, mut squares, mut count) = (0.0_f64, 0.0_f64, 0.0_f64);
        for row in 0..200 {
            let line = Line { x: 5_000.0, y: 5_000.0 + f64::from(row) * 37.0, step: 37.0 };
            let mut values = vec![0.0; 200];
            add(&mut values, line, 3, 100.0, 1.0);
            for value in values {
                sum += f64::from(value);
                squares += f64::from(value * value);
                count += 1.0;
            }
        }
        let deviation = (squares / count).sqrt();
        assert!((sum / count).abs() < 0.03, "{}", sum / count);
        assert!((0.25..0.5).contains(&deviation), "{deviation}");
        let normals: Vec<f64> = (0..10_000).map(|i| f64::from(normal(mix(i)))).collect();
        let variance = normals.iter().map(|n| n * n).sum::<f64>() / 10_000.0;
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn cells_do_not_depend_on_the_way() {
        let mut there = Cells::new(1, 500.0);
        let _ = there.at(10_000.0, 10_000.0);
        let (a, b) = (there.at(12_345.0, 9_876.0), Cells::new(1, 500.0).at(12_345.0, 9_876.0));
        assert_eq!(
            (a.id, a.dx.to_bits(), a.edge.to_bits()),
            (b.id, b.dx.to_bits(), b.edge.to_bits())
        );
        assert!(a.dx.hypot(a.dy) < 800.0);
        assert_eq!((floor(-0.5), floor(2.0), floor(2.9)), (-1, 2, 2));
    }
}
