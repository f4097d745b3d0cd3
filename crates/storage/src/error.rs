//! The one error of this crate.

use std::sync::Arc;

use object_store::path::Path;

use crate::retry::Exhausted;

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Shared, because all who wait for one read get its error.
type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why a store could not be opened, an href not resolved or an object not read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL of a root is malformed or of a scheme that is not supported.
    #[error("bad store url {url:?}: {reason}; use s3://bucket/prefix, file:///dir or a directory")]
    BadUrl {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The local directory of a root does not exist or is not a directory.
    #[error("{path} is not an existing directory; create it or correct the store url")]
    NoDirectory {
        /// The path as given.
        path: String,
        /// What the file system said.
        #[source]
        source: Option<Arc<std::io::Error>>,
    },
    /// No credentials for a bucket.
    #[error(
        "no credentials for {url}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, \
         or AWS_NO_SIGN_REQUEST=true for a public bucket"
    )]
    MissingCredentials {
        /// The URL of the root.
        url: String,
    },
    /// An href that is not under the root, or not safe to read.
    #[error("href refused: {reason}: {href:?}")]
    Refused {
        /// The href as the catalogue gave it, shortened.
        href: String,
        /// Why it is refused.
        reason: String,
    },
    /// No such object.
    #[error("not found: {path}")]
    NotFound {
        /// Path in the store.
        path: String,
    },
    /// The credentials may not do this, or are wrong.
    #[error("denied: {path}; check the credentials and what they may read")]
    Denied {
        /// Path in the store.
        path: String,
        /// What the store said.
        #[source]
        source: Source,
    },
    /// The store failed for a passing reason (408, 429, 5xx, timeout, reset, short body), and went
    /// on failing for as long as the retry policy allows.
    #[error("unavailable after {attempts} attempts: {path}: {source}")]
    Unavailable {
        /// Path in the store.
        path: String,
        /// Requests sent, the first included.
        attempts: u32,
        /// The last failure.
        source: Source,
    },
    /// The object ends before the range that was asked for: it is not the object that was planned.
    #[error("object ends early: {path} has {got} of the {wanted} bytes from {offset} on")]
    EndsEarly {
        /// Path in the store.
        path: String,
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes there are.
        got: u64,
    },
    /// An object that was to be created is already there.
    #[error("already exists: {path}")]
    AlreadyExists {
        /// Path in the store.
        path: String,
    },
    /// The object is no longer the version that was asked for.
    #[error("object changed: {path} is no longer the version that was asked for")]
    Changed {
        /// Path in the store.
        path: String,
    },
    /// An object is larger than its reader allows.
    #[error("object too large: {path} has more than the {limit} bytes allowed here")]
    TooLarge {
        /// Path in the store.
        path: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// An option, or a shared credentials file, cannot be used.
    #[error("bad storage option: {reason}")]
    BadOption {
        /// Which one and why.
        reason: String,
    },
    /// A web service answered with a status that says that the same request will fail again.
    #[error("{url} answered {status}{}", if text.is_empty() { String::new() } else { format!(": {text}") })]
    Answered {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// What the body begins with, or where the answer leads.
        text: String,
    },
    /// The cache on disk cannot be used.
    #[error(
        "cache folder {path} cannot be used: {reason}; give a folder that this process may write \
         and no other process uses, with room for the cache"
    )]
    CacheFolder {
        /// The folder as given.
        path: String,
        /// What was tried and what the file system said.
        reason: String,
    },
    /// Any other failure of the store.
    #[error("store failed: {path}: {source}")]
    Store {
        /// Path in the store, empty when unknown.
        path: String,
        /// What the store said.
        source: Source,
    },
}

impl Error {
    /// Every code that [`Self::code`] can give.
    pub const CODES: &[&str] = &[
        "CF-STO-001",
        "CF-STO-002",
        "CF-STO-003",
        "CF-STO-004",
        "CF-STO-005",
        "CF-STO-006",
        "CF-STO-007",
        "CF-STO-008",
        "CF-STO-009",
        "CF-STO-010",
        "CF-STO-011",
        "CF-STO-012",
        "CF-STO-013",
        "CF-STO-014",
        "CF-STO-015",
    ];

    /// Stable code, `CF-STO-NNN`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadUrl { .. } => "CF-STO-001",
            Self::NoDirectory { .. } => "CF-STO-002",
            Self::MissingCredentials { .. } => "CF-STO-003",
            Self::Refused { .. } => "CF-STO-004",
            Self::NotFound { .. } => "CF-STO-005",
            Self::Denied { .. } => "CF-STO-006",
            Self::Unavailable { .. } => "CF-STO-007",
            Self::EndsEarly { .. } => "CF-STO-008",
            Self::AlreadyExists { .. } => "CF-STO-009",
            Self::Changed { .. } => "CF-STO-010",
            Self::TooLarge { .. } => "CF-STO-011",
            Self::BadOption { .. } => "CF-STO-012",
            Self::Store { .. } => "CF-STO-013",
            Self::Answered { .. } => "CF-STO-014",
            Self::CacheFolder { .. } => "CF-STO-015",
        }
    }

    /// Whether the same request may well succeed later.
    ///
    /// True for an unavailable store and for refused credentials (which an operator repairs): under
    /// neither may pixels be replaced by fill.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Denied { .. })
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// The error of an operation on `path`.
    pub fn from_store(path: &Path, error: object_store::Error) -> Self {
        Self::convert(path.to_string(), error)
    }

    pub(crate) fn convert(path: String, error: object_store::Error) -> Self {
        use object_store::Error as Store;
        let named = |inner: &str| if path.is_empty() { inner.to_owned() } else { path.clone() };
        match error {
            Store::NotFound { path: inner, .. } => Self::NotFound { path: named(&inner) },
            Store::AlreadyExists { path: inner, .. } => Self::AlreadyExists { path: named(&inner) },
            Store::Precondition { path: inner, .. } | Store::NotModified { path: inner, .. } => {
                Self::Changed { path: named(&inner) }
            }
            Store::PermissionDenied { path: inner, source }
            | Store::Unauthenticated { path: inner, source } => {
                Self::Denied { path: named(&inner), source: source.into() }
            }
            Store::Generic { store, source } => match source.downcast::<Exhausted>() {
                Ok(exhausted) => {
                    let Exhausted { attempts, source } = *exhausted;
                    Self::Unavailable { path, attempts, source: Arc::new(source) }
                }
                Err(source) => {
                    let error = Store::Generic { store, source };
                    match crate::is_transient(&error) {
                        true => Self::Unavailable { path, attempts: 1, source: Arc::new(error) },
                        false => Self::Store { path, source: Arc::new(error) },
                    }
                }
            },
            error => Self::Store { path, source: Arc::new(error) },
        }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::convert(String::new(), error)
    }
}
