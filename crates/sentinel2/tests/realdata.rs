//! Grids, keys and attributes against metadata of real products: `CUBEFLIGHT_REALDATA`, by default
//! `shared/realdata` beside the workspace. Skipped where it is absent, except in CI.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cubeflight_sentinel2::{AssetId, Level, MgrsTile, ProductId, Resolution, SampleType, safe};
use serde_json::Value;

fn realdata() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/realdata");
    let root = std::env::var_os("CUBEFLIGHT_REALDATA").map_or(default.into(), PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no real data at {}", root.display());
    println!("skipped: no real data at {}", root.display());
    None
}

/// All files below a folder whose names end so.
fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, suffix));
        } else if path.to_string_lossy().ends_with(suffix) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

/// The product whose folder a path lies in.
fn product_of(path: &Path) -> ProductId {
    path.iter().find_map(|part| part.to_str()?.strip_suffix(".SAFE")?.parse().ok()).unwrap()
}

#[test]
fn granule_metadata_agrees() {
    let Some(root) = realdata() else { return };
    let granules = files(&root.join("safe"), "MTD_TL.xml");
    assert!(granules.len() >= 8);
    for path in granules {
        let xml = fs::read_to_string(&path).unwrap();
        let tile = product_of(&path).tile();
        let (ulx, uly) = tile.upper_left();
        let code = between(&xml, "<HORIZONTAL_CS_CODE>", "<").next().unwrap();
        assert_eq!(code, format!("EPSG:{}", tile.epsg()));
        let all = |tag: &str, value: i32| {
            assert_eq!(between(&xml, tag, "<").count(), 3, "{tag}");
            assert!(
                between(&xml, tag, "<").all(|v| v == value.to_string()),
                "{tile} {tag} {value}"
            );
        };
        all("<ULX>", ulx);
        all("<ULY>", uly);
    }
}

#[test]
fn stac_items_agree() {
    let Some(root) = realdata() else { return };
    let mut tiles = BTreeSet::new();
    for path in files(&root.join("stac"), ".json") {
        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let features = json["features"].as_array().cloned().unwrap_or_else(|| vec![json]);
        for item in &features {
            if let Some(tile) = tile_of(item)
                && check_transforms(item, tile) > 0
            {
                tiles.insert(tile.to_string());
            }
        }
    }
    println!("tiles with transforms: {tiles:?}");
    assert!(tiles.len() >= 4);
}

fn tile_of(item: &Value) -> Option<MgrsTile> {
    let properties = item.get("properties")?;
    ["grid:code", "s2:mgrs_tile"]
        .iter()
        .find_map(|key| properties.get(key)?.as_str()?.parse().ok())
        .or_else(|| item["id"].as_str()?.parse::<ProductId>().ok().map(|id| id.tile()))
}

/// Checks every `proj:transform` of a pixel size of ours below a value, and counts them.
fn check_transforms(value: &Value, tile: MgrsTile) -> usize {
    let mut count = 0;
    if let Some(transform) = value.get("proj:transform").and_then(Value::as_array) {
        let found: Vec<f64> = transform.iter().filter_map(Value::as_f64).collect();
        for resolution in Resolution::ALL {
            if found.first() == Some(&f64::from(resolution.metres())) {
                let grid = tile.grid(resolution);
                let expected = grid.transform(&grid.full());
                assert!(expected.starts_with(&found[..6]), "{tile} {found:?}");
                count += 1;
            }
        }
    }
    match value {
        Value::Object(map) => {
            count + map.values().map(|v| check_transforms(v, tile)).sum::<usize>()
        }
        Value::Array(list) => count + list.iter().map(|v| check_transforms(v, tile)).sum::<usize>(),
        _ => count,
    }
}

