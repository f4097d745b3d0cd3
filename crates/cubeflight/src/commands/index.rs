//! `cubeflight index`.

use cubeflight_index::{Candidate, Index, IndexOptions, Report, build, candidates};
use cubeflight_sentinel2::AssetId;
use cubeflight_storage::{Options, Path, Root};
use serde_json::json;

use crate::cli::IndexArgs;
use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::request::words;

pub(crate) async fn run(args: IndexArgs) -> Result<(), CliError> {
    let options = Options::from_env()?;
    let archive = Root::open(&args.store, &options)?;
    let index = Index::new(Root::open_or_create(&args.index, &options)?);
    let prefix: Option<Path> = args.prefix.as_ref().map(|prefix| {
        archive.prefix().parts().chain(Path::from(prefix.as_str()).parts()).collect()
    });
    let mut files = candidates(&archive, prefix.as_ref()).await?;
    let names = words(&args.assets);
    if !names.is_empty() {
        files.retain(|file| names.iter().any(|name| is_named(file, name)));
    }
    let index_options = IndexOptions { concurrency: args.concurrency, ..IndexOptions::default() };
    let report = build(&archive, &index, files, &index_options).await?;
    for refusal in &report.refused {
        let text = format!("{}: {}", refusal.key, refusal.reason);
        eprintln!("refused: {}", CliError::coded(refusal.code, &text));
    }
    if args.json { print_json(&as_json(&report)) } else { print(&as_text(&report, index.url())) }
}

/// A name fits when it means the file's asset at the file's level.
fn is_named(file: &Candidate, name: &str) -> bool {
    AssetId::parse(name, file.source.product.level()).is_ok_and(|asset| asset == file.source.asset)
}

fn as_json(report: &Report) -> serde_json::Value {
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(
            |refusal| json!({ "key": refusal.key, "code": refusal.code, "reason": refusal.reason }),
        )
        .collect();
    json!({
        "found": report.found,
        "indexed": report.indexed,
        "known": report.known,
        "refused": refused,
        "files": report.files,
    })
}

fn as_text(report: &Report, url: &str) -> String {
    format!(
        "{} files found, {} indexed, {} known before, {} refused; index {url}",
        report.found,
        report.indexed,
        report.known,
        report.refused.len()
    )
}
