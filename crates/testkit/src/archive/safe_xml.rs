//! The metadata of a SAFE product: `MTD_MSIL2A.xml` or `MTD_MSIL1C.xml`, `MTD_TL.xml` and `manifest.safe` (PSD), with
//! the elements that readers go by. Band passes, solar irradiances and grids of angles by detector
//! are left out.

use cubeflight_sentinel2::{AssetId, Band, Level, MgrsTile, Resolution, SpectralBand};

use super::facts::Facts;
use super::orbit::{Place, geographic, sun};
use super::product::{PlannedProduct, WITH_OFFSET};
use super::xml::Xml;

/// Elements of the content statistics, by class from 0 on.
const CLASS_ELEMENTS: [&str; 12] = [
    "NODATA_PIXEL_PERCENTAGE",
    "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE",
    "DARK_FEATURES_PERCENTAGE",
    "CLOUD_SHADOW_PERCENTAGE",
    "VEGETATION_PERCENTAGE",
    "NOT_VEGETATED_PERCENTAGE",
    "WATER_PERCENTAGE",
    "UNCLASSIFIED_PERCENTAGE",
    "MEDIUM_PROBA_CLOUDS_PERCENTAGE",
    "HIGH_PROBA_CLOUDS_PERCENTAGE",
    "THIN_CIRRUS_PERCENTAGE",
    "SNOW_ICE_PERCENTAGE",
];

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The type of product.
pub(super) fn product_type(product: &PlannedProduct) -> &'static str {
    match product.id.level() {
        Level::L1C => "S2MSI1C",
        Level::L2A => "S2MSI2A",
    }
}

/// `Level-2A`, as elements are named.
fn level_name(product: &PlannedProduct) -> String {
    product.id.level().to_string().replacen('L', "Level-", 1)
}

/// Which schema a baseline's metadata follow.
fn psd(product: &PlannedProduct) -> u8 {
    if product.baseline < WITH_OFFSET { 13 } else { 14 }
}

/// `MTD_MSIL2A.xml`.
pub(super) fn product_metadata(
    product: &PlannedProduct,
    assets: &[AssetId],
    facts: &Facts,
    footprint: &[[f64; 2]],
) -> String {
    let mut xml = Xml::new();
    let level = level_name(product);
    let schema =
        format!("https://psd-{}.sentinel2.eo.esa.int/PSD/User_Product_{level}.xsd", psd(product));
    let root = format!("n1:{level}_User_Product");
    xml.open(&root, &[("xmlns:n1", &schema), ("xmlns:xsi", SCHEMA_INSTANCE)]);
    xml.open("n1:General_Info", &[]);
    product_info(&mut xml, product, assets);
    image_characteristics(&mut xml, product);
    xml.close("n1:General_Info");

    xml.open("n1:Geometric_Info", &[]);
    xml.open("Product_Footprint", &[]);
    xml.open("Product_Footprint", &[]);
    xml.open("Global_Footprint", &[]);
    let points: Vec<String> =
        footprint.iter().map(|[longitude, latitude]| format!("{latitude} {longitude}")).collect();
    xml.leaf("EXT_POS_LIST", &[], &points.join(" "));
    xml.close("Global_Footprint");
    xml.close("Product_Footprint");
    xml.leaf("RASTER_CS_TYPE", &[], "POINT");
    xml.leaf("PIXEL_ORIGIN", &[], "1");
    xml.close("Product_Footprint");
    xml.close("n1:Geometric_Info");

    xml.open("n1:Quality_Indicators_Info", &[]);
    xml.leaf("Cloud_Coverage_Assessment", &[], &format!("{:.6}", facts.cloud_cover));
    if product.id.level() == Level::L2A {
        content(&mut xml, facts, false);
    }
    xml.close("n1:Quality_Indicators_Info");
    xml.close(&root);
    xml.finish()
}

