//! The catalogues find what was written.

use std::collections::BTreeSet;

use cubeflight_catalog::{ArchiveListing, Rules, StacItems, resolve_steps};
use cubeflight_index::{Index, IndexOptions, build, candidates};
use cubeflight_jp2::scan_bytes;
use cubeflight_sentinel2::{Band, Resolution};
use cubeflight_storage::{Options, Root};
use cubeflight_testkit::archive::{Archive, Extras};

use crate::common::{asset, bounds, config, files, found, make, tile};

const BANDS: [&str; 3] = ["B04_60m", "SCL_60m", "TCI_60m"];
const SPRING: (&str, &str) = ("2021-04-01", "2021-06-01");
const ALL: Extras = Extras {
    duplicates: 1,
    superseded: 1,
    split_datastrips: 1,
    swath_edges: 1,
    disjoint_datastrips: 0,
    lost_areas: 0,
    unofficial: 0,
    without_assets: 0,
    missing_assets: 0,
    reprocessed: false,
};

#[test]
fn the_same_configuration_gives_the_same_bytes() {
    let made =
        [0, 1].map(|_| make(SPRING, 2, &BANDS, Extras { duplicates: 1, ..Extras::default() }));
    let [a, b] = made.each_ref().map(|made| files(made.folder.path()));
    // 3 products of 4 images, 2 metadata files and a manifest, their items, and a collection
    assert_eq!(a.len(), 3 * (4 + 3) + 3 + 1);
    assert!(a == b);
    assert_eq!(made[0].report, made[1].report);
    let other = config(made[0].folder.path(), SPRING, 2, &BANDS, Extras::default());
    Archive::write(&cubeflight_testkit::archive::Config { seed: 2, ..other }, &|_| ()).unwrap();
    assert!(files(made[0].folder.path()) != a);
}

#[tokio::test]
async fn both_catalogues_find_the_same() {
    let made = make(SPRING, 4, &BANDS, ALL);
    let listed = found(&ArchiveListing::new(made.root())).await;
    let items = found(&StacItems::new(made.items())).await;
    assert_eq!((listed.omitted.as_slice(), items.omitted.as_slice()), (&[][..], &[][..]));
    let planned: BTreeSet<_> = made.archive.products().iter().map(|p| p.id().clone()).collect();
    for found in [&listed, &items] {
        let ids: BTreeSet<_> = found.products.iter().map(|p| p.id.clone()).collect();
        assert_eq!(ids, planned);
    }
    let root = made.root();
    for (listed, item) in listed.products.iter().zip(&items.products) {
        assert_eq!((&listed.id, &listed.granule), (&item.id, &item.granule));
        assert_eq!(listed.datastrip_start, item.datastrip_start);
        let known: Vec<_> = item.assets.iter().filter(|(_, asset)| asset.size.is_some()).collect();
        assert_eq!(known.len(), listed.assets.len());
        for (id, asset) in known {
            let other = &listed.assets[id];
            assert_eq!(root.resolve(&asset.href).unwrap(), root.resolve(&other.href).unwrap());
            assert_eq!(asset.size, other.size, "{id}");
        }
        let (a, b) = (&listed.metadata, &item.metadata);
        for (name, a, b) in [
            // two digits in items
            (
                "cloud",
                a.cloud_cover.map(|c| (c * 100.0).round()),
                b.cloud_cover.map(|c| (c * 100.0).round()),
            ),
            ("snow", a.snow_cover, b.snow_cover),
            ("sun azimuth", a.sun_azimuth, b.sun_azimuth),
            ("sun elevation", a.sun_elevation, b.sun_elevation),
            ("view azimuth", a.view_azimuth, b.view_azimuth),
            ("view incidence", a.view_incidence, b.view_incidence),
        ] {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
        }
        assert_eq!(a.quantification, Some(10_000.0));
        let lead = a.sensing_time.unwrap() - listed.id.datatake_start();
        assert!((60..900).contains(&lead.num_seconds()), "{lead}");
    }
}

