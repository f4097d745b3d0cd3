//! Time steps before and after planning.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{AssetId, Band, Baseline, ProductId, Resolution, Window};
use cubeflight_tlm::TlmRecord;

use crate::{AssetRead, Layout};

/// What is known of a time step besides its pixels; `None` where it is unknown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepMetadata {
    /// `sentinel-2a`.
    pub platform: Option<String>,
    /// Relative orbit, 1 to 143.
    pub relative_orbit: Option<u16>,
    /// Processing baseline.
    pub processing_baseline: Option<Baseline>,
    /// What raw DN of each reflectance column need added, in column order.
    pub radiometric_offset: Option<Vec<i16>>,
    /// Percent.
    pub cloud_cover: Option<f64>,
    /// Percent.
    pub snow_cover: Option<f64>,
    /// Mean over the tile, degrees clockwise from north.
    pub sun_azimuth: Option<f64>,
    /// Mean over the tile, degrees above the horizon.
    pub sun_elevation: Option<f64>,
    /// Mean over tile and bands, degrees clockwise from north.
    pub view_azimuth: Option<f64>,
    /// Mean over tile and bands, degrees from nadir.
    pub view_incidence: Option<f64>,
    /// When the tile itself was sensed; the datatake began up to ten minutes before.
    pub sensing_time: Option<DateTime<Utc>>,
}

/// A fault of one asset: its pixels become fill, or the cube fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Product.
    pub product: ProductId,
    /// Stable error code.
    pub code: &'static str,
    /// What was wrong.
    pub message: String,
}

/// A file whose tile-parts must be found before they can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unindexed {
    /// Product.
    pub product: ProductId,
    /// Where it is.
    pub href: String,
    /// Size in bytes, where the catalogue knows it.
    pub size: Option<u64>,
    /// Validator, where the catalogue knows it.
    pub etag: Option<String>,
    /// A record that lists other tile-parts of this file.
    pub known: Option<Arc<TlmRecord>>,
}

/// Where an image comes from.
#[derive(Debug, Clone)]
pub enum ColumnSource {
    /// A file that the index knows.
    Indexed {
        /// Where it is.
        href: String,
        /// Its record.
        record: Arc<TlmRecord>,
    },
    /// A file without record.
    Unindexed(Unindexed),
    /// No such file.
    Absent(Fault),
}

/// What reflectance is computed with.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scale {
    /// Added to DN.
    pub offset: i16,
    /// DN per unit of reflectance; `None` where the product does not say.
    pub quantification: Option<f32>,
}

/// An image of a product that holds the wanted pixels.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Product.
    pub product: ProductId,
    /// For reflectance.
    pub scale: Scale,
    /// Where its image comes from.
    pub source: ColumnSource,
}

/// One part of a step.
#[derive(Debug, Clone)]
pub struct StepPart {
    /// Product.
    pub product: ProductId,
    /// For each column of the layout its candidates, best first: the next one is read where an
    /// image does not exist.
    pub columns: Vec<Vec<Candidate>>,
}

/// The image from which masks are made, and which may be asked for as a band.
pub const SCL: AssetId = AssetId { band: Band::Scl, resolution: Resolution::R20m };

/// An image that tells which pixels of a part are valid: those where it is not 0.
#[derive(Debug, Clone)]
pub struct MaskImage {
    /// The image.
    pub asset: AssetId,
    /// Where it comes from, best first.
    pub candidates: Vec<Candidate>,
}

/// What tells which pixels of a step are valid.
#[derive(Debug, Clone)]
pub struct StepMask {
    /// Pixels of the 20 m grid that are looked at: as many windows as the cube has.
    pub windows: Vec<Window>,
    /// For each part its images; a pixel is valid where none of them is 0.
    pub parts: Vec<Vec<MaskImage>>,
}

/// A time step to plan.
#[derive(Debug, Clone)]
pub struct Step {
    /// Datatake start.
    pub time: DateTime<Utc>,
    /// Per-step metadata.
    pub metadata: StepMetadata,
    /// Parts in order of precedence: where several are valid, the first one's pixels are used.
    pub parts: Vec<StepPart>,
    /// Absent where all pixels of the only part are used.
    pub mask: Option<StepMask>,
}

/// How one image is read.
#[derive(Debug, Clone)]
pub enum PlannedColumn {
    /// By these ranges.
    Read(AssetRead),
    /// Its tile-parts are found first, then planned, while serving.
    Scan(Unindexed),
    /// Not at all.
    Fault(Fault),
}