fn product_info(xml: &mut Xml, product: &PlannedProduct, assets: &[AssetId]) {
    let start = product.start_text();
    xml.open("Product_Info", &[]);
    xml.leaf("PRODUCT_START_TIME", &[], &start);
    xml.leaf("PRODUCT_STOP_TIME", &[], &start);
    xml.leaf("PRODUCT_URI", &[], &format!("{}.SAFE", product.id));
    xml.leaf("PROCESSING_LEVEL", &[], &level_name(product));
    xml.leaf("PRODUCT_TYPE", &[], product_type(product));
    xml.leaf("PROCESSING_BASELINE", &[], &product.baseline.to_string());
    let made = product.processed.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    xml.leaf("GENERATION_TIME", &[], &made);
    xml.open("Datatake", &[("datatakeIdentifier", &product.datatake_id())]);
    let letter = product.datatake.mission.to_string().replacen("S", "Sentinel-", 1);
    xml.leaf("SPACECRAFT_NAME", &[], &letter);
    xml.leaf("DATATAKE_TYPE", &[], "INS-NOBS");
    xml.leaf("DATATAKE_SENSING_START", &[], &start);
    xml.leaf("SENSING_ORBIT_NUMBER", &[], &product.datatake.relative_orbit.to_string());
    xml.leaf("SENSING_ORBIT_DIRECTION", &[], "DESCENDING");
    xml.close("Datatake");
    xml.open("Query_Options", &[("completeSingleTile", "true")]);
    xml.leaf("PRODUCT_FORMAT", &[], "SAFE_COMPACT");
    xml.close("Query_Options");
    xml.open("Product_Organisation", &[]);
    xml.open("Granule_List", &[]);
    let granule = granule_id(product);
    let attributes = [
        ("datastripIdentifier", product.datastrip_id()),
        ("granuleIdentifier", granule),
        ("imageFormat", "JPEG2000".to_owned()),
    ];
    xml.open("Granule", &attributes.each_ref().map(|(name, value)| (*name, value.as_str())));
    for asset in assets.iter().filter(|asset| !is_mask(**asset)) {
        let key = product.key(*asset);
        let name = key.strip_prefix(&product.prefix()).unwrap_or(&key);
        let name = name.trim_start_matches('/').trim_end_matches(".jp2");
        xml.leaf("IMAGE_FILE", &[], name);
    }
    xml.close("Granule");
    xml.close("Granule_List");
    xml.close("Product_Organisation");
    xml.close("Product_Info");
}

fn image_characteristics(xml: &mut Xml, product: &PlannedProduct) {
    xml.open("Product_Image_Characteristics", &[]);
    for (name, value) in [("NODATA", "0"), ("SATURATED", "65535")] {
        xml.open("Special_Values", &[]);
        xml.leaf("SPECIAL_VALUE_TEXT", &[], name);
        xml.leaf("SPECIAL_VALUE_INDEX", &[], value);
        xml.close("Special_Values");
    }
    let (list, offset) = match product.id.level() {
        Level::L2A => {
            xml.open("QUANTIFICATION_VALUES_LIST", &[]);
            xml.leaf("BOA_QUANTIFICATION_VALUE", &[("unit", "none")], "10000");
            xml.leaf("AOT_QUANTIFICATION_VALUE", &[("unit", "none")], "1000.0");
            xml.leaf("WVP_QUANTIFICATION_VALUE", &[("unit", "cm")], "1000.0");
            xml.close("QUANTIFICATION_VALUES_LIST");
            ("BOA_ADD_OFFSET_VALUES_LIST", "BOA_ADD_OFFSET")
        }
        Level::L1C => {
            xml.leaf("QUANTIFICATION_VALUE", &[("unit", "none")], "10000");
            ("Radiometric_Offset_List", "RADIO_ADD_OFFSET")
        }
    };
    if product.offset != 0 {
        xml.open(list, &[]);
        for band in 0..SpectralBand::ALL.len() {
            let id = band.to_string();
            xml.leaf(offset, &[("band_id", &id)], &product.offset.to_string());
        }
        xml.close(list);
    }
    xml.open("Spectral_Information_List", &[]);
    for (id, band) in SpectralBand::ALL.into_iter().enumerate() {
        // `B8A` and `B11` as they are, `B02` without its zero
        let name = band.name().replacen("B0", "B", 1);
        let attributes = [("bandId", id.to_string()), ("physicalBand", name)];
        xml.open(
            "Spectral_Information",
            &attributes.each_ref().map(|(name, value)| (*name, value.as_str())),
        );
        let metres = Band::from(band).native_resolution().metres();
        xml.leaf("RESOLUTION", &[], &metres.to_string());
        xml.close("Spectral_Information");
    }
    xml.close("Spectral_Information_List");
    xml.close("Product_Image_Characteristics");
}

