//! The GMLJP2 document of a file.

/// The GMLJP2 document that places an image on the ground: elements and order as in the `asoc`
/// box of products since 2022 (OGC 05-047r3).
///
/// `epsg` is the code of the UTM zone; the centre of the upper-left pixel is at (`ulx_centre`,
/// `uly_centre`), metres; `step` is the pixel size, metres.
pub fn gml(
    epsg: u32,
    ulx_centre: i32,
    uly_centre: i32,
    step: u32,
    width: u32,
    height: u32,
) -> String {
    let crs = format!("urn:ogc:def:crs:EPSG::{epsg}");
    let mut out = Writer::default();
    out.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\" ?>\n");
    out.text.push_str(ROOT);
    out.depth = 1;
    out.open("boundedBy", "");
    out.leaf("Null", "", "withheld");
    out.close("boundedBy");
    out.open("featureMember", "");
    out.open("FeatureCollection", "");
    out.open("featureMember", "");
    out.open("RectifiedGridCoverage", " dimension=\"2\" gml:id=\"RGC0001\"");
    out.open("rectifiedGridDomain", "");
    out.open("RectifiedGrid", " dimension=\"2\"");
    out.open("limits", "");
    out.open("GridEnvelope", "");
    out.leaf("low", "", "1 1");
    out.leaf("high", "", &format!("{width} {height}"));
    out.close("GridEnvelope");
    out.close("limits");
    out.leaf("axisName", "", "x");
    out.leaf("axisName", "", "y");
    out.open("origin", "");
    out.open("Point", &format!(" gml:id=\"P0001\" srsName=\"{crs}\""));
    out.leaf("pos", "", &format!("{ulx_centre} {uly_centre}"));
    out.close("Point");
    out.close("origin");
    let name = format!(" srsName=\"{crs}\"");
    out.leaf("offsetVector", &name, &format!("{step} 0"));
    out.leaf("offsetVector", &name, &format!("0 -{step}"));
    out.close("RectifiedGrid");
    out.close("rectifiedGridDomain");
    out.open("rangeSet", "");
    out.open("File", "");
    out.open("rangeParameters", "");
    out.leaf("QuantityExtent", &format!(" uom=\"{crs}\""), "inapplicable inapplicable");
    out.close("rangeParameters");
    out.leaf("fileName", "", "gmljp2://codestream/0");
    out.leaf("fileStructure", "", "Record Interleaved");
    out.close("File");
    out.close("rangeSet");
    out.open("coverageFunction", "");
    out.open("GridFunction", "");
    out.leaf("sequenceRule", " order=\"+x-y\"", "Linear");
    out.leaf("startPoint", "", &format!("1 {height}"));
    out.close("GridFunction");
    out.close("coverageFunction");
    for name in ["RectifiedGridCoverage", "featureMember", "FeatureCollection", "featureMember"] {
        out.close(name);
    }
    out.text.push_str("</gml:FeatureCollection>\n");
    out.text
}

const ROOT: &str = "<gml:FeatureCollection xmlns:gml=\"http://www.opengis.net/gml\" \
     xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
     xsi:schemaLocation=\"http://www.opengeospatial.net/gml \
     http://schemas.opengis.net/gml/3.1.1/profiles/gmlJP2Profile/1.0.0/gmlJP2Profile.xsd\">\n";

/// Indented elements of the namespace `gml`.
#[derive(Default)]
struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn open(&mut self, name: &str, attributes: &str) {
        self.line(&format!("<gml:{name}{attributes}>"));
        self.depth += 1;
    }

    fn leaf(&mut self, name: &str, attributes: &str, value: &str) {
        self.line(&format!("<gml:{name}{attributes}>{value}</gml:{name}>"));
    }

    fn close(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.line(&format!("</gml:{name}>"));
    }
}

#[cfg(test)]
mod tests {
    use super::gml;

    #[test]
    fn every_element_is_closed() {
        let text = gml(32633, 399_965, 5_300_035, 10, 10_980, 10_980);
        assert_eq!(text.matches("<gml:").count(), text.matches("</gml:").count());
        assert!(text.contains("<gml:pos>399965 5300035</gml:pos>"));
        assert!(text.contains(">0 -10</gml:offsetVector>"));
    }
}
