//! `cubeflight archive`: a synthetic archive on disk.

use std::str::FromStr;
use std::time::Instant;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{AssetId, Bounds, Level, MgrsTile, TimeRange};
use cubeflight_testkit::archive::{Archive, Config, Extras, Report};
use serde_json::json;

use crate::cli::ArchiveArgs;
use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::progress;

pub(crate) async fn run(args: ArchiveArgs) -> Result<(), CliError> {
    let begin = Instant::now();
    let config = config(&args)?;
    // what cannot be is wrong usage, not a failure
    let archive =
        Archive::plan(config.clone()).map_err(|error| CliError::usage(&error.to_string()))?;
    let report = write(config).await?;
    let seconds = begin.elapsed().as_secs_f64();
    if args.json {
        print_json(&document(&archive, &report, seconds))
    } else {
        print(&text(&report, seconds))
    }
}

/// Writes an archive, with a bar on the terminal.
pub(crate) async fn write(config: Config) -> Result<Report, CliError> {
    let write = move || {
        let bar = progress::bar("making products");
        let report = Archive::write(&config, &|progress| bar.show(progress));
        bar.finish();
        report
    };
    let joined = tokio::task::spawn_blocking(write).await;
    Ok(joined.map_err(|error| CliError::coded("CF-ENG-002", &error))??)
}

fn config(args: &ArchiveArgs) -> Result<Config, CliError> {
    let level = Level::from_str(&args.collection)?;
    let bands: Result<Vec<AssetId>, _> =
        args.bands.iter().map(|band| band_of(band, level)).collect();
    let bounds =
        args.bounds.map(|[min_x, min_y, max_x, max_y]| Bounds::new(min_x, min_y, max_x, max_y));
    let (first, last) = if args.mission { MISSION } else { YEAR };
    let period =
        (day(args.start.as_deref().unwrap_or(first))?, day(args.end.as_deref().unwrap_or(last))?);
    let some = if args.mission { Extras::some_of_each() } else { Extras::default() };
    Ok(Config {
        level,
        bands: bands?,
        bounds: bounds.transpose()?,
        seed: args.seed,
        with_tlm: args.with_tlm,
        extras: Extras {
            duplicates: args.duplicates.unwrap_or(some.duplicates),
            superseded: args.superseded.unwrap_or(some.superseded),
            split_datastrips: args.split_datastrips.unwrap_or(some.split_datastrips),
            disjoint_datastrips: args.disjoint_datastrips.unwrap_or(some.disjoint_datastrips),
            swath_edges: args.swath_edges.unwrap_or(some.swath_edges),
            lost_areas: args.lost_areas.unwrap_or(some.lost_areas),
            unofficial: args.unofficial.unwrap_or(some.unofficial),
            without_assets: args.without_assets.unwrap_or(some.without_assets),
            missing_assets: args.missing_assets.unwrap_or(some.missing_assets),
            reprocessed: args.reprocessed,
        },
        ..Config::new(&args.out, MgrsTile::from_str(&args.tile)?, period, args.steps)
    })
}

/// The first day of an archive and the day after its last one.
const YEAR: (&str, &str) = ("2021-01-01", "2022-01-01");
/// From the first products with times of processing in their names on.
const MISSION: (&str, &str) = ("2018-01-01", "2026-06-01");

/// The default list of bands serves for both levels, so that its SCL is not refused at level 1C.
fn band_of(band: &str, level: Level) -> Result<AssetId, CliError> {
    let level = if band == "SCL" { Level::L2A } else { level };
    Ok(AssetId::parse(band, level)?)
}

/// The beginning of a day, or of whatever else a date may say.
fn day(text: &str) -> Result<DateTime<Utc>, CliError> {
    let range = TimeRange::from_str(text)?;
    range.start.ok_or_else(|| CliError::usage(&format!("{text:?} is no date")))
}

fn text(report: &Report, seconds: f64) -> String {
    let mut text = format!(
        "{} products for {} time steps, {} files, {:.1} MB, {seconds:.1} s",
        report.products,
        report.steps,
        report.files,
        report.bytes as f64 / 1e6
    );
    for (asset, totals) in &report.filled {
        text.push_str(&format!("\n{asset:<10} {:.2} bit/px", totals.bits_per_pixel()));
    }
    text
}

fn document(archive: &Archive, report: &Report, seconds: f64) -> serde_json::Value {
    let products = archive.products().iter().map(|product| {
        json!({
            "id": product.id().to_string(),
            "prefix": product.prefix(),
            "granule": product.granule(),
            "radiometric_offset": product.radiometric_offset(),
            "extra": product.extra(),
            "missing": product.missing().map(|asset| product.key(asset)),
        })
    });
    let filled = report.filled.iter().map(|(asset, totals)| {
        let value = json!({
            "pixels": totals.pixels,
            "bytes": totals.bytes,
            "bits_per_pixel": totals.bits_per_pixel(),
        });
        (asset.to_string(), value)
    });
    json!({
        "time_steps": report.steps,
        "products": report.products,
        "files": report.files,
        "bytes": report.bytes,
        "seconds": seconds,
        "product_list": products.collect::<Vec<_>>(),
        "filled": filled.collect::<serde_json::Map<_, _>>(),
    })
}