/// The content statistics; in the tile's own file the cloud cover is one of them.
fn content(xml: &mut Xml, facts: &Facts, of_tile: bool) {
    xml.open("Image_Content_QI", &[]);
    let mut percent = |name: &str, value: f64| xml.leaf(name, &[], &format!("{value:.6}"));
    if of_tile {
        percent("CLOUDY_PIXEL_PERCENTAGE", facts.cloud_cover);
    }
    percent("CLOUDY_PIXEL_OVER_LAND_PERCENTAGE", facts.cloud_over_land);
    for (name, value) in CLASS_ELEMENTS.iter().zip(facts.percent) {
        percent(name, value);
    }
    xml.close("Image_Content_QI");
}

/// The long id of the granule.
fn granule_id(product: &PlannedProduct) -> String {
    format!(
        "{}_OPER_MSI_{}_TL_{}_{}_A{:06}_T{}_N{}",
        product.datatake.mission,
        product.id.level(),
        product.centre(),
        product.processed.format("%Y%m%dT%H%M%S"),
        product.datatake.absolute_orbit,
        product.id.tile(),
        product.baseline
    )
}

fn is_mask(asset: AssetId) -> bool {
    asset.is_class() && asset.band != Band::Scl
}

/// `MTD_TL.xml`.
pub(super) fn tile_metadata(product: &PlannedProduct, assets: &[AssetId], facts: &Facts) -> String {
    let mut xml = Xml::new();
    let schema = format!(
        "https://psd-{}.sentinel2.eo.esa.int/PSD/S2_PDI_{}_Tile_Metadata.xsd",
        psd(product),
        level_name(product)
    );
    let root = format!("n1:{}_Tile_ID", level_name(product));
    xml.open(&root, &[("xmlns:n1", &schema), ("xmlns:xsi", SCHEMA_INSTANCE)]);
    xml.open("n1:General_Info", &[]);
    xml.leaf("TILE_ID", &[("metadataLevel", "Brief")], &granule_id(product));
    xml.leaf("DATASTRIP_ID", &[("metadataLevel", "Standard")], &product.datastrip_id());
    xml.leaf("DOWNLINK_PRIORITY", &[("metadataLevel", "Standard")], "NOMINAL");
    let sensing = product.datatake.sensing.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    xml.leaf("SENSING_TIME", &[("metadataLevel", "Standard")], &sensing);
    xml.close("n1:General_Info");

    xml.open("n1:Geometric_Info", &[]);
    geocoding(&mut xml, product.id.tile());
    xml.open("Tile_Angles", &[("metadataLevel", "Standard")]);
    sun_grid(&mut xml, product);
    xml.open("Mean_Sun_Angle", &[]);
    angles(&mut xml, 90.0 - facts.sun_elevation, facts.sun_azimuth);
    xml.close("Mean_Sun_Angle");
    xml.open("Mean_Viewing_Incidence_Angle_List", &[]);
    for (band, (zenith, azimuth)) in facts.views.iter().enumerate() {
        xml.open("Mean_Viewing_Incidence_Angle", &[("bandId", &band.to_string())]);
        angles(&mut xml, *zenith, *azimuth);
        xml.close("Mean_Viewing_Incidence_Angle");
    }
    xml.close("Mean_Viewing_Incidence_Angle_List");
    xml.close("Tile_Angles");
    xml.close("n1:Geometric_Info");

    xml.open("n1:Quality_Indicators_Info", &[("metadataLevel", "Standard")]);
    match product.id.level() {
        Level::L2A => content(&mut xml, facts, true),
        Level::L1C => {
            xml.open("Image_Content_QI", &[]);
            let cloud = format!("{:.6}", facts.cloud_cover);
            xml.leaf("CLOUDY_PIXEL_PERCENTAGE", &[], &cloud);
            xml.close("Image_Content_QI");
        }
    }
    xml.open("Pixel_Level_QI", &[("geometry", "FULL_RESOLUTION")]);
    for asset in assets.iter().filter(|asset| is_mask(**asset)) {
        let key = product.key(*asset);
        let name = key.strip_prefix(&product.prefix()).unwrap_or(&key).trim_start_matches('/');
        let kind = match asset.band {
            Band::Cld => "MSK_CLDPRB",
            Band::Snw => "MSK_SNWPRB",
            Band::Detfoo(_) => "MSK_DETFOO",
            Band::Qualit(_) => "MSK_QUALIT",
            _ => "MSK_CLASSI",
        };
        xml.leaf("MASK_FILENAME", &[("type", kind)], name);
    }
    xml.close("Pixel_Level_QI");
    xml.close("n1:Quality_Indicators_Info");
    xml.close(&root);
    xml.finish()
}

