//! What holds for all products there could be.

use std::collections::{BTreeMap, BTreeSet};

use cubeflight_sentinel2::{GroupBy, ProductId, Radiometry};
use proptest::prelude::*;

use super::{Rules, product, with_offset};
use crate::steps::{Steps, resolve_steps};
use crate::{Found, Product};

/// A product and which of the 100 cells of the tile it has. Those of one datastrip have the first
/// cells of a list that the datastrip has, some more and some fewer.
#[derive(Debug, Clone)]
struct Made {
    product: Product,
    cells: BTreeSet<u8>,
}

fn made() -> impl Strategy<Value = Made> {
    let baselines = prop_oneof!["N0205", "N0214", "N0400", "N0500", "N0511", "N9999"];
    let strip = prop_oneof![4 => (0u8..3).prop_map(Some), 1 => Just(None)];
    (0u8..3, 0u8..2, baselines, 1u8..29, strip, 0u8..=100, 0u8..8).prop_map(
        |(day, mission, baseline, made, strip, size, known)| {
            let mission = ["S2A", "S2B"][usize::from(mission)];
            let text = format!(
                "{mission} 202101{:02}T1014{:02} {baseline} 202302{made:02}T120000",
                day / 2 + 1,
                day % 2 * 30
            );
            let cells: BTreeSet<u8> = match strip.unwrap_or_default() {
                0 => (0..size).collect(),
                1 => (100 - size..100).collect(),
                _ => (0..size).map(|cell| (cell + 40) % 100).collect(),
            };
            let no_data = 100.0 - f64::from(size);
            let product = product(&text, strip.map(i64::from), (known > 0).then_some(no_data));
            let product = if known > 4 { with_offset(product, -1000) } else { product };
            Made { product, cells }
        },
    )
}

fn all() -> impl Strategy<Value = BTreeMap<ProductId, Made>> {
    prop::collection::vec(made(), 0..14)
        .prop_map(|all| all.into_iter().map(|made| (made.product.id.clone(), made)).collect())
}

fn rules() -> impl Strategy<Value = Rules<'static>> {
    let day = prop::bool::ANY;
    let radiometry = prop_oneof![
        Just(Radiometry::Raw),
        Just(Radiometry::Harmonised),
        Just(Radiometry::Reflectance)
    ];
    (day, radiometry).prop_map(|(day, radiometry)| Rules {
        group_by: if day { GroupBy::SolarDay } else { GroupBy::Datatake },
        radiometry,
        cloud_cover_max: None,
        filters: &[],
    })
}

fn resolved(products: Vec<Product>, rules: &Rules<'_>) -> Option<Steps> {
    resolve_steps(Found { products, omitted: Vec::new() }, rules).ok()
}

fn parts(steps: &Steps) -> Vec<&Product> {
    steps.steps.iter().flat_map(|step| &step.parts).map(|part| &part.product).collect()
}

proptest! {
    #[test]
    fn every_product_is_a_part_or_left_out(all in all(), rules in rules()) {
        let products = all.values().map(|made| made.product.clone()).collect();
        let Some(steps) = resolved(products, &rules) else { return Ok(()) };
        let mut seen: Vec<String> =
            parts(&steps).iter().map(|product| product.id.to_string()).collect();
        let omitted: BTreeSet<&str> = steps.omitted.iter().map(|o| o.id.as_str()).collect();
        prop_assert_eq!(omitted.len(), steps.omitted.len(), "each once");
        seen.extend(omitted.iter().map(|id| (*id).to_owned()));
        seen.sort();
        let mut expected: Vec<String> = all.keys().map(ToString::to_string).collect();
        expected.sort();
        prop_assert_eq!(seen, expected);
        for part in steps.steps.iter().flat_map(|step| &step.parts) {
            for other in &part.alternatives {
                prop_assert!(omitted.contains(&*other.id.to_string()));
                prop_assert_eq!(other.id.datatake_start(), part.product.id.datatake_start());
            }
        }
    }

    #[test]
    fn the_order_of_what_is_found_does_not_matter(
        all in all(), rules in rules(), order in prop::collection::vec(any::<u32>(), 14),
    ) {
        let products: Vec<Product> = all.values().map(|made| made.product.clone()).collect();
        let mut other: Vec<_> = products.iter().cloned().zip(order).collect();
        other.sort_by_key(|(_, order)| *order);
        let other = other.into_iter().map(|(product, _)| product).collect();
        prop_assert_eq!(resolved(products, &rules), resolved(other, &rules));
    }

    /// What a ticket names (parts and what stands in for them) gives the same steps.
    #[test]
    fn resolving_again_changes_nothing(all in all(), rules in rules()) {
        let products = all.values().map(|made| made.product.clone()).collect();
        let Some(steps) = resolved(products, &rules) else { return Ok(()) };
        let parts = steps.steps.iter().flat_map(|step| &step.parts);
        let named = parts.flat_map(|part| std::iter::once(&part.product).chain(&part.alternatives));
        let again = resolved(named.cloned().collect(), &rules);
        prop_assert_eq!(again.expect("offsets are as before").steps, steps.steps);
    }

    #[test]
    fn times_ascend(all in all(), rules in rules()) {
        let products = all.values().map(|made| made.product.clone()).collect();
        let Some(steps) = resolved(products, &rules) else { return Ok(()) };
        for pair in steps.steps.windows(2) {
            prop_assert!(pair[0].time < pair[1].time);
        }
        for step in &steps.steps {
            let first = step.parts.iter().map(|part| part.product.id.datatake_start()).min();
            prop_assert_eq!(Some(step.time), first);
        }
    }

    /// With comparable numbers nothing that a product of known area and offset has is lost.
    #[test]
    fn no_valid_area_is_lost(all in all()) {
        let rules = Rules { radiometry: Radiometry::Harmonised, ..super::RAW };
        let usable: BTreeMap<_, _> = all
            .into_iter()
            .filter(|(_, made)| {
                let product = &made.product;
                product.offsets_known()
                    && product.metadata.no_data.is_some()
            })
            .collect();
        let products = usable.values().map(|made| made.product.clone()).collect();
        let steps = resolved(products, &rules).expect("harmonised numbers mix");
        for step in &steps.steps {
            let of_step = usable.values().filter(|made| made.product.id.datatake_start() == step.time);
            let there: BTreeSet<u8> = of_step.flat_map(|made| &made.cells).copied().collect();
            let read = step.parts.iter().flat_map(|part| &usable[&part.product.id].cells);
            let read: BTreeSet<u8> = read.copied().collect();
            prop_assert_eq!(read, there);
        }
    }
}
