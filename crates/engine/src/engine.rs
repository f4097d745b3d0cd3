//! What an engine is made of.

use std::sync::Arc;

use cubeflight_catalog::{Catalog, MetadataSource};
use cubeflight_index::Index;
use cubeflight_jp2::TileDecoder;
use cubeflight_plan::CostModel;
use cubeflight_storage::Root;

use crate::decoded::DecodedCache;
use crate::learned::Learned;
use crate::memory::Memory;
use crate::queue::Queue;
use crate::{EngineConfig, Error, Result};

/// Resolves requests and runs plans over one archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) archive: Root,
    pub(crate) index: Index,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) metadata: MetadataSource,
    pub(crate) queue: Queue,
    pub(crate) decoder: Arc<dyn TileDecoder>,
    pub(crate) memory: Memory,
    pub(crate) decoded: DecodedCache,
    pub(crate) config: Arc<EngineConfig>,
    pub(crate) learned: Arc<Learned>,
}

impl Engine {
    /// An engine over `archive`, whose products `catalog` lists and whose records `index` holds.
    ///
    /// # Errors
    /// Decoder threads cannot be started.
    pub fn new(
        archive: Root,
        index: Index,
        catalog: Arc<dyn Catalog>,
        config: EngineConfig,
    ) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(config.threads)
            .thread_name(|n| format!("decode-{n}"))
            // Without a handler a panic would end the process. The one who waits for the job learns
            // of it because the job's sender is gone.
            .panic_handler(|_| tracing::error!("a decoder job panicked"))
            .build()
            .map_err(|error| Error::Pool { reason: error.to_string() })?;
        let learned = Arc::new(Learned::new(&index, config.write_back));
        let (decoder, memory) = (config.decoder.decoder(), Memory::new(&config));
        let decoded = DecodedCache::new(config.decoded_cache_bytes);
        let (queue, config) = (Queue::new(Arc::new(pool)), Arc::new(config));
        let metadata = MetadataSource::new();
        Ok(Self {
            archive,
            index,
            catalog,
            metadata,
            queue,
            decoder,
            memory,
            decoded,
            config,
            learned,
        })
    }

    /// Writes into the index what streams have learnt of files without record and what is not
    /// written yet. It happens by itself when a stream ends.
    pub async fn flush(&self) {
        self.learned.flush().await;
    }

    /// As [`Engine::flush`], and waits until the cache of byte ranges is on disk; nothing is cached
    /// from then on. For a server that ends.
    pub async fn close(&self) {
        self.flush().await;
        if let Some(cache) = &self.config.range_cache {
            cache.close().await;
        }
    }

    /// Name of what decodes JP2 tiles.
    #[must_use]
    pub fn decoder(&self) -> &'static str {
        self.decoder.name()
    }

    /// The index of TLM records.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// What reading costs at the archive's store: what is configured, else what was measured, else
    /// what such stores usually are like.
    #[must_use]
    pub fn cost(&self) -> CostModel {
        let cost = self.config.cost.unwrap_or_else(|| self.measured_cost());
        let max_whole_read = self.config.max_whole_read.unwrap_or(cost.max_whole_read);
        CostModel { max_whole_read, ..cost }
    }

    fn measured_cost(&self) -> CostModel {
        if self.archive.url().starts_with("file:") {
            return CostModel::LOCAL;
        }
        let speed = self.archive.speed();
        let (Some(latency), Some(bandwidth)) = (speed.latency, speed.bytes_per_second) else {
            return CostModel::OBJECT_STORE;
        };
        let connections = speed.connections.min(self.config.reads_per_stream).max(1);
        let waiting = latency.as_secs_f64() / connections as f64;
        // In the long run a rate of requests holds every one of them back for so long.
        let rate = speed.requests_per_second.map_or(0.0, f64::recip);
        CostModel::OBJECT_STORE.measured(waiting.max(rate), bandwidth)
    }
}
