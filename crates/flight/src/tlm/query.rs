//! Which records: path, ticket, words of the domain.

use std::str::FromStr;

use arrow_flight::FlightDescriptor;
use cubeflight_proto::{Error, assets, product_ids, v1};
use cubeflight_sentinel2::{AssetId, Level, MgrsTile, ProductId, TimeRange};
use tonic::Status;

use crate::status::{BAD_PATH, from_request, plain};

/// First segment of the paths of tables.
const TLM: &str = "tlm";

/// Whether a path is that of a table.
pub(crate) fn is_tlm(path: &[String]) -> bool {
    path.first().is_some_and(|first| first == TLM)
}

/// Which records of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) level: Level,
    pub(crate) tile: MgrsTile,
    /// Of the datatake start.
    pub(crate) time: TimeRange,
    /// Empty: all.
    pub(crate) assets: Vec<AssetId>,
    /// Empty: all.
    pub(crate) products: Vec<ProductId>,
    /// Whether packet lengths are wanted.
    pub(crate) packets: bool,
}

impl Query {
    /// All records of a table, without packet lengths.
    pub(crate) fn table(level: Level, tile: MgrsTile) -> Self {
        let time = TimeRange::default();
        Self { level, tile, time, assets: Vec::new(), products: Vec::new(), packets: false }
    }

    /// Reads `["tlm", collection, tile, "key=value", …]`.
    pub(crate) fn from_path(path: &[String]) -> Result<Self, Status> {
        let [_, collection, tile, filters @ ..] = path else {
            let message = "the path names no table; send [\"tlm\", collection, tile], then filters";
            return Err(plain(BAD_PATH, message));
        };
        let wire = v1::TlmQuery {
            collection: collection.clone(),
            tile: tile.clone(),
            ..v1::TlmQuery::default()
        };
        filtered(wire, filters).and_then(|wire| domain(&wire)).map_err(|error| from_request(&error))
    }

    pub(crate) fn from_wire(wire: &v1::TlmQuery) -> Result<Self, Status> {
        domain(wire).map_err(|error| from_request(&error))
    }

    pub(crate) fn to_wire(&self) -> v1::TlmQuery {
        v1::TlmQuery {
            collection: self.level.collection().to_owned(),
            tile: self.tile.to_string(),
            datetime: self.time.to_string(),
            bands: self.assets.iter().map(ToString::to_string).collect(),
            product_ids: self.products.iter().map(ToString::to_string).collect(),
            detail: if self.packets { "packets" } else { "tlm" }.to_owned(),
        }
    }

    /// The path of the table, without filters.
    pub(crate) fn descriptor(&self) -> FlightDescriptor {
        let segments = [TLM.to_owned(), self.level.collection().to_owned(), self.tile.to_string()];
        FlightDescriptor::new_path(segments.into())
    }
}

fn filtered(mut wire: v1::TlmQuery, filters: &[String]) -> Result<v1::TlmQuery, Error> {
    let mut seen = Vec::with_capacity(4);
    for filter in filters {
        let unknown = || Error::UnknownWord {
            field: "filter",
            value: shown(filter),
            known: "datetime=, bands=, product_ids=, detail=",
        };
        let (key, value) = filter.split_once('=').ok_or_else(unknown)?;
        if seen.contains(&key) {
            let expected = "each filter once, lists parted by commas";
            return Err(Error::OutOfRange { field: "filter", value: shown(filter), expected });
        }
        if value.is_empty() {
            let hint = "write key=value, or leave the filter out";
            return Err(Error::MissingField { field: "value of a filter", hint });
        }
        let list = || value.split(',').map(str::to_owned).collect();
        match key {
            "datetime" => wire.datetime = value.to_owned(),
            "bands" => wire.bands = list(),
            "product_ids" => wire.product_ids = list(),
            "detail" => wire.detail = value.to_owned(),
            _ => return Err(unknown()),
        }
        seen.push(key);
    }
    Ok(wire)
}

