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
    Archive::plan(config.clone()).map_err(|error| CliError::usage(&error.to_string()))?;
    let report = write(config).await?;
    let seconds = begin.elapsed().as_secs_f64();
    if args.json { print_json(&document(&report, seconds)) } else { print(&text(&report, seconds)) }
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
    let bands: Result<Vec<AssetId>, _> =
        args.bands.iter().map(|band| AssetId::parse(band, Level::L2A)).collect();
    let bounds =
        args.bounds.map(|[min_x, min_y, max_x, max_y]| Bounds::new(min_x, min_y, max_x, max_y));
    let period = (day(&args.start)?, day(&args.end)?);
    Ok(Config {
        bands: bands?,
        bounds: bounds.transpose()?,
        seed: args.seed,
        with_tlm: args.with_tlm,
        extras: Extras {
            duplicates: args.duplicates,
            superseded: args.superseded,
            split_datastrips: args.split_datastrips,
            swath_edges: args.swath_edges,
            reprocessed: args.reprocessed,
        },
        ..Config::new(&args.out, MgrsTile::from_str(&args.tile)?, period, args.steps)
    })
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

fn document(report: &Report, seconds: f64) -> serde_json::Value {
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
        "filled": filled.collect::<serde_json::Map<_, _>>(),
    })
}
