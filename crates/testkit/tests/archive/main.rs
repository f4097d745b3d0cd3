//! Small archives, read by everything that reads archives.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod catalogues;
mod common;
mod mission;
mod pixels;
mod server;
