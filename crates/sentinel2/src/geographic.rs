//! From UTM back to longitude and latitude, as far as tiles need it.
//!
//! Krüger's series in the third flattening, to the third order (millimetres over all tiles), on the
//! WGS 84 ellipsoid. Points are given by their distance from the central meridian and from the
//! equator in metres.

/// Third flattening of WGS 84.
const N: f64 = 0.001_679_220_386_383_705;
/// Radius of the rectifying sphere, scaled as UTM is.
const RADIUS: f64 = 6_367_449.145_823_415 * 0.9996;

/// On the conformal sphere.
fn sphere(x: f64, y: f64) -> (f64, f64) {
    let beta = [
        N / 2.0 - 2.0 / 3.0 * N * N + 37.0 / 96.0 * N * N * N,
        N * N / 48.0 + N * N * N / 15.0,
        17.0 / 480.0 * N * N * N,
    ];
    let (xi, eta) = (y / RADIUS, x / RADIUS);
    let (mut xi1, mut eta1) = (xi, eta);
    for (coefficient, j) in beta.into_iter().zip([2.0, 4.0, 6.0]) {
        xi1 -= coefficient * (j * xi).sin() * (j * eta).cosh();
        eta1 -= coefficient * (j * xi).cos() * (j * eta).sinh();
    }
    (xi1, eta1)
}

/// Longitude in degrees from the central meridian.
pub(crate) fn longitude_offset(x: f64, y: f64) -> f64 {
    let (xi, eta) = sphere(x, y);
    eta.sinh().atan2(xi.cos()).to_degrees()
}

/// Latitude in degrees.
pub(crate) fn latitude(x: f64, y: f64) -> f64 {
    let (xi, eta) = sphere(x, y);
    // from the conformal latitude back to the geodetic one
    let conformal = (xi.sin() / eta.cosh()).asin();
    let delta = [
        2.0 * N - 2.0 / 3.0 * N * N - 2.0 * N * N * N,
        7.0 / 3.0 * N * N - 8.0 / 5.0 * N * N * N,
        56.0 / 15.0 * N * N * N,
    ];
    let geodetic = delta
        .into_iter()
        .zip([2.0, 4.0, 6.0])
        .fold(conformal, |sum, (coefficient, j)| sum + coefficient * (j * conformal).sin());
    geodetic.to_degrees()
}
