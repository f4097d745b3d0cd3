//! The operations of S3 over a directory.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use s3s::dto::{
    Bucket, CommonPrefix, DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, EncodingType,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
    HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object as ListedObject, PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp,
};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, StdError};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;

use super::directory::{Condition, Directory, Fail, Object, etag};
use super::exchange::Exchange;
use super::fault::Fault;
use super::listing::{self, After, Query};
use super::pace::catch_up;

/// Bytes read from a file at once: a JP2 tile of a 10 m band.
const CHUNK: usize = 1024 * 1024;
/// Nothing is known of what an object holds.
const CONTENT_TYPE: &str = "application/octet-stream";
/// Keys on a page of a listing (ListObjectsV2, max-keys).
const PAGE: i32 = 1_000;

/// The operations.
pub(crate) struct Backend(Arc<Directory>);

impl Backend {
    pub(crate) fn new(directory: Directory) -> Self {
        Self(Arc::new(directory))
    }

    /// An object that meets the conditions. It and the first [`CHUNK`] are read where the request
    /// is answered: from the page cache, mostly, where to ask another thread would cost more than
    /// to read.
    fn open(
        &self,
        bucket: &str,
        key: &str,
        stale: bool,
        conditions: &Conditions,
    ) -> S3Result<Object> {
        let object = self.0.read(bucket, key, stale)?;
        conditions.check(&object)?;
        Ok(object)
    }

    /// Runs what blocks for longer.
    async fn run<T, F>(&self, work: F) -> S3Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Directory) -> S3Result<T> + Send + 'static,
    {
        let directory = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&directory))
            .await
            .map_err(S3Error::internal_error)?
    }
}

impl From<Fail> for S3Error {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::NoBucket => S3ErrorCode::NoSuchBucket.into(),
            Fail::NoKey => S3ErrorCode::NoSuchKey.into(),
            Fail::BadKey => Self::with_message(
                S3ErrorCode::InvalidArgument,
                "no object can have this key here: it holds an empty segment, '.' or '..', ends \
                 in '/', or it or a part of it is a folder or an object already",
            ),
            Fail::Condition => S3ErrorCode::PreconditionFailed.into(),
            Fail::Io(error) => Self::internal_error(error),
        }
    }
}

fn exchange<T>(request: &S3Request<T>) -> Option<Arc<Exchange>> {
    request.extensions.get::<Arc<Exchange>>().cloned()
}

fn is_stale<T>(request: &S3Request<T>) -> bool {
    exchange(request).is_some_and(|exchange| exchange.fault.get() == Some(&Fault::Stale))
}

/// RFC 9110, 13.2.2: If-Match before If-None-Match; the dates count where these are absent.
struct Conditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_unmodified_since: Option<Timestamp>,
    if_modified_since: Option<Timestamp>,
}

impl Conditions {
    fn check(&self, object: &Object) -> S3Result<()> {
        let etag = ETag::Strong(object.etag());
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(wanted) => wanted.value() == etag.value(),
        };
        // HTTP dates have whole seconds
        let since_epoch = object.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified = Timestamp::from(UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs()));
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) if !is(condition) => {
                return Err(S3ErrorCode::PreconditionFailed.into());
            }
            (None, Some(since)) if modified > *since => {
                return Err(S3ErrorCode::PreconditionFailed.into());
            }
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) if is(condition) => Err(S3ErrorCode::NotModified.into()),
            (None, Some(since)) if modified <= *since => Err(S3ErrorCode::NotModified.into()),
            _ => Ok(()),
        }
    }
}

/// The rest of an object's range, read chunk by chunk.
struct FileBody {
    object: Object,
    /// Read together with the opening.
    first: Option<Bytes>,
    offset: u64,
    left: u64,
    reading: Option<JoinHandle<std::io::Result<Bytes>>>,
}

impl FileBody {
    fn read_next(&self) -> JoinHandle<std::io::Result<Bytes>> {
        let (object, offset, length) = (self.object.clone(), self.offset, chunk(self.left));
        tokio::task::spawn_blocking(move || object.read(offset, length))
    }

    fn advance(&mut self, bytes: &Bytes) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.offset = self.offset.saturating_add(length);
        self.left = self.left.saturating_sub(length);
    }
}

/// Bytes of the next read, of those `left`.
fn chunk(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK)
}

impl Stream for FileBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            self.advance(&first);
            return Poll::Ready(Some(Ok(first)));
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut reading = self.reading.take().unwrap_or_else(|| self.read_next());
        match Pin::new(&mut reading).poll(cx) {
            Poll::Pending => {
                self.reading = Some(reading);
                Poll::Pending
            }
            Poll::Ready(Ok(Ok(bytes))) => {
                self.advance(&bytes);
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(Ok(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error.into()))),
        }
    }
}

impl ByteStream for FileBody {
    fn remaining_length(&self) -> RemainingLength {
        match usize::try_from(self.left) {
            Ok(left) => RemainingLength::new_exact(left),
            Err(_) => RemainingLength::unknown(),
        }
    }
}

