//! Decorator: counts every request and its bytes, measures reads of ranges, and logs requests where
//! a log is wanted.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result, UploadPart,
};

use crate::speed::{Arrival, Gauge};

/// Keys in one page of an S3 listing (ListObjectsV2, max-keys): each page is a request.
pub(crate) const PAGE: usize = 1000;

/// Totals since a root was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests sent, retries included. A listing counts one for every 1,000 keys.
    pub requests: u64,
    /// Bytes of bodies received and sent, failed attempts included.
    pub bytes: u64,
    /// Requests that were repeats of a failed one.
    pub retries: u64,
}

/// The live counters: relaxed atomics, since no other memory depends on them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
    retries: AtomicU64,
}

impl Counts {
    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self, number: usize) {
        self.requests.fetch_add(widen(number), Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self, number: u64) {
        self.bytes.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }
}

fn widen(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Read an object or a range of it.
    Get,
    /// Size and validators of an object.
    Head,
    /// Write an object or a part of one.
    Put,
    /// Delete an object.
    Delete,
    /// Copy or rename an object.
    Copy,
    /// List below a prefix.
    List,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Copy => "COPY",
            Self::List => "LIST",
        })
    }
}

/// One request as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// What it does.
    pub method: Method,
    /// Path in the store; the prefix of a listing.
    pub path: String,
    /// Bytes asked for, end excluded; `None` for whole objects and for what is no read. A range
    /// without end ends at `u64::MAX`, the last `n` bytes are `u64::MAX - n..u64::MAX`.
    pub range: Option<Range<u64>>,
}

impl fmt::Display for LoggedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        match &self.range {
            Some(range) => write!(f, " {}..{}", range.start, range.end),
            None => Ok(()),
        }
    }
}

/// Every request in the order of sending, for tests that compare it with a plan.
#[derive(Debug, Default)]
pub struct RequestLog(Mutex<Vec<LoggedRequest>>);

impl RequestLog {
    /// What was logged since the last call.
    pub fn take(&self) -> Vec<LoggedRequest> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, request: LoggedRequest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
}

/// The decorator.
#[derive(Debug)]
pub(crate) struct Metrics {
    inner: Arc<dyn ObjectStore>,
    counts: Arc<Counts>,
    gauge: Arc<Gauge>,
    log: Option<Arc<RequestLog>>,
}

impl Metrics {
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        counts: Arc<Counts>,
        gauge: Arc<Gauge>,
        log: Option<Arc<RequestLog>>,
    ) -> Self {
        Self { inner, counts, gauge, log }
    }

    fn count(&self, method: Method, path: &Path, range: Option<&GetRange>) {
        count(&self.counts, self.log.as_deref(), method, path, range);
    }

    fn pages(
        &self,
        keys: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let counts = Arc::clone(&self.counts);
        let mut seen = 0_usize;
        keys.inspect(move |_| {
            // the first page was counted when the listing began
            if seen > 0 && seen.is_multiple_of(PAGE) {
                counts.requests(1);
            }
            seen += 1;
        })
        .boxed()
    }
}

fn count(
    counts: &Counts,
    log: Option<&RequestLog>,
    method: Method,
    path: &Path,
    range: Option<&GetRange>,
) {
    counts.requests(1);
    if let Some(log) = log {
        let range = range.map(|range| match range {
            GetRange::Bounded(range) => range.clone(),
            GetRange::Offset(start) => *start..u64::MAX,
            GetRange::Suffix(length) => u64::MAX - length..u64::MAX,
        });
        log.push(LoggedRequest { method, path: path.to_string(), range });
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Metrics {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.count(Method::Put, location, None);
        self.counts.bytes(widen(payload.content_length()));
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.count(Method::Put, location, None);
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(CountedUpload { upload, counts: Arc::clone(&self.counts) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let method = if head { Method::Head } else { Method::Get };
        self.count(method, location, options.range.as_ref());
        let mut arrival = options.range.is_some().then(|| Arrival::sent(&self.gauge));
        let result = self.inner.get_opts(location, options).await?;
        if head {
            return Ok(result);
        }
        let payload = match result.payload {
            GetResultPayload::Stream(stream) => {
                let counts = Arc::clone(&self.counts);
                let length = result.range.end.saturating_sub(result.range.start);
                if let Some(arrival) = &mut arrival {
                    arrival.answered(length);
                }
                GetResultPayload::Stream(
                    stream
                        .inspect(move |chunk| {
                            let Ok(chunk) = chunk else {
                                arrival = None;
                                return;
                            };
                            counts.bytes(widen(chunk.len()));
                            if let Some(arrival) = &mut arrival {
                                arrival.chunk(widen(chunk.len()));
                            }
                        })
                        .boxed(),
                )
            }
            file => {
                self.counts.bytes(result.range.end.saturating_sub(result.range.start));
                file
            }
        };
        Ok(GetResult { payload, ..result })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (counts, log) = (Arc::clone(&self.counts), self.log.clone());
        let counted = locations.inspect(move |location| {
            if let Ok(location) = location {
                count(&counts, log.as_deref(), Method::Delete, location, None);
            }
        });
        self.inner.delete_stream(counted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count(Method::List, prefix.unwrap_or(&Path::ROOT), None);
        self.pages(self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count(Method::List, prefix.unwrap_or(&Path::ROOT), None);
        self.pages(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.count(Method::List, prefix.unwrap_or(&Path::ROOT), None);
        let result = self.inner.list_with_delimiter(prefix).await?;
        let keys = result.objects.len() + result.common_prefixes.len();
        self.counts.requests(keys.saturating_sub(1) / PAGE);
        Ok(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.count(Method::Copy, to, None);
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.count(Method::Copy, to, None);
        self.inner.rename_opts(from, to, options).await
    }
}

/// Counts the parts of a multipart upload.
#[derive(Debug)]
struct CountedUpload {
    upload: Box<dyn MultipartUpload>,
    counts: Arc<Counts>,
}

#[async_trait]
impl MultipartUpload for CountedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.counts.requests(1);
        self.counts.bytes(widen(data.content_length()));
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.counts.requests(1);
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.counts.requests(1);
        self.upload.abort().await
    }
}
