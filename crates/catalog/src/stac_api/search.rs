//! What is asked of a STAC API (item search, and the extension query).

use chrono::TimeDelta;
use cubeflight_sentinel2::{Level, MgrsTile, ProductId, TimeRange};
use serde_json::{Map, json};
use stac::Bbox;
use stac::api::Search;

/// Catalogues give an item the start of its datatake (CDSE) or the time at which the tile was
/// sensed, up to a quarter of an hour later; datatakes last half an hour at most.
const LONGEST_DATATAKE: TimeDelta = TimeDelta::minutes(40);
/// Times of items have fractions, and are rounded at times.
const ROUNDED: TimeDelta = TimeDelta::seconds(60);

/// How a tile is named to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `grid:code`, as CDSE has it.
    GridCode,
    /// What encloses it; the answer then has items of its neighbours too.
    Bounds,
}

/// The items of a tile, level and time. A tile on the antimeridian is two searches by bounds, one of
/// the zones 1 to 9 two by code.
pub(super) fn of_tile(level: Level, tile: MgrsTile, time: &TimeRange, by: By) -> Vec<Search> {
    let search = || in_time(&[level], time);
    match by {
        By::GridCode => {
            let with = |code: String| {
                let mut search = search();
                let condition = json!({ "eq": code });
                search.items.query = Some(Map::from_iter([("grid:code".to_owned(), condition)]));
                search
            };
            grid_codes(tile).into_iter().map(with).collect()
        }
        By::Bounds => {
            let [west, south, east, north] = tile.geographic_bounds();
            let boxes = match west <= east {
                true => vec![[west, south, east, north]],
                false => vec![[west, south, 180.0, north], [-180.0, south, east, north]],
            };
            boxes.into_iter().map(|bounds| search().bbox(Bbox::TwoDimensional(bounds))).collect()
        }
    }
}

/// The items of levels and a time, wherever they are.
pub(super) fn in_time(levels: &[Level], time: &TimeRange) -> Search {
    let collections = levels.iter().map(|level| level.collection().to_owned()).collect();
    let search = Search::new().collections(collections);
    match widened(time) {
        Some(time) => search.datetime(time),
        None => search,
    }
}

/// The items of these ids.
pub(super) fn of_ids(level: Level, ids: &[ProductId]) -> Search {
    Search::new()
        .collections(vec![level.collection().to_owned()])
        .ids(ids.iter().map(ToString::to_string).collect())
}

/// Both spellings where the zone has one digit. Each is a search of its own: servers differ in
/// whether they know `in`.
fn grid_codes(tile: MgrsTile) -> Vec<String> {
    let name = tile.to_string();
    let short = name.strip_prefix('0').map(|short| format!("MGRS-{short}"));
    [Some(format!("MGRS-{name}")), short].into_iter().flatten().collect()
}

/// The times that items of datatakes in `time` may have; `None` for all time.
fn widened(time: &TimeRange) -> Option<TimeRange> {
    let start = time.start.and_then(|start| start.checked_sub_signed(ROUNDED));
    let end = time.end.and_then(|end| end.checked_add_signed(LONGEST_DATATAKE));
    (start.is_some() || end.is_some()).then_some(TimeRange { start, end })
}

/// The shortest time that holds all these datatakes.
pub(super) fn spanned(ids: &[ProductId]) -> TimeRange {
    let starts = || ids.iter().map(ProductId::datatake_start);
    TimeRange { start: starts().min(), end: starts().max() }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn asked(tile: &str, time: &str, by: By) -> Vec<Value> {
        let (tile, time) = (tile.parse().unwrap(), time.parse().unwrap());
        let searches = of_tile(Level::L2A, tile, &time, by);
        searches.iter().map(|search| serde_json::to_value(search).unwrap()).collect()
    }

    #[test]
    fn searches_as_they_are_sent() {
        let query = asked("33TVN", "2021-01-01/2021-12-31", By::GridCode);
        assert_eq!(
            query,
            [json!({
                "collections": ["sentinel-2-l2a"],
                "datetime": "2020-12-31T23:59:00Z/2022-01-01T00:39:59Z",
                "query": { "grid:code": { "eq": "MGRS-33TVN" } },
            })]
        );
        let open = asked("07HFE", "../2021", By::GridCode);
        let codes: Vec<_> = open.iter().map(|it| &it["query"]["grid:code"]["eq"]).collect();
        assert_eq!(codes, ["MGRS-07HFE", "MGRS-7HFE"]);
        assert_eq!(open[0]["datetime"], "../2022-01-01T00:39:59Z");
        let all = asked("33TVN", "../..", By::Bounds);
        assert_eq!(all[0].get("datetime"), None);
        assert_eq!(all[0].get("query"), None);
        let bounds: Vec<f64> = serde_json::from_value(all[0]["bbox"].clone()).unwrap();
        assert!(bounds[0] < 13.7 && bounds[1] < 46.9 && bounds[2] > 15.1 && bounds[3] > 47.8);
        let split = asked("01KAB", "2021", By::Bounds);
        assert_eq!(split.len(), 2);
        assert_eq!((&split[0]["bbox"][2], &split[1]["bbox"][0]), (&json!(180.0), &json!(-180.0)));
    }
}
