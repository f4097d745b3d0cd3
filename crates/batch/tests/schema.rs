//! The schema that clients depend on, compared with `tests/golden`. `UPDATE_GOLDEN=1` writes these
//! files again; a change of them is a change of the wire.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::fmt::Write;
use std::path::Path;

use arrow_schema::{DataType, Field, Metadata, Schema};
use common::{Request, kinds, quarter, reflectance, seed, several};
use cubeflight_batch::{cube_schema, encode_schema};
use serde_json::Value;
use sha2::{Digest, Sha256};

const VERSION: &str = "cubeflight:server_version";

/// Fields and metadata as text, and a hash of the message. The server's version is left out: it
/// changes with every release.
fn render(mut schema: Schema) -> String {
    assert_eq!(schema.metadata[VERSION], env!("CARGO_PKG_VERSION"));
    schema.metadata.insert(VERSION.to_owned(), "VERSION".to_owned());
    let mut text = String::from("schema\n");
    render_metadata(&schema.metadata, 1, &mut text);
    for field in schema.fields() {
        render_field(field, 0, &mut text);
    }
    let message = encode_schema(&schema).data_header;
    let hash = Sha256::digest(&message);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(text, "message {} bytes, sha256 {hash}", message.len()).unwrap();
    text
}

fn render_metadata(metadata: &Metadata, depth: usize, text: &mut String) {
    let mut entries: Vec<_> = metadata.iter().collect();
    entries.sort();
    for (key, value) in entries {
        writeln!(text, "{}@ {key} = {value}", "  ".repeat(depth)).unwrap();
    }
}

fn render_field(field: &Field, depth: usize, text: &mut String) {
    let (kind, children): (String, Vec<&Field>) = match field.data_type() {
        DataType::List(item) => ("list".to_owned(), vec![item]),
        DataType::FixedSizeList(item, size) => (format!("list of {size}"), vec![item]),
        DataType::Struct(fields) => {
            ("struct".to_owned(), fields.iter().map(AsRef::as_ref).collect())
        }
        other => (other.to_string(), Vec::new()),
    };
    let null = if field.is_nullable() { "nullable" } else { "not null" };
    let indent = "  ".repeat(depth);
    writeln!(text, "{indent}{}: {kind}, {null}", field.name()).unwrap();
    render_metadata(field.metadata(), depth + 1, text);
    for child in children {
        render_field(child, depth + 1, text);
    }
}

