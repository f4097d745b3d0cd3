//! Decorator: the only place that sends a failed request again.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::client::HttpError;
use object_store::path::Path;
use object_store::retry::{RetryContext, RetryFailure};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result,
};

use crate::connector::Busy;
use crate::metrics::{Counts, PAGE};

/// Bodies up to this size are read inside the retry loop; the largest Sentinel-2 file is 140 MB
/// (the encoder's cap), so this is every object there is. Larger ones are streamed, checked but
/// not repeated.
const COLLECTED: u64 = 256 << 20;

/// When a failed request is sent again: 408, 429, 5xx, timeouts, resets, short bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Repeats at most, the first request apart; 0 turns retry off.
    pub max_retries: u32,
    /// Longest pause before the first repeat; doubles with every repeat. The pause taken is
    /// random between half of that and all of it.
    pub initial_backoff: Duration,
    /// Longest pause. A `Retry-After` of the server may exceed it.
    pub max_backoff: Duration,
    /// From the first request on, pauses and requests together.
    pub deadline: Duration,
    /// Whether 403 means load and not a refusal, as on CDSE.
    pub retry_forbidden: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 6,
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            deadline: Duration::from_secs(120),
            retry_forbidden: false,
        }
    }
}

impl RetryPolicy {
    /// No retry at all.
    pub fn off() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// Pause before repeat `number` (from 1), half fixed and half random so that readers that
    /// failed together do not come back together.
    fn pause(&self, number: u32) -> Duration {
        let doublings = number.saturating_sub(1).min(16);
        let full = self.initial_backoff.saturating_mul(1 << doublings).min(self.max_backoff);
        // RandomState is seeded anew on every call: randomness enough for jitter
        let random = RandomState::new().build_hasher().finish() % 1024;
        let share = u32::try_from(random).unwrap_or(0);
        full / 2 + (full / 2) / 1024 * share
    }
}

/// All attempts failed for passing reasons.
#[derive(Debug, thiserror::Error)]
#[error("gave up after {attempts} attempts: {source}")]
pub(crate) struct Exhausted {
    pub(crate) attempts: u32,
    pub(crate) source: Error,
}

/// The body is not what its headers promised.
#[derive(Debug, thiserror::Error)]
#[error("body of {got} bytes where {wanted} were promised")]
struct WrongLength {
    wanted: u64,
    got: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct DeadlinePassed(Duration);

fn generic(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: "retry", source: Box::new(source) }
}

/// The provider tells 401, 403 and 404 apart for objects, but not for listings, where the status
/// stands in the text alone.
fn refusal(error: Error) -> Error {
    let Error::Generic { store, source } = error else { return error };
    let text = source.to_string();
    let answered = |status: &str| text.contains(&format!("non-2xx status code: {status} "));
    let path = "/".to_owned();
    if answered("401") || answered("403") {
        Error::PermissionDenied { path, source }
    } else if answered("404") {
        Error::NotFound { path, source }
    } else {
        Error::Generic { store, source }
    }
}

/// Whether an error of a store is a passing one: 408, 429, 5xx, timeout, reset, short body.
///
/// A 403 is not, unless the store's [`RetryPolicy::retry_forbidden`] made it one.
pub fn is_transient(error: &Error) -> bool {
    passing(error).is_some()
}

/// `Some` for a passing failure, with the pause that the server asked for.
fn passing(error: &Error) -> Option<Option<Duration>> {
    // S3 can report a server error in the body of a 200 answer to a copy or a completed upload;
    // the provider has no public type for it, only this text
    if let Error::Generic { source, .. } = error
        && source.to_string().contains("Server returned error response")
    {
        return Some(None);
    }
    let mut current: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut found = None;
    while let Some(error) = current {
        if let Some(busy) = error.downcast_ref::<Busy>() {
            return Some(busy.retry_after);
        }
        if error.is::<HttpError>()
            || error.is::<WrongLength>()
            || error.is::<DeadlinePassed>()
            || error.is::<Exhausted>()
            || error.downcast_ref::<std::io::Error>().is_some_and(|io| passing_io(io.kind()))
        {
            found = Some(None);
        }
        current = error.source();
    }
    found
}

fn passing_io(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::TimedOut
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::ConnectionRefused
            | Kind::BrokenPipe
            | Kind::UnexpectedEof
            | Kind::Interrupted
    )
}

