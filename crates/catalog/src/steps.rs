//! From products to time steps: which of several products of one scene is the one to read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{Filter, GroupBy, Mission, Radiometry};

use crate::{Found, Omitted, Product, Result};

/// The products of one time step.
#[derive(Debug, Clone)]
pub struct TimeStep {
    /// The earliest datatake start of its products.
    pub time: DateTime<Utc>,
    /// What its pixels come from, in order of precedence; at least one. Where several have a valid
    /// pixel the first one's is used.
    pub parts: Vec<Part>,
}

/// One part of a time step: a product and what may stand in for it.
#[derive(Debug, Clone)]
pub struct Part {
    /// The product to read.
    pub product: Product,
    /// Products of the same pixels, best first, for assets that it lacks or that turn out not to
    /// exist.
    pub alternatives: Vec<Product>,
}

/// What a request says of time steps.
#[derive(Debug, Clone)]
pub struct Rules<'a> {
    /// Which products make one time step.
    pub group_by: GroupBy,
    /// Products with different offsets are mixed in one step only where their numbers are
    /// comparable.
    pub radiometry: Radiometry,
    /// Largest cloud cover of a step, percent.
    pub cloud_cover_max: Option<f64>,
    /// Further conditions on steps.
    pub filters: &'a [Filter],
}

/// Time steps in ascending time, and what was left out and why.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// Steps that are read.
    pub steps: Vec<TimeStep>,
    /// Products that are not.
    pub omitted: Vec<Omitted>,
}

/// Resolves duplicates first and filters by cloud cover after, or a clear duplicate of a cloudy
/// scene would slip through.
///
/// Of the products of one mission and datatake start the highest baseline is kept; of these, of
/// each datastrip, the one processed last.
///
/// # Errors
/// Products of one step whose numbers cannot be mixed.
pub fn resolve_steps(found: Found, rules: &Rules<'_>) -> Result<Steps> {
    let mut resolved = Steps { steps: Vec::new(), omitted: found.omitted };
    let mut scenes: BTreeMap<(DateTime<Utc>, Mission), Vec<Product>> = BTreeMap::new();
    for product in found.products {
        let scene = (product.id.datatake_start(), product.id.mission());
        scenes.entry(scene).or_default().push(product);
    }
    for ((time, _), products) in scenes {
        let Some(product) = choose(products, &mut resolved.omitted) else { continue };
        match too_cloudy(&product, rules.cloud_cover_max) {
            Some(omitted) => resolved.omitted.push(omitted),
            None => {
                let parts = vec![Part { product, alternatives: Vec::new() }];
                resolved.steps.push(TimeStep { time, parts });
            }
        }
    }
    Ok(resolved)
}

/// Keeps one product and reports the others.
fn choose(mut products: Vec<Product>, omitted: &mut Vec<Omitted>) -> Option<Product> {
    // Ascending: the last one is the best.
    products.sort_by(|a, b| {
        let rank = |p: &Product| (p.id.baseline(), p.id.discriminator().to_owned());
        rank(a).cmp(&rank(b))
    });
    let best = products.pop()?;
    for product in products {
        omitted.push(left_out(&product, &best));
    }
    Some(best)
}

fn left_out(product: &Product, best: &Product) -> Omitted {
    let id = product.id.to_string();
    if product.id.baseline() != best.id.baseline() {
        let reason = format!("{} has a higher processing baseline", best.id);
        return Omitted { id, code: "superseded", reason };
    }
    let same_datastrip = product.datastrip_start == best.datastrip_start;
    if same_datastrip {
        let reason = format!("{} was processed later", best.id);
        return Omitted { id, code: "duplicate", reason };
    }
    let reason =
        format!("another datastrip of the scene of {}; pin this product to read it", best.id);
    Omitted { id, code: "split_datastrip", reason }
}

fn too_cloudy(product: &Product, limit: Option<f64>) -> Option<Omitted> {
    let limit = limit?;
    let id = product.id.to_string();
    match product.metadata.cloud_cover {
        Some(cover) if cover <= limit => None,
        Some(cover) => {
            let reason = format!("cloud cover is {cover} percent, at most {limit} was asked for");
            Some(Omitted { id, code: "cloud_cover", reason })
        }
        None => {
            let reason = "cloud cover is unknown, so a limit cannot be applied".to_owned();
            Some(Omitted { id, code: "cloud_cover_unknown", reason })
        }
    }
}
