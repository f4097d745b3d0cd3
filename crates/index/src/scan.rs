//! From a JP2 in a store to its record.

use bytes::Bytes;
use cubeflight_jp2::{MainHeader, ScanOptions, Scanner, Structure};
use cubeflight_storage::{Path, Root};
use cubeflight_tlm::{RecordSource, TlmRecord};

use crate::Result;

/// Files up to this size are read whole: one request instead of one per tile-part. Most SCL, AOT,
/// mask and 60 m files are smaller.
pub const MAX_WHOLE_READ: u64 = 4 * 1024 * 1024;

/// Scans one asset into its record.
///
/// # Errors
/// Store failures, and files that are damaged or cannot be indexed.
pub async fn scan_asset(
    root: &Root,
    path: &Path,
    source: RecordSource,
    size: Option<u64>,
) -> Result<TlmRecord> {
    let structure = scan_file(root, path, size).await?;
    structure.can_splice()?;
    Ok(TlmRecord::from_structure(source, &structure)?)
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
    let size = match size {
        Some(size) => size,
        None => root.head(path).await?.size,
    };
    let whole = size <= MAX_WHOLE_READ && !options.stop_after_header;
    let mut scanner = Scanner::new(size, options);
    while let Some(wanted) = scanner.wants() {
        let range = if whole { 0..size } else { wanted };
        let start = range.start;
        let bytes: Bytes = root.get_range(path, range).await?;
        scanner.feed(start, &bytes)?;
    }
    Ok(scanner.finish()?)
}
