//! How roots are opened.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::limit::Limits;
use crate::metrics::RequestLog;
use crate::retry::RetryPolicy;
use crate::{Error, Result, profile};

/// How roots are opened. The default reads nothing from the environment.
#[derive(Debug, Clone)]
pub struct Options {
    /// URL of an S3 service other than AWS, `https://eodata.dataspace.copernicus.eu`. Buckets are
    /// then addressed by path. `http://` is allowed where this URL says so.
    pub endpoint: Option<String>,
    /// Region; `us-east-1` when absent, which services other than AWS accept.
    pub region: Option<String>,
    /// Whose account; a bucket cannot be opened without.
    pub credentials: Option<Credentials>,
    /// Whether the account pays for its requests, as some public buckets want.
    pub requester_pays: bool,
    /// Requests in flight at a time.
    pub max_connections: usize,
    /// Requests a minute, repeats and pages of listings included; `None` is no limit. Local
    /// directories have none.
    pub requests_per_minute: Option<u32>,
    /// Requests at once, before the rate holds; of no meaning without a rate.
    pub burst: u32,
    /// Limits that are shared with other roots, in place of the three above; see
    /// [`Options::share_limits`]. Local directories take no part.
    pub limits: Option<Limits>,
    /// When a failed request is sent again.
    pub retry: RetryPolicy,
    /// From sending one request to the last byte of its body.
    pub request_timeout: Duration,
    /// Establishing a connection.
    pub connect_timeout: Duration,
    /// Other names of the same objects, as catalogues write them: `s3://eodata` for a local mirror
    /// of that bucket, or `s3://eodata=eodata` when the mirror has it in a directory of that name
    /// below the root.
    pub aliases: Vec<String>,
    /// Where every request is recorded, for tests.
    pub request_log: Option<Arc<RequestLog>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            credentials: None,
            requester_pays: false,
            max_connections: 16,
            requests_per_minute: None,
            burst: 1,
            limits: None,
            retry: RetryPolicy::default(),
            request_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            aliases: Vec::new(),
            request_log: None,
        }
    }
}

impl Options {
    /// The default, with endpoint, region and credentials from the usual `AWS_*` variables, or
    /// from the shared files' profile (`AWS_PROFILE`) where the variables hold no keys.
    ///
    /// Fails when a named profile does not exist or holds half a key pair.
    pub fn from_env() -> Result<Self> {
        profile::from_variables(|name| std::env::var(name).ok())
    }

    /// Makes all roots that are opened with these options, or with clones of them, share one set
    /// of limits, as one credential has one.
    ///
    /// # Errors
    /// A limit of 0.
    pub fn share_limits(&mut self) -> Result<()> {
        self.limits = Some(self.new_limits()?);
        Ok(())
    }

    /// Limits of their own.
    pub(crate) fn new_limits(&self) -> Result<Limits> {
        Limits::new(self.max_connections, self.requests_per_minute, self.burst)
    }
}

/// An account of an S3 service.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A key pair.
    Keys {
        /// Access key id.
        access_key_id: String,
        /// Secret access key.
        secret_access_key: String,
        /// Session token of temporary keys.
        session_token: Option<String>,
    },
    /// None: requests are not signed (public buckets).
    Anonymous,
    /// From what surrounds the process: web identity, container or instance role.
    Ambient,
}

impl Credentials {
    /// A key pair without session token.
    pub fn keys(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self::Keys {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
        }
    }
}

impl fmt::Debug for Credentials {
    /// Never shows a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { access_key_id, .. } => {
                f.debug_struct("Keys").field("access_key_id", access_key_id).finish_non_exhaustive()
            }
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Ambient => f.write_str("Ambient"),
        }
    }
}

/// What is known of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StoreProfile {
    /// Nothing: the defaults of [`Options`].
    #[default]
    None,
    /// The Copernicus Data Space Ecosystem, general users: 4 connections and 2,000 requests a
    /// minute with a burst of 200 for each credential; 403 means load.
    Cdse,
}

impl StoreProfile {
    /// Sets what the profile knows.
    pub fn apply(self, options: &mut Options) {
        match self {
            Self::None => (),
            Self::Cdse => {
                options.max_connections = 4;
                options.requests_per_minute = Some(2_000);
                options.burst = 200;
                options.retry.retry_forbidden = true;
            }
        }
    }
}

impl FromStr for StoreProfile {
    type Err = Error;

    /// `none` or `cdse`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Self::None),
            "cdse" => Ok(Self::Cdse),
            _ => {
                let reason = format!("store profile {text:?} is neither none nor cdse");
                Err(Error::BadOption { reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_by_name() {
        let mut options = Options::default();
        "none".parse::<StoreProfile>().unwrap().apply(&mut options);
        assert_eq!((options.max_connections, options.requests_per_minute), (16, None));
        "cdse".parse::<StoreProfile>().unwrap().apply(&mut options);
        assert_eq!((options.max_connections, options.requests_per_minute), (4, Some(2_000)));
        assert_eq!((options.burst, options.retry.retry_forbidden), (200, true));
        options.share_limits().unwrap();
        assert_eq!(options.limits.unwrap().max_connections(), 4);
        assert_eq!("CDSE".parse::<StoreProfile>().unwrap_err().code(), "CF-STO-012");
    }
}
