//! A STAC API as a catalogue.

mod endpoint;
mod page;
mod search;
mod walk;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cubeflight_sentinel2::{Level, ProductId, TimeRange, Wanted};
use cubeflight_storage::{Counters, Options, Web};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use moka::future::Cache;
use stac::api::Search;
use tokio::sync::OnceCell;
use url::Url;

use self::endpoint::Endpoint;
use self::search::By;
use self::walk::{Bounds, Walk};
use crate::stac_item::Entry;
use crate::{Catalog, Error, Found, Omitted, Product, Query, Result};

/// Pages and items that one search may give: the whole mission over a tile has some 5,000 items, nine
/// times that where the server cannot tell a tile from its neighbours.
const OF_A_SEARCH: (usize, usize) = (2_000, 100_000);
/// What a walk through a catalogue may give, which keeps nothing.
const OF_A_WALK: (usize, usize) = (1_000_000, usize::MAX);
/// Ids in one search.
const IDS: usize = 100;

/// What searches gave.
#[derive(Debug, Default)]
struct Collected {
    /// What is the query's.
    entries: Vec<Entry>,
    /// There were items.
    any: bool,
    /// There were items that are known to be of the query's tile and level.
    of_tile: bool,
}

/// How a STAC API is asked.
#[derive(Debug, Clone)]
pub struct StacApiOptions {
    /// How long an answer is used again: new products are seen after at most this time. Zero asks
    /// every time.
    pub time_to_live: Duration,
    /// Bytes of answers that are kept, about.
    pub cache_bytes: u64,
    /// Items asked for at once; the server may give fewer.
    pub page_items: u64,
    /// Bytes of one answer, at most. A hundred items of CDSE have 4 MB.
    pub answer_bytes: u64,
    /// The longest that one search may take, all its pages together.
    pub deadline: Duration,
}

impl Default for StacApiOptions {
    /// 60 s, 64 MiB, 100 items, 32 MiB, 5 minutes.
    fn default() -> Self {
        Self {
            time_to_live: Duration::from_secs(60),
            cache_bytes: 64 << 20,
            page_items: 100,
            answer_bytes: 32 << 20,
            deadline: Duration::from_secs(300),
        }
    }
}

/// A STAC API (1.0.0) with item search by POST, as that of CDSE.
///
/// Tiles are asked for by `grid:code` where the server knows the query extension, else by bounds;
/// what does not belong to the query is left out here. Hrefs are given as the items have them. An
/// answer is used again for [`StacApiOptions::time_to_live`], equal searches at one time are one;
/// failures are not kept. The answers belong to this value, and so to its URL and its token: give
/// each tenant of a private catalogue its own.
#[derive(Clone)]
pub struct StacApi(Arc<Inner>);

struct Inner {
    web: Web,
    options: StacApiOptions,
    /// The landing page is read once.
    endpoint: OnceCell<Endpoint>,
    /// The items have a `grid:code`, as an answer has shown.
    has_grid_code: AtomicBool,
    /// They have none although the server knows queries, as an answer has shown.
    lacks_grid_code: AtomicBool,
    answers: Option<Cache<Query, Arc<Vec<Entry>>>>,
}

impl StacApi {
    /// The API with this root. `token` goes with every request (`Authorization: Bearer`).
    /// `storage` has the timeouts, the retries and the limits. No request is sent yet.
    ///
    /// # Errors
    /// A URL that is not http or https, and options that cannot be used.
    pub fn new(
        url: &str,
        token: Option<&str>,
        storage: &Options,
        options: StacApiOptions,
    ) -> Result<Self> {
        let base = Url::parse(url).map_err(|error| Error::NoApi {
            url: url.chars().take(200).collect(),
            reason: error.to_string(),
        })?;
        let web = Web::new(&base, token, storage).map_err(|error| match error {
            cubeflight_storage::Error::BadUrl { url, reason } => Error::NoApi { url, reason },
            error => error.into(),
        })?;
        let answers = (!options.time_to_live.is_zero()).then(|| {
            Cache::builder()
                .max_capacity(options.cache_bytes)
                .weigher(|_, entries: &Arc<Vec<Entry>>| {
                    let bytes: usize = entries.iter().map(Entry::weight).sum();
                    u32::try_from(bytes).unwrap_or(u32::MAX)
                })
                .time_to_live(options.time_to_live)
                .build()
        });
        Ok(Self(Arc::new(Inner {
            web,
            options,
            endpoint: OnceCell::new(),
            has_grid_code: AtomicBool::new(false),
            lacks_grid_code: AtomicBool::new(false),
            answers,
        })))
    }

