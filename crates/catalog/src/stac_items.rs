//! STAC items in files as a catalogue.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cubeflight_sentinel2::Wanted;
use cubeflight_storage::{ObjectMeta, Path, Root};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use crate::geoparquet::{Footers, is_parquet};
use crate::stac_item::{Entry, read_document};
use crate::{Catalog, Error, Found, Omitted, Product, Query, Result};

/// Longest file read.
const MAX_FILE: u64 = 64 << 20;
/// Files read together.
const AT_ONCE: usize = 8;

/// STAC items on disk or in a bucket: every `.json` or `.geojson` below a root that is an item or
/// a collection of items, as CDSE and its API write them, and every `.parquet` or `.geoparquet` of
/// items (stac-geoparquet).
///
/// Hrefs are given as they are in the items. Items whose images are not JPEG 2000 are named as
/// such. A JSON file that did not change is read once; of a Parquet file only its footer is kept, and
/// a search reads the row groups of its period.
#[derive(Clone)]
pub struct StacItems {
    items: Root,
    only: Option<Path>,
    read: Arc<Mutex<HashMap<Path, Read>>>,
    footers: Arc<Footers>,
}

/// What a file held when it was last read.
#[derive(Debug, Clone)]
struct Read {
    meta: ObjectMeta,
    entries: Arc<Vec<Entry>>,
}

impl StacItems {
    /// All items below a root.
    pub fn new(items: Root) -> Self {
        Self { items, only: None, read: Arc::default(), footers: Arc::default() }
    }

    /// The items of one file.
    pub fn file(root: Root, path: Path) -> Self {
        Self { only: Some(path), ..Self::new(root) }
    }

    async fn files(&self) -> Result<Vec<ObjectMeta>> {
        if let Some(path) = &self.only {
            return Ok(vec![self.items.head(path).await?]);
        }
        let prefix = self.items.prefix();
        let files: Vec<ObjectMeta> = self
            .items
            .store()
            .list(Some(prefix))
            .try_filter(|file| std::future::ready(is_item(file)))
            .try_collect()
            .await
            .map_err(|error| cubeflight_storage::Error::from_store(prefix, error))?;
        Ok(files)
    }

    async fn entries(&self, file: ObjectMeta) -> Result<Arc<Vec<Entry>>> {
        let known = |read: &Read| (read.meta == file).then(|| Arc::clone(&read.entries));
        let cached = self.lock().get(&file.location).and_then(known);
        if let Some(entries) = cached {
            return Ok(entries);
        }
        let entries = Arc::new(self.load(&file).await?);
        let read = Read { meta: file.clone(), entries: Arc::clone(&entries) };
        self.lock().insert(file.location, read);
        Ok(entries)
    }

    async fn load(&self, file: &ObjectMeta) -> Result<Vec<Entry>> {
        let name = file.location.to_string();
        let entries = match self.items.get(&file.location, MAX_FILE).await {
            Ok(text) => tokio::task::spawn_blocking(move || read_document(&name, &text))
                .await
                .map_err(Error::other)?,
            Err(error @ cubeflight_storage::Error::TooLarge { .. }) => {
                let omitted = Omitted::new(name, "unreadable_file", error.to_string());
                vec![Entry::unknown(omitted)]
            }
            // gone since it was listed
            Err(error) if error.is_not_found() && self.only.is_none() => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(entries)
    }

    /// Every product that is wanted, and what cannot be used, in the order of the listing. Nothing
    /// is kept: the number of items does not matter.
    ///
    /// The stream ends with an error where the catalogue as a whole cannot be read.
    pub fn all(&self, wanted: Wanted) -> BoxStream<'_, Result<Result<Product, Omitted>>> {
        let prefix = self.items.prefix();
        let files = match &self.only {
            Some(path) => stream::once(self.items.head(path)).boxed(),
            None => self
                .items
                .store()
                .list(Some(prefix))
                .map_err(|error| cubeflight_storage::Error::from_store(prefix, error))
                .boxed(),
        };
        files
            .try_filter(|file| std::future::ready(is_item(file)))
            .map(move |file| async move {
                let file = file?;
                Ok::<_, Error>(if is_parquet(&file.location) {
                    self.footers.items(&self.items, file, wanted)
                } else {
                    stream::iter([Ok(self.load(&file).await?)]).boxed()
                })
            })
            .buffered(AT_ONCE)
            .try_flatten()
            .map_ok(move |entries: Vec<Entry>| {
                let found = entries.into_iter().filter_map(move |entry| entry.wanted(&wanted));
                stream::iter(found.map(Ok))
            })
            .try_flatten()
            .boxed()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Path, Read>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(found: &mut Found, entry: Entry) {
    match entry {
        Entry::Product(product) => found.products.push(*product),
        Entry::Omitted { omitted, .. } => found.omitted.push(omitted),
    }
}

fn is_item(file: &ObjectMeta) -> bool {
    let json = matches!(file.location.extension(), Some("json" | "geojson"));
    (json || is_parquet(&file.location)) && file.size > 0
}

impl fmt::Debug for StacItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StacItems").field("items", &self.items).field("only", &self.only).finish()
    }
}

#[async_trait]
impl Catalog for StacItems {
    async fn search(&self, query: &Query) -> Result<Found> {
        let files = self.files().await?;
        let mut files = files;
        // two files may hold one item: the first by name is used
        files.sort_by(|a, b| a.location.cmp(&b.location));
        {
            let names: std::collections::HashSet<_> = files.iter().map(|f| &f.location).collect();
            self.lock().retain(|path, _| names.contains(path));
            self.footers.retain(|path| names.contains(path));
        }
        let (tables, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| is_parquet(&file.location));
        let read: Vec<Arc<Vec<Entry>>> = stream::iter(files)
            .map(|file| self.entries(file))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut found = Found::default();
        for entry in read.iter().flat_map(|entries| entries.iter()) {
            if entry.concerns(query) {
                add(&mut found, entry.clone());
            }
        }
        let wanted = Wanted { level: Some(query.level), tile: Some(query.tile), time: query.time };
        for table in tables {
            let mut items = self.footers.items(&self.items, table, wanted);
            loop {
                let entries = match items.try_next().await {
                    Ok(Some(entries)) => entries,
                    Ok(None) => break,
                    // gone since it was listed
                    Err(error) if error.is_not_found() && self.only.is_none() => break,
                    Err(error) => return Err(error),
                };
                for entry in entries.into_iter().filter(|entry| entry.concerns(query)) {
                    add(&mut found, entry);
                }
            }
        }
        Ok(found.finish(query))
    }
}
