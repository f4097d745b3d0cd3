//! What range requests cost the S3 server: its processor time at 100 requests a second.
//!
//! ```text
//! cargo run --release -p cubeflight-testkit --example s3_cost [-- SECONDS]
//! ```
//!
//! The server is a process of its own, so that the client does not count. Linux only.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cubeflight_storage::{Credentials, Options, Path, RetryPolicy, Root};
use cubeflight_testkit::s3::{Config, Server};

const RATE: u32 = 100;
const OBJECT: u64 = 64 << 20;
/// Clock ticks per second in /proc (proc(5), USER_HZ), on every Linux there is.
const TICKS: f64 = 100.0;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, root] = arguments.as_slice()
        && word == "serve"
    {
        return serve(root).await;
    }
    let seconds: u32 = arguments.first().map_or(Ok(20), |text| text.parse())?;

    let root = std::env::temp_dir().join(format!("cubeflight-s3-cost-{}", std::process::id()));
    std::fs::create_dir_all(root.join("bucket"))?;
    let object = std::fs::File::create(root.join("bucket/x"))?;
    (&object).write_all(&vec![7; usize::try_from(OBJECT)?])?;
    drop(object);
    let outcome = measure(&root, seconds).await;
    std::fs::remove_dir_all(&root)?;
    outcome
}

async fn serve(root: &str) -> Outcome<()> {
    let server = Server::start(Config::new(root)).await?;
    println!("{}", server.endpoint());
    // until the parent closes it
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    server.stop().await;
    Ok(())
}

async fn measure(root: &std::path::Path, seconds: u32) -> Outcome<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let outcome = drive(&mut child, seconds).await;
    drop(child.stdin.take());
    child.wait()?;
    outcome
}

async fn drive(child: &mut Child, seconds: u32) -> Outcome<()> {
    let mut endpoint = String::new();
    BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut endpoint)?;
    let (key, secret) = Config::KEY;
    let options = Options {
        endpoint: Some(endpoint.trim().to_owned()),
        credentials: Some(Credentials::keys(key, secret)),
        retry: RetryPolicy::off(),
        ..Options::default()
    };
    let store = Root::open("s3://bucket", &options)?;
    println!("range       requests/s   processor time of the server");
    for size in [256, 64 << 10, 256 << 10, 512 << 10, 1 << 20] {
        // connections and caches are warm
        run(&store, size, 1).await?;
        let before = cpu_seconds(child.id())?;
        let start = Instant::now();
        run(&store, size, seconds).await?;
        let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds(child.id())? - before);
        let achieved = f64::from(seconds * RATE) / wall;
        println!("{size:>8} B   {achieved:>8.1}     {:.2} % of a core", 100.0 * cpu / wall);
    }
    Ok(())
}

/// `RATE` requests a second, evenly, whether or not the ones before have ended.
async fn run(store: &Root, size: u64, seconds: u32) -> Outcome<()> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..u64::from(seconds * RATE) {
        ticks.tick().await;
        let store = store.clone();
        let offset = (number * 7_919_333) % (OBJECT - size);
        requests.spawn(async move {
            store.get_range(&Path::from("x"), offset..offset + size).await.map(drop)
        });
    }
    while let Some(outcome) = requests.join_next().await {
        outcome??;
    }
    Ok(())
}

/// User and system time of a process (proc(5), fields 14 and 15 of stat).
fn cpu_seconds(process: u32) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(')').ok_or("no stat")?.1;
    let ticks = |field: usize| -> Outcome<f64> {
        Ok(fields.split_whitespace().nth(field - 3).ok_or("no such field")?.parse()?)
    };
    Ok((ticks(14)? + ticks(15)?) / TICKS)
}
