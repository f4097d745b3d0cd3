//! The server: listens, and gives every connection to the gate.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::service::S3ServiceBuilder;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::{Keys, Limits};
use super::backend::Backend;
use super::directory::Directory;
use super::fault::{Faults, Script};
use super::gate::{Connection, Gate};
use super::log::{Log, Logged};
use super::pace::Line;
use super::profile::Profile;
use super::socket::{Reset, Socket};
use crate::{Error, Result};

/// How long requests may go on after [`Server::stop`].
const GRACE: Duration = Duration::from_secs(1);
/// Pause after a connection could not be accepted: too many open files, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is served, and how.
#[derive(Clone)]
pub struct Config {
    /// Its directories are the buckets.
    pub root: PathBuf,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Limits.
    pub profile: Profile,
    /// Access keys and their secrets.
    pub credentials: Vec<(String, String)>,
    /// Whether requests without signature are served; they share the limits of one credential.
    pub anonymous: bool,
    /// What goes wrong.
    pub faults: Faults,
    /// File that gets one JSON object a request and line; appended to.
    pub log: Option<PathBuf>,
}

impl Config {
    /// Access key and secret of [`Config::new`].
    pub const KEY: (&'static str, &'static str) = ("cubeflight", "cubeflight");

    /// On a free port of the loopback interface, without limits, with one credential
    /// ([`Config::KEY`]), without faults and log file.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let (key, secret) = Self::KEY;
        Self {
            root: root.into(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            profile: Profile::local(),
            credentials: vec![(key.to_owned(), secret.to_owned())],
            anonymous: false,
            faults: Faults::default(),
            log: None,
        }
    }
}

impl std::fmt::Debug for Config {
    /// Never shows a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.credentials.iter().map(|(key, _)| key).collect();
        f.debug_struct("Config")
            .field("root", &self.root)
            .field("listen", &self.listen)
            .field("profile", &self.profile)
            .field("credentials", &keys)
            .field("anonymous", &self.anonymous)
            .field("faults", &self.faults)
            .field("log", &self.log)
            .finish()
    }
}

/// A running server; dropping it stops it without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    log: Arc<Log>,
    script: Arc<Script>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Listens; requests are answered from now on.
    ///
    /// Fails when the root is no directory, the address cannot be listened on, or the log file
    /// cannot be opened.
    pub async fn start(config: Config) -> Result<Self> {
        let script = Arc::new(Script::new(config.faults));
        let directory = Directory::open(&config.root, Arc::clone(&script))
            .map_err(|source| Error::Root { path: config.root, source })?;
        let log = Arc::new(Log::open(config.log)?);
        let failed = |source| Error::Listen { address: config.listen, source };
        let listener = std::net::TcpListener::bind(config.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let mut service = S3ServiceBuilder::new(Backend::new(directory));
        service.set_auth(Keys::new(config.credentials));
        service.set_access(Limits::new(&config.profile, config.anonymous, Arc::clone(&script)));
        let stop = CancellationToken::new();
        let gate = Arc::new(Gate {
            service: service.build(),
            total: config.profile.total_rate.map(|rate| Arc::new(Line::new(rate))),
            profile: config.profile,
            log: Arc::clone(&log),
            stop: stop.clone(),
        });
        let tasks = TaskTracker::new();
        // A thread of its own: latencies that it promises do not hang on what else the process
        // does, and a request wakes one thread and not several in turn.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let serving = tasks.track_future(accept(listener, gate, tasks.clone()));
        let all = tasks.clone();
        let run = move || {
            runtime.block_on(async {
                serving.await;
                all.close();
                all.wait().await;
            });
        };
        std::thread::Builder::new().name("s3".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { address, log, script, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, `http://ADDRESS`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The newest requests whose responses are out, at most [`LOG_CAPACITY`](super::LOG_CAPACITY),
    /// in the order in which they ended. A client that has read a response to its end finds it
    /// here.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        self.log.newest()
    }

    /// The same, and forgets them.
    pub fn take_requests(&self) -> Vec<Logged> {
        self.log.take()
    }

    /// Starts another script of faults.
    pub fn set_faults(&self, faults: Faults) {
        self.script.replace(faults);
    }

    /// Takes no more requests, lets the running ones go on for a second, then closes the
    /// connections.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: std::net::TcpListener, gate: Arc<Gate>, tasks: TaskTracker) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot listen"),
    };
    loop {
        let accepted = tokio::select! {
            () = gate.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(serve(stream, Arc::clone(&gate)));
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, gate: Arc<Gate>) {
    // only costs latency if it fails
    let _ = stream.set_nodelay(true);
    let reset = Reset::default();
    let connection = Connection::new(Arc::clone(&gate), Arc::clone(&reset));
    let io = TokioIo::new(Socket::new(stream, reset));
    let service = service_fn(move |request| connection.clone().answer(request));
    let serving = http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = gate.stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        // the client left, or a fault asked for it
        tracing::debug!(%error, "connection ended");
    }
}
