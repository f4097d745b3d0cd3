//! The part of the landscape that does not change: relief, water, and what covers the land.
//!
//! Valleys follow the zero lines of a broad noise and rivers run along these lines, so that water
//! is where the land is low. Fields, villages and roads lie on level ground, forests on slopes,
//! grass and rock above the tree line.

use super::noise::{Cells, Line, Nearest, add, add_octaves, derive, hash, mix, smoothstep, unit};

/// What covers a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    Water,
    Conifer,
    Broadleaf,
    Field,
    Meadow,
    Alpine,
    Rock,
    Garden,
    Roof,
    Street,
}

/// One place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// Metres.
    pub(super) elevation: i16,
    /// Rise to the east and to the north, in 4096ths.
    pub(super) slope: [i16; 2],
    pub(super) cover: Cover,
    /// How much of the place is hedge or track, in 255ths.
    pub(super) edge: u8,
    /// What is particular about the place itself, -127 to 127, deviation about 16.
    pub(super) texture: i8,
    /// Names the field.
    pub(super) field: u32,
}

/// The unchanging landscape of one UTM zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    seed: u64,
}

/// Elevation of valley floors, metres.
const FLOOR: f32 = 430.0;

impl Ground {
    pub(super) fn new(seed: u64, epsg: u32) -> Self {
        Self { seed: derive(seed, u64::from(epsg)) }
    }

    fn seed(&self, name: u64) -> u64 {
        derive(self.seed, name)
    }

    /// A row of places.
    pub(super) fn row(&self, line: Line, width: usize) -> Vec<Cell> {
        let step = line.step;
        let line = line.shifted(-step, 0.0);
        let wide = width + 2;
        let rows = [-step, 0.0, step].map(|dy| self.relief(line.shifted(0.0, dy), wide));
        let [south, here, north] = &rows;

        let noise = |name: u64, wavelength: f64, octaves: u32| {
            let mut row = vec![0.0; wide];
            add_octaves(&mut row, line, self.seed(name), wavelength, octaves, 0.5);
            row
        };
        let woods = noise(10, 2_200.0, 5);
        let species = noise(11, 1_500.0, 4);
        let bank = noise(12, 300.0, 3);
        let lake = noise(13, 9_000.0, 2);
        let mut grain = vec![0.0; wide];
        add(&mut grain, line, self.seed(14), 170.0, 1.0);

        let mut blocks = Cells::new(self.seed(20), 850.0);
        let mut towns = Cells::new(self.seed(21), 2_700.0);
        let mut roads = Cells::new(self.seed(22), 3_300.0);
        let row_index = (line.y / 10.0).round() as i64;

        (1..=width)
            .map(|i| {
                let x = line.x_at(i);
                let y = line.y;
                let double = (2.0 * step) as f32;
                let slope_of = |get: fn(&Relief) -> &[f32]| {
                    let east = (get(here)[i + 1] - get(here)[i - 1]) / double;
                    let north = (get(north)[i] - get(south)[i]) / double;
                    [east, north]
                };
                let slope = slope_of(|relief| &relief.elevation);
                let steep = slope[0].hypot(slope[1]);
                let elevation = here.elevation[i];

                // distance to the zero line of the noise that makes the valleys, metres
                let valley = here.valley[i].abs();
                let fall = slope_of(|relief| &relief.valley);
                let river = valley / fall[0].hypot(fall[1]).max(4e-5);
                let lake = smoothstep(0.22, 0.55, lake[i]) * 420.0;
                let reach = 14.0 + lake + bank[i] * (10.0 + lake * 0.35);

                let place = hash(self.seed(15), (x / 10.0).round() as i64, row_index);
                let mut cell = Cell {
                    elevation: elevation as i16,
                    slope: slope.map(|rise| (rise.clamp(-7.9, 7.9) * 4096.0) as i16),
                    cover: Cover::Meadow,
                    edge: 0,
                    texture: ((grain[i] * 44.0) + (unit(place, 0) - 0.5) * 6.0) as i8,
                    field: 0,
                };
                let block = blocks.at(x, y);
                let field = parcel(block);
                cell.field = field.id;

                if river < reach {
                    cell.cover = Cover::Water;
                    cell.slope = [0, 0];
                    return cell;
                }
                let tree_line = 1_650.0 + 160.0 * species[i];
                if elevation > tree_line {
                    let bare = (elevation - 2_150.0) / 450.0 + steep * 0.9 + woods[i] * 0.7;
                    cell.cover = if bare > 0.45 { Cover::Rock } else { Cover::Alpine };
                    return cell;
                }
                let level = 1.0 - smoothstep(0.06, 0.2, steep);
                let tree = woods[i]
                    + smoothstep(0.07, 0.3, steep) * 0.75
                    + smoothstep(650.0, 1_100.0, elevation) * 0.3;
                if tree > 0.5 {
                    let conifer = species[i] + (elevation - 800.0) / 600.0;
                    cell.cover = if conifer > 0.0 { Cover::Conifer } else { Cover::Broadleaf };
                    return cell;
                }
                if level > 0.3 {
                    let road = roads.at(x, y);
                    if f64::from(road.edge) < 5.0 + step / 4.0 {
                        cell.cover = Cover::Street;
                        return cell;
                    }
                    let town = towns.at(x, y);
                    if let Some(cover) = town_cover(town, f64::from(bank[i]), place, step) {
                        cell.cover = cover;
                        return cell;
                    }
                    if elevation < 950.0 {
                        cell.cover = Cover::Field;
                        let track = field.edge.min(block.edge * 0.7);
                        let width = 5.0 + step as f32 / 4.0;
                        cell.edge = ((1.0 - track / width).clamp(0.0, 1.0) * 255.0) as u8;
                        return cell;
                    }
                }
                cell
            })
            .collect()
    }

