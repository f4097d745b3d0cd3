//! A structure as a serialisable document, for people and scripts.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use self::text::{box_detail, hex, latin1};
use crate::bytes::{u8_at, u16_at};
use crate::header::{MainHeader, Segment, wide};
use crate::marker::Marker;
use crate::structure::{BoxInfo, Structure};

/// A [`Structure`] in plain values. Offsets inside the codestream count from SOC, those of boxes
/// from the start of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Description {
    /// Size of the file, bytes.
    pub size: u64,
    /// Boxes in file order.
    pub boxes: Vec<BoxDescription>,
    /// One line for each box whose contents are known; none for a raw codestream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boxdetail: Option<Vec<String>>,
    /// Offset of SOC in the file.
    pub codestream_off: u64,
    /// Whether EOC is missing.
    pub truncated: bool,
    /// Segments of the main header in order.
    pub main: Vec<HeaderSegment>,
    /// Offset of the first SOT.
    pub first_sot: u64,
    /// Length of the main header.
    pub main_header_len: u64,
    /// Tile-parts in file order.
    pub tp: Vec<TilePartDescription>,
    /// Whether EOC follows the last tile-part.
    pub eoc: bool,
    /// Bytes of the file after EOC; negative when the file ends without EOC.
    pub after_eoc: i64,
    /// Offset in the file of EOC, or of where it should be.
    pub endpos: u64,
    /// Number of tiles.
    pub ntiles: u64,
    /// Tiles in a row and in a column.
    pub grid: (u32, u32),
    /// Entries of TLM: tile and length.
    pub tlm: Vec<(Option<u16>, u32)>,
    /// Whether TLM agrees with the tile-parts.
    pub tlm_ok: Option<bool>,
    /// Order of the tile-parts by tile.
    pub tile_order: &'static str,
    /// Number of tiles by their number of tile-parts.
    pub tp_per_tile: BTreeMap<u64, u64>,
    /// Number of tile-parts by TNsot.
    #[serde(rename = "TN")]
    pub tn: BTreeMap<u8, u64>,
    /// Number of tile-parts by TPsot.
    #[serde(rename = "TP")]
    pub tp_index: BTreeMap<u8, u64>,
    /// Number of tile-parts by the markers of their headers.
    pub tpmarkers: BTreeMap<String, u64>,
    /// The numbers of packets that PLT lists per tile-part.
    pub plt_packets: Vec<u64>,
    /// Smallest and largest Psot.
    pub psot_minmax: Option<(u32, u32)>,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoxDescription {
    /// Four-character type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Offset in the file.
    pub off: u64,
    /// Length with its header.
    pub len: u64,
    /// Length of the box header.
    pub hdr: u8,
    /// Superboxes around it.
    pub depth: u8,
    /// LBox as written.
    pub lenfield: u32,
}

/// A marker segment of the main header.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeaderSegment {
    /// Name of the marker, or its code in hexadecimal.
    pub m: String,
    /// Offset from SOC.
    pub off: u32,
    /// Length field.
    #[serde(rename = "L")]
    pub length: u16,
    /// Values of the segment.
    #[serde(flatten)]
    pub detail: SegmentDetail,
}

