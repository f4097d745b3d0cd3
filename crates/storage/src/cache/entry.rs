//! Keys and bodies, as they are in memory and on disk.

use std::io::{Read, Write};
use std::ops::Range;

use bytes::Bytes;
use foyer::{Code, Error, Result};
use object_store::path::Path;
use sha2::{Digest, Sha256};

/// Names a range of a file in one state: the SHA-256 of store, path, state and range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn new(store: &str, path: &Path, state: &str, range: &Range<u64>) -> Self {
        let mut digest = Sha256::new();
        for text in [store, path.as_ref(), state] {
            // with its length, so that no two of them can run into each other
            digest.update(text.len().to_le_bytes());
            digest.update(text);
        }
        digest.update(range.start.to_le_bytes());
        digest.update(range.end.to_le_bytes());
        Self(digest.finalize().into())
    }

    /// Names what several keys name together.
    pub(super) fn of_all(keys: &[Self]) -> Self {
        let mut digest = Sha256::new();
        keys.iter().for_each(|key| digest.update(key.0));
        Self(digest.finalize().into())
    }
}

impl Code for Key {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        writer.write_all(&self.0).map_err(Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> Result<Self> {
        let mut key = [0; 32];
        reader.read_exact(&mut key).map_err(Error::io_error)?;
        Ok(Self(key))
    }

    fn estimated_size(&self) -> usize {
        self.0.len()
    }
}

/// The bytes of a range, in a buffer of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body(pub(super) Bytes);

impl Code for Body {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        writer.write_all(&self.0).map_err(Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> Result<Self> {
        // The reader is what the entry has on disk, whose checksum was right.
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(Error::io_error)?;
        Ok(Self(bytes.into_boxed_slice().into()))
    }

    fn estimated_size(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_counts_in_a_key() {
        let key = |store: &str, path: &str, state: &str, range| {
            Key::new(store, &Path::from(path), state, &range)
        };
        let all = [
            key("s", "p", "1", 0..1),
            key("t", "p", "1", 0..1),
            key("s", "q", "1", 0..1),
            key("s", "p", "2", 0..1),
            key("s", "p", "1", 1..1),
            key("s", "p", "1", 0..2),
            key("sp", "", "1", 0..1),
            key("s", "p1", "", 0..1),
        ];
        for (at, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(at));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let (key, body) = (Key([7; 32]), Body(Bytes::from_static(b"bytes")));
        let (mut keys, mut bodies) = (Vec::new(), Vec::new());
        key.encode(&mut keys).unwrap();
        body.encode(&mut bodies).unwrap();
        assert_eq!((keys.len(), bodies.len()), (key.estimated_size(), body.estimated_size()));
        assert_eq!(Key::decode(&mut &keys[..]).unwrap(), key);
        assert_eq!(Body::decode(&mut &bodies[..]).unwrap(), body);
        assert!(Key::decode(&mut &keys[1..]).is_err());
    }
}
