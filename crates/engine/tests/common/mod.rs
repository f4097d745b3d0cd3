//! Real products laid out as in the bucket, an engine over them, and what their pixels are.

// Each test file uses some of it.
#![allow(dead_code, unreachable_pub, unused_imports, missing_docs, missing_debug_implementations)]

mod store;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cubeflight_catalog::{ArchiveListing, Catalog, Found, Query};
use cubeflight_engine::{Block, BlockStream, Engine, EngineConfig, Pixels};
use cubeflight_index::{Index, IndexOptions, build, candidates, read_peer};
use cubeflight_jp2::{DecodeOptions, Image, Rect, decode};
use cubeflight_plan::{Column, Fault, Layout, Plan, PlannedColumn};
use cubeflight_sentinel2::{
    Align, AssetId, Bounds, Cells, CubeRequest, DEFAULT_MESSAGE_BYTES, Level, MgrsTile, OnError,
    ProductId, Radiometry, RequestBounds, Resolution, Window, safe,
};
use cubeflight_storage::{LoggedRequest, Method, Options, RequestLog, RetryPolicy, Root};
use futures::{Stream, StreamExt};
use tempfile::TempDir;

pub use store::{Act, Tampered};

/// Guards against a test that hangs; nothing waits this long when all is well.
pub const GUARD: Duration = Duration::from_secs(120);

/// A product of the real data.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub level: Level,
    pub id: &'static str,
    pub tile: &'static str,
    folder: &'static str,
    peer: &'static str,
}

pub const L2A: Known = Known {
    level: Level::L2A,
    id: "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454",
    tile: "29UNU",
    folder: "L2A_N0400_S2A_20221005_T29UNU",
    peer: "L2A-29UNU-allres.parquet",
};

pub const L1C: Known = Known {
    level: Level::L1C,
    id: "S2A_MSIL1C_20220125T151701_N0400_R125_T18LTM_20220125T190036",
    tile: "18LTM",
    folder: "L1C_N0400_S2A_20220125_T18LTM",
    peer: "L1C-18LTM.parquet",
};

impl Known {
    pub fn product(&self) -> ProductId {
        self.id.parse().unwrap()
    }

    pub fn asset(&self, band: &str) -> AssetId {
        AssetId::parse(band, self.level).unwrap()
    }

    pub fn mgrs(&self) -> MgrsTile {
        self.tile.parse().unwrap()
    }

    /// The whole tile.
    pub fn request(&self, bands: &[&str]) -> CubeRequest {
        CubeRequest {
            level: self.level,
            tile: self.mgrs(),
            time: "2022-01-01/2022-12-31".parse().unwrap(),
            assets: bands.iter().map(|band| self.asset(band)).collect(),
            bounds: None,
            windows: Vec::new(),
            align: Align::Centre,
            reduce: 0,
            cloud_cover_max: None,
            filters: Vec::new(),
            group_by: cubeflight_sentinel2::GroupBy::default(),
            mask: None,
            min_valid: None,
            product_ids: Vec::new(),
            radiometry: Radiometry::Raw,
            on_error: OnError::Mark,
            max_message_bytes: DEFAULT_MESSAGE_BYTES,
            delivery: cubeflight_sentinel2::Delivery::default(),
        }
    }

    /// A window in pixels of one of the grids.
    pub fn window(&self, bands: &[&str], resolution: Resolution, window: Window) -> CubeRequest {
        let Bounds { min_x, min_y, max_x, max_y } =
            self.mgrs().grid(resolution).window_bounds(&window);
        let rectangle = [min_x, min_y, max_x, max_y];
        let bounds = Some(RequestBounds { rectangle, crs: None });
        CubeRequest { bounds, ..self.request(bands) }
    }

    pub fn peer_table(&self) -> Option<PathBuf> {
        Some(realdata()?.join("index").join(self.peer))
    }
}

/// Where the real data are; without them a test is skipped, which CI does not accept.
pub fn realdata() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/realdata");
    let root = std::env::var_os("CUBEFLIGHT_REALDATA").map_or(default.into(), PathBuf::from);
    if root.join("oracle.tsv").is_file() {
        return Some(root);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no real data at {}", root.display());
    println!("skipped: no real data at {}", root.display());
    None
}

/// An archive with some assets of products, and an index that knows nothing yet.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    pub log: Arc<RequestLog>,
    pub index: Index,
}

impl Place {
    pub fn new(products: &[(Known, &[&str])]) -> Option<Self> {
        realdata()?;
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("index");
        let index =
            Index::new(Root::open_or_create(index.to_str().unwrap(), &Options::default()).unwrap());
        let place = Self { folder, log: Arc::default(), index };
        fs::create_dir(place.store()).unwrap();
        for (known, bands) in products {
            for band in *bands {
                let target = place.file(*known, band);
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                // The real files are read-only: a copy of the bytes is not.
                fs::write(target, original(*known, band)).unwrap();
            }
            place.copy_metadata(*known);
        }
        Some(place)
    }