/// The values of a marker segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "named as in the standard, less the suffix siz, cod, qcd, tlm")]
pub enum SegmentDetail {
    /// SIZ.
    #[serde(rename_all = "UPPERCASE")]
    Size {
        #[serde(rename = "Rsiz")]
        rsiz: u16,
        x: u32,
        y: u32,
        xo: u32,
        yo: u32,
        xt: u32,
        yt: u32,
        xto: u32,
        yto: u32,
        c: u64,
        /// Bit depths, negative where signed.
        #[serde(rename = "prec")]
        prec: Vec<i16>,
        /// Component separations.
        #[serde(rename = "sub")]
        sub: Vec<(u8, u8)>,
    },
    /// COD.
    Coding {
        #[serde(rename = "Scod")]
        scod: u8,
        precincts_defined: bool,
        #[serde(rename = "SOP")]
        sop: bool,
        #[serde(rename = "EPH")]
        eph: bool,
        prog: &'static str,
        layers: u16,
        mct: u8,
        levels: u8,
        cblk: (u32, u32),
        cbstyle: u8,
        transform: &'static str,
        precincts: Vec<(u32, u32)>,
    },
    /// QCD without quantisation.
    Exponents { style: &'static str, guard: u8, exps: Vec<u8> },
    /// QCD with step sizes.
    Steps { style: &'static str, guard: u8, steps: Vec<(u8, u16)> },
    /// COM.
    Comment { text: String },
    /// TLM.
    TilePartLengths {
        #[serde(rename = "Ztlm")]
        ztlm: u8,
        #[serde(rename = "Stlm")]
        stlm: u8,
        n: u64,
    },
    /// CRG: horizontal and vertical registration of each component.
    Registration { crg: Vec<u16> },
    /// Known by name only.
    Other {},
}

/// A tile-part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TilePartDescription {
    /// Isot.
    #[serde(rename = "I")]
    pub tile: u16,
    /// Psot as written: 0 when open-ended.
    #[serde(rename = "P")]
    pub length: u32,
    /// TPsot.
    #[serde(rename = "TP")]
    pub part: u8,
    /// TNsot.
    #[serde(rename = "TN")]
    pub parts: u8,
    /// Offset of the SOT from SOC.
    pub off: u64,
    /// Markers of the header.
    pub m: Vec<String>,
    /// Packets that PLT lists.
    pub npk: u64,
    /// Length of the header with SOT and SOD.
    pub hdrlen: u32,
}

/// Describes a structure.
pub fn describe(structure: &Structure) -> Description {
    let header = &structure.header;
    let siz = &header.siz;
    let main_header_len = wide(header.bytes().len());
    let start = structure.codestream.start;
    let eoc = u64::from(structure.eoc) * 2;
    let endpos = structure.codestream.end.saturating_sub(structure.trailing + eoc);
    let tp: Vec<_> = structure
        .tile_parts
        .iter()
        .map(|part| TilePartDescription {
            tile: part.tile,
            length: if part.open_ended { 0 } else { part.length },
            part: part.part,
            parts: part.parts,
            off: part.offset.saturating_sub(start),
            m: part.markers.iter().map(|&code| name(Marker(code))).collect(),
            npk: part.packet_lengths.as_ref().map_or(0, |lengths| wide(lengths.len())),
            hdrlen: part.header_length,
        })
        .collect();
    let per_tile = count(tp.iter().map(|part| part.tile));
    let mut plt_packets: Vec<_> = tp.iter().map(|part| part.npk).collect();
    plt_packets.sort_unstable();
    plt_packets.dedup();
    let lengths = || tp.iter().map(|part| part.length);
    Description {
        size: structure.size,
        boxes: structure.boxes.iter().map(box_description).collect(),
        boxdetail: (!structure.boxes.is_empty())
            .then(|| structure.boxes.iter().filter_map(box_detail).collect()),
        codestream_off: start,
        truncated: !structure.eoc,
        main: header.segments.iter().map(|segment| header_segment(header, segment)).collect(),
        first_sot: main_header_len,
        main_header_len,
        eoc: structure.eoc,
        after_eoc: i64::try_from(structure.size).unwrap_or(i64::MAX)
            - i64::try_from(endpos).unwrap_or(i64::MAX)
            - 2,
        endpos,
        ntiles: u64::from(siz.tiles()),
        grid: (siz.tiles_x(), siz.tiles_y()),
        tlm: header.tlm.iter().map(|entry| (entry.tile, entry.length)).collect(),
        tlm_ok: structure.tlm_matches(),
        tile_order: match tp.is_sorted_by_key(|part| part.tile) {
            true => "raster ascending",
            false => "OUT OF ORDER",
        },
        tp_per_tile: count(per_tile.into_values()),
        tn: count(tp.iter().map(|part| part.parts)),
        tp_index: count(tp.iter().map(|part| part.part)),
        tpmarkers: count(tp.iter().map(|part| part.m.join(","))),
        plt_packets,
        psot_minmax: lengths().min().zip(lengths().max()),
        tp,
    }
}

fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

fn name(marker: Marker) -> String {
    marker.name().map_or_else(|| format!("{:#x}", marker.0), str::to_owned)
}

fn box_description(info: &BoxInfo) -> BoxDescription {
    BoxDescription {
        kind: latin1(&info.kind),
        off: info.offset,
        len: info.length,
        hdr: info.header_length,
        depth: info.depth,
        lenfield: info.length_field,
    }
}

fn header_segment(header: &MainHeader, segment: &Segment) -> HeaderSegment {
    HeaderSegment {
        m: name(segment.marker),
        off: segment.offset,
        length: segment.length,
        detail: segment_detail(header, segment),
    }
}

fn segment_detail(header: &MainHeader, segment: &Segment) -> SegmentDetail {
    let body = header.body(segment);
    match segment.marker {
        Marker::SIZ => size(header),
        Marker::COD => coding(header),
        Marker::QCD => {
            let (qcd, style) = (&header.qcd, ["none(reversible)", "scalar derived"]);
            let style = style.get(usize::from(qcd.style)).copied().unwrap_or("scalar expounded");
            let guard = qcd.guard_bits;
            match qcd.style {
                0 => {
                    let exps = qcd.steps.iter().map(|&(exponent, _)| exponent).collect();
                    SegmentDetail::Exponents { style, guard, exps }
                }
                _ => SegmentDetail::Steps { style, guard, steps: qcd.steps.clone() },
            }
        }
        Marker::COM => {
            let data = body.get(2..).unwrap_or_default();
            let text = if u16_at(body, 0) == Some(1) { latin1(data) } else { hex(data) };
            SegmentDetail::Comment { text }
        }
        Marker::TLM => {
            let ztlm = u8_at(body, 0).unwrap_or_default();
            let stlm = u8_at(body, 1).unwrap_or_default();
            let entry = usize::from(stlm >> 4 & 3) + if stlm & 0x40 == 0 { 2 } else { 4 };
            let n = wide(body.len().saturating_sub(2) / entry);
            SegmentDetail::TilePartLengths { ztlm, stlm, n }
        }
        Marker::CRG => SegmentDetail::Registration {
            crg: body.as_chunks::<2>().0.iter().map(|&pair| u16::from_be_bytes(pair)).collect(),
        },
        _ => SegmentDetail::Other {},
    }
}

fn size(header: &MainHeader) -> SegmentDetail {
    let siz = &header.siz;
    let depth = |component: &crate::Component| {
        let depth = i16::from(component.bit_depth);
        if component.signed { -depth } else { depth }
    };
    SegmentDetail::Size {
        rsiz: siz.capabilities,
        x: siz.x_size,
        y: siz.y_size,
        xo: siz.x_offset,
        yo: siz.y_offset,
        xt: siz.tile_width,
        yt: siz.tile_height,
        xto: siz.tile_x_offset,
        yto: siz.tile_y_offset,
        c: wide(siz.components.len()),
        prec: siz.components.iter().map(depth).collect(),
        sub: siz.components.iter().map(|component| (component.dx, component.dy)).collect(),
    }
}

fn coding(header: &MainHeader) -> SegmentDetail {
    let (cod, coding) = (&header.cod, &header.cod.coding);
    let power = |exponent: u8| 1u32 << exponent.min(31);
    let given = cod.style & 1 != 0;
    let precincts = coding.precincts.iter().filter(|_| given);
    SegmentDetail::Coding {
        scod: cod.style,
        precincts_defined: given,
        sop: cod.style & 2 != 0,
        eph: cod.style & 4 != 0,
        prog: cod.progression.name(),
        layers: cod.layers,
        mct: cod.multi_component,
        levels: coding.levels,
        cblk: (power(coding.block_width), power(coding.block_height)),
        cbstyle: coding.block_style,
        transform: if coding.transform == 1 { "5-3 rev" } else { "9-7 irr" },
        precincts: precincts.map(|&(x, y)| (power(x), power(y))).collect(),
    }
}
