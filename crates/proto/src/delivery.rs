//! How a cube is delivered, between wire and domain.

use cubeflight_sentinel2::{Compression, Delivery, Order, format_step_time, step_time};

use crate::v1;
use crate::{Error, Result};

/// Time steps that one request may name; the archive has fewer than 1,500 products of a tile.
const MAX_TIMES: usize = 3_000;

pub(crate) fn delivery(wire: &v1::CubeRequest) -> Result<Delivery> {
    let order = match wire.ordered {
        Some(false) => Order::Completion,
        Some(true) | None => Order::Time,
    };
    let compression = match wire.compression.as_str() {
        "" | "none" => Compression::None,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => {
            return Err(Error::UnknownWord {
                field: "compression",
                value: wire.compression.clone(),
                known: "none, lz4, zstd",
            });
        }
    };
    if wire.times.len() > MAX_TIMES {
        return Err(Error::OutOfRange {
            field: "times",
            value: format!("a list of {}", wire.times.len()),
            expected: "at most 3000 times",
        });
    }
    let time = |text: &String| {
        step_time(text).ok_or_else(|| Error::OutOfRange {
            field: "times",
            value: format!("{text:?}"),
            expected: "a time such as 2021-01-03T10:14:11Z",
        })
    };
    let mut times = wire.times.iter().map(time).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    times.dedup();
    Ok(Delivery { order, compression, times })
}

/// Writes a delivery into a request.
pub(crate) fn write(delivery: &Delivery, wire: &mut v1::CubeRequest) {
    wire.ordered = Some(delivery.order == Order::Time);
    wire.compression = delivery.compression.to_string();
    wire.times = delivery.times.iter().map(format_step_time).collect();
}

impl v1::CubeRequest {
    /// The request of the cube, whatever part of it is sent and however: what its schema says.
    #[must_use]
    pub fn without_delivery(self) -> Self {
        Self { ordered: None, compression: String::new(), times: Vec::new(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use cubeflight_sentinel2::CubeRequest;

    use super::*;

    fn wire() -> v1::CubeRequest {
        v1::CubeRequest {
            tile: "33TVN".to_owned(),
            bands: vec!["B08".to_owned()],
            ..v1::CubeRequest::default()
        }
    }

    fn normal(wire: &v1::CubeRequest) -> v1::CubeRequest {
        let request = CubeRequest::try_from(wire).unwrap();
        let normal = v1::CubeRequest::from(&request);
        assert_eq!(CubeRequest::try_from(&normal).unwrap(), request);
        normal
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        let request = CubeRequest::try_from(&wire()).unwrap();
        assert_eq!(request.delivery, Delivery::default());
        let normal = normal(&wire());
        assert_eq!((normal.ordered, normal.compression.as_str()), (Some(true), "none"));
        let said =
            v1::CubeRequest { ordered: Some(true), compression: "none".to_owned(), ..wire() };
        assert_eq!(CubeRequest::try_from(&said).unwrap(), request);
    }

    #[test]
    fn each_option_is_kept_and_no_part_of_the_cube() {
        let times =
            ["2021-06-02T10:15:59Z", "2021-01-03T11:14:11+01:00", "2021-06-02T10:15:59.000"];
        let options = v1::CubeRequest {
            ordered: Some(false),
            compression: "zstd".to_owned(),
            times: times.map(str::to_owned).to_vec(),
            ..wire()
        };
        let found = normal(&options);
        assert_eq!((found.ordered, found.compression.as_str()), (Some(false), "zstd"));
        assert_eq!(found.times, ["2021-01-03T10:14:11Z", "2021-06-02T10:15:59Z"]);
        let cube = normal(&wire()).without_delivery();
        assert_eq!(found.without_delivery(), cube);
        assert_eq!((cube.ordered, cube.compression.as_str()), (None, ""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |change: fn(&mut v1::CubeRequest)| {
            let mut request = wire();
            change(&mut request);
            CubeRequest::try_from(&request).unwrap_err()
        };
        let error = refused(|r| r.compression = "gzip".to_owned());
        assert_eq!(error.code(), "CF-REQ-004");
        assert!(error.to_string().contains("none, lz4, zstd"), "{error}");
        let error = refused(|r| r.times = vec!["2021-06".to_owned()]);
        assert_eq!(error.code(), "CF-REQ-006");
        assert!(error.to_string().starts_with("times is \"2021-06\""), "{error}");
        let error = refused(|r| r.times = vec!["2021-06-02T10:15:59Z".to_owned(); 3_001]);
        assert_eq!(error.code(), "CF-REQ-006");
    }
}
