//! From page to page, and the links that must not be followed.

use futures::TryStreamExt;
use serde_json::json;
use wiremock::ResponseTemplate;

use super::*;
use crate::Catalog;
use crate::tests::query;

#[tokio::test]
async fn all_pages_are_read() {
    let server = serving(&[SEARCH, QUERY], |request| paged(request, 250)).await;
    let api = api(&server);
    let found = api.search(&query("L2A", "33TVN", "../..")).await.unwrap();
    assert_eq!((found.products.len(), found.omitted.len()), (250, 0));
    assert_eq!(found.products[249].id.to_string(), id(249));
    let sent: Vec<Value> = searches(&server).await.iter().map(body).collect();
    let first = json!({
        "collections": ["sentinel-2-l2a"], "limit": 100,
        "query": { "grid:code": { "eq": "MGRS-33TVN" } },
    });
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0], first);
    // merged into the first search, or its conditions would be lost
    for (sent, token) in sent[1..].iter().zip([100, 200]) {
        let mut merged = first.clone();
        merged["token"] = json!(token);
        assert_eq!(*sent, merged);
    }
    let counters = api.counters();
    assert_eq!((counters.requests, counters.retries), (4, 0));
}

#[tokio::test]
async fn pages_by_get() {
    let server = serving(&[SEARCH, QUERY], |request| {
        let token = request.url.query_pairs().find(|(key, _)| key == "token");
        let Some((_, token)) = token else {
            let link =
                json!({ "rel": "next", "href": "/search?token=1", "type": "application/geo+json" });
            return page(vec![item(&id(0))], Some(link));
        };
        assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
        let number: usize = token.parse().unwrap();
        let link = json!({ "rel": "next", "href": format!("?token={}", number + 1) });
        page(vec![item(&id(number))], (number < 4).then_some(link))
    })
    .await;
    let found = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap();
    assert_eq!(found.products.len(), 5);
    assert_eq!(searches(&server).await.len(), 5);
}

#[tokio::test]
async fn a_walk_keeps_nothing_and_ends() {
    let server = serving(&[SEARCH, QUERY], |request| paged(request, 1_234)).await;
    let wanted = cubeflight_sentinel2::Wanted {
        level: Some("L2A".parse().unwrap()),
        time: "2021-01-01T00:00:00Z/2021-02-01T00:00:00Z".parse().unwrap(),
        ..Default::default()
    };
    let found: Vec<_> = api(&server).all(wanted).try_collect().await.unwrap();
    // what the server gives beyond the time is left out here
    assert_eq!(found.len(), 31 * 24 + 1);
    let sent: Vec<Value> = searches(&server).await.iter().map(body).collect();
    assert_eq!(sent.len(), 13);
    assert_eq!(sent[0]["collections"], json!(["sentinel-2-l2a"]));
    assert_eq!(sent[0]["datetime"], "2020-12-31T23:59:00Z/2021-02-01T00:40:00Z");

    let tiled = cubeflight_sentinel2::Wanted { tile: Some("33TVN".parse().unwrap()), ..wanted };
    let again: Vec<_> = api(&server).all(tiled).try_collect().await.unwrap();
    assert_eq!(again.len(), found.len());
    let last = searches(&server).await.last().map(body).unwrap();
    assert_eq!(last["query"], json!({ "grid:code": { "eq": "MGRS-33TVN" } }));
}

#[tokio::test]
async fn links_elsewhere_are_not_followed() {
    let other = serving(&[SEARCH], |request| paged(request, 5)).await;
    let elsewhere = format!("{}/search", other.uri());
    let uri = elsewhere.clone();
    let server = serving(&[SEARCH, QUERY], move |_| {
        page(vec![item(&id(0))], Some(json!({ "rel": "next", "href": uri, "method": "POST" })))
    })
    .await;
    let error = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("CF-CAT-007", false));
    assert!(error.to_string().contains(&elsewhere), "{error}");
    assert_eq!(other.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn redirects_elsewhere_are_not_followed() {
    let other = serving(&[SEARCH], |request| paged(request, 5)).await;
    let elsewhere = other.uri();
    for status in [301, 302, 307, 308] {
        let to = format!("{elsewhere}/search");
        let server = serving(&[SEARCH, QUERY], move |_| {
            ResponseTemplate::new(status).insert_header("location", to.as_str())
        })
        .await;
        let api = StacApi::new(&server.uri(), Some("secret"), &storage(), Default::default());
        let error = api.unwrap().search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
        assert_eq!(error.code(), "CF-CAT-005");
        assert!(error.to_string().contains(&format!("leads to {elsewhere}")), "{error}");
    }
    assert_eq!(other.received_requests().await.unwrap().len(), 0);
    // within the service the search stays what it is
    let server = serving(&[SEARCH, QUERY], |_| {
        ResponseTemplate::new(307).insert_header("location", "/v2/search")
    })
    .await;
    Mock::given(method("POST"))
        .and(path("/v2/search"))
        .respond_with(Answer(|request: &Request| paged(request, 3)))
        .mount(&server)
        .await;
    let found = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap();
    assert_eq!(found.products.len(), 3);
}

#[tokio::test]
async fn paging_that_does_not_get_on_ends() {
    // back to a page that was read
    let server = serving(&[SEARCH, QUERY], |request| {
        let token = body(request)["token"].as_u64().unwrap_or(0) as usize;
        page(vec![item(&id(token))], Some(next((token + 1) % 3)))
    })
    .await;
    let error = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert_eq!(error.code(), "CF-CAT-007");
    assert!(error.to_string().contains("leads back"), "{error}");
    assert_eq!(searches(&server).await.len(), 4);

    // the same items under ever new links
    let (_, count) = counter();
    let server =
        serving(&[SEARCH, QUERY], move |_| page(vec![item(&id(0))], Some(next(count())))).await;
    let error = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert!(error.to_string().contains("same items"), "{error}");
    assert_eq!(searches(&server).await.len(), 2);

    // no items under ever new links
    let (_, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |_| page(vec![], Some(next(count())))).await;
    let error = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert!(error.to_string().contains("without items"), "{error}");
    assert!(searches(&server).await.len() < 30);

    // new items for ever
    let (_, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |_| {
        let number = count();
        page(vec![item(&id(number))], Some(next(number)))
    })
    .await;
    let error = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert_eq!(error.code(), "CF-CAT-008");
    assert!(error.to_string().contains("2000 pages"), "{error}");
    assert_eq!(searches(&server).await.len(), 2_000);
}
