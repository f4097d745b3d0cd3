//! `manifest.safe`: the files of a product with their sizes and checksums.

use super::orbit::Datatake;
use super::product::PlannedProduct;
use super::write::FileFacts;
use super::xml::Xml;

/// The manifest. Paths of `files` are relative to the product's folder.
pub(super) fn manifest(product: &PlannedProduct, files: &[FileFacts]) -> String {
    let Datatake { mission, relative_orbit, absolute_orbit, .. } = product.datatake;
    let level = product.id.level().to_string();
    let version = format!(
        "esa/safe/sentinel/1.1/sentinel-2/msi/archive_{}_user_product",
        level.to_lowercase()
    );
    let unit = format!("Product_Level-{}", level.trim_start_matches('L'));
    let mut xml = Xml::new();
    xml.open(
        "xfdu:XFDU",
        &[
            ("xmlns:safe", "http://www.esa.int/safe/sentinel/1.1"),
            ("xmlns:xfdu", "urn:ccsds:schema:xfdu:1"),
            ("version", &version),
        ],
    );
    xml.open("informationPackageMap", &[]);
    xml.open("xfdu:contentUnit", &[("unitType", &unit)]);
    for file in files {
        xml.open("xfdu:contentUnit", &[("unitType", unit_type(file))]);
        xml.leaf("dataObjectPointer", &[("dataObjectID", &object_id(file))], "");
        xml.close("xfdu:contentUnit");
    }
    xml.close("xfdu:contentUnit");
    xml.close("informationPackageMap");

    xml.open("metadataSection", &[]);
    let mut metadata = |id: &str, body: &dyn Fn(&mut Xml)| {
        xml.open("metadataObject", &[("ID", id)]);
        xml.open("metadataWrap", &[("mimeType", "text/xml"), ("vocabularyName", "Sentinel-SAFE")]);
        xml.open("xmlData", &[]);
        body(&mut xml);
        xml.close("xmlData");
        xml.close("metadataWrap");
        xml.close("metadataObject");
    };
    metadata("acquisitionPeriod", &|xml| {
        xml.open("safe:acquisitionPeriod", &[]);
        xml.leaf("safe:startTime", &[], &product.start_text());
        xml.close("safe:acquisitionPeriod");
    });
    metadata("measurementOrbitReference", &|xml| {
        xml.open("safe:orbitReference", &[]);
        let direction = [("groundTrackDirection", "descending"), ("type", "start")];
        xml.leaf("safe:orbitNumber", &direction, &format!("{absolute_orbit:06}"));
        xml.leaf("safe:relativeOrbitNumber", &[("type", "start")], &format!("{relative_orbit:03}"));
        xml.close("safe:orbitReference");
    });
    metadata("platform", &|xml| {
        xml.open("safe:platform", &[]);
        xml.leaf("safe:familyName", &[], "SENTINEL");
        xml.leaf("safe:number", &[], mission.to_string().trim_start_matches('S'));
        xml.close("safe:platform");
    });
    xml.close("metadataSection");

    xml.open("dataObjectSection", &[]);
    for file in files {
        xml.open("dataObject", &[("ID", &object_id(file))]);
        let mime =
            if file.path.ends_with(".jp2") { "application/octet-stream" } else { "text/xml" };
        xml.open("byteStream", &[("mimeType", mime), ("size", &file.bytes.to_string())]);
        let href = format!("./{}", file.path);
        xml.leaf("fileLocation", &[("href", &href), ("locatorType", "URL")], "");
        xml.leaf("checksum", &[("checksumName", file.checksum.name())], &file.checksum.hex());
        xml.close("byteStream");
        xml.close("dataObject");
    }
    xml.close("dataObjectSection");
    xml.close("xfdu:XFDU");
    xml.finish()
}

fn unit_type(file: &FileFacts) -> &'static str {
    if file.path.ends_with(".jp2") { "Measurement Data Unit" } else { "Metadata Unit" }
}

/// A name for a file that may stand in an XML id.
fn object_id(file: &FileFacts) -> String {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("DATA_{name}")
}
