//! Who calls.

use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::status::{BAD_TENANT, plain};

/// Header that names the tenant.
const TENANT: &str = "x-cubeflight-tenant";
/// Bytes of a tenant's name, at most.
const MAX_TENANT: usize = 64;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Empty: nobody said.
    pub(crate) tenant: String,
}

impl Caller {
    /// Reads the headers of a call.
    ///
    /// # Errors
    /// A tenant that is not a word of at most 64 letters, digits, `-`, `_` and `.`, or two of them.
    pub(crate) fn of(headers: &MetadataMap) -> Result<Self, Status> {
        let mut named = headers.get_all(TENANT).iter();
        let Some(first) = named.next() else { return Ok(Self { tenant: String::new() }) };
        let bad = |reason: &str| plain(BAD_TENANT, &format!("{TENANT} {reason}"));
        if named.next().is_some() {
            return Err(bad("is there twice"));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match first.to_str() {
            Ok(name) if (1..=MAX_TENANT).contains(&name.len()) && name.bytes().all(is_plain) => {
                Ok(Self { tenant: name.to_owned() })
            }
            _ => Err(bad("is not a word of at most 64 letters, digits, '-', '_' and '.'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_a_plain_word() {
        let of = |names: &[&'static str]| {
            let mut headers = MetadataMap::new();
            for name in names {
                headers.append(TENANT, name.parse().unwrap());
            }
            Caller::of(&headers).map(|caller| caller.tenant)
        };
        assert_eq!(of(&[]).unwrap(), "");
        assert_eq!(of(&["team-1.a_b"]).unwrap(), "team-1.a_b");
        for bad in [&["a b"][..], &[""], &["a", "a"], &["a/b"]] {
            assert_eq!(of(bad).unwrap_err().code(), tonic::Code::InvalidArgument, "{bad:?}");
        }
    }
}
