//! From products to time steps: which products are read, in which order, and what stands in for
//! what. Pure; decided by what metadata say, so that a plan needs no pixels.
//!
//! The rules and their reasons are in `docs/decisions/014-products-of-a-time-step.md`.

mod conditions;
mod metadata;
mod scene;
mod solar;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use cubeflight_sentinel2::{Filter, GroupBy, Mission, Radiometry};

use self::scene::Scene;
use crate::{Error, Found, Omitted, Product, Result};

/// The products of one time step.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeStep {
    /// The earliest datatake start of its products.
    pub time: DateTime<Utc>,
    /// What its pixels come from, in order of precedence; at least one. Where several have a valid
    /// pixel the first one's is used.
    pub parts: Vec<Part>,
}

/// One part of a time step: a product and what may stand in for it.
#[derive(Debug, Clone, PartialEq)]
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
    /// comparable: not for `Raw`. A request without reflectance has nothing that could be mixed
    /// and gives `Reflectance`.
    pub radiometry: Radiometry,
    /// Largest cloud cover of a step, percent.
    pub cloud_cover_max: Option<f64>,
    /// Further conditions on steps.
    pub filters: &'a [Filter],
}

/// Time steps in ascending time, and what was left out and why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steps {
    /// Steps that are read.
    pub steps: Vec<TimeStep>,
    /// Products that are not, by id. Those that stand in for missing images of others are both
    /// here and among the alternatives of a part.
    pub omitted: Vec<Omitted>,
}

/// What makes one time step: the datatake start, or the solar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Datatake(DateTime<Utc>),
    SolarDay(NaiveDate),
}

/// Makes time steps of products.
///
/// Of the products of one scene (mission and datatake start) the highest baseline is kept; of these,
/// of each datastrip, the one processed last. Datastrips are parts of the scene, none is dropped.
/// What an older product covers beyond these is filled from it, where its numbers are comparable.
/// Conditions hold for whole steps and come last, or a clear duplicate of a cloudy scene would slip
/// through and halves of a scene would vanish. The order of the products found does not matter.
///
/// # Errors
/// [`Error::MixedOffsets`] for raw numbers of a step whose parts have different offsets.
pub fn resolve_steps(found: Found, rules: &Rules<'_>) -> Result<Steps> {
    let mut omitted = found.omitted;
    let mut scenes: BTreeMap<(DateTime<Utc>, Mission), Vec<Product>> = BTreeMap::new();
    for product in found.products {
        let scene = (product.id.datatake_start(), product.id.mission());
        scenes.entry(scene).or_default().push(product);
    }
    let mut groups: BTreeMap<Group, Vec<Scene>> = BTreeMap::new();
    for ((start, _), products) in scenes {
        let Some(first) = products.first() else { continue };
        let group = match rules.group_by {
            GroupBy::Datatake => Group::Datatake(start),
            GroupBy::SolarDay => Group::SolarDay(solar::day(start, first.id.tile())),
        };
        let scene = scene::resolve(products, rules.radiometry, &mut omitted);
        groups.entry(group).or_default().push(scene);
    }
    let mut steps = Vec::with_capacity(groups.len());
    for scenes in groups.into_values() {
        let Some(step) = merge(scenes) else { continue };
        if let Some(reason) = conditions::refusal(&step, rules) {
            omitted.extend(step.parts.iter().map(|part| reason.of(&part.product)));
            continue;
        }
        if rules.radiometry == Radiometry::Raw {
            check_offsets(&step)?;
        }
        steps.push(step);
    }
    steps.sort_by_key(|step| step.time);
    omitted.sort_by(|a, b| (&a.id, a.code, &a.reason).cmp(&(&b.id, b.code, &b.reason)));
    Ok(Steps { steps, omitted })
}

/// One step of the scenes of a group: what was kept first, then what fills the gaps.
fn merge(scenes: Vec<Scene>) -> Option<TimeStep> {
    let (mut parts, mut fills) = (Vec::new(), Vec::new());
    for scene in scenes {
        parts.extend(scene.kept);
        fills.extend(scene.fills);
    }
    parts.sort_by(|a, b| by_area(&a.product, &b.product));
    fills.sort_by(|a, b| {
        let newer = b.product.id.baseline().cmp(&a.product.id.baseline());
        newer.then_with(|| by_area(&a.product, &b.product))
    });
    parts.append(&mut fills);
    let time = parts.iter().map(|part| part.product.id.datatake_start()).min()?;
    Some(TimeStep { time, parts })
}

/// Largest valid area first, unknown ones after; the requested window has no say, so that neither
/// has the order of windows that a user joins.
fn by_area(a: &Product, b: &Product) -> Ordering {
    let known = |product: &Product| product.metadata.no_data.unwrap_or(f64::INFINITY);
    known(a)
        .total_cmp(&known(b))
        .then_with(|| a.datastrip_start.cmp(&b.datastrip_start))
        .then_with(|| a.id.cmp(&b.id))
}

/// Raw numbers of one step must mean the same.
fn check_offsets(step: &TimeStep) -> Result<()> {
    let Some((first, others)) = step.parts.split_first() else { return Ok(()) };
    if others.iter().all(|part| part.product.has_numbers_of(&first.product)) {
        return Ok(());
    }
    let products = step.parts.iter().map(|part| part.product.id.to_string()).collect();
    Err(Error::MixedOffsets { time: step.time, products })
}
