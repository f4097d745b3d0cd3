//! `cubeflight`: Sentinel-2 time series over Arrow Flight, from the command line.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod error;
mod output;
mod progress;
mod request;
mod stores;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::error::CliError;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // s3s calls every response that is an error one of its own, also a plain 404
    let default = match cli.command {
        Command::Serve(_) | Command::Index(_) => "info,s3s=off,foyer=warn,foyer_storage=warn",
        _ => "warn,s3s=off",
    };
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
            #[cfg(feature = "demo")]
            Command::S3(args) => commands::s3::run(args).await,
            #[cfg(feature = "demo")]
            Command::Stac(args) => commands::stac::run(args).await,
            #[cfg(feature = "demo")]
            Command::Demo(args) => commands::demo::run(args).await,
            #[cfg(feature = "demo")]
            Command::Archive(args) => commands::archive::run(args).await,
        }
    })
}
