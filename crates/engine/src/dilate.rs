//! Pixels within a distance of others.

/// Marks every pixel whose centre is at most `radius` pixels from the centre of a marked one.
///
/// Exact Euclidean distances in two passes, by A. Meijster, J. Roerdink and W. Hesselink, "A general
/// algorithm for computing distance transforms in linear time" (2000): the cost does not depend on
/// the radius.
pub(crate) fn dilate(marked: &mut [bool], width: usize, radius: f64) {
    if width == 0 || radius < 1.0 || !marked.contains(&true) {
        return;
    }
    // Centres are whole pixels apart, so squares of distances are whole numbers. The slack keeps a
    // radius that is a whole number of pixels whole through the division by the pixel's size.
    let reach = (radius * radius + 1e-6).floor() as i64;
    let height = marked.len() / width;
    let far = i64::try_from(width + height).unwrap_or(i64::MAX / 4);
    let vertical = distances_in_columns(marked, width, far);
    let mut envelope = Envelope::default();
    for (marks, vertical) in marked.chunks_mut(width).zip(vertical.chunks(width)) {
        envelope.build(vertical, far);
        for (x, mark) in marks.iter_mut().enumerate() {
            *mark = envelope.at(x as i64, vertical) <= reach;
        }
    }
}

/// Rows to the nearest marked pixel of the same column; `far` where there is none.
fn distances_in_columns(marked: &[bool], width: usize, far: i64) -> Vec<i64> {
    let mut distances: Vec<i64> = marked.iter().map(|mark| if *mark { 0 } else { far }).collect();
    for at in width..distances.len() {
        if let Some(above) = distances.get(at - width).copied()
            && let Some(here) = distances.get_mut(at)
        {
            *here = (*here).min(above + 1);
        }
    }
    for at in (0..distances.len().saturating_sub(width)).rev() {
        if let Some(below) = distances.get(at + width).copied()
            && let Some(here) = distances.get_mut(at)
        {
            *here = (*here).min(below + 1);
        }
    }
    distances
}

/// The lower envelope of the parabolas `(x - i)^2 + vertical(i)^2` of one row.
#[derive(Debug, Default)]
struct Envelope {
    /// Columns whose parabola is lowest somewhere, and where that begins, from left to right.
    pieces: Vec<(i64, i64)>,
    /// The piece that was asked last.
    current: usize,
}

impl Envelope {
    fn build(&mut self, vertical: &[i64], far: i64) {
        self.pieces.clear();
        self.current = 0;
        for (x, height) in vertical.iter().enumerate().filter(|(_, height)| **height < far) {
            let x = x as i64;
            let value = |at: i64, i: i64, height: i64| (at - i) * (at - i) + height * height;
            let mut begin = i64::MIN;
            while let Some((before, from)) = self.pieces.last().copied() {
                let other = vertical.get(before as usize).copied().unwrap_or(far);
                let start = from.max(0);
                if value(start, before, other) > value(start, x, *height) {
                    self.pieces.pop();
                    continue;
                }
                // first column at which this parabola is not above the one before
                let crossing = (x * x - before * before + height * height - other * other)
                    .div_euclid(2 * (x - before))
                    + 1;
                begin = crossing;
                break;
            }
            let inside = begin < vertical.len() as i64;
            if inside {
                self.pieces.push((x, begin));
            }
        }
    }

    /// Square of the distance at a column; columns must be asked from left to right.
    fn at(&mut self, x: i64, vertical: &[i64]) -> i64 {
        while self.pieces.get(self.current + 1).is_some_and(|(_, begin)| *begin <= x) {
            self.current += 1;
        }
        let Some((i, _)) = self.pieces.get(self.current) else { return i64::MAX };
        let height = vertical.get(*i as usize).copied().unwrap_or_default();
        (x - i) * (x - i) + height * height
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::dilate;

    /// Pixel by pixel.
    fn slowly(marked: &[bool], width: usize, radius: f64) -> Vec<bool> {
        let place = |at: usize| ((at % width) as f64, (at / width) as f64);
        let marks: Vec<_> = (0..marked.len()).filter(|at| marked[*at]).map(place).collect();
        (0..marked.len())
            .map(place)
            .map(|(x, y)| marks.iter().any(|(a, b)| f64::hypot(x - a, y - b) <= radius + 1e-9))
            .collect()
    }

    #[test]
    fn a_disc() {
        let mut marked = vec![false; 49];
        marked[24] = true;
        dilate(&mut marked, 7, 2.0);
        let rows: Vec<String> = marked
            .chunks(7)
            .map(|row| row.iter().map(|mark| if *mark { '#' } else { '.' }).collect())
            .collect();
        assert_eq!(
            rows,
            [".......", "...#...", "..###..", ".#####.", "..###..", "...#...", "......."]
        );
    }

    #[test]
    fn nothing_to_do() {
        let mut marked = vec![false, true, false];
        dilate(&mut marked, 3, 0.0);
        assert_eq!(marked, [false, true, false]);
        dilate(&mut [], 0, 5.0);
        let mut none = vec![false; 9];
        dilate(&mut none, 3, 5.0);
        assert_eq!(none, [false; 9]);
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            width in 1_usize..40, height in 1_usize..40, radius in 0.0..20.0_f64,
            seeds in prop::collection::vec(0_usize..1600, 0..12),
        ) {
            let mut marked = vec![false; width * height];
            for seed in seeds {
                marked[seed % (width * height)] = true;
            }
            let expected = if radius < 1.0 { marked.clone() } else { slowly(&marked, width, radius) };
            dilate(&mut marked, width, radius);
            prop_assert_eq!(marked, expected);
        }
    }
}
