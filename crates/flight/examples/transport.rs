//! What the transport alone gives: pixels that are in memory already go through the service's encoding
//! and trailers to a client on this machine, beside a minimal Arrow Flight server that sends the same
//! pixels in messages of the same size.
//!
//! Both run in this process, by turns, over TCP with the same settings; the client takes messages and
//! looks at nothing in them. Everything that is sent is made before the clock starts. Prints GB/s of
//! pixels, the median of some rounds, and what the service has of the better one of two minimal
//! servers: one encodes with `FlightDataEncoder`, one sends messages that were encoded before.
//!
//! `make bench-transport`, or with arguments: rounds, MiB a round. Ends with 1 where the ratio is below
//! the target.

// Helpers of benchmarks are no part of the program.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use arrow_schema::SchemaRef;
use cubeflight_batch::{cube_schema, encode_row, encode_schema};
use cubeflight_engine::{Block, Pixels};
use cubeflight_flight::{Encoder, WithTrailers, row_of};
use cubeflight_plan::{Layout, LayoutRequest, PlannedStep, StepMetadata};
use cubeflight_sentinel2::{
    Align, AssetId, Bounds, Compression, DEFAULT_MESSAGE_BYTES, Level, Radiometry, TimeRange,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// The service must have this share of the better minimal server.
const TARGET: f64 = 0.9;
/// As `cubeflight serve` has it.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

type Answer<T> = Result<Response<T>, Status>;
type Items<T> = BoxStream<'static, Result<T, Status>>;

/// What a stream sends.
enum Load {
    Service(Encoder, Vec<Block>),
    Encoder(SchemaRef, Vec<RecordBatch>),
    Encoded(Vec<FlightData>),
}

/// A server that sends what was put into it, one load a call.
#[derive(Clone, Default)]
struct Bench(Arc<Mutex<VecDeque<Load>>>);

impl Bench {
    fn put(&self, load: Load) {
        self.0.lock().unwrap().push_back(load);
    }
}

#[tonic::async_trait]
impl FlightService for Bench {
    type HandshakeStream = Items<HandshakeResponse>;
    type ListFlightsStream = Items<FlightInfo>;
    type DoGetStream = Items<FlightData>;
    type DoPutStream = Items<PutResult>;
    type DoActionStream = Items<arrow_flight::Result>;
    type ListActionsStream = Items<ActionType>;
    type DoExchangeStream = Items<FlightData>;

    async fn do_get(&self, _: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let load = self.0.lock().unwrap().pop_front();
        let messages = match load.ok_or_else(|| Status::not_found("nothing to send"))? {
            Load::Service(encoder, blocks) => {
                let first = encoder.first();
                let rows = encoder.messages(stream::iter(blocks.into_iter().map(Ok)));
                stream::once(async { Ok(first) }).chain(rows).boxed()
            }
            Load::Encoder(schema, batches) => FlightDataEncoderBuilder::new()
                .with_schema(schema)
                // a row cannot be cut
                .with_max_flight_data_size(usize::MAX / 2)
                .build(stream::iter(batches.into_iter().map(Ok::<_, FlightError>)))
                .map_err(Status::from)
                .boxed(),
            Load::Encoded(messages) => stream::iter(messages.into_iter().map(Ok)).boxed(),
        };
        Ok(Response::new(messages))
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        Err(Status::unimplemented(""))
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        Err(Status::unimplemented(""))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        Err(Status::unimplemented(""))
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        Err(Status::unimplemented(""))
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<PollInfo> {
        Err(Status::unimplemented(""))
    }

    async fn list_actions(&self, _: Request<Empty>) -> Answer<Self::ListActionsStream> {
        Err(Status::unimplemented(""))
    }

    async fn do_action(&self, _: Request<Action>) -> Answer<Self::DoActionStream> {
        Err(Status::unimplemented(""))
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        Err(Status::unimplemented(""))
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Answer<Self::DoExchangeStream> {
        Err(Status::unimplemented(""))
    }
}

/// A cube whose messages have one size.
struct Cube {
    name: &'static str,
    layout: Arc<Layout>,
    schema: SchemaRef,
    step: PlannedStep,
}

impl Cube {
    fn new(name: &'static str, bands: &[&str], bounds: Option<Bounds>) -> Self {
        let assets: Vec<_> =
            bands.iter().map(|band| AssetId::parse(band, Level::L2A).unwrap()).collect();
        let layout = Layout::new(&LayoutRequest {
            level: Level::L2A,
            tile: "33TVN".parse().unwrap(),
            assets: &assets,
            bounds,
            windows: &[],
            align: Align::Centre,
            reduce: 0,
            radiometry: Radiometry::Raw,
            mask: None,
            min_valid: None,
            max_message_bytes: DEFAULT_MESSAGE_BYTES,
        });
        let layout = Arc::new(layout.unwrap());
        let schema = cube_schema(&layout, &TimeRange::default(), "{}", None).unwrap();
        let step = PlannedStep {
            time: "2021-01-03T10:14:11Z".parse().unwrap(),
            product_ids: Vec::new(),
            metadata: StepMetadata::default(),
            parts: Vec::new(),
            mask: None,
        };
        Self { name, layout, schema: Arc::new(schema), step }
    }

    /// A row-block of pixels that are not all the same.
    fn block(&self, number: u16) -> Block {
        let mut pixels: Vec<Pixels> = self.layout.columns.iter().map(Pixels::fill).collect();
        for buffer in &mut pixels {
            match buffer {
                Pixels::U8(values) => (0..).zip(values).for_each(|(n, v)| *v = (n % 251) as u8),
                Pixels::U16(values) => {
                    (0..).zip(values).for_each(|(n, v): (u32, _)| *v = (n % 9973) as u16);
                }
                Pixels::F32(values) => values.fill(0.5),
            }
        }
        Block::of_pixels(0, number, pixels)
    }

    fn batch(&self, number: u16) -> RecordBatch {
        let row = row_of(&self.layout, &self.step, self.block(number));
        row.into_batch(&self.layout, &self.schema).unwrap()
    }

    fn load(&self, kind: usize, blocks: u16) -> Load {
        let schema = Arc::clone(&self.schema);
        match kind {
            0 => {
                let steps = std::slice::from_ref(&self.step);
                let layout = Arc::clone(&self.layout);
                let encoder = Encoder::new(layout, schema, steps, Compression::None);
                Load::Service(encoder, (0..blocks).map(|n| self.block(n)).collect())
            }
            1 => Load::Encoder(schema, (0..blocks).map(|n| self.batch(n)).collect()),
            _ => {
                let rows = (0..blocks).map(|n| encode_row(&self.batch(n), "{}").unwrap());
                Load::Encoded(std::iter::once(encode_schema(&schema)).chain(rows).collect())
            }
        }
    }
}

/// Names of the loads.
const KINDS: [&str; 3] = ["cubeflight", "FlightDataEncoder", "encoded before"];

/// The servers: the service's layer of trailers around the first, none around the others.
async fn serve(trailers: bool) -> (Bench, FlightServiceClient<Channel>) {
    let bench = Bench::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpListenerStream::new(listener);
    let mut server = Server::builder().initial_stream_window_size(STREAM_WINDOW).tcp_nodelay(true);
    let service = FlightServiceServer::new(bench.clone());
    match trailers {
        true => {
            let router = server.add_service(WithTrailers::new(service));
            tokio::spawn(router.serve_with_incoming(incoming));
        }
        false => {
            tokio::spawn(server.add_service(service).serve_with_incoming(incoming));
        }
    }
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let endpoint = endpoint.initial_stream_window_size(STREAM_WINDOW).tcp_nodelay(true);
    (bench, FlightServiceClient::new(endpoint.connect().await.unwrap()))
}

/// Bytes of all bodies of a stream.
async fn take(client: &mut FlightServiceClient<Channel>) -> u64 {
    let mut messages = client.do_get(Ticket::new("")).await.unwrap().into_inner();
    let mut bytes = 0;
    while let Some(message) = messages.try_next().await.unwrap() {
        bytes += message.data_body.len() as u64;
    }
    bytes
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Number and kind of the processors, and how the program was built.
fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let build = if cfg!(debug_assertions) { "dev profile" } else { "release profile" };
    format!("{cpus} x {model}, {build}")
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let (rounds, mib) = (arguments.next().unwrap_or(9), arguments.next().unwrap_or(256));
    let seed = Bounds::new(449_030.3, 5_204_447.6, 459_657.8, 5_214_944.1).unwrap();
    let small = Bounds::new(449_030.3, 5_204_447.6, 451_030.3, 5_206_447.6).unwrap();
    let cubes = [
        Cube::new("a step in one message", &["B08", "B11", "SCL"], Some(seed)),
        Cube::new("a row-block of a whole tile", &["B02", "B03", "B04", "B08"], None),
        Cube::new("a step of 2 km", &["B08", "B11", "SCL"], Some(small)),
    ];
    println!("{}; loopback, medians of {rounds} rounds of {mib} MiB", machine());
    println!(
        "{:30} {:>9} {:>11} {:>19} {:>15} {:>6}",
        "", "message", KINDS[0], KINDS[1], KINDS[2], "ratio"
    );
    let mut servers = Vec::new();
    for kind in 0..KINDS.len() {
        servers.push(serve(kind == 0).await);
    }
    let mut good = true;
    for cube in &cubes {
        let size = cube.layout.block_bytes();
        let blocks = u16::try_from((mib << 20) / size).unwrap_or(u16::MAX).max(1);
        let pixels = f64::from(blocks) * size as f64;
        let mut speeds = vec![Vec::new(); KINDS.len()];
        // one round more, which warms up
        for round in 0..=rounds {
            for (kind, (bench, client)) in servers.iter_mut().enumerate() {
                bench.put(cube.load(kind, blocks));
                let begin = Instant::now();
                let bytes = take(client).await;
                let seconds = begin.elapsed().as_secs_f64();
                assert!(bytes as f64 >= pixels, "{bytes} bytes came of {pixels}");
                if round > 0 {
                    speeds[kind].push(pixels / seconds / 1e9);
                }
            }
        }
        let [service, encoder, encoded] =
            <[f64; 3]>::try_from(speeds.into_iter().map(median).collect::<Vec<_>>()).unwrap();
        let ratio = service / encoder.max(encoded);
        good &= ratio >= TARGET;
        println!(
            "{:30} {:>5.2} MiB {service:>6.2} GB/s {encoder:>14.2} GB/s {encoded:>10.2} GB/s {ratio:>6.2}",
            cube.name,
            size as f64 / f64::from(1 << 20),
        );
    }
    if good {
        return ExitCode::SUCCESS;
    }
    println!("below the target of {TARGET}");
    ExitCode::FAILURE
}
