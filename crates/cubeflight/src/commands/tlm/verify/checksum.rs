//! Checksums of STAC items: multihashes in hexadecimal digits (extension `file`).

use md5::Md5;
use sha2::{Digest as _, Sha256};
use sha3::Sha3_256;

use crate::output::hex;

/// A hash under way.
pub(super) enum Hash {
    Sha3(Box<Sha3_256>),
    Sha2(Sha256),
    Md5(Md5),
}

/// Code of the hash and length of the digest, as unsigned varints.
const SHA3_256: &str = "1620";
const SHA2_256: &str = "1220";
const MD5: &str = "d50110";

impl Hash {
    /// The hash that a multihash names; `None` for one that is not known here.
    pub(super) fn of(multihash: &str) -> Option<Self> {
        let start = |prefix: &str, digits: usize| {
            let digest = multihash.strip_prefix(prefix)?;
            let fits = digest.len() == digits && digest.bytes().all(|b| b.is_ascii_hexdigit());
            fits.then_some(())
        };
        start(SHA3_256, 64)
            .map(|()| Self::Sha3(Box::default()))
            .or_else(|| start(SHA2_256, 64).map(|()| Self::Sha2(Sha256::new())))
            .or_else(|| start(MD5, 32).map(|()| Self::Md5(Md5::new())))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha3(hash) => hash.update(bytes),
            Self::Sha2(hash) => hash.update(bytes),
            Self::Md5(hash) => hash.update(bytes),
        }
    }

    /// The multihash of what was hashed.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Sha3(hash) => format!("{SHA3_256}{}", hex(&hash.finalize())),
            Self::Sha2(hash) => format!("{SHA2_256}{}", hex(&hash.finalize())),
            Self::Md5(hash) => format!("{MD5}{}", hex(&hash.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;

    #[test]
    fn multihashes_name_their_hash() {
        let empty = [
            "1620a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
            "1220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "d50110d41d8cd98f00b204e9800998ecf8427e",
        ];
        for multihash in empty {
            assert_eq!(Hash::of(multihash).unwrap().finish(), multihash);
        }
        for other in ["", "1620", "1620zz", "111400", &empty[0][..66], "é"] {
            assert!(Hash::of(other).is_none(), "{other}");
        }
    }
}