#[tokio::test]
async fn extras_are_what_the_catalogue_calls_them() {
    let made = make(SPRING, 4, &BANDS, ALL);
    assert_eq!((made.report.steps, made.report.products), (4, 7));
    let rules = Rules {
        group_by: cubeflight_sentinel2::GroupBy::default(),
        radiometry: cubeflight_sentinel2::Radiometry::Raw,
        cloud_cover_max: None,
        filters: &[],
    };
    let steps = resolve_steps(found(&ArchiveListing::new(made.root())).await, &rules).unwrap();
    assert_eq!(steps.steps.len(), 4);
    let parts: Vec<_> = steps.steps.iter().map(|step| step.parts.len()).collect();
    assert_eq!(parts.iter().sum::<usize>(), 5, "two halves: {parts:?}");
    let codes: BTreeSet<_> = steps.omitted.iter().map(|omitted| omitted.code).collect();
    assert!(codes.contains("duplicate") && codes.contains("superseded"), "{codes:?}");

    // the halves of a scene: one datatake and baseline, two datastrips
    let products = made.archive.products();
    let halves: Vec<_> = products
        .windows(2)
        .filter(|pair| {
            let [a, b] = [&pair[0], &pair[1]];
            a.id().datatake_start() == b.id().datatake_start()
                && a.id().baseline() == b.id().baseline()
                && a.granule() != b.granule()
        })
        .collect();
    let [halves] = halves.as_slice() else { panic!("{halves:?}") };
    let scl = asset("SCL_60m");
    let window = tile().grid(Resolution::R60m).window(&bounds(), Default::default()).unwrap();
    let parts = [0, 1].map(|half| made.archive.scene(&halves[half]).samples(scl, window));
    let valid = parts.each_ref().map(|part| part.iter().filter(|class| **class != 0).count());
    let area = parts[0].len();
    assert!(valid.iter().all(|valid| (area / 3..area * 2 / 3).contains(valid)), "{valid:?}");
    for (a, b) in parts[0].iter().zip(&parts[1]) {
        assert!((*a != 0 || *b != 0) && (*a == 0 || *b == 0 || a == b), "{a} {b}");
    }
    let superseding = products.iter().find(|p| p.id().baseline().to_string() == "05.00").unwrap();
    assert!(superseding.prefix().starts_with("Sentinel-2/MSI/L2A_N0500/2021/"));
}

#[tokio::test]
async fn offsets_begin_with_baseline_04() {
    let made = make(("2022-01-10", "2022-02-10"), 6, &["B04_60m"], Extras::default());
    let listed = found(&ArchiveListing::new(made.root())).await;
    let mut seen = BTreeSet::new();
    for product in &listed.products {
        let offset = if product.id.datatake_start().to_rfc3339().as_str() < "2022-01-25" {
            0
        } else {
            -1000
        };
        let offsets = &product.metadata.radiometric_offset;
        assert_eq!((offsets.len(), offsets[&Band::B04]), (13, offset), "{}", product.id);
        assert_eq!(product.id.baseline().radiometric_offset(), Some(offset));
        seen.insert(offset);
    }
    assert_eq!(seen.len(), 2);

    let again = Extras { reprocessed: true, ..Extras::default() };
    let made = make(("2022-01-10", "2022-02-10"), 6, &["B04_60m"], again);
    let items = found(&StacItems::new(made.items())).await;
    let baselines: BTreeSet<_> =
        items.products.iter().map(|product| product.id.baseline().to_string()).collect();
    assert_eq!(baselines.into_iter().collect::<Vec<_>>(), ["04.00", "05.00"]);
    assert!(made.archive.products().iter().all(|product| product.radiometric_offset() == -1000));
}

#[tokio::test]
async fn every_file_can_be_indexed() {
    let bands = ["B04_60m", "TCI_60m", "SCL_60m", "CLD", "DETFOO_B01", "QUALIT_B01", "CLASSI_B00"];
    for (time, tlm) in [(("2022-03-01", "2022-04-01"), false), (("2026-03-01", "2026-04-01"), true)]
    {
        let made = make(time, 1, &bands, Extras::default());
        let index = made.folder.path().join("index");
        let index =
            Index::new(Root::open_or_create(index.to_str().unwrap(), &Options::default()).unwrap());
        let archive = made.root();
        let files = candidates(&archive, None).await.unwrap();
        assert_eq!(files.len(), bands.len() + 1);
        let report = build(&archive, &index, files, &IndexOptions::default()).await.unwrap();
        assert_eq!((report.indexed, report.failed.len()), (bands.len() + 1, 0));
        let product = &made.archive.products()[0];
        let path = made.folder.path().join("eodata").join(product.key(asset("B04_60m")));
        let file = std::fs::read(path).unwrap();
        let structure = scan_bytes(&file).unwrap();
        assert_eq!(!structure.header.tlm.is_empty(), tlm, "{}", product.id());
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let ask = |time, steps, bands: &[&str], extras| {
        let error = Archive::plan(config(folder.path(), time, steps, bands, extras)).unwrap_err();
        assert_eq!(error.code(), "CF-TST-004");
        error.to_string()
    };
    let none = Extras::default();
    assert!(ask(SPRING, 60, &BANDS, none).contains("pass over 33TVN only 24 times"));
    assert!(ask(("2021-04-01", "2021-04-01"), 1, &BANDS, none).contains("at least one"));
    assert!(ask(SPRING, 2, &BANDS, ALL).contains("only 2 steps"));
    let mut outside = config(folder.path(), SPRING, 2, &BANDS, none);
    outside.bounds = Some(cubeflight_sentinel2::Bounds::new(0.0, 0.0, 1.0, 1.0).unwrap());
    assert_eq!(Archive::plan(outside).unwrap_err().code(), "CF-TST-004");
}