    /// Requests, bytes and repeats since this value was made.
    pub fn counters(&self) -> Counters {
        self.0.web.counters()
    }

    /// Every product that is wanted, and what cannot be used, page by page. Nothing is kept: the
    /// number of items does not matter.
    ///
    /// The stream ends with an error where the catalogue fails.
    pub fn all(&self, wanted: Wanted) -> BoxStream<'static, Result<Result<Product, Omitted>>> {
        let inner = Arc::clone(&self.0);
        let searches = async move { inner.searches(&wanted).await };
        let inner = Arc::clone(&self.0);
        stream::once(searches)
            .map_ok(move |searches| {
                let inner = Arc::clone(&inner);
                stream::iter(searches.into_iter().map(Ok::<_, Error>))
                    .map_ok(move |(url, search)| inner.pages(url, search, OF_A_WALK))
                    .try_flatten()
            })
            .try_flatten()
            .map_ok(move |entries| {
                let found = entries.into_iter().filter_map(move |entry| entry.wanted(&wanted));
                stream::iter(found.map(Ok))
            })
            .try_flatten()
            .boxed()
    }
}

impl Inner {
    async fn endpoint(&self) -> Result<&Endpoint> {
        self.endpoint.get_or_try_init(|| endpoint::discover(&self.web)).await
    }

    fn bounds(&self, (pages, items): (usize, usize)) -> Bounds {
        Bounds { pages, items, bytes: self.options.answer_bytes }
    }

