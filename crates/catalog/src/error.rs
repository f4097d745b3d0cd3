//! The one error of this crate.

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a catalogue could not be searched at all. A single bad product is no error: it is
/// [`Omitted`](crate::Omitted).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store that holds the catalogue failed.
    #[error("catalogue cannot be read: {0}")]
    Storage(#[from] cubeflight_storage::Error),
    /// The folders of an archive do not end.
    #[error("folders nested deeper than {limit} at {path}; a symbolic link may lead back up")]
    TooDeep {
        /// Where the walk stopped.
        path: String,
        /// Levels allowed.
        limit: usize,
    },
    /// A catalogue of another kind failed.
    #[error("catalogue failed: {source}")]
    Other {
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// Whether the same search may succeed later.
        transient: bool,
    },
}

impl Error {
    /// Every code that [`Self::code`] can give.
    pub const CODES: &[&str] = &["CF-CAT-001", "CF-CAT-002", "CF-CAT-003"];

    /// The error of a catalogue of another kind; transient where a failing store is at its root.
    pub fn other(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let mut transient = false;
        let mut current: Option<&(dyn std::error::Error + 'static)> = Some(&source);
        while let Some(error) = current {
            transient |= error
                .downcast_ref::<cubeflight_storage::Error>()
                .is_some_and(cubeflight_storage::Error::is_transient);
            transient |= error
                .downcast_ref::<object_store::Error>()
                .is_some_and(cubeflight_storage::is_transient);
            current = error.source();
        }
        Self::Other { source: Box::new(source), transient }
    }

    /// Stable code, `CF-CAT-NNN`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Storage(_) => "CF-CAT-001",
            Self::TooDeep { .. } => "CF-CAT-002",
            Self::Other { .. } => "CF-CAT-003",
        }
    }

    /// Whether something is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_not_found())
    }

    /// Whether the same search may well succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_transient(),
            Self::TooDeep { .. } => false,
            Self::Other { transient, .. } => *transient,
        }
    }
}
