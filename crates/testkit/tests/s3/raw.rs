//! HTTP by hand.

use std::time::{Duration, Instant};

use cubeflight_testkit::s3::{Fault, Faults, Rule, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{root, start, write};

async fn send(server: &Server, method: &str, target: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// All that comes, and how it ends.
async fn receive(mut socket: TcpStream) -> (String, std::io::Result<()>) {
    let mut bytes = Vec::new();
    let end = socket.read_to_end(&mut bytes).await.map(drop);
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

/// Status and body of the response.
async fn request(server: &Server, method: &str, target: &str) -> (u16, String) {
    let (text, end) = receive(send(server, method, target).await).await;
    end.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_target_leads_out_of_the_root() {
    let directory = root();
    let served = directory.path().join("eodata");
    std::fs::write(directory.path().join("outside"), "OUTSIDE").unwrap();
    write(&directory, "bucket/inside", b"inside");
    std::fs::write(served.join("outside"), "OUTSIDE").unwrap();
    let server = start(&directory, |config| {
        config.root = served;
        config.anonymous = true;
    })
    .await;
    assert_eq!(request(&server, "GET", "/bucket/inside").await, (200, "inside".to_owned()));
    for target in [
        "/bucket/../outside",
        "/bucket/%2e%2e/outside",
        "/bucket/%2e%2e%2foutside",
        "/../outside",
        "/%2e%2e/outside",
        "/..%2foutside",
        "/outside",
        "/./outside",
        "//outside",
        "/bucket/./inside",
        "/bucket//inside",
        "/bucket/x/../inside",
        "/bucket/%00",
        "/bucket/inside%00",
        "/bucket/%ff",
        "/../eodata/bucket/inside",
        "/bucket?list-type=2&prefix=../",
        "/..?list-type=2",
        "/.?list-type=2",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let (status, body) = request(&server, method, target).await;
            assert!(!body.to_lowercase().contains("outside</key>"), "{method} {target}: {body}");
            assert!(!body.contains("OUTSIDE"), "{method} {target}: {body}");
            let harmless = method == "DELETE" || target.contains("list-type");
            assert!(status >= 400 || harmless, "{method} {target}: {status} {body}");
        }
    }
    assert_eq!(request(&server, "GET", "/bucket/inside").await.0, 200);
    assert_eq!(std::fs::read(directory.path().join("outside")).unwrap(), b"OUTSIDE");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_and_buckets_are_xml() {
    let directory = root();
    write(&directory, "a b/x", b"1");
    write(&directory, "c", b"1");
    let server = start(&directory, |config| config.anonymous = true).await;
    let (status, body) =
        request(&server, "GET", "/eodata?list-type=2&max-keys=1&delimiter=%2F&encoding-type=url")
            .await;
    assert_eq!(status, 200);
    assert!(body.contains("<CommonPrefixes><Prefix>a%20b/</Prefix></CommonPrefixes>"), "{body}");
    assert!(body.contains("<IsTruncated>true</IsTruncated>"), "{body}");
    let token = body.split("<NextContinuationToken>").nth(1).unwrap();
    let token = token.split('<').next().unwrap();
    let target = format!("/eodata?list-type=2&delimiter=%2F&continuation-token={token}");
    let (_, body) = request(&server, "GET", &target).await;
    assert!(body.contains("<Key>c</Key>") && !body.contains("CommonPrefixes"), "{body}");
    let bad = request(&server, "GET", "/eodata?list-type=2&continuation-token=x").await;
    assert_eq!(bad.0, 400);

    assert_eq!(request(&server, "HEAD", "/eodata").await.0, 200);
    assert_eq!(request(&server, "HEAD", "/other").await.0, 404);
    assert!(request(&server, "GET", "/").await.1.contains("<Name>eodata</Name>"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_and_a_short_body_look_as_they_should() {
    let directory = root();
    write(&directory, "x", &[b'x'; 500_000]);
    let server = start(&directory, |config| config.anonymous = true).await;
    let fault = |fault| server.set_faults(Faults::one(Rule::new(fault)));

    fault(Fault::Reset { bytes: Some(1_000) });
    let (text, end) = receive(send(&server, "GET", "/eodata/x").await).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(text.to_lowercase().contains("content-length: 500000"), "{text}");
    assert_eq!(text.split_once("\r\n\r\n").unwrap().1.len(), 1_000);

    fault(Fault::Short { bytes: Some(300_000) });
    let (text, end) = receive(send(&server, "GET", "/eodata/x").await).await;
    end.unwrap();
    assert_eq!(text.split_once("\r\n\r\n").unwrap().1.len(), 300_000);

    // without a body there is no answer at all
    fault(Fault::Reset { bytes: None });
    let (text, end) = receive(send(&server, "HEAD", "/eodata/x").await).await;
    assert_eq!((text.as_str(), end.unwrap_err().kind()), ("", std::io::ErrorKind::ConnectionReset));
    fault(Fault::Short { bytes: None });
    let (text, end) = receive(send(&server, "HEAD", "/eodata/x").await).await;
    assert!(text.is_empty() && end.is_ok());

    let logged: Vec<_> =
        server.requests().iter().map(|it| (it.status, it.bytes, it.fault)).collect();
    let expected = [
        (Some(200), 1_000, Some("reset")),
        (Some(200), 300_000, Some("short")),
        (None, 0, Some("reset")),
        (None, 0, Some("short")),
    ];
    assert_eq!(logged, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_ends_with_the_client_the_time_or_the_server() {
    let directory = root();
    write(&directory, "x", b"x");
    let server = start(&directory, |config| config.anonymous = true).await;
    let hang = |millis| {
        let at_most = Duration::from_millis(millis);
        server.set_faults(Faults::one(Rule::new(Fault::Hang { at_most })));
    };

    // the time
    hang(300);
    let start = Instant::now();
    let (text, _) = receive(send(&server, "GET", "/eodata/x").await).await;
    assert!(text.is_empty() && start.elapsed() >= Duration::from_millis(300));
    assert_eq!(server.take_requests().len(), 1);

    // the client
    hang(3_600_000);
    let socket = send(&server, "GET", "/eodata/x").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(server.requests().is_empty());
    drop(socket);
    let start = Instant::now();
    while server.requests().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "the server waits for nobody");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let logged = server.take_requests();
    assert_eq!((logged[0].status, logged[0].fault), (None, Some("hang")));

    // the server
    let socket = send(&server, "GET", "/eodata/x").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopping = tokio::spawn(server.stop());
    let (text, _) = receive(socket).await;
    assert!(text.is_empty());
    tokio::time::timeout(Duration::from_secs(10), stopping).await.unwrap().unwrap();
}
