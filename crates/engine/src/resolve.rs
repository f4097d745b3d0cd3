//! From a request to a plan.

use std::collections::HashMap;
use std::sync::Arc;

use cubeflight_catalog::{Found, Omitted, Product, Query, Rules, Steps, TimeStep, resolve_steps};
use cubeflight_index::{Detail, Selection};
use cubeflight_plan::{CostModel, Layout, LayoutRequest, Plan, Step};
use cubeflight_sentinel2::{AssetId, Bounds, CubeRequest, ProductId, Radiometry, RequestBounds};
use cubeflight_tlm::TlmRecord;

use crate::select;
use crate::sources::{mask_assets, plan_step};
use crate::validity::MAX_PARTS;
use crate::{Engine, Error, Result};

/// A request with everything found that it needs; no pixel was read.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The plan.
    pub plan: Plan,
    /// Products that are not in the cube, and why. Those that stand in for missing images of others
    /// are here too.
    pub missing: Vec<Omitted>,
    /// Products that the plan was made from: those in the cube, and those that may stand in for
    /// their missing images. Pinned, they give the same plan.
    pub pins: Vec<ProductId>,
    /// What the reads were planned with.
    pub cost: CostModel,
}

pub(crate) type Records = HashMap<(ProductId, AssetId), Vec<Arc<TlmRecord>>>;

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
        let windows = utm_windows(request).await?;
        let layout = Layout::new(&LayoutRequest {
            level: request.level,
            tile: request.tile,
            assets: &request.assets,
            bounds,
            windows: &windows,
            align: request.align,
            reduce: request.reduce,
            radiometry: request.radiometry,
            mask: request.mask.as_ref(),
            min_valid: request.min_valid,
            max_message_bytes: request.max_message_bytes,
        })?;
        Ok(Arc::new(layout))
    }

    /// Finds products and records and plans the reads with what reading costs now.
    ///
    /// `pins` are the products of an earlier answer (a ticket); `None` asks for all that match.
    ///
    /// # Errors
    /// As [`Self::resolve_at`].
    pub async fn resolve(
        &self,
        request: &CubeRequest,
        pins: Option<&[ProductId]>,
    ) -> Result<Resolved> {
        self.resolve_at(request, pins, self.cost()).await
    }

    /// As [`Self::resolve`], with the costs of an earlier answer: the same reads are planned.
    ///
    /// # Errors
    /// A layout that is not possible, and failures of catalogue and index.
    pub async fn resolve_at(
        &self,
        request: &CubeRequest,
        pins: Option<&[ProductId]>,
        cost: CostModel,
    ) -> Result<Resolved> {
        let layout = self.layout(request).await?;
        let mut steps = self.steps(request, pins).await?;
        bound_parts(&mut steps);
        let records = self.records(request, &steps.steps).await?;
        let pins = products(&steps.steps).map(|product| product.id.clone()).collect();
        let planned = steps.steps.iter().map(|step| plan_step(&layout, step, &records));
        let planned: Vec<Step> = planned.collect();
        let plan = cubeflight_plan::plan(Arc::clone(&layout), planned, &cost);
        Ok(Resolved { plan, missing: steps.omitted, pins, cost })
    }

    async fn steps(&self, request: &CubeRequest, pins: Option<&[ProductId]>) -> Result<Steps> {
        let times = &request.delivery.times;
        if pins.is_some_and(<[ProductId]>::is_empty) {
            return Ok(Steps::default());
        }
        let product_ids = pins.unwrap_or(&request.product_ids).to_vec();
        // Ids are looked for in all of the period, to tell which of them it does not have.
        let time =
            if product_ids.is_empty() { select::period(request) } else { Some(request.time) };
        let Some(time) = time else {
            return Err(Error::UnknownTimes { times: times.clone() });
        };
        let query = Query { level: request.level, tile: request.tile, time, product_ids };
        let mut found = self.catalog.search(&query).await?;
        self.metadata.complete(&self.archive, &mut found.products).await?;
        let not_found = not_found(&query.product_ids, &found);
        found.omitted.extend(not_found);
        // Pinned products passed the filter when they were pinned.
        let cloud_cover_max = if pins.is_some() { None } else { request.cloud_cover_max };
        let filters = if pins.is_some() { &[][..] } else { &request.filters };
        // without reflectance there are no offsets that could differ
        let radiometry = match request.assets.iter().any(AssetId::is_reflectance) {
            true => request.radiometry,
            false => Radiometry::Reflectance,
        };
        let rules = Rules { group_by: request.group_by, radiometry, cloud_cover_max, filters };
        let mut steps = resolve_steps(found, &rules)?;
        // Pinned products are those of the steps that were selected when they were pinned.
        if pins.is_none() {
            select::select(&mut steps, times)?;
        }
        Ok(steps)
    }

    async fn records(&self, request: &CubeRequest, steps: &[TimeStep]) -> Result<Records> {
        let mut records = Records::new();
        if steps.is_empty() {
            return Ok(records);
        }
        let mut assets = request.assets.clone();
        let has_masks = request.mask.is_some()
            || request.min_valid.is_some()
            || steps.iter().any(|step| step.parts.len() > 1);
        if has_masks {
            let masks = mask_assets(request.level, &request.assets).into_iter();
            assets.extend(masks.filter(|asset| !request.assets.contains(asset)));
        }
        let selection = Selection {
            products: products(steps).map(|product| product.id.clone()).collect(),
            assets,
            detail: Detail::Packets,
            ..Selection::default()
        };
        for record in self.index.records(request.level, request.tile, &selection).await? {
            records.entry((record.product.clone(), record.asset)).or_default().push(record);
        }
        Ok(records)
    }
}

/// Every product of some steps, those that may stand in for others included.
fn products(steps: &[TimeStep]) -> impl Iterator<Item = &Product> {
    let parts = steps.iter().flat_map(|step| &step.parts);
    parts.flat_map(|part| std::iter::once(&part.product).chain(&part.alternatives))
}

/// Leaves out the last parts of steps with more than can be told apart.
fn bound_parts(steps: &mut Steps) {
    for step in &mut steps.steps {
        if step.parts.len() <= MAX_PARTS {
            continue;
        }
        for part in step.parts.drain(MAX_PARTS..) {
            steps.omitted.push(Omitted {
                id: part.product.id.to_string(),
                code: "too_many_parts",
                reason: format!("a time step is put together from at most {MAX_PARTS} products"),
            });
        }
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

/// The same for windows, which may be points.
async fn utm_windows(request: &CubeRequest) -> Result<Vec<Bounds>> {
    let (tile, windows) = (request.tile, request.windows.clone());
    if windows.is_empty() {
        return Ok(Vec::new());
    }
    let window = move |(position, RequestBounds { rectangle, crs }): (usize, RequestBounds)| {
        let [min_x, min_y, max_x, max_y] = rectangle;
        let bounds = match crs {
            Some(crs) => cubeflight_crs::window_to_utm(rectangle, &crs, tile).map_err(Error::from),
            None => Bounds::with_points(min_x, min_y, max_x, max_y).map_err(Error::from),
        };
        bounds.map_err(|error| Error::InWindow { position, error: Box::new(error) })
    };
    let work = move || windows.into_iter().enumerate().map(window).collect();
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::Task { reason: error.to_string() })?
}