/// Runs `attempt` until it succeeds, fails for good, or the policy ends it.
pub(crate) async fn repeat<T, A, F>(
    policy: &RetryPolicy,
    counts: &Counts,
    mut attempt: A,
) -> Result<T>
where
    T: Send,
    A: FnMut(u32) -> F + Send,
    F: Future<Output = Result<T>> + Send,
{
    let start = Instant::now();
    let mut attempts = 0_u32;
    loop {
        attempts += 1;
        let left = policy.deadline.saturating_sub(start.elapsed());
        let outcome = tokio::time::timeout(left, attempt(attempts)).await;
        let error = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => refusal(error),
            Err(_) => generic(DeadlinePassed(policy.deadline)),
        };
        let means_load = policy.retry_forbidden && matches!(error, Error::PermissionDenied { .. });
        let asked = match passing(&error) {
            Some(asked) => asked,
            None if means_load => None,
            None => return Err(error),
        };
        let pause = asked.unwrap_or_else(|| policy.pause(attempts));
        let too_late = start.elapsed().saturating_add(pause) >= policy.deadline;
        if attempts > policy.max_retries || too_late {
            return Err(generic(Exhausted { attempts, source: error }));
        }
        tracing::debug!(attempts, pause_ms = pause.as_millis(), %error, "request failed, retry");
        counts.retry();
        tokio::time::sleep(pause).await;
    }
}

/// The decorator.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    inner: Arc<dyn ObjectStore>,
    policy: Arc<RetryPolicy>,
    counts: Arc<Counts>,
    /// Whether listings are sorted and can start anywhere, as on S3: they are then read page by
    /// page, each retried by itself. Else a listing is retried as a whole.
    paged: bool,
}

impl Retry {
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        policy: RetryPolicy,
        counts: Arc<Counts>,
        paged: bool,
    ) -> Self {
        Self { inner, policy: Arc::new(policy), counts, paged }
    }

    /// See [`repeat`].
    async fn run<T, A, F>(&self, attempt: A) -> Result<T>
    where
        T: Send,
        A: FnMut(u32) -> F + Send,
        F: Future<Output = Result<T>> + Send,
    {
        repeat(&self.policy, &self.counts, attempt).await
    }

    /// A create that failed after reaching the store finds its own object on the repeat: that is
    /// success, if the bytes are ours.
    async fn is_ours(&self, location: &Path, payload: &PutPayload) -> Result<Option<PutResult>> {
        let there = self.get_opts(location, GetOptions::default()).await?;
        if usize::try_from(there.meta.size).ok() != Some(payload.content_length()) {
            return Ok(None);
        }
        let (e_tag, version) = (there.meta.e_tag.clone(), there.meta.version.clone());
        let theirs = there.bytes().await?;
        let ours = payload.iter().flatten();
        Ok(theirs.iter().eq(ours).then(|| PutResult {
            e_tag,
            version,
            extensions: Default::default(),
        }))
    }

    /// One page of a sorted listing: up to [`PAGE`] objects after `after`.
    async fn page(&self, prefix: Option<&Path>, after: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let page: Vec<ObjectMeta> = self
            .run(|_| async move {
                let listing = match after {
                    Some(after) => self.inner.list_with_offset(prefix, after),
                    None => self.inner.list(prefix),
                };
                listing.take(PAGE).try_collect().await
            })
            .await?;
        let mut last = after;
        for object in &page {
            // the next page starts after this one's last key: out of order, keys would be lost
            if last.is_some_and(|last| *last >= object.location) {
                let source = format!("listing is not sorted at {}", object.location).into();
                return Err(Error::Generic { store: "retry", source });
            }
            last = Some(&object.location);
        }
        Ok(page)
    }

    fn listing(
        self,
        prefix: Option<Path>,
        after: Option<Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        if !self.paged {
            let whole = async move {
                self.run(|_| async {
                    let listing = match &after {
                        Some(after) => self.inner.list_with_offset(prefix.as_ref(), after),
                        None => self.inner.list(prefix.as_ref()),
                    };
                    listing.try_collect::<Vec<_>>().await
                })
                .await
            };
            return stream::once(whole)
                .map_ok(|all| stream::iter(all).map(Ok))
                .try_flatten()
                .boxed();
        }
        stream::try_unfold(
            (self, prefix, after, false),
            |(retry, prefix, after, done)| async move {
                if done {
                    return Ok::<_, Error>(None);
                }
                let page = retry.page(prefix.as_ref(), after.as_ref()).await?;
                let done = page.len() < PAGE;
                let after = page.last().map(|object| object.location.clone()).or(after);
                Ok(Some((stream::iter(page).map(Ok), (retry, prefix, after, done))))
            },
        )
        .try_flatten()
        .boxed()
    }
}

