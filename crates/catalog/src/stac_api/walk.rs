//! From page to page.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use cubeflight_storage::{Web, WebRequest};
use serde_json::Value;
use stac::api::Search;
use url::Url;

use super::{failed, page};
use crate::stac_item::{Entry, read_feature};
use crate::{Error, Result};

/// Answers without items, one after the other.
const MAX_EMPTY: usize = 20;

/// How much a search may give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) pages: usize,
    pub(super) items: usize,
    /// Of one answer.
    pub(super) bytes: u64,
}

/// A search under way.
#[derive(Debug)]
pub(super) struct Walk {
    web: Web,
    next: Option<WebRequest>,
    bounds: Bounds,
    pages: usize,
    items: usize,
    empty: usize,
    /// Requests that were sent: a link that leads back would never end.
    sent: HashSet<u64>,
    /// Of the items of the last page.
    last: u64,
}

impl Walk {
    pub(super) fn new(web: &Web, url: &Url, search: &Search, bounds: Bounds) -> Result<Self> {
        let json = serde_json::to_vec(search).map_err(|error| Error::Confused {
            url: url.to_string(),
            reason: format!("the search cannot be written: {error}"),
        })?;
        Ok(Self {
            web: web.clone(),
            next: Some(WebRequest { url: url.clone(), json: Some(Bytes::from(json)) }),
            bounds,
            pages: 0,
            items: 0,
            empty: 0,
            sent: HashSet::new(),
            last: 0,
        })
    }

    /// The items of the next page; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        let Some(request) = self.next.take() else { return Ok(None) };
        let url = || {
            let mut url = request.url.clone();
            url.set_query(None);
            url.to_string()
        };
        let confused = |reason: &str| Error::Confused { url: url(), reason: reason.to_owned() };
        if !self.sent.insert(hash(&request)) {
            return Err(confused("the link to the next page leads back to one that was read"));
        }
        self.pages += 1;
        if self.pages > self.bounds.pages {
            let limit = format!("{} pages", self.bounds.pages);
            return Err(Error::TooMuch { url: url(), limit });
        }
        let text = match self.web.send(&request, self.bounds.bytes).await {
            Ok(text) => text,
            Err(error) => return Err(failed(&request.url, error)),
        };
        let sent = request.clone();
        let read = tokio::task::spawn_blocking(move || {
            let page = page::read(&sent, &text)?;
            let ids: Vec<Option<String>> = page.features.iter().map(id).collect();
            let entries: Vec<Entry> = page.features.into_iter().map(read_feature).collect();
            Ok((entries, hash(&ids), page.next))
        });
        let read: Result<_, String> = read.await.map_err(Error::other)?;
        let (entries, ids, next) = read.map_err(|reason| confused(&reason))?;
        if next.is_some() && !entries.is_empty() && ids == self.last {
            return Err(confused("two pages have the same items, paging does not get on"));
        }
        self.empty = if entries.is_empty() { self.empty + 1 } else { 0 };
        if next.is_some() && self.empty > MAX_EMPTY {
            return Err(confused("one page after the other without items"));
        }
        self.items = self.items.saturating_add(entries.len());
        if self.items > self.bounds.items {
            let limit = format!("{} items", self.bounds.items);
            return Err(Error::TooMuch { url: url(), limit });
        }
        self.last = ids;
        self.next = next;
        Ok(Some(entries))
    }
}

fn id(feature: &Value) -> Option<String> {
    feature.get("id").and_then(Value::as_str).map(str::to_owned)
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
