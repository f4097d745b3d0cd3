//! From a request to a plan.

use std::collections::HashMap;
use std::sync::Arc;

use cubeflight_catalog::{AssetRef, Found, Omitted, Product, Query, TimeStep, resolve_steps};
use cubeflight_index::{Detail, Selection};
use cubeflight_plan::{
    Column, ColumnSource, Fault, Layout, LayoutRequest, Plan, Step, StepMetadata, Unindexed,
};
use cubeflight_sentinel2::{
    AssetId, Bounds, CubeRequest, ProductId, Radiometry, RequestBounds, safe,
};
use cubeflight_tlm::TlmRecord;

use crate::error::fault_code;
use crate::{Engine, Error, Result};

/// A request with everything found that it needs; no pixel was read.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The plan.
    pub plan: Plan,
    /// Products that are not in the cube, and why.
    pub missing: Vec<Omitted>,
}

type Records = HashMap<(ProductId, AssetId), Vec<Arc<TlmRecord>>>;

impl Engine {
    /// What the cube of a request looks like. Depends on the request alone: neither catalogue nor
    /// index is asked.
    ///
    /// # Errors
    /// Bounds that miss the tile or cannot be transformed, and message limits that are too small.
    pub async fn layout(&self, request: &CubeRequest) -> Result<Arc<Layout>> {
        let bounds = match &request.bounds {
            Some(bounds) => Some(utm_bounds(request, bounds.clone()).await?),
            None => None,
        };
        let layout = Layout::new(&LayoutRequest {
            level: request.level,
            tile: request.tile,
            assets: &request.assets,
            bounds,
            align: request.align,
            radiometry: request.radiometry,
            max_message_bytes: request.max_message_bytes,
        })?;
        Ok(Arc::new(layout))
    }

    /// Finds products and records and plans the reads.
    ///
    /// `pins` are the products of an earlier answer (a ticket); `None` asks for all that match.
    ///
    /// # Errors
    /// A layout that is not possible, and failures of catalogue and index.
    pub async fn resolve(
        &self,
        request: &CubeRequest,
        pins: Option<&[ProductId]>,
    ) -> Result<Resolved> {
        let layout = self.layout(request).await?;
        let steps = self.steps(request, pins).await?;
        let records = self.records(request, &steps.steps).await?;
        let planned = steps.steps.into_iter().map(|step| plan_step(&layout, step, &records));
        let planned: Vec<Step> = planned.collect();
        let plan = cubeflight_plan::plan(Arc::clone(&layout), planned, &self.cost());
        Ok(Resolved { plan, missing: steps.omitted })
    }

    async fn steps(
        &self,
        request: &CubeRequest,
        pins: Option<&[ProductId]>,
    ) -> Result<cubeflight_catalog::Steps> {
        if pins.is_some_and(<[ProductId]>::is_empty) {
            return Ok(cubeflight_catalog::Steps::default());
        }
        let query = Query {
            level: request.level,
            tile: request.tile,
            time: request.time,
            product_ids: pins.unwrap_or(&request.product_ids).to_vec(),
        };
        let mut found = self.catalog.search(&query).await?;
        let not_found = not_found(&query.product_ids, &found);
        found.omitted.extend(not_found);
        // Pinned products passed the filter when they were pinned.
        let cloud_cover_max = if pins.is_some() { None } else { request.cloud_cover_max };
        Ok(resolve_steps(found, cloud_cover_max))
    }

    async fn records(&self, request: &CubeRequest, steps: &[TimeStep]) -> Result<Records> {
        let mut records = Records::new();
        if steps.is_empty() {
            return Ok(records);
        }
        let selection = Selection {
            products: steps.iter().map(|step| step.product.id.clone()).collect(),
            assets: request.assets.clone(),
            detail: Detail::Tlm,
            ..Selection::default()
        };
        for record in self.index.records(request.level, request.tile, &selection).await? {
            records.entry((record.product.clone(), record.asset)).or_default().push(record);
        }
        Ok(records)
    }
}

/// Products that were asked for by id and that the catalogue does not have.
fn not_found(wanted: &[ProductId], found: &Found) -> Vec<Omitted> {
    let known = |id: &ProductId| {
        found.products.iter().any(|product| product.id == *id)
            || found.omitted.iter().any(|omitted| omitted.id == id.to_string())
    };
    let missing = wanted.iter().filter(|id| !known(id));
    missing
        .map(|id| Omitted {
            id: id.to_string(),
            code: "not_found",
            reason: "the catalogue has no such product of this tile and period".to_owned(),
        })
        .collect()
}

