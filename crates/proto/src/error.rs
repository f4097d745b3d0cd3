//! Errors of this crate.

/// A request or ticket that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes of a descriptor or ticket are neither a packed message nor JSON of one.
    #[error(
        "request cannot be read: {reason}; send CubeRequest as proto3 JSON or as google.protobuf.Any"
    )]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// The bytes are longer than any request may be.
    #[error("request of {length} bytes exceeds the limit of {limit} bytes; ask for fewer products")]
    TooLarge {
        /// Bytes received.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A ticket of another version of the protocol.
    #[error(
        "ticket version {found} is not served here (this server reads {supported}); ask for a new ticket with GetFlightInfo"
    )]
    TicketVersion {
        /// Version in the ticket.
        found: u32,
        /// Version that this build reads.
        supported: u32,
    },
    /// A field of the request has a value that its documentation does not list.
    #[error("{field} is {value:?}; use one of {known}")]
    UnknownWord {
        /// Field name as in JSON.
        field: &'static str,
        /// What was sent.
        value: String,
        /// The values known, joined for reading.
        known: &'static str,
    },
    /// A field that must be there is missing or empty.
    #[error("{field} is missing; {hint}")]
    MissingField {
        /// Field name as in JSON.
        field: &'static str,
        /// What to send.
        hint: &'static str,
    },
    /// A number outside its range.
    #[error("{field} is {value}; it must be {expected}")]
    OutOfRange {
        /// Field name as in JSON.
        field: &'static str,
        /// What was sent.
        value: String,
        /// The range.
        expected: &'static str,
    },
    /// Two fields that exclude each other.
    #[error("{field} and {other} exclude each other; leave out one of them")]
    Conflict {
        /// Field name as in JSON.
        field: &'static str,
        /// The other one.
        other: &'static str,
    },
    /// A domain word (tile, band, interval, bounds, product id) was refused.
    #[cfg(feature = "domain")]
    #[error(transparent)]
    Domain(#[from] cubeflight_sentinel2::Error),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Every code that [`Self::code`] can give for this crate's own errors.
    pub const CODES: &[&str] = &[
        "CF-REQ-001",
        "CF-REQ-002",
        "CF-REQ-003",
        "CF-REQ-004",
        "CF-REQ-005",
        "CF-REQ-006",
        "CF-REQ-007",
    ];

    /// Stable code, see [`crate::errors::TABLE`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "CF-REQ-001",
            Self::TooLarge { .. } => "CF-REQ-002",
            Self::TicketVersion { .. } => "CF-REQ-003",
            Self::UnknownWord { .. } => "CF-REQ-004",
            Self::MissingField { .. } => "CF-REQ-005",
            Self::OutOfRange { .. } => "CF-REQ-006",
            Self::Conflict { .. } => "CF-REQ-007",
            #[cfg(feature = "domain")]
            Self::Domain(error) => error.code(),
        }
    }
}
