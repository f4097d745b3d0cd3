//! `cubeflight s3`: the testkit's S3 server.

use std::path::Path;

use cubeflight_testkit::s3::{Config, Faults, Server};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::S3Args;
use crate::commands::print;
use crate::error::CliError;

pub(crate) async fn run(args: S3Args) -> Result<(), CliError> {
    let faults = args.faults.as_deref().map_or(Ok(Faults::default()), faults)?;
    let failed = |error: std::io::Error| CliError::coded("CF-CLI-001", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tracing::info!(profile = %args.profile, rules = faults.rules.len(), "serving");
    let server = Server::start(Config {
        root: args.root,
        listen: args.listen,
        profile: args.profile,
        credentials: args.credentials,
        anonymous: args.anonymous,
        faults,
        log: args.log,
    })
    .await?;
    print(&format!("listening on {}", server.endpoint()))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}

/// A script, or the name of a file with one.
fn faults(text: &str) -> Result<Faults, CliError> {
    if !Path::new(text).is_file() {
        return Ok(text.parse()?);
    }
    let script = std::fs::read_to_string(text)
        .map_err(|error| CliError::coded("CF-CLI-001", &format!("cannot read {text}: {error}")))?;
    Ok(script.parse()?)
}
