//! Where the images of a time step come from.

use std::sync::Arc;

use cubeflight_catalog::{AssetRef, Part, Product, TimeStep};
use cubeflight_plan::{
    Candidate, ColumnSource, Fault, Layout, MaskImage, SCL, Scale, Step, StepMask, StepMetadata,
    StepPart, Unindexed,
};
use cubeflight_sentinel2::{AssetId, Band, Level, Radiometry, SclMask, SpectralBand, safe};
use cubeflight_tlm::TlmRecord;

use crate::error::fault_code;
use crate::resolve::Records;

/// A time step with everything that may be read for it.
pub(crate) fn plan_step(layout: &Layout, step: &TimeStep, records: &Records) -> Step {
    let parts = step.parts.iter().map(|part| {
        let columns = layout.columns.iter();
        StepPart {
            product: part.product.id.clone(),
            columns: columns.map(|it| candidates(layout, it.asset, part, records)).collect(),
        }
    });
    Step {
        time: step.time,
        metadata: metadata(layout, step),
        parts: parts.collect(),
        mask: mask(layout, step, records),
    }
}

/// What tells which pixels are valid, where that matters.
fn mask(layout: &Layout, step: &TimeStep, records: &Records) -> Option<StepMask> {
    let asked = layout.mask.is_some() || layout.min_valid.is_some();
    if !asked && step.parts.len() < 2 {
        return None;
    }
    let radius = layout.mask.as_ref().map_or(0.0, SclMask::dilation);
    let image =
        |asset, part| MaskImage { asset, candidates: candidates(layout, asset, part, records) };
    let parts = step.parts.iter().map(|part| {
        mask_assets_of(layout, part).into_iter().map(|asset| image(asset, part)).collect()
    });
    Some(StepMask { windows: layout.mask_windows(radius), parts: parts.collect() })
}

/// The images that tell which pixels of a product are valid, where it has them: the scene
/// classification, or at level 1C the detector footprints of the wanted bands, whose edges differ.
pub(crate) fn mask_assets(level: Level, wanted: &[AssetId]) -> Vec<AssetId> {
    if level == Level::L2A {
        return vec![SCL];
    }
    let footprint = |band: SpectralBand| {
        let resolution = band.native_resolution();
        AssetId { band: Band::Detfoo(band), resolution }
    };
    let bands = wanted.iter().filter_map(|asset| asset.band.spectral());
    let footprints: Vec<AssetId> = bands.map(footprint).collect();
    if footprints.is_empty() { vec![footprint(SpectralBand::B05)] } else { footprints }
}

/// The images that tell which pixels of a product are valid, by being 0 where they are not: its
/// scene classification, or footprints; where it has none, all requested reflectance.
fn mask_assets_of(layout: &Layout, part: &Part) -> Vec<AssetId> {
    let has = |asset: &AssetId| {
        let mut products = std::iter::once(&part.product).chain(&part.alternatives);
        products.any(|product| product.assets.contains_key(asset))
    };
    let wanted: Vec<AssetId> = layout.columns.iter().map(|column| column.asset).collect();
    let masks = mask_assets(layout.level, &wanted);
    // classes are masked by the scene classification or not at all
    if layout.mask.is_some() || masks.iter().all(has) {
        return masks;
    }
    wanted.into_iter().filter(|asset| asset.is_reflectance() && has(asset)).collect()
}

fn candidates(layout: &Layout, asset: AssetId, part: &Part, records: &Records) -> Vec<Candidate> {
    let products = std::iter::once(&part.product).chain(&part.alternatives);
    products.map(|product| candidate(layout, asset, product, records)).collect()
}

fn candidate(layout: &Layout, asset: AssetId, product: &Product, records: &Records) -> Candidate {
    let offset = product.radiometric_offset(asset.band);
    let quantification = product.metadata.quantification.map(|value| value as f32);
    Candidate {
        product: product.id.clone(),
        scale: Scale { offset: offset.unwrap_or_default(), quantification },
        source: source(layout, asset, product, offset, records),
    }
}

fn source(
    layout: &Layout,
    asset: AssetId,
    product: &Product,
    offset: Option<i16>,
    records: &Records,
) -> ColumnSource {
    let fault = |code, message: String| {
        ColumnSource::Absent(Fault { product: product.id.clone(), code, message })
    };
    let needs_offset = asset.is_reflectance() && layout.radiometry != Radiometry::Raw;
    if needs_offset && offset.is_none() {
        let baseline = product.id.baseline();
        let text = format!(
            "the radiometric offset of a product of baseline {baseline} is not known; ask for raw"
        );
        return fault(fault_code::OFFSET_UNKNOWN, text);
    }
    let Some(file) = product.assets.get(&asset) else {
        let by_baseline = asset.absence(product.id.baseline());
        let text = by_baseline.unwrap_or_else(|| format!("the product has no {asset}"));
        return fault(fault_code::ABSENT, text);
    };
    let candidates = records.get(&(product.id.clone(), asset));
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

fn metadata(layout: &Layout, step: &TimeStep) -> StepMetadata {
    let known = step.metadata();
    let reflectance = layout.columns.iter().filter(|column| column.asset.is_reflectance());
    StepMetadata {
        platform: step.platform().map(|mission| mission.platform().to_owned()),
        relative_orbit: step.relative_orbit(),
        processing_baseline: step.baseline(),
        radiometric_offset: reflectance
            .map(|column| step.radiometric_offset(column.asset.band))
            .collect(),
        cloud_cover: known.cloud_cover,
        snow_cover: known.snow_cover,
        sun_azimuth: known.sun_azimuth,
        sun_elevation: known.sun_elevation,
        view_azimuth: known.view_azimuth,
        view_incidence: known.view_incidence,
        sensing_time: known.sensing_time,
    }
}
