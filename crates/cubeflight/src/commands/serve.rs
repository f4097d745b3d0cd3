//! `cubeflight serve`.

use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use cubeflight_engine::EngineConfig;
use cubeflight_flight::CubeFlight;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use crate::cli::ServeArgs;
use crate::commands::print;
use crate::error::CliError;
use crate::stores;

/// How long running streams may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);
/// HTTP/2 window of a stream: one round trip over a slow network should not stop it.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

pub(crate) async fn run(args: ServeArgs) -> Result<(), CliError> {
    let config = EngineConfig { threads: args.threads, ..EngineConfig::default() };
    let engine = stores::engine(&args.stores, config)?;
    let failed = |error: std::io::Error| {
        CliError::coded("CF-CLI-001", &format!("cannot listen on {}: {error}", args.listen))
    };
    let listener = TcpListener::bind(args.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let stopping = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let service = FlightServiceServer::new(CubeFlight::new(engine));
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .initial_stream_window_size(STREAM_WINDOW)
        .tcp_nodelay(true)
        .add_service(service)
        .serve_with_incoming_shutdown(
            TcpListenerStream::new(listener),
            stopping(stopped.clone()),
        );
    print(&format!("listening on grpc://{address}"))?;

    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: running streams may finish"),
            _ = interrupt.recv() => tracing::info!("SIGINT: running streams may finish"),
        }
        // The server may have ended by itself meanwhile.
        let _ = stop.send(true);
    });
    let overdue = async {
        stopping(stopped).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        outcome = server => {
            outcome.map_err(|error| CliError::coded("CF-CLI-004", &format!("server ended: {error}")))
        }
        () = overdue => {
            tracing::warn!("streams cut off after the grace period");
            Ok(())
        }
    }
}
