//! A series over the mission's baselines with what real archives have now and then: what a cube is
//! made of, and that its numbers mean one thing.

use std::collections::{BTreeMap, BTreeSet};

use cubeflight_catalog::{
    ArchiveListing, MetadataSource, Product, Rules, StacItems, Steps, resolve_steps,
};
use cubeflight_sentinel2::{
    Align, AssetId, Band, Baseline, GroupBy, Level, ProductId, Radiometry, Resolution, Window,
    harmonise,
};
use cubeflight_testkit::archive::{Archive, Config, Extras, PlannedProduct};

use crate::common::{Made, asset, bounds, config, found, found_of, make, tile};

const MISSION: (&str, &str) = ("2018-01-01", "2026-06-01");
const BANDS: [&str; 2] = ["B04_60m", "SCL_60m"];
const HARMONISED: Rules<'static> = Rules {
    group_by: GroupBy::Datatake,
    radiometry: Radiometry::Harmonised,
    cloud_cover_max: None,
    filters: &[],
};

fn window(resolution: Resolution) -> Window {
    tile().grid(resolution).window(&bounds(), Align::Centre).unwrap()
}

/// What a product shows of the area of interest, harmonised, and where it has data.
fn shown(archive: &Archive, product: &PlannedProduct) -> Vec<Option<u16>> {
    let window = window(Resolution::R60m);
    let scene = archive.scene(product);
    let numbers = scene.samples(asset("B04_60m"), window);
    let classes = scene.samples(asset("SCL_60m"), window);
    let offset = product.radiometric_offset();
    let pixel = |(number, class): (&u16, &u16)| (*class != 0).then(|| harmonise(*number, offset));
    numbers.iter().zip(&classes).map(pixel).collect()
}

fn planned(archive: &Archive) -> BTreeMap<ProductId, &PlannedProduct> {
    archive.products().iter().map(|product| (product.id().clone(), product)).collect()
}

async fn steps(made: &Made, rules: &Rules<'_>) -> Steps {
    resolve_steps(found(&ArchiveListing::new(made.root())).await, rules).unwrap()
}

