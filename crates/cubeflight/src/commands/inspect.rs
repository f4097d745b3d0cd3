//! `cubeflight inspect`.

use cubeflight_index::scan_file;
use cubeflight_jp2::{Structure, describe};
use cubeflight_storage::{Options, Path, Root, open_file};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cli::InspectArgs;
use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::output::hex;

/// Bytes hashed at a time.
const CHUNK: u64 = 8 * 1024 * 1024;

pub(crate) async fn run(args: InspectArgs) -> Result<(), CliError> {
    let (root, path) = open_file(&args.url, &Options::from_env()?)?;
    let structure = scan_file(&root, &path, None).await?;
    if !args.json {
        return print(&text(&args.url, &structure));
    }
    let mut value = serde_json::to_value(describe(&structure))
        .map_err(|error| CliError::write("write JSON", &error))?;
    if let Value::Object(fields) = &mut value {
        fields.insert("file".to_owned(), Value::from(args.url.as_str()));
        // A remote file is described from its headers; hashing it would read all of it.
        if root.url().starts_with("file:") {
            let sha256 = hash(&root, &path, structure.size).await?;
            fields.insert("sha256".to_owned(), Value::from(sha256));
        }
    }
    print_json(&value)
}

async fn hash(root: &Root, path: &Path, size: u64) -> Result<String, CliError> {
    let mut hasher = Sha256::new();
    let mut start = 0;
    while start < size {
        let end = size.min(start + CHUNK);
        hasher.update(&root.get_range(path, start..end).await?);
        start = end;
    }
    Ok(hex(&hasher.finalize()))
}

fn text(url: &str, structure: &Structure) -> String {
    let siz = &structure.header.siz;
    let coding = &structure.header.cod.coding;
    let depth = siz.components.first().map_or(0, |component| component.bit_depth);
    let packets: usize = structure
        .tile_parts
        .iter()
        .filter_map(|part| part.packet_lengths.as_ref())
        .map(Vec::len)
        .sum();
    let plt = match packets {
        0 => "no packet lengths".to_owned(),
        count => format!("lengths of {count} packets"),
    };
    let tlm = if structure.header.tlm.is_empty() { "no TLM" } else { "TLM" };
    [
        format!("{url}: {} bytes", structure.size),
        format!(
            "image {} x {}, {} component(s) of {depth} bit",
            siz.x_size - siz.x_offset,
            siz.y_size - siz.y_offset,
            siz.components.len()
        ),
        format!(
            "tiles {} x {} of {} x {}; {} tile-parts; {tlm}; {plt}",
            siz.tiles_x(),
            siz.tiles_y(),
            siz.tile_width,
            siz.tile_height,
            structure.tile_parts.len()
        ),
        format!("{coding:?}"),
        format!(
            "codestream {}..{}, first tile-part at {}",
            structure.codestream.start,
            structure.codestream.end,
            structure.first_tile_part()
        ),
    ]
    .join("\n")
}
