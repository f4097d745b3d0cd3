//! Flags of the cache of byte ranges.

use std::path::PathBuf;

use clap::Args;
use cubeflight_storage::{RangeCache, RangeCacheOptions};

use super::values::byte_size;
use crate::error::CliError;

/// Where bytes of image files are kept that were read from a bucket.
#[derive(Debug, Clone, Args)]
pub(crate) struct CacheArgs {
    /// Memory for bytes of image files that were read from a bucket: a number with KiB, MiB or GiB.
    /// 0 keeps nothing. A directory is cached by the system
    #[arg(
        long,
        default_value = "512MiB",
        value_name = "BYTES",
        value_parser = byte_size,
        env = "CUBEFLIGHT_CACHE_MEMORY"
    )]
    cache_memory: u64,

    /// Folder that keeps them too, and over restarts; made if absent. Its server alone uses it
    #[arg(long, value_name = "DIR", env = "CUBEFLIGHT_CACHE_DISK")]
    cache_disk: Option<PathBuf>,

    /// Bytes of all files in that folder, at least 256MiB
    #[arg(
        long,
        default_value = "10GiB",
        value_name = "BYTES",
        value_parser = byte_size,
        env = "CUBEFLIGHT_CACHE_DISK_BYTES"
    )]
    cache_disk_bytes: u64,
}

impl CacheArgs {
    /// The cache, where one is wanted.
    pub(crate) async fn open(&self) -> Result<Option<RangeCache>, CliError> {
        let disk = self.cache_disk.clone().map(|folder| (folder, self.cache_disk_bytes));
        if self.cache_memory == 0 {
            return match disk {
                None => Ok(None),
                Some(_) => Err(CliError::usage("--cache-disk needs --cache-memory above 0")),
            };
        }
        let options = RangeCacheOptions { memory_bytes: self.cache_memory, disk };
        Ok(Some(RangeCache::open(options).await?))
    }
}
