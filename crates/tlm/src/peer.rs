//! The cell of the peer's index (Kayrros sentinel-2-jp2-tlm / jp2io): u64 big-endian file size,
//! u64 offset of the first SOT, u32 length of the TLM segment, the segment with its marker. An
//! empty cell says that the file has a TLM of its own.

use cubeflight_jp2::TlmEntry;

use crate::record::parse_tlm_segments;
use crate::{Error, Result, TlmRecord};

const FIXED: usize = 20;
/// Length of the shortest tile-part: SOT segment and SOD (ISO/IEC 15444-1 A.4.2, A.4.3).
const MIN_TILE_PART: u32 = 14;

/// What a cell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCell {
    /// File size in bytes.
    pub size: u64,
    /// Offset of the first SOT marker from the start of the file.
    pub first_sot: u64,
    /// Tile-parts in file order.
    pub entries: Vec<TlmEntry>,
}

/// Reads a cell; `None` when the file has its own TLM.
///
/// # Errors
/// A cell that is cut, has bytes left over, holds no TLM segments or impossible lengths.
pub fn decode_peer_cell(cell: &[u8]) -> Result<Option<PeerCell>> {
    if cell.is_empty() {
        return Ok(None);
    }
    let Some((fixed, segment)) = cell.split_first_chunk::<FIXED>() else {
        return Err(bad(format!("has {} bytes, at least {FIXED} are needed", cell.len())));
    };
    let [s0, s1, s2, s3, s4, s5, s6, s7, o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = *fixed;
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    if usize::try_from(length) != Ok(segment.len()) {
        return Err(bad(format!("announces a segment of {length} bytes, has {}", segment.len())));
    }
    let entries = parse_tlm_segments(segment)?;
    // SOT and SOD alone take 14 bytes; a record of less could be read but never be written again.
    if let Some(short) = entries.iter().find(|entry| entry.length < MIN_TILE_PART) {
        return Err(bad(format!("lists a tile-part of {} bytes", short.length)));
    }
    Ok(Some(PeerCell {
        size: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        first_sot: u64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
        entries,
    }))
}

/// Writes the cell of a record. A record of more than 13,106 tile-parts gives several TLM segments
/// one after the other; the peer itself writes one only, as no file of ESA needs more.
///
/// # Errors
/// More tile-parts than 256 segments can list.
pub fn encode_peer_cell(record: &TlmRecord) -> Result<Vec<u8>> {
    let segment = record.tlm_segments()?;
    let length = u32::try_from(segment.len()).map_err(|_| bad("segment is too long".to_owned()))?;
    let mut cell = Vec::with_capacity(FIXED + segment.len());
    cell.extend_from_slice(&record.size.to_be_bytes());
    cell.extend_from_slice(&record.first_sot.to_be_bytes());
    cell.extend_from_slice(&length.to_be_bytes());
    cell.extend_from_slice(&segment);
    Ok(cell)
}

fn bad(reason: String) -> Error {
    Error::PeerCell { reason }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::{parts, record, source};

    #[test]
    fn an_empty_cell_means_a_tlm_in_the_file() {
        assert_eq!(decode_peer_cell(&[]).unwrap(), None);
    }

    #[test]
    fn cut_cells_are_refused() {
        for length in 1..FIXED {
            assert_eq!(decode_peer_cell(&vec![0; length]).unwrap_err().code(), "CF-TLM-004");
        }
    }

    #[test]
    fn a_cell_is_laid_out_as_the_peer_does() {
        let mut record = record(&[(0, 20), (1, 30)]);
        (record.size, record.first_sot) = (0x0102, 0x0304);
        let expected = [
            &[0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 12][..],
            &[0xff, 0x55, 0, 10, 0, 0x10, 0, 0, 20, 1, 0, 30],
        ];
        assert_eq!(encode_peer_cell(&record).unwrap(), expected.concat());
    }

    #[test]
    fn damaged_cells_are_refused() {
        let cell = encode_peer_cell(&record(&[(0, 20), (1, 30)])).unwrap();
        for end in 1..cell.len() {
            assert!(decode_peer_cell(&cell[..end]).is_err(), "{end} bytes");
        }
        assert_eq!(decode_peer_cell(&[&cell[..], &[0]].concat()).unwrap_err().code(), "CF-TLM-004");
        let mut short = cell.clone();
        *short.last_mut().unwrap() = 13;
        assert_eq!(decode_peer_cell(&short).unwrap_err().code(), "CF-TLM-004");
    }

    fn round_trip(parts: &[(u16, u32)]) -> Result<(), TestCaseError> {
        let record = record(parts);
        let cell = decode_peer_cell(&encode_peer_cell(&record).unwrap()).unwrap().unwrap();
        let back = TlmRecord::from_tlm(source(), cell.size, cell.first_sot, &cell.entries).unwrap();
        prop_assert_eq!(back, record);
        Ok(())
    }

    proptest! {
        #[test]
        fn cells_round_trip(parts in parts(300)) {
            round_trip(&parts)?;
        }

        /// What is read is either refused by the record or can be written and read again.
        #[test]
        fn what_is_read_can_be_written(
            size in prop_oneof![any::<u64>(), Just(u64::MAX)],
            first_sot in prop_oneof![0..10_000_u64, any::<u64>()],
            style in prop::sample::select(vec![0x00_u8, 0x10, 0x20, 0x40, 0x50, 0x60]),
            body in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            let segment = [&[0xff, 0x55, 0, 4 + u8::try_from(body.len()).unwrap(), 0, style][..], &body].concat();
            let length = u32::try_from(segment.len()).unwrap().to_be_bytes();
            let cell = [&size.to_be_bytes()[..], &first_sot.to_be_bytes(), &length, &segment].concat();
            let Ok(Some(cell)) = decode_peer_cell(&cell) else { return Ok(()) };
            if let Ok(record) = TlmRecord::from_tlm(source(), cell.size, cell.first_sot, &cell.entries) {
                prop_assert!(record.tile_parts.iter().all(|part| part.range().end <= size));
                let again = decode_peer_cell(&encode_peer_cell(&record).unwrap()).unwrap().unwrap();
                prop_assert_eq!((again.size, again.first_sot), (size, first_sot));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn cells_of_many_tile_parts_round_trip(count in 13_100_usize..30_000, length in 14_u32..100_000) {
            let parts: Vec<(u16, u32)> =
                (0..count).map(|n| (u16::try_from(n).unwrap(), length)).collect();
            round_trip(&parts)?;
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(cell in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode_peer_cell(&cell);
        }
    }
}
