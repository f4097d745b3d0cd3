//! `cubeflight`: Sentinel-2 time series over Arrow Flight, from the command line.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod error;
mod output;
mod request;
mod stores;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::error::CliError;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let default = if matches!(cli.command, Command::Serve(_)) { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: Command) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::write("start the runtime", &error))?;
    runtime.block_on(async {
        match command {
            Command::Serve(args) => commands::serve::run(args).await,
            Command::Index(args) => commands::index::run(args).await,
            Command::Plan(args) => commands::plan::run(args).await,
            Command::Pull(args) => commands::pull::run(args).await,
            Command::Read(args) => commands::read::run(args).await,
            Command::Inspect(args) => commands::inspect::run(args).await,
            Command::Tlm(args) => commands::tlm::run(args).await,
        }
    })
}
