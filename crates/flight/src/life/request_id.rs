//! Names of calls, by which their log lines are found.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

/// Header in which callers name a call, and in which the answer repeats the name.
pub const REQUEST_ID: &str = "x-request-id";
/// Longest name that is taken from a caller, in bytes.
const MAX_LENGTH: usize = 64;

/// The name of a call: the caller's where it is sane, else a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes the caller's name if it has 1 to 64 visible ASCII characters.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let is_sane = |name: &&str| {
            !name.is_empty()
                && name.len() <= MAX_LENGTH
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match given.filter(is_sane) {
            Some(given) => Self(given.into()),
            None => Self(uuid::Uuid::now_v7().simple().to_string().into()),
        }
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        // Visible ASCII is a header value.
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(REQUEST_ID, value);
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> String {
        let value = HeaderValue::from_bytes(value).unwrap();
        RequestId::of(&HeaderMap::from_iter([(REQUEST_ID.parse().unwrap(), value)])).to_string()
    }

    #[test]
    fn sane_names_are_taken_and_others_replaced() {
        for name in ["a", "7f3e-12_x/1", &"x".repeat(64)] {
            assert_eq!(of(name.as_bytes()), name);
        }
        let made: Vec<String> = ["", "a b", "\u{e9}", &"x".repeat(65)]
            .iter()
            .map(|name| of(name.as_bytes()))
            .chain([RequestId::of(&HeaderMap::new()).to_string()])
            .collect();
        for (at, name) in made.iter().enumerate() {
            assert!(
                name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{name}"
            );
            assert!(!made[..at].contains(name));
        }
    }
}
