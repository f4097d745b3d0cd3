//! The way through an archive to its SAFE folders, past the subtrees that cannot hold the tile.

use chrono::{Days, Months, NaiveDate};
use cubeflight_sentinel2::ProductId;
use cubeflight_storage::{Path, Root};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{Error, Omitted, Query, Result};

/// Levels of folders; the archive of CDSE has eight above the products.
const DEEPEST: usize = 20;
/// Listings in flight; the root's own limit of connections holds as well.
const AT_ONCE: usize = 8;

/// What a walk came to.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// SAFE folders that match the query, in no order.
    pub(crate) products: Vec<(Path, ProductId)>,
    /// SAFE folders of Sentinel-2 whose names cannot be used.
    pub(crate) omitted: Vec<Omitted>,
}

/// Finds the SAFE folders of a query, at any depth below the root.
pub(crate) async fn walk(root: &Root, query: &Query) -> Result<Walked> {
    let mut walked = Walked::default();
    let mut level = Vec::new();
    descend(root.prefix().clone(), query, &mut walked, &mut level);
    for _ in 0..DEEPEST {
        if level.is_empty() {
            return Ok(walked);
        }
        let listings = stream::iter(std::mem::take(&mut level)).map(|folder| async move {
            let listed = root.store().list_with_delimiter(Some(&folder)).await;
            listed.map_err(|error| cubeflight_storage::Error::from_store(&folder, error))
        });
        let listings: Vec<_> = listings.buffered(AT_ONCE).try_collect().await?;
        for folder in listings.into_iter().flat_map(|listing| listing.common_prefixes) {
            descend(folder, query, &mut walked, &mut level);
        }
    }
    match level.into_iter().next() {
        None => Ok(walked),
        Some(path) => Err(Error::TooDeep { path: path.to_string(), limit: DEEPEST }),
    }
}

/// Sorts a folder into what it is: a product, something to look into, or neither.
fn descend(folder: Path, query: &Query, walked: &mut Walked, level: &mut Vec<Path>) {
    let name = folder.filename().unwrap_or_default();
    if !name.ends_with(".SAFE") {
        if may_hold(&folder, query) {
            level.push(folder);
        }
        return;
    }
    match name.parse::<ProductId>() {
        Ok(id) if query.matches(&id) => walked.products.push((folder, id)),
        Ok(_) => (),
        Err(error) => {
            let code = match error {
                cubeflight_sentinel2::Error::LongName { .. } => "long_name",
                _ => "unreadable_id",
            };
            if name.starts_with("S2") && may_be_meant(name, query) {
                let id = name.trim_end_matches(".SAFE");
                walked.omitted.push(Omitted::new(id, code, error.to_string()));
            }
        }
    }
}

/// Whether a name that is no product id may stand for a product of the query: the level and a tile
/// in it, where it has them, are the query's.
fn may_be_meant(name: &str, query: &Query) -> bool {
    let other_level = match query.level {
        cubeflight_sentinel2::Level::L1C => "MSIL2A",
        cubeflight_sentinel2::Level::L2A => "MSIL1C",
    };
    let mut tiles = name
        .trim_end_matches(".SAFE")
        .split('_')
        .filter(|part| part.len() == 6 && part.starts_with('T'))
        .filter_map(|part| part.parse::<cubeflight_sentinel2::MgrsTile>().ok());
    !name.contains(other_level) && tiles.next().is_none_or(|tile| tile == query.tile)
}

/// Whether a folder may hold products of the query, as far as two known layouts tell:
/// `Sentinel-2/MSI/L2A[_N0500]/YYYY/MM/DD` (CDSE), `tiles/33/T/VN` (mirrors by tile).
fn may_hold(folder: &Path, query: &Query) -> bool {
    let parts: Vec<&str> = folder.as_ref().split('/').collect();
    let after = |name: &str| {
        let at = parts.iter().rposition(|part| *part == name)?;
        parts.get(at + 1..)
    };
    if let Some([level, date @ ..]) = after("MSI")
        && (level.starts_with("L1C") || level.starts_with("L2A"))
    {
        return level.starts_with(&query.level.to_string()) && date_may_hold(date, query);
    }
    if let Some(tile) = after("tiles") {
        let (name, zone) = (query.tile.to_string(), query.tile.zone().to_string());
        let wanted = [zone.as_str(), name.get(2..3).unwrap_or(""), name.get(3..).unwrap_or("")];
        return tile.iter().zip(wanted).all(|(part, wanted)| *part == wanted);
    }
    true
}

