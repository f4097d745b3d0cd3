//! The one error of this crate.

use chrono::{DateTime, Utc};

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
    /// Another search of the same met this.
    #[error(transparent)]
    Shared(std::sync::Arc<Self>),
    /// What answers at a URL is no STAC API with item search.
    #[error(
        "no stac api at {url}: {}; name the root of an api, or for items in files a \
         directory or bucket with them",
        reason.trim_end()
    )]
    NoApi {
        /// URL of the catalogue.
        url: String,
        /// What it is instead.
        reason: String,
    },
    /// The STAC API refused.
    #[error("the catalogue at {url} refused: {}", reason.trim_end())]
    Refused {
        /// What was asked.
        url: String,
        /// Its status, and what it said.
        reason: String,
    },
    /// The STAC API cannot be reached, or failed for as long as retries last.
    #[error("the catalogue is unavailable, try again later: {reason}")]
    Unreachable {
        /// What failed, with the URL.
        reason: String,
    },
    /// The answer of the STAC API is not what its specification says.
    #[error("the answer of the catalogue at {url} is not understood: {reason}")]
    Confused {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// More pages, items or bytes than are believed.
    #[error("the catalogue at {url} answers with more than {limit}; ask for less time at once")]
    TooMuch {
        /// What was asked.
        url: String,
        /// How much is allowed, in words.
        limit: String,
    },
    /// Raw numbers of one time step that do not mean the same.
    #[error(
        "products of the time step {} have different or unknown radiometric offsets, so their raw \
         numbers cannot be mixed: {}; ask for harmonised or reflectance, or pin products",
        time.format("%Y-%m-%dT%H:%M:%SZ"), products.join(", ")
    )]
    MixedOffsets {
        /// Time of the step.
        time: DateTime<Utc>,
        /// Ids of its products.
        products: Vec<String>,
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
    pub const CODES: &[&str] = &[
        "CF-CAT-001",
        "CF-CAT-002",
        "CF-CAT-003",
        "CF-CAT-004",
        "CF-CAT-005",
        "CF-CAT-006",
        "CF-CAT-007",
        "CF-CAT-008",
        "CF-CAT-009",
    ];

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
            Self::Shared(error) => error.code(),
            Self::NoApi { .. } => "CF-CAT-004",
            Self::Refused { .. } => "CF-CAT-005",
            Self::Unreachable { .. } => "CF-CAT-006",
            Self::Confused { .. } => "CF-CAT-007",
            Self::TooMuch { .. } => "CF-CAT-008",
            Self::MixedOffsets { .. } => "CF-CAT-009",
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
            Self::Shared(error) => error.is_transient(),
            Self::Unreachable { .. } => true,
            Self::Other { transient, .. } => *transient,
            Self::TooDeep { .. }
            | Self::NoApi { .. }
            | Self::Refused { .. }
            | Self::Confused { .. }
            | Self::TooMuch { .. }
            | Self::MixedOffsets { .. } => false,
        }
    }

    /// The error that several waited for; its only holder gets it as it is.
    pub(crate) fn shared(self: std::sync::Arc<Self>) -> Self {
        std::sync::Arc::try_unwrap(self).unwrap_or_else(Self::Shared)
    }
}