    fn pages(
        &self,
        url: Url,
        mut search: Search,
        bounds: (usize, usize),
    ) -> BoxStream<'static, Result<Vec<Entry>>> {
        search.items.limit = Some(self.options.page_items);
        let walk = Walk::new(&self.web, &url, &search, self.bounds(bounds));
        stream::once(std::future::ready(walk))
            .map_ok(|walk| {
                stream::try_unfold(walk, |mut walk| async move {
                    Ok(walk.next().await?.map(|entries| (entries, walk)))
                })
            })
            .try_flatten()
            .boxed()
    }

    /// What a walk asks for: by the tile where there is one.
    async fn searches(&self, wanted: &Wanted) -> Result<Vec<(Url, Search)>> {
        let endpoint = self.endpoint().await?;
        let levels = wanted.level.map_or(vec![Level::L1C, Level::L2A], |level| vec![level]);
        let Some(tile) = wanted.tile else {
            return Ok(vec![(endpoint.search.clone(), search::in_time(&levels, &wanted.time))]);
        };
        let mut searches = Vec::new();
        for level in levels {
            let of = |by| search::of_tile(level, tile, &wanted.time, by);
            // a walk cannot begin again when the items turn out to have no codes
            let by = match endpoint.query && self.any(endpoint, of(By::GridCode)).await? {
                true => By::GridCode,
                false => By::Bounds,
            };
            searches.extend(of(by));
        }
        Ok(searches.into_iter().map(|search| (endpoint.search.clone(), search)).collect())
    }

    /// Whether there is any item, by one request.
    async fn any(&self, endpoint: &Endpoint, searches: Vec<Search>) -> Result<bool> {
        for mut search in searches {
            search.items.limit = Some(1);
            let mut walk =
                Walk::new(&self.web, &endpoint.search, &search, self.bounds(OF_A_SEARCH))?;
            if walk.next().await?.is_some_and(|entries| !entries.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What of the searches' items is the query's, page by page: the rest is not kept.
    async fn collect(&self, searches: Vec<Search>, query: &Query) -> Result<Collected> {
        let endpoint = self.endpoint().await?;
        let mut found = Collected::default();
        for search in searches {
            let mut pages = self.pages(endpoint.search.clone(), search, OF_A_SEARCH);
            while let Some(entries) = pages.try_next().await? {
                found.any |= !entries.is_empty();
                found.of_tile |= entries.iter().any(|entry| entry.is_of_tile(query));
                found.entries.extend(entries.into_iter().filter(|entry| entry.concerns(query)));
            }
        }
        Ok(found)
    }

    /// Everything that a query is about, from the server.
    async fn ask(&self, query: &Query) -> Result<Vec<Entry>> {
        let deadline = self.options.deadline;
        let found = tokio::time::timeout(deadline, self.find(query)).await;
        let mut found = found.map_err(|_| Error::Unreachable {
            reason: format!("a search of {} took longer than {deadline:?}", self.web.base()),
        })??;
        // an item on both sides of the antimeridian, or one that moved while pages were read
        let mut seen = std::collections::HashSet::new();
        found.retain(|entry| match entry {
            Entry::Product(product) => seen.insert(product.id.clone()),
            Entry::Omitted { .. } => true,
        });
        Ok(found)
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        if query.product_ids.is_empty() {
            return self.of_tile(query, &query.time).await;
        }
        let chunks = query.product_ids.chunks(IDS);
        let searches = chunks.map(|ids| search::of_ids(query.level, ids)).collect();
        let mut found = self.collect(searches, query).await?.entries;
        let known = |id: &&ProductId| {
            !found.iter().any(|entry| matches!(entry, Entry::Product(it) if it.id == **id))
        };
        let missing: Vec<ProductId> = query.product_ids.iter().filter(known).cloned().collect();
        // other catalogues give items ids of their own, and have the product's in a property
        if !missing.is_empty() {
            found.extend(self.of_tile(query, &search::spanned(&missing)).await?);
        }
        Ok(found)
    }

    async fn of_tile(&self, query: &Query, time: &TimeRange) -> Result<Vec<Entry>> {
        let endpoint = self.endpoint().await?;
        let by = |by| search::of_tile(query.level, query.tile, time, by);
        if !endpoint.query || self.lacks_grid_code.load(Ordering::Relaxed) {
            return Ok(self.collect(by(By::Bounds), query).await?.entries);
        }
        let found = self.collect(by(By::GridCode), query).await?;
        if found.any {
            self.has_grid_code.store(true, Ordering::Relaxed);
        }
        if self.has_grid_code.load(Ordering::Relaxed) {
            return Ok(found.entries);
        }
        // nothing yet that shows a code: that there are no items, or that they have none?
        let found = self.collect(by(By::Bounds), query).await?;
        if found.of_tile {
            let url = self.web.base();
            tracing::info!(%url, "items have no grid:code, tiles are searched for by bounds");
            self.lacks_grid_code.store(true, Ordering::Relaxed);
        }
        Ok(found.entries)
    }

    async fn answer(&self, query: &Query) -> Result<Arc<Vec<Entry>>> {
        let Some(answers) = &self.answers else { return self.ask(query).await.map(Arc::new) };
        if let Some(entries) = self.of_another(answers, query).await {
            return Ok(entries);
        }
        let asked = async { self.ask(query).await.map(Arc::new) };
        answers.try_get_with_by_ref(query, asked).await.map_err(Error::shared)
    }

    /// What pins ask for is in the answer that they were taken from, where that is still here.
    async fn of_another(
        &self,
        answers: &Cache<Query, Arc<Vec<Entry>>>,
        query: &Query,
    ) -> Option<Arc<Vec<Entry>>> {
        if query.product_ids.is_empty() {
            return None;
        }
        let entries = answers.get(&Query { product_ids: Vec::new(), ..query.clone() }).await?;
        let has = |id: &ProductId| {
            entries.iter().any(|entry| matches!(entry, Entry::Product(it) if it.id == *id))
        };
        query.product_ids.iter().all(has).then_some(entries)
    }
}

/// What a failure of the service means for the catalogue.
fn failed(url: &Url, error: cubeflight_storage::Error) -> Error {
    use cubeflight_storage::Error as Storage;
    let mut url = url.clone();
    url.set_query(None);
    let url = url.to_string();
    match error {
        Storage::Unavailable { .. } => Error::Unreachable { reason: error.to_string() },
        Storage::Denied { source, .. } => {
            let reason =
                format!("{source}; it may want a token in CUBEFLIGHT_STAC_TOKEN, or another one");
            Error::Refused { url, reason }
        }
        Storage::Answered { status, text, .. } => {
            Error::Refused { url, reason: format!("http status {status} {text}") }
        }
        Storage::TooLarge { limit, .. } => {
            Error::TooMuch { url, limit: format!("{limit} bytes in one answer") }
        }
        error => Error::Storage(error),
    }
}

impl fmt::Debug for StacApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StacApi").field("url", &self.0.web.base().as_str()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Catalog for StacApi {
    async fn search(&self, query: &Query) -> Result<Found> {
        let entries = self.0.answer(query).await?;
        let mut found = Found::default();
        for entry in entries.iter().filter(|entry| entry.concerns(query)) {
            match entry {
                Entry::Product(product) => found.products.push(product.as_ref().clone()),
                Entry::Omitted { omitted, .. } => found.omitted.push(omitted.clone()),
            }
        }
        Ok(found.finish(query))
    }
}