/// Whether `YYYY`, `YYYY/MM` or `YYYY/MM/DD` meets the time of the query. A day of grace on both
/// sides, since an archive may file by another of a product's times than the datatake's start.
fn date_may_hold(date: &[&str], query: &Query) -> bool {
    let number = |at: usize| date.get(at).and_then(|part| part.parse::<u32>().ok());
    let Some(year) = date.first().and_then(|part| part.parse::<i32>().ok()) else { return true };
    let (month, day) = (number(1), number(2));
    // a folder that is no date says nothing
    let Some(first) = NaiveDate::from_ymd_opt(year, month.unwrap_or(1), day.unwrap_or(1)) else {
        return true;
    };
    let next = match (month, day) {
        (Some(_), Some(_)) => first.checked_add_days(Days::new(1)),
        (Some(_), None) => first.checked_add_months(Months::new(1)),
        (None, _) => first.checked_add_months(Months::new(12)),
    };
    let last = next.and_then(|next| next.checked_sub_days(Days::new(1))).unwrap_or(first);
    let grace = Days::new(1);
    let begins = first.checked_sub_days(grace).unwrap_or(first);
    let ends = last.checked_add_days(grace).unwrap_or(last);
    query.time.start.is_none_or(|start| start.date_naive() <= ends)
        && query.time.end.is_none_or(|end| begins <= end.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(time: &str) -> Query {
        Query {
            level: "L2A".parse().unwrap(),
            tile: "33TVN".parse().unwrap(),
            time: time.parse().unwrap(),
            product_ids: Vec::new(),
        }
    }

    #[test]
    fn dates_and_levels_prune() {
        let query = query("2021-03-05/2021-03-10");
        for (folder, holds) in [
            ("anything/at/all", true),
            ("eodata/Sentinel-2", true),
            ("eodata/Sentinel-2/MSI", true),
            ("eodata/Sentinel-2/MSI/L2A", true),
            ("eodata/Sentinel-2/MSI/L2A_N0500", true),
            ("eodata/Sentinel-2/MSI/L1C", false),
            ("Sentinel-2/MSI/L2A/2021", true),
            ("Sentinel-2/MSI/L2A/2020", false),
            ("Sentinel-2/MSI/L2A/2021/03", true),
            ("Sentinel-2/MSI/L2A/2021/02", false),
            ("Sentinel-2/MSI/L2A/2021/04", false),
            ("Sentinel-2/MSI/L2A/2021/03/03", false),
            ("Sentinel-2/MSI/L2A/2021/03/04", true),
            ("Sentinel-2/MSI/L2A/2021/03/11", true),
            ("Sentinel-2/MSI/L2A/2021/03/12", false),
            ("Sentinel-2/MSI/L2A/2021/13/45", true),
            ("Sentinel-2/MSI/L2A/misc", true),
            ("L2/tiles", true),
            ("L2/tiles/33", true),
            ("L2/tiles/34", false),
            ("L2/tiles/33/T/VN", true),
            ("L2/tiles/33/T/WN", false),
        ] {
            assert_eq!(may_hold(&Path::from(folder), &query), holds, "{folder}");
        }
    }

    #[test]
    fn year_ends_and_open_ends() {
        let holds = |folder: &str, time: &str| may_hold(&Path::from(folder), &query(time));
        assert!(holds("MSI/L2A/2020", "2021-01-01/.."));
        assert!(!holds("MSI/L2A/2019", "2021-01-01/.."));
        assert!(holds("MSI/L2A/2020/12/31", "2021-01-01/2021-01-02"));
        assert!(holds("MSI/L2A/1999", "../.."));
    }

    #[test]
    fn unusable_names_are_named_where_they_may_matter() {
        let query = query("../..");
        let mut walked = Walked::default();
        for name in [
            "S2A_OPER_PRD_MSIL2A_PDMC_20160101T000000_R022_V20160101T000000_20160101T000000.SAFE",
            "S2A_OPER_PRD_MSIL1C_PDMC_20160101T000000_R022_V20160101T000000_20160101T000000.SAFE",
            "S2A_MSIL2A_broken_T33TVN.SAFE",
            "S2A_MSIL2A_broken_T33TWN.SAFE",
            "S1A_IW_GRDH_1SDV_20210101T000000.SAFE",
        ] {
            descend(Path::from(name), &query, &mut walked, &mut Vec::new());
        }
        let codes: Vec<_> = walked.omitted.iter().map(|omitted| omitted.code).collect();
        assert_eq!(codes, ["long_name", "unreadable_id"]);
    }
}
