//! What a scan finds: boxes, main header, tile-parts.

use std::ops::Range;

use crate::bytes::u16_at;
use crate::geometry::packet_count_of;
use crate::header::{At, Coding, MainHeader, Progression, parse_coc, parse_cod};
use crate::marker::Marker;
use crate::{Error, Result};

/// One box of a JP2 file (ISO/IEC 15444-1 I.4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoxInfo {
    /// Four-character type, such as `jp2c`.
    pub kind: [u8; 4],
    /// Offset of the box in the file.
    pub offset: u64,
    /// Length with its header, bytes; resolved where the length field is 0 or 1.
    pub length: u64,
    /// Length of the box header: 8, or 16 with XLBox.
    pub header_length: u8,
    /// Number of superboxes around it.
    pub depth: u8,
    /// LBox as written: 0 to the end of the file, 1 XLBox follows.
    pub length_field: u32,
    /// The first bytes of the contents of `ftyp`, `ihdr`, `colr`, `bpcc`, `lbl `, `xml ` and
    /// `uuid` boxes, at most [`MAX_PAYLOAD`](crate::MAX_PAYLOAD); empty for all others.
    pub payload: Vec<u8>,
}

/// One tile-part (A.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TilePart {
    /// Tile index (Isot).
    pub tile: u16,
    /// Index of this part within its tile (TPsot).
    pub part: u8,
    /// Number of parts of the tile (TNsot), 0 where this part does not say.
    pub parts: u8,
    /// Offset of the SOT in the file.
    pub offset: u64,
    /// Length from the SOT on, bytes (Psot); resolved where Psot is 0.
    pub length: u32,
    /// Whether Psot is 0: the tile-part reaches to EOC.
    pub open_ended: bool,
    /// Length of SOT up to and with SOD, bytes; 0 when the header was not read.
    pub header_length: u32,
    /// Markers of the header between SOT and SOD, in order; empty when it was not read.
    pub markers: Vec<u16>,
    /// Length of every packet of this part in the order of the codestream (PLT), bytes.
    pub packet_lengths: Option<Vec<u32>>,
    /// COD and COC segments of the header, raw and in order; nearly always empty.
    pub coding_segments: Vec<u8>,
}

/// A JP2 file or raw codestream, described.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Structure {
    /// Size of the file, bytes.
    pub size: u64,
    /// Boxes in file order, those inside superboxes behind them; empty for a raw codestream.
    pub boxes: Vec<BoxInfo>,
    /// The codestream in the file.
    pub codestream: Range<u64>,
    /// Its main header.
    pub header: MainHeader,
    /// Tile-parts in file order; empty after a scan of the header only.
    pub tile_parts: Vec<TilePart>,
    /// Whether the tile-parts were read; not after a scan of the header only.
    pub complete: bool,
    /// Whether the tile-parts were taken from TLM and not from their SOT markers.
    pub from_tlm: bool,
    /// Whether an EOC marker follows the last tile-part.
    pub eoc: bool,
    /// Bytes of the codestream after EOC.
    pub trailing: u64,
    /// (tile, index into `tile_parts`), sorted.
    pub(crate) by_tile: Vec<(u16, usize)>,
}

impl TilePart {
    /// A tile-part of which only the place is known; the only one of its tile.
    pub(crate) fn bare(tile: u16, offset: u64, length: u32) -> Self {
        Self {
            tile,
            part: 0,
            parts: 1,
            offset,
            length,
            open_ended: false,
            header_length: 0,
            markers: Vec::new(),
            packet_lengths: None,
            coding_segments: Vec::new(),
        }
    }

    /// Offset of the first byte behind it.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.length))
    }
}

impl Structure {
    /// The tile-parts of a tile in the order of the file, which is that of TPsot.
    pub fn tile_parts_of(&self, tile: u16) -> impl Iterator<Item = &TilePart> {
        let start = self.by_tile.partition_point(|&(other, _)| other < tile);
        let rest = self.by_tile.get(start..).unwrap_or_default();
        rest.iter()
            .take_while(move |&&(other, _)| other == tile)
            .filter_map(|&(_, index)| self.tile_parts.get(index))
    }

