//! `cubeflight serve`.

use std::net::SocketAddr;
use std::time::Duration;

use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_flight::Issuing;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
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
    let config = EngineConfig {
        threads: args.threads,
        decoder: args.decoder,
        write_back: !args.no_write_back,
        max_whole_read: args.max_whole_read,
        range_cache: args.cache.open().await?,
        decoded_cache_bytes: args.cache.cache_decoded,
        ..EngineConfig::default()
    };
    let config = config.with_memory(args.cache.memory);
    let engine = stores::engine(&args.stores, config)?;
    let running = Running::start(engine, args.listen, args.tickets.issuing()?).await?;
    print(&format!("listening on {}", running.url()))?;
    running.until_told().await
}

/// A server that answers.
pub(crate) struct Running {
    engine: Engine,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Running {
    pub(crate) async fn start(
        engine: Engine,
        listen: SocketAddr,
        issuing: Issuing,
    ) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| {
            CliError::coded("CF-CLI-001", &format!("cannot listen on {listen}: {error}"))
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .initial_stream_window_size(STREAM_WINDOW)
            .tcp_nodelay(true)
            .add_service(cubeflight_flight::server(engine.clone(), issuing))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped);
        Ok(Self { engine, address, stop, task: tokio::spawn(server) })
    }

    /// Address for clients.
    pub(crate) fn url(&self) -> String {
        format!("grpc://{}", self.address)
    }

    /// Serves until SIGTERM or SIGINT, then lets running streams finish.
    pub(crate) async fn until_told(mut self) -> Result<(), CliError> {
        let failed = |error: std::io::Error| CliError::write("listen for signals", &error);
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        tokio::select! {
            outcome = &mut self.task => return ended(outcome),
            _ = terminate.recv() => tracing::info!("SIGTERM: running streams may finish"),
            _ = interrupt.recv() => tracing::info!("SIGINT: running streams may finish"),
        }
        self.stop().await
    }

    /// Takes no new calls and lets running streams finish, for a while.
    pub(crate) async fn stop(self) -> Result<(), CliError> {
        self.stop.cancel();
        let outcome = match tokio::time::timeout(GRACE, self.task).await {
            Ok(outcome) => ended(outcome),
            Err(_) => {
                tracing::warn!("streams cut off after the grace period");
                Ok(())
            }
        };
        // what streams have learnt last, and what is still to be written into the cache
        self.engine.close().await;
        outcome
    }
}

fn ended(
    outcome: Result<Result<(), tonic::transport::Error>, tokio::task::JoinError>,
) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::coded("CF-CLI-004", &format!("server ended: {error}"))
    };
    outcome.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}
