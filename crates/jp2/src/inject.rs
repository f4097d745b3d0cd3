//! A TLM for a file that was written without one.

use crate::header::{MainHeader, Segment, check_header_size, wide};
use crate::marker::Marker;
use crate::scan::tile_parts_of_tlm;
use crate::structure::{BoxInfo, Structure};
use crate::tlm::tlm_segment;
use crate::{Error, Result};

/// Boxes that hold offsets into the file, which a longer header would make wrong (JPX fragments,
/// JPIP indexes; ISO/IEC 15444-2 M.11.2, 15444-9 I.3).
const INDEXES: [&[u8; 4]; 5] = [b"ftbl", b"flst", b"cidx", b"fidx", b"iptr"];

/// The first bytes of a file with a TLM; all bytes from `replaced` on follow unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injected {
    /// Boxes and main header, up to the first SOT.
    pub head: Vec<u8>,
    /// Bytes of the old file that `head` stands for: those before its first SOT.
    pub replaced: u64,
    /// Size of the new file, bytes.
    pub size: u64,
}

/// Puts the lengths of a file's tile-parts into its main header, so that any reader that knows TLM
/// finds its tiles by one read (ISO/IEC 15444-1 A.7.1).
///
/// `head` are the bytes of the file before the first SOT
/// ([`Structure::first_tile_part`]), `structure` is what a scan of all of it found. The TLM goes
/// before the comments, as Kakadu and OpenJPEG write it; the length of the `jp2c` box is corrected
/// unless it is 0, to the end of the file. Samples and all other bytes stay.
///
/// # Errors
/// [`Error::HasTlm`]; [`Error::CannotInject`] for a file that a TLM would not describe, or that it
/// would break; [`Error::TlmWrite`] and [`Error::Limit`] for too many tile-parts.
pub fn inject_tlm(head: &[u8], structure: &Structure) -> Result<Injected> {
    let refuse = |reason| Err(Error::CannotInject { reason });
    let header = &structure.header;
    if header.has(Marker::TLM) {
        return Err(Error::HasTlm);
    }
    if !structure.complete || structure.tile_parts.is_empty() {
        return refuse("its tile-parts have not been scanned");
    }
    if header.has(Marker::PPM) {
        return refuse("its packet headers are in the main header (PPM)");
    }
    if structure.tile_parts.iter().any(|part| part.open_ended) {
        return refuse("its last tile-part does not state its length (Psot 0)");
    }
    if structure.trailing > 0 {
        return refuse("bytes follow the end of its codestream (EOC)");
    }
    if structure.boxes.iter().any(|found| INDEXES.contains(&&found.kind)) {
        return refuse("one of its boxes holds offsets into the file");
    }
    let start = usize::try_from(structure.codestream.start).unwrap_or(usize::MAX);
    let (Some(boxes), Some(old)) = (head.get(..start), head.get(start..)) else {
        return refuse("the bytes given end before its codestream");
    };
    if old != header.bytes() {
        return refuse("the bytes given are not those before its first tile-part");
    }
    let lengths = structure.tile_parts.iter().map(|part| (part.tile, part.length));
    let tlm = tlm_segment(lengths)?.concat();
    let at = place(header);
    check_header_size(wide(old.len() + tlm.len()))?;
    let new = [old.get(..at).unwrap_or_default(), &tlm, old.get(at..).unwrap_or_default()].concat();
    let mut out = boxes.to_vec();
    grow_box(&mut out, structure, wide(tlm.len()));
    let added = wide(out.len() + new.len()).saturating_sub(wide(head.len()));
    check_lists(&new, structure, added)?;
    out.extend_from_slice(&new);
    Ok(Injected {
        head: out,
        replaced: wide(head.len()),
        size: structure.size.saturating_add(added),
    })
}

/// Where the TLM goes: before the comments that end the header.
fn place(header: &MainHeader) -> usize {
    let comments = header.segments.iter().rev().take_while(|segment| segment.marker == Marker::COM);
    comments.last().map_or(header.bytes().len(), Segment::start)
}

/// Corrects the length of the codestream's box, in the boxes before the codestream.
fn grow_box(boxes: &mut Vec<u8>, structure: &Structure, added: u64) {
    let start = structure.codestream.start;
    let of_codestream = |found: &&BoxInfo| {
        found.kind == *b"jp2c" && found.offset + u64::from(found.header_length) == start
    };
    let Some(found) = structure.boxes.iter().find(of_codestream) else { return };
    let at = usize::try_from(found.offset).unwrap_or(usize::MAX);
    let length = found.length.saturating_add(added);
    match (found.length_field, u32::try_from(length)) {
        (0, _) => {}
        (1, _) => put(boxes, at.saturating_add(8), &length.to_be_bytes()),
        (_, Ok(length)) => put(boxes, at, &length.to_be_bytes()),
        // beyond 4 GiB the length moves to XLBox, behind the type
        (_, Err(_)) => {
            put(boxes, at, &1u32.to_be_bytes());
            boxes.extend_from_slice(&length.saturating_add(8).to_be_bytes());
        }
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (slot, &value) in bytes.iter_mut().skip(at).zip(value) {
        *slot = value;
    }
}

/// The new header must lead to the tile-parts that were scanned.
fn check_lists(new: &[u8], structure: &Structure, added: u64) -> Result<()> {
    let header = MainHeader::parse(new)?;
    let moved = |offset: u64| offset.saturating_add(added);
    let first = moved(structure.first_tile_part());
    let listed = tile_parts_of_tlm(&header, first, moved(structure.codestream.end));
    let places = structure.tile_parts.iter().map(|part| (part.tile, moved(part.offset)));
    let leads = listed
        .is_some_and(|(parts, _)| parts.iter().map(|part| (part.tile, part.offset)).eq(places));
    if leads {
        return Ok(());
    }
    let reason = "its tile-parts do not follow each other from the main header to the end";
    Err(Error::CannotInject { reason })
}
