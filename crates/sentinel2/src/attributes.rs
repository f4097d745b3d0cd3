//! CF attributes of the variables of a cube (CF conventions 1.11, appendix A), named after the EOPF
//! product structure.

use serde_json::{Map, Value, json};

use crate::{AssetId, Band, Level, SpectralBand};

/// Largest digital number of 15-bit samples.
const MAX_DN: u16 = 32_767;

/// Scene classification classes 0 to 11 (Sen2Cor ATBD).
const SCL_CLASSES: [&str; 12] = [
    "no_data",
    "saturated_or_defective",
    "dark_area",
    "cloud_shadow",
    "vegetation",
    "not_vegetated",
    "water",
    "unclassified",
    "cloud_medium",
    "cloud_high",
    "thin_cirrus",
    "snow_ice",
];

/// Components of the quality masks (PSD, `MSK_QUALIT`), bit 0 first.
const QUALITY_FLAGS: [&str; 8] = [
    "ANC_LOST",
    "ANC_DEG",
    "MSI_LOST",
    "MSI_DEG",
    "QT_DEFECTIVE_PIXELS",
    "QT_NODATA_PIXELS",
    "QT_PARTIALLY_CORRECTED_PIXELS",
    "QT_SATURATED_PIXELS_L1A",
];

/// Components of the cloud classification (PSD, `MSK_CLASSI`), bit 0 first.
const CLOUD_FLAGS: [&str; 3] = ["OPAQUE", "CIRRUS", "SNOW_ICE"];

impl AssetId {
    /// Attributes of the raw variable.
    ///
    /// `_FillValue` is given only where 0 means "no data": in probabilities, flags and colour
    /// images 0 is a value. Reflectance has neither `scale_factor` nor `add_offset`, since they
    /// depend on the radiometry and on the products; aerosol and water vapour are always
    /// thousandths and say so.
    pub fn attributes(&self, level: Level) -> Map<String, Value> {
        let attributes = match self.band {
            Band::Scl => json!({
                "_FillValue": 0,
                "valid_min": 1,
                "valid_max": 11,
                "long_name": "scene classification",
                "flag_values": (0..=11).collect::<Vec<u8>>(),
                "flag_meanings": SCL_CLASSES.join(" "),
            }),
            Band::Aot => json!({
                "_FillValue": 0,
                "valid_min": 1,
                "valid_max": MAX_DN,
                "scale_factor": 0.001,
                "add_offset": 0.0,
                "long_name": "aerosol optical thickness at 550 nm",
                "standard_name": "atmosphere_optical_thickness_due_to_ambient_aerosol_particles",
                "units": "1",
            }),
            Band::Wvp => json!({
                "_FillValue": 0,
                "valid_min": 1,
                "valid_max": MAX_DN,
                "scale_factor": 0.001,
                "add_offset": 0.0,
                "long_name": "total column water vapour as depth of liquid water",
                "standard_name": "lwe_thickness_of_atmosphere_mass_content_of_water_vapor",
                "units": "cm",
            }),
            Band::Tci => json!({
                "valid_min": 0,
                "valid_max": 255,
                "long_name": "TCI: True Color Image",
            }),
            Band::Cld => json!({
                "valid_min": 0,
                "valid_max": 100,
                "long_name": "cloud probability",
                "units": "percent",
            }),
            Band::Snw => json!({
                "valid_min": 0,
                "valid_max": 100,
                "long_name": "snow probability",
                "units": "percent",
            }),
            Band::Detfoo(_) => json!({
                "_FillValue": 0,
                "valid_min": 1,
                "valid_max": 12,
                "long_name": "detector footprint mask provided in the final reference frame \
                              (ground geometry). 0 = no detector, 1-12 = detector 1-12",
            }),
            Band::Qualit(_) => flags(
                "quality mask provided in the final reference frame (ground geometry)",
                &QUALITY_FLAGS,
            ),
            Band::Classi => flags(
                "cloud classification mask provided in the final reference frame (ground geometry)",
                &CLOUD_FLAGS,
            ),
            _ => json!({
                "_FillValue": 0,
                "valid_min": 1,
                "valid_max": MAX_DN,
                "long_name": self.band.spectral().map(|band| reflectance_name(band, level)),
                "units": "digital_counts",
            }),
        };
        match attributes {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

fn reflectance_name(band: SpectralBand, level: Level) -> String {
    let surface = match level {
        Level::L1C => "TOA",
        Level::L2A => "BOA",
    };
    let (name, wavelength) = (band.name().to_ascii_lowercase(), band.wavelength());
    format!("{surface} reflectance from MSI acquisition at spectral band {name} {wavelength} nm")
}

fn flags(long_name: &str, names: &[&str]) -> Value {
    let masks: Vec<u32> = (0..names.len()).map(|bit| 1 << bit).collect();
    json!({
        "valid_min": 0,
        "valid_max": masks.iter().sum::<u32>(),
        "long_name": long_name,
        "flag_masks": masks,
        "flag_meanings": names.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::{AssetId, Level};

    fn attributes(text: &str, level: Level) -> Map<String, Value> {
        AssetId::parse(text, level).unwrap().attributes(level)
    }

    #[test]
    fn reflectance() {
        let b02 = attributes("B02", Level::L2A);
        let long_name = "BOA reflectance from MSI acquisition at spectral band b02 492.7 nm";
        assert_eq!(
            Value::Object(b02),
            json!({
                "_FillValue": 0, "valid_min": 1, "valid_max": 32767,
                "long_name": long_name, "units": "digital_counts",
            })
        );
        let cirrus = attributes("B10", Level::L1C);
        let long_name = "TOA reflectance from MSI acquisition at spectral band b10 1373.5 nm";
        assert_eq!(cirrus["long_name"], long_name);
    }

    #[test]
    fn flags_are_one_string_per_cf() {
        let scl = attributes("SCL", Level::L2A);
        assert_eq!(scl["flag_values"].as_array().unwrap().len(), 12);
        let meanings = scl["flag_meanings"].as_str().unwrap();
        assert_eq!(meanings.split(' ').count(), 12);
        assert!(meanings.starts_with("no_data saturated_or_defective "));
        let quality = attributes("QUALIT_B02", Level::L1C);
        assert_eq!(quality["flag_masks"], json!([1, 2, 4, 8, 16, 32, 64, 128]));
        assert_eq!(quality["valid_max"], 255);
        let clouds = attributes("CLASSI", Level::L1C);
        assert_eq!(clouds["flag_meanings"], "OPAQUE CIRRUS SNOW_ICE");
    }

    #[test]
    fn every_asset_has_a_name_and_only_scaled_ones_a_scale() {
        for level in Level::ALL {
            for asset in AssetId::all(level) {
                let attributes = asset.attributes(level);
                assert!(attributes["long_name"].is_string(), "{asset}");
                let scaled = ["AOT", "WVP"].contains(&asset.band.to_string().as_str());
                assert_eq!(attributes.contains_key("scale_factor"), scaled, "{asset}");
                // Where 0 is a value, it is not the fill.
                let zero_is_valid = attributes["valid_min"] == 0;
                assert_eq!(attributes.contains_key("_FillValue"), !zero_is_valid, "{asset}");
            }
        }
    }
}
