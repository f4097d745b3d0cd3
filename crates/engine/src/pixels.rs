//! Buffers of row-blocks.

use cubeflight_plan::{Column, ElementType};

/// Pixels of one column of one row-block: planes, rows, columns.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// Unsigned 8 bit.
    U8(Vec<u8>),
    /// Unsigned 16 bit.
    U16(Vec<u16>),
    /// Single precision.
    F32(Vec<f32>),
}

impl Pixels {
    /// A row-block of fill: 0, or NaN for reflectance.
    #[must_use]
    pub fn fill(column: &Column) -> Self {
        // A row-block is at most as large as the largest message, which is below 1 GiB.
        let plane = u64::from(column.block_rows) * u64::from(column.block_width);
        Self::fill_of(column, usize::try_from(plane).unwrap_or(usize::MAX))
    }

    /// Planes of fill of so many pixels.
    pub(crate) fn fill_of(column: &Column, plane: usize) -> Self {
        let elements = plane * column.planes() as usize;
        match column.element {
            ElementType::U8 => Self::U8(vec![0; elements]),
            ElementType::U16 => Self::U16(vec![0; elements]),
            ElementType::F32 => Self::F32(vec![f32::NAN; elements]),
        }
    }

    /// Copies one pixel from a buffer of the same kind, in every plane.
    pub(crate) fn copy_pixel(
        &mut self,
        to: usize,
        plane: usize,
        from: &Self,
        at: usize,
        other: usize,
    ) {
        fn copy<T: Copy>(to: &mut [T], from: &[T], at: (usize, usize), planes: (usize, usize)) {
            let targets = to.iter_mut().skip(at.0).step_by(planes.0.max(1));
            let sources = from.iter().skip(at.1).step_by(planes.1.max(1));
            targets.zip(sources).for_each(|(target, source)| *target = *source);
        }
        let (places, planes) = ((to, at), (plane, other));
        match (self, from) {
            (Self::U8(target), Self::U8(source)) => copy(target, source, places, planes),
            (Self::U16(target), Self::U16(source)) => copy(target, source, places, planes),
            (Self::F32(target), Self::F32(source)) => copy(target, source, places, planes),
            _ => (),
        }
    }

    /// One pixel becomes fill, in every plane.
    pub(crate) fn clear(&mut self, at: usize, plane: usize) {
        fn clear<T: Copy>(values: &mut [T], at: usize, plane: usize, fill: T) {
            values.iter_mut().skip(at).step_by(plane.max(1)).for_each(|value| *value = fill);
        }
        match self {
            Self::U8(values) => clear(values, at, plane, 0),
            Self::U16(values) => clear(values, at, plane, 0),
            Self::F32(values) => clear(values, at, plane, f32::NAN),
        }
    }
}
