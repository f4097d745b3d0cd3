//! Writes an archive and measures it: time, files, and bits a pixel of the filled tiles.
//!
//! `measure_archive OUT [STEPS [BANDS]]`, by default 4 steps of B08, B11 and SCL over a box of 10 km
//! in the tile 33TVN in 2021.
#![forbid(unsafe_code)]

use std::time::Instant;

use cubeflight_sentinel2::{AssetId, Bounds, Level};
use cubeflight_testkit::archive::{Archive, Config};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("measure_archive OUT [STEPS [BANDS]]")?;
    let steps = arguments.next().map_or(Ok(4), |text| text.parse())?;
    let bands = arguments.next().unwrap_or_else(|| "B08,B11,SCL".to_owned());
    let time = ("2021-01-01T00:00:00Z".parse()?, "2022-01-01T00:00:00Z".parse()?);
    let mut config = Config::new(out, "33TVN".parse()?, time, steps);
    let parsed = bands.split(',').map(|band| AssetId::parse(band, Level::L2A));
    config.bands = parsed.collect::<Result<_, _>>()?;
    config.bounds = Some(Bounds::new(449_030.0, 5_204_447.0, 459_657.0, 5_214_944.0)?);
    let start = Instant::now();
    let report = Archive::write(&config, &|progress| {
        eprintln!("{:3}/{} {}", progress.done, progress.total, progress.product);
    })?;
    println!(
        "{:.1} s for {} products, {} files, {:.1} MB",
        start.elapsed().as_secs_f64(),
        report.products,
        report.files,
        report.bytes as f64 / 1e6
    );
    for (asset, totals) in &report.filled {
        println!("{asset}: {:.2} bit/px over {} pixels", totals.bits_per_pixel(), totals.pixels);
    }
    Ok(())
}
