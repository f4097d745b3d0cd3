//! Hrefs taken apart. They come from catalogues and are not to be trusted.

/// Where the segments of an href are counted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// `s3://bucket`
    Bucket(String),
    /// `file:///`, or a path from `/` on
    Local,
    /// `https://host[:port]`, in lower case
    Web(String),
    /// no scheme and no leading slash
    Relative,
}

/// A parsed href: no segment is empty, `.` or `..`, under any number of percent-decodings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) base: Base,
    pub(crate) segments: Vec<String>,
}

/// Longest href looked at; an S3 key has at most 1,024 bytes.
const LONGEST: usize = 4096;

impl Location {
    /// Takes `href` apart, or says why it is refused.
    pub(crate) fn parse(href: &str) -> Result<Self, String> {
        if href.is_empty() || href.len() > LONGEST {
            return Err(format!("an href has 1 to {LONGEST} bytes"));
        }
        if href.chars().any(|c| c.is_control() || c == '\\') {
            return Err("control character or backslash".to_owned());
        }
        let Some((scheme, rest)) = href.split_once("://") else {
            let (base, path) = match href.strip_prefix('/') {
                Some(path) => (Base::Local, path),
                None => (Base::Relative, href),
            };
            return Ok(Self { base, segments: segments(path, false)? });
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains(['@', '?', '#', '%']) || path.contains(['?', '#']) {
            return Err("user, query or fragment in an href".to_owned());
        }
        let scheme = scheme.to_ascii_lowercase();
        let (base, decode) = match scheme.as_str() {
            "s3" | "s3a" if authority.is_empty() => return Err("no bucket".to_owned()),
            "s3" | "s3a" => (Base::Bucket(authority.to_owned()), false),
            "file" if authority.is_empty() || authority == "localhost" => (Base::Local, true),
            "file" => return Err("a file on another host".to_owned()),
            "http" | "https" if authority.is_empty() => return Err("no host".to_owned()),
            "http" | "https" => {
                (Base::Web(format!("{scheme}://{}", authority.to_ascii_lowercase())), true)
            }
            _ => return Err(format!("scheme {scheme:?} is not supported")),
        };
        Ok(Self { base, segments: segments(path, decode)? })
    }
}

fn segments(path: &str, decode: bool) -> Result<Vec<String>, String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(|segment| check(segment, decode)).collect()
}

/// A segment, decoded once where the scheme says so, that stays harmless however often something
/// behind this decodes it again.
fn check(segment: &str, decode: bool) -> Result<String, String> {
    let mut form = segment.to_owned();
    let mut taken = if decode { None } else { Some(segment.to_owned()) };
    // each round that changes anything shortens the text, so this ends
    loop {
        if form.is_empty() {
            return Err("empty path segment".to_owned());
        }
        if form == "." || form == ".." {
            return Err("path segment that climbs".to_owned());
        }
        if form.contains(['/', '\\']) || form.chars().any(char::is_control) {
            return Err("escaped separator or control character".to_owned());
        }
        let next = unescape(&form)?;
        taken.get_or_insert_with(|| next.clone());
        if next == form {
            return Ok(taken.unwrap_or(form));
        }
        form = next;
    }
}

/// One round of percent-decoding (RFC 3986, 2.1); what is no escape stays.
fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "escapes that are not UTF-8".to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hrefs_of_every_kind() {
        let parse = |href: &str| {
            let location = Location::parse(href).unwrap();
            (location.base, location.segments.join("|"))
        };
        assert_eq!(parse("s3://eodata/a/b.jp2"), (Base::Bucket("eodata".into()), "a|b.jp2".into()));
        assert_eq!(parse("file:///a%20b/c"), (Base::Local, "a b|c".into()));
        assert_eq!(parse("/a b/c/"), (Base::Local, "a b|c".into()));
        assert_eq!(parse("a/b"), (Base::Relative, "a|b".into()));
        assert_eq!(parse("HTTPS://Host:1/a"), (Base::Web("https://host:1".into()), "a".into()));
        assert_eq!(parse("s3://b/50%25"), (Base::Bucket("b".into()), "50%25".into()));
        assert_eq!(parse("file:///50%25"), (Base::Local, "50%".into()));
    }

    #[test]
    fn what_climbs_or_hides_is_refused() {
        for href in [
            "",
            "s3://",
            "s3:///key",
            "s3://b/../x",
            "s3://b/./x",
            "s3://b//x",
            "s3://b/a/%2e%2e/x",
            "s3://b/a/%2E./x",
            "s3://b/a/%252e%252e/x",
            "s3://b/a/%25252e%25252e/x",
            "s3://b/a%2fb",
            "s3://b/a%5cb",
            "s3://b/a%00b",
            "s3://b\\..\\x",
            "s3://b/a\nb",
            "s3://user@b/x",
            "s3://b/x?versionId=1",
            "s3://b/x#f",
            "file://other/etc/passwd",
            "file:///a/%2e%2e/etc",
            "../x",
            "/a/../b",
            "gopher://x/y",
            "%2e%2e/x",
            "file:///%ff",
        ] {
            assert!(Location::parse(href).is_err(), "{href:?} was taken");
        }
        assert!(Location::parse(&"a".repeat(5000)).is_err());
    }
}
