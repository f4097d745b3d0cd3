//! How long a caller is willing to wait.

use std::time::Duration;

use http::HeaderMap;

/// Header with the time that is left to a call (gRPC over HTTP/2, "Request-Headers").
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// Digits that a timeout may have.
const MAX_DIGITS: usize = 8;

/// The caller's `grpc-timeout`; what does not have its form is not one.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (at, unit) = text.char_indices().next_back()?;
    let digits = text.get(..at)?;
    if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(3_600) * number,
        'M' => Duration::from_secs(60) * number,
        'S' => Duration::from_secs(1) * number,
        'm' => Duration::from_millis(1) * number,
        'u' => Duration::from_micros(1) * number,
        'n' => Duration::from_nanos(1) * number,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let of = |text: &'static str| {
            let value = HeaderValue::from_static(text);
            timeout(&HeaderMap::from_iter([(GRPC_TIMEOUT.parse().unwrap(), value)]))
        };
        for (text, nanoseconds) in [
            ("1n", 1),
            ("2u", 2_000),
            ("300m", 300_000_000),
            ("0S", 0),
            ("1M", 60_000_000_000),
            ("99999999H", 99_999_999 * 3_600 * 1_000_000_000),
        ] {
            assert_eq!(of(text).unwrap().as_nanos(), nanoseconds, "{text}");
        }
        for text in ["", "S", "1", "-1S", "+1S", "1.5S", "123456789n", "1s", "1 S"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }
}
