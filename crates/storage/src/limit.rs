//! Decorator: the limits of a credential. Connections, and requests a minute (a token bucket).

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, UploadPart,
};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::Error;
use crate::metrics::{Metrics, PAGE};

/// What a credential may do at a time and in a minute, and how much of it is used up. Clones share
/// it: give the same to every root that uses the credential.
///
/// A service counts requests where they arrive, which is not as evenly as they were sent: a
/// twentieth of the burst is therefore never used.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    connections: Arc<Semaphore>,
    number: usize,
    rate: Option<Rate>,
}

struct Rate {
    per_minute: NonZeroU32,
    bucket: DefaultDirectRateLimiter,
    /// Those who wait for a token do so in the order in which they came.
    turn: Mutex<()>,
}

impl Rate {
    async fn take(&self) {
        let _turn = self.turn.lock().await;
        while let Err(early) = self.bucket.check() {
            let pause = early.wait_time_from(self.bucket.clock().now());
            tokio::time::sleep(pause).await;
        }
    }
}

impl Limits {
    /// `max_connections` requests in flight; `requests_per_minute` evenly refilled into a bucket of
    /// `burst`, which begins full.
    ///
    /// # Errors
    /// A limit of 0.
    pub fn new(
        max_connections: usize,
        requests_per_minute: Option<u32>,
        burst: u32,
    ) -> crate::Result<Self> {
        let bad = |what: &str| Error::BadOption { reason: format!("{what} is 0") };
        // tokio's semaphores end there
        let number = max_connections.min(Semaphore::MAX_PERMITS);
        if number == 0 {
            return Err(bad("max_connections"));
        }
        let rate = match requests_per_minute {
            None => None,
            Some(number) => {
                let number = NonZeroU32::new(number).ok_or_else(|| bad("requests_per_minute"))?;
                let burst = NonZeroU32::new(burst - burst / 20).ok_or_else(|| bad("the burst"))?;
                let bucket = RateLimiter::direct(Quota::per_minute(number).allow_burst(burst));
                Some(Rate { per_minute: number, bucket, turn: Mutex::new(()) })
            }
        };
        let connections = Arc::new(Semaphore::new(number));
        Ok(Self(Arc::new(Inner { connections, number, rate })))
    }

    /// Requests in flight at a time.
    pub fn max_connections(&self) -> usize {
        self.0.number
    }

    /// Requests a second in the long run; `None` is no limit.
    pub fn requests_per_second(&self) -> Option<f64> {
        self.0.rate.as_ref().map(|rate| f64::from(rate.per_minute.get()) / 60.0)
    }

    /// Waits until a request may be sent. It is in flight until the permit is dropped.
    pub(crate) async fn admit(&self) -> Option<OwnedSemaphorePermit> {
        // The connection first: a token in hand would age while it waits, and several of them
        // would then be spent together. The semaphore is never closed.
        let permit = Arc::clone(&self.0.connections).acquire_owned().await.ok();
        self.pay().await;
        permit
    }

    async fn pay(&self) {
        if let Some(rate) = &self.0.rate {
            rate.take().await;
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("max_connections", &self.0.number)
            .field("rated", &self.0.rate.is_some())
            .finish_non_exhaustive()
    }
}

/// The decorator. It lies under retry, so that every attempt counts and none is held in a pause.
///
/// One request is counted for each call, which is what the provider sends, but for two: a listing
/// with delimiter is paid for its further pages when it is done (the provider reads them in one
/// go), and an undivided listing is one request (retry divides those of S3 into pages).
#[derive(Debug)]
pub(crate) struct Limit {
    inner: Arc<Metrics>,
    limits: Limits,
}

impl Limit {
    pub(crate) fn new(inner: Metrics, limits: Limits) -> Self {
        Self { inner: Arc::new(inner), limits }
    }

    fn listing(
        &self,
        begin: impl FnOnce(&Metrics) -> BoxStream<'static, Result<ObjectMeta>> + Send + 'static,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, limits) = (Arc::clone(&self.inner), self.limits.clone());
        stream::once(async move {
            let permit = limits.admit().await;
            held(begin(&inner), permit)
        })
        .flatten()
        .boxed()
    }
}

