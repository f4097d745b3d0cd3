//! What a lookup costs: a table of 1,500 products with 16 assets each, made up, and the lookup of
//! three bands of 90 products of one year.
//!
//! ```text
//! cargo run --release -p cubeflight-index --example lookup [SEED [DIRECTORY]]
//! ```
//!
//! The tables are made in memory, or kept below the directory as `tlm` and `packets`.
//!
//! Prints the sizes of the table, the requests of a cold lookup without and with packet lengths,
//! and the time of a warm one. Ends with an error where a bound is missed.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cubeflight_index::{CacheOptions, Detail, Index, Selection};
use cubeflight_sentinel2::{AssetId, Level, MgrsTile, ProductId};
use cubeflight_storage::{LoggedRequest, Method, ObjectStore, Options, RequestLog, Root};
use cubeflight_tlm::{PacketLengths, TilePartSpan, TlmRecord};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const PRODUCTS: u32 = 1_500;
const WANTED: [&str; 3] = ["B08_10m", "B11_20m", "SCL_20m"];
/// Bounds: bytes without packet lengths, bytes that these add, requests, time when warm.
const TLM_BYTES: u64 = 400_000;
const PACKET_BYTES: u64 = 2_000_000;
const REQUESTS: usize = 8;
const WARM: Duration = Duration::from_millis(5);

/// Noise that is the same everywhere: splitmix64.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// From 0 to 1, from the sum of four: mostly in the middle.
    fn middling(&mut self) -> f64 {
        let sum: u64 = (0..4).map(|_| self.next() >> 34).sum();
        f64::from(u32::try_from(sum >> 2).unwrap_or(0)) / f64::from(1_u32 << 30)
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            let _ = write!(text, "{:016x}", self.next());
        }
        text.truncate(digits);
        text
    }
}

/// How ESA codes an asset: tiles along a side, bytes of an interior tile about, packets of an
/// interior tile and of one at the edge.
fn coding(asset: &str) -> (u16, f64, (u64, u64), (u64, u64)) {
    match asset {
        "SCL_20m" => (9, 20_000.0, (40, 46), (16, 27)),
        "AOT_10m" | "WVP_10m" => (11, 60_000.0, (23, 23), (23, 23)),
        "TCI_10m" => (11, 900_000.0, (69, 69), (69, 69)),
        _ if asset.ends_with("10m") => (11, 1_000_000.0, (23, 23), (23, 23)),
        _ if asset.ends_with("60m") => (10, 25_000.0, (16, 25), (16, 25)),
        _ => (9, 350_000.0, (40, 46), (16, 27)),
    }
}

struct Pass {
    product: ProductId,
    start: String,
    granule: String,
}

/// About 145 passes a year from 2015 on, of two satellites and two orbits.
fn passes(noise: &mut Noise) -> Result<Vec<Pass>> {
    let first = chrono::DateTime::from_timestamp(1_436_000_000, 0).ok_or("no time")?;
    let mut passes = Vec::new();
    for number in 0..PRODUCTS {
        let days = chrono::TimeDelta::hours(i64::from(number) * 60 + i64::from(number % 2) * 12);
        let jitter = chrono::TimeDelta::seconds(i64::try_from(noise.below(40))?);
        let time = first + days + jitter;
        let start = time.format("%Y%m%dT%H%M%S").to_string();
        let satellite = if number % 4 < 2 { 'A' } else { 'B' };
        let orbit = if number % 2 == 0 { 22 } else { 65 };
        let later = time + chrono::TimeDelta::seconds(i64::try_from(noise.below(90_000))?);
        let stamp = later.format("%Y%m%dT%H%M%S");
        let product =
            format!("S2{satellite}_MSIL2A_{start}_N0500_R{orbit:03}_T33TVN_{stamp}").parse()?;
        let sensed = (time + chrono::TimeDelta::seconds(i64::try_from(noise.below(600))?))
            .format("%Y%m%dT%H%M%S")
            .to_string();
        let granule = format!("L2A_T33TVN_A{:06}_{sensed}", 3000 + number * 36 + number % 7);
        passes.push(Pass { product, start, granule });
    }
    Ok(passes)
}

