//! What was asked and what was sent.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use super::pace::lock;
use crate::{Error, Result};

/// Requests that [`Server::requests`](super::Server::requests) remembers, the newest; the log file
/// has all.
pub const LOG_CAPACITY: usize = 100_000;

/// One request, logged when its response has been handed to its connection or given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Logged {
    /// When it came in.
    #[serde(serialize_with = "rfc3339")]
    pub time: DateTime<Utc>,
    /// The access key whose signature was right; none for anonymous and for refused ones.
    pub credential: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Operation of S3, `GetObject`; none when it was refused before that was known.
    pub operation: Option<String>,
    /// Bucket, decoded; empty where there is none.
    pub bucket: String,
    /// Key, decoded; the prefix of a listing.
    pub key: String,
    /// Bytes asked for, end excluded. A range without end ends at `u64::MAX`, the last `n` bytes
    /// are `u64::MAX - n..u64::MAX`. In JSON as HTTP has it: `10-19`, `10-`, `-20`.
    #[serde(serialize_with = "http_range")]
    pub range: Option<Range<u64>>,
    /// Status of the response; none when the connection ended without one.
    pub status: Option<u16>,
    /// Bytes of the body handed to the connection.
    pub bytes: u64,
    /// Bytes of the body that the client sent.
    pub received: u64,
    /// From the request to the end of its response, milliseconds.
    pub milliseconds: u64,
    /// The fault that hit it.
    pub fault: Option<&'static str>,
}

impl fmt::Display for Logged {
    /// `GET key 10..20`, as the log of `cubeflight-storage` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.operation.as_deref() {
            Some("ListObjectsV2") => "LIST",
            _ => &self.method,
        };
        write!(f, "{verb} {}", self.key)?;
        match &self.range {
            Some(range) => write!(f, " {}..{}", range.start, range.end),
            None => Ok(()),
        }
    }
}

fn rfc3339<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

fn http_range<S: Serializer>(range: &Option<Range<u64>>, to: S) -> Result<S::Ok, S::Error> {
    match range {
        None => to.serialize_none(),
        Some(Range { start, end: u64::MAX }) if *start > u64::MAX / 2 => {
            to.serialize_str(&format!("-{}", u64::MAX - start))
        }
        Some(Range { start, end: u64::MAX }) => to.serialize_str(&format!("{start}-")),
        Some(Range { start, end }) => {
            to.serialize_str(&format!("{start}-{}", end.saturating_sub(1)))
        }
    }
}

/// The `Range` header of a request (RFC 9110, 14.2), as [`Logged::range`] has it.
pub(crate) fn parse_range(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first, last) {
        ("", last) => Some(u64::MAX.checked_sub(last.parse().ok()?)?..u64::MAX),
        (first, "") => Some(first.parse().ok()?..u64::MAX),
        (first, last) => Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?),
    }
}

/// Where requests are logged: in memory, and as JSON lines in a file.
#[derive(Debug, Default)]
pub(crate) struct Log {
    newest: Mutex<VecDeque<Logged>>,
    file: Option<Mutex<File>>,
}

impl Log {
    /// Appends to `path` where one is given.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|source| Error::Log { path, source })?;
        Ok(Self { newest: Mutex::default(), file: Some(Mutex::new(file)) })
    }

    pub(crate) fn write(&self, entry: Logged) {
        if let Some(file) = &self.file
            && let Ok(mut line) = serde_json::to_vec(&entry)
        {
            line.push(b'\n');
            // one write a line, into the page cache: not worth a thread of its own
            if let Err(error) = lock(file).write_all(&line) {
                tracing::warn!(%error, "request not logged");
            }
        }
        let mut newest = lock(&self.newest);
        if newest.len() >= LOG_CAPACITY {
            newest.pop_front();
        }
        newest.push_back(entry);
    }

    pub(crate) fn newest(&self) -> Vec<Logged> {
        lock(&self.newest).iter().cloned().collect()
    }

    pub(crate) fn take(&self) -> Vec<Logged> {
        std::mem::take(&mut *lock(&self.newest)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written_as_http_has_them() {
        for (header, range) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=10-19", Some(10..20)),
            ("bytes=10-", Some(10..u64::MAX)),
            ("bytes=-20", Some(u64::MAX - 20..u64::MAX)),
            ("bytes=1-2,4-5", None),
            ("bytes=0-18446744073709551615", None),
            ("lines=1-2", None),
            ("bytes=-", None),
        ] {
            assert_eq!(parse_range(header), range, "{header}");
            if range.is_some() {
                let mut text = Vec::new();
                http_range(&range, &mut serde_json::Serializer::new(&mut text)).unwrap();
                let text = String::from_utf8(text).unwrap();
                assert_eq!(text.trim_matches('"'), header.trim_start_matches("bytes="));
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let log = Log::default();
        let entry = Logged {
            time: DateTime::UNIX_EPOCH,
            credential: None,
            method: "GET".into(),
            operation: None,
            bucket: String::new(),
            key: String::new(),
            range: None,
            status: None,
            bytes: 0,
            received: 0,
            milliseconds: 0,
            fault: None,
        };
        for bytes in 0..=u64::try_from(LOG_CAPACITY).unwrap() {
            log.write(Logged { bytes, ..entry.clone() });
        }
        let kept = log.newest();
        assert_eq!((kept.len(), kept[0].bytes), (LOG_CAPACITY, 1));
        assert_eq!(log.take().len(), LOG_CAPACITY);
        assert!(log.newest().is_empty());
    }
}
