//! Which products an archive has, and what they are called.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use cubeflight_sentinel2::{AssetId, Baseline, Mission, ProductId, Resolution, safe};

use super::config::Config;
use super::noise::{derive, hash, unit};
use super::orbit::{Datatake, choose, datatakes, geographic};
use super::role::{Role, roles};
use super::scene::Coverage;
use crate::{Error, Result};

/// A product that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedProduct {
    pub(super) id: ProductId,
    pub(super) datatake: Datatake,
    pub(super) baseline: Baseline,
    pub(super) processed: DateTime<Utc>,
    pub(super) datastrip: DateTime<Utc>,
    pub(super) granule: String,
    pub(super) coverage: Coverage,
    /// To be added to its reflectance.
    pub(super) offset: i16,
    /// Which earlier product of the archive has the same images.
    pub(super) same_as: Option<usize>,
    /// What makes its step less than tidy.
    pub(super) extra: Option<&'static str>,
    /// An image that metadata and item list and that is not there.
    pub(super) missing: Option<AssetId>,
    /// Whether it has no images at all.
    pub(super) empty: bool,
}

impl PlannedProduct {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ProductId {
        &self.id
    }

    /// Name of its granule folder.
    #[must_use]
    pub fn granule(&self) -> &str {
        &self.granule
    }

    /// What is to be added to its numbers before they are divided by 10,000.
    #[must_use]
    pub fn radiometric_offset(&self) -> i16 {
        self.offset
    }

    /// What makes its time step less than tidy, by the name of [`Extras`](super::Extras).
    #[must_use]
    pub fn extra(&self) -> Option<&'static str> {
        self.extra
    }

    /// An image that its metadata and its item list and that is not there.
    #[must_use]
    pub fn missing(&self) -> Option<AssetId> {
        self.missing
    }

    /// Its key in the bucket `eodata`, up to and including the `.SAFE` folder.
    #[must_use]
    pub fn prefix(&self) -> String {
        let level = self.id.level();
        let again = if self.baseline == REPROCESSED { "_N0500" } else { "" };
        let day = self.datatake.start.format("%Y/%m/%d");
        format!("Sentinel-2/MSI/{level}{again}/{day}/{}.SAFE", self.id)
    }

    /// The key of one of its images in the bucket `eodata`.
    #[must_use]
    pub fn key(&self, asset: AssetId) -> String {
        safe::asset_key(&self.prefix(), &self.granule, &self.id, asset)
    }

    /// Whether it has such an image: products of its baseline may have none.
    #[must_use]
    pub fn has(&self, asset: AssetId) -> bool {
        !self.empty && asset.since().is_none_or(|since| self.baseline >= since)
    }

    /// Where it was processed, as ids of datastrips name it.
    pub(super) fn centre(&self) -> &'static str {
        match (self.baseline, self.datatake.mission) {
            (REPROCESSED, _) => "S2RP",
            (_, Mission::S2A) => "2APS",
            (_, Mission::S2B) => "2BPS",
            _ => "2CPS",
        }
    }

    /// The long id of its datastrip.
    pub(super) fn datastrip_id(&self) -> String {
        format!(
            "{}_OPER_MSI_{}_DS_{}_{}_S{}_N{}",
            self.datatake.mission,
            self.id.level(),
            self.centre(),
            compact(self.processed),
            compact(self.datastrip),
            self.baseline
        )
    }

    /// The long id of its datatake.
    pub(super) fn datatake_id(&self) -> String {
        let Datatake { mission, absolute_orbit, start, .. } = self.datatake;
        format!("G{mission}_{}_{absolute_orbit:06}_N{}", compact(start), self.baseline)
    }

    /// Start of the datatake with the milliseconds that metadata have.
    pub(super) fn start_text(&self) -> String {
        let millis = if self.datatake.mission == Mission::S2B { "024" } else { "025" };
        self.datatake.start.format(&format!("%Y-%m-%dT%H:%M:%S.{millis}Z")).to_string()
    }
}

/// The first baseline with an offset.
pub(super) const WITH_OFFSET: Baseline = Baseline { major: 4, minor: 0 };
/// The first baseline whose images have a TLM.
pub(super) const WITH_TLM: Baseline = Baseline { major: 5, minor: 12 };
const REPROCESSED: Baseline = Baseline { major: 5, minor: 0 };

