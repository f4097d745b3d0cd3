//! The database of PROJ is part of the executable.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use cubeflight_crs::to_utm;

const CHILD: &str = "CUBEFLIGHT_TEST_CHILD";

fn transform() {
    let tile = "33TVN".parse().unwrap();
    for crs in ["EPSG:4326", "OGC:CRS84"] {
        let found = to_utm([14.33, 46.99, 14.47, 47.09], crs, tile).unwrap();
        assert!((found.min_x - 449_053.44).abs() < 0.01, "{found}");
    }
    assert!(to_utm([4.6e6, 2.6e6, 4.61e6, 2.61e6], "EPSG:3035", tile).is_ok());
}

/// Runs this test again in processes whose surroundings lead nowhere.
#[test]
fn works_without_files_of_proj() {
    if std::env::var_os(CHILD).is_some() {
        return transform();
    }
    for data in [None, Some("/nonexistent")] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "works_without_files_of_proj"]).env(CHILD, "1");
        for name in ["PROJ_DATA", "PROJ_LIB"] {
            match data {
                Some(path) => child.env(name, path),
                None => child.env_remove(name),
            };
        }
        child.env("HOME", "/nonexistent").env_remove("XDG_DATA_HOME").env_remove("PROJ_AUX_DB");
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// PROJ also looks where it was built; this finds the database in the executable itself, by the
/// header of its file: magic, then versions, reserved space and payload fractions.
#[test]
fn the_executable_holds_the_database() {
    let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let magic = b"SQLite format 3\0";
    let found = bytes.windows(100).any(|header| {
        header.starts_with(magic)
            && (header[18] == 1 || header[18] == 2)
            && header[20..24] == [0, 64, 32, 32]
    });
    assert!(found, "no database in {} bytes", bytes.len());
}