#[tokio::test]
async fn steps_of_a_mission() {
    let made = make(MISSION, 30, &BANDS, Extras::some_of_each());
    let listed = found(&ArchiveListing::new(made.root())).await;
    let baselines: BTreeSet<String> =
        listed.products.iter().map(|product| product.id.baseline().to_string()).collect();
    for baseline in ["02.06", "02.14", "03.01", "04.00", "05.00", "05.09", "05.11", "99.99"] {
        assert!(baselines.contains(baseline), "{baseline} of {baselines:?}");
    }
    let planned = planned(&made.archive);
    // what the metadata say is what was written, in whatever baseline
    for product in &listed.products {
        let offset = planned[&product.id].radiometric_offset();
        assert_eq!(product.radiometric_offset(Band::B04), Some(offset), "{}", product.id);
        let pixels = shown(&made.archive, planned[&product.id]);
        let none = pixels.iter().filter(|pixel| pixel.is_none()).count();
        let share = 100.0 * none as f64 / pixels.len() as f64;
        let stated = product.metadata.no_data.unwrap();
        assert!((stated - share).abs() < 3.0, "{}: {stated} {share}", product.id);
    }
    let without: Vec<_> = listed.omitted.iter().filter(|o| o.code == "no_assets").collect();
    assert_eq!((without.len(), listed.omitted.len()), (2, 2));

    // items say nothing of offsets; where the baseline does not either, the product is asked
    let mut items = found(&StacItems::new(made.items())).await;
    let unknown = |products: &[Product]| {
        let unknown = products.iter().filter(|p| p.radiometric_offset(Band::B04).is_none());
        unknown.map(|product| product.id.baseline().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(unknown(&items.products), ["99.99", "99.99"]);
    let root = made.root();
    let before = root.counters().requests;
    MetadataSource::new().complete(&root, &mut items.products).await.unwrap();
    assert_eq!(root.counters().requests - before, 2);
    let mut seen = BTreeSet::new();
    for product in &items.products {
        let offset = planned[&product.id].radiometric_offset();
        assert_eq!(product.radiometric_offset(Band::B04), Some(offset), "{}", product.id);
        if product.id.baseline() == Baseline::UNOFFICIAL {
            seen.insert(offset);
        }
    }
    assert_eq!(seen, [0, -1000].into());

    let steps = steps(&made, &HARMONISED).await;
    assert_eq!(steps.steps.len(), 30);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for step in &steps.steps {
        let of_step: Vec<_> =
            planned.values().filter(|p| p.id().datatake_start() == step.time).collect();
        let extra = of_step[0].extra().unwrap_or("none");
        *kinds.entry(extra).or_default() += 1;
        let shape: Vec<usize> = step.parts.iter().map(|part| part.alternatives.len()).collect();
        let expected: &[usize] = match extra {
            "duplicates" | "missing_assets" | "superseded" => &[1],
            "split_datastrips" | "disjoint_datastrips" | "lost_areas" => &[0, 0],
            _ => &[0],
        };
        assert_eq!(shape, expected, "{extra}");
        // the parts together show all that any product of the step shows, in the same numbers
        let mut merged: Vec<Option<u16>> = Vec::new();
        let parts: Vec<&PlannedProduct> =
            step.parts.iter().map(|part| planned[&part.product.id]).collect();
        for part in &parts {
            let pixels = shown(&made.archive, part);
            merged.resize(pixels.len(), None);
            for (pixel, other) in merged.iter_mut().zip(pixels) {
                *pixel = pixel.or(other);
            }
        }
        for product in of_step {
            for (pixel, other) in merged.iter().zip(shown(&made.archive, product)) {
                assert!(other.is_none() || *pixel == other, "{}", product.id());
            }
        }
        let area = merged.iter().filter(|pixel| pixel.is_some()).count();
        match extra {
            "swath_edges" => assert!((merged.len() / 3..merged.len() * 9 / 10).contains(&area)),
            _ => assert_eq!(area, merged.len(), "{extra}"),
        }
        // the larger part goes first
        let first = |part: &PlannedProduct| shown(&made.archive, part).iter().flatten().count();
        if extra == "disjoint_datastrips" {
            let areas = [first(parts[0]), first(parts[1])];
            assert!(areas[0] > areas[1] * 3 / 2 && areas[0] + areas[1] == area, "{areas:?}");
        }
    }
    for kind in [
        "duplicates",
        "superseded",
        "split_datastrips",
        "disjoint_datastrips",
        "swath_edges",
        "lost_areas",
        "unofficial",
        "without_assets",
        "missing_assets",
    ] {
        assert_eq!(kinds.get(kind), Some(&2), "{kind}");
    }

    // raw: nothing is filled across a change of the offset
    let raw = Rules { radiometry: Radiometry::Raw, ..HARMONISED };
    let raw = resolve_steps(listed, &raw).unwrap();
    let across = |step: &&cubeflight_catalog::TimeStep| {
        let offsets: BTreeSet<i16> =
            step.parts.iter().map(|part| planned[&part.product.id].radiometric_offset()).collect();
        offsets.len() > 1
    };
    assert_eq!((raw.steps.len(), raw.steps.iter().filter(across).count()), (30, 0));
    assert!(raw.omitted.iter().any(|o| o.reason.contains("harmonised or reflectance would fill")));
}

#[tokio::test]
async fn what_is_listed_may_be_missing() {
    let extras = Extras { missing_assets: 1, without_assets: 1, ..Extras::default() };
    let made = make(("2021-04-01", "2021-06-01"), 2, &BANDS, extras);
    let items = found(&StacItems::new(made.items())).await;
    let root = made.root();
    let is_there = async |product: &Product, asset: &AssetId| {
        root.head(&root.resolve(&product.assets[asset].href).unwrap()).await.is_ok()
    };
    let b04 = asset("B04_60m");
    let lists: Vec<_> = made.archive.products().iter().filter(|p| p.missing().is_some()).collect();
    assert_eq!(lists.len(), 1);
    assert_eq!(lists[0].missing(), Some(b04));
    for product in &items.products {
        let expected = product.id != *lists[0].id();
        assert_eq!(is_there(product, &b04).await, expected, "{}", product.id);
        assert!(is_there(product, &asset("SCL_60m")).await);
    }
    // by items the later product is read, and the earlier stands in
    let steps = resolve_steps(items, &HARMONISED).unwrap();
    let step = steps.steps.iter().find(|step| !step.parts[0].alternatives.is_empty()).unwrap();
    assert_eq!(step.parts[0].product.id, *lists[0].id());
    assert!(is_there(&step.parts[0].alternatives[0], &b04).await);
    let codes: Vec<_> = steps.omitted.iter().map(|omitted| omitted.code).collect();
    assert!(codes.contains(&"no_assets") && codes.contains(&"duplicate"), "{codes:?}");
}

/// One scene in two baselines is the same in harmonised numbers, to the last digit.
#[test]
fn harmonised_numbers_are_continuous() {
    let folder = tempfile::TempDir::new().unwrap();
    let plan = |reprocessed| {
        let extras = Extras { reprocessed, ..Extras::default() };
        let config = config(folder.path(), ("2021-10-01", "2022-03-20"), 12, &BANDS, extras);
        Archive::plan(config).unwrap()
    };
    let (original, again) = (plan(false), plan(true));
    let mut offsets = BTreeSet::new();
    for (a, b) in original.products().iter().zip(again.products()) {
        assert_eq!(a.id().datatake_start(), b.id().datatake_start());
        assert!(shown(&original, a) == shown(&again, b), "{} {}", a.id(), b.id());
        offsets.insert((a.radiometric_offset(), b.radiometric_offset()));
    }
    assert_eq!(offsets, [(0, -1000), (-1000, -1000)].into());
}

#[tokio::test]
async fn level_1c() {
    let folder = tempfile::TempDir::new().unwrap();
    let bands = ["B01", "B09", "B10"];
    let assets = |names: &[&str]| -> Vec<AssetId> {
        names.iter().map(|name| AssetId::parse(name, Level::L1C).unwrap()).collect()
    };
    let extras = Extras { split_datastrips: 1, swath_edges: 1, ..Extras::default() };
    let config = Config {
        level: Level::L1C,
        bands: assets(&bands),
        ..config(folder.path(), ("2021-12-01", "2022-03-01"), 4, &[], extras)
    };
    let report = Archive::write(&config, &|_| ()).unwrap();
    let made = Made { archive: Archive::plan(config).unwrap(), folder, report };
    let listed = found_of(&ArchiveListing::new(made.root()), Level::L1C).await;
    let items = found_of(&StacItems::new(made.items()), Level::L1C).await;
    assert_eq!((listed.omitted.as_slice(), items.omitted.as_slice()), (&[][..], &[][..]));
    assert_eq!((listed.products.len(), items.products.len()), (5, 5));
    let masks = assets(&["DETFOO_B01", "DETFOO_B09", "DETFOO_B10"]);
    let planned = planned(&made.archive);
    let mut offsets = BTreeSet::new();
    for (product, item) in listed.products.iter().zip(&items.products) {
        assert_eq!((&product.id, &product.granule), (&item.id, &item.granule));
        assert_eq!(product.datastrip_start, item.datastrip_start);
        let offset = product.radiometric_offset(Band::B10).unwrap();
        assert_eq!(product.metadata.radiometric_offset[&Band::B10], offset);
        assert_eq!(planned[&product.id].radiometric_offset(), offset);
        offsets.insert(offset);
        // masks are images from baseline 04.00 on
        for mask in &masks {
            assert_eq!(product.assets.contains_key(mask), offset != 0, "{}", product.id);
        }
        assert_eq!(product.assets.len(), if offset == 0 { 3 } else { 6 });
        for asset in assets(&bands) {
            assert_eq!(product.assets[&asset].size, item.assets[&asset].size);
        }
        assert_eq!((product.metadata.no_data, item.metadata.no_data), (None, None));
        assert!(product.metadata.cloud_cover.is_some());
        // the footprint is where there are numbers
        let scene = made.archive.scene(planned[&product.id]);
        let window = window(Resolution::R60m);
        let numbers = scene.samples(assets(&["B09"])[0], window);
        let footprint = scene.samples(masks[1], window);
        assert!(
            numbers.iter().zip(&footprint).all(|(number, foot)| (*number == 0) == (*foot == 0))
        );
    }
    assert_eq!(offsets, [0, -1000].into());
    let steps = resolve_steps(listed, &HARMONISED).unwrap();
    let parts: usize = steps.steps.iter().map(|step| step.parts.len()).sum();
    assert_eq!((steps.steps.len(), parts, steps.omitted.len()), (4, 5, 0));
}
