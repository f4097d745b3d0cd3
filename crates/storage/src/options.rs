//! How roots are opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::metrics::RequestLog;
use crate::retry::RetryPolicy;
use crate::{Result, profile};

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
    /// Requests in flight at a time, per root.
    pub max_connections: usize,
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
            max_connections: 16,
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
