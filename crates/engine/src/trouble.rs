//! Why an asset could not be read, and what that means for the stream.

use cubeflight_plan::Fault;
use cubeflight_sentinel2::ProductId;

use crate::Error;
use crate::error::fault_code;

/// Why an asset could not be read.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// The record does not belong to the file.
    Stale(String),
    /// Reading again later may help; pixels are never replaced by fill because of this.
    Transient { code: &'static str, message: String },
    /// There is no such file; that of another product may stand in for it.
    Gone { code: &'static str, message: String },
    /// It will not.
    Permanent { code: &'static str, message: String },
}

/// The engine is going away.
pub(crate) fn ended(error: Error) -> Trouble {
    permanent("CF-ENG-002", &error)
}

pub(crate) fn permanent(code: &'static str, error: &dyn std::fmt::Display) -> Trouble {
    Trouble::Permanent { code, message: error.to_string() }
}

pub(crate) fn storage_trouble(error: cubeflight_storage::Error) -> Trouble {
    use cubeflight_storage::Error as Storage;
    let (code, message) = (error.code(), error.to_string());
    match error {
        Storage::EndsEarly { .. } | Storage::Changed { .. } => Trouble::Stale(message),
        Storage::NotFound { .. } => Trouble::Gone { code, message },
        Storage::Refused { .. } | Storage::TooLarge { .. } => Trouble::Permanent { code, message },
        // Everything else may pass, credentials that expired among it. Data must not become fill
        // because of a failure that says nothing about the file.
        _ => Trouble::Transient { code, message },
    }
}

pub(crate) fn index_trouble(error: cubeflight_index::Error) -> Trouble {
    match error {
        cubeflight_index::Error::Storage(error) => match storage_trouble(error) {
            // While scanning there is no record that could be stale.
            Trouble::Stale(message) => {
                Trouble::Permanent { code: fault_code::SIZE_CHANGED, message }
            }
            trouble => trouble,
        },
        error => permanent(error.code(), &error),
    }
}

impl Trouble {
    /// As the error that ends the stream.
    pub(crate) fn into_error(self, column: &str, product: &ProductId) -> Error {
        let fault = |code, message| Error::Fault {
            column: column.to_owned(),
            fault: Fault { product: product.clone(), code, message },
        };
        match self {
            Self::Transient { code, message } => Error::Unavailable {
                column: column.to_owned(),
                product: product.to_string(),
                code,
                message,
            },
            Self::Permanent { code, message } | Self::Gone { code, message } => {
                fault(code, message)
            }
            Self::Stale(message) => fault(fault_code::SIZE_CHANGED, message),
        }
    }
}
