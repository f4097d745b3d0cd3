//! The record.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;
use cubeflight_jp2::{Structure, TlmEntry, parse_tlm_segment};
use cubeflight_sentinel2::{AssetId, ProductId};

use crate::{Error, Result};

/// One tile-part in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TilePartSpan {
    /// JP2 tile (Isot, ISO/IEC 15444-1 A.4.2).
    pub tile: u16,
    /// First byte of its SOT marker, from the start of the file.
    pub offset: u64,
    /// Bytes, SOT marker included (Psot).
    pub length: u32,
}

impl TilePartSpan {
    /// Its bytes in the file. Saturates; [`TlmRecord::check`] refuses what does.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(u64::from(self.length))
    }
}

/// Lengths of the packets of every tile-part, in file order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketLengths {
    /// Number of packets of each tile-part.
    pub counts: Vec<u32>,
    /// Lengths in bytes, all tile-parts one after the other.
    pub lengths: Vec<u32>,
}

impl PacketLengths {
    /// The packet lengths of the tile-part at `position` in file order.
    #[must_use]
    pub fn of(&self, position: usize) -> Option<&[u32]> {
        let before: u64 = self.counts.get(..position)?.iter().map(|count| u64::from(*count)).sum();
        let start = usize::try_from(before).ok()?;
        let count = usize::try_from(*self.counts.get(position)?).ok()?;
        self.lengths.get(start..start.checked_add(count)?)
    }
}

/// Where one asset's tiles lie. Valid without main header and without packet lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlmRecord {
    /// The product.
    pub product: ProductId,
    /// The asset of the product.
    pub asset: AssetId,
    /// Store that the file was scanned in (`s3://eodata`), where it has a name.
    pub store: Option<String>,
    /// Key of the file, bucket and mirror apart (`Sentinel-2/MSI/…`).
    pub key: String,
    /// File size in bytes.
    pub size: u64,
    /// Validator of the file that was scanned, where the store gave one.
    pub etag: Option<String>,
    /// Offset of the first SOT marker from the start of the file.
    pub first_sot: u64,
    /// Tile-parts in file order.
    pub tile_parts: Vec<TilePartSpan>,
    /// Whether these are all tile-parts of the file, each beginning where the one before ends. Else
    /// they are those that readers have found so far.
    pub complete: bool,
    /// Codestream main header, SOC up to the first SOT, without TLM markers.
    pub main_header: Option<Bytes>,
    /// Packet lengths.
    pub packet_lengths: Option<PacketLengths>,
}

/// What names a record: whose it is and the state of its file.
#[derive(Debug, Clone)]
pub struct RecordSource {
    /// The product.
    pub product: ProductId,
    /// The asset of the product.
    pub asset: AssetId,
    /// Store of the file (`s3://eodata`), where it has a name.
    pub store: Option<String>,
    /// Key of the file.
    pub key: String,
    /// Validator of the file.
    pub etag: Option<String>,
}

impl TlmRecord {
    /// The record of a scanned file.
    ///
    /// # Errors
    /// A structure without tile-parts.
    pub fn from_structure(source: RecordSource, structure: &Structure) -> Result<Self> {
        let first = structure.tile_parts.first().ok_or(Error::Empty)?;
        let tile_parts = structure
            .tile_parts
            .iter()
            .map(|part| TilePartSpan { tile: part.tile, offset: part.offset, length: part.length })
            .collect();
        let record = Self {
            product: source.product,
            asset: source.asset,
            store: source.store,
            key: source.key,
            size: structure.size,
            etag: source.etag,
            first_sot: first.offset,
            tile_parts,
            complete: true,
            main_header: Some(structure.header.without_tlm().into()),
            packet_lengths: packet_lengths(structure),
        };
        record.check()?;
        Ok(record)
    }

    /// The record of tile-parts that follow each other from `first_sot` on.
    ///
    /// # Errors
    /// No tile-parts, or tile-parts that end after the file.
    pub fn from_tlm(
        source: RecordSource,
        size: u64,
        first_sot: u64,
        entries: &[TlmEntry],
    ) -> Result<Self> {
        let mut offset = first_sot;
        let mut tile_parts = Vec::with_capacity(entries.len());
        for (position, entry) in entries.iter().enumerate() {
            // A TLM without tile indices (ST = 0) lists one tile-part a tile in order.
            let tile = match entry.tile {
                Some(tile) => tile,
                None => u16::try_from(position).unwrap_or(u16::MAX),
            };
            tile_parts.push(TilePartSpan { tile, offset, length: entry.length });
            offset = offset.saturating_add(u64::from(entry.length));
        }
        let record = Self {
            product: source.product,
            asset: source.asset,
            store: source.store,
            key: source.key,
            size,
            etag: source.etag,
            first_sot,
            tile_parts,
            complete: true,
            main_header: None,
            packet_lengths: None,
        };
        record.check()?;
        Ok(record)
    }

