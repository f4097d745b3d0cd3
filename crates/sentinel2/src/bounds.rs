//! A rectangle in projected coordinates.

use std::fmt;

use crate::{Error, Result};

/// A rectangle in the coordinates of a UTM zone, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// West edge.
    pub min_x: f64,
    /// South edge.
    pub min_y: f64,
    /// East edge.
    pub max_x: f64,
    /// North edge.
    pub max_y: f64,
}

impl Bounds {
    /// Checks that the numbers are finite and span an area.
    pub fn new(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> Result<Self> {
        let finite = [min_x, min_y, max_x, max_y].iter().all(|v| v.is_finite());
        if finite && min_x < max_x && min_y < max_y {
            Ok(Self { min_x, min_y, max_x, max_y })
        } else {
            Err(Error::Bounds { min_x, min_y, max_x, max_y })
        }
    }

    /// Checks that the numbers are finite and in order; bounds may be a line or a point.
    pub fn with_points(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> Result<Self> {
        let finite = [min_x, min_y, max_x, max_y].iter().all(|v| v.is_finite());
        if finite && min_x <= max_x && min_y <= max_y {
            Ok(Self { min_x, min_y, max_x, max_y })
        } else {
            Err(Error::Window { min_x, min_y, max_x, max_y })
        }
    }
}

impl fmt::Display for Bounds {
    /// Four numbers with commas: west, south, east, north.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.min_x, self.min_y, self.max_x, self.max_y)
    }
}
