//! What every root promises, over a local directory, memory, stores that fail or dawdle on purpose and an
//! HTTP server of a few lines.

mod contract;
mod flaky;
mod http;
mod speed;

use std::sync::Arc;
use std::time::Duration;

use crate::{Options, RequestLog, RetryPolicy};

/// Options whose pauses are too short to notice.
fn quick() -> Options {
    Options {
        retry: RetryPolicy {
            initial_backoff: Duration::from_millis(2),
            max_backoff: Duration::from_millis(10),
            deadline: Duration::from_secs(20),
            ..RetryPolicy::default()
        },
        request_log: Some(Arc::new(RequestLog::default())),
        ..Options::default()
    }
}
