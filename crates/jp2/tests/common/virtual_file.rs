//! Files of any size that take no memory: only their headers exist.
#![allow(dead_code, reason = "each user takes a part")]

use std::collections::BTreeMap;
use std::ops::Range;

use cubeflight_jp2::{MainHeader, packet_count};

/// A raw codestream of one component whose tiles have given amounts of data.
pub(crate) struct VirtualFile {
    pub(crate) size: u64,
    /// Headers and decoys by offset; everything else is noise.
    pieces: BTreeMap<u64, Vec<u8>>,
    /// Offset and length of the tile-part of each tile.
    pub(crate) places: Vec<(u64, u32)>,
}

/// How a [`VirtualFile`] is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Make {
    /// Tiles in a row and in a column.
    pub(crate) side: u32,
    /// Whether tile-parts list their packets.
    pub(crate) plt: bool,
}

/// SOC, SIZ, COD and QCD as 10 m bands have them, with `side` x `side` tiles.
pub(crate) fn main_header(side: u32) -> Vec<u8> {
    let mut out = vec![0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0];
    let size = side * 1024 - 284;
    for value in [size, size, 0, 0, 1024, 1024, 0, 0] {
        out.extend(value.to_be_bytes());
    }
    out.extend([0, 1, 14, 1, 1]);
    out.extend([0xff, 0x52, 0, 17, 1, 0, 0, 1, 0, 4, 4, 4, 0, 1]);
    out.extend([0x88; 5]);
    out.extend([0xff, 0x5c, 0, 16, 0x20]);
    out.extend([0x90; 13]);
    out
}

/// The header of a tile-part with `data` bytes of packets.
pub(crate) fn tile_part_header(tile: u16, data: u32, packets: Option<u64>) -> Vec<u8> {
    let mut out = vec![0xff, 0x90, 0, 10];
    out.extend(tile.to_be_bytes());
    out.extend([0, 0, 0, 0, 0, 1]);
    if let Some(count) = packets {
        let count = u32::try_from(count).unwrap();
        let share = (data / count).min(data / 2);
        let mut body = vec![0];
        for index in 0..count {
            let length = if index == 0 { data - share * (count - 1) } else { share };
            let mut shift = 28;
            while shift > 0 && length >> shift == 0 {
                shift -= 7;
            }
            while shift > 0 {
                body.push((length >> shift & 0x7f) as u8 | 0x80);
                shift -= 7;
            }
            body.push((length & 0x7f) as u8);
        }
        out.extend([0xff, 0x58]);
        out.extend((body.len() as u16 + 2).to_be_bytes());
        out.extend(body);
    }
    out.extend([0xff, 0x93]);
    let psot = out.len() as u32 + data;
    out[6..10].copy_from_slice(&psot.to_be_bytes());
    out
}

impl VirtualFile {
    pub(crate) fn new(make: Make, data: &[u32]) -> Self {
        let header = main_header(make.side);
        let parsed = MainHeader::parse(&header).unwrap();
        assert_eq!(data.len(), parsed.siz.tiles() as usize);
        let mut at = header.len() as u64;
        let mut pieces = BTreeMap::from([(0, header)]);
        let mut places = Vec::new();
        for (tile, &data) in (0u16..).zip(data) {
            let packets = make.plt.then(|| packet_count(&parsed, tile).unwrap());
            // an empty packet is one byte
            let data = data.max(packets.unwrap_or(0) as u32);
            let head = tile_part_header(tile, data, packets);
            let length = head.len() as u32 + data;
            pieces.insert(at, head);
            places.push((at, length));
            at += u64::from(length);
        }
        pieces.insert(at, vec![0xff, 0xd9]);
        Self { size: at + 2, pieces, places }
    }

    /// Puts bytes in place of noise, where there is room in the data of a tile.
    pub(crate) fn decoy(&mut self, tile: usize, share: f64, bytes: Vec<u8>) {
        let (offset, length) = self.places[tile];
        let head = self.pieces[&offset].len() as u64;
        let room = u64::from(length).saturating_sub(head + bytes.len() as u64);
        let at = offset + head + (room as f64 * share) as u64;
        let free = self.pieces.range(..at + bytes.len() as u64).next_back();
        if room > 0 && free.is_some_and(|(&start, piece)| start + piece.len() as u64 <= at) {
            self.pieces.insert(at, bytes);
        }
    }

    pub(crate) fn read(&self, range: Range<u64>) -> Vec<u8> {
        assert!(range.end <= self.size, "{range:?}");
        let noise = |at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as u8;
        let mut out: Vec<u8> = range.clone().map(noise).collect();
        let first = self.pieces.range(..=range.start).next_back().map_or(0, |(&at, _)| at);
        for (&at, piece) in self.pieces.range(first..range.end) {
            for (offset, &byte) in (at..).zip(piece) {
                if range.contains(&offset) {
                    out[(offset - range.start) as usize] = byte;
                }
            }
        }
        out
    }
}