fn length(size: u64) -> Option<i64> {
    i64::try_from(size).ok()
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let stale = is_stale(&request);
        let input = request.input;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_unmodified_since: input.if_unmodified_since,
            if_modified_since: input.if_modified_since,
        };
        let object = self.open(&input.bucket, &input.key, stale, &conditions)?;
        let span = match input.range {
            None => None,
            Some(range) => match range.check(object.size)? {
                span if span.is_empty() => return Err(S3ErrorCode::InvalidRange.into()),
                span => Some(span),
            },
        };
        let whole = span.clone().unwrap_or(0..object.size);
        let first = object.read(whole.start, chunk(whole.end - whole.start)).map_err(Fail::Io)?;
        let size = object.size;
        let content_range =
            span.as_ref().map(|span| format!("bytes {}-{}/{size}", span.start, span.end - 1));
        let span = span.unwrap_or(0..size);
        let left = span.end - span.start;
        let (e_tag, last_modified) = (ETag::Strong(object.etag()), object.modified.into());
        let body = match chunk(left) == first.len() && usize::try_from(left) == Ok(first.len()) {
            true => s3s::Body::from(first).into(),
            false => StreamingBlob::new(FileBody {
                object,
                first: Some(first),
                offset: span.start,
                left,
                reading: None,
            }),
        };
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(body),
            content_length: length(left),
            content_range,
            content_type: Some(CONTENT_TYPE.to_owned()),
            e_tag: Some(e_tag),
            last_modified: Some(last_modified),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let stale = is_stale(&request);
        let input = request.input;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_unmodified_since: input.if_unmodified_since,
            if_modified_since: input.if_modified_since,
        };
        let object = self.open(&input.bucket, &input.key, stale, &conditions)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: length(object.size),
            content_type: Some(CONTENT_TYPE.to_owned()),
            e_tag: Some(ETag::Strong(object.etag())),
            last_modified: Some(object.modified.into()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let exchange = exchange(&request);
        let input = request.input;
        let condition = match (&input.if_none_match, &input.if_match) {
            (None, None) => Condition::Always,
            (Some(ETagCondition::Any), None) => Condition::Absent,
            (None, Some(ETagCondition::ETag(etag))) => Condition::Etag(etag.value().to_owned()),
            _ => {
                return Err(S3Error::with_message(
                    S3ErrorCode::NotImplemented,
                    "a write may have If-None-Match: *, or If-Match with an ETag",
                ));
            }
        };
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let begun = self.run(move |directory| Ok(directory.begin(&bucket, &key)?)).await?;
        let (file, upload) = begun;
        let mut file = tokio::fs::File::from_std(file);
        let mut received = 0_u64;
        let mut due = Instant::now();
        let mut body = input.body;
        while let Some(body) = &mut body
            && let Some(bytes) = body.next().await
        {
            let bytes =
                bytes.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?;
            received = received.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
            if let Some(exchange) = &exchange {
                exchange.count_received(bytes.len());
                due = exchange.reserve(bytes.len(), catch_up(due, Instant::now()));
                tokio::time::sleep_until(due.into()).await;
            }
            file.write_all(&bytes).await.map_err(S3Error::internal_error)?;
        }
        file.flush().await.map_err(S3Error::internal_error)?;
        if input.content_length.is_some_and(|length| u64::try_from(length) != Ok(received)) {
            return Err(S3ErrorCode::IncompleteBody.into());
        }
        let object = self
            .run(move |directory| {
                Ok(directory.commit((&input.bucket, &input.key), &upload, &condition)?)
            })
            .await?;
        if let Some(exchange) = &exchange {
            exchange.ready_now();
        }
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag())),
            ..PutObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.run(move |directory| Ok(directory.delete(&input.bucket, &input.key)?)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let max_keys = input.max_keys.unwrap_or(PAGE).clamp(0, PAGE);
        let after = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Some(After::from_token(token).ok_or_else(|| {
                S3Error::with_message(S3ErrorCode::InvalidArgument, "not a continuation token")
            })?),
            (None, Some(key)) => Some(After::Key(key.clone())),
            (None, None) => None,
        };
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after,
            limit: usize::try_from(max_keys).unwrap_or(0),
        };
        let bucket = input.bucket.clone();
        let page = self
            .run(move |directory| {
                let bucket = directory.bucket(&bucket)?;
                Ok(listing::list(&bucket, &query).map_err(Fail::Io)?)
            })
            .await?;
        let url = input.encoding_type.as_ref().is_some_and(|it| it.as_str() == EncodingType::URL);
        let text = |text: String| if url { escape(&text) } else { text };
        let count = page.objects.len() + page.groups.len();
        let objects = page.objects.into_iter().map(|entry| ListedObject {
            e_tag: Some(ETag::Strong(etag(entry.size, entry.modified))),
            key: Some(text(entry.key)),
            last_modified: Some(entry.modified.into()),
            size: length(entry.size),
            ..ListedObject::default()
        });
        let groups =
            page.groups.into_iter().map(|group| CommonPrefix { prefix: Some(text(group)) });
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(objects.collect()),
            common_prefixes: Some(groups.collect()),
            key_count: i32::try_from(count).ok(),
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|after| after.token()),
            continuation_token: input.continuation_token,
            name: Some(input.bucket),
            prefix: input.prefix.map(text),
            delimiter: input.delimiter.map(text),
            start_after: input.start_after.map(text),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let bucket = request.input.bucket;
        self.run(move |directory| Ok(directory.bucket(&bucket)?)).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.run(|directory| Ok(directory.buckets().map_err(Fail::Io)?)).await?;
        let buckets = buckets.into_iter().map(|(name, created)| Bucket {
            name: Some(name),
            creation_date: Some(created.into()),
            ..Bucket::default()
        });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..ListBucketsOutput::default()
        }))
    }
}

/// Percent-encoding of all but unreserved characters and `/` (RFC 3986, 2.3), as `encoding-type=url`
/// asks for.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(byte.into());
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
