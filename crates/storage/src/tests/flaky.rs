//! Retry over a store that fails on purpose.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};

use super::quick;
use crate::{Options, Path, RetryPolicy, Root};

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Reset,
    Forbidden,
    Missing,
    ShortBody,
    BrokenBody,
    LongBody,
    /// the write happens, the answer is lost
    LostAnswer,
    Hang,
}

/// Memory behind a queue of faults, one for each request.
#[derive(Debug)]
struct Flaky {
    inner: InMemory,
    faults: Mutex<Vec<Fault>>,
}

impl Flaky {
    async fn new(faults: &[Fault]) -> Arc<Self> {
        let inner = InMemory::new();
        inner.put(&Path::from("x"), Bytes::from_static(b"0123456789").into()).await.unwrap();
        let faults = faults.iter().rev().copied().collect();
        Arc::new(Self { inner, faults: Mutex::new(faults) })
    }

    fn next(&self) -> Option<Fault> {
        self.faults.lock().unwrap().pop()
    }

    fn fail(fault: Fault) -> Result<()> {
        let source: Box<dyn std::error::Error + Send + Sync> =
            io::Error::new(io::ErrorKind::ConnectionReset, "reset").into();
        let path = "x".to_owned();
        match fault {
            Fault::Reset => Err(Error::Generic { store: "flaky", source }),
            Fault::Forbidden => Err(Error::PermissionDenied { path, source: "403".into() }),
            Fault::Missing => Err(Error::NotFound { path, source: "404".into() }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, path: &Path, body: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let fault = self.next();
        if let Some(fault) = fault {
            Self::fail(fault)?;
        }
        let result = self.inner.put_opts(path, body, opts).await?;
        match fault {
            Some(Fault::LostAnswer) => Self::fail(Fault::Reset).map(|()| result),
            _ => Ok(result),
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, opts).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.next();
        if let Some(fault) = fault {
            Self::fail(fault)?;
        }
        if fault == Some(Fault::Hang) {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        let result = self.inner.get_opts(path, options).await?;
        let GetResult { payload, meta, range, attributes, extensions } = result;
        let GetResultPayload::Stream(body) = payload else { unreachable!() };
        let whole: Vec<Bytes> = body.try_collect().await?;
        let mut whole = whole.concat();
        let mut chunks = Vec::new();
        match fault {
            Some(Fault::ShortBody) => drop(whole.pop()),
            Some(Fault::LongBody) => whole.push(0),
            Some(Fault::BrokenBody) => whole.truncate(1),
            _ => (),
        }
        chunks.extend(whole.chunks(3).map(|chunk| Ok(Bytes::copy_from_slice(chunk))));
        if fault == Some(Fault::BrokenBody) {
            chunks.push(Self::fail(Fault::Reset).map(|()| Bytes::new()));
        }
        let payload = GetResultPayload::Stream(stream::iter(chunks).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.next().map(Self::fail) {
            Some(Err(error)) => stream::once(async { Err(error) }).boxed(),
            _ => self.inner.delete_stream(locations),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.inner.list(prefix);
        match self.next().map(Self::fail) {
            // breaks in the middle
            Some(Err(error)) => listed.take(1).chain(stream::once(async { Err(error) })).boxed(),
            _ => listed,
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if let Some(fault) = self.next() {
            Self::fail(fault)?;
        }
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

async fn root(faults: &[Fault], options: &Options) -> Root {
    Root::with_store("s3://bucket", Flaky::new(faults).await, options).unwrap()
}

fn x() -> Path {
    Path::from("x")
}

#[tokio::test]
async fn passing_failures_pass() {
    use Fault::{BrokenBody, LongBody, Reset, ShortBody};
    let options = quick();
    let root = root(&[Reset, ShortBody, BrokenBody, LongBody, Reset], &options).await;
    assert_eq!(root.get_range(&x(), 2..9).await.unwrap()[..], b"2345678"[..]);
    let counters = root.counters();
    assert_eq!((counters.requests, counters.retries), (6, 5), "every attempt is counted");
    assert!(counters.bytes > 7, "the bytes of failed attempts count too: {}", counters.bytes);
    assert_eq!(options.request_log.unwrap().take().len(), 6, "and logged");
}

#[tokio::test]
async fn every_operation_is_retried() {
    use Fault::Reset;
    let options = quick();
    let root = root(&[Reset, Reset, Reset], &options).await;
    assert_eq!(root.head(&x()).await.unwrap().size, 10);
    let root = self::root(&[Reset], &options).await;
    assert_eq!(root.store().list_with_delimiter(None).await.unwrap().objects.len(), 1);
    let root = self::root(&[Reset], &options).await;
    let listed: Vec<_> = root.store().list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1, "a listing that broke is not continued twice");
    let root = self::root(&[Reset], &options).await;
    root.store().put(&Path::from("y"), b"1".to_vec().into()).await.unwrap();
    let root = self::root(&[Reset], &options).await;
    root.store().delete(&x()).await.unwrap();
    assert_eq!(root.counters().retries, 1);
}

#[tokio::test]
async fn giving_up_is_unavailable() {
    let retry = RetryPolicy { max_retries: 2, ..quick().retry };
    let options = Options { retry, ..quick() };
    let root = root(&[Fault::Reset; 9], &options).await;
    let error = root.get_range(&x(), 0..1).await.unwrap_err();
    assert_eq!(error.code(), "CF-STO-007");
    assert!(error.is_transient() && !error.is_not_found());
    assert!(error.to_string().contains("after 3 attempts: x"), "{error}");
    assert_eq!(root.counters().requests, 3);
    let error = root.store().head(&x()).await.unwrap_err();
    assert!(crate::is_transient(&error));
}

#[tokio::test]
async fn lasting_failures_are_not_repeated() {
    let options = quick();
    for (fault, code, transient) in
        [(Fault::Missing, "CF-STO-005", false), (Fault::Forbidden, "CF-STO-006", true)]
    {
        let root = root(&[fault, fault], &options).await;
        let error = root.get_range(&x(), 0..1).await.unwrap_err();
        assert_eq!((error.code(), error.is_transient()), (code, transient));
        assert_eq!(root.counters().requests, 1);
    }
}

#[tokio::test]
async fn forbidden_means_load_where_the_policy_says_so() {
    let retry = RetryPolicy { retry_forbidden: true, ..quick().retry };
    let options = Options { retry, ..quick() };
    let root = root(&[Fault::Forbidden, Fault::Forbidden], &options).await;
    assert_eq!(root.get_range(&x(), 0..1).await.unwrap()[..], b"0"[..]);
    assert_eq!(root.counters().retries, 2);
}

#[tokio::test]
async fn the_deadline_ends_a_hanging_request() {
    let retry = RetryPolicy { deadline: Duration::from_millis(80), ..quick().retry };
    let options = Options { retry, ..quick() };
    let root = root(&[Fault::Hang], &options).await;
    let start = Instant::now();
    let error = root.get_range(&x(), 0..1).await.unwrap_err();
    assert_eq!(error.code(), "CF-STO-007");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_has_succeeded() {
    let options = quick();
    let create = || PutOptions { mode: PutMode::Create, ..Default::default() };
    let root = root(&[Fault::LostAnswer], &options).await;
    let (path, body) = (Path::from("new"), b"ours".to_vec());
    root.store().put_opts(&path, body.clone().into(), create()).await.unwrap();
    assert_eq!(root.get(&path, 10).await.unwrap()[..], body[..]);

    // but the object of somebody else is not ours, also not behind a failure
    let root = self::root(&[Fault::Reset], &options).await;
    let error = root.store().put_opts(&x(), body.into(), create()).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
}

#[tokio::test]
async fn no_request_beyond_the_limit_is_in_flight() {
    let options = Options { max_connections: 1, ..quick() };
    let root = root(&[Fault::Reset; 3], &options).await;
    let path = x();
    let reads = (0..8).map(|n| root.get_range(&path, n..n + 1));
    let bodies: Vec<Bytes> = stream::iter(reads).buffered(8).try_collect().await.unwrap();
    assert_eq!(bodies.concat(), b"01234567");
    // an unfinished listing holds no connection
    let mut listing = root.store().list(None);
    listing.try_next().await.unwrap().unwrap();
    root.head(&path).await.unwrap();
}
