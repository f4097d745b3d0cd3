//! A STAC API over the items of an archive, in this process.
//!
//! Routes, paging and links are those of the crate `stac-server`. Its own in-memory backend knows
//! neither `query` nor `bbox` and answers such searches with nothing, so the items are held by a
//! backend of our own, which knows what clients of CDSE ask for:
//!
//! - `collections`, `ids`, `datetime` (STAC interval), `bbox` (against the items' own), `limit`;
//! - `query` with `eq`, `neq`, `lt`, `lte`, `gt`, `gte`, `in`, `startsWith`, `endsWith` and
//!   `contains` on properties, as in `{"grid:code": {"eq": "MGRS-33TVN"}}`.
//!
//! A `filter` (CQL2), `intersects` and unknown operators are errors (status 500), never an answer
//! without them. Items come newest first; `sortby` and `fields` are not heeded.

mod backend;
mod query;

use std::net::SocketAddr;
use std::path::Path;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use stac_server::{Api, routes};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::backend::Items;
use crate::{Error, Result};

/// A running STAC API.
#[derive(Debug)]
pub struct StacServer {
    address: SocketAddr,
    items: usize,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl StacServer {
    /// Serves every item and collection (`*.json`) below a directory, as they are now. Port 0 takes
    /// a free one.
    ///
    /// # Errors
    /// [`Error::Items`] for a directory or file that cannot be read, [`Error::Listen`].
    pub async fn start(items: &Path, listen: SocketAddr) -> Result<Self> {
        let folder = items.to_owned();
        let read = tokio::task::spawn_blocking(move || Items::read(&folder)).await;
        let unreadable = |reason: String| Error::Items { path: items.to_owned(), reason };
        let backend = read.map_err(|error| unreadable(error.to_string()))??;
        let count = backend.len();
        let failed = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let api = Api::new(backend, &format!("http://{address}/"))
            .map_err(|error| unreadable(error.to_string()))?
            .id("cubeflight-testkit")
            .description("Items of a synthetic archive");
        let router = router(api);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            let server = axum::serve(listener, router).with_graceful_shutdown(stopped);
            if let Err(error) = server.await {
                tracing::warn!(%error, "the stac server ended");
            }
        });
        Ok(Self { address, items: count, stop, serving })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The landing page, which clients are pointed to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many items it serves.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items
    }

    /// Answers what has been asked, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.serving.await {
            tracing::warn!(%error, "the stac server failed");
        }
    }
}

/// The routes of the crate, and the query extension among what the server says it knows.
fn router(api: Api<Items>) -> Router {
    let (root, conformance) = (api.clone(), api.clone());
    let landing = async move || match root.root().await {
        Ok(mut page) => {
            page.conformance.conforms_to.push(QUERY.to_owned());
            Json(page).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    let classes = async move || {
        let mut classes = conformance.conformance();
        classes.conforms_to.push(QUERY.to_owned());
        Json(classes)
    };
    Router::new()
        .route("/", get(landing))
        .route("/conformance", get(classes))
        .fallback_service(routes::from_api(api))
}

/// STAC API extension query, 1.0.0.
const QUERY: &str = "https://api.stacspec.org/v1.0.0/item-search#query";