/// The stream, in flight until it is dropped.
fn held<T: Send + 'static>(
    stream: BoxStream<'static, T>,
    permit: Option<OwnedSemaphorePermit>,
) -> BoxStream<'static, T> {
    stream
        .map(move |item| {
            let _in_flight = &permit;
            item
        })
        .boxed()
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Limit {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let _permit = self.limits.admit().await;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let _permit = self.limits.admit().await;
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(LimitedUpload { upload, limits: self.limits.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let permit = self.limits.admit().await;
        let result = self.inner.get_opts(location, options).await?;
        let payload = match result.payload {
            GetResultPayload::Stream(body) => GetResultPayload::Stream(held(body, permit)),
            file => file,
        };
        Ok(GetResult { payload, ..result })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (inner, limits) = (Arc::clone(&self.inner), self.limits.clone());
        locations
            .then(move |location| {
                let (inner, limits) = (Arc::clone(&inner), limits.clone());
                async move {
                    let location = location?;
                    let _permit = limits.admit().await;
                    inner.delete(&location).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.listing(move |inner| inner.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.listing(move |inner| inner.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let _permit = self.limits.admit().await;
        let result = self.inner.list_with_delimiter(prefix).await?;
        let keys = result.objects.len() + result.common_prefixes.len();
        for _ in 0..keys.saturating_sub(1) / PAGE {
            self.limits.pay().await;
        }
        Ok(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let _permit = self.limits.admit().await;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let _permit = self.limits.admit().await;
        self.inner.rename_opts(from, to, options).await
    }
}

/// Every part of a multipart upload is a request.
#[derive(Debug)]
struct LimitedUpload {
    upload: Box<dyn MultipartUpload>,
    limits: Limits,
}

#[async_trait]
impl MultipartUpload for LimitedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, limits) = (self.upload.put_part(data), self.limits.clone());
        Box::pin(async move {
            let _permit = limits.admit().await;
            part.await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let _permit = self.limits.admit().await;
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        let _permit = self.limits.admit().await;
        self.upload.abort().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures::future::join_all;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_refused() {
        for (connections, rate, burst) in [(0, None, 1), (1, Some(0), 1), (1, Some(1), 0)] {
            let error = Limits::new(connections, rate, burst).unwrap_err();
            assert_eq!(error.code(), "CF-STO-012");
        }
        assert_eq!(Limits::new(usize::MAX, None, 0).unwrap().max_connections() >> 60, 1);
    }

    #[tokio::test]
    async fn a_burst_and_then_the_rate_in_the_order_of_asking() {
        let limits = Limits::new(100, Some(60_000), 20).unwrap();
        let begin = Instant::now();
        let order = std::sync::Mutex::new(Vec::new());
        join_all((0..59).map(|number| {
            let (limits, order) = (&limits, &order);
            async move {
                let _permit = limits.admit().await;
                order.lock().unwrap().push(number);
            }
        }))
        .await;
        // 19 at once, then one a millisecond
        assert!(begin.elapsed() >= Duration::from_millis(39), "{:?}", begin.elapsed());
        assert!(order.into_inner().unwrap().is_sorted());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// No window of time sees more than burst and refill together, whatever the pauses.
        #[test]
        fn a_server_with_the_same_bucket_refuses_nothing(
            rate in 1_u32..100_000,
            burst in 1_u32..500,
            pauses in prop::collection::vec(0_u64..2_000, 1..200),
        ) {
            use governor::clock::FakeRelativeClock;
            let clock = FakeRelativeClock::default();
            let kept = NonZeroU32::new(burst - burst / 20).unwrap();
            let quota = Quota::per_minute(NonZeroU32::new(rate).unwrap()).allow_burst(kept);
            let client = RateLimiter::direct_with_clock(quota, clock.clone());
            let mut level = f64::from(burst);
            for pause in pauses {
                clock.advance(Duration::from_millis(pause));
                let refill = f64::from(rate) / 60_000.0 * pause as f64;
                level = (level + refill).min(f64::from(burst));
                for _ in 0..20 {
                    if client.check().is_ok() {
                        prop_assert!(level >= 0.999, "level {}", level);
                        level -= 1.0;
                    }
                }
            }
        }
    }
}
