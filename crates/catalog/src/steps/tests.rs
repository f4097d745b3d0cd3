//! Products made up for the rules, and what may never happen whatever there is.

mod properties;

use chrono::{DateTime, TimeDelta, Utc};
use cubeflight_sentinel2::{Band, Filter, GroupBy, Radiometry};

use super::{Rules, Steps, TimeStep, resolve_steps};
use crate::{Error, Found, Omitted, Product, ProductMetadata};

const RAW: Rules<'static> = Rules {
    group_by: GroupBy::Datatake,
    radiometry: Radiometry::Raw,
    cloud_cover_max: None,
    filters: &[],
};
const HARMONISED: Rules<'static> = Rules { radiometry: Radiometry::Harmonised, ..RAW };

/// A product of 33TVN: `S2A 20210103T101411 N0500 20230306T172000`, with the seconds from the
/// datatake's start to the datastrip's and the percentage without data where they are known.
fn product(text: &str, strip: Option<i64>, no_data: Option<f64>) -> Product {
    let parts: Vec<&str> = text.split(' ').collect();
    let &[mission, start, baseline, made] = parts.as_slice() else { panic!("{text}") };
    let id: cubeflight_sentinel2::ProductId =
        format!("{mission}_MSIL2A_{start}_{baseline}_R022_T33TVN_{made}").parse().unwrap();
    let datastrip_start = strip.map(|seconds| id.datatake_start() + TimeDelta::seconds(seconds));
    let metadata = ProductMetadata { no_data, ..ProductMetadata::default() };
    Product { id, granule: None, datastrip_start, assets: Default::default(), metadata }
}

fn with_offset(mut product: Product, offset: i16) -> Product {
    let bands = crate::radiometry::reflectance_bands(product.id.level());
    product.metadata.radiometric_offset = bands.into_iter().map(|band| (band, offset)).collect();
    product
}

fn resolve(products: &[&Product], rules: &Rules<'_>) -> Steps {
    let products = products.iter().map(|product| (*product).clone()).collect();
    resolve_steps(Found { products, omitted: Vec::new() }, rules).unwrap()
}

