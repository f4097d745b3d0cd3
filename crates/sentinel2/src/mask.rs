//! Which reflectance becomes fill by the scene classification.

use crate::{Error, Result};

/// Largest radius of dilation in metres.
const MAX_DILATION: f64 = 5_000.0;

/// Classes of the scene classification (SCL) whose pixels become fill, and how far around them.
///
/// SCL 0 (no data) is invalid whether it is listed or not.
#[derive(Debug, Clone, PartialEq)]
pub struct SclMask {
    /// One bit per class, class 0 is bit 0.
    classes: u16,
    /// Metres.
    dilation: f64,
}

impl SclMask {
    /// A mask of these classes (0 to 11, at least one) and pixels whose centre is at most
    /// `dilation` metres (0 to 5,000) from the centre of one of theirs on the 20 m grid.
    ///
    /// # Errors
    /// No class, a class above 11, or a radius outside its range.
    pub fn new(classes: &[u32], dilation: f64) -> Result<Self> {
        let refuse = |reason: String| Err(Error::Mask { reason });
        if !(0.0..=MAX_DILATION).contains(&dilation) {
            return refuse(format!("dilate is {dilation}, give metres from 0 to {MAX_DILATION}"));
        }
        let mut bits = 0;
        for class in classes {
            if *class > 11 {
                return refuse(format!("scl has {class}, classes are 0 to 11"));
            }
            bits |= 1 << class;
        }
        if bits == 0 {
            return refuse("scl is empty, name at least one class".to_owned());
        }
        Ok(Self { classes: bits, dilation })
    }

    /// Whether pixels of this class are masked.
    #[inline]
    #[must_use]
    pub fn masks(&self, class: u8) -> bool {
        class < 16 && self.classes & (1 << class) != 0
    }

    /// Classes in ascending order.
    pub fn classes(&self) -> impl Iterator<Item = u8> + '_ {
        (0..12).filter(|class| self.masks(*class))
    }

    /// Metres around masked pixels that are masked as well.
    #[must_use]
    pub fn dilation(&self) -> f64 {
        self.dilation
    }
}

#[cfg(test)]
mod tests {
    use super::SclMask;

    #[test]
    fn classes_are_kept_sorted_and_once() {
        let mask = SclMask::new(&[9, 3, 8, 3], 60.0).unwrap();
        assert_eq!(mask.classes().collect::<Vec<_>>(), [3, 8, 9]);
        assert!(mask.masks(3) && !mask.masks(0) && !mask.masks(255));
    }

    #[test]
    fn refusals() {
        for (classes, dilation) in [
            (&[][..], 0.0),
            (&[12], 0.0),
            (&[u32::MAX], 0.0),
            (&[3], -1.0),
            (&[3], f64::NAN),
            (&[3], 5_001.0),
        ] {
            assert_eq!(SclMask::new(classes, dilation).unwrap_err().code(), "CF-S2-019");
        }
    }
}
