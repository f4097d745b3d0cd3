//! `cubeflight tlm inject`.

use std::path::{Path as FilePath, PathBuf};

use clap::Args;
use cubeflight_index::scan_file;
use cubeflight_jp2::inject_tlm;
use cubeflight_storage::{Options, Path, Root, open_file};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use crate::commands::print;
use crate::error::CliError;

/// Bytes copied at a time.
const CHUNK: u64 = 8 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct InjectArgs {
    /// The file: a path, file:///dir/name or s3://bucket/key
    #[arg(value_name = "FILE")]
    file: String,

    /// Where the new file goes; written beside it first and then renamed
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace --out where it exists
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(args: InjectArgs) -> Result<(), CliError> {
    refuse_existing(&args)?;
    let (root, path) = open_file(&args.file, &Options::from_env()?)?;
    if root.url().starts_with("file:") {
        return inject(&args, &root, &path).await;
    }
    // every byte of a remote file is needed: fetched once, it is scanned without further requests
    let fetched = Temporary::beside(&args.out, "source")?;
    let size = root.head(&path).await?.size;
    copy(&root, &path, 0..size, &fetched.0, &[]).await?;
    let (local, local_path) = open_temporary(&fetched)?;
    inject(&args, &local, &local_path).await
}

async fn inject(args: &InjectArgs, root: &Root, path: &Path) -> Result<(), CliError> {
    let structure = scan_file(root, path, None).await?;
    let first = structure.first_tile_part();
    // at most MAX_MAIN_HEADER behind the boxes, which the scan has read
    let head = root.get_range(path, 0..first).await?;
    let injected = inject_tlm(&head, &structure)?;
    let new = Temporary::beside(&args.out, "new")?;
    copy(root, path, injected.replaced..structure.size, &new.0, &injected.head).await?;

    let (local, local_path) = open_temporary(&new)?;
    let written = scan_file(&local, &local_path, None).await?;
    if written.size != injected.size || written.tlm_matches() != Some(true) {
        let text = "the file changed while it was copied";
        return Err(CliError::write(&format!("write {}", args.out.display()), &text));
    }
    refuse_existing(args)?;
    let renamed = tokio::fs::rename(&new.0, &args.out).await;
    renamed.map_err(|error| CliError::write(&format!("write {}", args.out.display()), &error))?;
    print(&format!(
        "{}: {} bytes, {} more than before for the lengths of {} tile-parts",
        args.out.display(),
        injected.size,
        injected.size - structure.size,
        structure.tile_parts.len()
    ))
}

fn refuse_existing(args: &InjectArgs) -> Result<(), CliError> {
    if args.force || !args.out.exists() {
        return Ok(());
    }
    let what = format!("write {}", args.out.display());
    Err(CliError::write(&what, &"it exists; give --force to replace it"))
}

/// Writes `head`, and the bytes of `range` behind it.
async fn copy(
    root: &Root,
    path: &Path,
    range: std::ops::Range<u64>,
    out: &FilePath,
    head: &[u8],
) -> Result<(), CliError> {
    let failed =
        |error: std::io::Error| CliError::write(&format!("write {}", out.display()), &error);
    let mut file = BufWriter::new(File::create(out).await.map_err(failed)?);
    file.write_all(head).await.map_err(failed)?;
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min(start + CHUNK);
        let bytes = root.get_range(path, start..end).await?;
        file.write_all(&bytes).await.map_err(failed)?;
        start = end;
    }
    file.flush().await.map_err(failed)?;
    file.get_ref().sync_all().await.map_err(failed)
}

fn open_temporary(file: &Temporary) -> Result<(Root, Path), CliError> {
    Ok(open_file(&file.0.to_string_lossy(), &Options::default())?)
}

/// A file beside another one that goes away when it is dropped, unless it was renamed.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(out: &FilePath, what: &str) -> Result<Self, CliError> {
        let Some(name) = out.file_name() else {
            return Err(CliError::usage(&format!("{} is no file name", out.display())));
        };
        let process = std::process::id();
        let name = format!("{}.{process}.{what}.part", name.to_string_lossy());
        Ok(Self(out.with_file_name(name)))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // it is gone already where it was renamed
        let _gone = std::fs::remove_file(&self.0);
    }
}
