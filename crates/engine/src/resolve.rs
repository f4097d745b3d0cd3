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
    /// The time steps of the plan with the files that they may need, of the products in the cube and
    /// of those that may stand in for their missing images. [`Engine::plan`] makes the same plan of
    /// them.
    pub steps: Vec<TimeStep>,
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
    /// # Errors
    /// A layout that is not possible, and failures of catalogue and index.
    pub async fn resolve(&self, request: &CubeRequest) -> Result<Resolved> {
        // an impossible layout is refused before the catalogue is asked
        self.layout(request).await?;
        let mut steps = self.steps(request).await?;
        bound_parts(&mut steps);
        let Steps { mut steps, omitted } = steps;
        let wanted = wanted_assets(request);
        let parts = steps.iter_mut().flat_map(|step| &mut step.parts);
        let products =
            parts.flat_map(|part| std::iter::once(&mut part.product).chain(&mut part.alternatives));
        products.for_each(|product| product.assets.retain(|asset, _| wanted.contains(asset)));
        let cost = self.cost();
        let plan = self.plan(request, &steps, &cost).await?;
        Ok(Resolved { plan, missing: omitted, steps, cost })
    }

    /// Plans the reads of time steps that were found before, without asking the catalogue.
    ///
    /// # Errors
    /// A layout that is not possible, and failures of the index.
    pub async fn plan(
        &self,
        request: &CubeRequest,
        steps: &[TimeStep],
        cost: &CostModel,
    ) -> Result<Plan> {
        let layout = self.layout(request).await?;
        let records = self.records(request, steps).await?;
        let planned = steps.iter().map(|step| plan_step(&layout, step, &records));
        let planned: Vec<Step> = planned.collect();
        Ok(cubeflight_plan::plan(Arc::clone(&layout), planned, cost))
    }

    async fn steps(&self, request: &CubeRequest) -> Result<Steps> {
        let times = &request.delivery.times;
        let product_ids = request.product_ids.clone();
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
        // without reflectance there are no offsets that could differ
        let radiometry = match request.assets.iter().any(AssetId::is_reflectance) {
            true => request.radiometry,
            false => Radiometry::Reflectance,
        };
        let rules = Rules {
            group_by: request.group_by,
            radiometry,
            cloud_cover_max: request.cloud_cover_max,
            filters: &request.filters,
        };
        let mut steps = resolve_steps(found, &rules)?;
        select::select(&mut steps, times)?;
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

/// The images that a request may read: its own, and those that tell which pixels are valid.
fn wanted_assets(request: &CubeRequest) -> Vec<AssetId> {
    let masks = mask_assets(request.level, &request.assets);
    request.assets.iter().copied().chain(masks).collect()
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
