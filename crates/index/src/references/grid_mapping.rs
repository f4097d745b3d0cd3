//! CF grid mapping of a UTM zone on WGS 84 (CF conventions 1.11, appendix F).

use cubeflight_sentinel2::Grid;
use serde_json::{Value, json};

const DEGREE: &str = r#"ANGLEUNIT["degree",0.0174532925199433]"#;
const METRE: &str = r#"LENGTHUNIT["metre",1]"#;
const UNITY: &str = r#"SCALEUNIT["unity",1]"#;

/// Attributes of `spatial_ref`: those that the Python client gives a cube.
pub(super) fn attributes(grid: &Grid) -> Value {
    let epsg = grid.epsg;
    let (zone, south) = (epsg % 100, epsg / 100 == 327);
    let meridian = f64::from(zone) * 6.0 - 183.0;
    let northing = if south { 10_000_000.0 } else { 0.0 };
    let name = format!("WGS 84 / UTM zone {zone}{}", if south { 'S' } else { 'N' });
    let [a, b, c, d, e, f, ..] = grid.transform(&grid.full());
    json!({
        "_ARRAY_DIMENSIONS": [],
        "crs_wkt": wkt(&name, epsg, meridian, northing),
        "spatial_ref": format!("EPSG:{epsg}"),
        "epsg_code": format!("EPSG:{epsg}"),
        "projected_crs_name": name,
        "geographic_crs_name": "WGS 84",
        "horizontal_datum_name": "World Geodetic System 1984",
        "reference_ellipsoid_name": "WGS 84",
        "semi_major_axis": 6_378_137.0,
        "inverse_flattening": 298.257_223_563,
        "prime_meridian_name": "Greenwich",
        "longitude_of_prime_meridian": 0.0,
        "grid_mapping_name": "transverse_mercator",
        "latitude_of_projection_origin": 0.0,
        "longitude_of_central_meridian": meridian,
        "scale_factor_at_central_meridian": 0.9996,
        "false_easting": 500_000.0,
        "false_northing": northing,
        "GeoTransform": format!("{c} {a} {b} {f} {d} {e}"),
    })
}

/// WKT 2 (ISO 19162).
fn wkt(name: &str, epsg: u32, meridian: f64, northing: f64) -> String {
    let parameter = |label: &str, value: f64, unit: &str, code: u32| {
        format!(r#"PARAMETER["{label}",{value},{unit},ID["EPSG",{code}]]"#)
    };
    let parameters = [
        parameter("Latitude of natural origin", 0.0, DEGREE, 8801),
        parameter("Longitude of natural origin", meridian, DEGREE, 8802),
        parameter("Scale factor at natural origin", 0.9996, UNITY, 8805),
        parameter("False easting", 500_000.0, METRE, 8806),
        parameter("False northing", northing, METRE, 8807),
    ]
    .join(",");
    let conversion = name.strip_prefix("WGS 84 / ").unwrap_or(name);
    format!(
        concat!(
            r#"PROJCRS["{name}",BASEGEOGCRS["WGS 84",DATUM["World Geodetic System 1984","#,
            r#"ELLIPSOID["WGS 84",6378137,298.257223563,{METRE}]],"#,
            r#"PRIMEM["Greenwich",0,{DEGREE}],ID["EPSG",4326]],"#,
            r#"CONVERSION["{conversion}","#,
            r#"METHOD["Transverse Mercator",ID["EPSG",9807]],{parameters}],"#,
            r#"CS[Cartesian,2],AXIS["(E)",east,ORDER[1],{METRE}],"#,
            r#"AXIS["(N)",north,ORDER[2],{METRE}],ID["EPSG",{epsg}]]"#
        ),
        name = name,
        METRE = METRE,
        DEGREE = DEGREE,
        conversion = conversion,
        parameters = parameters,
        epsg = epsg,
    )
}
