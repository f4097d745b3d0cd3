//! Errors of this crate.

use chrono::{DateTime, Utc};
use cubeflight_plan::Fault;
use cubeflight_sentinel2::format_step_time;

/// Times that a text names before it only counts them.
const NAMED_TIMES: usize = 3;

/// A request that could not be resolved, or a cube that could not be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A product of the cube is permanently broken and the request asked to fail then.
    #[error("{}", fault.message)]
    Fault {
        /// EOPF path of the column.
        column: String,
        /// What was wrong.
        fault: Fault,
    },
    /// An upstream failed for longer than retries last.
    #[error("{message}")]
    Unavailable {
        /// EOPF path of the column.
        column: String,
        /// Product.
        product: String,
        /// Stable code of the cause.
        code: &'static str,
        /// What failed.
        message: String,
    },
    /// The reads of the request need more memory at once than the server gives to one stream.
    #[error(
        "{needed} bytes would have to be held at once, this server allows {allowed}; ask for \
         fewer bands or smaller bounds"
    )]
    WorkingSet {
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// A background task ended early.
    #[error("a task ended early: {reason}")]
    Task {
        /// Why.
        reason: String,
    },
    /// The pool of decoders cannot be started.
    #[error("cannot start the decoders: {reason}")]
    Pool {
        /// Why.
        reason: String,
    },
    /// Time steps that the cube does not have.
    #[error("the cube has no time step at {}", some_of(times))]
    UnknownTimes {
        /// Times asked for.
        times: Vec<DateTime<Utc>>,
    },
    /// Bounds could not be brought to the tile's UTM zone.
    #[error(transparent)]
    Crs(#[from] cubeflight_crs::Error),
    /// One of several windows cannot be used.
    #[error("windows[{position}]: {error}")]
    InWindow {
        /// Which one, from 0.
        position: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// A domain word was refused.
    #[error(transparent)]
    Domain(#[from] cubeflight_sentinel2::Error),
    /// The catalogue failed.
    #[error(transparent)]
    Catalog(#[from] cubeflight_catalog::Error),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] cubeflight_index::Error),
    /// There is no layout.
    #[error(transparent)]
    Layout(#[from] cubeflight_plan::LayoutError),
}

fn some_of(times: &[DateTime<Utc>]) -> String {
    let named: Vec<String> = times.iter().take(NAMED_TIMES).map(format_step_time).collect();
    let named = named.join(", ");
    match times.len().saturating_sub(NAMED_TIMES) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Codes of faults that the engine itself finds.
pub(crate) mod fault_code {
    /// The product has no such asset.
    pub(crate) const ABSENT: &str = "CF-ENG-011";
    /// The radiometric offset of the product is not known.
    pub(crate) const OFFSET_UNKNOWN: &str = "CF-ENG-012";
    /// A rescanned file still does not match its own structure.
    pub(crate) const SIZE_CHANGED: &str = "CF-ENG-013";
    /// The image of another product is used instead.
    pub(crate) const REPLACED: &str = "CF-ENG-014";
    /// It is not known which pixels of a product are valid.
    pub(crate) const NO_MASK: &str = "CF-ENG-015";
}

impl Error {
    /// Every code of this crate's own: errors, and faults of columns.
    pub const CODES: &[&str] = &[
        "CF-ENG-001",
        "CF-ENG-002",
        "CF-ENG-003",
        "CF-ENG-004",
        fault_code::ABSENT,
        fault_code::OFFSET_UNKNOWN,
        fault_code::SIZE_CHANGED,
        fault_code::REPLACED,
        fault_code::NO_MASK,
    ];

    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fault { fault, .. } => fault.code,
            Self::Unavailable { code, .. } => code,
            Self::WorkingSet { .. } => "CF-ENG-001",
            Self::Task { .. } => "CF-ENG-002",
            Self::Pool { .. } => "CF-ENG-003",
            Self::UnknownTimes { .. } => "CF-ENG-004",
            Self::Crs(error) => error.code(),
            Self::InWindow { error, .. } => error.code(),
            Self::Domain(error) => error.code(),
            Self::Catalog(error) => error.code(),
            Self::Index(error) => error.code(),
            Self::Layout(error) => error.code(),
        }
    }

    /// Product and column that the error is about, where there are any.
    #[must_use]
    pub fn place(&self) -> (Option<String>, Option<&str>) {
        match self {
            Self::Fault { column, fault } => (Some(fault.product.to_string()), Some(column)),
            Self::Unavailable { column, product, .. } => (Some(product.clone()), Some(column)),
            _ => (None, None),
        }
    }
}
