//! Parsing of the segments of the main header (ISO/IEC 15444-1 A.5, A.6).

use std::collections::BTreeMap;

use super::{
    Coc, Cod, Coding, Comment, Component, MAX_COMPONENTS, MAX_MAIN_HEADER, MAX_TILES, Progression,
    Qcc, Qcd, Segment, Siz,
};
use crate::bytes::{u8_at, u16_at, u32_at};
use crate::marker::Marker;
use crate::tlm::{TlmEntry, parse_tlm_segment, tlm_index};
use crate::{Error, Result};

/// Splits a main header into its segments.
pub(super) fn split(bytes: &[u8]) -> Result<Vec<Segment>> {
    let truncated = |what, at: usize, needed: u64| Error::Truncated {
        what,
        offset: wide(at),
        needed,
        available: wide(bytes.len().saturating_sub(at)),
    };
    let first = u16_at(bytes, 0).ok_or(truncated("codestream", 0, 2))?;
    if first != Marker::SOC.0 {
        return Err(Error::UnexpectedMarker { offset: 0, found: Marker(first), expected: "SOC" });
    }
    let (mut segments, mut at) = (Vec::new(), 2usize);
    while at < bytes.len() {
        let marker = Marker(u16_at(bytes, at).ok_or(truncated("main header", at, 2))?);
        if marker == Marker::SOT {
            break;
        }
        check_main_marker(marker, wide(at), segments.is_empty())?;
        let offset = u32::try_from(at).unwrap_or(u32::MAX);
        if marker.is_bare() {
            segments.push(Segment { marker, offset, length: 0 });
            at += 2;
        } else {
            let length = u16_at(bytes, at + 2).ok_or(truncated("main header", at, 4))?;
            check_length(marker, wide(at), length)?;
            let segment = Segment { marker, offset, length };
            if segment.end() > bytes.len() {
                return Err(truncated("marker segment", at, u64::from(length) + 2));
            }
            segments.push(segment);
            at = segment.end();
        }
        check_header_size(wide(at))?;
    }
    Ok(segments)
}

/// What may stand in a main header, `first` right behind SOC.
pub(crate) fn check_main_marker(marker: Marker, offset: u64, first: bool) -> Result<()> {
    let expected = if first { "SIZ" } else { "a marker segment of the main header, or SOT" };
    let fits = if first {
        marker == Marker::SIZ
    } else {
        (marker.is_segment() || marker.is_bare()) && !matches!(marker, Marker::PLT | Marker::PPT)
    };
    if fits { Ok(()) } else { Err(Error::UnexpectedMarker { offset, found: marker, expected }) }
}

/// The smallest length field is 2: it counts itself.
pub(crate) fn check_length(marker: Marker, offset: u64, length: u16) -> Result<()> {
    if length >= 2 {
        return Ok(());
    }
    Err(Error::Segment { marker, offset, reason: "length below 2", found: u64::from(length) })
}

pub(crate) fn check_header_size(found: u64) -> Result<()> {
    if found <= MAX_MAIN_HEADER {
        return Ok(());
    }
    Err(Error::Limit { what: "main header length", found, limit: MAX_MAIN_HEADER })
}

pub(crate) fn wide(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

/// The segments found so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) siz: Option<Siz>,
    pub(super) cod: Option<Cod>,
    pub(super) coc: Vec<Coc>,
    pub(super) qcd: Option<Qcd>,
    pub(super) qcc: Vec<Qcc>,
    pub(super) comments: Vec<Comment>,
    pub(super) tlm: BTreeMap<u8, Vec<TlmEntry>>,
}

