//! The S3 client against a server of a few lines.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::TryStreamExt;

use super::quick;
use crate::{Credentials, Options, Path, RetryPolicy, Root};

/// Answers each connection's requests with the queued responses and keeps the request lines.
struct Server {
    endpoint: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(responses: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for response in responses {
                let Ok((mut socket, _)) = listener.accept() else { return };
                let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
                let mut head = Vec::new();
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty() {
                        break;
                    }
                    head.push(line);
                }
                let range = head.iter().find(|line| line.to_lowercase().starts_with("range:"));
                let range = range.cloned().unwrap_or_default();
                log.lock().unwrap().push(format!("{} {range}", head[0]).to_lowercase());
                let _ = socket.write_all(response.as_bytes());
            }
        });
        Self { endpoint, seen }
    }

    fn options(&self) -> Options {
        Options {
            endpoint: Some(self.endpoint.clone()),
            credentials: Some(Credentials::keys("id", "secret")),
            ..quick()
        }
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: \"e\"\r\n{headers}\r\n{body}"
    )
}

fn found() -> String {
    response("206 Partial Content", "Content-Range: bytes 2-5/10\r\n", "2345")
}

#[tokio::test]
async fn passing_statuses_resets_and_short_bodies_are_retried() {
    let cut = found().replace("2345", "23");
    let server = Server::new(vec![
        response("503 Slow Down", "Retry-After: 0\r\n", "<Error><Code>SlowDown</Code></Error>"),
        response("429 Too Many Requests", "", ""),
        response("408 Request Timeout", "", ""),
        response("500 Internal Server Error", "", ""),
        cut,
        String::new(),
        found(),
    ]);
    let root = Root::open("s3://bucket/prefix", &server.options()).unwrap();
    let path = root.resolve("s3://bucket/prefix/a.jp2").unwrap();
    assert_eq!(root.get_range(&path, 2..6).await.unwrap()[..], b"2345"[..]);
    let seen = server.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 7);
    assert!(
        seen.iter().all(|line| line == "get /bucket/prefix/a.jp2 http/1.1 range: bytes=2-5"),
        "path style, one range: {seen:?}"
    );
    assert_eq!(root.counters().retries, 6);
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let server = Server::new(vec![response("503 Slow Down", "Retry-After: 1\r\n", ""), found()]);
    let root = Root::open("s3://bucket", &server.options()).unwrap();
    let start = Instant::now();
    root.get_range(&Path::from("a"), 2..6).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_retry_after_beyond_the_deadline_ends_it_at_once() {
    let server = Server::new(vec![response("503 Slow Down", "Retry-After: 600\r\n", "")]);
    let root = Root::open("s3://bucket", &server.options()).unwrap();
    let error = root.get_range(&Path::from("a"), 2..6).await.unwrap_err();
    assert_eq!(error.code(), "CF-STO-007");
    assert!(error.to_string().contains("http status 503"), "{error}");
}

#[tokio::test]
async fn other_statuses_are_final() {
    for (status, code) in [
        ("404 Not Found", "CF-STO-005"),
        ("403 Forbidden", "CF-STO-006"),
        ("401 Unauthorized", "CF-STO-006"),
        ("416 Range Not Satisfiable", "CF-STO-008"),
        ("501 Not Implemented", "CF-STO-013"),
        ("400 Bad Request", "CF-STO-013"),
    ] {
        let server = Server::new(vec![response(status, "", "")]);
        let root = Root::open("s3://bucket", &server.options()).unwrap();
        let error = root.get_range(&Path::from("a"), 2..6).await.unwrap_err();
        assert_eq!(error.code(), code, "{status}: {error}");
        assert_eq!(root.counters().requests, 1, "{status}");
    }
}

#[tokio::test]
async fn listings_are_refused_as_objects_are() {
    for (status, code) in [
        ("404 Not Found", "CF-STO-005"),
        ("403 Forbidden", "CF-STO-006"),
        ("401 Unauthorized", "CF-STO-006"),
        ("400 Bad Request", "CF-STO-013"),
    ] {
        for delimited in [false, true] {
            let body = "<Error><Message>non-2xx</Message></Error>";
            let server = Server::new(vec![response(status, "", body)]);
            let root = Root::open("s3://bucket", &server.options()).unwrap();
            let listed = match delimited {
                true => root.store().list_with_delimiter(None).await.map(drop),
                false => root.store().list(None).try_collect::<Vec<_>>().await.map(drop),
            };
            let error = crate::Error::from_store(&Path::ROOT, listed.unwrap_err());
            assert_eq!(error.code(), code, "{status}: {error}");
            assert_eq!(root.counters().requests, 1, "{status}");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options = Options {
        endpoint: Some(endpoint),
        credentials: Some(Credentials::Anonymous),
        retry: RetryPolicy { max_retries: 1, ..quick().retry },
        ..quick()
    };
    let root = Root::open("s3://bucket", &options).unwrap();
    let error = root.head(&Path::from("a")).await.unwrap_err();
    assert_eq!(error.code(), "CF-STO-007");
    assert_eq!(root.counters().requests, 2);
}

#[tokio::test]
async fn a_listing_is_read_page_by_page() {
    let page = |keys: std::ops::Range<u32>| {
        let contents: String = keys
            .map(|n| {
                format!(
                    "<Contents><Key>p/{n:05}</Key><Size>1</Size>\
                     <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                )
            })
            .collect();
        let body = format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        );
        response("200 OK", "", &body)
    };
    let server = Server::new(vec![
        page(0..1000),
        response("503 Slow Down", "Retry-After: 0\r\n", ""),
        page(1000..1400),
    ]);
    let root = Root::open("s3://bucket/p", &server.options()).unwrap();
    let listed: Vec<_> = root.store().list(Some(root.prefix())).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1400);
    let seen = server.seen.lock().unwrap().clone();
    assert!(seen[2].contains("start-after=p%2f00999"), "{seen:?}");
    assert_eq!((root.counters().requests, root.counters().retries), (3, 1));
}