    /// Offset in the file of the first SOT, or of where it should be.
    pub fn first_tile_part(&self) -> u64 {
        self.codestream.start.saturating_add(crate::header::wide(self.header.bytes().len()))
    }

    /// Whether single tiles can be cut out and decoded by
    /// [`splice_tile`](crate::splice_tile) and [`decode`](crate::decode).
    ///
    /// # Errors
    /// [`Error::CannotSplice`] or [`Error::Unsupported`] with the reason: then the file must be
    /// decoded whole, or not at all.
    pub fn can_splice(&self) -> Result<()> {
        if !self.complete {
            return Err(Error::CannotSplice { reason: "only the header has been scanned" });
        }
        self.header.can_splice()?;
        crate::image::check_supported(&self.header.siz)?;
        Ok(())
    }

    /// Whether TLM lists the tile-parts as they are; `None` without TLM or tile-parts.
    pub fn tlm_matches(&self) -> Option<bool> {
        if self.header.tlm.is_empty() || !self.complete {
            return None;
        }
        let tlm = self.header.tlm.iter().map(|entry| entry.length);
        Some(tlm.eq(self.tile_parts.iter().map(|part| part.length)))
    }

    /// The coding of a tile: the main header's, with what its tile-part headers override.
    ///
    /// # Errors
    /// [`Error::Segment`] for a malformed COD or COC.
    pub fn tile_coding(&self, tile: u16) -> Result<TileCoding> {
        let mut segments = Vec::new();
        for part in self.tile_parts_of(tile) {
            segments.extend_from_slice(&part.coding_segments);
        }
        TileCoding::new(&self.header, &segments)
    }
}

/// The coding of one tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileCoding {
    /// Packet order.
    pub progression: Progression,
    /// Quality layers.
    pub layers: u16,
    /// Multiple component transform.
    pub multi_component: u8,
    /// Coding of each component.
    pub components: Vec<Coding>,
}

impl TileCoding {
    /// The coding that the main header gives to every tile.
    pub fn of_header(header: &MainHeader) -> Self {
        let count = header.siz.components.len();
        Self {
            progression: header.cod.progression,
            layers: header.cod.layers,
            multi_component: header.cod.multi_component,
            components: (0u16..).take(count).map(|index| header.coding(index).clone()).collect(),
        }
    }

    /// The coding that the main header and the COD and COC segments of a tile's headers give
    /// (A.6.1, A.6.2: COC of the tile, COD of the tile, COC, COD).
    ///
    /// # Errors
    /// [`Error::Segment`] for a malformed segment, offsets counted within `segments`.
    pub fn new(header: &MainHeader, segments: &[u8]) -> Result<Self> {
        let count = header.siz.components.len();
        let mut coding = Self::of_header(header);
        let mut own = Vec::new();
        let mut at = 0usize;
        while let (Some(marker), Some(length)) = (u16_at(segments, at), u16_at(segments, at + 2)) {
            let here = At { marker: Marker(marker), offset: crate::header::wide(at) };
            let end = at + 2 + usize::from(length.max(2));
            let body = segments.get(at + 4..end).unwrap_or_default();
            match here.marker {
                Marker::COD => {
                    let cod = parse_cod(body, here)?;
                    coding.progression = cod.progression;
                    coding.layers = cod.layers;
                    coding.multi_component = cod.multi_component;
                    coding.components.fill(cod.coding);
                }
                Marker::COC => own.push(parse_coc(body, count, here)?),
                _ => {}
            }
            at = end;
        }
        for coc in own {
            if let Some(slot) = coding.components.get_mut(usize::from(coc.component)) {
                *slot = coc.coding;
            }
        }
        Ok(coding)
    }

    /// Number of packets of a tile with this coding.
    ///
    /// # Errors
    /// [`Error::TilePart`] when there is no such tile.
    pub fn packet_count(&self, header: &MainHeader, tile: u16) -> Result<u64> {
        packet_count_of(&header.siz, self.layers, tile, |component| {
            self.components.get(usize::from(component)).unwrap_or(&header.cod.coding)
        })
    }
}
