//! Conditions on time steps.

use cubeflight_sentinel2::{Filter, Property, PropertyValue};

use super::{Rules, TimeStep};
use crate::{Omitted, Product};

/// Why a step is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: &'static str,
    reason: String,
}

impl Refusal {
    /// The refusal of a product of the step.
    pub(super) fn of(&self, product: &Product) -> Omitted {
        Omitted::new(&product.id, self.code, self.reason.clone())
    }
}

/// The first condition that a step does not fulfil. What is unknown fulfils none.
pub(super) fn refusal(step: &TimeStep, rules: &Rules<'_>) -> Option<Refusal> {
    if rules.cloud_cover_max.is_none() && rules.filters.is_empty() {
        return None;
    }
    let whole = if step.parts.len() > 1 { " of the whole time step" } else { "" };
    let metadata = step.metadata();
    if let Some(most) = rules.cloud_cover_max {
        match metadata.cloud_cover {
            Some(cover) if cover <= most => (),
            Some(cover) => {
                let cover = rounded(cover);
                let reason =
                    format!("cloud cover{whole} is {cover} percent, at most {most} was asked for");
                return Some(Refusal { code: "cloud_cover", reason });
            }
            None => {
                let reason = "cloud cover is unknown, so a limit cannot be applied".to_owned();
                return Some(Refusal { code: "cloud_cover_unknown", reason });
            }
        }
    }
    let number = |value: Option<f64>| vec![value.map(PropertyValue::Number)];
    rules.filters.iter().find_map(|filter| {
        // of each part, or of the step as a whole
        let values = match filter.property() {
            Property::CloudCover => number(metadata.cloud_cover),
            Property::SnowCover => number(metadata.snow_cover),
            Property::SunAzimuth => number(metadata.sun_azimuth),
            Property::SunElevation => number(metadata.sun_elevation),
            Property::ViewAzimuth => number(metadata.view_azimuth),
            Property::ViewIncidence => number(metadata.view_incidence),
            property => step.parts.iter().map(|part| of_product(property, &part.product)).collect(),
        };
        values.into_iter().find_map(|value| check(filter, value, whole))
    })
}

/// What a product's id tells; `None` of properties that are not in it.
fn of_product(property: Property, product: &Product) -> Option<PropertyValue> {
    let id = &product.id;
    match property {
        Property::RelativeOrbit => Some(PropertyValue::Number(f64::from(id.relative_orbit()))),
        Property::Platform => Some(PropertyValue::Text(id.mission().platform().to_owned())),
        Property::ProcessingBaseline => Some(PropertyValue::Text(id.baseline().to_string())),
        _ => None,
    }
}

fn check(filter: &Filter, value: Option<PropertyValue>, whole: &str) -> Option<Refusal> {
    let name = filter.property().name();
    match value {
        Some(value) if filter.accepts(&value) => None,
        Some(value) => {
            let value = match value {
                PropertyValue::Number(number) => rounded(number).to_string(),
                PropertyValue::Text(text) => text,
            };
            let reason = format!("{name}{whole} is {value}, `{filter}` was asked for");
            Some(Refusal { code: "filter", reason })
        }
        None => {
            let reason = format!("{name}{whole} is unknown, so `{filter}` cannot be applied");
            Some(Refusal { code: "filter_unknown", reason })
        }
    }
}

/// As many digits as metadata have.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
