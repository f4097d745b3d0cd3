//! Completing the index for a plan, without reading its pixels.

use std::sync::Arc;
use std::time::Duration;

use cubeflight_plan::{Plan, PlannedColumn, PlannedPart, Unindexed};
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::decode::Conversion;
use crate::fetch::{AssetTask, Context, Place};

impl Engine {
    /// Looks into files of a plan that have no record, for at most so long, and writes what was found
    /// into the index. Files that cannot be looked into are left to who reads them: that tells why.
    pub async fn complete(&self, plan: &Plan, within: Duration) {
        let cancelled = CancellationToken::new();
        let context = Context {
            engine: self.clone(),
            layout: Arc::clone(&plan.layout),
            cancelled: cancelled.clone(),
            counts: Arc::default(),
            flow: Arc::new(self.queue.flow(Arc::from(""), 1)),
        };
        let files = plan.steps.iter().flat_map(|step| step.parts.iter().enumerate());
        let files = files.flat_map(|(part, images)| unindexed(part, images));
        let looked_into = stream::iter(files).for_each_concurrent(
            self.config.reads_per_stream.max(1),
            |(place, file)| {
                let context = &context;
                async move {
                    let href = file.href.clone();
                    // no pixel is converted
                    let stored = Conversion::Stored;
                    if let Err(trouble) = AssetTask::find(context, place, stored, file, None).await
                    {
                        tracing::debug!(href, ?trouble, "not looked into");
                    }
                }
            },
        );
        if tokio::time::timeout(within, looked_into).await.is_err() {
            cancelled.cancel();
        }
        self.flush().await;
    }
}

/// The files of a part that have no record.
fn unindexed(part: usize, images: &PlannedPart) -> impl Iterator<Item = (Place, Unindexed)> {
    images.columns.iter().enumerate().filter_map(move |(column, source)| {
        let PlannedColumn::Scan(file) = source.planned()? else { return None };
        Some((Place { column, part }, file.clone()))
    })
}
