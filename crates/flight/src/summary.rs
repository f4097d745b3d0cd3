//! The plan in numbers, as it travels.

use cubeflight_engine::Resolved;
use cubeflight_proto::v1;

/// The summary of a resolved request.
#[must_use]
pub fn wire_summary(resolved: &Resolved) -> v1::PlanSummary {
    let summary = &resolved.plan.summary;
    let layout = &resolved.plan.layout;
    let missing = resolved.missing.iter().map(|omitted| v1::Missing {
        id: omitted.id.clone(),
        code: omitted.code.to_owned(),
        reason: omitted.reason.clone(),
    });
    let shapes = layout.columns.iter().map(|column| {
        let [height, width] = column.shape();
        v1::ColumnShape { path: column.path.clone(), height, width }
    });
    v1::PlanSummary {
        time_steps: small(summary.time_steps),
        matched_ids: summary.matched_ids.clone(),
        missing: missing.collect(),
        shapes: shapes.collect(),
        jp2_tiles: summary.jp2_tiles,
        requests: summary.requests,
        bytes: summary.bytes,
        header_requests: summary.header_requests,
        assets_without_index: small(summary.assets_without_index),
        row_blocks: u32::from(layout.blocks),
        estimated_requests: summary.estimated_requests,
        estimated_bytes: summary.estimated_bytes,
        mask_requests: summary.mask_requests,
        mask_bytes: summary.mask_bytes,
        estimated_seconds: seconds(resolved),
    }
}

/// What reading takes, the assets without index included as far as one can say.
fn seconds(resolved: &Resolved) -> f64 {
    let summary = &resolved.plan.summary;
    let requests = [summary.requests, summary.header_requests, summary.estimated_requests];
    let requests = requests.into_iter().fold(0, u64::saturating_add);
    resolved.cost.seconds(requests, summary.bytes.saturating_add(summary.estimated_bytes))
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
