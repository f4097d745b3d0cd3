//! The cube of a ticket: its request, and the time steps with what the catalogue had of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cubeflight_catalog::{AssetRef, Part, Product, ProductMetadata, TimeStep};
use cubeflight_plan::CostModel;
use cubeflight_proto::{Error, product_ids, v1};
use cubeflight_sentinel2::{AssetId, Band, CubeRequest, Level};

/// Some time steps of a cube.
#[derive(Debug, Clone)]
pub(crate) struct CubePart {
    pub(crate) request: CubeRequest,
    pub(crate) steps: Vec<TimeStep>,
    /// What the reads are planned with.
    pub(crate) cost: CostModel,
    /// Position of the first step in the cube.
    pub(crate) first_step: usize,
    /// Steps of the cube.
    pub(crate) total_steps: usize,
    /// Row-blocks of a step.
    pub(crate) row_blocks: u32,
}

pub(crate) fn cube_ticket(part: &CubePart) -> v1::CubeTicket {
    v1::CubeTicket {
        request: Some(v1::CubeRequest::from(&part.request)),
        cost: Some(v1::ReadCost {
            request_seconds: part.cost.latency,
            bytes_per_second: part.cost.bandwidth,
            gap: part.cost.gap,
        }),
        first_step: small(part.first_step),
        total_steps: small(part.total_steps),
        row_blocks: part.row_blocks,
        steps: part.steps.iter().map(wire_step).collect(),
    }
}

/// Reads what [`cube_ticket`] wrote. `cost` has what no ticket says.
///
/// # Errors
/// Words that are not understood: another build has written them.
pub(crate) fn cube_part(wire: v1::CubeTicket, cost: CostModel) -> Result<CubePart, Error> {
    let missing = |field| Error::MissingField { field, hint: "ask for a new ticket" };
    let request = CubeRequest::try_from(&wire.request.ok_or(missing("request"))?)?;
    let level = request.level;
    let steps = wire.steps.into_iter().map(|step| domain_step(step, level));
    let steps = steps.collect::<Result<_, Error>>()?;
    let cost = wire.cost.map_or(cost, |found| CostModel {
        latency: found.request_seconds,
        bandwidth: found.bytes_per_second,
        gap: found.gap.or(cost.gap),
        ..cost
    });
    Ok(CubePart {
        request,
        steps,
        cost,
        first_step: wire.first_step as usize,
        total_steps: wire.total_steps as usize,
        row_blocks: wire.row_blocks,
    })
}

fn wire_step(step: &TimeStep) -> v1::TicketStep {
    let part = |part: &Part| v1::TicketPart {
        product: Some(wire_product(&part.product)),
        alternatives: part.alternatives.iter().map(wire_product).collect(),
    };
    v1::TicketStep {
        time: step.time.timestamp_micros(),
        parts: step.parts.iter().map(part).collect(),
    }
}

fn domain_step(wire: v1::TicketStep, level: Level) -> Result<TimeStep, Error> {
    let part = |part: v1::TicketPart| {
        let missing = Error::MissingField { field: "product", hint: "ask for a new ticket" };
        let alternatives = part.alternatives.into_iter().map(|it| domain_product(it, level));
        Ok::<_, Error>(Part {
            product: domain_product(part.product.ok_or(missing)?, level)?,
            alternatives: alternatives.collect::<Result<_, Error>>()?,
        })
    };
    Ok(TimeStep {
        time: instant(wire.time)?,
        parts: wire.parts.into_iter().map(part).collect::<Result<_, Error>>()?,
    })
}

fn wire_product(product: &Product) -> v1::TicketProduct {
    let file = |(asset, file): (&AssetId, &AssetRef)| v1::TicketFile {
        asset: asset.to_string(),
        href: file.href.clone(),
        size: file.size,
        etag: file.etag.clone(),
    };
    // metadata of level 1C products name bands that level 2A does not have
    let level = product.id.level();
    let known = |band: &Band| AssetId::parse(&band.to_string(), level).is_ok();
    let offsets = product.metadata.radiometric_offset.iter().filter(|(band, _)| known(band));
    let ProductMetadata {
        cloud_cover,
        snow_cover,
        no_data,
        sun_azimuth,
        sun_elevation,
        view_azimuth,
        view_incidence,
        sensing_time,
        quantification,
        ..
    } = product.metadata;
    v1::TicketProduct {
        id: product.id.to_string(),
        files: product.assets.iter().map(file).collect(),
        cloud_cover,
        snow_cover,
        no_data,
        sun_azimuth,
        sun_elevation,
        view_azimuth,
        view_incidence,
        sensing_time: sensing_time.map(|time| time.timestamp_micros()),
        radiometric_offset: offsets
            .map(|(band, offset)| (band.to_string(), i32::from(*offset)))
            .collect(),
        quantification,
    }
}

fn domain_product(wire: v1::TicketProduct, level: Level) -> Result<Product, Error> {
    let mut ids = product_ids(std::slice::from_ref(&wire.id))?;
    let missing = Error::MissingField { field: "id", hint: "ask for a new ticket" };
    let mut assets = BTreeMap::new();
    for v1::TicketFile { asset, href, size, etag } in wire.files {
        assets
            .insert(AssetId::parse(&asset, level)?, AssetRef { href, size, etag, checksum: None });
    }
    let mut offsets: BTreeMap<Band, i16> = BTreeMap::new();
    for (band, offset) in wire.radiometric_offset {
        let expected = "what 16 bits hold";
        let offset = i16::try_from(offset).map_err(|_| Error::OutOfRange {
            field: "radiometricOffset",
            value: offset.to_string(),
            expected,
        })?;
        offsets.insert(AssetId::parse(&band, level)?.band, offset);
    }
    Ok(Product {
        id: ids.pop().ok_or(missing)?,
        granule: None,
        datastrip_start: None,
        assets,
        metadata: ProductMetadata {
            cloud_cover: wire.cloud_cover,
            snow_cover: wire.snow_cover,
            no_data: wire.no_data,
            sun_azimuth: wire.sun_azimuth,
            sun_elevation: wire.sun_elevation,
            view_azimuth: wire.view_azimuth,
            view_incidence: wire.view_incidence,
            sensing_time: wire.sensing_time.map(instant).transpose()?,
            radiometric_offset: offsets,
            quantification: wire.quantification,
            processed: None,
        },
    })
}

fn instant(micros: i64) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| Error::OutOfRange {
        field: "time",
        value: micros.to_string(),
        expected: "an instant of the calendar",
    })
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
