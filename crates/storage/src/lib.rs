//! Object stores: the only place that builds them.
//!
//! A [`Root`] is one configured location (a bucket with a prefix, or a local directory). Its
//! store is decorated, from the outside in, by
//!
//! 1. retry: the only retries there are, the provider's own being off ([`RetryPolicy`]);
//! 2. limit: connections and requests a minute of the credential ([`Limits`], shared by all roots
//!    that use it); every attempt counts, none is held during a backoff;
//! 3. metrics: every attempt counted ([`Counters`]), reads of ranges measured ([`Speed`]), and on
//!    request all logged ([`RequestLog`]).
//!
//! A [`RangeCache`] keeps byte ranges of files in memory and on disk.
//!
//! A [`Web`] is a service of JSON over HTTP, a catalogue for one, under the same limits and retries.
//!
//! Hrefs of catalogues are untrusted: [`Root::resolve`] turns one into a path only if it lies
//! under the root or one of its aliases.
//!
//! `ObjectStore::get_ranges` merges neighbouring ranges behind the caller's back and is not for
//! planned reads: use one [`Root::get_range`] per planned range.
#![forbid(unsafe_code)]

mod cache;
mod connector;
mod error;
mod limit;
mod location;
mod metrics;
mod options;
mod profile;
mod retry;
mod root;
mod speed;
#[cfg(test)]
mod tests;
mod web;

pub use cache::{CacheStats, CacheTally, Origin, RangeCache, RangeCacheOptions};
pub use error::{Error, Result};
pub use limit::Limits;
pub use metrics::{Counters, LoggedRequest, Method, RequestLog};
pub use object_store::path::Path;
pub use object_store::{ObjectMeta, ObjectStore};
pub use options::{Credentials, Options, StoreProfile};
pub use retry::{RetryPolicy, is_transient};
pub use root::{Root, open_file};
pub use speed::Speed;
pub use web::{Web, WebRequest};
