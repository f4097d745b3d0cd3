//! The plan of a whole cube.

use std::sync::Arc;

use cubeflight_sentinel2::ProductId;

use crate::cost::{GAPS, PATIENCE};
use crate::estimate::ScanEstimate;
use crate::footprint::mask_layout;
use crate::{
    AssetRead, Candidate, Column, ColumnSource, CostModel, Layout, Plan, PlannedCandidate,
    PlannedColumn, PlannedMask, PlannedPart, PlannedSource, PlannedStep, SCL, Step, StepMask,
    Summary, Unindexed, plan_asset,
};

/// Time steps that tell which gaps are worth reading over.
const SAMPLE: usize = 6;

/// Plans a cube from its steps.
#[must_use]
pub fn plan(layout: Arc<Layout>, steps: Vec<Step>, cost: &CostModel) -> Plan {
    let gap = cost.gap.or_else(|| best_gap(&layout, &steps, cost));
    let cost = &CostModel { gap, ..*cost };
    let mut summary = Summary { time_steps: steps.len() as u64, ..Summary::default() };
    for column in &layout.columns {
        summary.shapes.insert(column.path.clone(), column.shape());
    }
    let mut planner = Planner { layout: &layout, cost, summary };
    let steps = steps.into_iter().map(|step| planner.step(step)).collect();
    let summary = planner.summary;
    Plan { layout, steps, summary, gap }
}

/// The gap with which some of the steps are read by the fewest requests of those that take little
/// longer than the fastest; of equals the smallest.
fn best_gap(layout: &Layout, steps: &[Step], cost: &CostModel) -> Option<u64> {
    let every = steps.len().div_ceil(SAMPLE).max(1);
    let mut planner = Planner { layout, cost, summary: Summary::default() };
    let sample = steps.iter().step_by(every).cloned();
    let sample: Vec<PlannedStep> = sample.map(|step| planner.step(step)).collect();
    let together = layout.columns.first().is_some_and(Column::is_list);
    let cost_of = |gap: u64| {
        let cost = CostModel { gap: Some(gap), ..*cost };
        let (mut requests, mut bytes) = (0, 0);
        for column in sample.iter().flat_map(PlannedStep::planned) {
            let PlannedColumn::Read(read) = column else { continue };
            let (more, longer) = read.requests_with(together, &cost);
            (requests, bytes) = (requests + more, bytes + longer);
        }
        (gap, requests, cost.seconds(requests, bytes))
    };
    let found = GAPS.map(cost_of);
    let (.., least) = *found.iter().min_by(|(.., a), (.., b)| a.total_cmp(b))?;
    let near = found.iter().filter(|(.., seconds)| *seconds <= least * PATIENCE);
    near.min_by_key(|(_, requests, _)| *requests).map(|(gap, ..)| *gap)
}

struct Planner<'a> {
    layout: &'a Layout,
    cost: &'a CostModel,
    summary: Summary,
}

impl Planner<'_> {
    fn step(&mut self, step: Step) -> PlannedStep {
        let mask = step.mask.map(|mask| self.mask(mask));
        let of_mask = mask.as_ref().is_some_and(PlannedMask::is_scl);
        let mut parts = Vec::with_capacity(step.parts.len());
        for part in step.parts {
            let columns = part.columns.into_iter().zip(&self.layout.columns);
            let columns = columns.map(|(candidates, column)| match column.asset {
                SCL if of_mask => PlannedSource::OfMask,
                _ => source(&mut self.summary, self.cost, column, candidates),
            });
            parts.push(PlannedPart { columns: columns.collect(), product: part.product });
        }
        let product_ids: Vec<ProductId> = parts.iter().map(|part| part.product.clone()).collect();
        self.summary.matched_ids.extend(product_ids.iter().map(ToString::to_string));
        PlannedStep { time: step.time, product_ids, metadata: step.metadata, parts, mask }
    }

    fn mask(&mut self, mask: StepMask) -> PlannedMask {
        let assets = mask.parts.iter().flatten().map(|image| image.asset);
        let Layout { level, tile, .. } = *self.layout;
        let layout = mask_layout(level, tile, assets, &mask.windows);
        let (requests, bytes) = (self.summary.requests, self.summary.bytes);
        let mut parts = Vec::with_capacity(mask.parts.len());
        let mut columns: Vec<PlannedSource> = Vec::with_capacity(layout.columns.len());
        for images in mask.parts {
            let first = columns.len();
            for image in images {
                let Some(column) = layout.columns.get(columns.len()) else { break };
                let planned = source(&mut self.summary, self.cost, column, image.candidates);
                columns.push(planned);
            }
            parts.push(first..columns.len());
        }
        self.summary.mask_requests += self.summary.requests - requests;
        self.summary.mask_bytes += self.summary.bytes - bytes;
        PlannedMask { windows: mask.windows, layout: Arc::new(layout), columns, parts }
    }
}

/// Plans every candidate and counts the one that is read.
fn source(
    summary: &mut Summary,
    cost: &CostModel,
    column: &Column,
    candidates: Vec<Candidate>,
) -> PlannedSource {
    let planned = candidates.into_iter().map(|candidate| PlannedCandidate {
        column: plan_column(column, candidate.source, cost),
        product: candidate.product,
        scale: candidate.scale,
    });
    let source = PlannedSource::Files(planned.collect());
    match source.planned() {
        Some(PlannedColumn::Read(read)) => count(read, summary),
        Some(PlannedColumn::Scan(file)) => count_scan(column, file, cost, summary),
        Some(PlannedColumn::Fault(_)) | None => (),
    }
    source
}

fn plan_column(column: &Column, source: ColumnSource, cost: &CostModel) -> PlannedColumn {
    let (href, record) = match source {
        ColumnSource::Absent(fault) => return PlannedColumn::Fault(fault),
        ColumnSource::Unindexed(file) => return PlannedColumn::Scan(file),
        ColumnSource::Indexed { href, record } => (href, record),
    };
    if let Ok(read) = plan_asset(column, href.clone(), Arc::clone(&record), cost) {
        return PlannedColumn::Read(read);
    }
    let product = record.product.clone();
    PlannedColumn::Scan(match record.complete {
        // It does not fit its asset, which is as good as none: the scan finds out whether the file
        // is broken or the record was. Its size is no better.
        true => Unindexed { product, href, size: None, etag: None, known: None },
        // It lacks tile-parts that nobody has asked for yet.
        false => Unindexed {
            product,
            href,
            size: Some(record.size),
            etag: record.etag.clone(),
            known: Some(record),
        },
    })
}

fn count_scan(column: &Column, file: &Unindexed, cost: &CostModel, summary: &mut Summary) {
    summary.assets_without_index += 1;
    let estimate = ScanEstimate::of(column, file.size, cost);
    summary.estimated_requests += estimate.requests;
    summary.estimated_bytes += estimate.bytes;
}

fn count(read: &AssetRead, summary: &mut Summary) {
    summary.jp2_tiles += read.jp2_tiles();
    summary.requests += read.requests();
    summary.bytes += read.bytes();
    if matches!(read.header, crate::HeaderSource::Fetch(_)) {
        summary.header_requests += 1;
    }
}