    /// As [`Self::new`] with one product, indexed.
    pub async fn indexed(known: Known, bands: &[&str]) -> Option<Self> {
        let place = Self::new(&[(known, bands)])?;
        place.build().await;
        Some(place)
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Indexes what there is.
    pub async fn build(&self) {
        let archive = self.archive(&Options::default());
        let found = candidates(&archive, None).await.unwrap();
        assert!(!found.is_empty());
        let report = build(&archive, &self.index, found, &IndexOptions::default()).await.unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
    }

    fn safe_folder(&self, known: Known) -> (String, String) {
        let table = fs::read(known.peer_table().unwrap()).unwrap();
        let row = read_peer(table.into()).unwrap().remove(0);
        let key = safe::parse_key(&row.source.key).unwrap();
        (format!("eodata/{}", key.product_prefix), key.granule)
    }

    /// Where an asset lies, whether or not it is there.
    pub fn file(&self, known: Known, band: &str) -> PathBuf {
        let (prefix, granule) = self.safe_folder(known);
        let key = safe::asset_key(&prefix, &granule, &known.product(), known.asset(band));
        self.store().join(key)
    }

    fn copy_metadata(&self, known: Known) {
        let (prefix, granule) = self.safe_folder(known);
        let source = realdata().unwrap().join("safe").join(format!("{}.SAFE", known.id));
        let of_tile = format!("GRANULE/{granule}/MTD_TL.xml");
        for name in [format!("MTD_MSI{}.xml", known.level), of_tile] {
            let target = self.store().join(&prefix).join(&name);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::write(target, fs::read(source.join(name)).unwrap()).unwrap();
        }
    }

    fn archive(&self, options: &Options) -> Root {
        Root::open(self.store().to_str().unwrap(), options).unwrap()
    }

    /// An engine whose requests to the archive are logged.
    pub fn engine(&self, config: EngineConfig) -> Engine {
        let options = Options { request_log: Some(Arc::clone(&self.log)), ..Options::default() };
        self.engine_over(self.archive(&options), config)
    }

    /// An engine over the same files behind a store that behaves as told.
    pub fn tampered(&self, store: Arc<Tampered>, config: EngineConfig) -> Engine {
        let retry = RetryPolicy {
            max_retries: 2,
            initial_backoff: Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        let options = Options { retry, ..Options::default() };
        let url = format!("file://{}", self.store().canonicalize().unwrap().display());
        self.engine_over(Root::with_store(&url, store, &options).unwrap(), config)
    }

    fn engine_over(&self, archive: Root, config: EngineConfig) -> Engine {
        let catalog = Arc::new(ArchiveListing::new(archive.clone()));
        Engine::new(archive, self.index.clone(), catalog, config).unwrap()
    }

    /// An engine with a catalogue of the caller's.
    pub fn engine_with(&self, config: EngineConfig, catalog: impl Catalog + 'static) -> Engine {
        let archive = self.archive(&Options::default());
        Engine::new(archive, self.index.clone(), Arc::new(catalog), config).unwrap()
    }
}

/// A catalogue in which one asset's file is that of another.
#[derive(Debug)]
pub struct Misled {
    honest: ArchiveListing,
    file_of: AssetId,
    for_asset: AssetId,
}

impl Misled {
    pub fn new(place: &Place, file_of: &str, for_asset: &str) -> Self {
        let honest = ArchiveListing::new(place.archive(&Options::default()));
        Self { honest, file_of: L2A.asset(file_of), for_asset: L2A.asset(for_asset) }
    }
}

#[async_trait::async_trait]
impl Catalog for Misled {
    async fn search(&self, query: &Query) -> cubeflight_catalog::Result<Found> {
        let mut found = self.honest.search(query).await?;
        for product in &mut found.products {
            let file = product.assets[&self.file_of].clone();
            product.assets.insert(self.for_asset, file);
        }
        Ok(found)
    }
}

/// A file of the real data.
pub fn original(known: Known, band: &str) -> Vec<u8> {
    let asset = known.asset(band);
    let name = safe::asset_key("X.SAFE", "X", &known.product(), asset);
    let name = name.rsplit('/').next().unwrap();
    let folder = realdata().unwrap().join("jp2").join(known.folder);
    fs::read(find(&folder, name).unwrap_or_else(|| panic!("no {name}"))).unwrap()
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(folder).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => find(&path, name),
            false => (path.file_name().unwrap() == name).then_some(path),
        }
    })
}

/// A block that no longer holds the look-ahead back.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    pub step: usize,
    pub block: u16,
    pub pixels: Vec<Pixels>,
    pub faults: Vec<(usize, Fault)>,
}

