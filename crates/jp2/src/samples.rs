//! The samples of an image, and how their rows are copied.

use std::borrow::Cow;

use crate::geometry::Rect;
use crate::openjpeg::Planes;

/// The samples of an image, by component.
#[derive(Debug)]
pub(crate) enum Samples {
    /// As OpenJPEG gave them.
    Planes(Planes),
    /// Clamped, of more than 8 bit.
    Words(Vec<Vec<u16>>),
    /// Clamped, of at most 8 bit.
    Bytes(Vec<Vec<u8>>),
    /// One value for all samples of a component.
    Constant(Vec<i32>),
}

impl Samples {
    /// The samples of a component, of which there are `count`.
    pub(crate) fn of(&self, component: u16, count: usize) -> Option<Cow<'_, [i32]>> {
        let at = usize::from(component);
        Some(match self {
            Self::Planes(planes) => Cow::Borrowed(planes.samples(component)?),
            Self::Words(planes) => widened(planes.get(at)?),
            Self::Bytes(planes) => widened(planes.get(at)?),
            Self::Constant(values) => Cow::Owned(vec![*values.get(at)?; count]),
        })
    }

    /// The same, clamped to 0 to `max` in as few bytes as that takes.
    pub(crate) fn compact(self, components: u16, max: i32) -> Self {
        let Self::Planes(planes) = &self else { return self };
        let planes = (0..components).map(|component| planes.samples(component).unwrap_or_default());
        let clamped = |value: &i32| (*value).clamp(0, max).to_le_bytes();
        match max {
            ..256 => {
                let low = |samples: &[i32]| samples.iter().map(|v| clamped(v)[0]).collect();
                Self::Bytes(planes.map(low).collect())
            }
            _ => {
                let word = |value: &i32| {
                    let [low, high, ..] = clamped(value);
                    u16::from_le_bytes([low, high])
                };
                let words = |samples: &[i32]| samples.iter().map(word).collect();
                Self::Words(planes.map(words).collect())
            }
        }
    }

    /// Bytes of a sample.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Planes(_) => 4,
            Self::Words(_) => 2,
            Self::Bytes(_) => 1,
            Self::Constant(_) => 0,
        }
    }
}

fn widened<T: Copy + Into<i32>>(samples: &[T]) -> Cow<'_, [i32]> {
    Cow::Owned(samples.iter().map(|sample| (*sample).into()).collect())
}

/// A part of an image, and how a target is laid out, both checked against each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    /// The part in the image's own coordinates.
    pub(crate) source: Rect,
    /// Samples in a row of the image.
    pub(crate) stride: usize,
    /// Elements from one row of the target to the next.
    pub(crate) pitch: usize,
    /// Elements from one sample of a row to the next.
    pub(crate) step: usize,
}

impl Rows {
    pub(crate) fn copy<S: Copy + Into<i32>, T>(
        self,
        samples: &[S],
        target: &mut [T],
        put: impl Fn(&mut T, i32),
    ) {
        let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        let Self { source, stride, pitch, step } = self;
        let rows = samples.chunks_exact(stride.max(1)).skip(size(source.y0));
        for (index, line) in rows.take(size(source.height())).enumerate() {
            let from = line.get(size(source.x0)..size(source.x1)).unwrap_or_default();
            let to = target.get_mut(index * pitch..).unwrap_or_default();
            let put = |(slot, value): (&mut T, &S)| put(slot, (*value).into());
            if step == 1 {
                to.iter_mut().zip(from).for_each(put);
            } else {
                to.iter_mut().step_by(step).zip(from).for_each(put);
            }
        }
    }
}
