//! One request and its response, from admission to the last byte.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use chrono::{DateTime, Utc};
use http::request::Parts;

use super::fault::Fault;
use super::log::{Log, Logged, parse_range};
use super::pace::{Line, lock};

/// What is known of a request; logged when it ends.
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    range: Option<std::ops::Range<u64>>,
    time: DateTime<Utc>,
    started: Instant,
    /// The request is complete and admitted: latency counts from here.
    ready: Mutex<Instant>,
    /// What its bytes pass.
    pub(crate) lines: Vec<Arc<Line>>,
    pub(crate) credential: OnceLock<String>,
    pub(crate) operation: OnceLock<String>,
    pub(crate) fault: OnceLock<Fault>,
    status: AtomicU16,
    sent: AtomicU64,
    received: AtomicU64,
    /// Held until the response is out.
    permits: Mutex<Vec<Box<dyn Send>>>,
    log: Mutex<Option<Arc<Log>>>,
}

impl Exchange {
    pub(crate) fn new(head: &Parts, log: Arc<Log>, lines: Vec<Arc<Line>>) -> Self {
        let (bucket, key) = target(head);
        let range = head.headers.get(http::header::RANGE);
        let now = Instant::now();
        Self {
            method: head.method.to_string(),
            bucket,
            key,
            range: range.and_then(|range| range.to_str().ok()).and_then(parse_range),
            time: Utc::now(),
            started: now,
            ready: Mutex::new(now),
            lines,
            credential: OnceLock::new(),
            operation: OnceLock::new(),
            fault: OnceLock::new(),
            status: AtomicU16::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            permits: Mutex::default(),
            log: Mutex::new(Some(log)),
        }
    }

    /// Latency counts from now on.
    pub(crate) fn ready_now(&self) {
        *lock(&self.ready) = Instant::now();
    }

    pub(crate) fn ready(&self) -> Instant {
        *lock(&self.ready)
    }

    /// Keeps something until the response is out.
    pub(crate) fn hold(&self, permit: impl Send + 'static) {
        lock(&self.permits).push(Box::new(permit));
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    /// When `bytes` have passed the lines, put there at `from`.
    pub(crate) fn reserve(&self, bytes: usize, from: Instant) -> Instant {
        self.lines.iter().map(|line| line.reserve(bytes, from)).max().unwrap_or(from)
    }

    /// The response is out, or will never be: the log has it, the next request may come. Called
    /// before the client can see the last byte, so that its next request finds both done.
    pub(crate) fn finish(&self) {
        let Some(log) = lock(&self.log).take() else { return };
        lock(&self.permits).clear();
        log.write(Logged {
            time: self.time,
            credential: self.credential.get().cloned(),
            method: self.method.clone(),
            operation: self.operation.get().cloned(),
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            range: self.range.clone(),
            status: Some(self.status.load(Ordering::Relaxed)).filter(|status| *status > 0),
            bytes: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            milliseconds: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            fault: self.fault.get().map(|fault| fault.name()),
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Bucket and key (prefix of a listing) for the log and the faults; s3s parses them for itself.
fn target(head: &Parts) -> (String, String) {
    let path = decode(head.uri.path());
    let (bucket, key) =
        path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    if !key.is_empty() {
        return (bucket.to_owned(), key.to_owned());
    }
    let query = head.uri.query().unwrap_or_default();
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
    (bucket.to_owned(), decode(&prefix.unwrap_or_default().replace('+', " ")))
}

/// Percent-decoding (RFC 3986, 2.1), losing what is not UTF-8.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> (String, String) {
        target(&http::Request::builder().uri(uri).body(()).unwrap().into_parts().0)
    }

    #[test]
    fn bucket_and_key_are_decoded() {
        for (uri, bucket, key) in [
            ("/", "", ""),
            ("/bucket", "bucket", ""),
            ("/bucket/a/b%20c", "bucket", "a/b c"),
            ("/bucket/a%2Fb%c3%a9%", "bucket", "a/bé%"),
            ("/bucket?list-type=2&prefix=a%2Fb+c", "bucket", "a/b c"),
            ("/bucket/?prefix=x", "bucket", "x"),
        ] {
            assert_eq!(of(uri), (bucket.to_owned(), key.to_owned()), "{uri}");
        }
    }
}