impl From<Block> for Given {
    fn from(block: Block) -> Self {
        let Block { step, block, pixels, faults, .. } = block;
        Self { step, block, pixels, faults }
    }
}

/// A whole decoded file.
pub fn decoded(file: &[u8]) -> Image {
    decode(file, &DecodeOptions { area: None, reduce: 0, max_bytes: u64::MAX }).unwrap()
}

/// The pixels of a column's window, cut from the decode of the whole file.
pub fn crop(image: &Image, column: &Column) -> Vec<f32> {
    let Window { x, y, width, height } = column.window;
    let source = Rect::new(x, y, x + width, y + height);
    let (width, pixels) = (width as usize, source.area() as usize);
    let mut cells = Vec::new();
    match column.cells {
        Cells::Flags { .. } => {
            let mut flags = vec![0; pixels];
            image.write_flags_u8(source, &mut flags, width).unwrap();
            cells.extend(flags.into_iter().map(f32::from));
        }
        _ => {
            for plane in 0..column.planes() {
                let mut samples = vec![0; pixels];
                let plane = u16::try_from(plane).unwrap();
                image.write_u16(plane, source, &mut samples, width, 1).unwrap();
                cells.extend(samples.into_iter().map(f32::from));
            }
        }
    }
    cells
}

/// A buffer as numbers: every `u16` is a `f32`.
pub fn numbers(pixels: &Pixels) -> Vec<f32> {
    match pixels {
        Pixels::U8(values) => values.iter().copied().map(f32::from).collect(),
        Pixels::U16(values) => values.iter().copied().map(f32::from).collect(),
        Pixels::F32(values) => values.clone(),
    }
}

/// One column of the blocks of one step, without the fill below the last row.
pub fn assemble(column: &Column, blocks: &[Given], position: usize) -> Vec<f32> {
    let width = column.window.width as usize;
    let plane = column.block_rows as usize * width;
    let mut cells = Vec::new();
    for number in 0..column.planes() as usize {
        for block in blocks {
            let rows = column.block_window(u32::from(block.block)).height as usize;
            let buffer = numbers(&block.pixels[position]);
            assert_eq!(buffer.len(), plane * column.planes() as usize);
            cells.extend(&buffer[number * plane..][..rows * width]);
        }
    }
    cells
}

/// Runs a request to its end; the guard fails the test rather than let it hang.
pub async fn cube(engine: &Engine, request: &CubeRequest) -> (Arc<Layout>, Vec<Given>) {
    let plan = engine.resolve(request).await.unwrap().plan;
    let layout = Arc::clone(&plan.layout);
    let blocks = outcome(engine.run(plan, request.on_error)).await;
    (layout, blocks.into_iter().map(|block| block.unwrap()).collect())
}

/// Everything a stream gives, without holding the look-ahead back.
pub async fn outcome(stream: BlockStream) -> Vec<cubeflight_engine::Result<Given>> {
    let all = stream.map(|block| block.map(Given::from)).collect();
    guarded(all).await
}

pub async fn guarded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, work).await.expect("hangs")
}

/// The next item; panics at the end of the stream.
pub async fn next<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> T {
    guarded(stream.next()).await.unwrap()
}

/// The same for a condition that takes a while itself.
pub async fn until_async<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    guarded(async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Lets everything else run until the condition holds.
pub async fn until(condition: impl Fn() -> bool) {
    guarded(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Ranges of a plan, by path below the store, in order of offset.
pub fn planned(place: &Place, plan: &Plan) -> Vec<(String, Range<u64>)> {
    let archive = place.archive(&Options::default());
    let columns = plan.steps.iter().flat_map(cubeflight_plan::PlannedStep::planned);
    let mut ranges: Vec<_> = columns
        .flat_map(|column| {
            let PlannedColumn::Read(read) = column else { panic!("not planned: {column:?}") };
            let path = archive.resolve(&read.href).unwrap().to_string();
            let ranges = read.groups.iter().flat_map(|group| group.ranges.clone());
            ranges.map(|range| (path.clone(), range)).collect::<Vec<_>>()
        })
        .collect();
    sort(&mut ranges);
    ranges
}

/// What was read, in order of offset. Anything but reads of ranges is refused.
pub fn read(log: Vec<LoggedRequest>) -> Vec<(String, Range<u64>)> {
    let mut ranges: Vec<_> = log
        .into_iter()
        .map(|request| {
            assert_eq!(request.method, Method::Get, "{request}");
            (request.path, request.range.unwrap())
        })
        .collect();
    sort(&mut ranges);
    ranges
}

fn sort(ranges: &mut [(String, Range<u64>)]) {
    ranges.sort_by(|a, b| (&a.0, a.1.start, a.1.end).cmp(&(&b.0, b.1.start, b.1.end)));
}
