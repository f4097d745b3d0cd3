//! The metadata of a SAFE product: `MTD_MSIL1C.xml` or `MTD_MSIL2A.xml`, and `MTD_TL.xml` of the
//! granule (PSD, "Level-1C/2A product metadata" and "tile metadata"). Pure: text in, words out.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use cubeflight_sentinel2::{Band, Baseline, MgrsTile, ProductId, SpectralBand};
use roxmltree::{Document, Node, ParsingOptions};

use crate::ProductMetadata;

/// Nodes in a document; the largest real ones have some 10,000.
const MAX_NODES: u32 = 500_000;

/// Something wrong with the metadata of a product, by the code that it is omitted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

fn unreadable(reason: impl Into<String>) -> Fault {
    Fault { code: "unreadable_metadata", reason: reason.into() }
}

fn parse(text: &str) -> Result<Document<'_>, Fault> {
    // no DTD: without entities a document cannot expand
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..Default::default() };
    Document::parse_with_options(text, options).map_err(|error| unreadable(format!("xml: {error}")))
}

/// All elements of a name, whatever their namespace: its URL changes with every schema version.
fn all<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.descendants().filter(move |node| node.is_element() && node.tag_name().name() == name)
}

fn text<'a>(node: Node<'a, '_>, name: &'static str) -> Option<&'a str> {
    all(node, name).find_map(|node| node.text()).map(str::trim).filter(|text| !text.is_empty())
}

