//! Index files on object storage.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cubeflight_sentinel2::{AssetId, Level, MgrsTile, ProductId};
use cubeflight_storage::{Path, Root};
use cubeflight_tlm::TlmRecord;
use futures::{StreamExt, TryStreamExt};
use object_store::{PutMode, PutOptions, PutPayload};

use crate::{Error, Result, table};

/// Largest index file that is read. The whole mission of one tile, with packet lengths, is a
/// fraction of this.
const MAX_FILE: u64 = 1024 * 1024 * 1024;
/// Index files read side by side.
const READS: usize = 8;

/// A Parquet store of TLM records.
#[derive(Debug, Clone)]
pub struct Index {
    root: Root,
}

/// Which records; empty sets mean all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Products.
    pub products: Vec<ProductId>,
    /// Assets.
    pub assets: Vec<AssetId>,
}

impl Selection {
    fn admits(&self, record: &TlmRecord) -> bool {
        (self.products.is_empty() || self.products.contains(&record.product))
            && (self.assets.is_empty() || self.assets.contains(&record.asset))
    }
}

impl Index {
    /// The index under a root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    /// URL of the root.
    #[must_use]
    pub fn url(&self) -> &str {
        self.root.url()
    }

    /// Writes records, one new file per collection and MGRS tile, and gives their paths.
    ///
    /// # Errors
    /// Store failures.
    pub async fn append(&self, records: &[TlmRecord]) -> Result<Vec<Path>> {
        let mut by_tile: BTreeMap<(&str, MgrsTile), Vec<TlmRecord>> = BTreeMap::new();
        for record in records {
            let key = (record.product.level().collection(), record.product.tile());
            by_tile.entry(key).or_default().push(record.clone());
        }
        let mut paths = Vec::with_capacity(by_tile.len());
        for ((collection, tile), mut records) in by_tile {
            records.sort_by_cached_key(|r| {
                (r.product.datatake_start(), r.product.to_string(), r.asset)
            });
            let bytes = blocking(move || table::write(&records)).await?;
            let name = format!("{}.parquet", uuid::Uuid::now_v7());
            let path = self.tile_prefix(collection, tile).join(name.as_str());
            self.create(&path, bytes).await?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// The records of one collection and tile, ordered by datatake start, product and asset; of
    /// several for one file state, the newest. Where an asset has records of several file states,
    /// the one written last comes last.
    ///
    /// # Errors
    /// Store failures and unreadable index files.
    pub async fn records(
        &self,
        level: Level,
        tile: MgrsTile,
        selection: &Selection,
    ) -> Result<Vec<Arc<TlmRecord>>> {
        let mut paths = self.files(level, tile).await?;
        // UUIDv7 names ascend in time: later files overwrite what earlier ones said.
        paths.sort();
        let tables: Vec<Vec<TlmRecord>> = futures::stream::iter(paths)
            .map(|path| self.read(path))
            .buffered(READS)
            .try_collect()
            .await?;
        let mut newest: HashMap<_, (usize, Arc<TlmRecord>)> = HashMap::new();
        let admitted = tables.into_iter().flatten().filter(|record| selection.admits(record));
        for (age, record) in admitted.enumerate() {
            let state = (record.product.clone(), record.asset, record.size, record.etag.clone());
            newest.insert(state, (age, Arc::new(record)));
        }
        let mut records: Vec<_> = newest.into_values().collect();
        records.sort_by_cached_key(|(age, r)| {
            (r.product.datatake_start(), r.product.to_string(), r.asset, *age)
        });
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    async fn files(&self, level: Level, tile: MgrsTile) -> Result<Vec<Path>> {
        let prefix = self.tile_prefix(level.collection(), tile);
        let from_store = |error| cubeflight_storage::Error::from_store(&prefix, error);
        let listing = self.root.store().list(Some(&prefix)).map_err(from_store);
        let all: Vec<_> = listing.map_ok(|object| object.location).try_collect().await?;
        Ok(all.into_iter().filter(|path| path.as_ref().ends_with(".parquet")).collect())
    }

    async fn read(&self, path: Path) -> Result<Vec<TlmRecord>> {
        let bytes = self.root.get(&path, MAX_FILE).await?;
        blocking(move || {
            table::read(bytes).map_err(|reason| Error::BadFile { path: path.to_string(), reason })
        })
        .await
    }

    async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.root.store().put_opts(path, PutPayload::from(bytes), options).await;
        put.map_err(|error| cubeflight_storage::Error::from_store(path, error))?;
        Ok(())
    }

    fn tile_prefix(&self, collection: &str, tile: MgrsTile) -> Path {
        let tile = tile.to_string();
        self.root.prefix().clone().join("v1").join(collection).join(tile.as_str())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::Task { reason: error.to_string() })?
}
