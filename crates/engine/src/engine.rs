//! What an engine is made of.

use std::sync::Arc;

use cubeflight_catalog::Catalog;
use cubeflight_index::Index;
use cubeflight_plan::CostModel;
use cubeflight_storage::Root;
use rayon::ThreadPool;

use crate::{EngineConfig, Error, Result};

/// Resolves requests and runs plans over one archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) archive: Root,
    pub(crate) index: Index,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) pool: Arc<ThreadPool>,
    pub(crate) config: Arc<EngineConfig>,
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
            .build()
            .map_err(|error| Error::Pool { reason: error.to_string() })?;
        Ok(Self { archive, index, catalog, pool: Arc::new(pool), config: Arc::new(config) })
    }

    /// What a request costs at the archive's store.
    pub(crate) fn cost(&self) -> CostModel {
        let by_scheme = || match self.archive.url().starts_with("file:") {
            true => CostModel::LOCAL,
            false => CostModel::OBJECT_STORE,
        };
        self.config.cost.unwrap_or_else(by_scheme)
    }
}
