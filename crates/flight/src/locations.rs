//! Where tickets may be redeemed: the replicas of a deployment.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, Utc};
use cubeflight_sentinel2::MgrsTile;
use sha2::{Digest, Sha256};

/// Location of who answers: clients go on with the connection that they have.
const REUSE: &str = "arrow-flight-reuse-connection://?";
/// Locations of an endpoint: the first by preference, the others where that one is gone.
const PER_ENDPOINT: usize = 3;
/// How long the addresses of a name are believed.
const DNS_AGE: Duration = Duration::from_secs(10);
/// Longest wait for a name.
const DNS_WAIT: Duration = Duration::from_secs(2);
/// Replicas, at most.
const MAX_REPLICAS: usize = 1_000;

/// The replicas of a deployment, this one included. Clones share what was found out.
#[derive(Debug, Clone, Default)]
pub struct Locations(Option<Arc<Source>>);

#[derive(Debug)]
enum Source {
    Listed(Vec<String>),
    Named(Name),
}

/// A name whose addresses are those of the replicas, as a headless service of Kubernetes has it.
#[derive(Debug)]
struct Name {
    scheme: String,
    host: String,
    found: Mutex<Option<(Instant, Arc<[String]>)>>,
}

/// Why locations cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Not a location of Flight.
    #[error("{text:?} is no location; write grpc://host:port or grpc+tls://host:port")]
    Form {
        /// What was given.
        text: String,
    },
    /// More than are believed.
    #[error("{found} locations are more than {MAX_REPLICAS}")]
    Number {
        /// How many there are.
        found: usize,
    },
}

/// `grpc://host:port`, with `+tls`, `+tcp` or nothing after `grpc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    scheme: String,
    host: String,
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let form = || LocationError::Form { text: text.chars().take(80).collect() };
        let (scheme, host) = text.split_once("://").ok_or_else(form)?;
        let known = ["grpc", "grpc+tcp", "grpc+tls"].contains(&scheme);
        let (name, port) = host.rsplit_once(':').ok_or_else(form)?;
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if !known || name.is_empty() || !plain || port.parse::<u16>().is_err() {
            return Err(form());
        }
        // what Flight itself calls a connection without TLS
        let scheme = if scheme == "grpc" { "grpc+tcp" } else { scheme };
        Ok(Self { scheme: scheme.to_owned(), host: host.to_owned() })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)
    }
}

impl Locations {
    /// A list that does not change.
    ///
    /// # Errors
    /// More than 1,000.
    pub fn listed(locations: &[Location]) -> Result<Self, LocationError> {
        match locations.len() {
            0 => Ok(Self::default()),
            1..=MAX_REPLICAS => {
                let listed = locations.iter().map(ToString::to_string).collect();
                Ok(Self(Some(Arc::new(Source::Listed(listed)))))
            }
            found => Err(LocationError::Number { found }),
        }
    }

    /// All addresses of a name, asked for again every ten seconds.
    #[must_use]
    pub fn named(location: Location) -> Self {
        let Location { scheme, host } = location;
        Self(Some(Arc::new(Source::Named(Name { scheme, host, found: Mutex::default() }))))
    }

    /// The replicas as they are known now; none where this server is alone.
    pub(crate) async fn all(&self) -> Arc<[String]> {
        match self.0.as_deref() {
            None => Arc::default(),
            Some(Source::Listed(listed)) => listed.as_slice().into(),
            Some(Source::Named(name)) => name.resolve().await,
        }
    }
}

impl Name {
    async fn resolve(&self) -> Arc<[String]> {
        let lock = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().clone();
        if let Some((at, found)) = &known
            && at.elapsed() < DNS_AGE
        {
            return Arc::clone(found);
        }
        let looked_up = tokio::time::timeout(DNS_WAIT, tokio::net::lookup_host(&self.host)).await;
        let outcome = looked_up.map_err(|_| "no answer in time".to_owned());
        let outcome = outcome.and_then(|found| found.map_err(|error| error.to_string()));
        let addresses: Vec<SocketAddr> = match outcome {
            Ok(addresses) => addresses.take(MAX_REPLICAS).collect(),
            Err(reason) => {
                tracing::warn!(host = self.host, reason, "the replicas' name is not resolved");
                Vec::new()
            }
        };
        if addresses.is_empty() {
            // those of before may be there still; without any, clients stay where they are
            return known.map(|(_, found)| found).unwrap_or_default();
        }
        let mut found: Vec<String> =
            addresses.iter().map(|address| format!("{}://{address}", self.scheme)).collect();
        found.sort_unstable();
        found.dedup();
        let found: Arc<[String]> = found.into();
        *lock() = Some((Instant::now(), Arc::clone(&found)));
        found
    }
}

/// Where an endpoint is best redeemed: the replicas in the order of a hash of themselves, the tile and
/// the month of the first step (rendezvous hashing). So the same pixels come from the same caches, and
/// when a replica comes or goes only its own endpoints move.
pub(crate) fn preferred(
    replicas: &[String],
    collection: &str,
    tile: MgrsTile,
    first: DateTime<Utc>,
) -> Vec<String> {
    if replicas.is_empty() {
        return vec![REUSE.to_owned()];
    }
    let what = format!("{collection} {tile} {:04}-{:02}", first.year(), first.month());
    let weight = |replica: &&String| Sha256::digest(format!("{replica} {what}"));
    let mut ordered: Vec<&String> = replicas.iter().collect();
    ordered.sort_by_cached_key(|replica| std::cmp::Reverse(weight(replica)));
    ordered.into_iter().take(PER_ENDPOINT).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(month: u32) -> DateTime<Utc> {
        format!("2021-{month:02}-05T10:00:00Z").parse().unwrap()
    }

    fn first(replicas: &[String], at: u32) -> String {
        let tile = "33TVN".parse().unwrap();
        preferred(replicas, "sentinel-2-l2a", tile, month(at)).swap_remove(0)
    }

    #[test]
    fn locations_are_those_of_flight() {
        let text = |text: &str| text.parse::<Location>().map(|location| location.to_string());
        assert_eq!(text("grpc://a:1").unwrap(), "grpc+tcp://a:1");
        assert_eq!(text("grpc+tls://[::1]:443").unwrap(), "grpc+tls://[::1]:443");
        for bad in ["a:1", "http://a:1", "grpc://a", "grpc://:1", "grpc://a:70000", "grpc://a/b:1"]
        {
            assert!(text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_replica_that_goes_moves_its_own_endpoints_only() {
        let all: Vec<String> = (0..5).map(|n| format!("grpc+tcp://replica-{n}:50051")).collect();
        let owners: Vec<String> = (1..=12).map(|at| first(&all, at)).collect();
        let used: std::collections::BTreeSet<&String> = owners.iter().collect();
        assert!(used.len() > 2, "{used:?}");
        let rest: Vec<String> = all.iter().filter(|it| **it != owners[0]).cloned().collect();
        for (at, owner) in (1..=12).zip(&owners) {
            let now = first(&rest, at);
            match *owner == owners[0] {
                true => assert_ne!(now, *owner),
                false => assert_eq!(now, *owner),
            }
        }
    }

    #[test]
    fn who_is_alone_keeps_the_connection() {
        assert_eq!(first(&[], 1), "arrow-flight-reuse-connection://?");
    }
}
