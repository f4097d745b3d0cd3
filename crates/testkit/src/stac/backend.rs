//! Items in memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::Stream;
use serde_json::{Map, Value};
use stac::api::{
    CollectionsClient, ItemCollection, ItemsClient, Search, StreamItemsClient, TransactionClient,
    stream_pages,
};
use stac::{Collection, Item};
use stac_server::{Backend, Error as ServerError};

use super::query::Matcher;
use crate::{Error, Result};

/// Items of a page where the search names no limit, and at most.
const LIMIT: (u64, u64) = (10, 1_000);
/// Folders below the one that is served.
const DEEPEST: usize = 16;

/// What is served; never changes.
#[derive(Debug, Clone)]
pub(super) struct Items {
    collections: Arc<BTreeMap<String, Collection>>,
    /// Newest first.
    items: Arc<Vec<Item>>,
}

impl Items {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Everything below a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        find(folder, 0, &mut files)?;
        files.sort();
        let (mut collections, mut items) = (BTreeMap::new(), Vec::new());
        for path in files {
            let bad = |reason: String| Error::Items { path: path.clone(), reason };
            let text = fs::read(&path).map_err(|error| bad(error.to_string()))?;
            let value: Value = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
            match value.get("type").and_then(Value::as_str) {
                Some("Feature") => {
                    let item = serde_json::from_value(value).map_err(|e| bad(e.to_string()))?;
                    items.push(item);
                }
                Some("Collection") => {
                    let collection: Collection =
                        serde_json::from_value(value).map_err(|e| bad(e.to_string()))?;
                    collections.insert(collection.id.clone(), collection);
                }
                _ => (),
            }
        }
        for item in &items {
            let item: &Item = item;
            if let Some(id) = &item.collection {
                collections
                    .entry(id.clone())
                    .or_insert_with(|| Collection::new(id, "items of this name"));
            }
        }
        items.sort_by(|a, b| (b.properties.datetime, &b.id).cmp(&(a.properties.datetime, &a.id)));
        Ok(Self { collections: Arc::new(collections), items: Arc::new(items) })
    }
}

/// Files with items, and folders down to a depth.
fn find(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let bad =
        |error: std::io::Error| Error::Items { path: folder.to_owned(), reason: error.to_string() };
    for entry in fs::read_dir(folder).map_err(bad)? {
        let path = entry.map_err(bad)?.path();
        if path.is_dir() && depth < DEEPEST {
            find(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

impl ItemsClient for Items {
    type Error = ServerError;

    async fn search(&self, search: Search) -> Result<ItemCollection, ServerError> {
        let matcher = Matcher::new(&search).map_err(ServerError::MemoryBackend)?;
        let mut matching = Vec::new();
        for item in self.items.iter() {
            if matcher.matches(item).map_err(ServerError::MemoryBackend)? {
                matching.push(item);
            }
        }
        let (usual, most) = LIMIT;
        let limit = search.items.limit.unwrap_or(usual).clamp(1, most);
        // a number after POST, a text after GET
        let skip = search.items.additional_fields.get("skip").and_then(|skip| {
            skip.as_u64().or_else(|| skip.as_str().and_then(|text| text.parse().ok()))
        });
        let skip = skip.unwrap_or_default();
        let page: Vec<stac::api::Item> = matching
            .iter()
            .skip(usize::try_from(skip)?)
            .take(usize::try_from(limit)?)
            .map(|item| stac::api::Item::try_from((*item).clone()).map_err(ServerError::from))
            .collect::<Result<_, _>>()?;
        let (returned, matched) = (u64::try_from(page.len())?, u64::try_from(matching.len())?);
        let mut answer = ItemCollection::new(page)?;
        answer.number_returned = Some(returned);
        answer.number_matched = Some(matched);
        let at = |skip: u64| Map::from_iter([("skip".to_owned(), Value::from(skip))]);
        answer.next = (skip.saturating_add(returned) < matched && returned > 0)
            .then(|| at(skip.saturating_add(returned)));
        answer.prev = (skip > 0).then(|| at(skip.saturating_sub(limit)));
        Ok(answer)
    }

    async fn item(&self, collection: &str, id: &str) -> Result<Option<Item>, ServerError> {
        let found = self
            .items
            .iter()
            .find(|item| item.id == id && item.collection.as_deref() == Some(collection));
        Ok(found.cloned())
    }
}

impl CollectionsClient for Items {
    type Error = ServerError;

    async fn collections(&self) -> Result<Vec<Collection>, ServerError> {
        Ok(self.collections.values().cloned().collect())
    }

    async fn collection(&self, id: &str) -> Result<Option<Collection>, ServerError> {
        Ok(self.collections.get(id).cloned())
    }
}

impl TransactionClient for Items {
    type Error = ServerError;

    async fn add_collection(&mut self, _: Collection) -> Result<(), ServerError> {
        Err(ServerError::ReadOnly)
    }

    async fn add_item(&mut self, _: Item) -> Result<(), ServerError> {
        Err(ServerError::ReadOnly)
    }
}

impl StreamItemsClient for Items {
    type Error = ServerError;

    async fn search_stream(
        &self,
        search: Search,
    ) -> Result<impl Stream<Item = Result<stac::api::Item, ServerError>> + Send, ServerError> {
        let page = ItemsClient::search(self, search.clone()).await?;
        Ok(stream_pages(self.clone(), search, page))
    }
}

impl Backend for Items {
    fn has_item_search(&self) -> bool {
        true
    }

    fn has_filter(&self) -> bool {
        false
    }
}
