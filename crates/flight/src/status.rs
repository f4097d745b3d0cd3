//! Errors as gRPC statuses, made in this one place.

use cubeflight_engine::Error as EngineError;
use cubeflight_proto::errors::{Class, Place, lookup, text, text_later};
use tonic::{Code, Status};

/// Codes of the service itself.
pub const CODES: &[&str] = &[
    UNIMPLEMENTED,
    NO_DESCRIPTOR,
    BAD_PATH,
    NO_TABLE,
    RECORD_TOO_LARGE,
    OTHER_OFFSET,
    DRAINING,
    SHUT_DOWN,
    DEADLINE,
    ENDED_BY_ACTION,
    STREAM_TOO_LONG,
    TICKET_FORGED,
    TICKET_KEY,
    TICKET_EXPIRED,
    TICKET_TENANT,
    TICKET_LAYOUT,
    BAD_TENANT,
    BAD_ACTION,
    BAD_LOGIN,
];

/// An RPC or descriptor that this server does not serve.
pub(crate) const UNIMPLEMENTED: &str = "CF-FLT-001";
/// A call without descriptor.
pub(crate) const NO_DESCRIPTOR: &str = "CF-FLT-002";
/// A path that names neither a cube nor a table.
pub(crate) const BAD_PATH: &str = "CF-FLT-004";
/// A table without records.
pub(crate) const NO_TABLE: &str = "CF-FLT-005";
/// A record that no message has room for.
pub(crate) const RECORD_TOO_LARGE: &str = "CF-FLT-006";
/// A pinned product whose offset is not that of its baseline.
pub(crate) const OTHER_OFFSET: &str = "CF-FLT-007";
/// A call to a server that is shutting down.
pub(crate) const DRAINING: &str = "CF-FLT-008";
/// A stream that was not complete when its server shut down.
pub(crate) const SHUT_DOWN: &str = "CF-FLT-009";
/// A call that took longer than its caller waits.
pub(crate) const DEADLINE: &str = "CF-FLT-010";
/// A stream that was cancelled by its ticket.
pub(crate) const ENDED_BY_ACTION: &str = "CF-FLT-011";
/// A stream that took longer than the server allows.
pub(crate) const STREAM_TOO_LONG: &str = "CF-FLT-012";
/// A ticket that nobody here has signed.
pub(crate) const TICKET_FORGED: &str = "CF-FLT-013";
/// A ticket signed with a key that is not, or no longer, known.
pub(crate) const TICKET_KEY: &str = "CF-FLT-014";
/// A ticket whose time is over.
pub(crate) const TICKET_EXPIRED: &str = "CF-FLT-015";
/// A ticket of somebody else.
pub(crate) const TICKET_TENANT: &str = "CF-FLT-016";
/// A ticket of a server that divides steps otherwise.
pub(crate) const TICKET_LAYOUT: &str = "CF-FLT-017";
/// A header that names no tenant.
pub(crate) const BAD_TENANT: &str = "CF-FLT-018";
/// The body of an action.
pub(crate) const BAD_ACTION: &str = "CF-FLT-019";
/// A handshake.
pub(crate) const BAD_LOGIN: &str = "CF-FLT-020";

/// Classification of a code; one that is not in the table is a fault of cubeflight.
#[must_use]
pub fn error_class(code: &str) -> Class {
    lookup(code).map_or(Class::Internal, |entry| entry.class)
}

/// The text that clients parse.
#[must_use]
pub fn error_text(error: &EngineError) -> String {
    let (product, band) = error.place();
    text(error.code(), &error.to_string(), Place { product: product.as_deref(), band })
}

pub(crate) fn status(code: &str, text: String) -> Status {
    let grpc = match error_class(code) {
        Class::InvalidArgument => Code::InvalidArgument,
        Class::NotFound => Code::NotFound,
        Class::Unauthenticated => Code::Unauthenticated,
        Class::PermissionDenied => Code::PermissionDenied,
        Class::ResourceExhausted => Code::ResourceExhausted,
        Class::FailedPrecondition => Code::FailedPrecondition,
        Class::Unavailable => Code::Unavailable,
        Class::DataLoss => Code::DataLoss,
        Class::Unimplemented => Code::Unimplemented,
        Class::DeadlineExceeded => Code::DeadlineExceeded,
        Class::Aborted => Code::Aborted,
        _ => Code::Internal,
    };
    if grpc == Code::Internal {
        tracing::error!(code, text, "internal error");
    } else {
        tracing::info!(code, text, "request refused");
    }
    Status::new(grpc, text)
}

pub(crate) fn plain(code: &str, message: &str) -> Status {
    status(code, text(code, message, Place::default()))
}

/// A refusal of what may be asked again after some seconds.
pub(crate) fn later(code: &str, message: &str, seconds: u64) -> Status {
    status(code, text_later(code, message, Place::default(), Some(seconds)))
}

pub(crate) fn of_product(code: &str, message: &str, product: &str) -> Status {
    status(code, text(code, message, Place { product: Some(product), band: None }))
}

pub(crate) fn from_engine(error: &EngineError) -> Status {
    // A transient upstream makes the call UNAVAILABLE whatever the code of its cause says.
    if let EngineError::Unavailable { code, .. } = error {
        tracing::warn!(code, "upstream unavailable");
        return Status::unavailable(error_text(error));
    }
    status(error.code(), error_text(error))
}

pub(crate) fn from_request(error: &cubeflight_proto::Error) -> Status {
    plain(error.code(), &error.to_string())
}

pub(crate) fn from_domain(error: &cubeflight_sentinel2::Error) -> Status {
    plain(error.code(), &error.to_string())
}

pub(crate) fn from_batch(error: &cubeflight_batch::Error) -> Status {
    plain(error.code(), &error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cubeflight_proto::errors::TABLE;

    #[test]
    fn the_table_has_exactly_the_codes_that_are_given() {
        let given: BTreeSet<&str> = [
            cubeflight_jp2::Error::CODES,
            cubeflight_sentinel2::Error::CODES,
            cubeflight_crs::Error::CODES,
            cubeflight_tlm::Error::CODES,
            cubeflight_storage::Error::CODES,
            cubeflight_index::Error::CODES,
            cubeflight_catalog::Error::CODES,
            cubeflight_plan::Error::CODES,
            cubeflight_engine::Error::CODES,
            cubeflight_batch::Error::CODES,
            cubeflight_proto::Error::CODES,
            super::CODES,
        ]
        .into_iter()
        .flatten()
        .copied()
        .collect();
        let listed: BTreeSet<&str> = TABLE
            .iter()
            .map(|entry| entry.code)
            // Of the crates above this one.
            .filter(|code| !code.starts_with("CF-CLI-") && !code.starts_with("CF-TST-"))
            .collect();
        assert_eq!(given.difference(&listed).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert_eq!(listed.difference(&given).collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
