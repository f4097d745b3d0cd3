//! `cubeflight serve`.

use std::net::SocketAddr;
use std::time::Duration;

use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_flight::{Issuing, Streams};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cli::{LifeArgs, ServeArgs};
use crate::commands::print;
use crate::error::CliError;
use crate::stores;

mod health;
mod reflection;
mod transport;

use health::Health;

/// How long it may take to tell clients why their streams were ended, and to close connections.
const GOODBYE: Duration = Duration::from_secs(2);

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
    let issuing = args.tickets.issuing()?;
    let running = Running::start(engine, args.listen, issuing, &args.life).await?;
    print(&format!("listening on {}", running.url()))?;
    running.until_told().await
}

type Served = Result<(), tonic::transport::Error>;

/// A server that answers.
pub(crate) struct Running {
    engine: Engine,
    address: SocketAddr,
    streams: Streams,
    health: Health,
    grace: Duration,
    stop: CancellationToken,
    task: JoinHandle<Served>,
}

/// Whether a server waits for those whom it has told goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    InOrder,
    AtOnce,
}

impl Running {
    pub(crate) async fn start(
        engine: Engine,
        listen: SocketAddr,
        issuing: Issuing,
        life: &LifeArgs,
    ) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| {
            CliError::coded("CF-CLI-001", &format!("cannot listen on {listen}: {error}"))
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let flight = cubeflight_flight::Server::new(engine.clone(), issuing, life.options());
        let (health, health_service) = Health::begin().await;
        let stop = CancellationToken::new();
        let reflection = life.reflection.then(reflection::service).transpose()?;
        let server = transport::server(life)
            .add_service(flight.service())
            .add_service(health_service)
            .add_optional_service(reflection)
            .serve_with_incoming_shutdown(
                transport::incoming(listener),
                stop.clone().cancelled_owned(),
            );
        let (streams, grace) = (flight.streams().clone(), life.grace());
        let task = tokio::spawn(server);
        Ok(Self { engine, address, streams, health, grace, stop, task })
    }

    /// Address for clients.
    pub(crate) fn url(&self) -> String {
        format!("grpc://{}", self.address)
    }

    /// Serves until SIGTERM or SIGINT, then lets running streams finish, until a second signal.
    pub(crate) async fn until_told(mut self) -> Result<(), CliError> {
        let mut signals = Signals::new()?;
        tokio::select! {
            outcome = &mut self.task => return ended(outcome),
            name = signals.next() => {
                tracing::info!(signal = name, "no new calls are taken; running streams may finish");
            }
        }
        self.drain().await;
        let leave = tokio::select! {
            () = self.over() => Leave::InOrder,
            name = signals.next() => {
                tracing::warn!(signal = name, "ended at once");
                Leave::AtOnce
            }
        };
        self.leave(leave).await
    }

    /// Takes no new calls and lets running streams finish, for a while.
    pub(crate) async fn stop(self) -> Result<(), CliError> {
        self.drain().await;
        self.over().await;
        self.leave(Leave::InOrder).await
    }

    /// The listener stays: who comes now is told that this server takes no calls.
    async fn drain(&self) {
        self.health.not_serving().await;
        self.streams.drain();
    }

    /// Waits for running streams as long as they may go on.
    async fn over(&self) {
        if timeout(self.grace, self.streams.idle()).await.is_err() {
            tracing::warn!(seconds = self.grace.as_secs(), "streams are cut off");
        }
    }

    async fn leave(mut self, leave: Leave) -> Result<(), CliError> {
        self.streams.end_all();
        // A client that does not read will not hear why, either.
        let _ = timeout(GOODBYE, self.streams.idle()).await;
        self.stop.cancel();
        let outcome = match timeout(GOODBYE, &mut self.task).await {
            Ok(outcome) => ended(outcome),
            Err(_) => Ok(()),
        };
        if leave == Leave::InOrder {
            // what streams have learnt last, and what is still to be written into the cache
            self.engine.close().await;
        }
        tracing::info!(stats = ?self.streams.stats(), "streams of this server");
        outcome
    }
}

/// What tells a server to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
        let listen =
            |kind| signal(kind).map_err(|error| CliError::write("listen for signals", &error));
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: listen(terminate)?, interrupt: listen(interrupt)? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn ended(outcome: Result<Served, tokio::task::JoinError>) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::coded("CF-CLI-004", &format!("server ended: {error}"))
    };
    outcome.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}
