//! Real files for the tests, laid out as in the archive that the peer's tables were made from:
//! `CUBEFLIGHT_REALDATA`, by default `shared/realdata` beside the workspace. Skipped where it is
//! absent, except in CI.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use bytes::Bytes;
use cubeflight_index::{Index, PeerRow, read_peer};
use cubeflight_storage::{Options, RequestLog, Root};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

/// Tables of the peer whose files are there, at least in part.
pub(crate) const TABLES: [&str; 3] = ["L2A-29UNU-allres", "L2A-29UNU", "L1C-18LTM"];
const FOLDERS: [&str; 2] = ["L2A_N0400_S2A_20221005_T29UNU", "L1C_N0400_S2A_20220125_T18LTM"];

pub(crate) fn realdata() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/realdata");
    let root = std::env::var_os("CUBEFLIGHT_REALDATA").map_or(default.into(), PathBuf::from);
    if root.join("jp2").is_dir() {
        return Some(root);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no real data at {}", root.display());
    println!("skipped: no real data at {}", root.display());
    None
}

pub(crate) fn table(root: &Path, name: &str) -> Bytes {
    fs::read(root.join(format!("index/{name}.parquet"))).unwrap().into()
}

/// The rows of a peer's table with their cells as they stand in the file.
pub(crate) fn rows_with_cells(bytes: Bytes) -> Vec<(PeerRow, Vec<u8>)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().build().unwrap();
    let mut cells = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = batch.column_by_name("index").unwrap().as_binary::<i32>();
        cells.extend(column.iter().map(|cell| cell.unwrap().to_vec()));
    }
    let rows = read_peer(bytes).unwrap();
    assert_eq!(rows.len(), cells.len());
    rows.into_iter().zip(cells).collect()
}

/// An archive and an index in a temporary folder.
pub(crate) struct Setup {
    pub(crate) folder: TempDir,
    pub(crate) archive: Root,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) index: Index,
}

impl Setup {
    /// Nothing in it.
    pub(crate) fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let log = Arc::new(RequestLog::default());
        let options = Options { request_log: Some(Arc::clone(&log)), ..Options::default() };
        let root = |name: &str, options: &Options| {
            Root::open_or_create(folder.path().join(name).to_str().unwrap(), options).unwrap()
        };
        let archive = root("archive", &options);
        let index = Index::new(root("index", &Options::default()));
        Self { folder, archive, log, index }
    }

    /// Every real file that a peer's table names.
    pub(crate) fn real() -> Option<Self> {
        let root = realdata()?;
        let setup = Self::empty();
        for name in TABLES {
            for row in read_peer(table(&root, name)).unwrap() {
                if let Some(file) = real_file(&root, &row.source.key) {
                    setup.put(&row.source.key, &fs::read(file).unwrap());
                }
            }
        }
        Some(setup)
    }

    /// Writes a file of the archive below `eodata/`.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.folder.path().join("archive/eodata").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A second index over the same folder.
    pub(crate) fn index_again(&self) -> Index {
        let url = self.folder.path().join("index");
        Index::new(Root::open(url.to_str().unwrap(), &Options::default()).unwrap())
    }
}

/// The real file of a key, if it is there: file names are unique within a product.
fn real_file(root: &Path, key: &str) -> Option<PathBuf> {
    let name = key.rsplit('/').next()?;
    let folder = FOLDERS.iter().find(|folder| {
        let tile = folder.rsplit('_').next().unwrap();
        key.contains(&format!("_{tile}_"))
    })?;
    ["R10m", "R20m", "R60m", "QI_DATA", "IMG_DATA"]
        .iter()
        .map(|group| root.join("jp2").join(folder).join(group).join(name))
        .find(|path| path.is_file())
}

pub(crate) const L2A: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";

/// Key of an image of the product [`L2A`].
pub(crate) fn key(rest: &str) -> String {
    let granule = "L2A_T29UNU_A038058_20221005T115407";
    format!("Sentinel-2/MSI/L2A/2022/10/05/{L2A}.SAFE/GRANULE/{granule}/{rest}")
}
