//! What is measured of a store, on a clock that only the tests move.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::quick;
use crate::{Options, Path, RetryPolicy, Root};

const LATENCY: Duration = Duration::from_millis(50);
const CHUNK: u64 = 10_000;
/// A connection, or the link, gives a million bytes a second.
const PAUSE: Duration = Duration::from_millis(10);
const MILLION: u64 = 1_000_000;

/// Objects without end, whose bytes come in chunks at a fixed rate. In `broken` a body ends with an
/// error after a long silence, `slow` ones begin late.
#[derive(Debug, Default)]
struct Paced {
    /// All bodies share it where it is there.
    link: Option<Arc<Mutex<()>>>,
}

impl fmt::Display for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("paced")
    }
}

fn reset() -> Error {
    let source = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset").into();
    Error::Generic { store: "paced", source }
}

#[async_trait]
impl ObjectStore for Paced {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let Some(GetRange::Bounded(range)) = options.range else { return Err(reset()) };
        sleep(if path.as_ref() == "slow" { LATENCY * 100 } else { LATENCY }).await;
        let length = range.end - range.start;
        let broken = path.as_ref() == "broken";
        let link = self.link.clone();
        let chunks = stream::iter((0..length).step_by(CHUNK as usize)).then(move |from| {
            let link = link.clone();
            async move {
                if broken && from > 0 {
                    sleep(Duration::from_secs(1000)).await;
                    return Err(reset());
                }
                let turn = match &link {
                    Some(link) => Some(link.lock().await),
                    None => None,
                };
                // the answer's head and the first bytes come together
                if from > 0 || turn.is_some() {
                    sleep(PAUSE).await;
                }
                Ok(Bytes::from(vec![0; usize::try_from(CHUNK.min(length - from)).unwrap()]))
            }
        });
        let meta = ObjectMeta {
            location: path.clone(),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: u64::MAX,
            e_tag: None,
            version: None,
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(chunks.boxed()),
            meta,
            range,
            attributes: Attributes::default(),
            extensions: Default::default(),
        })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(reset())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(reset())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::empty().boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::empty().boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(reset())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(reset())
    }
}

fn root(link: bool, options: &Options) -> Root {
    let link = link.then(Arc::default);
    Root::with_store("s3://bucket", Arc::new(Paced { link }), options).unwrap()
}

async fn read(root: &Root, name: &str, times: usize, length: u64) {
    for _ in 0..times {
        root.get_range(&Path::from(name), 0..length).await.unwrap();
    }
}

fn rate(root: &Root) -> f64 {
    root.speed().bytes_per_second.unwrap()
}

#[track_caller]
fn assert_close(got: f64, wanted: f64) {
    assert!((got / wanted - 1.0).abs() < 0.03, "{got} is not about {wanted}");
}

#[tokio::test(start_paused = true)]
async fn one_connection() {
    let root = root(false, &quick());
    let fresh = root.speed();
    assert_eq!((fresh.latency, fresh.bytes_per_second, fresh.samples), (None, None, 0));
    read(&root, "x", 1, MILLION).await;
    assert_eq!(root.speed().bytes_per_second, None, "the first bytes tell nothing, so not enough");
    read(&root, "x", 6, MILLION).await;
    assert_eq!(root.speed().latency, None, "seven are not enough");
    read(&root, "x", 1, MILLION).await;
    let speed = root.speed();
    assert_eq!((speed.latency, speed.samples), (Some(LATENCY), 8));
    // without what goes by before the first byte
    assert_close(rate(&root), 1e6);
}

#[tokio::test(start_paused = true)]
async fn four_connections_are_their_sum_and_a_link_is_itself() {
    for (link, wanted) in [(false, 4e6), (true, 1e6)] {
        let root = root(link, &quick());
        // not all at once, as it happens
        join_all((0..4).map(|number| {
            let root = root.clone();
            async move {
                sleep(Duration::from_millis(number * 3)).await;
                read(&root, "x", 5, 3 * MILLION).await;
            }
        }))
        .await;
        assert_close(rate(&root), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn short_bodies_do_not_spoil_the_rate() {
    let root = root(false, &quick());
    read(&root, "x", 10, 2 * MILLION).await;
    let before = rate(&root);
    // in one chunk, and in two
    read(&root, "x", 500, CHUNK).await;
    read(&root, "x", 500, 2 * CHUNK).await;
    assert!((rate(&root) - before).abs() < 1.0);
    assert_eq!(root.speed().samples, 1010, "of the latency they tell as much as others");
}

#[tokio::test(start_paused = true)]
async fn failures_are_not_measured() {
    let retry = RetryPolicy { max_retries: 0, ..quick().retry };
    let root = root(false, &Options { retry, ..quick() });
    read(&root, "x", 10, MILLION).await;
    let before = root.speed();
    let broken = Path::from("broken");
    let failing = (0..10).map(|_| root.get_range(&broken, 0..MILLION).boxed());
    // reads that go on beside them, and one that nobody waits for any more
    let given_up = tokio::time::timeout(LATENCY * 3, read(&root, "x", 1, MILLION));
    assert!(given_up.await.is_err());
    let (failed, ()) = tokio::join!(join_all(failing.collect::<Vec<_>>()), async {
        read(&root, "x", 3, MILLION).await;
    });
    assert!(failed.iter().all(Result::is_err));
    let after = root.speed();
    assert_eq!(after.samples, before.samples + 3);
    assert_eq!(after.latency, Some(LATENCY));
    assert_close(rate(&root), 1e6);
}

#[tokio::test(start_paused = true)]
async fn latency_is_that_of_most_requests() {
    let root = root(false, &quick());
    read(&root, "x", 10, CHUNK).await;
    read(&root, "slow", 9, CHUNK).await;
    assert_eq!(root.speed().latency, Some(LATENCY));
    read(&root, "slow", 20, CHUNK).await;
    assert_eq!(root.speed().latency, Some(LATENCY * 100), "what is long ago does not count");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_connection_is_not_latency() {
    let options =
        Options { max_connections: 1, requests_per_minute: Some(120_000), burst: 100, ..quick() };
    let root = root(false, &options);
    join_all((0..10).map(|_| read(&root, "x", 1, MILLION))).await;
    let speed = root.speed();
    assert_eq!(speed.latency, Some(LATENCY));
    assert_eq!((speed.connections, speed.requests_per_second), (1, Some(2000.0)));
    assert_close(rate(&root), 1e6);
}

#[tokio::test]
async fn a_directory_is_not_measured() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), vec![0; 3_000_000]).unwrap();
    let options = Options { requests_per_minute: Some(60), ..quick() };
    let root = Root::open(folder.path().to_str().unwrap(), &options).unwrap();
    read(&root, "x", 10, 3 * MILLION).await;
    let speed = root.speed();
    assert_eq!((speed.latency, speed.bytes_per_second, speed.samples), (None, None, 0));
    assert_eq!((speed.connections, speed.requests_per_second), (16, None));
}