fn compare(request: &Request) {
    let found = render(request.schema());
    let path = format!("{}/tests/golden/{}.txt", env!("CARGO_MANIFEST_DIR"), request.name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(Path::new(&path), found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "the schema is not that of {path}.\n\
         Where the change is meant, run this test with UPDATE_GOLDEN=1 and commit the file.\n\
         --- found\n{found}"
    );
}

#[test]
fn the_seed_request_has_its_golden_schema() {
    compare(&seed());
}

#[test]
fn a_request_of_every_kind_has_its_golden_schema() {
    let request = kinds();
    assert!(request.layout.blocks > 1);
    compare(&request);
}

#[test]
fn reflectance_has_its_golden_schema() {
    compare(&reflectance());
}

#[test]
fn a_reduced_request_has_its_golden_schema() {
    compare(&quarter());
}

#[test]
fn a_list_of_windows_has_its_golden_schema() {
    compare(&several());
}

/// Each window tells where it is; nothing tells of a place of all of them.
#[test]
fn windows_of_a_list_have_their_places() {
    let request = several();
    let schema = request.schema();
    assert_eq!(schema.metadata["cubeflight:blocks"], "3");
    for column in &request.layout.columns {
        let field = schema.field_with_name(&column.path).unwrap();
        let metadata = field.metadata();
        assert!(!metadata.contains_key("proj:transform") && !metadata.contains_key("proj:shape"));
        let windows: Vec<[u32; 4]> = serde_json::from_str(&metadata["cubeflight:windows"]).unwrap();
        let text = metadata["cubeflight:windows_transform"].as_str();
        let [step, _, left, _, down, top, ..] = serde_json::from_str::<[f64; 9]>(text).unwrap();
        assert_eq!(windows.len(), 3);
        for (window, [y, x, height, width]) in column.windows().iter().zip(&windows) {
            assert_eq!(
                [window.y, window.x, window.height, window.width],
                [*y, *x, *height, *width]
            );
            let [.., wanted_left, _, _, wanted_top, _, _, _] = column.lattice().transform(window);
            assert_eq!(left + f64::from(*x) * step, wanted_left);
            assert_eq!(top + f64::from(*y) * down, wanted_top);
        }
        let DataType::FixedSizeList(_, size) = field.data_type() else { panic!() };
        let largest = [2, 3].map(|side| windows.iter().map(|window| window[side]).max().unwrap());
        let elements = column.planes() * largest[0] * largest[1];
        assert_eq!(u32::try_from(*size).unwrap(), elements);
        assert_eq!(windows[1][2..], [1, 1]);
    }
}

/// Corner + (i * 4 + 0.5) * metres is the centre of sample i, of the whole tile as of a window.
#[test]
fn reduced_pixels_are_centred_on_their_samples() {
    let request = quarter();
    let schema = request.schema();
    for column in &request.layout.columns {
        let metadata = schema.field_with_name(&column.path).unwrap().metadata();
        let text = metadata["proj:transform"].as_str();
        let [step, _, left, _, down, top, ..] = serde_json::from_str::<[f64; 9]>(text).unwrap();
        let metres = f64::from(column.grid.resolution.metres());
        assert_eq!((step, down), (4.0 * metres, -4.0 * metres));
        let centre = |i: u32| (f64::from(i * 4) + 0.5) * metres;
        assert_eq!(left + step / 2.0, 399_960.0 + centre(column.window.x));
        assert_eq!(top + down / 2.0, 5_300_040.0 - centre(column.window.y));
        assert_eq!(metadata["reduce"], "2");
        let by = if column.asset.is_class() { "sampling" } else { "low-pass" };
        assert_eq!(metadata["reduced_by"], by);
    }
    for full in [seed(), kinds()] {
        for field in full.schema().fields() {
            assert!(!field.metadata().contains_key("reduce"));
        }
    }
}

/// Hash maps of metadata differ in order from one to the next.
#[test]
fn the_bytes_are_the_same_every_time() {
    for request in [seed, kinds, reflectance, quarter, several] {
        let first = encode_schema(&request().schema());
        for _ in 0..20 {
            assert_eq!(encode_schema(&request().schema()), first);
        }
    }
}

#[test]
fn tensors_are_what_strict_readers_take() {
    for request in [seed(), kinds(), reflectance(), quarter()] {
        let schema = request.schema();
        for column in &request.layout.columns {
            let field = schema.field_with_name(&column.path).unwrap();
            assert!(!field.is_nullable());
            let metadata = field.metadata();
            assert_eq!(metadata["ARROW:extension:name"], "arrow.fixed_shape_tensor");
            let tensor: Value =
                serde_json::from_str(&metadata["ARROW:extension:metadata"]).unwrap();
            let keys: Vec<&String> = tensor.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["shape", "dim_names"], "no permutation and nothing else");
            let shape: Vec<u64> =
                tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            let names = tensor["dim_names"].as_array().unwrap();
            let (rows, width) = (u64::from(column.block_rows), u64::from(column.window.width));
            match column.planes() {
                3 => {
                    assert_eq!(shape, [3, rows, width]);
                    assert_eq!(names, &["band", "y", "x"]);
                }
                _ => {
                    assert_eq!(shape, [rows, width]);
                    assert_eq!(names, &["y", "x"]);
                }
            }
            let DataType::FixedSizeList(item, size) = field.data_type() else { panic!() };
            assert!(!item.is_nullable());
            assert_eq!(u64::try_from(*size).unwrap(), shape.iter().product::<u64>());
            let transform: Vec<f64> = serde_json::from_str(&metadata["proj:transform"]).unwrap();
            assert_eq!(transform.len(), 9);
            let shape: [u32; 2] = serde_json::from_str(&metadata["proj:shape"]).unwrap();
            assert_eq!(shape, [column.window.height, column.window.width]);
        }
    }
}

#[test]
fn only_what_holds_for_every_step_is_scaled() {
    let scale = |request: &Request, path: &str| {
        let schema = request.schema();
        schema.field_with_name(path).unwrap().metadata().get("scale_factor").cloned()
    };
    assert_eq!(scale(&seed(), "measurements/reflectance/r10m/b08"), None);
    let path = "measurements/reflectance/r10m/b02";
    assert_eq!(scale(&kinds(), path).as_deref(), Some("0.0001"));
    assert_eq!(scale(&reflectance(), path), None);
    assert_eq!(scale(&reflectance(), "quality/atmosphere/r10m/aot").as_deref(), Some("0.001"));
}

#[test]
fn raw_is_scaled_where_the_request_tells_its_offset() {
    let path = "measurements/reflectance/r10m/b08";
    let attributes = |raw_offset: Option<i16>| {
        let schema = Request { raw_offset, ..seed() }.schema();
        let metadata = schema.field_with_name(path).unwrap().metadata().clone();
        let get = |key: &str| metadata.get(key).cloned();
        ["radiometry", "scale_factor", "add_offset"].map(get)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(attributes(None), [some("raw-mixed"), None, None]);
    assert_eq!(attributes(Some(0)), [some("raw"), some("0.0001"), some("0.0")]);
    assert_eq!(attributes(Some(-1000)), [some("raw"), some("0.0001"), some("-0.1")]);
    // Harmonised numbers have their own.
    let schema = Request { raw_offset: Some(-1000), ..kinds() }.schema();
    let field = schema.field_with_name("measurements/reflectance/r10m/b02").unwrap();
    assert_eq!(field.metadata()["add_offset"], "0.0");
}

#[test]
fn a_tensor_beyond_31_bits_is_refused() {
    let mut request = kinds();
    request.layout.columns[4].block_rows = 300_000;
    let error = cube_schema(&request.layout, &request.time, request.json, None).unwrap_err();
    assert_eq!(error.code(), "CF-BAT-003");
    assert!(error.to_string().contains("measurements/reflectance/r10m/b02"), "{error}");
}
