//! Every fault is seen by a client, and survived by one that retries.

use std::time::{Duration, Instant};

use cubeflight_storage::{Error, Options, Path, RetryPolicy, Root};
use cubeflight_testkit::s3::{Fault, Faults, Rule, Server};
use object_store::{ObjectStoreExt as _, PutMode, PutOptions};

use super::{open, patient, pattern, plain, root, start, write};

fn status(status: u16) -> Fault {
    Fault::Status { status, retry_after: None }
}

fn hang() -> Fault {
    Fault::Hang { at_most: Duration::from_secs(600) }
}

/// The server meets every request with the fault, `count` times.
fn set(server: &Server, fault: Fault, count: u64) {
    server.set_faults(Faults::one(Rule { count: Some(count), ..Rule::new(fault) }));
}

async fn get(root: &Root) -> Result<Vec<u8>, Error> {
    root.get_range(&Path::from("x"), 1_000..301_000).await.map(Into::into)
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_are_seen_and_survived() {
    let directory = root();
    let body = pattern(400_000);
    write(&directory, "x", &body);
    let server = start(&directory, |_| {}).await;
    // a hang is noticed by the client's own timeout
    let timeout = |options| Options { request_timeout: Duration::from_millis(500), ..options };
    for fault in [
        status(429),
        status(500),
        status(503),
        Fault::Status { status: 503, retry_after: Some(0) },
        Fault::Reset { bytes: None },
        Fault::Reset { bytes: Some(0) },
        Fault::Short { bytes: None },
        Fault::Short { bytes: Some(299_999) },
        hang(),
    ] {
        let few = |options| if fault == hang() { timeout(options) } else { options };
        set(&server, fault, 1);
        let seen = get(&open(&few(plain(&server)))).await.unwrap_err();
        assert_eq!(seen.code(), "CF-STO-007", "{fault:?}: {seen}");
        if let Fault::Status { status, .. } = fault {
            assert!(seen.to_string().contains(&format!("http status {status}")), "{seen}");
        }

        set(&server, fault, 2);
        let root = open(&few(patient(&server)));
        let got = get(&root).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert!(got == body[1_000..301_000], "{fault:?}");
        assert_eq!(root.counters().retries, 2, "{fault:?}");
    }
    // those of the patient clients: two faults and a success each; a hang is logged when the
    // server has noticed that the client left
    let logged = server.take_requests();
    assert_eq!(logged.iter().filter(|it| it.fault.is_none()).count(), 9);
    assert_eq!(logged.iter().filter(|it| it.fault == Some("status")).count(), 12);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_without_end_are_given_up_within_the_deadline() {
    let directory = root();
    write(&directory, "x", &pattern(400_000));
    let server = start(&directory, |_| {}).await;
    let deadline = Duration::from_millis(1_500);
    for fault in [status(503), Fault::Reset { bytes: None }, Fault::Short { bytes: None }, hang()] {
        server.set_faults(Faults::one(Rule::new(fault)));
        let retry = RetryPolicy { deadline, max_retries: 1_000, ..patient(&server).retry };
        let root = open(&Options { retry, ..patient(&server) });
        let start = Instant::now();
        let error = get(&root).await.unwrap_err();
        assert_eq!(error.code(), "CF-STO-007", "{fault:?}: {error}");
        // scheduling on a busy machine comes on top
        assert!(start.elapsed() < deadline + Duration::from_secs(5), "{fault:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_that_means_load_is_for_those_who_know() {
    let directory = root();
    write(&directory, "x", &pattern(400_000));
    let server = start(&directory, |_| {}).await;
    set(&server, status(403), 1);
    assert_eq!(get(&open(&patient(&server))).await.unwrap_err().code(), "CF-STO-006");
    set(&server, status(403), 3);
    let retry = RetryPolicy { retry_forbidden: true, ..patient(&server).retry };
    let root = open(&Options { retry, ..patient(&server) });
    assert!(get(&root).await.is_ok());
    assert_eq!(root.counters().retries, 3);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_survive_lost_answers() {
    let directory = root();
    let server = start(&directory, |_| {}).await;
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    for (number, fault) in
        [status(503), Fault::Reset { bytes: None }, Fault::Short { bytes: None }, hang()]
            .into_iter()
            .enumerate()
    {
        let rule = Rule { method: Some("PUT".into()), count: Some(1), ..Rule::new(fault) };
        server.set_faults(Faults::one(rule));
        let options = Options { request_timeout: Duration::from_millis(500), ..patient(&server) };
        let root = open(&options);
        let path = Path::from(format!("new/{number}"));
        let put = root.store().put_opts(&path, pattern(1_000).into(), create()).await;
        assert!(put.is_ok(), "{fault:?}: {put:?}");
        assert_eq!(root.get(&path, 9_999).await.unwrap().len(), 1_000);
        let again = root.store().put_opts(&path, "other".into(), create()).await;
        assert!(again.is_err(), "{fault:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_objects_are_those_before_the_last_write() {
    let directory = root();
    write(&directory, "x", b"first");
    let stale = || Rule { key_contains: Some("x".into()), ..Rule::new(Fault::Stale) };
    let server = start(&directory, |config| config.faults = Faults::one(stale())).await;
    let root = open(&plain(&server));
    let (x, y, new) = (Path::from("x"), Path::from("y"), Path::from("new-x"));
    let text = async |path: &Path| {
        let bytes = root.get(path, 99).await.map_err(|error| error.code())?;
        Ok::<_, &str>(String::from_utf8(bytes.into()).unwrap())
    };
    assert_eq!(text(&x).await.unwrap(), "first", "nothing written, nothing stale");
    let old = root.head(&x).await.unwrap();
    for path in [&x, &y, &new] {
        root.store().put(path, "second!".into()).await.unwrap();
    }
    assert_eq!(text(&x).await.unwrap(), "first");
    let head = root.head(&x).await.unwrap();
    assert_eq!((head.size, head.e_tag), (old.size, old.e_tag.clone()));
    assert_eq!(text(&y).await.unwrap(), "second!", "another key");
    assert_eq!(text(&new).await, Err("CF-STO-005"), "what was not there is not yet there");

    // conditions are held against what is served
    let reading = object_store::GetOptions { if_match: old.e_tag, ..Default::default() };
    assert!(root.store().get_opts(&x, reading.clone()).await.is_ok());
    server.set_faults(Faults::one(Rule { after: 1_000, ..stale() }));
    assert_eq!(text(&x).await.unwrap(), "second!");
    assert!(root.store().get_opts(&x, reading).await.is_err());
    root.store().delete(&x).await.unwrap();
    assert_eq!(text(&x).await, Err("CF-STO-005"));
    server.set_faults(Faults::one(stale()));
    assert_eq!(text(&x).await.unwrap(), "second!", "deleted, and still there");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_day_is_survived() {
    let directory = root();
    let body = pattern(400_000);
    write(&directory, "x", &body);
    let script = "seed=3; 503 share=0.1 burst=3; 429 share=0.05; reset share=0.1; short share=0.1";
    let server = start(&directory, |config| config.faults = script.parse().unwrap()).await;
    let root = open(&patient(&server));
    let reads = (0..60).map(|_| async { get(&root).await.unwrap() == body[1_000..301_000] });
    assert!(futures::future::join_all(reads).await.into_iter().all(|right| right));
    let logged = server.requests();
    let hit = logged.iter().filter(|it| it.fault.is_some()).count();
    assert_eq!(logged.len(), 60 + hit);
    assert!(hit > 10, "{hit}");
    let retries = usize::try_from(root.counters().retries).unwrap();
    assert_eq!(retries, hit, "one repeat for each fault");
    server.stop().await;
}
