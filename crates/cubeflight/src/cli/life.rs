//! Flags of the life of connections and streams.

use std::time::Duration;

use clap::Args;
use cubeflight_flight::Options;

const KEEP_ALIVE: u64 = 5;
const GRACE: u64 = 30;
const CONCURRENT_STREAMS: u32 = 100;

/// How long what may last.
#[derive(Debug, Clone, Args)]
pub(crate) struct LifeArgs {
    /// Seconds of silence after which a stream gives an empty batch, because proxies end streams that
    /// are silent for long. 0 leaves it silent
    #[arg(long, default_value_t = KEEP_ALIVE, value_name = "SECONDS", env = "CUBEFLIGHT_KEEP_ALIVE")]
    keep_alive: u64,

    /// Seconds that running streams may go on after SIGTERM or SIGINT, while new calls are refused
    #[arg(long, default_value_t = GRACE, value_name = "SECONDS", env = "CUBEFLIGHT_GRACE")]
    grace: u64,

    /// The longest that a stream may take. Default: as long as it needs, or as its client waits
    #[arg(long, value_name = "SECONDS", env = "CUBEFLIGHT_MAX_STREAM_SECONDS")]
    max_stream_seconds: Option<u64>,

    /// Seconds after which a connection takes no new calls, so that clients behind a balancer spread
    /// over new servers; those that run on it go on. 0 is never
    #[arg(
        long,
        default_value_t = 0,
        value_name = "SECONDS",
        env = "CUBEFLIGHT_MAX_CONNECTION_AGE"
    )]
    max_connection_age: u64,

    /// Calls at a time on one connection; further ones wait
    #[arg(
        long,
        default_value_t = CONCURRENT_STREAMS,
        value_name = "N",
        env = "CUBEFLIGHT_MAX_CONCURRENT_STREAMS"
    )]
    max_concurrent_streams: u32,

    /// Tell who asks (grpc.reflection.v1) which services and messages there are
    #[arg(long, env = "CUBEFLIGHT_REFLECTION")]
    pub(crate) reflection: bool,
}

impl LifeArgs {
    pub(crate) fn options(&self) -> Options {
        Options::default()
            .with_keep_alive(Duration::from_secs(self.keep_alive))
            .with_longest_stream(self.max_stream_seconds.map(Duration::from_secs))
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }

    pub(crate) fn max_connection_age(&self) -> Option<Duration> {
        (self.max_connection_age > 0).then(|| Duration::from_secs(self.max_connection_age))
    }

    pub(crate) fn max_concurrent_streams(&self) -> u32 {
        self.max_concurrent_streams.max(1)
    }
}

impl Default for LifeArgs {
    fn default() -> Self {
        Self {
            keep_alive: KEEP_ALIVE,
            grace: GRACE,
            max_stream_seconds: None,
            max_connection_age: 0,
            max_concurrent_streams: CONCURRENT_STREAMS,
            reflection: false,
        }
    }
}
