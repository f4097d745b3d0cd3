//! Errors of this crate.

/// Something went wrong with the index or a file to be indexed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An index file that is not a table of records.
    #[error("index file {path} is unreadable: {reason}; remove it and index again")]
    BadFile {
        /// Path in the index store.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of the peer's format that is not one.
    #[error(
        "peer index is unreadable: {reason}; expected columns product_id, band_id, path, index"
    )]
    BadPeerFile {
        /// What is wrong.
        reason: String,
    },
    /// Writing a table failed; a fault of cubeflight.
    #[error("index table cannot be written: {reason}")]
    Write {
        /// What the writer said.
        reason: String,
    },
    /// A background task ended early.
    #[error("index task ended early: {reason}")]
    Task {
        /// Why.
        reason: String,
    },
    /// An index of an owner without a name.
    #[error("the owner of an index has no name; give one")]
    NoOwner,
    /// Another reader of the same file met this.
    #[error(transparent)]
    Shared(std::sync::Arc<Self>),
    /// A name of a list that is neither an image nor a product.
    #[error("{text:?} names neither a JP2 image of a product nor a .SAFE folder")]
    NotAnImage {
        /// The name, shortened.
        text: String,
    },
    /// A product that cannot be indexed as a whole.
    #[error("product {id} cannot be indexed: {reason}")]
    Product {
        /// The product, or the name of what stands for it.
        id: String,
        /// Why.
        reason: String,
    },
    /// What names the files to index failed.
    #[error("{reason}")]
    Source {
        /// Its stable code.
        code: &'static str,
        /// What it said.
        reason: String,
        /// Whether trying again later may help.
        transient: bool,
    },
    /// Folders within folders without end.
    #[error("{path} lies more than {limit} folders deep; is there a link that leads back up?")]
    TooDeep {
        /// The folder.
        path: String,
        /// Levels that are looked into.
        limit: usize,
    },
    /// The object store failed.
    #[error(transparent)]
    Storage(#[from] cubeflight_storage::Error),
    /// The file is no JP2 that can be indexed.
    #[error(transparent)]
    Jp2(#[from] cubeflight_jp2::Error),
    /// The record contradicts itself.
    #[error(transparent)]
    Tlm(#[from] cubeflight_tlm::Error),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Every code that [`Self::code`] can give for this crate's own errors.
    pub const CODES: &[&str] = &[
        "CF-IDX-001",
        "CF-IDX-002",
        "CF-IDX-003",
        "CF-IDX-004",
        "CF-IDX-005",
        "CF-IDX-020",
        "CF-IDX-021",
        "CF-IDX-022",
    ];

    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadFile { .. } => "CF-IDX-001",
            Self::BadPeerFile { .. } => "CF-IDX-002",
            Self::Write { .. } => "CF-IDX-003",
            Self::Task { .. } => "CF-IDX-004",
            Self::NoOwner => "CF-IDX-005",
            Self::Shared(error) => error.code(),
            Self::NotAnImage { .. } => "CF-IDX-020",
            Self::Product { .. } => "CF-IDX-021",
            Self::TooDeep { .. } => "CF-IDX-022",
            Self::Source { code, .. } => code,
            Self::Storage(error) => error.code(),
            Self::Jp2(error) => error.code(),
            Self::Tlm(error) => error.code(),
        }
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_transient(),
            Self::Shared(error) => error.is_transient(),
            Self::Source { transient, .. } => *transient,
            _ => false,
        }
    }

    /// Whether an index file went away while it was read.
    pub(crate) fn is_vanished(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_not_found(),
            Self::Shared(error) => error.is_vanished(),
            _ => false,
        }
    }

    /// The error that several waited for; its only holder gets it as it is.
    pub(crate) fn shared(self: std::sync::Arc<Self>) -> Self {
        std::sync::Arc::try_unwrap(self).unwrap_or_else(Self::Shared)
    }
}
