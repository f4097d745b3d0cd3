//! Servers that are slow, limited, broken or that lie.

use std::sync::Mutex;
use std::time::Instant;

use cubeflight_storage::Root;
use object_store::ObjectStoreExt;

use super::*;
use crate::Catalog;
use crate::tests::query;

#[tokio::test]
async fn passing_failures_are_ridden_out() {
    let (calls, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |request| match count() {
        0 => ResponseTemplate::new(503).insert_header("retry-after", "0"),
        1 => ResponseTemplate::new(429).set_body_string("slow down"),
        2 => ResponseTemplate::new(500),
        3 => ResponseTemplate::new(408),
        _ => paged(request, 3),
    })
    .await;
    let api = api(&server);
    let found = api.search(&query("L2A", "33TVN", "../..")).await.unwrap();
    assert_eq!(found.products.len(), 3);
    assert_eq!(calls.load(Ordering::SeqCst), 5);
    assert_eq!((api.counters().requests, api.counters().retries), (6, 4));
    // every attempt was the whole search
    let sent: Vec<Value> = searches(&server).await.iter().map(body).collect();
    assert!(sent.iter().all(|search| *search == sent[0] && search["limit"] == 100));
}

#[tokio::test]
async fn a_limit_of_ten_requests_a_second_is_ridden_out() {
    let times = Mutex::new(Vec::<Instant>::new());
    let (refused, refuse) = counter();
    let server = serving(&[SEARCH, QUERY], move |request| {
        let mut times = times.lock().unwrap();
        let now = Instant::now();
        times.retain(|time| now.duration_since(*time) < Duration::from_secs(1));
        if times.len() >= 10 {
            refuse();
            return ResponseTemplate::new(429).insert_header("retry-after", "1");
        }
        times.push(now);
        paged(request, 30)
    })
    .await;
    let options = StacApiOptions { page_items: 2, ..Default::default() };
    let found = api_with(&server, options).search(&query("L2A", "33TVN", "../..")).await.unwrap();
    assert_eq!(found.products.len(), 30);
    assert!(refused.load(Ordering::SeqCst) >= 1, "the limit was never met");
}

#[tokio::test]
async fn a_failure_that_lasts_is_told_and_not_kept() {
    let (calls, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |request| match count() {
        0..7 => ResponseTemplate::new(502).set_body_string("bad gateway"),
        _ => paged(request, 1),
    })
    .await;
    let api = api(&server);
    let query = query("L2A", "33TVN", "../..");
    let error = api.search(&query).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("CF-CAT-006", true));
    assert!(error.to_string().contains("502"), "{error}");
    assert_eq!(calls.load(Ordering::SeqCst), 7);
    assert_eq!(api.search(&query).await.unwrap().products.len(), 1);
}

