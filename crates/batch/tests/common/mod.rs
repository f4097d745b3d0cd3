//! Layouts of two requests and rows of them.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;

use arrow_buffer::Buffer;
use arrow_schema::{Schema, SchemaRef};
use cubeflight_batch::{BlockRow, Status, cube_schema};
use cubeflight_plan::{Layout, LayoutRequest, StepMetadata};
use cubeflight_sentinel2::{
    Align, AssetId, Bounds, DEFAULT_MESSAGE_BYTES, Level, Radiometry, TimeRange,
};

/// A request as far as the schema depends on it.
pub(crate) struct Request {
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    pub(crate) time: TimeRange,
    pub(crate) json: &'static str,
    pub(crate) raw_offset: Option<i16>,
}

impl Request {
    pub(crate) fn schema(&self) -> Schema {
        cube_schema(&self.layout, &self.time, self.json, self.raw_offset).unwrap()
    }
}

fn layout(bands: &[&str], bounds: Option<Bounds>, radiometry: Radiometry) -> Layout {
    layout_at(bands, bounds, radiometry, 0)
}

fn layout_at(bands: &[&str], bounds: Option<Bounds>, radiometry: Radiometry, reduce: u8) -> Layout {
    layout_of(bands, bounds, &[], radiometry, reduce)
}

fn layout_of(
    bands: &[&str],
    bounds: Option<Bounds>,
    windows: &[Bounds],
    radiometry: Radiometry,
    reduce: u8,
) -> Layout {
    let assets: Vec<AssetId> =
        bands.iter().map(|band| AssetId::parse(band, Level::L2A).unwrap()).collect();
    Layout::new(&LayoutRequest {
        level: Level::L2A,
        tile: "33TVN".parse().unwrap(),
        assets: &assets,
        bounds,
        windows,
        align: Align::Centre,
        reduce,
        radiometry,
        mask: None,
        min_valid: None,
        max_message_bytes: DEFAULT_MESSAGE_BYTES,
    })
    .unwrap()
}

/// The request of the seed notebook: one row-block a step.
pub(crate) fn seed() -> Request {
    let bounds =
        Bounds::new(449030.2565467731, 5204447.577367328, 459657.82505819947, 5214944.124667359);
    Request {
        name: "seed",
        layout: layout(&["B08", "B11", "SCL"], Some(bounds.unwrap()), Radiometry::Raw),
        time: "2021-01-01/2021-12-31".parse().unwrap(),
        json: r#"{"tile":"33TVN","bands":["B08","B11","SCL"]}"#,
        raw_offset: None,
    }
}

/// Every kind of cell, three resolutions, a whole tile in many row-blocks.
pub(crate) fn kinds() -> Request {
    let bands = ["TCI", "QUALIT_B02", "SCL", "B01_60m", "B02", "AOT_20m"];
    Request {
        name: "kinds",
        layout: layout(&bands, None, Radiometry::Harmonised),
        time: "2021-07-01/2022-01-31".parse().unwrap(),
        json: r#"{"tile":"33TVN","bands":["TCI","QUALIT_B02","SCL","B01_60m","B02","AOT_20m"]}"#,
        raw_offset: None,
    }
}

/// Reflectance is float.
pub(crate) fn reflectance() -> Request {
    let bounds = Bounds::new(449000.0, 5204000.0, 449600.0, 5204600.0);
    Request {
        name: "reflectance",
        layout: layout(&["B02", "B11", "AOT"], Some(bounds.unwrap()), Radiometry::Reflectance),
        time: "../2021-12-31".parse().unwrap(),
        json: "{}",
        raw_offset: None,
    }
}

/// The same kinds over a box, at a quarter of the resolution.
pub(crate) fn quarter() -> Request {
    let bands = ["B02", "B11", "TCI", "SCL", "QUALIT_B01", "AOT_60m"];
    let bounds = Bounds::new(449000.0, 5204000.0, 459600.0, 5214600.0);
    Request {
        name: "quarter",
        layout: layout_at(&bands, Some(bounds.unwrap()), Radiometry::Raw, 2),
        time: "2021-01-01/2021-12-31".parse().unwrap(),
        json: r#"{"tile":"33TVN","bands":["B02","B11","TCI","SCL","QUALIT_B01","AOT_60m"],"reduce":2}"#,
        raw_offset: None,
    }
}

/// A list of windows, one of them a point.
pub(crate) fn several() -> Request {
    let bounds = |min_x, min_y, max_x, max_y| Bounds::with_points(min_x, min_y, max_x, max_y);
    let windows = [
        bounds(449_000.0, 5_204_000.0, 449_600.0, 5_204_300.0),
        bounds(460_001.0, 5_210_001.0, 460_001.0, 5_210_001.0),
        bounds(400_000.0, 5_300_000.0, 400_100.0, 5_300_500.0),
    ];
    let windows = windows.map(Result::unwrap);
    Request {
        name: "windows",
        layout: layout_of(&["B02", "SCL", "TCI_60m"], None, &windows, Radiometry::Raw, 0),
        time: "2021-01-01/2021-12-31".parse().unwrap(),
        json: r#"{"tile":"33TVN","bands":["B02","SCL","TCI_60m"]}"#,
        raw_offset: None,
    }
}

/// Pixels of every column: a pattern that no two columns or rows share.
pub(crate) fn pixels(layout: &Layout) -> Vec<Vec<u8>> {
    let columns = layout.columns.iter().enumerate();
    columns
        .map(|(number, column)| {
            let bytes = usize::try_from(column.block_bytes()).unwrap();
            (0..bytes).map(|at| ((at * 31 + at / 251 + number * 97) % 249) as u8).collect()
        })
        .collect()
}

/// A row of which nothing is known but its pixels.
pub(crate) fn row(pixels: &[Vec<u8>]) -> BlockRow {
    BlockRow {
        time: "2021-01-03T10:14:11Z".parse().unwrap(),
        product_ids: Vec::new(),
        status: Status::Ok,
        errors: Vec::new(),
        block: 0,
        metadata: StepMetadata::default(),
        valid_fraction: None,
        pixels: pixels.iter().map(|bytes| Buffer::from(bytes.as_slice())).collect(),
    }
}

pub(crate) fn schema_ref(request: &Request) -> SchemaRef {
    Arc::new(request.schema())
}