    /// The same without packet lengths, which are most of a record.
    #[must_use]
    pub fn without_packet_lengths(&self) -> Self {
        Self {
            product: self.product.clone(),
            asset: self.asset,
            store: self.store.clone(),
            key: self.key.clone(),
            size: self.size,
            etag: self.etag.clone(),
            first_sot: self.first_sot,
            tile_parts: self.tile_parts.clone(),
            complete: self.complete,
            main_header: self.main_header.clone(),
            packet_lengths: None,
        }
    }

    /// The tile-part of a JP2 tile that comes first in the file.
    #[must_use]
    pub fn tile_part(&self, tile: u16) -> Option<&TilePartSpan> {
        self.tile_parts.iter().find(|part| part.tile == tile)
    }

    /// What this record and an older one of the same file state say together: an older record
    /// adds what this one lacks, unless the two contradict each other. Then this one holds alone.
    #[must_use]
    pub fn completed_by(&self, older: &Self) -> Self {
        let mut merged = self.clone();
        if self.first_sot != older.first_sot {
            return merged;
        }
        if merged.main_header.is_none() {
            merged.main_header.clone_from(&older.main_header);
        }
        match (self.complete, older.complete) {
            (true, true)
                if self.packet_lengths.is_none() && self.tile_parts == older.tile_parts =>
            {
                merged.packet_lengths.clone_from(&older.packet_lengths);
            }
            (false, true) if contains(older, self) => {
                merged.tile_parts.clone_from(&older.tile_parts);
                merged.packet_lengths.clone_from(&older.packet_lengths);
                merged.complete = true;
            }
            (false, false) => merged.add_parts(older),
            _ => {}
        }
        merged
    }

    /// Adds the tile-parts of an incomplete record. Packet lengths stay only if both have them.
    fn add_parts(&mut self, older: &Self) {
        let offsets = |record: &Self| -> HashMap<u64, TilePartSpan> {
            record.tile_parts.iter().map(|part| (part.offset, *part)).collect()
        };
        let own = offsets(self);
        let agrees = |part: &TilePartSpan| {
            own.get(&part.offset).is_none_or(|mine| mine == part)
                && !self.tile_parts.iter().any(|mine| {
                    mine.offset < part.range().end
                        && part.offset < mine.range().end
                        && mine.offset != part.offset
                })
        };
        if !older.tile_parts.iter().all(agrees) {
            return;
        }
        let mut parts: Vec<(TilePartSpan, Option<&[u32]>)> = Vec::new();
        for record in [&*self, older] {
            let packets = |position| record.packet_lengths.as_ref()?.of(position);
            let known = record.tile_parts.iter().enumerate();
            parts.extend(known.map(|(position, part)| (*part, packets(position))));
        }
        // of two for one tile-part the one with packet lengths comes first
        parts.sort_by_key(|(part, packets)| (part.offset, packets.is_none()));
        parts.dedup_by_key(|(part, _)| part.offset);
        let mut packets = Some(PacketLengths::default());
        for (_, lengths) in &parts {
            let count = lengths.and_then(|lengths| u32::try_from(lengths.len()).ok());
            let (Some(all), Some(lengths), Some(count)) = (&mut packets, lengths, count) else {
                packets = None;
                break;
            };
            all.counts.push(count);
            all.lengths.extend_from_slice(lengths);
        }
        self.tile_parts = parts.into_iter().map(|(part, _)| part).collect();
        self.packet_lengths = packets;
    }

    /// The TLM marker segments one after the other, markers included (ISO/IEC 15444-1 A.7.1).
    /// One segment holds 13,106 tile-parts; every file that ESA writes needs one only.
    ///
    /// # Errors
    /// An incomplete record, and more tile-parts than 256 segments can list.
    pub fn tlm_segments(&self) -> Result<Vec<u8>> {
        if !self.complete {
            return Err(Error::Incomplete);
        }
        let parts = self.tile_parts.iter().map(|part| (part.tile, part.length));
        Ok(cubeflight_jp2::tlm_segment(parts)?.concat())
    }

