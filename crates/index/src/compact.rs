//! Many small files become one.

use std::time::Duration;

use chrono::Utc;
use cubeflight_sentinel2::{Level, MgrsTile};
use cubeflight_storage::Path;
use object_store::ObjectStoreExt as _;

use crate::files::{Folder, Open, replaced};
use crate::info::assets;
use crate::merge::merge;
use crate::table::{Columns, Writer};
use crate::{Error, Index, Result};

/// What a compaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Files that were read.
    pub inputs: usize,
    /// Records in the new file; 0 where none was needed.
    pub records: u64,
    /// The new file.
    pub output: Option<Path>,
    /// Files of earlier compactions, or of this one, that were removed.
    pub removed: usize,
}

impl Index {
    /// Writes the records of all files of a table to one new file, and removes files whose records
    /// another file has held for longer than `grace`.
    ///
    /// Any number of writers, readers and other compactions may be at work. A table of one file is
    /// left as it is. `grace` must be longer than any listing of the table takes, else a reader may
    /// see neither a file nor its replacement; and longer than the clock of this machine may be
    /// ahead of the store's.
    ///
    /// # Errors
    /// Store failures and unreadable index files. The table holds the same records in any case.
    pub async fn compact(
        &self,
        level: Level,
        tile: MgrsTile,
        grace: Duration,
    ) -> Result<Compaction> {
        let folder = self.folder(level, tile);
        self.files.caches.outdated(&folder.path);
        let mut restarts = 0;
        let mut done = loop {
            let outcome = match self.live(&folder).await {
                Ok(live) => self.rewrite(&folder, &live).await,
                Err(error) => Err(error),
            };
            if let Some(outcome) = self.settled(&folder, &mut restarts, outcome) {
                break outcome?;
            }
        };
        self.files.caches.outdated(&folder.path);
        done.removed = self.remove_replaced(&folder, grace).await?;
        self.files.caches.outdated(&folder.path);
        Ok(done)
    }

    async fn rewrite(&self, folder: &Folder, live: &[Open]) -> Result<Compaction> {
        if live.len() < 2 {
            return Ok(Compaction::default());
        }
        // Inputs of inputs that are still there are named as well, so that the new file alone
        // tells which files count.
        let listed = self.files.list(&folder.path).await?;
        let named = live.iter().flat_map(|(_, footer)| footer.replaces.iter());
        let mut replaces: Vec<String> = named
            .filter(|name| listed.iter().any(|file| file.name() == *name))
            .cloned()
            .chain(live.iter().map(|(file, _)| file.name().to_owned()))
            .collect();
        replaces.sort_unstable();
        replaces.dedup();
        let mut writer = Writer::new(&replaces)?;
        for asset in assets(live, folder.level) {
            // one asset at a time: the whole table can be larger than memory
            let rows = self.asset_rows(folder, live, &asset, Columns::Packets).await?;
            writer = crate::store::working(move || {
                writer.asset(&merge(&rows))?;
                Ok(writer)
            })
            .await?;
        }
        let table = crate::store::working(move || writer.finish()).await?;
        let records = table.summary.records;
        let newest = live.iter().map(|(file, _)| file.name()).max().unwrap_or_default();
        let path = self.create(folder, table, Some(newest)).await?;
        Ok(Compaction { inputs: live.len(), records, output: Some(path), removed: 0 })
    }

    /// Removes files that a file older than `grace` replaces.
    async fn remove_replaced(&self, folder: &Folder, grace: Duration) -> Result<usize> {
        let files = match self.files.list(&folder.path).await {
            Ok(files) => self.files.open(&files).await,
            Err(error) => Err(error),
        };
        let files = match files {
            Ok(files) => files,
            // another compaction is removing them
            Err(error) if error.is_vanished() => return Ok(0),
            Err(error) => return Err(error),
        };
        let now = Utc::now();
        let old = |(file, _): &&Open| {
            let age = now.signed_duration_since(file.modified).to_std();
            age.is_ok_and(|age| age >= grace)
        };
        let old: Vec<Open> = files.iter().filter(old).cloned().collect();
        let replaced = replaced(&old);
        let mut removed = 0;
        for (file, _) in files.iter().filter(|(file, _)| replaced.contains(file.name())) {
            match self.files.root.store().delete(&file.path).await {
                Ok(()) => removed += 1,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    let error = cubeflight_storage::Error::from_store(&file.path, error);
                    return Err(Error::Storage(error));
                }
            }
        }
        Ok(removed)
    }
}
