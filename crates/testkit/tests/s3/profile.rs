//! The profiles hold what they say, measured by a client.
//!
//! What measures time is left to `make test-long`. A busy machine makes everything slower and nothing faster. So no measurement may be faster than
//! its profile, and the fastest of several may be slower by 10 %.

use std::time::{Duration, Instant};

use cubeflight_storage::{Credentials, Error, Options, Path, RetryPolicy, Root};
use cubeflight_testkit::s3::{Profile, Server};
use futures::future::join_all;
use tempfile::TempDir;

use super::{open, pattern, plain, root, start, write};

const SIZE: u64 = 12_000_000;

async fn serving(profile: Profile) -> (TempDir, Server) {
    let directory = root();
    write(&directory, "x", &pattern(usize::try_from(SIZE).unwrap()));
    let server = start(&directory, |config| {
        config.profile = profile;
        let pair = |key: &str| (key.to_owned(), "secret".to_owned());
        config.credentials.extend([pair("one"), pair("two")]);
    })
    .await;
    (directory, server)
}

fn client(server: &Server, key: &str) -> Root {
    open(&Options { credentials: Some(Credentials::keys(key, "secret")), ..plain(server) })
}

async fn get(root: &Root, bytes: u64) -> Result<(), Error> {
    root.get_range(&Path::from("x"), 0..bytes).await.map(drop)
}

/// Holds the times that `work` takes against what it should take.
async fn holds<F: Future<Output = ()>>(runs: usize, expected: Duration, work: impl Fn() -> F) {
    holds_within(10, runs, expected, work).await;
}

async fn holds_within<F: Future<Output = ()>>(
    percent: u32,
    runs: usize,
    expected: Duration,
    work: impl Fn() -> F,
) {
    let mut fastest = Duration::MAX;
    for _ in 0..runs {
        let start = Instant::now();
        work().await;
        let took = start.elapsed();
        assert!(took >= expected, "{took:?} is faster than {expected:?}");
        fastest = fastest.min(took);
    }
    println!("{fastest:?} for {expected:?}");
    let most = expected * (100 + percent) / 100;
    assert!(fastest <= most, "{fastest:?} is slower than {expected:?} by {percent} %");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn latency_is_that_of_the_profile() {
    for profile in [Profile::cdse(), Profile::wan()] {
        let latency = profile.latency;
        let (_directory, server) = serving(profile).await;
        let root = client(&server, "one");
        holds(15, latency, async || drop(root.head(&Path::from("x")).await.unwrap())).await;
        holds(5, latency, async || drop(root.head(&Path::from("gone")).await.unwrap_err())).await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn cdse_gives_20_mb_a_second_to_each_connection() {
    let (_directory, server) = serving(Profile::cdse()).await;
    let root = client(&server, "one");
    let expected = Duration::from_millis(60 + 600);
    holds(3, expected, async || get(&root, 12_000_000).await.unwrap()).await;
    holds(3, expected, async || {
        // each on a connection of its own, and at the same rate
        for outcome in join_all((0..4).map(|_| get(&root, 12_000_000))).await {
            outcome.unwrap();
        }
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn uploads_have_the_same_rate() {
    let (_directory, server) = serving(Profile::cdse()).await;
    let root = client(&server, "one");
    let body = pattern(6_000_000);
    // the client's own hash of the body comes on top
    holds_within(25, 3, Duration::from_millis(60 + 300), async || {
        let path = Path::from("new");
        object_store::ObjectStoreExt::put(root.store(), &path, body.clone().into()).await.unwrap();
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cdse_refuses_the_fifth_connection_of_a_credential() {
    let (_directory, server) = serving(Profile::cdse()).await;
    let (one, two) = (client(&server, "one"), client(&server, "two"));
    // 0.36 s each: all of them are there before the first one ends
    let requests = (0..6).map(|_| get(&one, 6_000_000));
    let others = (0..4).map(|_| get(&two, 6_000_000));
    let (first, second) = tokio::join!(join_all(requests), join_all(others));
    let refused: Vec<_> = first.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|error| error.code() == "CF-STO-006"), "403: {refused:?}");
    assert!(second.iter().all(Result::is_ok), "another credential has its own");
    let logged = server.take_requests();
    assert_eq!(logged.iter().filter(|it| it.status == Some(403)).count(), 2);
    get(&one, 10).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_at_a_time_are_never_refused() {
    let (_directory, server) = serving(Profile::cdse()).await;
    let root = client(&server, "one");
    let worker = |_| async {
        for _ in 0..15 {
            get(&root, 100_000).await.unwrap();
            root.head(&Path::from("x")).await.unwrap();
        }
    };
    join_all((0..4).map(worker)).await;
    assert!(server.requests().iter().all(|it| matches!(it.status, Some(200 | 206))));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn cdse_gives_2000_requests_a_minute() {
    // without the other limits, which would not let a client reach this one within seconds
    let profile =
        Profile { latency: Duration::ZERO, credential_connections: None, ..Profile::cdse() };
    let (_directory, server) = serving(profile).await;
    let (one, two) = (client(&server, "one"), client(&server, "two"));
    let start = Instant::now();
    let (mut granted, mut refused) = (0_u32, 0_u32);
    while start.elapsed() < Duration::from_secs(4) {
        match get(&one, 10).await {
            Ok(()) => granted += 1,
            Err(error) => {
                assert!(error.to_string().contains("http status 429"), "{error}");
                assert!(error.to_string().contains("SlowDown"), "{error}");
                refused += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    let refill = start.elapsed().as_secs_f64() * 2_000.0 / 60.0;
    println!("{granted} granted, {refused} refused, {:.1} expected", 200.0 + refill);
    assert!(f64::from(granted) <= 200.0 + refill + 1.0, "{granted}, refill {refill}");
    assert!(f64::from(granted) >= 200.0 + 0.9 * refill, "{granted}, refill {refill}");
    assert!(refused > 0);
    get(&two, 10).await.unwrap();

    // and a client that waits gets through
    let retry = RetryPolicy { initial_backoff: Duration::from_millis(40), ..Default::default() };
    let credentials = Some(Credentials::keys("one", "secret"));
    let waiting = open(&Options { credentials, retry, ..plain(&server) });
    for _ in 0..20 {
        get(&waiting, 10).await.unwrap();
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn wan_gives_8_mb_a_second_to_all_connections() {
    let (_directory, server) = serving(Profile::wan()).await;
    let roots = [client(&server, "one"), client(&server, "two")];
    let expected = Duration::from_millis(80 + 500);
    holds(3, expected, async || get(&roots[0], 4_000_000).await.unwrap()).await;
    holds(3, expected, async || {
        for outcome in join_all((0..8).map(|n| get(&roots[n % 2], 500_000))).await {
            outcome.unwrap();
        }
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn wan_has_32_connections_and_a_queue() {
    let (_directory, server) = serving(Profile::wan()).await;
    let root = client(&server, "one");
    let path = Path::from("x");
    let heads = |number: usize| {
        let (root, path) = (&root, &path);
        async move {
            let all = join_all((0..number).map(|_| root.head(path))).await;
            assert!(all.iter().all(Result::is_ok));
        }
    };
    // so that the connections are there
    heads(64).await;
    let ends = Duration::from_millis;
    holds(10, ends(80), || heads(32)).await;
    holds(10, ends(160), || heads(64)).await;
    server.stop().await;
}
