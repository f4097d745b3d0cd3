//! A small archive in a temporary directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use cubeflight_catalog::{Catalog, Found, Query};
use cubeflight_sentinel2::{AssetId, Bounds, Level, MgrsTile};
use cubeflight_storage::{Options, Root};
use cubeflight_testkit::archive::{Archive, Config, Extras, Report};
use tempfile::TempDir;

pub(crate) const TILE: &str = "33TVN";

/// An archive and where it is.
pub(crate) struct Made {
    pub(crate) folder: TempDir,
    pub(crate) archive: Archive,
    pub(crate) report: Report,
}

pub(crate) fn asset(name: &str) -> AssetId {
    AssetId::parse(name, Level::L2A).unwrap()
}

pub(crate) fn tile() -> MgrsTile {
    TILE.parse().unwrap()
}

/// Some 4 km, in one JPEG 2000 tile at 20 and at 60 m.
pub(crate) fn bounds() -> Bounds {
    Bounds::new(453_000.0, 5_206_000.0, 456_600.0, 5_209_600.0).unwrap()
}

pub(crate) fn config(
    out: &Path,
    time: (&str, &str),
    steps: usize,
    bands: &[&str],
    extras: Extras,
) -> Config {
    let at = |day: &str| format!("{day}T00:00:00Z").parse().unwrap();
    Config {
        bands: bands.iter().map(|name| asset(name)).collect(),
        bounds: Some(bounds()),
        extras,
        ..Config::new(out, tile(), (at(time.0), at(time.1)), steps)
    }
}

pub(crate) fn make(time: (&str, &str), steps: usize, bands: &[&str], extras: Extras) -> Made {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path(), time, steps, bands, extras);
    let report = Archive::write(&config, &|_| ()).unwrap();
    Made { archive: Archive::plan(config).unwrap(), folder, report }
}

impl Made {
    /// The bucket.
    pub(crate) fn root(&self) -> Root {
        self.open("eodata", &["s3://eodata"])
    }

    pub(crate) fn items(&self) -> Root {
        self.open("stac", &[])
    }

    fn open(&self, name: &str, aliases: &[&str]) -> Root {
        let path = self.folder.path().join(name);
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        let options = Options { aliases, ..Options::default() };
        Root::open(path.to_str().unwrap(), &options).unwrap()
    }
}

/// Everything that a catalogue has of the tile.
pub(crate) async fn found(catalog: &dyn Catalog) -> Found {
    found_of(catalog, Level::L2A).await
}

/// Everything that a catalogue has of the tile at a level.
pub(crate) async fn found_of(catalog: &dyn Catalog, level: Level) -> Found {
    let query =
        Query { level, tile: tile(), time: "../..".parse().unwrap(), product_ids: Vec::new() };
    catalog.search(&query).await.unwrap()
}

/// Content and time of every file below a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            let below = files(&entry.path());
            found.extend(below.into_iter().map(|(path, file)| (format!("{name}/{path}"), file)));
        } else {
            let modified = entry.metadata().unwrap().modified().unwrap();
            found.insert(name, (fs::read(entry.path()).unwrap(), modified));
        }
    }
    found
}