/// Since which day (year, month, day) which baseline was in use.
const BASELINES: [((i32, u32, u32), u8, u8); 15] = [
    ((0, 1, 1), 2, 5),
    ((2017, 10, 23), 2, 6),
    ((2018, 6, 11), 2, 8),
    ((2018, 11, 6), 2, 10),
    ((2018, 12, 13), 2, 11),
    ((2019, 5, 6), 2, 12),
    ((2019, 7, 8), 2, 13),
    ((2020, 2, 4), 2, 14),
    ((2021, 3, 30), 3, 0),
    ((2021, 6, 30), 3, 1),
    ((2022, 1, 25), 4, 0),
    ((2022, 12, 6), 5, 9),
    ((2023, 12, 13), 5, 10),
    ((2024, 7, 23), 5, 11),
    ((2026, 2, 5), 5, 12),
];

/// The baseline in use on a day.
fn baseline_on(time: DateTime<Utc>) -> Baseline {
    let day = (time.year(), time.month(), time.day());
    let current = BASELINES.iter().rev().find(|(since, ..)| *since <= day);
    let &(_, major, minor) = current.unwrap_or(&BASELINES[0]);
    Baseline { major, minor }
}

/// The baseline that a product of another one may be made again with.
fn next_baseline(baseline: Baseline) -> Baseline {
    let later = BASELINES.iter().map(|&(_, major, minor)| Baseline { major, minor });
    let reprocessing = std::iter::once(REPROCESSED);
    reprocessing
        .chain(later)
        .find(|other| *other > baseline && other.major == 5)
        .unwrap_or(Baseline { minor: baseline.minor.saturating_add(1), ..baseline })
}

fn compact(time: DateTime<Utc>) -> impl std::fmt::Display {
    time.format("%Y%m%dT%H%M%S")
}

/// What is decided of a product before it has a name.
#[derive(Debug, Clone)]
struct Draft {
    baseline: Baseline,
    processed: DateTime<Utc>,
    datastrip: DateTime<Utc>,
    sides: Vec<[f64; 3]>,
    same_as: Option<usize>,
    offset: Option<i16>,
    missing: Option<AssetId>,
    empty: bool,
}

/// The products of a configuration, by time.
pub(super) fn plan(config: &Config) -> Result<Vec<PlannedProduct>> {
    let option = |what, text: String, reason: String| Err(Error::option(what, &text, reason));
    if config.steps == 0 || config.start >= config.end {
        let text = format!("{} from {} to {}", config.steps, config.start, config.end);
        return option("steps", text, "at least one, in a time that ends after it starts".into());
    }
    let all = datatakes(config.tile, config.start, config.end);
    let Some(chosen) = choose(&all, config.steps) else {
        let reason = format!(
            "the satellites pass over {} only {} times from {} to {}; take fewer, or a longer time",
            config.tile,
            all.len(),
            config.start,
            config.end
        );
        return option("steps", config.steps.to_string(), reason);
    };
    let roles = roles(config)?;
    let mut products = Vec::new();
    for (step, (datatake, role)) in chosen.iter().zip(roles).enumerate() {
        step_products(config, step, *datatake, role, &mut products)?;
    }
    Ok(products)
}

fn step_products(
    config: &Config,
    step: usize,
    datatake: Datatake,
    role: Role,
    products: &mut Vec<PlannedProduct>,
) -> Result<()> {
    let own = hash(derive(config.seed, 90), i64::from(datatake.absolute_orbit), 0);
    let original = baseline_on(datatake.start);
    let again = config.extras.reprocessed && original < WITH_OFFSET;
    let baseline = if again { REPROCESSED } else { original };
    let hours = 3.0 + 5.0 * f64::from(unit(own, 0));
    let soon = datatake.start + TimeDelta::seconds((hours * 3_600.0) as i64);
    // the reprocessing of everything of before went on for half of 2023
    let late = DateTime::from_timestamp(1_672_531_200 + i64::from((own >> 40) as u32), 0)
        .unwrap_or(soon)
        .max(soon + TimeDelta::days(300));
    let processed = |baseline: Baseline| if baseline == original { soon } else { late };
    let first_strip = datatake.start - TimeDelta::seconds(4);
    let second_strip = first_strip + TimeDelta::seconds(171);
    let draft = Draft {
        baseline,
        processed: processed(baseline),
        datastrip: first_strip,
        sides: Vec::new(),
        same_as: None,
        offset: None,
        missing: None,
        empty: false,
    };
    let made = draft.processed;
    let again = |first| Draft {
        processed: made + TimeDelta::minutes(197),
        same_as: Some(first),
        ..draft.clone()
    };
    let original_draft = Draft { baseline: original, processed: soon, ..draft.clone() };
    let newer = Draft { baseline: next_baseline(original), processed: late, ..draft.clone() };
    let first = products.len();
    let drafts = match role {
        Role::Plain => vec![draft],
        Role::Duplicate => vec![draft.clone(), again(first)],
        Role::Superseded => vec![original_draft, newer],
        Role::Split | Role::Disjoint => {
            let (north, south) = match role {
                Role::Split => halves(config, 0.0, OVERLAP),
                _ => halves(config, 0.2, 0.0),
            };
            let south = Draft {
                processed: made + TimeDelta::minutes(8),
                datastrip: second_strip,
                sides: vec![south],
                ..draft.clone()
            };
            vec![Draft { sides: vec![north], ..draft }, south]
        }
        Role::Edge => vec![Draft { sides: vec![edge(config, step)], ..draft }],
        Role::LostArea => {
            vec![original_draft, Draft { sides: vec![edge(config, step)], ..newer }]
        }
        Role::Unofficial => {
            // which version of the processor made them is not in the name
            let before = products.iter().filter(|p| p.baseline == Baseline::UNOFFICIAL).count();
            let offset = if before.is_multiple_of(2) { -1000 } else { 0 };
            vec![Draft {
                baseline: Baseline::UNOFFICIAL,
                processed: late,
                offset: Some(offset),
                ..draft
            }]
        }
        Role::WithoutAssets => {
            vec![draft.clone(), Draft { empty: true, same_as: None, ..again(first) }]
        }
        Role::MissingAsset => {
            let missing = config.assets()?.into_iter().find(AssetId::is_reflectance);
            vec![draft.clone(), Draft { missing, ..again(first) }]
        }
    };
    for draft in drafts {
        let planned = product(config, datatake, draft)?;
        products.push(PlannedProduct { extra: role.name(), ..planned });
    }
    Ok(())
}

