//! The STAC API serves the items.

use cubeflight_testkit::archive::Extras;
use cubeflight_testkit::stac::StacServer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::make;

/// One request on a connection of its own.
async fn ask(server: &StacServer, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.address(),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_ascii_lowercase().contains("chunked"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn ids(page: &Value) -> Vec<String> {
    let features = page["features"].as_array().unwrap();
    features.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_found_and_paged() {
    let made = make(("2021-04-01", "2021-06-01"), 5, &["B04_60m"], Extras::default());
    let folder = made.folder.path().join("stac");
    let server = StacServer::start(&folder, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    assert_eq!(server.items(), 5);
    let (status, landing) = ask(&server, "GET", "/", None).await;
    assert_eq!((status, &landing["id"]), (200, &json!("cubeflight-testkit")));
    let query = json!("https://api.stacspec.org/v1.0.0/item-search#query");
    for path in ["/", "/conformance"] {
        let (_, page) = ask(&server, "GET", path, None).await;
        assert!(page["conformsTo"].as_array().unwrap().contains(&query), "{path}");
    }
    let (_, collection) = ask(&server, "GET", "/collections/sentinel-2-l2a", None).await;
    assert_eq!(collection["id"], "sentinel-2-l2a");

    let mut search = json!({
        "collections": ["sentinel-2-l2a"],
        "datetime": "2021-04-01T00:00:00Z/2021-05-31T23:59:59Z",
        "bbox": [14.2, 46.9, 14.5, 47.1],
        "query": { "grid:code": { "eq": "MGRS-33TVN" }, "eo:cloud_cover": { "lte": 100 } },
        "limit": 2,
    });
    let mut seen = Vec::new();
    loop {
        let (status, page) = ask(&server, "POST", "/search", Some(&search)).await;
        assert_eq!((status, &page["numberMatched"]), (200, &json!(5)), "{page}");
        seen.extend(ids(&page));
        let links = page["links"].as_array().unwrap();
        let Some(next) = links.iter().find(|link| link["rel"] == "next") else { break };
        assert_eq!(next["method"], "POST");
        search = next["body"].clone();
    }
    let mut planned: Vec<String> =
        made.archive.products().iter().map(|product| product.id().to_string()).collect();
    planned.reverse();
    assert_eq!(seen, planned, "newest first");

    let other = json!({ "query": { "grid:code": { "eq": "MGRS-33TWN" } } });
    let (_, page) = ask(&server, "POST", "/search", Some(&other)).await;
    assert_eq!(ids(&page), Vec::<String>::new());
    let (status, _) =
        ask(&server, "POST", "/search", Some(&json!({ "query": { "a": { "like": 1 } } }))).await;
    assert!(status >= 400, "{status}");
    let path = format!("/collections/sentinel-2-l2a/items/{}", planned[0]);
    let (_, item) = ask(&server, "GET", &path, None).await;
    assert!(item["assets"]["B04_60m"]["href"].as_str().unwrap().starts_with("s3://eodata/"));
    server.stop().await;
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = std::path::Path::new("/no/such/folder");
    let error = StacServer::start(folder, "127.0.0.1:0".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "CF-TST-007");
}