/// Reads the body as far as it belongs inside the retry loop, and holds it to its length.
async fn complete(result: GetResult) -> Result<GetResult> {
    let wanted = result.range.end.saturating_sub(result.range.start);
    let payload = match result.payload {
        GetResultPayload::Stream(body) if wanted <= COLLECTED => {
            let body = collect(body, wanted).await?;
            GetResultPayload::Stream(stream::once(async { Ok(body) }).boxed())
        }
        GetResultPayload::Stream(body) => GetResultPayload::Stream(checked(body, wanted)),
        file => file,
    };
    Ok(GetResult { payload, ..result })
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

async fn collect(body: BoxStream<'static, Result<Bytes>>, wanted: u64) -> Result<Bytes> {
    let mut body = checked(body, wanted);
    let first = body.try_next().await?.unwrap_or_default();
    let Some(second) = body.try_next().await? else { return Ok(first) };
    // no allocation by a promise alone: the chunks already there bound the first guess
    let guess = usize::try_from(wanted).unwrap_or(0).min(16 << 20);
    let mut whole = BytesMut::with_capacity(guess.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = body.try_next().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// The same stream, ending in an error unless it has `wanted` bytes.
fn checked(
    body: BoxStream<'static, Result<Bytes>>,
    wanted: u64,
) -> BoxStream<'static, Result<Bytes>> {
    stream::try_unfold((body, 0_u64), move |(mut body, got)| async move {
        match body.try_next().await? {
            Some(chunk) => {
                let got = got.saturating_add(length(&chunk));
                if got > wanted {
                    return Err(generic(WrongLength { wanted, got }));
                }
                Ok(Some((chunk, (body, got))))
            }
            None if got < wanted => Err(generic(WrongLength { wanted, got })),
            None => Ok(None),
        }
    })
    .boxed()
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "retry({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Retry {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let create = matches!(opts.mode, PutMode::Create);
        let mut attempts = 0;
        let outcome = self
            .run(|number| {
                attempts = number;
                self.inner.put_opts(location, payload.clone(), opts.clone())
            })
            .await;
        match outcome {
            Err(error @ Error::AlreadyExists { .. }) if create && attempts > 1 => {
                self.is_ours(location, &payload).await?.ok_or(error)
            }
            outcome => outcome,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let parts =
            PartRetry { policy: Arc::clone(&self.policy), counts: Arc::clone(&self.counts) };
        let opts = opts.with_retry_policy(Arc::new(parts));
        self.run(|_| self.inner.put_multipart_opts(location, opts.clone())).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        self.run(|_| {
            let attempt = self.inner.get_opts(location, options.clone());
            async move {
                let result = attempt.await?;
                if head { Ok(result) } else { complete(result).await }
            }
        })
        .await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let retry = self.clone();
        locations
            .map(move |location| {
                let retry = retry.clone();
                async move {
                    let location = location?;
                    retry.run(|_| retry.inner.delete(&location)).await?;
                    Ok(location)
                }
            })
            .buffered(8)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.clone().listing(prefix.cloned(), None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.clone().listing(prefix.cloned(), Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.run(|_| self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.run(|_| self.inner.copy_opts(from, to, options.clone())).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.run(|_| self.inner.rename_opts(from, to, options.clone())).await
    }
}

/// Our policy in the words of the provider: a part of a multipart upload has its number from the
/// provider, so only the provider can send it again.
#[derive(Debug)]
struct PartRetry {
    policy: Arc<RetryPolicy>,
    counts: Arc<Counts>,
}

#[async_trait]
impl object_store::retry::RetryPolicy for PartRetry {
    async fn retry(&self, context: RetryContext) -> bool {
        let attempts = u32::try_from(context.attempt).unwrap_or(u32::MAX);
        let pause = self.policy.pause(attempts);
        let passes = match context.failure {
            RetryFailure::Transport(_) => true,
            RetryFailure::Status(status) => self.policy.retry_forbidden && status.as_u16() == 403,
            _ => false,
        };
        let too_late = context.elapsed.saturating_add(pause) >= self.policy.deadline;
        if !passes || attempts > self.policy.max_retries || too_late {
            return false;
        }
        self.counts.retry();
        tokio::time::sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let policy = RetryPolicy::default();
        for number in 1..40 {
            let pause = policy.pause(number);
            let full =
                (policy.initial_backoff * 2_u32.pow((number - 1).min(16))).min(policy.max_backoff);
            assert!(pause >= full / 2 && pause <= full, "{number}: {pause:?}");
        }
    }

    #[test]
    fn pauses_differ() {
        let policy = RetryPolicy::default();
        let pauses: std::collections::BTreeSet<_> = (0..20).map(|_| policy.pause(3)).collect();
        assert!(pauses.len() > 5, "no jitter");
    }
}