#[tokio::test]
async fn refusals_are_not_repeated() {
    for (status, says) in
        [(400, "unknown field"), (401, "CUBEFLIGHT_STAC_TOKEN"), (403, "token"), (404, "404")]
    {
        let server = serving(&[SEARCH, QUERY], move |_| {
            ResponseTemplate::new(status).set_body_string("unknown field")
        })
        .await;
        let error = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
        assert_eq!((error.code(), error.is_transient()), ("CF-CAT-005", false));
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(searches(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn what_does_not_answer_is_unreachable() {
    let slow = landing(&[SEARCH]).await;
    Mock::given(path("/search"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(3600)))
        .mount(&slow)
        .await;
    let mut storage = storage();
    storage.request_timeout = Duration::from_millis(50);
    storage.retry.max_retries = 2;
    let api = StacApi::new(&slow.uri(), None, &storage, Default::default()).unwrap();
    let error = api.search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("CF-CAT-006", true));
    assert!(error.to_string().contains("timeout"), "{error}");
    assert_eq!(searches(&slow).await.len(), 3);

    // nothing listens there any more
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{gone}");
    let gone = StacApi::new(&gone, None, &storage, Default::default()).unwrap();
    let error = gone.search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert_eq!(error.code(), "CF-CAT-006");
}

#[tokio::test]
async fn a_search_ends_at_its_deadline() {
    let (_, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |_| {
        let number = count();
        let wait = Duration::from_millis(20);
        page(vec![item(&id(number))], Some(next(number))).set_delay(wait)
    })
    .await;
    let options = StacApiOptions { deadline: Duration::from_millis(200), ..Default::default() };
    let error = api_with(&server, options).search(&query("L2A", "33TVN", "../..")).await;
    let error = error.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("CF-CAT-006", true));
    assert!(error.to_string().contains("longer than 200ms"), "{error}");
}

#[tokio::test]
async fn answers_that_are_too_long_are_left() {
    let server = serving(&[SEARCH, QUERY], |request| paged(request, 100)).await;
    let options = StacApiOptions { answer_bytes: 10_000, ..Default::default() };
    let error = api_with(&server, options).search(&query("L2A", "33TVN", "../..")).await;
    let error = error.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("CF-CAT-008", false));
    assert!(error.to_string().contains("10000 bytes"), "{error}");
    assert_eq!(searches(&server).await.len(), 1);
}

#[tokio::test]
async fn answers_that_are_none_are_told() {
    for text in ["<html>login</html>", "", "{}", r#"{"type":"FeatureCollection"}"#] {
        let server =
            serving(&[SEARCH, QUERY], move |_| ResponseTemplate::new(200).set_body_string(text))
                .await;
        let error = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
        assert_eq!(error.code(), "CF-CAT-007", "{text}");
        assert_eq!(searches(&server).await.len(), 1, "{text}");
    }
}

#[tokio::test]
async fn what_is_no_api_is_told() {
    let server = landing(&["https://api.stacspec.org/v1.0.0/core"]).await;
    let error = api(&server).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert_eq!(error.code(), "CF-CAT-004");
    assert!(error.to_string().contains("directory or bucket"), "{error}");
    let nothing = MockServer::start().await;
    let error = api(&nothing).search(&query("L2A", "33TVN", "../..")).await.unwrap_err();
    assert_eq!(error.code(), "CF-CAT-004");
    assert!(error.to_string().contains("404"), "{error}");
    for url in ["ftp://host/", "https://user:password@host/", "http://", "host"] {
        let error = StacApi::new(url, None, &storage(), Default::default()).unwrap_err();
        assert!(!error.to_string().contains("password@"), "{error}");
    }
}

#[tokio::test]
async fn the_token_is_sent_and_never_shown() {
    let server = serving(&[SEARCH, QUERY], |request| {
        let sent = request.headers.get("authorization").unwrap();
        assert_eq!(sent, "Bearer top-secret");
        paged(request, 1)
    })
    .await;
    let api = StacApi::new(&server.uri(), Some("top-secret"), &storage(), Default::default());
    let api = api.unwrap();
    assert_eq!(api.search(&query("L2A", "33TVN", "../..")).await.unwrap().products.len(), 1);
    assert!(!format!("{api:?}").contains("secret"), "{api:?}");
    let bad = StacApi::new(&server.uri(), Some("a\nb"), &storage(), Default::default());
    assert!(!bad.unwrap_err().to_string().contains("a\nb"));
}

/// One credential has one set of limits: while a read holds the only connection, no search is sent.
#[tokio::test]
async fn searches_take_from_the_limits_of_the_store() {
    let server = serving(&[SEARCH, QUERY], |request| paged(request, 1)).await;
    let mut storage = Options { max_connections: 1, ..storage() };
    storage.share_limits().unwrap();
    let memory = Arc::new(object_store::memory::InMemory::new());
    let file = object_store::path::Path::from("a");
    // longer than what is read in one go, so that the body holds its connection
    let long = vec![0_u8; 300 << 20];
    memory.put(&file, long.into()).await.unwrap();
    let root = Root::with_store("s3://bucket", memory, &storage).unwrap();
    let reading = root.store().get(&file).await.unwrap();

    let api = StacApi::new(&server.uri(), None, &storage, Default::default()).unwrap();
    let query = query("L2A", "33TVN", "../..");
    let mut search = Box::pin(api.search(&query));
    let early = tokio::time::timeout(Duration::from_millis(100), search.as_mut()).await;
    assert!(early.is_err());
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
    drop(reading);
    assert_eq!(search.await.unwrap().products.len(), 1);
}
