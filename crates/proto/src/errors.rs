//! The one table of error codes.

/// How gRPC and the command line classify an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The request is wrong; sending it again is of no use.
    InvalidArgument,
    /// Nothing there under that name.
    NotFound,
    /// No or bad credentials.
    Unauthenticated,
    /// Known, but not allowed.
    PermissionDenied,
    /// A limit was reached.
    ResourceExhausted,
    /// Right request, wrong moment or state (an expired ticket).
    FailedPrecondition,
    /// An upstream is down; try again.
    Unavailable,
    /// The data are damaged.
    DataLoss,
    /// Not served by this server.
    Unimplemented,
    /// The time that the caller or the server allows is over.
    DeadlineExceeded,
    /// Somebody else has ended the call.
    Aborted,
    /// A fault of cubeflight.
    Internal,
}

impl Class {
    /// Name as gRPC writes it.
    #[must_use]
    pub fn grpc_name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NotFound => "NOT_FOUND",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Aborted => "ABORTED",
            Self::Internal => "INTERNAL",
        }
    }
}

/// One code.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// `CF-<AREA>-<NNN>`, never reused.
    pub code: &'static str,
    /// Classification.
    pub class: Class,
    /// What it means, one sentence.
    pub meaning: &'static str,
    /// What to do.
    pub hint: &'static str,
}

const fn entry(
    code: &'static str,
    class: Class,
    meaning: &'static str,
    hint: &'static str,
) -> Entry {
    Entry { code, class, meaning, hint }
}

#[path = "errors/table.rs"]
mod table;

pub use table::TABLE;

/// The entry of a code.
#[must_use]
pub fn lookup(code: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.code == code)
}

/// Longest error text that is sent, in bytes.
const MAX_TEXT: usize = 2_000;

/// Where an error happened, as far as known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// Product id.
    pub product: Option<&'a str>,
    /// EOPF path of the column.
    pub band: Option<&'a str>,
}

/// The text that clients parse: `CF-<AREA>-<NNN> <text>; product=<id>; band=<path>; hint=<text>`,
/// ASCII, at most 2,000 bytes. Clients read code and keys, never the prose.
#[must_use]
pub fn text(code: &str, message: &str, place: Place<'_>) -> String {
    text_later(code, message, place, None)
}

/// As [`text`], with the key `retry_after` before the hint: seconds after which the call may be sent
/// again.
#[must_use]
pub fn text_later(code: &str, message: &str, place: Place<'_>, retry_after: Option<u64>) -> String {
    let mut tail = String::new();
    let mut key = |name: &str, value: &str| {
        tail.push_str("; ");
        tail.push_str(name);
        tail.push('=');
        tail.push_str(&value.replace(';', ","));
    };
    if let Some(product) = place.product {
        key("product", product);
    }
    if let Some(band) = place.band {
        key("band", band);
    }
    if let Some(seconds) = retry_after {
        key("retry_after", &seconds.to_string());
    }
    if let Some(entry) = lookup(code) {
        key("hint", entry.hint);
    }
    let message = message.replace(['\n', '\r'], " ");
    let room = MAX_TEXT.saturating_sub(code.len() + 1 + tail.len());
    let ascii = |text: &str| text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    let message: String = ascii(&message);
    let tail: String = ascii(&tail);
    let message = message.get(..room.min(message.len())).unwrap_or_default();
    let mut text = format!("{code} {message}{tail}");
    text.truncate(MAX_TEXT);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_well_formed_and_unique() {
        for (i, entry) in TABLE.iter().enumerate() {
            let parts: Vec<&str> = entry.code.split('-').collect();
            assert_eq!(parts.len(), 3, "{}", entry.code);
            assert_eq!(parts[0], "CF");
            assert_eq!(parts[2].len(), 3, "{}", entry.code);
            assert!(TABLE[i + 1..].iter().all(|other| other.code != entry.code), "{}", entry.code);
            assert!(!entry.hint.is_empty() && !entry.meaning.is_empty());
            assert!(!entry.hint.contains(';') && entry.hint.is_ascii(), "{}", entry.code);
        }
    }

    #[test]
    fn text_has_the_documented_form() {
        let place = Place { product: Some("S2A_X"), band: Some("a/b;c") };
        let text = text("CF-REQ-001", "na\u{ef}ve\nline", place);
        assert!(text.starts_with("CF-REQ-001 na?ve line; product=S2A_X; band=a/b,c; hint="));
    }

    #[test]
    fn text_says_when_to_try_again() {
        let text = text_later("CF-FLT-008", "not now", Place::default(), Some(1));
        assert!(text.starts_with("CF-FLT-008 not now; retry_after=1; hint="));
    }

    #[test]
    fn text_is_bounded_and_keeps_its_keys() {
        let place = Place { product: Some("S2A_X"), band: None };
        let text = text("CF-REQ-001", &"\u{e9}".repeat(5_000), place);
        assert!(text.is_ascii() && text.len() <= 2_000);
        assert!(text.contains("; product=S2A_X; hint="));
    }
}
