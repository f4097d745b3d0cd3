//! TCP and HTTP/2 as the server speaks them.

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::cli::LifeArgs;

/// A peer that does not answer a ping for so long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// What clients may send before it is taken: requests are small. How much of a cube is on its way is
/// for the windows of the client to say.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Headers of a call in bytes; bearer tokens are the largest of them.
const MAX_HEADERS: u32 = 32 * 1024;

/// A server without services.
pub(super) fn server(life: &LifeArgs) -> Server {
    let server = Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(MAX_HEADERS)
        .max_concurrent_streams(life.max_concurrent_streams());
    // Without a grace: tonic cuts connections off at its end and does not ask them to finish before.
    match life.max_connection_age() {
        Some(age) => server.max_connection_age(age),
        None => server,
    }
}

/// Connections; tonic leaves the settings of TCP to who accepts them.
pub(super) fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE))
}
