//! How fast and how patient the server is.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Error, Result};

/// Limits of a server. Rates count the bytes of bodies, 1 MB = 1,000,000 bytes; headers are free.
///
/// A connection is counted by what can be observed of it: a request in flight, from its admission
/// to the last byte of its response. HTTP/1.1 carries one at a time, so that `n` requests in flight
/// are `n` busy connections; idle ones cost nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// From the arrival of a request (of a whole upload) to the first byte of its response.
    pub latency: Duration,
    /// Bytes per second on each TCP connection, in each direction.
    pub connection_rate: Option<u64>,
    /// Bytes per second on all connections together, both directions.
    pub total_rate: Option<u64>,
    /// Requests in flight at a time, of all clients. Further ones wait in line.
    pub connections: Option<usize>,
    /// Requests in flight at a time per credential. Further ones are refused with 403
    /// `AccessDenied`.
    pub credential_connections: Option<usize>,
    /// Requests per time and credential. Further ones are refused with 429 `SlowDown`, without
    /// `Retry-After`. Those that are refused for their number of connections count too.
    pub credential_requests: Option<RequestRate>,
}

/// A token bucket: `burst` requests at once, refilled evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    /// Refill, requests per minute.
    pub per_minute: u32,
    /// Size of the bucket; it begins full.
    pub burst: u32,
}

impl Profile {
    /// No limits.
    #[must_use]
    pub fn local() -> Self {
        Self {
            latency: Duration::ZERO,
            connection_rate: None,
            total_rate: None,
            connections: None,
            credential_connections: None,
            credential_requests: None,
        }
    }

    /// A general user of the Copernicus Data Space Ecosystem: 60 ms, 20 MB/s a connection, and per
    /// credential 4 connections and 2,000 requests a minute with a burst of 200.
    #[must_use]
    pub fn cdse() -> Self {
        Self {
            latency: Duration::from_millis(60),
            connection_rate: Some(20_000_000),
            credential_connections: Some(4),
            credential_requests: Some(RequestRate { per_minute: 2_000, burst: 200 }),
            ..Self::local()
        }
    }

    /// A wide-area link: 80 ms, 8 MB/s in all, 32 connections.
    #[must_use]
    pub fn wan() -> Self {
        Self {
            latency: Duration::from_millis(80),
            total_rate: Some(8_000_000),
            connections: Some(32),
            ..Self::local()
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::local()
    }
}

impl FromStr for Profile {
    type Err = Error;

    /// `local`, `cdse` or `wan`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "local" => Ok(Self::local()),
            "cdse" => Ok(Self::cdse()),
            "wan" => Ok(Self::wan()),
            _ => Err(Error::option("profile", text, "use local, cdse or wan")),
        }
    }
}

impl fmt::Display for Profile {
    /// What it limits, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms to the first byte", self.latency.as_millis())?;
        if let Some(rate) = self.connection_rate {
            write!(f, ", {rate} B/s a connection")?;
        }
        if let Some(rate) = self.total_rate {
            write!(f, ", {rate} B/s in all")?;
        }
        if let Some(number) = self.connections {
            write!(f, ", {number} connections")?;
        }
        if let Some(number) = self.credential_connections {
            write!(f, ", {number} connections a credential")?;
        }
        if let Some(RequestRate { per_minute, burst }) = self.credential_requests {
            write!(f, ", {per_minute} requests a minute and credential (burst {burst})")?;
        }
        Ok(())
    }
}