/// How the image of a candidate is read.
#[derive(Debug, Clone)]
pub struct PlannedCandidate {
    /// Product.
    pub product: ProductId,
    /// For reflectance.
    pub scale: Scale,
    /// Reads.
    pub column: PlannedColumn,
}

/// Where the pixels of one column of one part come from.
#[derive(Debug, Clone)]
pub enum PlannedSource {
    /// From the first of these that exists.
    Files(Vec<PlannedCandidate>),
    /// From the mask, which holds them already.
    OfMask,
}

impl PlannedSource {
    /// What is read as far as one knows.
    #[must_use]
    pub fn planned(&self) -> Option<&PlannedColumn> {
        match self {
            Self::Files(candidates) => {
                let exists = |it: &&PlannedCandidate| !matches!(it.column, PlannedColumn::Fault(_));
                let found = candidates.iter().find(exists).or_else(|| candidates.first());
                found.map(|candidate| &candidate.column)
            }
            Self::OfMask => None,
        }
    }
}

/// One part of a planned step.
#[derive(Debug, Clone)]
pub struct PlannedPart {
    /// Product.
    pub product: ProductId,
    /// One per column of the layout.
    pub columns: Vec<PlannedSource>,
}

/// How it is found which pixels of a step are valid.
#[derive(Debug, Clone)]
pub struct PlannedMask {
    /// Pixels of the 20 m grid that are looked at: as many windows as the cube has.
    pub windows: Vec<Window>,
    /// One column per image; where there are several windows, each is a row-block.
    pub layout: Arc<Layout>,
    /// How they are read.
    pub columns: Vec<PlannedSource>,
    /// Which columns tell of each part.
    pub parts: Vec<Range<usize>>,
}

impl PlannedMask {
    /// Whether every part has one image, its scene classification on the 20 m grid, which is a band
    /// as well.
    #[must_use]
    pub fn is_scl(&self) -> bool {
        self.parts.iter().all(|columns| columns.len() == 1)
            && self.layout.columns.iter().all(|column| column.asset == SCL)
    }
}

/// One time step of the plan.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// Datatake start.
    pub time: DateTime<Utc>,
    /// Products of the step, in order of precedence.
    pub product_ids: Vec<ProductId>,
    /// Per-step metadata.
    pub metadata: StepMetadata,
    /// Parts in order of precedence.
    pub parts: Vec<PlannedPart>,
    /// Absent where all pixels of the only part are used.
    pub mask: Option<PlannedMask>,
}

impl PlannedStep {
    /// What is read for the step as far as one knows: that of its mask, then by part and column.
    pub fn planned(&self) -> impl Iterator<Item = &PlannedColumn> {
        let of_mask = self.mask.iter().flat_map(|mask| &mask.columns);
        let of_parts = self.parts.iter().flat_map(|part| &part.columns);
        of_mask.chain(of_parts).filter_map(PlannedSource::planned)
    }
}

/// The result of planning: nothing has been read.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the cube looks like.
    pub layout: Arc<Layout>,
    /// Time steps in ascending time.
    pub steps: Vec<PlannedStep>,
    /// The same in numbers.
    pub summary: Summary,
    /// Longest gap in bytes that its reads go over; `None` where nothing is read.
    pub gap: Option<u64>,
}

/// What a plan costs and gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Time steps.
    pub time_steps: u64,
    /// Products in the cube, in time order.
    pub matched_ids: Vec<String>,
    /// Rows and columns of each column, by EOPF path.
    pub shapes: BTreeMap<String, [u32; 2]>,
    /// JP2 tiles to decode.
    pub jp2_tiles: u64,
    /// Requests for pixels.
    pub requests: u64,
    /// Bytes of these requests.
    pub bytes: u64,
    /// Further requests for main headers.
    pub header_requests: u64,
    /// Assets whose tile-parts are found while serving.
    pub assets_without_index: u64,
    /// Requests and bytes that these assets may cost, finding included; from file sizes alone.
    pub estimated_requests: u64,
    /// See [`Self::estimated_requests`].
    pub estimated_bytes: u64,
    /// Of the requests those that tell which pixels are valid.
    pub mask_requests: u64,
    /// Their bytes.
    pub mask_bytes: u64,
}
