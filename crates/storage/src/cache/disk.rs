//! The folder of a cache on disk.
//!
//! It holds `lock` and, in a folder named by the format, files of one block each. A block is filled
//! from its beginning on and given up as a whole; every entry in it has a checksum.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;

use foyer::{BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCacheProperties};

use super::entry::{Body, Key};
use crate::{Error, Result};

/// Bytes of a block, and so of the largest entry.
const BLOCK: usize = 32 * 1024 * 1024;
/// Fewer blocks leave no choice of what to give up.
const LEAST_BLOCKS: u64 = 8;
/// Fewer bytes than this are refused.
pub(super) const LEAST: u64 = LEAST_BLOCKS * BLOCK as u64;
/// Entries are gathered in two buffers of this size.
const WRITE_BUFFER: usize = 20 * 1024 * 1024;
/// Entries that wait for a buffer; more are not written.
const WRITE_QUEUE: usize = 32 * 1024 * 1024;
/// Changes with what the files mean, `BLOCK` included.
const FORMAT: &str = "ranges-1";
/// What the files of blocks are called, before their number.
const PREFIX: &str = "foyer-storage-direct-fs-";

/// A folder that no other process uses as long as this is there.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    blocks: usize,
    _lock: File,
}

impl Folder {
    /// Opens a folder for blocks of so many bytes together; what a larger cache has left beyond
    /// them is removed.
    pub(super) fn open(path: PathBuf, bytes: u64) -> Result<Self> {
        let unusable = |error: io::Error| unusable(&path, &error);
        let files = path.join(FORMAT);
        fs::create_dir_all(&files).map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                unusable(io::Error::other("another process uses it as its cache"))
            }
            fs::TryLockError::Error(error) => unusable(error),
        })?;
        let blocks = usize::try_from(bytes).unwrap_or(usize::MAX) / BLOCK;
        for file in fs::read_dir(&files).map_err(unusable)? {
            let file = file.map_err(unusable)?;
            let name = file.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let number = number.and_then(|number| number.parse::<usize>().ok());
            if number.is_some_and(|number| number >= blocks) {
                fs::remove_file(file.path()).map_err(unusable)?;
            }
        }
        Ok(Self { path, blocks, _lock: lock })
    }

    /// What foyer is to do with it.
    pub(super) fn engine(&self) -> Result<BlockEngineConfig<Key, Body, HybridCacheProperties>> {
        let device = FsDeviceBuilder::new(self.path.join(FORMAT))
            .with_capacity(self.blocks.saturating_mul(BLOCK))
            .build();
        Ok(BlockEngineConfig::new(device.map_err(|error| self.unusable(&error))?)
            .with_block_size(BLOCK)
            .with_buffer_pool_size(WRITE_BUFFER)
            .with_submit_queue_size_threshold(WRITE_QUEUE))
    }

    /// The error that something went wrong here.
    pub(super) fn unusable(&self, error: &dyn Display) -> Error {
        unusable(&self.path, error)
    }
}

fn unusable(path: &std::path::Path, error: &dyn Display) -> Error {
    Error::CacheFolder { path: path.display().to_string(), reason: error.to_string() }
}