    /// Checks that the parts of the record agree: there are tile-parts, they follow each other
    /// (without gaps where the record is complete) and end within the file, and packet lengths are
    /// there for each of them.
    ///
    /// # Errors
    /// The first disagreement.
    pub fn check(&self) -> Result<()> {
        if self.tile_parts.is_empty() {
            return Err(Error::Empty);
        }
        let mut next = self.first_sot;
        for part in &self.tile_parts {
            let end = part.offset.checked_add(u64::from(part.length));
            let Some(end) = end.filter(|end| *end <= self.size) else {
                let end = end.unwrap_or(u64::MAX);
                return Err(Error::BeyondFile { end, size: self.size });
            };
            if part.offset < next || (self.complete && part.offset != next) {
                return Err(Error::Order { offset: part.offset, expected: next });
            }
            next = end;
        }
        let Some(packets) = &self.packet_lengths else { return Ok(()) };
        let total: u64 = packets.counts.iter().map(|count| u64::from(*count)).sum();
        let matches = packets.counts.len() == self.tile_parts.len()
            && usize::try_from(total) == Ok(packets.lengths.len());
        if !matches {
            return Err(Error::PacketLengths {
                found: packets.counts.len(),
                expected: self.tile_parts.len(),
            });
        }
        Ok(())
    }
}

/// Whether every tile-part of the second record is in the first.
fn contains(all: &TlmRecord, some: &TlmRecord) -> bool {
    let known: HashSet<&TilePartSpan> = all.tile_parts.iter().collect();
    some.tile_parts.iter().all(|part| known.contains(part))
}

/// Reads what [`TlmRecord::tlm_segments`] writes.
///
/// # Errors
/// Bytes that are not a sequence of TLM segments.
pub fn parse_tlm_segments(mut bytes: &[u8]) -> Result<Vec<TlmEntry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        // Marker and Lxxx; Lxxx counts itself. A segment that is cut is refused by the parser.
        let length = bytes.get(2..4).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
        let (segment, rest) = bytes.split_at(bytes.len().min(2 + length.max(2)));
        entries.extend(parse_tlm_segment(segment)?);
        bytes = rest;
    }
    Ok(entries)
}

