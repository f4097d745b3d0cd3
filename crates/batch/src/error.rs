//! Errors of this crate.

/// A row that does not fit its schema; always a fault of cubeflight.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Arrow refused an array, a batch or a message.
    #[error("arrow: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// Column buffers that do not match the layout.
    #[error("{path} has a buffer of {found} bytes, its row-block has {expected}")]
    BufferSize {
        /// EOPF path.
        path: String,
        /// Bytes found.
        found: usize,
        /// Bytes of the row-block.
        expected: u64,
    },
    /// A tensor that Arrow cannot describe.
    #[error("{path} has {elements} elements in a row-block, Arrow counts them in 31 bits")]
    TooLarge {
        /// EOPF path.
        path: String,
        /// Elements.
        elements: u64,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Every code that [`Self::code`] can give.
    pub const CODES: &[&str] = &["CF-BAT-001", "CF-BAT-002", "CF-BAT-003"];

    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Arrow(_) => "CF-BAT-001",
            Self::BufferSize { .. } => "CF-BAT-002",
            Self::TooLarge { .. } => "CF-BAT-003",
        }
    }
}