/// PROJ works on the calling thread and may read its database, so it gets a blocking one.
async fn utm_bounds(request: &CubeRequest, bounds: RequestBounds) -> Result<Bounds> {
    let tile = request.tile;
    let [min_x, min_y, max_x, max_y] = bounds.rectangle;
    let Some(crs) = bounds.crs else {
        return Ok(Bounds::new(min_x, min_y, max_x, max_y)?);
    };
    let work = move || cubeflight_crs::to_utm(bounds.rectangle, &crs, tile);
    let joined = tokio::task::spawn_blocking(work).await;
    Ok(joined.map_err(|error| Error::Task { reason: error.to_string() })??)
}

fn plan_step(layout: &Layout, step: TimeStep, records: &Records) -> Step {
    let product = step.product;
    let metadata = metadata(layout, &product);
    let sources =
        layout.columns.iter().map(|column| source(layout, column, &product, &metadata, records));
    Step {
        time: step.time,
        sources: sources.collect(),
        product_ids: vec![product.id.clone()],
        metadata,
    }
}

fn source(
    layout: &Layout,
    column: &Column,
    product: &Product,
    metadata: &StepMetadata,
    records: &Records,
) -> ColumnSource {
    let fault = |code, message: String| {
        ColumnSource::Absent(Fault { product: product.id.clone(), code, message })
    };
    let needs_offset = column.asset.is_reflectance() && layout.radiometry != Radiometry::Raw;
    if needs_offset && metadata.radiometric_offset.is_none() {
        let baseline = product.id.baseline();
        let text = format!(
            "the radiometric offset of a product of baseline {baseline} is not known; ask for raw"
        );
        return fault(fault_code::OFFSET_UNKNOWN, text);
    }
    let Some(file) = product.assets.get(&column.asset) else {
        let by_baseline = column.asset.absence(product.id.baseline());
        let text = by_baseline.unwrap_or_else(|| format!("the product has no {}", column.asset));
        return fault(fault_code::ABSENT, text);
    };
    let candidates = records.get(&(product.id.clone(), column.asset));
    // A record of another file state is stale: its offsets belong to another file.
    let current = candidates
        .and_then(|candidates| candidates.iter().rev().find(|record| describes(record, file)));
    match current {
        Some(record) => {
            ColumnSource::Indexed { href: file.href.clone(), record: Arc::clone(record) }
        }
        None => ColumnSource::Unindexed(Unindexed {
            product: product.id.clone(),
            href: file.href.clone(),
            size: file.size,
            etag: file.etag.clone(),
            known: None,
        }),
    }
}

/// Whether a record is of this file: a catalogue may give a product the href of another's. Sizes
/// must agree where both are known. ETags are compared only when sizes are not known: a mirror has
/// other ETags for the same bytes, and the first bytes of every tile are checked anyway.
fn describes(record: &TlmRecord, file: &AssetRef) -> bool {
    if !safe::is_same_file(&record.key, &file.href) {
        return false;
    }
    match (file.size, file.etag.as_deref(), record.etag.as_deref()) {
        (Some(size), _, _) => size == record.size,
        (None, Some(etag), Some(known)) => etag == known,
        _ => true,
    }
}

fn metadata(layout: &Layout, product: &Product) -> StepMetadata {
    let known = &product.metadata;
    let from_baseline = product.id.baseline().radiometric_offset();
    let reflectance = layout.columns.iter().filter(|column| column.asset.is_reflectance());
    let offsets: Option<Vec<i16>> = reflectance
        .map(|column| known.radiometric_offset.get(&column.asset.band).copied().or(from_baseline))
        .collect();
    StepMetadata {
        platform: Some(product.id.mission().platform().to_owned()),
        relative_orbit: Some(product.id.relative_orbit()),
        processing_baseline: Some(product.id.baseline()),
        radiometric_offset: offsets,
        quantification: known.quantification.map(|value| value as f32),
        cloud_cover: known.cloud_cover,
        snow_cover: known.snow_cover,
        sun_azimuth: known.sun_azimuth,
        sun_elevation: known.sun_elevation,
        view_azimuth: known.view_azimuth,
        view_incidence: known.view_incidence,
        sensing_time: known.sensing_time,
    }
}