fn record(pass: &Pass, name: &str, noise: &mut Noise) -> Result<TlmRecord> {
    let asset = AssetId::parse(name, Level::L2A)?;
    let (side, typical, interior, edge) = coding(name);
    let first_sot = if name.ends_with("10m") { 2_426 } else { 2_428 };
    let product = &pass.product;
    let day = product.datatake_start().format("%Y/%m/%d");
    let group = name.rsplit('_').next().unwrap_or_default();
    let key = format!(
        "Sentinel-2/MSI/L2A/{day}/{product}.SAFE/GRANULE/{}/IMG_DATA/R{group}/T33TVN_{}_{name}.jp2",
        pass.granule, pass.start
    );
    // clouds: a product as a whole and its tiles are brighter or darker
    let weather = 0.4 + noise.middling();
    let (mut tile_parts, mut packets) = (Vec::new(), PacketLengths::default());
    let mut offset = first_sot;
    for tile in 0..side * side {
        let at_edge = tile % side == side - 1 || tile / side == side - 1;
        let (least, most) = if at_edge { edge } else { interior };
        let count = least + noise.below(most - least + 1);
        let body = typical * weather * (0.3 + 1.4 * noise.middling());
        let mut length = 14 + 2 * u32::try_from(count)?;
        // Resolutions share the bytes: the finest has most of them. What is constant is one byte.
        let shares: Vec<f64> = (0..count)
            .map(|packet| {
                4_f64.powf(6.0 * (packet as f64) / (count as f64)) * (0.3 + noise.middling())
            })
            .collect();
        let sum: f64 = shares.iter().sum();
        for share in shares {
            let bytes = (body * share / sum).max(1.0);
            let bytes = format!("{bytes:.0}").parse()?;
            packets.lengths.push(bytes);
            length += bytes;
        }
        packets.counts.push(u32::try_from(count)?);
        tile_parts.push(TilePartSpan { tile, offset, length });
        offset += u64::from(length);
    }
    let header = Bytes::from(format!("{:200}", side));
    Ok(TlmRecord {
        product: product.clone(),
        asset,
        store: Some("s3://eodata".to_owned()),
        key,
        size: offset + 2,
        etag: Some(format!("\"{}-{}\"", noise.hex(32), 1 + offset / 104_857_600)),
        first_sot,
        tile_parts,
        complete: true,
        main_header: Some(header),
        packet_lengths: Some(packets),
    })
}

/// A request of the log, and how many bytes it brought.
fn bytes(request: &LoggedRequest) -> u64 {
    request.range.as_ref().map_or(0, |range| range.end - range.start)
}

struct Bench {
    store: Arc<dyn ObjectStore>,
    tile: MgrsTile,
    selection: Selection,
}

impl Bench {
    fn index(&self) -> Result<(Index, Arc<RequestLog>)> {
        let log = Arc::new(RequestLog::default());
        let options = Options { request_log: Some(Arc::clone(&log)), ..Options::default() };
        let root = Root::with_store("s3://tables", Arc::clone(&self.store), &options)?;
        Ok((Index::with_cache(root, &CacheOptions::default()), log))
    }

    /// A cold lookup and warm ones: bytes read, requests, round trips; the best warm time.
    async fn measure(&self, detail: Detail) -> Result<(u64, usize, usize)> {
        let (index, log) = self.index()?;
        let selection = Selection { detail, ..self.selection.clone() };
        let begin = Instant::now();
        let found = index.records(Level::L2A, self.tile, &selection).await?;
        let cold = begin.elapsed();
        let requests = log.take();
        let expected = WANTED.len() * selection.products.len();
        if found.len() != expected {
            return Err(format!("{} records instead of {expected}", found.len()).into());
        }
        for request in &requests {
            println!("    {request}");
        }
        let total = requests.iter().map(bytes).sum();
        // a listing, the ends of the files, and the data that these tell of
        let gets = requests.iter().filter(|request| request.method == Method::Get).count();
        let trips = 1 + usize::from(gets > 0) + usize::from(gets > 1);
        println!(
            "  {detail:?}: {} records, {} requests in {trips} round trips, {total} bytes, decoded in \
             {cold:.1?}",
            found.len(),
            requests.len(),
        );
        let mut warm = Duration::MAX;
        for _ in 0..20 {
            let begin = Instant::now();
            let again = index.records(Level::L2A, self.tile, &selection).await?;
            warm = warm.min(begin.elapsed());
            if again != found {
                return Err("a warm lookup differs".into());
            }
        }
        if !log.take().is_empty() {
            return Err("a warm lookup sent requests".into());
        }
        println!("  {detail:?}, warm: {warm:.1?}");
        if warm > WARM {
            return Err(format!("a warm lookup takes more than {WARM:?}").into());
        }
        Ok((total, requests.len(), trips))
    }
}