impl Found {
    /// Parses one segment; `raw` is the whole header.
    pub(super) fn add(&mut self, segment: &Segment, body: &[u8], raw: &[u8]) -> Result<()> {
        let at = At { marker: segment.marker, offset: u64::from(segment.offset) };
        // SIZ is the first segment, so the number of components is known from here on
        let components = self.siz.as_ref().map_or(0, |siz| siz.components.len());
        match segment.marker {
            Marker::SIZ => once(&mut self.siz, parse_siz(body, at)?, at)?,
            Marker::COD => once(&mut self.cod, parse_cod(body, at)?, at)?,
            Marker::COC => self.coc.push(parse_coc(body, components, at)?),
            Marker::QCD => once(&mut self.qcd, parse_qcd(body, at)?, at)?,
            Marker::QCC => {
                let (component, rest) = component_of(body, components, at)?;
                self.qcc.push(Qcc { component, quantisation: parse_qcd(rest, at)? });
            }
            Marker::COM => {
                let registration = u16_at(body, 0).ok_or(at.bad("too short", wide(body.len())))?;
                let data = body.get(2..).unwrap_or_default().to_vec();
                self.comments.push(Comment { registration, data });
            }
            Marker::TLM => {
                let whole = raw.get(segment.start()..segment.end()).unwrap_or_default();
                let entries = parse_tlm_segment(whole).map_err(|error| at.moved(error))?;
                let index = tlm_index(whole);
                if self.tlm.insert(index, entries).is_some() {
                    return Err(at.bad("Ztlm occurs twice", u64::from(index)));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Which segment is being parsed, for errors.
#[derive(Clone, Copy)]
pub(crate) struct At {
    pub(crate) marker: Marker,
    pub(crate) offset: u64,
}

impl At {
    pub(crate) fn bad(self, reason: &'static str, found: u64) -> Error {
        Error::Segment { marker: self.marker, offset: self.offset, reason, found }
    }

    /// The same error at this segment's place.
    fn moved(self, error: Error) -> Error {
        match error {
            Error::Segment { marker, reason, found, .. } => {
                Error::Segment { marker, offset: self.offset, reason, found }
            }
            other => other,
        }
    }
}

fn once<T>(slot: &mut Option<T>, value: T, at: At) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(at.bad("occurs twice, expected once", 2)),
    }
}

fn parse_siz(body: &[u8], at: At) -> Result<Siz> {
    let short = || at.bad("too short", wide(body.len()));
    let word = |index: usize| u32_at(body, 2 + 4 * index).ok_or_else(short);
    let count = u16_at(body, 34).ok_or_else(short)?;
    if count == 0 {
        return Err(at.bad("no components, expected at least 1", 0));
    }
    if count > MAX_COMPONENTS {
        return Err(Error::Limit {
            what: "number of components",
            found: u64::from(count),
            limit: u64::from(MAX_COMPONENTS),
        });
    }
    let list = body.get(36..).unwrap_or_default();
    if list.len() != 3 * usize::from(count) {
        return Err(at.bad("length differs from 38 + 3 x components", wide(body.len() + 2)));
    }
    let mut components = Vec::with_capacity(usize::from(count));
    for entry in list.chunks_exact(3) {
        let [depth, dx, dy] = [entry[0], entry[1], entry[2]];
        let component =
            Component { bit_depth: (depth & 0x7f) + 1, signed: depth & 0x80 != 0, dx, dy };
        if component.bit_depth > 38 {
            return Err(at.bad("bit depth above 38", u64::from(component.bit_depth)));
        }
        if dx == 0 || dy == 0 {
            return Err(at.bad("component separation 0, expected at least 1", 0));
        }
        components.push(component);
    }
    let siz = Siz {
        capabilities: u16_at(body, 0).ok_or_else(short)?,
        x_size: word(0)?,
        y_size: word(1)?,
        x_offset: word(2)?,
        y_offset: word(3)?,
        tile_width: word(4)?,
        tile_height: word(5)?,
        tile_x_offset: word(6)?,
        tile_y_offset: word(7)?,
        components,
    };
    check_axis(at, siz.x_size, siz.x_offset, siz.tile_width, siz.tile_x_offset)?;
    check_axis(at, siz.y_size, siz.y_offset, siz.tile_height, siz.tile_y_offset)?;
    let tiles = u64::from(siz.tiles_x()) * u64::from(siz.tiles_y());
    if tiles > MAX_TILES {
        return Err(at.bad("more than 65535 tiles", tiles));
    }
    Ok(siz)
}

/// The constraints of B.2 and B.3 along one axis.
fn check_axis(at: At, size: u32, offset: u32, tile: u32, tile_offset: u32) -> Result<()> {
    if offset >= size {
        return Err(at.bad("image offset is not below the image size", u64::from(offset)));
    }
    if tile == 0 {
        return Err(at.bad("tile size 0", 0));
    }
    if tile_offset > offset {
        return Err(at.bad("tile offset is above the image offset", u64::from(tile_offset)));
    }
    if u64::from(tile_offset) + u64::from(tile) <= u64::from(offset) {
        return Err(at.bad("the first tile holds no part of the image", u64::from(tile)));
    }
    Ok(())
}

pub(crate) fn parse_cod(body: &[u8], at: At) -> Result<Cod> {
    let short = || at.bad("too short", wide(body.len()));
    let style = u8_at(body, 0).ok_or_else(short)?;
    let progression = match u8_at(body, 1).ok_or_else(short)? {
        0 => Progression::Lrcp,
        1 => Progression::Rlcp,
        2 => Progression::Rpcl,
        3 => Progression::Pcrl,
        4 => Progression::Cprl,
        other => return Err(at.bad("unknown progression order", u64::from(other))),
    };
    let layers = u16_at(body, 2).ok_or_else(short)?;
    if layers == 0 {
        return Err(at.bad("no quality layers, expected at least 1", 0));
    }
    let multi_component = u8_at(body, 4).ok_or_else(short)?;
    let rest = body.get(5..).unwrap_or_default();
    Ok(Cod { style, progression, layers, multi_component, coding: parse_coding(style, rest, at)? })
}

pub(crate) fn parse_coc(body: &[u8], components: usize, at: At) -> Result<Coc> {
    let (component, rest) = component_of(body, components, at)?;
    let style = u8_at(rest, 0).ok_or(at.bad("too short", wide(body.len())))?;
    let coding = parse_coding(style, rest.get(1..).unwrap_or_default(), at)?;
    Ok(Coc { component, coding })
}

/// A component index takes one byte below 257 components, else two.
fn component_of(body: &[u8], components: usize, at: At) -> Result<(u16, &[u8])> {
    let short = at.bad("too short", wide(body.len()));
    let (component, size) =
        if components < 257 { (u8_at(body, 0).map(u16::from), 1) } else { (u16_at(body, 0), 2) };
    let component = component.ok_or(short)?;
    if usize::from(component) >= components {
        return Err(at.bad("there is no such component", u64::from(component)));
    }
    Ok((component, body.get(size..).unwrap_or_default()))
}

fn parse_coding(style: u8, body: &[u8], at: At) -> Result<Coding> {
    let &[levels, block_width, block_height, block_style, transform, ref sizes @ ..] = body else {
        return Err(at.bad("too short", wide(body.len())));
    };
    if levels > 32 {
        return Err(at.bad("more than 32 decomposition levels", u64::from(levels)));
    }
    if block_width > 8 || block_height > 8 || block_width + block_height > 8 {
        let found = u64::from(block_width) << 8 | u64::from(block_height);
        return Err(at.bad("code-block larger than 1024 x 4 or 4096 samples", found));
    }
    let resolutions = usize::from(levels) + 1;
    let precincts = if style & 1 == 0 {
        if !sizes.is_empty() {
            return Err(at.bad("bytes after the last field", wide(sizes.len())));
        }
        vec![(15, 15); resolutions]
    } else {
        if sizes.len() != resolutions {
            return Err(at.bad("number of precinct sizes is not levels + 1", wide(sizes.len())));
        }
        sizes.iter().map(|&size| (size & 15, size >> 4)).collect()
    };
    // above the lowest resolution a precinct is halved into its sub-bands, so 2^0 has no meaning
    if precincts.iter().skip(1).any(|&(x, y)| x == 0 || y == 0) {
        return Err(at.bad("precinct of 1 sample above the lowest resolution", 0));
    }
    Ok(Coding {
        levels,
        block_width: block_width + 2,
        block_height: block_height + 2,
        block_style,
        transform,
        precincts,
    })
}

fn parse_qcd(body: &[u8], at: At) -> Result<Qcd> {
    let (&first, rest) = body.split_first().ok_or(at.bad("too short", 0))?;
    let (style, guard_bits) = (first & 31, first >> 5);
    let steps = match style {
        0 => rest.iter().map(|&value| (value >> 3, 0)).collect::<Vec<_>>(),
        1 | 2 => {
            let (pairs, odd) = rest.as_chunks::<2>();
            if !odd.is_empty() {
                return Err(at.bad("odd number of step size bytes", wide(rest.len())));
            }
            let values = pairs.iter().map(|&pair| u16::from_be_bytes(pair));
            values.map(|v| ((v >> 11).to_be_bytes()[1], v & 0x7ff)).collect()
        }
        other => return Err(at.bad("unknown quantisation style", u64::from(other))),
    };
    if steps.is_empty() || (style == 1 && steps.len() != 1) {
        return Err(at.bad("wrong number of step sizes", wide(steps.len())));
    }
    Ok(Qcd { style, guard_bits, steps })
}
