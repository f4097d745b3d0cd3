//! Whether an item is what a search asks for (STAC API, item search and the query extension).

use std::cmp::Ordering;

use cubeflight_sentinel2::TimeRange;
use serde_json::Value;
use stac::Item;
use stac::api::Search;

const OPERATORS: [&str; 10] =
    ["eq", "neq", "lt", "lte", "gt", "gte", "in", "startsWith", "endsWith", "contains"];

/// A search, read once.
#[derive(Debug)]
pub(super) struct Matcher<'a> {
    search: &'a Search,
    time: Option<TimeRange>,
    /// West, south, east, north.
    bounds: Option<[f64; 4]>,
}

impl<'a> Matcher<'a> {
    /// The reason where the search cannot be answered.
    pub(super) fn new(search: &'a Search) -> Result<Self, String> {
        if search.items.filter.is_some() {
            return Err("filter is not supported; use query".to_owned());
        }
        if search.intersects.is_some() {
            return Err("intersects is not supported; use bbox".to_owned());
        }
        for (name, conditions) in search.items.query.iter().flatten() {
            let Value::Object(conditions) = conditions else {
                return Err(format!("query on {name} is no object of operators"));
            };
            if let Some(other) = conditions.keys().find(|key| !OPERATORS.contains(&key.as_str())) {
                return Err(format!("operator {other} is not supported"));
            }
        }
        let time = search.items.datetime.as_deref().map(str::parse).transpose();
        let bounds = search.items.bbox.map(|bbox| flat(bbox.into())).transpose()?;
        Ok(Self { search, time: time.map_err(|error| format!("{error}"))?, bounds })
    }

    pub(super) fn matches(&self, item: &Item) -> Result<bool, String> {
        let Search { collections, ids, items, .. } = self.search;
        let collection = item.collection.as_deref().unwrap_or_default();
        let mut matches = (collections.is_empty() || collections.iter().any(|c| c == collection))
            && (ids.is_empty() || ids.contains(&item.id));
        if let Some(time) = &self.time {
            matches &= item.properties.datetime.is_some_and(|at| time.contains(at));
        }
        if let Some([west, south, east, north]) = self.bounds {
            let bbox = item.bbox.map(|bbox| flat(bbox.into())).transpose()?;
            matches &=
                bbox.is_some_and(|[w, s, e, n]| w <= east && west <= e && s <= north && south <= n);
        }
        for (name, conditions) in items.query.iter().flatten() {
            let found = property(item, name);
            for (operator, wanted) in conditions.as_object().into_iter().flatten() {
                matches &= holds(operator, found.as_ref(), wanted);
            }
        }
        Ok(matches)
    }
}

fn flat(numbers: Vec<f64>) -> Result<[f64; 4], String> {
    match *numbers.as_slice() {
        [west, south, east, north] | [west, south, _, east, north, _] => {
            Ok([west, south, east, north])
        }
        _ => Err("bbox is not of 4 or 6 numbers".to_owned()),
    }
}

fn property(item: &Item, name: &str) -> Option<Value> {
    match name {
        "id" => Some(item.id.clone().into()),
        "collection" => item.collection.clone().map(Value::from),
        _ => {
            let known = item.properties.additional_fields.get(name).cloned();
            known.or_else(|| serde_json::to_value(&item.properties).ok()?.get(name).cloned())
        }
    }
}

fn holds(operator: &str, found: Option<&Value>, wanted: &Value) -> bool {
    let Some(found) = found else { return operator == "neq" };
    let order = compare(found, wanted);
    let texts = found.as_str().zip(wanted.as_str());
    match operator {
        "eq" => order == Some(Ordering::Equal),
        "neq" => order != Some(Ordering::Equal),
        "lt" => order == Some(Ordering::Less),
        "lte" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        "gt" => order == Some(Ordering::Greater),
        "gte" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        "in" => wanted.as_array().is_some_and(|list| {
            list.iter().any(|wanted| compare(found, wanted) == Some(Ordering::Equal))
        }),
        "startsWith" => texts.is_some_and(|(found, wanted)| found.starts_with(wanted)),
        "endsWith" => texts.is_some_and(|(found, wanted)| found.ends_with(wanted)),
        "contains" => texts.is_some_and(|(found, wanted)| found.contains(wanted)),
        _ => false,
    }
}

/// Numbers by value, texts by their letters; `None` for what cannot be compared.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => (a == b).then_some(Ordering::Equal),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(search: Value) -> Result<bool, String> {
        let item: Item = serde_json::from_value(json!({
            "type": "Feature", "stac_version": "1.1.0", "id": "a", "collection": "c",
            "geometry": null, "bbox": [13.0, 46.0, 15.0, 48.0], "links": [], "assets": {},
            "properties": {
                "datetime": "2021-06-09T10:01:21Z", "grid:code": "MGRS-33TVN", "eo:cloud_cover": 12.5
            },
        }))
        .unwrap();
        let search: Search = serde_json::from_value(search).unwrap();
        Matcher::new(&search)?.matches(&item)
    }

    #[test]
    fn searches() {
        for (search, expected) in [
            (json!({}), true),
            (json!({"collections": ["c", "d"], "ids": ["a"]}), true),
            (json!({"collections": ["d"]}), false),
            (json!({"datetime": "2021-06-01T00:00:00Z/2021-07-01T00:00:00Z"}), true),
            (json!({"datetime": "../2021-06-01"}), false),
            (json!({"bbox": [14.0, 47.0, 20.0, 50.0]}), true),
            (json!({"bbox": [16.0, 47.0, 20.0, 50.0]}), false),
            (json!({"query": {"grid:code": {"eq": "MGRS-33TVN"}}}), true),
            (json!({"query": {"grid:code": {"eq": "MGRS-33TWN"}}}), false),
            (json!({"query": {"eo:cloud_cover": {"lte": 12.5, "gt": 3}}}), true),
            (json!({"query": {"eo:cloud_cover": {"lt": 12.5}}}), false),
            (json!({"query": {"grid:code": {"in": ["x", "MGRS-33TVN"]}}}), true),
            (json!({"query": {"id": {"startsWith": "b"}}}), false),
            (json!({"query": {"nothing": {"eq": 1}}}), false),
            (json!({"query": {"datetime": {"gte": "2021-06-09"}}}), true),
        ] {
            assert_eq!(matches(search.clone()), Ok(expected), "{search}");
        }
    }

    #[test]
    fn what_is_not_supported_is_an_error() {
        assert!(matches(json!({"query": {"grid:code": {"like": "x"}}})).is_err());
        assert!(matches(json!({"query": {"grid:code": "MGRS-33TVN"}})).is_err());
        assert!(matches(json!({"datetime": "yesterday"})).is_err());
        let filter = json!({"filter-lang": "cql2-json", "filter": {"op": "=", "args": [1, 1]}});
        assert!(matches(filter).is_err());
    }
}