fn angles(xml: &mut Xml, zenith: f64, azimuth: f64) {
    xml.leaf("ZENITH_ANGLE", &[("unit", "deg")], &zenith.to_string());
    xml.leaf("AZIMUTH_ANGLE", &[("unit", "deg")], &azimuth.to_string());
}

fn geocoding(xml: &mut Xml, tile: MgrsTile) {
    let hemisphere = if tile.is_south() { 'S' } else { 'N' };
    let (ulx, uly) = tile.upper_left();
    xml.open("Tile_Geocoding", &[("metadataLevel", "Brief")]);
    let name = format!("WGS84 / UTM zone {}{hemisphere}", tile.zone());
    xml.leaf("HORIZONTAL_CS_NAME", &[], &name);
    xml.leaf("HORIZONTAL_CS_CODE", &[], &format!("EPSG:{}", tile.epsg()));
    for resolution in Resolution::ALL {
        let (metres, pixels) = (resolution.metres().to_string(), resolution.pixels().to_string());
        xml.open("Size", &[("resolution", &metres)]);
        xml.leaf("NROWS", &[], &pixels);
        xml.leaf("NCOLS", &[], &pixels);
        xml.close("Size");
    }
    for resolution in Resolution::ALL {
        let metres = resolution.metres().to_string();
        xml.open("Geoposition", &[("resolution", &metres)]);
        xml.leaf("ULX", &[], &ulx.to_string());
        xml.leaf("ULY", &[], &uly.to_string());
        xml.leaf("XDIM", &[], &metres);
        xml.leaf("YDIM", &[], &format!("-{metres}"));
        xml.close("Geoposition");
    }
    xml.close("Tile_Geocoding");
}

/// Angles of the sun every 5 km, 23 by 23.
fn sun_grid(xml: &mut Xml, product: &PlannedProduct) {
    let tile = product.id.tile();
    let (ulx, uly) = tile.upper_left();
    let at = |row: i32, column: i32| {
        let (x, y) = (f64::from(ulx + column * 5_000), f64::from(uly - row * 5_000));
        let place: Place = geographic(tile, x, y);
        sun(place, product.datatake.sensing)
    };
    let grid: Vec<Vec<(f64, f64)>> =
        (0..23).map(|row| (0..23).map(|column| at(row, column)).collect()).collect();
    xml.open("Sun_Angles_Grid", &[]);
    let mut values = |name: &str, get: fn(&(f64, f64)) -> f64| {
        xml.open(name, &[]);
        xml.leaf("COL_STEP", &[("unit", "m")], "5000");
        xml.leaf("ROW_STEP", &[("unit", "m")], "5000");
        xml.open("Values_List", &[]);
        for row in &grid {
            let row: Vec<String> = row.iter().map(|angle| format!("{:.4}", get(angle))).collect();
            xml.leaf("VALUES", &[], &row.join(" "));
        }
        xml.close("Values_List");
        xml.close(name);
    };
    values("Zenith", |angle| 90.0 - angle.1);
    values("Azimuth", |angle| angle.0);
    xml.close("Sun_Angles_Grid");
}

/// What the 60 m true-colour image says of its product in a box of its own.
pub(super) fn inventory(product: &PlannedProduct) -> String {
    let mut xml = Xml::new();
    xml.open("Inventory_Metadata", &[]);
    xml.leaf("File_ID", &[], &granule_id(product));
    xml.leaf("File_Name", &[], &format!("{}.SAFE", product.id));
    xml.leaf("Validity_Start", &[], &product.start_text());
    xml.leaf("Validity_Stop", &[], &product.start_text());
    xml.leaf("Processing_Station", &[], product.centre());
    xml.close("Inventory_Metadata");
    xml.finish()
}
