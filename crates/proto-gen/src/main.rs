//! Generates what is checked in: `crates/proto/src/generated` from `proto/`, and the documents and
//! client sources that come from the error table. Run it from anywhere in the workspace:
//! `cargo run -p cubeflight-proto-gen`. It needs no `protoc`.

#![forbid(unsafe_code)]

// By path and not by dependency: the generator must run while the sources it makes do not compile.
#[allow(dead_code, unreachable_pub)]
#[path = "../../proto/src/errors.rs"]
mod errors;
mod pages;

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    wire_types(&root)?;
    pages::write(&root)?;
    Ok(())
}

/// prost types and their proto3 JSON mapping.
fn wire_types(root: &Path) -> Result<(), Box<dyn Error>> {
    let include = root.join("proto");
    let sources = [PathBuf::from("cubeflight/v1/cube.proto")];
    let out = root.join("crates/proto/src/generated");
    std::fs::create_dir_all(&out)?;

    let descriptors = protox::compile(sources, [&include])?;
    let encoded = descriptors.encode_to_vec();
    prost_build::Config::new().out_dir(&out).compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .out_dir(&out)
        .build(&[".cubeflight.v1"])?;
    descriptions(&include, &out)
}

/// What the server tells of its services and messages, to those who ask by reflection.
fn descriptions(include: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let sources = ["arrow/flight/protocol/flight.proto", "cubeflight/v1/cube.proto"];
    let mut described = protox::compile(sources, [include])?;
    for file in &mut described.file {
        file.source_code_info = None;
    }
    std::fs::write(out.join("descriptors.bin"), described.encode_to_vec())?;
    Ok(())
}
