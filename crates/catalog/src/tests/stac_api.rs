//! The STAC API client against servers of a few lines, counted by their requests.

mod answers;
mod failures;
mod paging;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cubeflight_storage::{Options, RetryPolicy};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::{StacApi, StacApiOptions};

const QUERY: &str = "https://api.stacspec.org/v1.0.0/item-search#query";
const SEARCH: &str = "https://api.stacspec.org/v1.0.0/item-search";

/// Retries without long pauses.
fn storage() -> Options {
    let retry = RetryPolicy {
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(4),
        ..RetryPolicy::default()
    };
    Options { retry, ..Options::default() }
}

fn api_with(server: &MockServer, options: StacApiOptions) -> StacApi {
    StacApi::new(&server.uri(), None, &storage(), options).unwrap()
}

fn api(server: &MockServer) -> StacApi {
    api_with(server, StacApiOptions::default())
}

/// A server with a landing page; its conformance classes as given.
async fn landing(classes: &[&str]) -> MockServer {
    let server = MockServer::start().await;
    let page = json!({ "type": "Catalog", "id": "test", "conformsTo": classes, "links": [] });
    Mock::given(method("GET"))
        .and(path("/"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page))
        .mount(&server)
        .await;
    server
}

/// A server whose searches are answered by a function of the request.
async fn serving(
    classes: &[&str],
    answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static,
) -> MockServer {
    let server = landing(classes).await;
    Mock::given(path("/search")).respond_with(Answer(answer)).mount(&server).await;
    server
}

struct Answer<F>(F);

impl<F: Fn(&Request) -> ResponseTemplate + Send + Sync> Respond for Answer<F> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        (self.0)(request)
    }
}

/// Requests that were no look at the landing page.
async fn searches(server: &MockServer) -> Vec<Request> {
    let requests = server.received_requests().await.unwrap();
    requests.into_iter().filter(|request| request.url.path() == "/search").collect()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// Calls so far, to be counted in a server.
fn counter() -> (Arc<AtomicUsize>, impl Fn() -> usize + Send + Sync + 'static) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    (calls, move || counted.fetch_add(1, Ordering::SeqCst))
}

/// Id of the `number`th product of 33TVN: one an hour from 2021-01-01 on.
fn id(number: usize) -> String {
    id_of("33TVN", number)
}

fn id_of(tile: &str, number: usize) -> String {
    let start = chrono::DateTime::from_timestamp(1_609_459_200, 0).unwrap();
    let start = start + chrono::TimeDelta::hours(number as i64);
    let at = start.format("%Y%m%dT%H%M%S");
    format!("S2A_MSIL2A_{at}_N0500_R122_T{tile}_20230101T000000")
}

/// An item as CDSE has it, of one image.
fn item(id: &str) -> Value {
    let tile = &id[39..44];
    let start = format!("{}-{}-{}T{}", &id[11..15], &id[15..17], &id[17..19], &id[20..22]);
    let key = format!(
        "s3://eodata/Sentinel-2/MSI/L2A/{id}.SAFE/GRANULE/L2A_T{tile}_A000001_20210101T000000/\
         IMG_DATA/R10m/T{tile}_{}_B02_10m.jp2",
        &id[11..26]
    );
    json!({
        "type": "Feature", "stac_version": "1.1.0", "id": id, "collection": "sentinel-2-l2a",
        "geometry": null, "links": [],
        "properties": { "datetime": format!("{start}:00:00Z"), "grid:code": format!("MGRS-{tile}") },
        "assets": { "B02_10m": { "href": key, "type": "image/jp2", "file:size": 100 } },
    })
}

fn page(items: Vec<Value>, next: Option<Value>) -> ResponseTemplate {
    let links: Vec<Value> = next.into_iter().collect();
    ResponseTemplate::new(200)
        .set_body_json(json!({ "type": "FeatureCollection", "features": items, "links": links }))
}

/// A link to the next page by POST.
fn next(token: usize) -> Value {
    json!({ "rel": "next", "href": "/search", "method": "POST", "merge": true,
            "body": { "token": token } })
}

/// Answers with `total` items by pages of `limit`, the token being how many were given.
fn paged(request: &Request, total: usize) -> ResponseTemplate {
    let asked = body(request);
    let number = |key: &str| asked[key].as_u64().map(|number| number as usize);
    let begin = number("token").unwrap_or(0);
    let end = total.min(begin + number("limit").unwrap_or(10));
    let items = (begin..end).map(|number| item(&id(number))).collect();
    page(items, (end < total).then(|| next(end)))
}
