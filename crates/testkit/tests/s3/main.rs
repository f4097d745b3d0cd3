//! The S3 server, seen from its clients: the store that cubeflight reads through, and a plain
//! socket where that hides too much.
// in an integration test, helpers are no tests to clippy
#![allow(clippy::panic, clippy::unwrap_used)]

mod contract;
mod faults;
mod profile;
mod raw;

use std::sync::Arc;
use std::time::Duration;

use cubeflight_storage::{Credentials, Options, RequestLog, RetryPolicy, Root};
use cubeflight_testkit::s3::{Config, Server};
use tempfile::TempDir;

const BUCKET: &str = "eodata";

/// Bytes that differ from place to place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]).collect()
}

/// A root with one empty bucket.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join(BUCKET)).unwrap();
    root
}

fn write(root: &TempDir, key: &str, bytes: &[u8]) {
    let path = root.path().join(BUCKET).join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

async fn start(root: &TempDir, change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::new(root.path());
    change(&mut config);
    Server::start(config).await.unwrap()
}

/// A client without retries.
fn plain(server: &Server) -> Options {
    let (key, secret) = Config::KEY;
    Options {
        endpoint: Some(server.endpoint()),
        credentials: Some(Credentials::keys(key, secret)),
        max_connections: 64,
        retry: RetryPolicy::off(),
        request_log: Some(Arc::new(RequestLog::default())),
        ..Options::default()
    }
}

/// A client whose pauses are too short to notice.
fn patient(server: &Server) -> Options {
    let retry = RetryPolicy {
        max_retries: 20,
        initial_backoff: Duration::from_millis(2),
        max_backoff: Duration::from_millis(10),
        deadline: Duration::from_secs(30),
        ..RetryPolicy::default()
    };
    Options { retry, ..plain(server) }
}

fn open(options: &Options) -> Root {
    Root::open(&format!("s3://{BUCKET}"), options).unwrap()
}