/// Packet lengths are kept only when every tile-part has them: half a table helps no plan.
fn packet_lengths(structure: &Structure) -> Option<PacketLengths> {
    let mut packets = PacketLengths::default();
    for part in &structure.tile_parts {
        let lengths = part.packet_lengths.as_ref()?;
        packets.counts.push(u32::try_from(lengths.len()).ok()?);
        packets.lengths.extend_from_slice(lengths);
    }
    Some(packets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::{parts, record, source};

    #[test]
    fn packet_lengths_are_told_apart() {
        let packets = PacketLengths { counts: vec![2, 0, 3], lengths: vec![1, 2, 3, 4, 5] };
        assert_eq!(packets.of(0), Some(&[1, 2][..]));
        assert_eq!(packets.of(1), Some(&[][..]));
        assert_eq!(packets.of(2), Some(&[3, 4, 5][..]));
        assert_eq!(packets.of(3), None);
        let cut = PacketLengths { counts: vec![2, u32::MAX], lengths: vec![1, 2, 3] };
        assert_eq!(cut.of(1), None);
        assert_eq!(PacketLengths::default().of(usize::MAX), None);
    }

    #[test]
    fn contradictions_are_named() {
        let good = record(&[(0, 20), (1, 30)]);
        good.check().unwrap();
        let code = |change: &dyn Fn(&mut TlmRecord)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.check().unwrap_err().code()
        };
        assert_eq!(code(&|r| r.tile_parts.clear()), "CF-TLM-003");
        assert_eq!(code(&|r| r.size = r.first_sot + 49), "CF-TLM-001");
        // the first part ends after the file, the last does not
        assert_eq!(code(&|r| r.tile_parts[0].length = u32::MAX), "CF-TLM-001");
        assert_eq!(code(&|r| r.tile_parts[1].offset = u64::MAX), "CF-TLM-001");
        let packets = |counts: &[u32], lengths: &[u32]| {
            let packets = PacketLengths { counts: counts.to_vec(), lengths: lengths.to_vec() };
            move |r: &mut TlmRecord| r.packet_lengths = Some(packets.clone())
        };
        assert_eq!(code(&packets(&[1], &[6])), "CF-TLM-002");
        assert_eq!(code(&packets(&[1, 2], &[6, 6])), "CF-TLM-002");
        assert_eq!(code(&packets(&[u32::MAX, u32::MAX], &[])), "CF-TLM-002");
    }

    /// Some tile-parts of a record, with a packet length for each where wanted.
    fn some(all: &TlmRecord, positions: &[usize], packets: bool) -> TlmRecord {
        let tile_parts: Vec<_> = positions.iter().map(|at| all.tile_parts[*at]).collect();
        let lengths = tile_parts.iter().map(|part| part.length - 14).collect();
        let packets = packets.then(|| PacketLengths { counts: vec![1; positions.len()], lengths });
        TlmRecord { tile_parts, complete: false, packet_lengths: packets, ..all.clone() }
    }

    #[test]
    fn an_older_record_adds_what_is_missing() {
        let all = record(&[(0, 20), (1, 30), (2, 40), (3, 50)]);
        let with_header = TlmRecord { main_header: Some(Bytes::from_static(b"h")), ..all.clone() };
        assert_eq!(all.completed_by(&with_header), with_header);
        assert_eq!(some(&all, &[1], true).completed_by(&with_header), with_header);
        assert_eq!(with_header.completed_by(&some(&all, &[1], true)), with_header);

        let merged = some(&all, &[2, 3], true).completed_by(&some(&all, &[0, 2], true));
        assert_eq!(merged, some(&all, &[0, 2, 3], true));
        merged.check().unwrap();
        let merged = some(&all, &[3], true).completed_by(&some(&all, &[0], false));
        assert_eq!(merged, some(&all, &[0, 3], false));
        let merged = some(&all, &[3], false).completed_by(&some(&all, &[3], true));
        assert_eq!(merged, some(&all, &[3], true));
    }

    #[test]
    fn an_older_record_that_contradicts_is_dropped() {
        let (new, old) = (record(&[(0, 20), (1, 30)]), record(&[(0, 25), (1, 30)]));
        let old = TlmRecord { size: new.size, ..old };
        for (new, old) in [
            (some(&new, &[1], true), old.clone()),
            (some(&new, &[0, 1], true), some(&old, &[0], true)),
            (TlmRecord { first_sot: 2300, ..some(&new, &[1], true) }, new.clone()),
        ] {
            assert_eq!(new.completed_by(&old), new);
        }
    }

    #[test]
    fn gaps_and_overlaps_are_named() {
        let all = record(&[(0, 20), (1, 30), (2, 40)]);
        some(&all, &[0, 2], true).check().unwrap();
        let gap = TlmRecord { complete: true, ..some(&all, &[0, 2], false) };
        assert_eq!(gap.check().unwrap_err().code(), "CF-TLM-005");
        assert_eq!(some(&all, &[2, 0], false).check().unwrap_err().code(), "CF-TLM-005");
        assert_eq!(some(&all, &[0], false).tlm_segments().unwrap_err().code(), "CF-TLM-006");
    }

    #[test]
    fn tiles_without_index_are_counted() {
        let entry = TlmEntry { tile: None, length: 20 };
        let record = TlmRecord::from_tlm(source(), 1000, 100, &[entry; 3]).unwrap();
        let tiles: Vec<u16> = record.tile_parts.iter().map(|part| part.tile).collect();
        assert_eq!(tiles, [0, 1, 2]);
        assert_eq!(record.tile_parts[2].range(), 140..160);
    }

    #[test]
    fn offsets_beyond_64_bits_are_refused() {
        let entries =
            [TlmEntry { tile: Some(0), length: 20 }, TlmEntry { tile: Some(1), length: 0 }];
        let error = TlmRecord::from_tlm(source(), u64::MAX, u64::MAX - 10, &entries).unwrap_err();
        assert_eq!(error.code(), "CF-TLM-001");
    }

    #[test]
    fn segments_that_are_cut_are_refused() {
        let segments = record(&[(0, 20), (1, 30)]).tlm_segments().unwrap();
        for end in 1..segments.len() {
            assert!(parse_tlm_segments(&segments[..end]).is_err(), "{end} bytes");
        }
    }

    proptest! {
        #[test]
        fn segments_round_trip(parts in parts(300)) {
            let record = record(&parts);
            let entries = parse_tlm_segments(&record.tlm_segments().unwrap()).unwrap();
            let back =
                TlmRecord::from_tlm(source(), record.size, record.first_sot, &entries).unwrap();
            prop_assert_eq!(back, record);
        }

        #[test]
        fn any_bytes_are_segments_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_tlm_segments(&bytes);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn many_tile_parts_take_several_segments(count in 13_100_usize..30_000, length in 14_u32..100_000) {
            let parts: Vec<(u16, u32)> =
                (0..count).map(|n| (u16::try_from(n % 65_535).unwrap(), length)).collect();
            let record = record(&parts);
            let entries = parse_tlm_segments(&record.tlm_segments().unwrap()).unwrap();
            let back =
                TlmRecord::from_tlm(source(), record.size, record.first_sot, &entries).unwrap();
            prop_assert_eq!(back, record);
        }
    }
}
