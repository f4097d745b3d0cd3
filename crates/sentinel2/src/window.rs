//! A rectangle of pixels.

/// A rectangle of pixels of one asset's grid. Columns count from the west, rows from the north.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Number of columns.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

impl Window {
    /// First column to the right of the window.
    pub fn right(&self) -> u32 {
        self.x.saturating_add(self.width)
    }

    /// First row below the window.
    pub fn bottom(&self) -> u32 {
        self.y.saturating_add(self.height)
    }

    /// Number of pixels.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The smallest window that holds both.
    pub fn around(&self, other: &Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self { x, y, width: right - x, height: bottom - y }
    }

    /// The pixels in both windows, or none.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        (x < right && y < bottom).then(|| Self { x, y, width: right - x, height: bottom - y })
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn intersections() {
        let a = Window { x: 0, y: 0, width: 1024, height: 1024 };
        let b = Window { x: 1000, y: 500, width: 100, height: 10 };
        let both = Window { x: 1000, y: 500, width: 24, height: 10 };
        assert_eq!(a.intersection(&b), Some(both));
        assert_eq!(b.intersection(&a), Some(both));
        assert_eq!(a.intersection(&Window { x: 1024, ..b }), None);
        assert_eq!((both.right(), both.bottom(), both.pixels()), (1024, 510, 240));
        assert_eq!(a.around(&b), Window { x: 0, y: 0, width: 1100, height: 1024 });
        assert_eq!(b.around(&both), b);
        let huge = Window { x: u32::MAX, y: 1, width: u32::MAX, height: u32::MAX };
        assert_eq!(huge.intersection(&b), None);
        assert_eq!(huge.pixels(), u64::from(u32::MAX).pow(2));
    }
}
