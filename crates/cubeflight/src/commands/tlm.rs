//! `cubeflight tlm`: the peer's table format, and tools for files, records and tables.

mod compact;
mod inject;
mod references;
mod stats;
mod verify;

use std::str::FromStr;

use cubeflight_index::{Selection, read_peer, write_peer};
use cubeflight_sentinel2::{Level, MgrsTile};
use cubeflight_storage::{Options, Root};

pub(crate) use self::inject::InjectArgs;
pub(crate) use self::verify::VerifyArgs;
use crate::cli::{TlmArgs, TlmCommand};
use crate::commands::print;
use crate::error::CliError;

pub(crate) async fn run(command: TlmCommand) -> Result<(), CliError> {
    match command {
        TlmCommand::Export(args) => export(args).await,
        TlmCommand::Import(args) => import(args).await,
        TlmCommand::Inject(args) => inject::run(args).await,
        TlmCommand::Verify(args) => verify::run(args).await,
        TlmCommand::Stats(args) => stats::run(args).await,
        TlmCommand::Compact(args) => compact::run(args).await,
        TlmCommand::References(args) => references::run(args).await,
    }
}

async fn export(args: TlmArgs) -> Result<(), CliError> {
    let (level, tile) = (Level::from_str(&args.collection)?, MgrsTile::from_str(&args.tile)?);
    let index = args.owner.index(Root::open(&args.index, &Options::from_env()?)?)?;
    let records = index.records(level, tile, &Selection::default()).await?;
    let table = write_peer(&records, args.best_only)?;
    let written = tokio::fs::write(&args.peer, table).await;
    written.map_err(|error| CliError::write(&format!("write {}", args.peer.display()), &error))?;
    print(&format!("{} records of {tile} in {}", records.len(), args.peer.display()))
}

async fn import(args: TlmArgs) -> Result<(), CliError> {
    let (level, tile) = (Level::from_str(&args.collection)?, MgrsTile::from_str(&args.tile)?);
    let read = tokio::fs::read(&args.peer).await;
    let bytes = read.map_err(|error| {
        CliError::coded("CF-CLI-001", &format!("cannot read {}: {error}", args.peer.display()))
    })?;
    let mut records = Vec::new();
    let mut own_tlm = 0;
    for row in read_peer(bytes.into())? {
        let product = &row.source.product;
        if product.level() != level || product.tile() != tile {
            let text = format!("{product} is not of {tile} and {}", level.collection());
            return Err(CliError::coded("CF-CLI-001", &text));
        }
        match row.record()? {
            Some(record) => records.push(record),
            None => own_tlm += 1,
        }
    }
    let index = args.owner.index(Root::open_or_create(&args.index, &Options::from_env()?)?)?;
    if !records.is_empty() {
        index.append(&records).await?;
    }
    print(&format!(
        "{} records added; {own_tlm} files have a TLM of their own and need none",
        records.len()
    ))
}
