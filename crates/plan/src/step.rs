//! The plan of a whole cube.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{Baseline, ProductId};
use cubeflight_tlm::TlmRecord;

use crate::estimate::ScanEstimate;
use crate::{AssetRead, Column, CostModel, Layout, plan_asset};

/// What is known of a time step besides its pixels; `None` where it is unknown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepMetadata {
    /// `sentinel-2a`.
    pub platform: Option<String>,
    /// Relative orbit, 1 to 143.
    pub relative_orbit: Option<u16>,
    /// Processing baseline.
    pub processing_baseline: Option<Baseline>,
    /// What raw DN of each reflectance column need added, in column order.
    pub radiometric_offset: Option<Vec<i16>>,
    /// DN per unit of reflectance.
    pub quantification: Option<f32>,
    /// Percent.
    pub cloud_cover: Option<f64>,
    /// Percent.
    pub snow_cover: Option<f64>,
    /// Mean over the tile, degrees clockwise from north.
    pub sun_azimuth: Option<f64>,
    /// Mean over the tile, degrees above the horizon.
    pub sun_elevation: Option<f64>,
    /// Mean over tile and bands, degrees clockwise from north.
    pub view_azimuth: Option<f64>,
    /// Mean over tile and bands, degrees from nadir.
    pub view_incidence: Option<f64>,
    /// When the tile itself was sensed; the datatake began up to ten minutes before.
    pub sensing_time: Option<DateTime<Utc>>,
}

/// A fault of one asset: its pixels become fill, or the cube fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Product.
    pub product: ProductId,
    /// Stable error code.
    pub code: &'static str,
    /// What was wrong.
    pub message: String,
}

/// A file whose tile-parts must be found before they can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unindexed {
    /// Product.
    pub product: ProductId,
    /// Where it is.
    pub href: String,
    /// Size in bytes, where the catalogue knows it.
    pub size: Option<u64>,
    /// Validator, where the catalogue knows it.
    pub etag: Option<String>,
    /// A record that lists other tile-parts of this file.
    pub known: Option<Arc<TlmRecord>>,
}

/// Where the pixels of one column of one step come from.
#[derive(Debug, Clone)]
pub enum ColumnSource {
    /// A file that the index knows.
    Indexed {
        /// Where it is.
        href: String,
        /// Its record.
        record: Arc<TlmRecord>,
    },
    /// A file without record.
    Unindexed(Unindexed),
    /// No such file.
    Absent(Fault),
}

/// A time step to plan.
#[derive(Debug, Clone)]
pub struct Step {
    /// Datatake start.
    pub time: DateTime<Utc>,
    /// Products of the step.
    pub product_ids: Vec<ProductId>,
    /// Per-step metadata.
    pub metadata: StepMetadata,
    /// One source per column of the layout.
    pub sources: Vec<ColumnSource>,
}

/// How one column of one step is read.
#[derive(Debug, Clone)]
pub enum PlannedColumn {
    /// By these ranges.
    Read(AssetRead),
    /// Its tile-parts are found first, then planned, while serving.
    Scan(Unindexed),
    /// Not at all.
    Fault(Fault),
}

/// One time step of the plan.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// Datatake start.
    pub time: DateTime<Utc>,
    /// Products of the step.
    pub product_ids: Vec<ProductId>,
    /// Per-step metadata.
    pub metadata: StepMetadata,
    /// One per column of the layout.
    pub columns: Vec<PlannedColumn>,
}

/// The result of planning: nothing has been read.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the cube looks like.
    pub layout: Arc<Layout>,
    /// Time steps in ascending time.
    pub steps: Vec<PlannedStep>,
    /// The same in numbers.
    pub summary: Summary,
}

/// What a plan costs and gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Time steps.
    pub time_steps: u64,
    /// Products in the cube, in time order.
    pub matched_ids: Vec<String>,
    /// Rows and columns of each column, by EOPF path.
    pub shapes: BTreeMap<String, [u32; 2]>,
    /// JP2 tiles to decode.
    pub jp2_tiles: u64,
    /// Requests for pixels.
    pub requests: u64,
    /// Bytes of these requests.
    pub bytes: u64,
    /// Further requests for main headers.
    pub header_requests: u64,
    /// Assets whose tile-parts are found while serving.
    pub assets_without_index: u64,
    /// Requests and bytes that these assets may cost, finding included; from file sizes alone.
    pub estimated_requests: u64,
    /// See [`Self::estimated_requests`].
    pub estimated_bytes: u64,
    /// Of the requests those that tell which pixels are valid.
    pub mask_requests: u64,
    /// Their bytes.
    pub mask_bytes: u64,
}

/// Plans a cube from its steps.
#[must_use]
pub fn plan(layout: Arc<Layout>, steps: Vec<Step>, cost: &CostModel) -> Plan {
    let mut summary = Summary { time_steps: steps.len() as u64, ..Summary::default() };
    for column in &layout.columns {
        let shape = [column.window.height, column.window.width];
        summary.shapes.insert(column.path.clone(), shape);
    }
    let steps = steps
        .into_iter()
        .map(|step| {
            summary.matched_ids.extend(step.product_ids.iter().map(ToString::to_string));
            plan_step(&layout, step, cost, &mut summary)
        })
        .collect();
    Plan { layout, steps, summary }
}

fn plan_step(layout: &Layout, step: Step, cost: &CostModel, summary: &mut Summary) -> PlannedStep {
    let sources = step.sources.into_iter().zip(&layout.columns);
    let columns = sources
        .map(|(source, column)| match source {
            ColumnSource::Absent(fault) => PlannedColumn::Fault(fault),
            ColumnSource::Unindexed(file) => scan(column, file, cost, summary),
            ColumnSource::Indexed { href, record } => {
                if let Ok(read) = plan_asset(column, href.clone(), Arc::clone(&record), cost) {
                    count(&read, summary);
                    return PlannedColumn::Read(read);
                }
                let product = record.product.clone();
                let file = match record.complete {
                    // It does not fit its asset, which is as good as none: the scan finds out
                    // whether the file is broken or the record was. Its size is no better.
                    true => Unindexed { product, href, size: None, etag: None, known: None },
                    // It lacks tile-parts that nobody has asked for yet.
                    false => Unindexed {
                        product,
                        href,
                        size: Some(record.size),
                        etag: record.etag.clone(),
                        known: Some(record),
                    },
                };
                scan(column, file, cost, summary)
            }
        })
        .collect();
    PlannedStep { time: step.time, product_ids: step.product_ids, metadata: step.metadata, columns }
}

fn scan(
    column: &Column,
    file: Unindexed,
    cost: &CostModel,
    summary: &mut Summary,
) -> PlannedColumn {
    summary.assets_without_index += 1;
    let estimate = ScanEstimate::of(column, file.size, cost);
    summary.estimated_requests += estimate.requests;
    summary.estimated_bytes += estimate.bytes;
    PlannedColumn::Scan(file)
}

fn count(read: &AssetRead, summary: &mut Summary) {
    summary.jp2_tiles += read.jp2_tiles();
    summary.requests += read.requests();
    summary.bytes += read.bytes();
    if matches!(read.header, crate::HeaderSource::Fetch(_)) {
        summary.header_requests += 1;
    }
}