fn number(node: Node<'_, '_>, name: &'static str) -> Option<f64> {
    text(node, name)?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Adds what the product's own file says.
pub(crate) fn read_product(
    xml: &str,
    id: &ProductId,
    metadata: &mut ProductMetadata,
) -> Result<(), Fault> {
    let document = parse(xml)?;
    let root = document.root_element();
    if let Some(stated) = text(root, "PROCESSING_BASELINE") {
        let stated: Baseline = stated.parse().map_err(|error| unreadable(format!("{error}")))?;
        if stated != id.baseline() {
            let reason = format!("metadata says baseline {stated}, the id {}", id.baseline());
            return Err(Fault { code: "baseline_mismatch", reason });
        }
    }
    let quantification = number(root, "BOA_QUANTIFICATION_VALUE")
        .or_else(|| number(root, "QUANTIFICATION_VALUE"))
        .filter(|value| *value > 0.0);
    if let Some(quantification) = quantification {
        metadata.quantification = Some(quantification);
        // only a file that has the image characteristics can tell that there is no offset
        metadata.radiometric_offset = offsets(root)?;
        check_offsets(&metadata.radiometric_offset, id);
    }
    check_scales(root, id);
    metadata.cloud_cover = number(root, "Cloud_Coverage_Assessment").or(metadata.cloud_cover);
    metadata.snow_cover = number(root, "SNOW_ICE_PERCENTAGE").or(metadata.snow_cover);
    metadata.no_data = percent(root, "NODATA_PIXEL_PERCENTAGE").or(metadata.no_data);
    metadata.processed = text(root, "GENERATION_TIME").and_then(time).or(metadata.processed);
    Ok(())
}

/// A share of pixels, which is from 0 to 100.
fn percent(node: Node<'_, '_>, name: &'static str) -> Option<f64> {
    number(node, name).filter(|value| (0.0..=100.0).contains(value))
}

/// What aerosol and water vapour are divided by in every product seen, and in the attributes of
/// their columns.
const CONDITIONS_SCALE: f64 = 1_000.0;

fn check_scales(root: Node<'_, '_>, id: &ProductId) {
    for name in ["AOT_QUANTIFICATION_VALUE", "WVP_QUANTIFICATION_VALUE"] {
        if let Some(value) = number(root, name).filter(|value| *value != CONDITIONS_SCALE) {
            tracing::warn!(
                product = %id, name, value, expected = CONDITIONS_SCALE,
                "aerosol or water vapour is scaled in another way than its attributes say"
            );
        }
    }
}

/// Metadata are believed, but what they say of a baseline is known, so another number is worth a
/// word.
fn check_offsets(offsets: &BTreeMap<Band, i16>, id: &ProductId) {
    let Some(expected) = id.baseline().radiometric_offset() else { return };
    if let Some((band, offset)) = offsets.iter().find(|(_, offset)| **offset != expected) {
        tracing::warn!(
            product = %id, %band, offset, expected,
            "the product's metadata has another radiometric offset than its baseline; it is used"
        );
    }
}

/// Offsets by band: as listed, or 0 for every band where there is no list (before baseline 04.00).
fn offsets(root: Node<'_, '_>) -> Result<BTreeMap<Band, i16>, Fault> {
    let bands = bands_by_id(root);
    let listed: Vec<_> = all(root, "BOA_ADD_OFFSET").chain(all(root, "RADIO_ADD_OFFSET")).collect();
    if listed.is_empty() {
        return Ok(bands.values().map(|band| (*band, 0)).collect());
    }
    let mut offsets = BTreeMap::new();
    for node in listed {
        let band = node
            .attribute("band_id")
            .and_then(|id| id.trim().parse::<usize>().ok())
            .and_then(|id| bands.get(&id))
            .ok_or_else(|| unreadable("an offset of an unknown band_id"))?;
        let value = node.text().and_then(|value| whole(value.trim()));
        let value =
            value.ok_or_else(|| unreadable(format!("the offset of {band} is no number")))?;
        offsets.insert(*band, value);
    }
    Ok(offsets)
}

/// `-1000`, or `-1000.0`.
fn whole(text: &str) -> Option<i16> {
    let (digits, rest) = text.split_once('.').unwrap_or((text, ""));
    rest.bytes().all(|digit| digit == b'0').then(|| digits.parse().ok()).flatten()
}

/// Which band a `band_id` is: by the file's own list, else in the order of the instrument.
fn bands_by_id(root: Node<'_, '_>) -> BTreeMap<usize, Band> {
    let listed: BTreeMap<usize, Band> = all(root, "Spectral_Information")
        .filter_map(|node| {
            let id = node.attribute("bandId")?.trim().parse().ok()?;
            Some((id, physical_band(node.attribute("physicalBand")?)?))
        })
        .collect();
    match listed.is_empty() {
        true => SpectralBand::ALL.into_iter().map(Band::from).enumerate().collect(),
        false => listed,
    }
}

/// `B1`, `B8A`, `B12`, or with a leading zero.
fn physical_band(name: &str) -> Option<Band> {
    let short = |name: &str| name.trim_start_matches('B').trim_start_matches('0').to_owned();
    let wanted = short(name.trim());
    SpectralBand::ALL.into_iter().find(|band| short(band.name()) == wanted).map(Band::from)
}

/// Adds what the granule's file says, and holds its grid to the one that follows from the tile's
/// name.
pub(crate) fn read_tile(
    xml: &str,
    tile: MgrsTile,
    metadata: &mut ProductMetadata,
) -> Result<(), Fault> {
    let document = parse(xml)?;
    let root = document.root_element();
    check_grid(root, tile)?;
    metadata.sensing_time = text(root, "SENSING_TIME").and_then(time).or(metadata.sensing_time);
    if let Some(sun) = all(root, "Mean_Sun_Angle").next() {
        metadata.sun_elevation = number(sun, "ZENITH_ANGLE").map(|zenith| 90.0 - zenith);
        metadata.sun_azimuth = number(sun, "AZIMUTH_ANGLE");
    }
    let views: Vec<_> = all(root, "Mean_Viewing_Incidence_Angle").collect();
    let values =
        |name| -> Vec<f64> { views.iter().filter_map(|view| number(*view, name)).collect() };
    metadata.view_incidence = mean(&values("ZENITH_ANGLE"));
    metadata.view_azimuth = circular_mean(&values("AZIMUTH_ANGLE"));
    // the product's file has the same number with more digits, and goes first
    let snow =
        number(root, "SNOW_ICE_PERCENTAGE").or_else(|| number(root, "SNOW_PIXEL_PERCENTAGE"));
    metadata.snow_cover = metadata.snow_cover.or(snow);
    let no_data = percent(root, "NODATA_PIXEL_PERCENTAGE");
    metadata.no_data = metadata.no_data.or(no_data);
    Ok(())
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

fn check_grid(root: Node<'_, '_>, tile: MgrsTile) -> Result<(), Fault> {
    let mismatch = |what: String| {
        let (x, y) = tile.upper_left();
        let reason = format!(
            "granule metadata says {what}, but tile {tile} is EPSG:{} with corner {x}, {y}",
            tile.epsg()
        );
        Err(Fault { code: "grid_mismatch", reason })
    };
    if let Some(code) = text(root, "HORIZONTAL_CS_CODE")
        && code.trim_start_matches("EPSG:") != tile.epsg().to_string()
    {
        return mismatch(code.to_owned());
    }
    for place in all(root, "Geoposition") {
        let (x, y) = tile.upper_left();
        let corner = (number(place, "ULX"), number(place, "ULY"));
        if corner != (Some(f64::from(x)), Some(f64::from(y))) {
            return mismatch(format!("corner {corner:?}"));
        }
    }
    Ok(())
}

fn count(values: &[f64]) -> Option<f64> {
    u32::try_from(values.len()).ok().filter(|count| *count > 0).map(f64::from)
}

fn mean(values: &[f64]) -> Option<f64> {
    Some(values.iter().sum::<f64>() / count(values)?)
}

/// The direction of the mean vector, 0 to 360 degrees; `None` where the vectors cancel.
fn circular_mean(degrees: &[f64]) -> Option<f64> {
    let (mut x, mut y) = (0.0, 0.0);
    for angle in degrees.iter().map(|angle| angle.to_radians()) {
        x += angle.cos();
        y += angle.sin();
    }
    let count = count(degrees)?;
    (f64::hypot(x, y) / count > 1e-6).then(|| y.atan2(x).to_degrees().rem_euclid(360.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ProductId {
        text.parse().unwrap()
    }

    const NEW: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";

    #[test]
    fn directions_are_averaged_around_north() {
        assert!((circular_mean(&[350.0, 10.0, 0.0]).unwrap() % 360.0) < 1e-9);
        assert!((circular_mean(&[280.0, 290.0]).unwrap() - 285.0).abs() < 1e-9);
        assert_eq!(circular_mean(&[0.0, 180.0]), None);
        assert_eq!(circular_mean(&[]), None);
    }

    #[test]
    fn physical_bands() {
        assert_eq!(physical_band("B1"), Some(Band::B01));
        assert_eq!(physical_band("B8A"), Some(Band::B8A));
        assert_eq!(physical_band("B08"), Some(Band::B08));
        assert_eq!(physical_band("B10"), Some(Band::B10));
        assert_eq!(physical_band("B13"), None);
    }

    #[test]
    fn a_list_of_its_own_decides_which_band_an_offset_is_for() {
        let xml = "<a><QUANTIFICATION_VALUE>5000</QUANTIFICATION_VALUE>\
            <Spectral_Information bandId='7' physicalBand='B2'/>\
            <RADIO_ADD_OFFSET band_id='7'>-12.0</RADIO_ADD_OFFSET></a>";
        let mut metadata = ProductMetadata::default();
        read_product(xml, &id(NEW), &mut metadata).unwrap();
        assert_eq!(metadata.radiometric_offset, [(Band::B02, -12)].into());
        assert_eq!(metadata.quantification, Some(5000.0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut metadata = ProductMetadata::default();
        for (xml, code) in [
            ("<a>", "unreadable_metadata"),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "unreadable_metadata"),
            ("<a><PROCESSING_BASELINE>05.09</PROCESSING_BASELINE></a>", "baseline_mismatch"),
            (
                "<a><QUANTIFICATION_VALUE>1</QUANTIFICATION_VALUE>\
                 <BOA_ADD_OFFSET band_id='99'>1</BOA_ADD_OFFSET></a>",
                "unreadable_metadata",
            ),
            (
                "<a><QUANTIFICATION_VALUE>1</QUANTIFICATION_VALUE>\
                 <BOA_ADD_OFFSET band_id='0'>-0.5</BOA_ADD_OFFSET></a>",
                "unreadable_metadata",
            ),
        ] {
            assert_eq!(read_product(xml, &id(NEW), &mut metadata).unwrap_err().code, code, "{xml}");
        }
        let tile = id(NEW).tile();
        for xml in [
            "<a><HORIZONTAL_CS_CODE>EPSG:32630</HORIZONTAL_CS_CODE></a>",
            "<a><Geoposition><ULX>499980</ULX><ULY>5900000</ULY></Geoposition></a>",
        ] {
            assert_eq!(read_tile(xml, tile, &mut metadata).unwrap_err().code, "grid_mismatch");
        }
    }
}
