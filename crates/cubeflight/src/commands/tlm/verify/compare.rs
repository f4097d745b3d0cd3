//! One record and its file.

use bytes::Bytes;
use cubeflight_index::MAX_WHOLE_READ;
use cubeflight_jp2::{ScanOptions, Scanner, Structure};
use cubeflight_storage::{Path, Root};
use cubeflight_tlm::{RecordSource, TilePartSpan, TlmRecord};

use super::checksum::Hash;
use crate::error::CliError;

/// Bytes read at a time where a file is read whole.
const CHUNK: u64 = 8 * 1024 * 1024;
/// Disagreements named for one record.
const NAMED: usize = 3;

/// How much of a file is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its size; first, middle and last tile-part.
    Ends,
    /// Its size and every tile-part.
    EveryTilePart,
    /// Everything, from all of its bytes.
    Whole,
}

/// What the comparison of one record came to.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// Why record and file disagree; empty where they agree.
    pub(super) disagreements: Vec<String>,
    /// Tile-parts compared.
    pub(super) tile_parts: u64,
    /// Whether a checksum was compared.
    pub(super) checksum: bool,
    /// Requests made.
    pub(super) requests: u64,
    /// Bytes read.
    pub(super) bytes: u64,
}

impl Finding {
    fn disagree(&mut self, reason: String) {
        self.disagreements.push(reason);
    }

    async fn read(
        &mut self,
        root: &Root,
        path: &Path,
        range: std::ops::Range<u64>,
    ) -> Option<Bytes> {
        self.requests += 1;
        match root.get_range(path, range).await {
            Ok(bytes) => {
                self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
                Some(bytes)
            }
            Err(error) => {
                self.disagree(CliError::from(error).to_string());
                None
            }
        }
    }
}

/// Compares a record with its file. A file that cannot be read or scanned is a disagreement too.
pub(super) async fn compare(
    root: &Root,
    path: &Path,
    record: &TlmRecord,
    checksum: Option<&str>,
    depth: Depth,
) -> Finding {
    let mut finding = Finding { requests: 1, ..Finding::default() };
    let meta = match root.head(path).await {
        Ok(meta) => meta,
        Err(error) => {
            finding.disagree(CliError::from(error).to_string());
            return finding;
        }
    };
    if meta.size != record.size {
        finding.disagree(format!("the file has {} bytes, the record {}", meta.size, record.size));
        return finding;
    }
    if let (Some(found), Some(expected)) = (&meta.e_tag, &record.etag)
        && found != expected
    {
        finding.disagree(format!("the file has ETag {found}, the record {expected}"));
    }
    match depth {
        Depth::Whole => whole(root, path, record, checksum, &mut finding).await,
        Depth::Ends | Depth::EveryTilePart => {
            tile_parts(root, path, record, depth, &mut finding).await;
        }
    }
    finding
}

/// The SOT of some tile-parts.
async fn tile_parts(
    root: &Root,
    path: &Path,
    record: &TlmRecord,
    depth: Depth,
    finding: &mut Finding,
) {
    let parts = &record.tile_parts;
    let last = parts.len().saturating_sub(1);
    let every = depth == Depth::EveryTilePart;
    // one read of a small file is cheaper than many of its parts
    let small = every && record.size <= MAX_WHOLE_READ;
    let file = if small { finding.read(root, path, 0..record.size).await } else { None };
    if small && file.is_none() {
        return;
    }
    for (at, part) in parts.iter().enumerate() {
        if !every && at != 0 && at != parts.len() / 2 && at != last {
            continue;
        }
        let range = part.offset..part.offset.saturating_add(12).min(record.size);
        let bytes = match &file {
            Some(file) => {
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                let end = usize::try_from(range.end).unwrap_or(usize::MAX);
                file.get(start..end).map(Bytes::copy_from_slice)
            }
            None => finding.read(root, path, range).await,
        };
        finding.tile_parts += 1;
        let open = at == last;
        if let Some(reason) = sot(part, bytes.as_deref().unwrap_or_default(), open) {
            finding.disagree(reason);
        }
        if finding.disagreements.len() >= NAMED {
            return;
        }
    }
}

