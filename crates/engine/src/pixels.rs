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
        let elements = usize::try_from(column.block_elements()).unwrap_or(usize::MAX);
        match column.element {
            ElementType::U8 => Self::U8(vec![0; elements]),
            ElementType::U16 => Self::U16(vec![0; elements]),
            ElementType::F32 => Self::F32(vec![f32::NAN; elements]),
        }
    }
}
