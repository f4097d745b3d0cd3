//! What decoding a cube takes and nothing else: all bytes are in memory before the clock starts,
//! and samples are written into buffers of their own. `pure_decode STORE INDEX REQUEST [THREADS]`
//! with directories and a CubeRequest in JSON prints
//! `{"wall": s, "cpu": s, "tiles": n, "bytes": n, "tile_ms": ms}`. What takes less than a second is
//! done several times; figures are then those of the median.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cubeflight_catalog::ArchiveListing;
use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_index::Index;
use cubeflight_jp2::{
    DecodeOptions, DecoderChoice, Image, MainHeader, TileBytes, TileInput, decode_tile,
};
use cubeflight_plan::{
    AssetRead, Column, HeaderSource, Plan, PlannedColumn, PlannedSource, TileRead, TileSource,
    decode_area,
};
use cubeflight_proto::decode_request;
use cubeflight_sentinel2::{Cells, CubeRequest};
use cubeflight_storage::{Options, Root};
use rayon::prelude::*;

/// Times that short work is done, at most.
const PASSES: usize = 25;

/// Everything that a decoder job of the engine has.
struct Job<'a> {
    column: &'a Column,
    header: Arc<MainHeader>,
    tile: TileRead,
    bytes: Vec<Bytes>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, store, index, request, threads @ ..] = args.as_slice() else {
        return Err("usage: pure_decode STORE INDEX REQUEST [THREADS]".into());
    };
    let threads: usize = threads.first().map_or(Ok(0), |threads| threads.parse())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let store = Root::open(store, &Options::default())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let plan = runtime.block_on(plan(store.clone(), index, request))?;
    let jobs = runtime.block_on(load(&store, &plan))?;

    let mut passes: Vec<(f64, f64)> = Vec::new();
    while passes.len() < PASSES && passes.iter().map(|(wall, _)| wall).sum::<f64>() < 1.0 {
        let (wall, cpu) = (Instant::now(), cpu_seconds()?);
        let outcome: Result<(), cubeflight_jp2::Error> =
            pool.install(|| jobs.par_iter().try_for_each(run));
        passes.push((wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu));
        outcome?;
    }
    passes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (wall, cpu) = passes.get(passes.len() / 2).copied().unwrap_or_default();

    let bytes: usize = jobs.iter().flat_map(|job| &job.bytes).map(Bytes::len).sum();
    // one after the other, as if there were one thread
    let tile_ms = 1e3 * wall * pool.current_num_threads() as f64 / jobs.len().max(1) as f64;
    let tiles = jobs.len();
    let found = serde_json::json!({
        "wall": wall, "cpu": cpu, "tiles": tiles, "bytes": bytes, "tile_ms": tile_ms,
    });
    println!("{found}");
    Ok(())
}

async fn plan(store: Root, index: &str, request: &str) -> Result<Plan, Box<dyn Error>> {
    let index = Index::new(Root::open(index, &Options::default())?);
    let catalog = Arc::new(ArchiveListing::new(store.clone()));
    let engine = Engine::new(store, index, catalog, EngineConfig::default())?;
    let request = CubeRequest::try_from(&decode_request(request.as_bytes())?)?;
    Ok(engine.resolve(&request).await?.plan)
}

async fn load<'a>(store: &Root, plan: &'a Plan) -> Result<Vec<Job<'a>>, Box<dyn Error>> {
    let mut jobs = Vec::new();
    for part in plan.steps.iter().flat_map(|step| &step.parts) {
        for (source, column) in part.columns.iter().zip(&plan.layout.columns) {
            let (PlannedSource::Files(_), Some(PlannedColumn::Read(read))) =
                (source, source.planned())
            else {
                return Err("a column of the request is not planned".into());
            };
            jobs.extend(load_asset(store, column, read).await?);
        }
    }
    Ok(jobs)
}

async fn load_asset<'a>(
    store: &Root,
    column: &'a Column,
    read: &AssetRead,
) -> Result<Vec<Job<'a>>, Box<dyn Error>> {
    let HeaderSource::Known(header) = &read.header else {
        return Err("the index has no main header".into());
    };
    let path = store.resolve(&read.href)?;
    let mut jobs = Vec::new();
    for tile in read.groups.iter().flat_map(|group| &group.tiles) {
        let mut bytes = Vec::new();
        for range in tile.source.ranges() {
            bytes.push(store.get_range(&path, range).await?);
        }
        jobs.push(Job { column, header: Arc::clone(header), tile: tile.clone(), bytes });
    }
    Ok(jobs)
}

fn run(job: &Job<'_>) -> cubeflight_jp2::Result<()> {
    let decoder = DecoderChoice::Auto.decoder();
    let slices: Vec<&[u8]> = job.bytes.iter().map(AsRef::as_ref).collect();
    let pieces: Vec<(u32, &[u8])>;
    let bytes = match &job.tile.source {
        TileSource::TileParts(_) => TileBytes::TileParts(&slices),
        TileSource::Packets { read, .. } => {
            let starts = read.ranges().into_iter().map(|range| range.start);
            pieces = starts.zip(slices.iter().copied()).collect();
            TileBytes::Packets { read, pieces: &pieces }
        }
    };
    let input = TileInput { header: &job.header, tile: job.tile.tile, bytes };
    for area in &job.tile.areas {
        let options = DecodeOptions {
            area: Some(decode_area(job.column, area.samples)),
            reduce: job.column.decode_reduce(),
            max_bytes: u64::MAX,
        };
        copy(job.column, &decode_tile(decoder.as_ref(), &input, &options)?)?;
    }
    Ok(())
}

fn copy(column: &Column, image: &Image) -> cubeflight_jp2::Result<()> {
    // the engine's buffers begin as fill
    if image.constant(0) == Some(0) && image.components == 1 {
        return Ok(());
    }
    let (width, height) = (image.width as usize, image.height as usize);
    match column.cells {
        Cells::Flags { .. } => {
            let mut flags = vec![0; width * height];
            image.write_flags_u8(image.rect(), &mut flags, width)
        }
        _ if image.bit_depth > 8 => {
            let mut samples = vec![0; width * height];
            image.write_u16(0, image.rect(), &mut samples, width, 1)
        }
        _ => {
            let mut samples = vec![0; width * height];
            image.write_u8(0, image.rect(), &mut samples, width, 1)
        }
    }
}

/// User and system time of this process (Linux: fields 14 and 15 of its stat, in hundredths).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no stat of this process")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}
