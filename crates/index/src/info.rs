//! What tables there are and how much they hold.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{Level, MgrsTile};
use cubeflight_storage::Path;

use crate::cache::File;
use crate::files::{Folder, Open};
use crate::merge::merge;
use crate::table::{Columns, Row, Summary, Want};
use crate::{Index, Result};

/// One table of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Collection of its products.
    pub level: Level,
    /// Tile of its products.
    pub tile: MgrsTile,
    /// Records, after those of one file state are merged.
    pub records: u64,
    /// Distinct products.
    pub products: u64,
    /// Records with packet lengths.
    pub with_packets: u64,
    /// Records that do not list all tile-parts of their files.
    pub incomplete: u64,
    /// Earliest and latest datatake start.
    pub time: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Files that hold these records.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
}

impl Index {
    /// All tables that hold a record, by collection and tile.
    ///
    /// Takes one listing of the whole index and the footers of all files; only tables of several
    /// files are read further.
    ///
    /// # Errors
    /// Store failures and unreadable index files.
    pub async fn tables(&self) -> Result<Vec<TableInfo>> {
        let mut folders: BTreeMap<(&str, MgrsTile), Level> = BTreeMap::new();
        for file in self.files.list_all(&self.base).await? {
            if let Some((level, tile)) = self.table_of(&file.path) {
                folders.insert((level.collection(), tile), level);
            }
        }
        let mut tables = Vec::with_capacity(folders.len());
        for ((_, tile), level) in folders {
            let table = self.table(level, tile).await?;
            if table.records > 0 {
                tables.push(table);
            }
        }
        Ok(tables)
    }

    /// One table; of one that does not exist, zeros.
    ///
    /// # Errors
    /// Store failures and unreadable index files.
    pub async fn table(&self, level: Level, tile: MgrsTile) -> Result<TableInfo> {
        let folder = self.folder(level, tile);
        let mut restarts = 0;
        loop {
            let outcome = match self.live(&folder).await {
                Ok(live) => self.info(&folder, &live).await,
                Err(error) => Err(error),
            };
            if let Some(outcome) = self.settled(&folder, &mut restarts, outcome) {
                return outcome;
            }
        }
    }

    async fn info(&self, folder: &Folder, live: &[Open]) -> Result<TableInfo> {
        let names: Vec<Path> = live.iter().map(|(file, _)| file.path.clone()).collect();
        if let Some(known) = self.files.caches.infos.get(&names).await {
            return Ok(known);
        }
        let summary = match live {
            [(_, footer)] => footer.summary.clone(),
            [] => Some(Summary::default()),
            _ => None,
        };
        let summary = match summary {
            Some(summary) => summary,
            None => self.count(folder, live).await?,
        };
        let info = TableInfo {
            level: folder.level,
            tile: folder.tile,
            records: summary.records,
            products: summary.products,
            with_packets: summary.with_packets,
            incomplete: summary.incomplete,
            time: summary.start.zip(summary.end),
            files: u64::try_from(live.len()).unwrap_or(u64::MAX),
            bytes: live.iter().map(|(file, _): &(File, _)| file.size).sum(),
        };
        self.files.caches.infos.insert(names, info.clone()).await;
        Ok(info)
    }

    /// Counts the merged records of several files.
    async fn count(&self, folder: &Folder, live: &[Open]) -> Result<Summary> {
        let mut counting = crate::table::Counting::default();
        for asset in assets(live, folder.level) {
            let rows = self.asset_rows(folder, live, &asset, Columns::Count).await?;
            counting.add(&merge(&rows));
        }
        Ok(counting.finish())
    }

    /// All rows of an asset, past the cache: a whole table would fill it.
    pub(crate) async fn asset_rows(
        &self,
        folder: &Folder,
        live: &[Open],
        asset: &str,
        columns: Columns,
    ) -> Result<Vec<Row>> {
        let want = Want { assets: Some(vec![asset.to_owned()]), ..Want::default() };
        let mut keys = Vec::new();
        for (file, footer) in live {
            let blocks = footer.blocks(&want).into_iter();
            keys.extend(blocks.map(|block| (file.path.clone(), block, columns)));
        }
        let mut loaded = self.files.load(folder, live, &keys, columns).await?;
        loaded.sort_by(|(a, _), (b, _)| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let rows = loaded.iter().flat_map(|(_, rows)| rows.iter());
        Ok(rows.filter(|row| row.record.asset.to_string() == asset).cloned().collect())
    }

    fn table_of(&self, path: &Path) -> Option<(Level, MgrsTile)> {
        let mut below = path.prefix_match(&self.base)?;
        let (collection, tile, _name) = (below.next()?, below.next()?, below.next()?);
        let level = Level::from_str(collection.as_ref()).ok()?;
        let parsed = MgrsTile::from_str(tile.as_ref()).ok()?;
        let canonical = level.collection() == collection.as_ref()
            && parsed.to_string() == tile.as_ref()
            && below.next().is_none();
        canonical.then_some((level, parsed))
    }
}

/// The names of the assets that files hold, ascending.
pub(crate) fn assets(files: &[Open], level: Level) -> Vec<String> {
    let mut names: HashSet<String> = HashSet::new();
    for (_, footer) in files {
        match footer.assets() {
            Some(assets) => names.extend(assets.map(ToOwned::to_owned)),
            // not a file of this program: any asset may be in it
            None => names
                .extend(cubeflight_sentinel2::AssetId::all(level).iter().map(ToString::to_string)),
        }
    }
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_unstable();
    names
}
