//! `cubeflight demo`: the whole path on this machine, nothing needed from outside. A synthetic
//! archive behind an S3 server and a STAC API, indexed, served over Flight, pulled as a cube, drawn.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use cubeflight_catalog::{StacApi, StacApiOptions};
use cubeflight_engine::{Engine, EngineConfig};
use cubeflight_flight::Issuing;
use cubeflight_index::{Index, IndexOptions, build, candidates};
use cubeflight_proto::v1;
use cubeflight_sentinel2::{AssetId, Bounds, Level, MgrsTile, TimeRange};
use cubeflight_storage::{Credentials, Options, Root};
use cubeflight_testkit::archive::{Config as ArchiveConfig, Report};
use cubeflight_testkit::s3;
use cubeflight_testkit::stac::StacServer;

use crate::cli::{DemoArgs, LifeArgs, own_key};
use crate::commands::pull::cube::Cube;
use crate::commands::serve::Running;
use crate::commands::{self, print, pull};
use crate::error::CliError;
use crate::output::contact_sheet;

const TILE: &str = "33TVN";
const PERIOD: &str = "2021-01-01/2021-12-31";
const BANDS: [&str; 3] = ["B08", "B11", "SCL"];
/// A box of 10 km in UTM zone 33.
const BOUNDS: [f64; 4] = [449_030.0, 5_204_440.0, 459_660.0, 5_214_940.0];
/// Stores of the demo are in the bucket of the real archive.
const BUCKET: &str = "s3://eodata";

pub(crate) async fn run(args: DemoArgs) -> Result<(), CliError> {
    let begin = Instant::now();
    let report = archive(&args).await?;
    line(
        "archive",
        &format!(
            "{} products of {TILE}, {:.0} MB of JPEG 2000 in {}, {:.1} s",
            report.products,
            report.bytes as f64 / 1e6,
            args.out.join("eodata").display(),
            begin.elapsed().as_secs_f64()
        ),
    )?;

    let store = s3::Server::start(s3::Config::new(&args.out)).await?;
    line("store", &format!("S3 server at {}", store.endpoint()))?;
    let options = options(&store);
    let archive = Root::open(BUCKET, &options)?;
    let index = index(&args.out, &archive).await?;

    let items = StacServer::start(&args.out.join("stac"), ([127, 0, 0, 1], 0).into()).await?;
    line("catalog", &format!("STAC API at {}", items.url()))?;
    let catalog = StacApi::new(&items.url(), None, &options, StacApiOptions::default())?;
    let catalog = Arc::new(catalog);
    let engine = Engine::new(archive, index, catalog, EngineConfig::default())?;
    let issuing = Issuing::new(own_key()?);
    let server = Running::start(engine, args.listen, issuing, &LifeArgs::default()).await?;
    line("server", &server.url())?;

    store.take_requests();
    let begin = Instant::now();
    let (cube, summary) = pull::fetch(&server.url(), &request()).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let requests = store.take_requests();
    let bytes: u64 = requests.iter().map(|request| request.bytes).sum();
    line(
        "cube",
        &format!(
            "{} time steps of {} in {seconds:.2} s: {} JP2 tiles decoded, {} requests, {:.1} MB read",
            cube.steps.len(),
            BANDS.join(", "),
            summary.jp2_tiles,
            requests.len(),
            bytes as f64 / 1e6
        ),
    )?;
    print(&format!("\n{}\n", tree(&cube)))?;

    let picture = args.out.join("cube.png");
    draw(&picture, &cube)?;
    line("picture", &picture.display().to_string())?;
    if !args.serve {
        server.stop().await?;
        items.stop().await;
        store.stop().await;
        return Ok(());
    }
    print(&format!(
        "\nThe server goes on until Ctrl-C. In Python:\n\n    \
         import cubeflight\n    \
         client = cubeflight.connect(\"{}\")\n    \
         cube = client.search(\"{TILE}\", bands=[\"B08\", \"B11\", \"SCL\"], bounds={BOUNDS:?})\n",
        server.url()
    ))?;
    let outcome = server.until_told().await;
    items.stop().await;
    store.stop().await;
    outcome
}

/// Writes the archive; this is most of the demo's time.
async fn archive(args: &DemoArgs) -> Result<Report, CliError> {
    let time = TimeRange::from_str(PERIOD)?;
    let period = time.start.unwrap_or_default()..time.end.unwrap_or_default();
    let [min_x, min_y, max_x, max_y] = BOUNDS;
    let bands: Result<Vec<AssetId>, _> =
        BANDS.iter().map(|band| AssetId::parse(band, Level::L2A)).collect();
    let config = ArchiveConfig {
        bands: bands?,
        bounds: Some(Bounds::new(min_x, min_y, max_x, max_y)?),
        seed: args.seed,
        ..ArchiveConfig::new(
            &args.out,
            MgrsTile::from_str(TILE)?,
            (period.start, period.end),
            args.steps,
        )
    };
    commands::archive::write(config).await
}

fn options(store: &s3::Server) -> Options {
    let (key, secret) = s3::Config::KEY;
    Options {
        endpoint: Some(store.endpoint()),
        credentials: Some(Credentials::keys(key, secret)),
        ..Options::default()
    }
}

async fn index(out: &Path, archive: &Root) -> Result<Index, CliError> {
    let begin = Instant::now();
    let folder = out.join("index");
    let index = Index::new(Root::open_or_create(&folder.to_string_lossy(), &Options::default())?);
    let files = candidates(archive, None).await?;
    let report = build(archive, &index, files, &IndexOptions::default()).await?;
    line(
        "index",
        &format!(
            "{} files, {} of them new, {:.1} s",
            report.found,
            report.indexed,
            begin.elapsed().as_secs_f64()
        ),
    )?;
    Ok(index)
}

fn request() -> v1::CubeRequest {
    let [min_x, min_y, max_x, max_y] = BOUNDS;
    v1::CubeRequest {
        tile: TILE.to_owned(),
        datetime: PERIOD.to_owned(),
        bands: BANDS.map(str::to_owned).to_vec(),
        bounds: Some(v1::Bounds { min_x, min_y, max_x, max_y }),
        ..v1::CubeRequest::default()
    }
}

/// What a DataTree of the cube would show.
fn tree(cube: &Cube) -> String {
    let steps = cube.steps.len();
    let mut lines = vec!["<xarray.DataTree>".to_owned()];
    for column in &cube.columns {
        let (group, name) = column.path.rsplit_once('/').unwrap_or(("", &column.path));
        let megabytes = (steps * column.step_bytes()) as f64 / 1e6;
        let dtype = if column.element_bytes == 1 { "uint8" } else { "uint16" };
        lines.push(format!("  /{group}"));
        lines.push(format!(
            "      {name}  (time: {steps}, y: {}, x: {})  {dtype}  {megabytes:.0} MB",
            column.height, column.width
        ));
    }
    lines.join("\n")
}

fn draw(path: &Path, cube: &Cube) -> Result<(), CliError> {
    let file = File::create(path)
        .map_err(|error| CliError::write(&format!("write {}", path.display()), &error))?;
    contact_sheet::write(BufWriter::new(file), cube)
}

fn line(what: &str, text: &str) -> Result<(), CliError> {
    print(&format!("{what:<8} {text}"))
}
