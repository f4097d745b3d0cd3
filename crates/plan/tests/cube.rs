//! Plans of whole cubes, and their numbers.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{asset, even_record, layout};
use cubeflight_plan::{
    Candidate, ColumnSource, CostModel, Fault, HeaderSource, Layout, MaskImage, Plan,
    PlannedColumn, PlannedSource, PlannedStep, SCL, Scale, Step, StepMask, StepMetadata, StepPart,
    Unindexed, plan,
};
use cubeflight_sentinel2::{Bounds, ProductId, Window};

const BANDS: [&str; 3] = ["B08", "B11", "SCL"];

fn seed_layout() -> Arc<Layout> {
    let bounds =
        Bounds::new(449030.2565467731, 5204447.577367328, 459657.82505819947, 5214944.124667359);
    Arc::new(layout("33TVN".parse().unwrap(), &BANDS, Some(bounds.unwrap())))
}

fn product(day: u32) -> ProductId {
    format!("S2A_MSIL2A_202101{day:02}T101411_N0500_R022_T33TVN_20230306T172000").parse().unwrap()
}

fn indexed(band: &str, product: &ProductId) -> ColumnSource {
    let record = even_record(&product.to_string(), asset(band), 30_000);
    ColumnSource::Indexed { href: format!("s3://eodata/{band}.jp2"), record }
}

fn candidate(product: &ProductId, source: ColumnSource) -> Candidate {
    Candidate { product: product.clone(), scale: Scale::default(), source }
}

fn step(day: u32, sources: Vec<ColumnSource>) -> Step {
    let product = product(day);
    let columns = sources.into_iter().map(|source| vec![candidate(&product, source)]);
    Step {
        time: product.datatake_start(),
        metadata: StepMetadata::default(),
        parts: vec![StepPart { columns: columns.collect(), product }],
        mask: None,
    }
}

#[test]
fn the_seed_window_costs_twelve_tiles_a_step() {
    let sources = |day| BANDS.map(|band| indexed(band, &product(day))).to_vec();
    let steps: Vec<Step> = (1..=28).map(|day| step(day, sources(day))).collect();
    let Plan { layout, steps, summary, .. } = plan(seed_layout(), steps, &CostModel::LOCAL);
    assert_eq!(layout.blocks, 1);
    for step in &steps {
        let tiles: Vec<u64> = step.planned().map(|column| read(column).jp2_tiles()).collect();
        assert_eq!(tiles, [4, 4, 4]);
    }
    assert_eq!((summary.time_steps, summary.jp2_tiles), (28, 28 * 12));
    // two neighbours of either of two rows of tiles; the gap to the next row is nine or seven tiles
    assert_eq!((summary.requests, summary.bytes), (28 * 6, 28 * 12 * 30_000));
    assert_eq!((summary.header_requests, summary.assets_without_index), (28 * 3, 0));
    let ids: Vec<String> = (1..=28).map(|day| product(day).to_string()).collect();
    assert_eq!(summary.matched_ids, ids);
    let shapes: Vec<_> = layout.columns.iter().map(|c| summary.shapes[&c.path]).collect();
    assert_eq!(shapes, [[1049, 1063], [525, 531], [525, 531]]);
    assert_eq!(summary.shapes.len(), 3);
}

#[test]
fn far_from_the_data_rows_of_tiles_are_read_together() {
    let steps = vec![step(1, BANDS.map(|band| indexed(band, &product(1))).to_vec())];
    let summary = plan(seed_layout(), steps, &CostModel::OBJECT_STORE).summary;
    assert_eq!((summary.requests, summary.jp2_tiles), (3, 12));
    assert_eq!(summary.bytes, 30_000 * (4 + 9 + 2 * (4 + 7)));
}

fn read(column: &PlannedColumn) -> &cubeflight_plan::AssetRead {
    match column {
        PlannedColumn::Read(read) => read,
        other => panic!("{other:?} is no read"),
    }
}

