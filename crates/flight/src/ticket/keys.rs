//! Keys that sign tickets.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a key: those of the hash.
const KEY_BYTES: usize = 32;
/// Keys that are valid at a time, at most; two are enough to change them without a break.
const MAX_KEYS: usize = 8;
/// Bytes of the name of a key, at most.
const MAX_NAME: usize = 64;

/// Keys that sign and verify tickets. The first one signs, all of them verify: a new key is added to
/// the end of every replica's list, then moved to the front, and the old one is removed when its last
/// ticket has expired.
#[derive(Clone)]
pub struct TicketKeys(Arc<[Key]>);

struct Key {
    name: String,
    mac: Hmac<Sha256>,
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A line that is no key.
    #[error("line {line} of the ticket keys is not a name and 64 hexadecimal digits")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// Two keys with one name.
    #[error("two ticket keys are called {name:?}")]
    Twice {
        /// The name.
        name: String,
    },
    /// None, or too many.
    #[error("there are {found} ticket keys, 1 to {MAX_KEYS} can be used")]
    Number {
        /// How many there are.
        found: usize,
    },
    /// No random numbers are to be had.
    #[error("no random key can be made: {reason}")]
    Random {
        /// What the system said.
        reason: String,
    },
}

impl TicketKeys {
    /// Reads keys, one a line: a name of at most 64 letters, digits, `-`, `_` and `.`, a blank, and the
    /// key as 64 hexadecimal digits. Empty lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// Lines of another form, two keys of one name, no key, more than 8. Keys are never part of the
    /// message.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys: Vec<Key> = Vec::new();
        for (number, line) in (1usize..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || KeyError::Line { line: number };
            let (name, digits) = line.split_once(char::is_whitespace).ok_or_else(bad)?;
            let secret = secret_of(digits.trim()).ok_or_else(bad)?;
            if !is_name(name) {
                return Err(bad());
            }
            if keys.iter().any(|key| key.name == name) {
                return Err(KeyError::Twice { name: name.to_owned() });
            }
            keys.push(Key::new(name, &secret).ok_or_else(bad)?);
        }
        match keys.len() {
            1..=MAX_KEYS => Ok(Self(keys.into())),
            found => Err(KeyError::Number { found }),
        }
    }

    /// A key that nobody else has: tickets end with the process.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self, KeyError> {
        let mut secret = [0; KEY_BYTES];
        getrandom::fill(&mut secret)
            .map_err(|error| KeyError::Random { reason: error.to_string() })?;
        let unusable = || KeyError::Random { reason: "the key is of a wrong length".to_owned() };
        Ok(Self([Key::new("own", &secret).ok_or_else(unusable)?].into()))
    }

    /// Signs with the first key; its name and the signature.
    pub(crate) fn sign(&self, message: &[u8]) -> (String, Vec<u8>) {
        // there is at least one
        let Some(key) = self.0.first() else { return Default::default() };
        (key.name.clone(), key.over(message).finalize().into_bytes().to_vec())
    }

    /// Whether a key of this name has signed the message; `None` where there is no such key. Takes as
    /// long for every wrong signature.
    pub(crate) fn verify(&self, name: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        let key = self.0.iter().find(|key| key.name == name)?;
        Some(key.over(message).verify_slice(signature).is_ok())
    }
}

impl Key {
    fn new(name: &str, secret: &[u8; KEY_BYTES]) -> Option<Self> {
        let mac = Hmac::new_from_slice(secret).ok()?;
        Some(Self { name: name.to_owned(), mac })
    }

    fn over(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(self.name.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        mac
    }
}

impl fmt::Debug for TicketKeys {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

fn secret_of(digits: &str) -> Option<[u8; KEY_BYTES]> {
    if digits.len() != 2 * KEY_BYTES || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut secret = [0; KEY_BYTES];
    for (slot, pair) in secret.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *slot = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(secret)
}
