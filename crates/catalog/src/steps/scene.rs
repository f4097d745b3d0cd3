//! The products of one scene: what is kept, what fills its gaps, what stands in, what is left out.

use std::cmp::Ordering;

use cubeflight_sentinel2::{Baseline, Radiometry};

use super::Part;
use crate::{Omitted, Product};

/// What a scene came to.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// Of the highest baseline, one for each datastrip.
    pub(super) kept: Vec<Part>,
    /// What covers more, newest baseline first.
    pub(super) fills: Vec<Part>,
}

/// Percent of the tile by which a product must cover more than another for that to matter: the
/// digits of metadata differ between its files.
const MORE: f64 = 0.01;

/// First baseline whose discriminators are processing times.
const STAMPED_SINCE: Baseline = Baseline { major: 2, minor: 6 };

/// Resolves the products of one mission and datatake start.
pub(super) fn resolve(
    mut products: Vec<Product>,
    radiometry: Radiometry,
    omitted: &mut Vec<Omitted>,
) -> Scene {
    products.sort_by(better_first);
    let mut scene = Scene::default();
    let Some(newest) = products.first().map(|product| product.id.baseline()) else { return scene };
    for product in products {
        let is_newest = product.id.baseline() == newest;
        let kin = scene.parts().filter(|part| same_strip(&part.product, &product));
        let kin: Vec<&Product> = kin.map(|part| &part.product).collect();
        let Some(best) = kin.first().copied() else {
            if is_newest {
                scene.kept.push(Part { product, alternatives: Vec::new() });
            } else if scene.kept.iter().any(|part| is_complete(&part.product)) {
                omitted.push(left_out(&product, scene.first(), "which has the whole tile"));
            } else {
                scene.fill(product, radiometry, "another datastrip", omitted);
            }
            continue;
        };
        if kin.iter().all(|part| covers_more(&product, part)) {
            let (has, lacks) = (none(&product), none(best));
            let more = format!("less of the tile without data, {has} instead of {lacks} percent");
            scene.fill(product, radiometry, &more, omitted);
            continue;
        }
        let stands_in = comparable(&product, best, radiometry);
        let role = match stands_in {
            true => "this product stands in for images that it lacks",
            false => "this product has other offsets and cannot stand in for it in raw numbers",
        };
        omitted.push(left_out(&product, Some(best), role));
        let best = best.id.clone();
        if stands_in && let Some(part) = scene.part_mut(|part| part.product.id == best) {
            part.alternatives.push(product);
        }
    }
    scene
}

impl Scene {
    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.kept.iter().chain(&self.fills)
    }

    fn part_mut(&mut self, is: impl Fn(&Part) -> bool) -> Option<&mut Part> {
        self.kept.iter_mut().chain(&mut self.fills).find(|part| is(part))
    }

    /// The product that the others of the scene stand back behind.
    fn first(&self) -> Option<&Product> {
        self.kept.first().map(|part| &part.product)
    }

    /// A further part, where its numbers can be read beside those of the kept ones.
    fn fill(
        &mut self,
        product: Product,
        radiometry: Radiometry,
        more: &str,
        omitted: &mut Vec<Omitted>,
    ) {
        if self.kept.iter().all(|part| comparable(&product, &part.product, radiometry)) {
            self.fills.push(Part { product, alternatives: Vec::new() });
            return;
        }
        let role = match radiometry {
            Radiometry::Raw => format!(
                "this product has {more}, but other offsets: harmonised or reflectance would fill \
                 gaps from it"
            ),
            _ => format!(
                "this product has {more}, but its offsets are not known, or its scale is another"
            ),
        };
        omitted.push(left_out(&product, self.first(), &role));
    }
}

/// Whether the numbers of a product can be used in the place of another's.
fn comparable(product: &Product, other: &Product, radiometry: Radiometry) -> bool {
    match radiometry {
        Radiometry::Raw => product.has_numbers_of(other),
        _ => product.offsets_known() && product.has_scale_of(other),
    }
}

fn none(product: &Product) -> f64 {
    product.metadata.no_data.unwrap_or_default()
}

/// What is not known covers no more.
fn covers_more(product: &Product, than: &Product) -> bool {
    match (product.metadata.no_data, than.metadata.no_data) {
        (Some(product), Some(than)) => product < than - MORE,
        _ => false,
    }
}

fn is_complete(product: &Product) -> bool {
    product.metadata.no_data.is_some_and(|none| none <= MORE)
}

fn left_out(product: &Product, best: Option<&Product>, role: &str) -> Omitted {
    let best_id = best.map(|best| best.id.to_string()).unwrap_or_default();
    let Some(best) = best.filter(|best| best.id.baseline() == product.id.baseline()) else {
        let reason = format!("{best_id} has a higher processing baseline; {role}");
        return Omitted::new(&product.id, "superseded", reason);
    };
    let (a, b) = (processed(best), processed(product));
    let why = match a.is_some() && b.is_some() && a != b {
        true => "was processed later",
        false => "goes before it by name, as the processing times do not tell",
    };
    Omitted::new(&product.id, "duplicate", format!("{best_id} {why}; {role}"))
}

/// When a product was made, as text that sorts by time: from its name, where the name tells (PSD,
/// from baseline 02.06 on), else from its metadata.
fn processed(product: &Product) -> Option<String> {
    let Baseline { major, minor } = product.id.baseline();
    if (major, minor) >= (STAMPED_SINCE.major, STAMPED_SINCE.minor) {
        return Some(product.id.discriminator().to_owned());
    }
    Some(product.metadata.processed?.format("%Y%m%dT%H%M%S").to_string())
}

/// Higher baselines first, then what was processed later, then by name; a total order.
fn better_first(a: &Product, b: &Product) -> Ordering {
    let rank = |p: &Product| (p.id.baseline(), processed(p), p.id.discriminator().to_owned());
    rank(b).cmp(&rank(a)).then_with(|| a.id.cmp(&b.id))
}

/// Whether products of a scene are of one datastrip. An unknown one may be any: it is not dropped
/// for a known one, which may be another.
fn same_strip(a: &Product, b: &Product) -> bool {
    a.datastrip_start == b.datastrip_start
}