    /// Elevation, and the noise whose zero lines are the valleys.
    fn relief(&self, line: Line, width: usize) -> Relief {
        let mut valley = vec![0.0; width];
        add(&mut valley, line, self.seed(1), 11_000.0, 1.0);
        add(&mut valley, line, self.seed(2), 4_300.0, 0.33);
        add(&mut valley, line, self.seed(3), 1_300.0, 0.06);
        add(&mut valley, line, self.seed(4), 500.0, 0.014);
        let mut massif = vec![0.0; width];
        add(&mut massif, line, self.seed(5), 37_000.0, 1.0);
        let mut hills = vec![0.0; width];
        add_octaves(&mut hills, line, self.seed(6), 700.0, 2, 0.4);
        let mut ridges = vec![0.0; width];
        let (mut wavelength, mut amplitude) = (3_000.0, 1.0);
        for octave in 0..4_u64 {
            let mut row = vec![0.0; width];
            add(&mut row, line, self.seed(30 + octave), wavelength, 1.0);
            for (ridge, value) in ridges.iter_mut().zip(row) {
                // narrow crests, round hollows
                *ridge += amplitude * (0.55 - 1.7 * (value * value + 0.002).sqrt());
            }
            wavelength *= 0.47;
            amplitude *= 0.36;
        }
        let elevation = (0..width)
            .map(|i| {
                let massif = 0.72 + 0.5 * massif[i];
                let away = valley[i].abs();
                let rise = (away - 0.1).max(0.0);
                let rise = rise * rise / (rise * rise + 0.07);
                let foot = smoothstep(0.07, 0.3, away);
                FLOOR
                    + 40.0 * away
                    + massif.max(0.15) * (1_150.0 * rise + 620.0 * foot * ridges[i])
                    + (4.0 + 28.0 * foot) * hills[i]
            })
            .collect();
        Relief { elevation, valley }
    }
}

struct Relief {
    elevation: Vec<f32>,
    valley: Vec<f32>,
}

struct Parcel {
    id: u32,
    edge: f32,
}

/// The field of a place within its block: strips of a direction and width that the block has, cut
/// to lengths.
fn parcel(block: Nearest) -> Parcel {
    let name = mix(block.id ^ 0x5eed);
    let angle = f64::from(unit(name, 0)) * std::f64::consts::PI;
    let (sin, cos) = angle.sin_cos();
    let across = block.dx * cos + block.dy * sin;
    let along = block.dy * cos - block.dx * sin;
    let width = 45.0 + 130.0 * f64::from(unit(name, 1) * unit(name, 2));
    let length = 160.0 + 420.0 * f64::from(unit(name, 3));
    let strip = (across / width).floor();
    let shift = f64::from(unit(hash(name, strip as i64, 0), 0));
    let piece = (along / length + shift).floor();
    let id = hash(name, strip as i64, piece as i64);
    let within = |value: f64, size: f64| (value - value.floor()).min(value.ceil() - value) * size;
    let edge = within(across / width, width).min(within(along / length + shift, length));
    Parcel { id: (id >> 32) as u32, edge: edge as f32 }
}

/// What stands in a town at a place, `None` outside of it.
fn town_cover(town: Nearest, ragged: f64, place: u64, step: f64) -> Option<Cover> {
    let size = f64::from(unit(town.id, 0));
    if size < 0.25 {
        return None;
    }
    let radius = 110.0 + 420.0 * size * size + 130.0 * ragged;
    if town.dx.hypot(town.dy) > radius {
        return None;
    }
    let (sin, cos) = (f64::from(unit(town.id, 1)) * 1.5).sin_cos();
    let across = town.dx * cos + town.dy * sin;
    let along = town.dy * cos - town.dx * sin;
    let (street, lane) = (across.rem_euclid(95.0), along.rem_euclid(140.0));
    if street < 5.0 + step / 4.0 || lane < 5.0 + step / 4.0 {
        return Some(Cover::Street);
    }
    // lots along the streets: a house, or its garden
    let lot = hash(town.id, (across / 23.0).floor() as i64, (along / 28.0).floor() as i64);
    let built = unit(lot, 0) < 0.42 + 0.3 * (size as f32) && unit(place, 1) < 0.85;
    Some(if built { Cover::Roof } else { Cover::Garden })
}