/// Why the bytes at a tile-part's place are not its SOT (ISO/IEC 15444-1 A.4.2). `open`: Psot may
/// be 0, to the end of the codestream.
fn sot(part: &TilePartSpan, bytes: &[u8], open: bool) -> Option<String> {
    let place = format!("at {} of tile {}", part.offset, part.tile);
    let &[0xff, 0x90, 0, 10, t0, t1, p0, p1, p2, p3, ..] = bytes else {
        return Some(format!("no tile-part starts {place}"));
    };
    let (tile, length) = (u16::from_be_bytes([t0, t1]), u32::from_be_bytes([p0, p1, p2, p3]));
    if tile != part.tile {
        return Some(format!("a tile-part of tile {tile} starts {place}"));
    }
    if length != part.length && !(open && length == 0) {
        return Some(format!("the tile-part {place} has {length} bytes, not {}", part.length));
    }
    None
}

/// Everything that a scan of all bytes finds, and their checksum.
async fn whole(
    root: &Root,
    path: &Path,
    record: &TlmRecord,
    checksum: Option<&str>,
    finding: &mut Finding,
) {
    let mut hash = checksum.and_then(Hash::of);
    if let (Some(checksum), None) = (checksum, &hash) {
        finding.disagree(format!("checksum {checksum:.8}... is of an unknown kind"));
    }
    let mut scanner = Scanner::new(record.size, ScanOptions::default());
    let mut start = 0;
    while start < record.size {
        let end = record.size.min(start + CHUNK);
        let Some(bytes) = finding.read(root, path, start..end).await else { return };
        if let Some(hash) = &mut hash {
            hash.update(&bytes);
        }
        // the scanner jumps ahead: what it wants may lie in a later piece
        while let Some(wanted) = scanner.wants().filter(|wanted| wanted.start < end) {
            let skip = usize::try_from(wanted.start.saturating_sub(start)).unwrap_or(usize::MAX);
            let fed = scanner.feed(wanted.start, bytes.get(skip..).unwrap_or_default());
            if let Err(error) = fed {
                finding.disagree(CliError::from(error).to_string());
                break;
            }
        }
        start = end;
    }
    if let (Some(hash), Some(expected)) = (hash, checksum) {
        finding.checksum = true;
        let found = hash.finish();
        if !found.eq_ignore_ascii_case(expected) {
            finding.disagree(format!("the file has checksum {found}, the catalogue {expected}"));
        }
    }
    match scanner.finish() {
        Ok(structure) => scanned(record, &structure, finding),
        // the reason has been named
        Err(_) if !finding.disagreements.is_empty() => {}
        Err(error) => finding.disagree(CliError::from(error).to_string()),
    }
}

/// What the record states must be what the scan found; what it leaves out is no disagreement.
fn scanned(record: &TlmRecord, structure: &Structure, finding: &mut Finding) {
    let source = RecordSource {
        product: record.product.clone(),
        asset: record.asset,
        store: record.store.clone(),
        key: record.key.clone(),
        etag: record.etag.clone(),
    };
    let fresh = match TlmRecord::from_structure(source, structure) {
        Ok(fresh) => fresh,
        Err(error) => return finding.disagree(format!("{} {error}", error.code())),
    };
    if record.first_sot != fresh.first_sot {
        let (found, expected) = (fresh.first_sot, record.first_sot);
        finding.disagree(format!("the first tile-part starts at {found}, not {expected}"));
    }
    let mut wrong = record.tile_parts.iter().filter(|part| !fresh.tile_parts.contains(part));
    if let Some(part) = wrong.next() {
        let place = format!("of {} bytes at {} of tile {}", part.length, part.offset, part.tile);
        let more = wrong.count();
        finding.disagree(format!("no tile-part {place}, nor {more} others of the record"));
    }
    finding.tile_parts += u64::try_from(record.tile_parts.len()).unwrap_or_default();
    if record.complete && record.tile_parts.len() != fresh.tile_parts.len() {
        let (found, expected) = (fresh.tile_parts.len(), record.tile_parts.len());
        finding.disagree(format!("the file has {found} tile-parts, the record {expected}"));
    }
    if record.main_header.is_some() && record.main_header != fresh.main_header {
        finding.disagree("the main header is another one".to_owned());
    }
    for (at, part) in record.tile_parts.iter().enumerate() {
        let lengths = record.packet_lengths.as_ref().and_then(|lengths| lengths.of(at));
        let found = fresh.tile_parts.iter().position(|other| other == part);
        let found = found.and_then(|at| fresh.packet_lengths.as_ref()?.of(at));
        if lengths.is_some() && lengths != found {
            finding.disagree(format!("tile {} has other packet lengths", part.tile));
            return;
        }
    }
}