fn product(config: &Config, datatake: Datatake, draft: Draft) -> Result<PlannedProduct> {
    let Datatake { mission, relative_orbit, absolute_orbit, start, .. } = datatake;
    let Draft { baseline, processed, datastrip, sides, same_as, offset, missing, empty } = draft;
    let (level, tile) = (config.level, config.tile);
    let id = format!(
        "{mission}_MSI{level}_{}_{}_R{relative_orbit:03}_T{tile}_{}",
        compact(start),
        baseline.id(),
        compact(processed)
    );
    let reason = |error: cubeflight_sentinel2::Error| Error::option("time", &id, error.to_string());
    Ok(PlannedProduct {
        id: id.parse().map_err(reason)?,
        datatake,
        baseline,
        processed,
        datastrip,
        granule: format!("{level}_T{tile}_A{absolute_orbit:06}_{}", compact(datastrip)),
        coverage: Coverage { sides },
        offset: offset.or(baseline.radiometric_offset()).unwrap_or_default(),
        same_as,
        extra: None,
        missing,
        empty,
    })
}

/// Middle of the area of interest.
fn middle(config: &Config) -> (f64, f64) {
    let bounds = config.bounds.unwrap_or_else(|| config.tile.grid(Resolution::R60m).bounds());
    ((bounds.min_x + bounds.max_x) / 2.0, (bounds.min_y + bounds.max_y) / 2.0)
}

/// Direction of descending tracks: metres to the west for each metre to the south, about.
pub(super) const TRACK: f64 = 0.21;
/// By how much datastrips overlap, metres.
const OVERLAP: f64 = 360.0;

/// The two parts of a tile that two datastrips show, cut across the track; `south` of the middle, in
/// heights of the area of interest, and with an overlap in metres.
fn halves(config: &Config, south: f64, overlap: f64) -> ([f64; 3], [f64; 3]) {
    let (x, y) = middle(config);
    let height = config.bounds.map_or(109_800.0, |bounds| bounds.max_y - bounds.min_y);
    let along = TRACK * x + y - south * height;
    ([TRACK, 1.0, along - overlap / 2.0], [-TRACK, -1.0, -along - overlap / 2.0])
}

/// What is left of a tile at the edge of the swath, to the east or to the west.
fn edge(config: &Config, step: usize) -> [f64; 3] {
    let (x, y) = middle(config);
    let width = config.bounds.map_or(109_800.0, |bounds| bounds.max_x - bounds.min_x);
    let across = |x: f64| x - TRACK * y;
    if step.is_multiple_of(2) {
        [1.0, -TRACK, across(x - width * 0.15)]
    } else {
        [-1.0, TRACK, -across(x + width * 0.15)]
    }
}

/// Corners of the tile, as longitude and latitude, closed, counter-clockwise from the upper left.
pub(super) fn footprint(config: &Config) -> Vec<[f64; 2]> {
    let edges = config.tile.grid(Resolution::R60m).bounds();
    let corners = [
        (edges.min_x, edges.max_y),
        (edges.min_x, edges.min_y),
        (edges.max_x, edges.min_y),
        (edges.max_x, edges.max_y),
        (edges.min_x, edges.max_y),
    ];
    corners
        .map(|(x, y)| {
            let place = geographic(config.tile, x, y);
            [place.longitude, place.latitude]
        })
        .to_vec()
}
