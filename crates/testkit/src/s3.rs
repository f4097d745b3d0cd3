//! An S3 server over a directory, as slow and as rude as the real world when asked to be.
//!
//! The directories below [`Config::root`] are the buckets, the files in them the objects. The
//! protocol (requests, signatures of version 4, XML) is the crate `s3s`; served are GetObject,
//! HeadObject, ListObjectsV2, PutObject, DeleteObject, HeadBucket and ListBuckets, with buckets
//! addressed by path. [`Profile`] limits latency, rates, connections and requests; [`Faults`] lets
//! requests fail on purpose; every request is logged ([`Logged`]).
//!
//! What a client can tell from a real service:
//!
//! - the ETag is made of size and modification time, never of the bytes: reading is cheap, but two
//!   objects with the same bytes have different ETags;
//! - symbolic links below a bucket are as if absent (a bucket itself may be one), and so is what
//!   is neither file nor directory;
//! - a key cannot be both an object and a folder of others (`a` and `a/b`), cannot end in `/`, and
//!   cannot hold empty segments, `.`, `..` or a segment beginning with `.cubeflight-tmp-`;
//! - checksums and metadata that come with an object are not kept.
//!
//! ```
//! # async fn example() -> cubeflight_testkit::Result<()> {
//! use cubeflight_testkit::s3::{Config, Profile, Server};
//!
//! let server = Server::start(Config {
//!     profile: Profile::cdse(),
//!     ..Config::new("archive")
//! })
//! .await?;
//! println!("{}", server.endpoint());
//! // ... read s3://BUCKET/KEY there ...
//! for request in server.requests() {
//!     println!("{request}");
//! }
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

mod access;
mod backend;
mod body;
mod directory;
mod exchange;
mod fault;
mod fault_text;
mod gate;
mod listing;
mod log;
mod pace;
mod profile;
mod server;
mod socket;

pub use fault::{Fault, Faults, Rule};
pub use log::{LOG_CAPACITY, Logged};
pub use profile::{Profile, RequestRate};
pub use server::{Config, Server};
