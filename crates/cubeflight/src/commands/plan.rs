//! `cubeflight plan`.

use std::collections::BTreeMap;

use cubeflight_engine::EngineConfig;
use cubeflight_flight::wire_summary;
use cubeflight_plan::{Plan, PlannedColumn, PlannedStep};
use cubeflight_proto::v1;
use cubeflight_sentinel2::CubeRequest;
use serde::Serialize;

use crate::cli::{PlanArgs, StoreArgs};
use crate::commands::{connect, flight_info, print, print_json};
use crate::error::CliError;
use crate::{request, stores};

/// The plan as scripts read it.
#[derive(Debug, Serialize)]
struct PlanJson {
    time_steps: u32,
    matched_ids: Vec<String>,
    missing: Vec<MissingJson>,
    /// Rows and columns by EOPF path.
    shapes: BTreeMap<String, [u32; 2]>,
    row_blocks: u32,
    jp2_tiles: u64,
    requests: u64,
    bytes: u64,
    header_requests: u64,
    assets_without_index: u32,
    estimated_requests: u64,
    estimated_bytes: u64,
    mask_requests: u64,
    mask_bytes: u64,
    /// Of reading; decoding goes on beside it.
    estimated_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reads: Option<Vec<ReadJson>>,
}

/// One request for pixels.
#[derive(Debug, Serialize)]
struct ReadJson {
    href: String,
    start: u64,
    end: u64,
}

#[derive(Debug, Serialize)]
struct MissingJson {
    id: String,
    code: String,
    reason: String,
}

pub(crate) async fn run(args: PlanArgs) -> Result<(), CliError> {
    let (wire, show_reads) = (request::wire(&args.request)?, args.reads);
    // Checked here as well, so that a bad request has the same code with and without a server.
    let request = CubeRequest::try_from(&wire)?;
    let mut reads = None;
    let summary = match (&args.server, args.store, args.index) {
        (Some(server), _, _) => {
            let mut client = connect(server).await?;
            flight_info(&mut client, &wire).await?.1
        }
        (None, Some(store), Some(index)) => {
            let args = StoreArgs { store, index, access: args.access };
            let engine = stores::engine(&args, EngineConfig::default())?;
            let resolved = engine.resolve(&request).await?;
            reads = show_reads.then(|| list_reads(&resolved.plan));
            wire_summary(&resolved)
        }
        _ => return Err(CliError::usage("name --server, or --store and --index")),
    };
    let plan = PlanJson { reads, ..PlanJson::from(summary) };
    if args.json { print_json(&plan) } else { print(&plan.text()) }
}

impl From<v1::PlanSummary> for PlanJson {
    fn from(summary: v1::PlanSummary) -> Self {
        let missing = summary.missing.into_iter();
        let shapes = summary.shapes.into_iter();
        Self {
            time_steps: summary.time_steps,
            matched_ids: summary.matched_ids,
            missing: missing
                .map(|v1::Missing { id, code, reason }| MissingJson { id, code, reason })
                .collect(),
            shapes: shapes.map(|shape| (shape.path, [shape.height, shape.width])).collect(),
            row_blocks: summary.row_blocks,
            jp2_tiles: summary.jp2_tiles,
            requests: summary.requests,
            bytes: summary.bytes,
            header_requests: summary.header_requests,
            assets_without_index: summary.assets_without_index,
            estimated_requests: summary.estimated_requests,
            estimated_bytes: summary.estimated_bytes,
            mask_requests: summary.mask_requests,
            mask_bytes: summary.mask_bytes,
            estimated_seconds: summary.estimated_seconds,
            reads: None,
        }
    }
}

/// The requests in the order of the plan.
fn list_reads(plan: &Plan) -> Vec<ReadJson> {
    let columns = plan.steps.iter().flat_map(PlannedStep::planned);
    let assets = columns.filter_map(|column| match column {
        PlannedColumn::Read(read) => Some(read),
        _ => None,
    });
    assets
        .flat_map(|read| {
            let ranges = read.groups.iter().flat_map(|group| &group.ranges);
            ranges.map(|range| ReadJson {
                href: read.href.clone(),
                start: range.start,
                end: range.end,
            })
        })
        .collect()
}

impl PlanJson {
    fn text(&self) -> String {
        let mut lines = vec![format!("{} time steps", self.time_steps)];
        lines.extend(self.matched_ids.iter().map(|id| format!("  {id}")));
        for (path, [height, width]) in &self.shapes {
            lines.push(format!("{path}: {height} x {width} pixels"));
        }
        lines.push(format!(
            "{} JP2 tiles in {} requests, {:.1} MB, about {:.1} s of reading",
            self.jp2_tiles,
            self.requests + self.header_requests,
            self.bytes as f64 / 1e6,
            self.estimated_seconds
        ));
        if self.mask_requests > 0 {
            lines.push(format!(
                "of these {} requests and {:.1} MB tell which pixels are valid",
                self.mask_requests,
                self.mask_bytes as f64 / 1e6
            ));
        }
        if self.assets_without_index > 0 {
            lines.push(format!(
                "{} assets have no record: about {} requests and {:.1} MB more",
                self.assets_without_index,
                self.estimated_requests,
                self.estimated_bytes as f64 / 1e6
            ));
        }
        for missing in &self.missing {
            lines.push(format!("left out: {} ({}): {}", missing.id, missing.code, missing.reason));
        }
        for ReadJson { href, start, end } in self.reads.iter().flatten() {
            lines.push(format!("read {href} {start}..{end}"));
        }
        lines.join("\n")
    }
}