#[test]
fn eopf_trees_agree() {
    let Some(root) = realdata() else { return };
    for path in files(&root.join("eopf"), ".json") {
        let id: ProductId = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let tree: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(check_transforms(&tree, id.tile()) > 20);

        let mut rasters = Vec::new();
        collect(&tree, "", &mut rasters);
        let mut seen = BTreeSet::new();
        for (eopf_path, node) in rasters {
            let asset = AssetId::parse(&eopf_path, id.level()).unwrap();
            seen.insert(asset);
            let ours = asset.attributes(id.level());
            let theirs = &node["attributes"];
            let bytes = match node["dtype"].as_str().or(node["data_type"].as_str()).unwrap() {
                "|u1" | "uint8" => SampleType::U8,
                "<u2" | "uint16" => SampleType::U16,
                other => panic!("{eopf_path}: {other}"),
            };
            assert_eq!(asset.sample_type(), bytes, "{eopf_path}");
            if let Some(name) = theirs["long_name"].as_str() {
                check_long_name(ours["long_name"].as_str().unwrap(), name, &id, &eopf_path);
            }
            if let Some(list) = theirs["flag_meanings"].as_array() {
                let joined: Vec<_> = list.iter().filter_map(Value::as_str).collect();
                assert_eq!(ours["flag_meanings"], joined.join(" "));
                assert_eq!(ours["flag_masks"], theirs["flag_masks"]);
            }
            if asset.is_reflectance() {
                assert_eq!(ours["units"], theirs["units"]);
                assert_eq!(ours["valid_min"], theirs["valid_min"]);
            }
        }
        // All that EOPF lacks are the probabilities at 60 m.
        let missing: Vec<String> = AssetId::all(id.level())
            .into_iter()
            .filter(|asset| !seen.contains(asset))
            .map(|asset| asset.to_string())
            .collect();
        let expected: &[&str] = match id.level() {
            Level::L1C => &[],
            Level::L2A => &["CLD_60m", "SNW_60m"],
        };
        assert_eq!(missing, expected, "{id}");
    }
}

/// Equal for Sentinel-2A, equal but for the wavelength for the others.
fn check_long_name(ours: &str, theirs: &str, id: &ProductId, path: &str) {
    let exact = id.mission().platform() == "sentinel-2a" || !theirs.ends_with(" nm");
    let cut = |name: &str| {
        let name = name.strip_suffix(" nm").map_or(name, |n| n.rsplit_once(' ').unwrap().0);
        name.to_owned()
    };
    if exact {
        assert_eq!(ours, theirs, "{path}");
    } else {
        assert_eq!(cut(ours), cut(theirs), "{path}");
    }
}

fn collect(node: &Value, path: &str, rasters: &mut Vec<(String, Value)>) {
    let groups = ["/measurements/reflectance/", "/conditions/mask/", "/quality/"];
    match node.get("members").and_then(Value::as_object) {
        Some(members) => {
            for (name, member) in members {
                collect(member, &format!("{path}/{name}"), rasters);
            }
        }
        None => {
            let name = path.rsplit('/').next().unwrap_or_default();
            if groups.iter().any(|g| path.starts_with(g)) && !["x", "y", "band"].contains(&name) {
                rasters.push((path.to_owned(), node.clone()));
            }
        }
    }
}

#[test]
fn manifests_agree() {
    let Some(root) = realdata() else { return };
    let mut images = 0;
    for path in files(&root.join("safe"), "manifest.safe") {
        let text = fs::read_to_string(&path).unwrap();
        let stem = path.file_name().unwrap().to_str().unwrap();
        let id = match stem.strip_suffix("-manifest.safe") {
            Some(name) => name.parse().unwrap(),
            None => product_of(&path),
        };
        let prefix = format!("Sentinel-2/MSI/{}/{id}.SAFE", id.level());
        let mut seen = BTreeSet::new();
        for href in between(&text, "href=\"", "\"").filter(|h| h.ends_with(".jp2")) {
            let key = format!("{prefix}/{}", href.trim_start_matches("./"));
            let Some(found) = safe::parse_key(&key) else {
                assert!(href.ends_with("_PVI.jp2"), "{href}");
                continue;
            };
            assert_eq!(found.product, id);
            let again = safe::asset_key(&prefix, &found.granule, &found.product, found.asset);
            assert_eq!(again, key);
            assert!(safe::datastrip_start(&found.granule).is_some());
            assert!(seen.insert(found.asset));
            images += 1;
        }
        // A current product has everything that can be asked for, and nothing else.
        if id.baseline() >= "04.00".parse().unwrap() {
            assert_eq!(seen.into_iter().collect::<Vec<_>>(), AssetId::all(id.level()), "{id}");
        }
    }
    assert!(images > 300);
}

#[test]
fn stac_hrefs_agree() {
    let Some(root) = realdata() else { return };
    let mut images = 0;
    for path in files(&root.join("stac/cdse"), ".json") {
        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let empty = Vec::new();
        for item in json["features"].as_array().unwrap_or(&empty) {
            let Some(assets) = item["assets"].as_object() else { continue };
            for (name, asset) in assets {
                let Some(href) = asset["href"].as_str().filter(|h| h.ends_with(".jp2")) else {
                    continue;
                };
                let Some(key) = safe::parse_key(href) else { continue };
                assert_eq!(&key.asset.to_string(), name);
                assert!(safe::archive_key(href).starts_with("Sentinel-2/MSI/L2A"));
                images += 1;
            }
        }
    }
    assert!(images > 60, "{images}");
}
