//! `cubeflight pull`: a cube from a server into a file.

use arrow_array::RecordBatch;
use arrow_flight::Ticket;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use cubeflight_proto::v1;
use futures::{StreamExt, TryStreamExt};

use crate::cli::PullArgs;
use crate::commands::{connect, flight_info};
use crate::error::CliError;
use crate::output::{picture, zarr};
use crate::request;

pub(crate) mod cube;
mod npz;
pub(crate) mod step;

use cube::Cube;

pub(crate) async fn run(args: PullArgs) -> Result<(), CliError> {
    let extension = args.out.extension().and_then(|extension| extension.to_str());
    if !matches!(extension, Some("npz" | "png" | "zarr")) {
        let text = format!("{}: end the name in .npz, .png or .zarr", args.out.display());
        return Err(CliError::usage(&text));
    }
    if args.request.windows.is_some() && extension != Some("npz") {
        return Err(CliError::usage("--windows needs .npz: a picture or a .zarr holds one window"));
    }
    let (cube, summary) = fetch(&args.server, &request::wire(&args.request)?).await?;
    eprintln!("{} time steps of {} bands", cube.steps.len(), summary.shapes.len());
    if extension == Some("zarr") {
        return zarr::write(&args.out, &cube);
    }
    let file = std::fs::File::create(&args.out)
        .map_err(|error| CliError::write(&format!("write {}", args.out.display()), &error))?;
    let file = std::io::BufWriter::new(file);
    match extension {
        Some("png") => picture::write(file, &cube, args.step),
        _ => npz::write(file, &cube),
    }
}

/// Fetches a cube into memory, and says what was planned for it.
pub(crate) async fn fetch(
    server: &str,
    request: &v1::CubeRequest,
) -> Result<(Cube, v1::PlanSummary), CliError> {
    let mut client = connect(server).await?;
    let (info, summary) = flight_info(&mut client, request).await?;
    for missing in &summary.missing {
        eprintln!("left out: {} ({}): {}", missing.id, missing.code, missing.reason);
    }
    let schema = info.clone().try_decode_schema().map_err(|error| promised(&error))?;
    let mut cube = Cube::new(&schema, summary.time_steps as usize)?;
    for endpoint in info.endpoint {
        let ticket = endpoint.ticket.unwrap_or_else(|| Ticket::new(Vec::new()));
        let stream = client.do_get(ticket).await.map_err(|status| CliError::server(&status))?;
        let messages = stream.into_inner().map_err(|status| FlightError::Tonic(Box::new(status)));
        let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
        while let Some(batch) = batches.next().await {
            let batch: RecordBatch = batch.map_err(|error| match error {
                FlightError::Tonic(status) => CliError::server(&status),
                other => promised(&other),
            })?;
            cube.add(&batch)?;
        }
    }
    cube.finish()?;
    for (column, code, message) in &cube.errors {
        eprintln!("fill in {column}: {code} {message}");
    }
    Ok((cube, summary))
}

fn promised(error: &dyn std::fmt::Display) -> CliError {
    CliError::coded("CF-CLI-005", error)
}