/// The beginning of a text, for messages.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn domain(wire: &v1::TlmQuery) -> Result<Query, Error> {
    let level = Level::from_str(&wire.collection)?;
    Ok(Query {
        level,
        tile: MgrsTile::from_str(&wire.tile)?,
        time: match wire.datetime.as_str() {
            "" => TimeRange::default(),
            interval => TimeRange::from_str(interval)?,
        },
        assets: assets(&wire.bands, level)?,
        products: product_ids(&wire.product_ids)?,
        packets: match wire.detail.as_str() {
            "" | "tlm" => false,
            "packets" => true,
            other => {
                let known = "tlm, packets";
                return Err(Error::UnknownWord { field: "detail", value: shown(other), known });
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";

    fn path(segments: &[&str]) -> Result<Query, Status> {
        Query::from_path(&segments.iter().map(|&segment| segment.to_owned()).collect::<Vec<_>>())
    }

    fn redeemed(query: &Query) -> Query {
        Query::from_wire(&query.to_wire()).unwrap()
    }

    #[test]
    fn filters_come_through_ticket_and_path() {
        let all = path(&["tlm", "sentinel-2-l2a", "29UNU"]).unwrap();
        assert_eq!(all, Query::table(Level::L2A, "29UNU".parse().unwrap()));
        assert_eq!(redeemed(&all), all);
        assert_eq!(Query::from_path(&all.descriptor().path).unwrap(), all);

        let products = format!("product_ids={ID}");
        let some = path(&[
            "tlm",
            "sentinel-2-l2a",
            "29UNU",
            "datetime=2022-10-05/..",
            "bands=B08,measurements/reflectance/r60m/b04",
            &products,
            "detail=packets",
        ]);
        let some = some.unwrap();
        assert_eq!(some.time.to_string(), "2022-10-05T00:00:00Z/..");
        let names: Vec<_> = some.assets.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["B08_10m", "B04_60m"]);
        assert_eq!((some.products.len(), some.packets), (1, true));
        assert_eq!(redeemed(&some), some);
    }

    #[test]
    fn what_is_wrong_with_a_path_is_named() {
        let code = |segments: &[&str]| {
            let status = path(segments).unwrap_err();
            status.message().split(' ').next().unwrap().to_owned()
        };
        assert_eq!(code(&["tlm"]), "CF-FLT-004");
        assert_eq!(code(&["tlm", "sentinel-2-l2a"]), "CF-FLT-004");
        assert_eq!(code(&["tlm", "landsat", "29UNU"]), "CF-S2-009");
        assert_eq!(code(&["tlm", "sentinel-2-l2a", "banana"]), "CF-S2-001");
        let twice = ["bands=B08", "bands=B04"];
        let filter =
            |filters: &[&str]| code(&[&["tlm", "sentinel-2-l2a", "29UNU"], filters].concat());
        assert_eq!(filter(&["cloud"]), "CF-REQ-004");
        assert_eq!(filter(&["cloud=3"]), "CF-REQ-004");
        assert_eq!(filter(&["detail=all"]), "CF-REQ-004");
        assert_eq!(filter(&["bands="]), "CF-REQ-005");
        assert_eq!(filter(&twice), "CF-REQ-006");
        assert_eq!(filter(&["bands=B08,B08_10m"]), "CF-REQ-006");
        assert_eq!(filter(&["bands=B08,"]), "CF-S2-013");
        assert_eq!(filter(&["datetime=soon"]), "CF-S2-015");
        assert_eq!(filter(&["product_ids=S2"]), "CF-S2-011");
    }

    proptest! {
        #[test]
        fn any_path_is_read_or_refused(path in prop::collection::vec(".{0,40}", 0..6)) {
            let _ = Query::from_path(&path);
            let table = ["tlm", "sentinel-2-l2a", "29UNU"].map(str::to_owned);
            if let Ok(query) = Query::from_path(&[&table[..], &path].concat()) {
                prop_assert_eq!(redeemed(&query), query);
            }
        }
    }
}
