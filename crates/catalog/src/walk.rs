//! The way through an archive to its SAFE folders, past the subtrees that cannot hold the tile.

use cubeflight_sentinel2::{ProductId, Wanted};
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
        let wanted = Wanted { level: Some(query.level), tile: Some(query.tile), time: query.time };
        if wanted.may_be_below(folder.as_ref()) {
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
