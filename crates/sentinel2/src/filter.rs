//! Conditions on time steps, in the words of STAC's query extension.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// Values that one condition may list.
const MAX_VALUES: usize = 100;

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Property {
    /// `eo:cloud_cover`, percent.
    CloudCover,
    /// `eo:snow_cover`, percent.
    SnowCover,
    /// `view:sun_azimuth`, degrees clockwise from north.
    SunAzimuth,
    /// `view:sun_elevation`, degrees above the horizon.
    SunElevation,
    /// `view:azimuth`, degrees clockwise from north.
    ViewAzimuth,
    /// `view:incidence_angle`, degrees from the vertical.
    ViewIncidence,
    /// `sat:relative_orbit`, 1 to 143.
    RelativeOrbit,
    /// `platform`, as in `sentinel-2a`.
    Platform,
    /// `processing:version`, as in `05.11`.
    ProcessingBaseline,
}

impl Property {
    /// Every property.
    pub const ALL: [Self; 9] = [
        Self::CloudCover,
        Self::SnowCover,
        Self::SunAzimuth,
        Self::SunElevation,
        Self::ViewAzimuth,
        Self::ViewIncidence,
        Self::RelativeOrbit,
        Self::Platform,
        Self::ProcessingBaseline,
    ];

    /// Its name in STAC items.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CloudCover => "eo:cloud_cover",
            Self::SnowCover => "eo:snow_cover",
            Self::SunAzimuth => "view:sun_azimuth",
            Self::SunElevation => "view:sun_elevation",
            Self::ViewAzimuth => "view:azimuth",
            Self::ViewIncidence => "view:incidence_angle",
            Self::RelativeOrbit => "sat:relative_orbit",
            Self::Platform => "platform",
            Self::ProcessingBaseline => "processing:version",
        }
    }

    /// Whether its values are words and not numbers.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Platform | Self::ProcessingBaseline)
    }
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `eq`
    Equal,
    /// `neq`
    NotEqual,
    /// `lt`
    Less,
    /// `lte`
    LessOrEqual,
    /// `gt`
    Greater,
    /// `gte`
    GreaterOrEqual,
    /// `in`
    In,
}

impl Comparison {
    const ALL: [(&'static str, Self); 7] = [
        ("eq", Self::Equal),
        ("neq", Self::NotEqual),
        ("lt", Self::Less),
        ("lte", Self::LessOrEqual),
        ("gt", Self::Greater),
        ("gte", Self::GreaterOrEqual),
        ("in", Self::In),
    ];
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, comparison)| comparison == self);
        f.pad(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Comparison {
    type Err = Error;

    /// Reads `eq`, `neq`, `lt`, `lte`, `gt`, `gte`, `in`.
    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, comparison)| *comparison).ok_or_else(|| Error::Filter {
            text: text.to_owned(),
            reason: "compare by eq, neq, lt, lte, gt, gte or in".to_owned(),
        })
    }
}

/// A value of a property.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyValue {
    /// A number, finite.
    Number(f64),
    /// A word.
    Text(String),
}

/// One condition: `eo:snow_cover lte 20`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    property: Property,
    comparison: Comparison,
    values: Vec<PropertyValue>,
}