#[test]
fn the_summary_is_the_sum_of_the_parts() {
    let fault = Fault { product: product(2), code: "asset_absent", message: "no B11".to_owned() };
    let unindexed = ColumnSource::Unindexed(Unindexed {
        product: product(2),
        href: "s3://eodata/B08.jp2".to_owned(),
        size: Some(5),
        etag: Some("e".to_owned()),
        known: None,
    });
    // The record of another asset: as good as none.
    let foreign = match indexed("B01_60m", &product(3)) {
        ColumnSource::Indexed { record, .. } => {
            ColumnSource::Indexed { href: "s3://eodata/odd.jp2".to_owned(), record }
        }
        other => other,
    };
    let steps = vec![
        step(1, BANDS.map(|band| indexed(band, &product(1))).to_vec()),
        step(2, vec![unindexed, ColumnSource::Absent(fault.clone()), indexed("SCL", &product(2))]),
        step(3, vec![foreign, indexed("B11", &product(3)), indexed("SCL", &product(3))]),
    ];
    let Plan { steps, summary, .. } = plan(seed_layout(), steps, &CostModel::LOCAL);
    let columns: Vec<_> = steps.iter().flat_map(PlannedStep::planned).collect();
    let reads: Vec<_> = columns
        .iter()
        .filter_map(|column| if let PlannedColumn::Read(read) = column { Some(read) } else { None })
        .collect();
    let scans = columns.iter().filter(|column| matches!(column, PlannedColumn::Scan(_)));
    assert_eq!((columns.len(), reads.len(), scans.count()), (9, 6, 2));
    assert_eq!(summary.time_steps, 3);
    assert_eq!(summary.jp2_tiles, reads.iter().map(|read| read.jp2_tiles()).sum::<u64>());
    assert_eq!(summary.requests, reads.iter().map(|read| read.requests()).sum::<u64>());
    assert_eq!(summary.bytes, reads.iter().map(|read| read.bytes()).sum::<u64>());
    let fetched = reads.iter().filter(|read| matches!(read.header, HeaderSource::Fetch(_)));
    assert_eq!(summary.header_requests, fetched.count() as u64);
    assert_eq!(summary.assets_without_index, 2);

    let PlannedColumn::Scan(file) = columns[3] else { panic!() };
    assert_eq!(
        (file.href.as_str(), file.size, file.etag.as_deref()),
        ("s3://eodata/B08.jp2", Some(5), Some("e"))
    );
    let PlannedColumn::Fault(found) = columns[4] else { panic!() };
    assert_eq!(found, &fault);
    // What the foreign record said of the file is not believed either.
    let PlannedColumn::Scan(file) = columns[6] else { panic!() };
    assert_eq!((file.href.as_str(), &file.product), ("s3://eodata/odd.jp2", &product(3)));
    assert_eq!((file.size, &file.etag, &file.known), (None, &None, &None));
}

#[test]
fn what_stands_in_costs_only_where_it_is_read() {
    let fault = Fault { product: product(2), code: "asset_absent", message: "no B08".to_owned() };
    let absent = || candidate(&product(2), ColumnSource::Absent(fault.clone()));
    let older = |band| candidate(&product(1), indexed(band, &product(1)));
    let newer = |band| candidate(&product(2), indexed(band, &product(2)));
    let mut step = step(2, Vec::new());
    step.parts[0].columns =
        vec![vec![absent(), older("B08")], vec![newer("B11"), older("B11")], vec![newer("SCL")]];
    let Plan { steps, summary, .. } = plan(seed_layout(), vec![step], &CostModel::LOCAL);
    assert_eq!((summary.jp2_tiles, summary.requests), (12, 6));
    assert_eq!(read(steps[0].planned().next().unwrap()).record.product, product(1));
    assert_eq!(summary.matched_ids, [product(2).to_string()]);
}

#[test]
fn the_mask_is_read_once_and_is_the_band_too() {
    let layout = seed_layout();
    let candidates = |band| vec![candidate(&product(1), indexed(band, &product(1)))];
    let mut step = step(1, Vec::new());
    step.parts[0].columns = BANDS.map(candidates).to_vec();
    let window = Window { x: 2400, y: 4200, width: 600, height: 600 };
    let image = MaskImage { asset: SCL, candidates: candidates("SCL") };
    step.mask = Some(StepMask { windows: vec![window], parts: vec![vec![image]] });
    let Plan { steps, summary, .. } = plan(layout, vec![step], &CostModel::LOCAL);
    let mask = steps[0].mask.as_ref().unwrap();
    assert_eq!((mask.layout.columns[0].window, mask.layout.blocks), (window, 1));
    assert!(matches!(steps[0].parts[0].columns[2], PlannedSource::OfMask));
    assert_eq!(steps[0].planned().count(), 3);
    assert_eq!((summary.mask_requests, summary.mask_bytes), (2, 4 * 30_000));
    assert_eq!((summary.jp2_tiles, summary.bytes), (12, 12 * 30_000));
}

#[test]
fn a_mask_without_images_is_no_band() {
    let mut step = step(1, Vec::new());
    step.parts[0].columns =
        BANDS.map(|band| vec![candidate(&product(1), indexed(band, &product(1)))]).to_vec();
    let window = Window { x: 2400, y: 4200, width: 600, height: 600 };
    step.mask = Some(StepMask { windows: vec![window], parts: vec![Vec::new()] });
    let Plan { steps, summary, .. } = plan(seed_layout(), vec![step], &CostModel::LOCAL);
    assert!(matches!(steps[0].parts[0].columns[2], PlannedSource::Files(_)));
    assert_eq!((summary.mask_requests, summary.jp2_tiles), (0, 12));
}
