//! `cubeflight stac`: the testkit's STAC API.

use cubeflight_testkit::stac::StacServer;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::StacArgs;
use crate::commands::print;
use crate::error::CliError;

pub(crate) async fn run(args: StacArgs) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::coded("CF-CLI-001", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let server = StacServer::start(&args.items, args.listen).await?;
    tracing::info!(items = server.items(), "serving");
    print(&format!("listening on {}", server.url()))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}
