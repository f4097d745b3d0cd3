//! Bytes of a file that were read while its tile-parts were looked for.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

/// Pieces of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// Offset and bytes, by offset.
    pieces: Vec<(u64, Bytes)>,
    /// Returned with the last clone.
    _counted: Option<Arc<OwnedSemaphorePermit>>,
}

impl Held {
    /// The same, with the memory that is counted for it.
    pub(crate) fn counted(self, permit: OwnedSemaphorePermit) -> Self {
        Self { _counted: Some(Arc::new(permit)), ..self }
    }

    /// Bytes of all pieces.
    pub(crate) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Keeps a piece.
    pub(crate) fn add(&mut self, offset: u64, bytes: Bytes) {
        let at = self.pieces.partition_point(|(start, _)| *start <= offset);
        self.pieces.insert(at, (offset, bytes));
    }

    /// The bytes of a range, where all of them are here.
    pub(crate) fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let mut found: Vec<Bytes> = Vec::new();
        let mut at = range.start;
        for (start, bytes) in &self.pieces {
            let end = start.saturating_add(bytes.len() as u64);
            if *start > at || end <= at {
                continue;
            }
            let from = usize::try_from(at - start).ok()?;
            let to = usize::try_from(range.end.min(end) - start).ok()?;
            found.push(bytes.slice(from..to));
            at = range.end.min(end);
            if at == range.end {
                return Some(join(found));
            }
        }
        None
    }

    /// Only these ranges, without the memory of what lies around them.
    pub(crate) fn only<'a>(&self, ranges: impl Iterator<Item = &'a Range<u64>>) -> Self {
        let kept = ranges.filter_map(|range| {
            let bytes = self.get(range)?;
            Some((range.start, Bytes::copy_from_slice(&bytes)))
        });
        let mut pieces: Vec<(u64, Bytes)> = kept.collect();
        pieces.sort_by_key(|(start, _)| *start);
        Self { pieces, _counted: None }
    }
}

fn join(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in &pieces {
        all.extend_from_slice(piece);
    }
    all.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_there_as_a_whole_or_not_at_all() {
        let file: Vec<u8> = (0..100).collect();
        let mut held = Held::default();
        for range in [40..60, 10..20, 20..35, 50..70] {
            held.add(range.start as u64, Bytes::copy_from_slice(&file[range]));
        }
        for (range, there) in
            [(10..35, true), (12..21, true), (45..70, true), (9..12, false), (30..41, false)]
        {
            let found = held.get(&(range.start as u64..range.end as u64));
            assert_eq!(found.as_deref(), there.then(|| &file[range]));
        }
        let only = held.only([12..14, 0..5, 55..65].iter());
        assert_eq!(only.get(&(12..14)).as_deref(), Some(&file[12..14]));
        assert_eq!(only.get(&(55..65)).as_deref(), Some(&file[55..65]));
        assert_eq!(only.get(&(11..14)), None);
    }
}
