//! One module per command.

#[cfg(feature = "demo")]
pub(crate) mod archive;
#[cfg(feature = "demo")]
pub(crate) mod demo;
pub(crate) mod index;
pub(crate) mod inspect;
pub(crate) mod plan;
pub(crate) mod pull;
pub(crate) mod read;
#[cfg(feature = "demo")]
pub(crate) mod s3;
pub(crate) mod serve;
#[cfg(feature = "demo")]
pub(crate) mod stac;
pub(crate) mod tlm;

use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{FlightDescriptor, FlightInfo};
use cubeflight_proto::{encode_request_json, v1};
use tonic::transport::{Channel, Endpoint};

use crate::error::CliError;

/// Largest message taken from a server; servers send 4 MiB unless asked for more.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// Connects to `grpc://host:port` (also `grpc+tcp://`, `http://`).
async fn connect(server: &str) -> Result<FlightServiceClient<Channel>, CliError> {
    let address = ["grpc://", "grpc+tcp://", "http://"]
        .into_iter()
        .find_map(|scheme| server.strip_prefix(scheme))
        .ok_or_else(|| {
            CliError::usage(&format!("{server:?} is no server: use grpc://host:port"))
        })?;
    let failed = |error: tonic::transport::Error| {
        CliError::coded("CF-CLI-004", &format!("cannot reach {server}: {error}"))
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(failed)?;
    let channel = endpoint.connect_timeout(Duration::from_secs(10)).connect().await;
    let client = FlightServiceClient::new(channel.map_err(failed)?);
    Ok(client.max_decoding_message_size(MAX_MESSAGE))
}

/// GetFlightInfo, with its summary.
async fn flight_info(
    client: &mut FlightServiceClient<Channel>,
    request: &v1::CubeRequest,
) -> Result<(FlightInfo, v1::PlanSummary), CliError> {
    let descriptor = FlightDescriptor::new_cmd(encode_request_json(request)?);
    let info = client.get_flight_info(descriptor).await;
    let info = info.map_err(|status| CliError::server(&status))?.into_inner();
    let summary = serde_json::from_slice(&info.app_metadata).map_err(|error| {
        CliError::coded("CF-CLI-005", &format!("plan summary is unreadable: {error}"))
    })?;
    Ok((info, summary))
}

/// Prints one JSON document on stdout.
fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value);
    print(&text.map_err(|error| CliError::write("write JSON", &error))?)
}

/// Prints a line on stdout. A reader that has gone away (`| head`) is no failure.
fn print(text: &str) -> Result<(), CliError> {
    use std::io::Write as _;
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::write("write to stdout", &error))
        }
        _ => Ok(()),
    }
}
