//! The one error of this crate.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a part of the testkit cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A directory to serve is not there.
    #[error("cannot serve {path}: {source}; name an existing directory whose directories are the buckets", path = .path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; take another port, or 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The request log cannot be written.
    #[error("cannot write the request log {path}: {source}", path = .path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The text of an option is not understood.
    #[error("{what} {text:?}: {reason}")]
    Option {
        /// Which option.
        what: &'static str,
        /// The part that is not understood.
        text: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A file of the archive cannot be written or read.
    #[error("cannot write {path}: {source}; name a directory that can be written to and has room", path = .path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// An image of the archive cannot be encoded.
    #[error("an image cannot be encoded: {0}")]
    Jp2(#[from] cubeflight_jp2::Error),
    /// Items cannot be served.
    #[error("cannot serve the items of {path}: {reason}", path = .path.display())]
    Items {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Every code that [`Self::code`] can give.
    pub const CODES: &[&str] = &[
        "CF-TST-001",
        "CF-TST-002",
        "CF-TST-003",
        "CF-TST-004",
        "CF-TST-005",
        "CF-TST-006",
        "CF-TST-007",
    ];

    /// Stable code, `CF-TST-<NNN>`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Root { .. } => "CF-TST-001",
            Self::Listen { .. } => "CF-TST-002",
            Self::Log { .. } => "CF-TST-003",
            Self::Option { .. } => "CF-TST-004",
            Self::Archive { .. } => "CF-TST-005",
            Self::Jp2(_) => "CF-TST-006",
            Self::Items { .. } => "CF-TST-007",
        }
    }

    pub(crate) fn archive(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Archive { path: path.to_owned(), source }
    }

    pub(crate) fn option(what: &'static str, text: &str, reason: impl Into<String>) -> Self {
        Self::Option { what, text: text.to_owned(), reason: reason.into() }
    }
}
