//! Some packets of a tile as a codestream of their own.

use crate::bytes::{u16_at, u32_at};
use crate::header::{MainHeader, wide};
use crate::marker::Marker;
use crate::packets::PacketRead;
use crate::{Error, Result};

/// A packet in which no code-block is (B.10.3).
const EMPTY: u8 = 0;

/// The codestream of what was read of a tile: the main header for it alone, one tile-part with the
/// packets that were read and empty ones in place of the others, and EOC. With `reduce` above that
/// of the read, further resolutions are left out.
///
/// `pieces` are offsets from the SOT marker and the bytes there; together they must hold all
/// [ranges](PacketRead::ranges). The header of the tile-part is compared with what it must be,
/// packet lengths included.
///
/// # Errors
/// [`Error::StaleTilePart`] where the bytes are not that tile-part; [`Error::CannotSplice`] for
/// more resolutions left out than there are, and missing pieces.
pub fn splice_packets(
    header: &MainHeader,
    read: &PacketRead,
    reduce: u8,
    pieces: &[(u32, &[u8])],
) -> Result<Vec<u8>> {
    check_header(read, pieces)?;
    let spliced = header.reduced_tile_header(read.tile, reduce)?;
    let left_out = reduce.checked_sub(read.reduce).map(usize::from);
    let resolutions = left_out.and_then(|left_out| read.counts.len().checked_sub(left_out));
    let unread = Error::CannotSplice { reason: "resolutions are wanted that were not read" };
    let counts = read.counts.get(..resolutions.ok_or(unread)?).unwrap_or_default();
    let packets = counts.iter().fold(0u32, |sum, count| sum.saturating_add(*count));

    let data: usize = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
    let length = spliced.bytes().len() + 16 + packets as usize + data;
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(spliced.bytes());
    let start = out.len();
    out.extend(Marker::SOT.0.to_be_bytes());
    out.extend([0, 10, 0, 0, 0, 0, 0, 0, 0, 1]);
    out.extend(Marker::SOD.0.to_be_bytes());
    let mut next = 0u32;
    // a run ends with its resolution
    for run in read.runs().iter().filter(|run| run.packets.end <= packets) {
        out.resize(out.len() + run.packets.start.saturating_sub(next) as usize, EMPTY);
        out.extend_from_slice(find(pieces, run.bytes.start, run.bytes.end)?);
        next = run.packets.end;
    }
    out.resize(out.len() + packets.saturating_sub(next) as usize, EMPTY);
    let psot = u32::try_from(out.len() - start).map_err(|_| Error::Limit {
        what: "tile-part length",
        found: wide(out.len() - start),
        limit: u64::from(u32::MAX),
    })?;
    if let Some(field) = out.get_mut(start + 6..start + 10) {
        field.copy_from_slice(&psot.to_be_bytes());
    }
    out.extend(Marker::EOC.0.to_be_bytes());
    Ok(out)
}

fn find<'a>(pieces: &[(u32, &'a [u8])], start: u32, end: u32) -> Result<&'a [u8]> {
    let of = |(offset, bytes): &(u32, &'a [u8])| {
        let from = usize::try_from(start.checked_sub(*offset)?).ok()?;
        bytes.get(from..from.checked_add(usize::try_from(end.checked_sub(start)?).ok()?)?)
    };
    let missing = Error::CannotSplice { reason: "bytes of a run of packets are missing" };
    pieces.iter().find_map(of).ok_or(missing)
}

/// The tile-part must begin as its packet lengths say.
fn check_header(read: &PacketRead, pieces: &[(u32, &[u8])]) -> Result<()> {
    let first = pieces.iter().find(|(offset, _)| *offset == 0).map_or(&[][..], |(_, b)| b);
    let stale = |field, found: u64, expected: u64| {
        Err(Error::StaleTilePart { tile: read.tile, part: 0, field, found, expected })
    };
    let Some(found) = first.get(..read.header.len()) else {
        return stale("length", wide(first.len()), wide(read.header.len()));
    };
    let fields = [
        ("marker", u16_at(found, 0).map(u32::from), u32::from(Marker::SOT.0)),
        ("Isot", u16_at(found, 4).map(u32::from), u32::from(read.tile)),
        // 0 stands for "up to EOC" in the last tile-part of a file
        ("Psot", u32_at(found, 6).filter(|length| *length != 0), read.length),
    ];
    for (field, value, expected) in fields {
        if value.is_some_and(|value| value != expected) {
            return stale(field, value.map_or(0, u64::from), u64::from(expected));
        }
    }
    // What is left: part numbers (TNsot may be unsaid), and the packet lengths.
    let differs = |at: &usize| {
        let (found, expected) = (found.get(*at), read.header.get(*at));
        found != expected && !(*at == 11 && found == Some(&0))
    };
    let rest = (2..4).chain(10..read.header.len());
    match rest.into_iter().find(differs) {
        Some(at) => {
            let byte = |bytes: &[u8]| bytes.get(at).map_or(0, |byte| u64::from(*byte));
            stale("tile-part header", byte(found), byte(&read.header))
        }
        None => Ok(()),
    }
}
