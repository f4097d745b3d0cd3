//! From a JP2 in a store to its record.

use std::ops::Range;

use bytes::Bytes;
use cubeflight_jp2::{Detail, MainHeader, ScanOptions, Scanner, Structure, TilePart, packet_count};
use cubeflight_storage::{Path, Root};
use cubeflight_tlm::{MAX_WHOLE_READ, RecordSource, TlmRecord};

use crate::Result;

/// SOT with its segment, bytes (ISO/IEC 15444-1 A.4.2).
const SOT: u64 = 12;
/// End of codestream.
const EOC: [u8; 2] = [0xff, 0xd9];

/// How much of a file a record is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScanDetail {
    /// Where its tile-parts lie: 12 bytes of each.
    Tlm,
    /// The lengths of its packets as well (PLT), which are read with the same requests. Not those
    /// of a large file with a TLM of its own: there they would cost a request for each tile-part.
    #[default]
    Plt,
}

/// Scans one asset into its record, with packet lengths.
///
/// # Errors
/// Store failures, and files that are damaged or cannot be indexed.
pub async fn scan_asset(
    root: &Root,
    path: &Path,
    source: RecordSource,
    size: Option<u64>,
) -> Result<TlmRecord> {
    scan_asset_with(root, path, source, size, ScanDetail::Plt).await
}

/// Scans one asset into its record. Without a size the store is asked first.
///
/// Files of at most [`MAX_WHOLE_READ`] take one request. A larger one with a TLM of its own takes
/// two: its header, and the last tile-part, which together with the first (read with the header)
/// proves the TLM right; a wrong TLM is not used. All others take one for each tile-part, of which
/// the first comes with the header.
///
/// # Errors
/// Store failures, and files that are damaged or cannot be indexed.
pub async fn scan_asset_with(
    root: &Root,
    path: &Path,
    source: RecordSource,
    size: Option<u64>,
    detail: ScanDetail,
) -> Result<TlmRecord> {
    let size = size_of(root, path, size).await?;
    let detail = match detail {
        ScanDetail::Tlm => Detail::TileParts,
        ScanDetail::Plt => Detail::PacketLengths,
    };
    let options = ScanOptions { detail, ..ScanOptions::default() };
    let structure = if size <= MAX_WHOLE_READ {
        let bytes = root.get_range(path, 0..size).await?;
        let mut scanner = Scanner::new(size, options);
        scanner.feed(0, &bytes)?;
        scanner.finish()?
    } else {
        hop(root, path, size, options).await?
    };
    structure.can_splice()?;
    Ok(TlmRecord::from_structure(source, &structure)?)
}

/// Describes a large file by its headers.
async fn hop(root: &Root, path: &Path, size: u64, options: ScanOptions) -> Result<Structure> {
    let first = root.get_range(path, 0..options.first_read.min(size)).await?;
    let options = ScanOptions { tile_part_read: tile_part_read(size, &first, options), ..options };
    let walk = |options| walk(root, path, Scanner::new(size, options), &first);
    let found = walk(ScanOptions { use_tlm: true, ..options }).await?;
    if !found.from_tlm || tlm_holds(root, path, &found, &first).await? {
        return Ok(found);
    }
    tracing::warn!(%path, "the TLM of the file is wrong: it is not used");
    walk(options).await
}

/// Bytes that hold the header of any tile-part, so that none takes a second request: SOT, PLT and
/// SOD, with lengths of up to 2 MiB (three bytes) for as many packets as the first tile has.
fn tile_part_read(size: u64, first: &Bytes, options: ScanOptions) -> u64 {
    let mut scanner = Scanner::new(size, ScanOptions { stop_after_header: true, ..options });
    let header = scanner.feed(0, first).and_then(|()| scanner.finish()).map(|found| found.header);
    let packets = header.and_then(|header| packet_count(&header, 0)).unwrap_or_default();
    packets.saturating_mul(3).saturating_add(32).clamp(options.tile_part_read, options.first_read)
}

/// Reads what the scanner wants, but for the end of codestream where it must be: nothing in a
/// record depends on these two bytes.
async fn walk(root: &Root, path: &Path, mut scanner: Scanner, first: &Bytes) -> Result<Structure> {
    scanner.feed(0, first)?;
    let mut part_end = None;
    while let Some(wanted) = scanner.wants() {
        let Range { start, end } = wanted;
        if part_end == Some(start) && end - start == 2 {
            scanner.feed(start, &EOC)?;
            continue;
        }
        let bytes = root.get_range(path, wanted).await?;
        if let Some((_, length)) = sot(&bytes) {
            part_end = start.checked_add(u64::from(length));
        }
        scanner.feed(start, &bytes)?;
    }
    Ok(scanner.finish()?)
}

/// Tile and length that an SOT gives; `None` where there is none, or one of open length.
fn sot(bytes: &[u8]) -> Option<(u16, u32)> {
    let &[0xff, 0x90, 0, 10, tile_high, tile_low, a, b, c, d, ..] = bytes else { return None };
    let length = u32::from_be_bytes([a, b, c, d]);
    (length > 0).then_some((u16::from_be_bytes([tile_high, tile_low]), length))
}

/// Whether the first and the last tile-part are where TLM says.
async fn tlm_holds(root: &Root, path: &Path, structure: &Structure, first: &Bytes) -> Result<bool> {
    let parts = &structure.tile_parts;
    for part in parts.first().into_iter().chain(parts.last()) {
        if !is_there(root, path, part, first).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn is_there(root: &Root, path: &Path, part: &TilePart, first: &Bytes) -> Result<bool> {
    let range = part.offset..part.offset.saturating_add(SOT);
    let at_hand = usize::try_from(range.start)
        .ok()
        .zip(usize::try_from(range.end).ok())
        .and_then(|(start, end)| first.get(start..end));
    let found = match at_hand {
        Some(bytes) => sot(bytes),
        None => sot(&root.get_range(path, range).await?),
    };
    Ok(found == Some((part.tile, part.length)))
}

async fn size_of(root: &Root, path: &Path, size: Option<u64>) -> Result<u64> {
    match size {
        Some(size) => Ok(size),
        None => Ok(root.head(path).await?.size),
    }
}

/// Describes a JP2 or codestream: a small one by one read, a large one by its headers only.
///
/// # Errors
/// Store failures and damaged files.
pub async fn scan_file(root: &Root, path: &Path, size: Option<u64>) -> Result<Structure> {
    run(root, path, size, ScanOptions::default()).await
}

/// Reads a file only as far as its main header.
///
/// # Errors
/// Store failures and damaged headers.
pub async fn scan_header(root: &Root, path: &Path, size: Option<u64>) -> Result<MainHeader> {
    let options = ScanOptions { stop_after_header: true, ..ScanOptions::default() };
    Ok(run(root, path, size, options).await?.header)
}

async fn run(
    root: &Root,
    path: &Path,
    size: Option<u64>,
    options: ScanOptions,
) -> Result<Structure> {
    let size = size_of(root, path, size).await?;
    let whole = size <= MAX_WHOLE_READ && !options.stop_after_header;
    let mut scanner = Scanner::new(size, options);
    while let Some(wanted) = scanner.wants() {
        let range = if whole { 0..size } else { wanted };
        let start = range.start;
        let bytes = root.get_range(path, range).await?;
        scanner.feed(start, &bytes)?;
    }
    Ok(scanner.finish()?)
}