/// Writes the table in small steps, so that memory holds one table and not all its records.
async fn build(index: &Index, packets: bool, seed: u64) -> Result<u64> {
    let tile: MgrsTile = "33TVN".parse()?;
    let mut noise = Noise(seed);
    let passes = passes(&mut noise)?;
    let assets = [
        "B01_60m", "B02_10m", "B03_10m", "B04_10m", "B05_20m", "B06_20m", "B07_20m", "B08_10m",
        "B09_60m", "B11_20m", "B12_20m", "B8A_20m", "SCL_20m", "AOT_10m", "WVP_10m", "TCI_10m",
    ];
    for some in passes.chunks(150) {
        let mut records = Vec::new();
        for pass in some {
            for name in assets {
                let mut record = record(pass, name, &mut noise)?;
                record.packet_lengths = record.packet_lengths.filter(|_| packets);
                records.push(record);
            }
        }
        index.append(&records).await?;
    }
    index.compact(Level::L2A, tile, Duration::ZERO).await?;
    let info = index.table(Level::L2A, tile).await?;
    if info.records != u64::from(PRODUCTS) * 16 || info.files != 1 {
        return Err(format!("the table is {info:?}").into());
    }
    Ok(info.bytes)
}

#[tokio::main]
async fn main() -> Result<()> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let tile: MgrsTile = "33TVN".parse()?;
    let mut sizes = Vec::new();
    let mut bench = None;
    for packets in [false, true] {
        let store: Arc<dyn ObjectStore> = match std::env::args().nth(2) {
            Some(folder) => {
                let folder = format!("{folder}/{}", if packets { "packets" } else { "tlm" });
                std::fs::create_dir_all(&folder)?;
                Arc::new(LocalFileSystem::new_with_prefix(folder)?)
            }
            None => Arc::new(InMemory::new()),
        };
        let selection = Selection::default();
        let made = Bench { store, tile, selection };
        let begin = Instant::now();
        sizes.push(build(&made.index()?.0, packets, seed).await?);
        println!("table made in {:.0?}", begin.elapsed());
        bench = Some(made);
    }
    let products_made = u64::from(PRODUCTS);
    let [tlm, all] = sizes.as_slice() else { return Err("no tables".into()) };
    println!("table of {PRODUCTS} products with 16 assets each");
    println!("  without packet lengths: {tlm} bytes, {} a product", tlm / products_made);
    println!("  with packet lengths: {all} bytes, {} a product", all / products_made);
    let Some(mut bench) = bench else { return Err("no table".into()) };
    for (what, skip, step) in [("90 in a row", 20, 1), ("90 spread over the year", 0, 3)] {
        let passes = passes(&mut Noise(seed))?;
        let year: Vec<Pass> =
            passes.into_iter().filter(|pass| pass.start.starts_with("2021")).collect();
        // of three leave one out to spread them
        let some = year.iter().enumerate().filter(|(at, _)| step == 1 || at % step != 1);
        let products: Vec<ProductId> =
            some.map(|(_, pass)| pass.product.clone()).skip(skip).take(90).collect();
        bench.selection.products = products;
        bench.selection.assets =
            WANTED.iter().map(|name| AssetId::parse(name, Level::L2A)).collect::<Result<_, _>>()?;
        println!("lookup of {} in {} products, {what}", WANTED.join(", "), year.len());
        let (tlm, ..) = bench.measure(Detail::Tlm).await?;
        let (both, requests, trips) = bench.measure(Detail::Packets).await?;
        if tlm > TLM_BYTES || both > tlm + PACKET_BYTES || requests > REQUESTS || trips > 3 {
            return Err(format!(
                "{tlm} and {} bytes, {requests} requests, {trips} round trips: too much",
                both - tlm
            )
            .into());
        }
    }
    Ok(())
}