impl Filter {
    /// Reads a condition from its three parts.
    ///
    /// # Errors
    /// An unknown property or comparison, values that do not fit them.
    pub fn new(property: &str, comparison: &str, values: &[String]) -> Result<Self> {
        let refuse = |reason: String| Error::Filter {
            text: format!("{property} {comparison} {}", values.join(",")),
            reason,
        };
        let found = Property::ALL.into_iter().find(|known| known.name() == property);
        let found = found.ok_or_else(|| {
            let names: Vec<_> = Property::ALL.into_iter().map(Property::name).collect();
            refuse(format!("filter by {}", names.join(", ")))
        })?;
        let comparison: Comparison = comparison.parse()?;
        let most = if comparison == Comparison::In { MAX_VALUES } else { 1 };
        if values.is_empty() || values.len() > most {
            return Err(refuse(format!("give 1 to {most} values")));
        }
        let equality =
            matches!(comparison, Comparison::Equal | Comparison::NotEqual | Comparison::In);
        if found.is_text() && !equality {
            return Err(refuse(format!("{property} is compared by eq, neq or in")));
        }
        let read = |value: &String| match found.is_text() {
            true => Ok(PropertyValue::Text(value.clone())),
            false => value
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(PropertyValue::Number)
                .ok_or_else(|| refuse(format!("`{value}` is not a number"))),
        };
        let values = values.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { property: found, comparison, values })
    }

    /// What it is about.
    #[must_use]
    pub fn property(&self) -> Property {
        self.property
    }

    /// How values are compared.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        self.comparison
    }

    /// Its values as text, as [`Self::new`] reads them.
    #[must_use]
    pub fn values(&self) -> Vec<String> {
        let text = |value: &PropertyValue| match value {
            PropertyValue::Number(number) => number.to_string(),
            PropertyValue::Text(text) => text.clone(),
        };
        self.values.iter().map(text).collect()
    }

    /// Whether a value fulfils it.
    #[must_use]
    pub fn accepts(&self, value: &PropertyValue) -> bool {
        let order = |other: &PropertyValue| match (value, other) {
            (PropertyValue::Number(a), PropertyValue::Number(b)) => a.partial_cmp(b),
            (PropertyValue::Text(a), PropertyValue::Text(b)) => Some(a.cmp(b)),
            _ => None,
        };
        let any = |test: fn(Ordering) -> bool| {
            self.values.iter().any(|other| order(other).is_some_and(test))
        };
        match self.comparison {
            Comparison::Equal | Comparison::In => any(Ordering::is_eq),
            Comparison::NotEqual => !any(Ordering::is_eq),
            Comparison::Less => any(Ordering::is_lt),
            Comparison::LessOrEqual => any(Ordering::is_le),
            Comparison::Greater => any(Ordering::is_gt),
            Comparison::GreaterOrEqual => any(Ordering::is_ge),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.property.name(), self.comparison, self.values().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, PropertyValue};

    fn filter(property: &str, comparison: &str, values: &[&str]) -> crate::Result<Filter> {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        Filter::new(property, comparison, &values)
    }

    #[test]
    fn numbers() {
        let snow = filter("eo:snow_cover", "lte", &["20"]).unwrap();
        assert!(snow.accepts(&PropertyValue::Number(20.0)));
        assert!(!snow.accepts(&PropertyValue::Number(20.1)));
        assert!(!snow.accepts(&PropertyValue::Text("20".to_owned())));
        assert_eq!(snow.to_string(), "eo:snow_cover lte 20");
        let orbit = filter("sat:relative_orbit", "in", &["22", "122"]).unwrap();
        assert!(orbit.accepts(&PropertyValue::Number(122.0)));
        assert!(!orbit.accepts(&PropertyValue::Number(65.0)));
        let other = filter("sat:relative_orbit", "neq", &["22"]).unwrap();
        assert!(other.accepts(&PropertyValue::Number(122.0)));
    }

    #[test]
    fn words() {
        let platform = filter("platform", "eq", &["sentinel-2b"]).unwrap();
        assert!(platform.accepts(&PropertyValue::Text("sentinel-2b".to_owned())));
        assert!(!platform.accepts(&PropertyValue::Text("sentinel-2a".to_owned())));
    }

    #[test]
    fn refusals() {
        for (property, comparison, values) in [
            ("eo:clouds", "lte", &["1"][..]),
            ("eo:cloud_cover", "<", &["1"]),
            ("eo:cloud_cover", "lte", &["many"]),
            ("eo:cloud_cover", "lte", &["NaN"]),
            ("eo:cloud_cover", "lte", &[]),
            ("eo:cloud_cover", "lte", &["1", "2"]),
            ("platform", "lt", &["sentinel-2b"]),
        ] {
            let error = filter(property, comparison, values).unwrap_err();
            assert_eq!(error.code(), "CF-S2-020", "{property} {comparison}");
        }
    }
}
