//! `cubeflight tlm references`: Kerchunk references of a tile.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

use cubeflight_engine::{archive_base, path_of_key};
use cubeflight_index::{Detail, MAX_JSON_REFERENCES, References, Selection};
use cubeflight_sentinel2::{AssetId, Level, MgrsTile, TimeRange};
use cubeflight_storage::{Options, Root};
use url::Url;

use crate::cli::ReferencesArgs;
use crate::commands::print;
use crate::error::CliError;

enum Format {
    Json,
    Parquet,
}

pub(crate) async fn run(args: ReferencesArgs) -> Result<(), CliError> {
    let format = format(&args.out)?;
    let (level, tile) = (Level::from_str(&args.collection)?, MgrsTile::from_str(&args.tile)?);
    let time = TimeRange::from_str(&args.datetime)?;
    let bands = args.bands.iter().map(|band| AssetId::parse(band, level));
    let assets = bands.collect::<Result<Vec<_>, _>>()?;
    let options = Options::from_env()?;
    let index = args.owner.index(Root::open(&args.index, &options)?)?;
    let archive = Root::open(&args.store, &options)?;

    let selection = Selection { assets, detail: Detail::Tlm, ..Selection::default() };
    let mut records = index.records(level, tile, &selection).await?;
    records.retain(|record| time.contains(record.product.datatake_start()));
    let base = archive_base(&archive).await?;
    let references = References::new(level, tile, &records, |record| {
        plain(archive.href(&path_of_key(&base, &record.key)))
    });

    let mut said: Vec<String> =
        references.left_out().iter().map(|one| format!("left out: {one}")).collect();
    if references.files() == 0 {
        let text = format!("no record of {tile} and {} can be referenced", level.collection());
        said.push(text);
        return Err(CliError::coded("CF-CLI-001", &said.join("\n")));
    }
    if matches!(format, Format::Json) && references.references() > MAX_JSON_REFERENCES {
        return Err(CliError::usage(&format!(
            "{} references are too many for JSON, which holds {MAX_JSON_REFERENCES}: write Parquet \
             (--out DIR.parq), or fewer bands or months",
            references.references()
        )));
    }
    match format {
        Format::Json => write_json(&references, &args.out)?,
        Format::Parquet => write_parquet(&references, &args.out)?,
    }
    said.push(format!(
        "{} references to {} files, {} arrays of {} time steps, in {}",
        references.references(),
        references.files(),
        references.arrays(),
        references.steps().len(),
        args.out.display()
    ));
    print(&said.join("\n"))
}

fn format(out: &Path) -> Result<Format, CliError> {
    match out.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Ok(Format::Json),
        Some("parq" | "parquet") => Ok(Format::Parquet),
        _ => Err(CliError::usage("--out must end in .json or .parq, which says the format")),
    }
}

/// fsspec takes the path of a local file as it stands, without the escapes of a URL.
fn plain(href: String) -> String {
    let local = href.starts_with("file:").then(|| Url::parse(&href).ok()?.to_file_path().ok());
    match local.flatten().as_deref().and_then(Path::to_str) {
        Some(path) => format!("file://{path}"),
        None => href,
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> CliError {
    move |error| CliError::write(&format!("write {}", path.display()), &error)
}

fn write_json(references: &References, out: &Path) -> Result<(), CliError> {
    let mut file = BufWriter::new(fs::File::create(out).map_err(failed(out))?);
    references.write_json(&mut file).map_err(failed(out))?;
    file.flush().map_err(failed(out))
}

/// Into a new directory only: files of other references would be read as if they belonged here.
fn write_parquet(references: &References, out: &Path) -> Result<(), CliError> {
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        let text = format!("{} is not empty; remove it or name a new directory", out.display());
        return Err(CliError::usage(&text));
    }
    fs::create_dir_all(out).map_err(failed(out))?;
    for file in references.parquet_files() {
        let file = file?;
        let path = out.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        fs::write(&path, &file.bytes).map_err(failed(&path))?;
    }
    Ok(())
}