/// The parts and, behind `/`, their alternatives, by the last part of their names.
fn shape(step: &TimeStep) -> String {
    let name = |product: &Product| product.id.discriminator()[..8].to_owned();
    let parts = step.parts.iter().map(|part| {
        let mut text = name(&part.product);
        for other in &part.alternatives {
            text.push('/');
            text.push_str(&name(other));
        }
        text
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn codes(omitted: &[Omitted]) -> Vec<(&str, &str)> {
    omitted.iter().map(|o| (&o.id[o.id.len() - 15..o.id.len() - 7], o.code)).collect()
}

const TAKE: &str = "S2A 20210103T101411";

fn of_take(baseline: &str, made: &str, strip: Option<i64>, no_data: Option<f64>) -> Product {
    product(&format!("{TAKE} {baseline} {made}T120000"), strip, no_data)
}

#[test]
fn the_highest_baseline_processed_last_is_read() {
    let old = of_take("N0214", "20210104", Some(-4), Some(0.0));
    let new = of_take("N0500", "20230306", Some(-4), Some(0.0));
    let again = of_take("N0500", "20230308", Some(-4), Some(0.0));
    let unofficial = of_take("N9999", "20240101", Some(-4), Some(0.0));
    let steps = resolve(&[&old, &new, &unofficial, &again], &HARMONISED);
    assert_eq!(steps.steps.len(), 1);
    assert_eq!(steps.steps[0].time, new.id.datatake_start());
    assert_eq!(shape(&steps.steps[0]), "20230308/20230306/20210104");
    assert_eq!(
        codes(&steps.omitted),
        [("20210104", "superseded"), ("20230306", "duplicate"), ("20240101", "superseded")]
    );
    let reasons: Vec<&str> = steps.omitted.iter().map(|o| o.reason.as_str()).collect();
    assert!(reasons[0].contains("higher processing baseline; this product stands in"));
    assert!(reasons[1].contains("was processed later; this product stands in"));
    // raw numbers of another offset stand in for nothing
    let steps = resolve(&[&old, &new, &again], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20230308/20230306");
    assert!(steps.omitted[0].reason.contains("cannot stand in"), "{:?}", steps.omitted[0]);
    // ESA's own chain goes before any other
    let steps = resolve(&[&old, &unofficial], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20210104");
}

#[test]
fn before_baseline_02_06_names_do_not_tell_the_time_of_processing() {
    let mut first = of_take("N0205", "20210105", Some(-4), None);
    let mut second = of_take("N0205", "20210104", Some(-4), None);
    let steps = resolve(&[&first, &second], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20210105/20210104");
    assert!(steps.omitted[0].reason.contains("goes before it by name"), "{:?}", steps.omitted);
    let at = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
    first.metadata.processed = at("2021-02-01T00:00:00Z");
    second.metadata.processed = at("2021-03-01T00:00:00Z");
    let steps = resolve(&[&first, &second], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20210104/20210105");
    assert!(steps.omitted[0].reason.contains("was processed later"), "{:?}", steps.omitted);
}

#[test]
fn datastrips_are_parts_and_the_largest_goes_first() {
    let north = of_take("N0500", "20230306", Some(-4), Some(60.0));
    let south = of_take("N0500", "20230307", Some(167), Some(35.0));
    let again = of_take("N0500", "20230309", Some(-4), Some(60.0));
    for rules in [&RAW, &HARMONISED] {
        let steps = resolve(&[&north, &south, &again], rules);
        assert_eq!(shape(&steps.steps[0]), "20230307 20230309/20230306");
        assert_eq!(codes(&steps.omitted), [("20230306", "duplicate")]);
    }
    // what is not known goes after what is, then by the datastrip's start
    let unknown = of_take("N0500", "20230301", Some(300), None);
    let other = of_take("N0500", "20230302", Some(200), None);
    let steps = resolve(&[&unknown, &north, &other], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20230306 20230302 20230301");
}

#[test]
fn an_unknown_datastrip_is_one_of_its_own() {
    let known = of_take("N0500", "20230306", Some(-4), None);
    let unknown = of_take("N0500", "20230307", None, None);
    let again = of_take("N0500", "20230308", None, None);
    let steps = resolve(&[&known, &unknown, &again], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20230308/20230307 20230306");
}

#[test]
fn gaps_are_filled_from_older_products() {
    let kept = of_take("N0500", "20230306", Some(-4), Some(40.0));
    let larger = of_take("N0214", "20210104", Some(-4), Some(10.0));
    let smaller = of_take("N0213", "20210103", Some(-4), Some(40.005));
    let steps = resolve(&[&larger, &kept, &smaller], &HARMONISED);
    assert_eq!(shape(&steps.steps[0]), "20230306/20210103 20210104");
    assert_eq!(codes(&steps.omitted), [("20210103", "superseded")]);
    // raw numbers would mean something else
    let steps = resolve(&[&larger, &kept], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20230306");
    let reason = &steps.omitted[0].reason;
    assert!(
        reason.contains("10 instead of 40 percent") && reason.contains("harmonised"),
        "{reason}"
    );
    // unless the metadata of both say that they mean the same
    let same = with_offset(larger.clone(), -1000);
    let steps = resolve(&[&same, &kept], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20230306 20210104");
    // offsets that nobody knows fill nothing
    let unofficial = of_take("N9999", "20240101", Some(-4), Some(0.0));
    for (rules, words) in [(&RAW, "but other offsets"), (&HARMONISED, "not known")] {
        let steps = resolve(&[&unofficial, &kept], rules);
        assert_eq!(shape(&steps.steps[0]), "20230306");
        assert!(steps.omitted[0].reason.contains(words), "{:?}", steps.omitted);
    }
    let mut known = with_offset(unofficial, 0);
    assert_eq!(shape(&resolve(&[&known, &kept], &HARMONISED).steps[0]), "20230306 20240101");
    known.metadata.quantification = Some(1_000.0);
    assert_eq!(shape(&resolve(&[&known, &kept], &HARMONISED).steps[0]), "20230306");
}

#[test]
fn gaps_are_filled_from_other_datastrips_and_earlier_duplicates() {
    let kept = of_take("N0500", "20230306", Some(-4), Some(40.0));
    let south = of_take("N0214", "20210104", Some(167), Some(55.0));
    let older = of_take("N0213", "20210103", Some(167), Some(55.0));
    let steps = resolve(&[&older, &south, &kept], &HARMONISED);
    assert_eq!(shape(&steps.steps[0]), "20230306 20210104/20210103");
    // nothing is missing of a whole tile
    let whole = Product {
        metadata: ProductMetadata { no_data: Some(0.0), ..kept.metadata.clone() },
        ..kept.clone()
    };
    let steps = resolve(&[&south, &whole], &HARMONISED);
    assert_eq!(shape(&steps.steps[0]), "20230306");
    assert!(steps.omitted[0].reason.contains("has the whole tile"), "{:?}", steps.omitted);
    // a later product of the same baseline may have lost something
    let before = of_take("N0500", "20230305", Some(-4), Some(20.0));
    let steps = resolve(&[&before, &kept], &RAW);
    assert_eq!(shape(&steps.steps[0]), "20230306 20230305");
}

#[test]
fn a_solar_day_is_one_step() {
    let noon = |mission: &str, start: &str, no_data| {
        product(&format!("{mission} {start} N0511 20250201T120000"), Some(-4), Some(no_data))
    };
    let a = noon("S2A", "20250103T100411", 50.0);
    let c = noon("S2C", "20250103T101511", 20.0);
    let next = noon("S2B", "20250104T101511", 0.0);
    let rules = Rules { group_by: GroupBy::SolarDay, ..RAW };
    let steps = resolve(&[&next, &c, &a], &rules);
    assert_eq!(steps.steps.len(), 2);
    assert_eq!(steps.steps[0].time, a.id.datatake_start());
    let missions = |step: &TimeStep| -> Vec<String> {
        step.parts.iter().map(|part| part.product.id.mission().to_string()).collect()
    };
    assert_eq!(missions(&steps.steps[0]), ["S2C", "S2A"]);
    assert_eq!((steps.steps[0].platform(), steps.steps[0].relative_orbit()), (None, Some(22)));
    assert_eq!(resolve(&[&next, &c, &a], &RAW).steps.len(), 3);
    // two satellites at one time are one step without it, too
    let twin = noon("S2C", "20250103T100411", 20.0);
    let steps = resolve(&[&a, &twin], &RAW);
    assert_eq!(
        (steps.steps.len(), missions(&steps.steps[0])),
        (1, vec!["S2C".into(), "S2A".into()])
    );
}

#[test]
fn raw_numbers_of_a_step_mean_one_thing() {
    let mixed = |products: &[&Product], rules: &Rules<'_>| {
        let products = products.iter().map(|product| (*product).clone()).collect();
        resolve_steps(Found { products, omitted: Vec::new() }, rules)
    };
    let old = product("S2A 20220103T101411 N0301 20220103T120000", Some(-4), None);
    let new = product("S2B 20220103T103411 N0500 20230306T172000", Some(-4), None);
    let day = Rules { group_by: GroupBy::SolarDay, ..RAW };
    let error = mixed(&[&old, &new], &day).unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("CF-CAT-009", false));
    let text = error.to_string();
    for word in ["2022-01-03T10:14:11Z", &old.id.to_string(), &new.id.to_string(), "harmonised"] {
        assert!(text.contains(word), "{text}");
    }
    assert!(matches!(error, Error::MixedOffsets { products, .. } if products.len() == 2));
    let day_harmonised = Rules { radiometry: Radiometry::Reflectance, ..day.clone() };
    assert_eq!(mixed(&[&old, &new], &day_harmonised).unwrap().steps.len(), 1);
    assert_eq!(mixed(&[&old, &new], &RAW).unwrap().steps.len(), 2);
    // a step that is left out fails nothing
    let cloudy = Rules { cloud_cover_max: Some(1.0), ..day };
    assert_eq!(mixed(&[&old, &new], &cloudy).unwrap().steps.len(), 0);

    // unknown offsets: equal within one version of one processor, 99.99 stands for many
    let halves = |baseline: &str| {
        [(-4, "20210104"), (167, "20210105")]
            .map(|(strip, made)| of_take(baseline, made, Some(strip), None))
    };
    let [a, b] = halves("N0601");
    assert_eq!(mixed(&[&a, &b], &RAW).unwrap().steps[0].parts.len(), 2);
    assert!(mixed(&[&with_offset(a, -1000), &b], &RAW).is_err());
    let [a, b] = halves("N9999");
    assert!(mixed(&[&a, &b], &RAW).is_err());
    let (a, b) = (with_offset(a, 0), with_offset(b, 0));
    assert_eq!(mixed(&[&a, &b], &RAW).unwrap().steps[0].parts.len(), 2);
    let mut c = b.clone();
    c.metadata.quantification = Some(1000.0);
    assert!(mixed(&[&a, &c], &RAW).is_err());
}

#[test]
fn offsets_by_the_order_of_trust() {
    let offset = |product: &Product| product.radiometric_offset(Band::B08);
    let of = |baseline| of_take(baseline, "20230306", None, None);
    for (baseline, expected) in
        [("N0206", Some(0)), ("N0301", Some(0)), ("N0400", Some(-1000)), ("N0512", Some(-1000))]
    {
        assert_eq!(offset(&of(baseline)), expected, "{baseline}");
        assert_eq!(offset(&with_offset(of(baseline), -7)), Some(-7), "{baseline}");
    }
    for baseline in ["N9999", "N0601", "N0104"] {
        assert_eq!(offset(&of(baseline)), None, "{baseline}");
        assert_eq!(offset(&with_offset(of(baseline), 0)), Some(0), "{baseline}");
    }
}

fn halves(clouds: [Option<f64>; 2], no_data: [Option<f64>; 2]) -> [Product; 2] {
    let [mut a, mut b] = [(-4, "20230306"), (167, "20230307")]
        .map(|(strip, made)| of_take("N0500", made, Some(strip), None));
    for (product, (cloud, none)) in
        [&mut a, &mut b].into_iter().zip(clouds.into_iter().zip(no_data))
    {
        product.metadata.cloud_cover = cloud;
        product.metadata.no_data = none;
    }
    [a, b]
}

#[test]
fn what_is_known_of_a_step_is_weighted_by_area() {
    let [mut a, mut b] = halves([Some(10.0), Some(50.0)], [Some(75.0), Some(25.0)]);
    let times = ["2021-01-03T10:16:00Z", "2021-01-03T10:17:00Z"];
    for (product, time, sun, view) in
        [(&mut a, times[1], 20.0, 350.0), (&mut b, times[0], 24.0, 30.0)]
    {
        product.metadata.sun_elevation = Some(sun);
        product.metadata.view_azimuth = Some(view);
        product.metadata.sensing_time = Some(time.parse().unwrap());
        product.metadata.view_incidence = Some(5.0);
    }
    b.metadata.snow_cover = Some(1.0);
    let steps = resolve(&[&a, &b], &RAW);
    let step = &steps.steps[0];
    let metadata = step.metadata();
    let near = |value: Option<f64>, expected: f64| {
        assert!((value.unwrap() - expected).abs() < 1e-6, "{value:?} {expected}");
    };
    near(metadata.cloud_cover, (10.0 * 25.0 + 50.0 * 75.0) / 100.0);
    near(metadata.sun_elevation, 23.0);
    near(metadata.no_data, 0.0);
    near(metadata.view_incidence, 5.0);
    let (x, y) =
        [(350.0_f64, 0.25), (30.0, 0.75)].iter().fold((0.0, 0.0), |(x, y), (angle, weight)| {
            (x + angle.to_radians().cos() * weight, y + angle.to_radians().sin() * weight)
        });
    near(metadata.view_azimuth, y.atan2(x).to_degrees());
    assert_eq!(metadata.snow_cover, None, "unknown of one");
    assert_eq!(metadata.sensing_time, Some(times[0].parse().unwrap()));
    assert_eq!(metadata.radiometric_offset[&Band::B04], -1000);
    assert_eq!(step.baseline().unwrap().to_string(), "05.00");
    assert_eq!(step.platform().unwrap().to_string(), "S2A");

    // an overlap counts once, what is unknown counts the same
    let [a, b] = halves([Some(10.0), Some(50.0)], [Some(20.0), Some(60.0)]);
    let metadata = resolve(&[&a, &b], &RAW).steps[0].metadata();
    near(metadata.cloud_cover, 10.0 * 0.8 + 50.0 * 0.2);
    let [a, b] = halves([Some(10.0), Some(50.0)], [Some(20.0), None]);
    let metadata = resolve(&[&a, &b], &RAW).steps[0].metadata();
    near(metadata.cloud_cover, 30.0);
    assert_eq!(metadata.no_data, None);
    // a part without any area has no say
    let [a, b] = halves([Some(10.0), None], [Some(0.0), Some(100.0)]);
    near(resolve(&[&a, &b], &RAW).steps[0].metadata().cloud_cover, 10.0);
}

#[test]
fn conditions_hold_for_whole_steps() {
    let [a, b] = halves([Some(0.0), Some(60.0)], [Some(50.0), Some(50.0)]);
    let most = |cloud_cover_max| Rules { cloud_cover_max: Some(cloud_cover_max), ..RAW };
    assert_eq!(resolve(&[&a, &b], &most(30.0)).steps[0].parts.len(), 2);
    let steps = resolve(&[&a, &b], &most(29.0));
    assert_eq!(steps.steps, []);
    assert_eq!(codes(&steps.omitted), [("20230306", "cloud_cover"), ("20230307", "cloud_cover")]);
    assert!(steps.omitted[0].reason.contains("whole time step is 30 percent, at most 29"));
    // a clear older product does not come back
    let mut old = of_take("N0214", "20210104", Some(-4), Some(50.0));
    old.metadata.cloud_cover = Some(0.0);
    let steps = resolve(&[&old, &b], &most(29.0));
    assert_eq!(steps.steps, []);
    let [a, b] = halves([Some(0.0), None], [Some(50.0), Some(50.0)]);
    let steps = resolve(&[&a, &b], &most(100.0));
    assert_eq!(codes(&steps.omitted)[1], ("20230307", "cloud_cover_unknown"));
}

#[test]
fn filters() {
    let filter = |property: &str, comparison: &str, values: &[&str]| {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        [Filter::new(property, comparison, &values).unwrap()]
    };
    let [mut a, mut b] = halves([Some(0.0), Some(60.0)], [Some(50.0), Some(50.0)]);
    a.metadata.sun_elevation = Some(20.0);
    b.metadata.sun_elevation = Some(24.0);
    let steps = |filters: &[Filter]| resolve(&[&a, &b], &Rules { filters, ..RAW });
    for (filters, code) in [
        (filter("view:sun_elevation", "gte", &["22"]), None),
        (filter("view:sun_elevation", "gt", &["22"]), Some("filter")),
        (filter("eo:cloud_cover", "lte", &["30"]), None),
        (filter("eo:cloud_cover", "lt", &["30"]), Some("filter")),
        (filter("eo:snow_cover", "gte", &["0"]), Some("filter_unknown")),
        (filter("view:incidence_angle", "neq", &["1"]), Some("filter_unknown")),
        (filter("sat:relative_orbit", "in", &["22", "122"]), None),
        (filter("sat:relative_orbit", "neq", &["22"]), Some("filter")),
        (filter("platform", "eq", &["sentinel-2a"]), None),
        (filter("platform", "eq", &["sentinel-2b"]), Some("filter")),
        (filter("processing:version", "in", &["05.00"]), None),
        (filter("processing:version", "eq", &["05.11"]), Some("filter")),
    ] {
        let found = steps(&filters);
        let text = filters[0].to_string();
        assert_eq!(found.steps.len(), usize::from(code.is_none()), "{text}");
        let expected: Vec<_> =
            code.into_iter().flat_map(|code| [("20230306", code), ("20230307", code)]).collect();
        assert_eq!(codes(&found.omitted), expected, "{text}");
        assert!(found.omitted.iter().all(|omitted| omitted.reason.contains(&text)), "{text}");
    }
    // each part has to fulfil what is of a product
    let day = |mission: &str, start: &str| {
        product(&format!("{mission} {start} N0511 20250201T120000"), Some(-4), None)
    };
    let (a, c) = (day("S2A", "20250103T100411"), day("S2C", "20250103T101511"));
    let filters = filter("platform", "eq", &["sentinel-2a"]);
    let rules = Rules { group_by: GroupBy::SolarDay, filters: &filters, ..RAW };
    let found = resolve(&[&a, &c], &rules);
    assert_eq!((found.steps.len(), found.omitted.len()), (0, 2));
}
