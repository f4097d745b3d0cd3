//! Values of flags.

use cubeflight_index::ScanDetail;

/// The secret may hold colons.
#[cfg(feature = "demo")]
pub(super) fn credential(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((key, secret)) if !key.is_empty() && !secret.is_empty() => {
            Ok((key.to_owned(), secret.to_owned()))
        }
        _ => Err("expected ACCESS:SECRET".to_owned()),
    }
}

pub(super) fn detail(text: &str) -> Result<ScanDetail, String> {
    match text {
        "tlm" => Ok(ScanDetail::Tlm),
        "plt" => Ok(ScanDetail::Plt),
        _ => Err("expected tlm or plt".to_owned()),
    }
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| (0.01..=86_400.0).contains(number))
        .ok_or_else(|| "expected seconds, 0.01 to 86400".to_owned())
}

/// Seconds of a request and bytes per second.
pub(super) fn read_cost(text: &str) -> Result<(f64, f64), String> {
    let wrong = || "expected SECONDS,BYTES_PER_SECOND, such as 0.015,20000000".to_owned();
    let (seconds, rate) = text.split_once(',').ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    let (seconds, rate) = number(seconds).zip(number(rate)).ok_or_else(wrong)?;
    if seconds < 0.0 || rate < 1.0 {
        return Err(wrong());
    }
    Ok((seconds, rate))
}

/// A number of bytes, alone or with a unit of 1024: `512MiB`.
pub(super) fn byte_size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let found = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (digits, shift) = found.unwrap_or((text, 0));
    let number = digits.trim_end().parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "expected a number of bytes, such as 512MiB or 1073741824".to_owned())
}

pub(super) fn bounds(text: &str) -> Result<[f64; 4], String> {
    numbers(text, "MINX,MINY,MAXX,MAXY")
}

pub(super) fn window(text: &str) -> Result<[u32; 4], String> {
    numbers(text, "X,Y,W,H")
}

fn numbers<T: std::str::FromStr>(text: &str, form: &str) -> Result<[T; 4], String> {
    let parsed: Result<Vec<T>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let parsed = parsed.map_err(|_| format!("expected four numbers {form}"))?;
    <[T; 4]>::try_from(parsed).map_err(|_| format!("expected four numbers {form}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_has_two_parts() {
        assert_eq!(read_cost("0.015, 2e7"), Ok((0.015, 2e7)));
        assert_eq!(read_cost("0,1"), Ok((0.0, 1.0)));
        for text in ["", "1", "0.1,0", "-1,5", "nan,5", "1,inf", "1,2,3"] {
            assert!(read_cost(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1073741824", 1 << 30),
            ("64KiB", 1 << 16),
            ("512MiB", 1 << 29),
            ("3 GiB", 3 << 30),
        ] {
            assert_eq!(byte_size(text), Ok(bytes));
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1MB", "1 mib", "17179869184GiB"] {
            assert!(byte_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn four_numbers_are_wanted() {
        assert_eq!(bounds("1,-2.5, 3,4e5"), Ok([1.0, -2.5, 3.0, 4e5]));
        for text in ["", "1,2,3", "1,2,3,4,5", "1,2,3,x"] {
            assert!(bounds(text).is_err(), "{text}");
        }
        assert!(window("1,2,3,-4").is_err());
    }
}
