//! `cubeflight index`.

mod sources;

use std::time::{Duration, Instant};

use cubeflight_catalog::StacApi;
use cubeflight_index::{Assets, IndexOptions, Indexer, Report, Scope};
use cubeflight_sentinel2::Wanted;
use cubeflight_storage::{Counters, Options, Root};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::sources::Place;
use crate::cli::IndexArgs;
use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::progress::Watch;
use crate::request::words;

/// Failures named on stderr; `--json` lists all.
const NAMED: usize = 1_000;

pub(crate) async fn run(args: IndexArgs) -> Result<(), CliError> {
    let begin = Instant::now();
    let options = args.limits.options()?;
    let archive_options = Options { aliases: args.store_alias.clone(), ..options.clone() };
    let archive = Root::open(&args.store, &archive_options)?;
    let store = Root::open_or_create(&args.index, &options)?;
    let assets =
        Assets::parse(&words(&args.assets)).map_err(|error| CliError::usage(&error.to_string()))?;
    let wanted =
        Wanted { level: args.collection, tile: args.tile, time: args.datetime.unwrap_or_default() };
    let scope = Scope { wanted, assets, shard: args.shard };
    let place = Place::open(&args, &archive, &options)?;
    let api = place.api();
    let source = place.source(&scope);
    let index_options = IndexOptions {
        concurrency: args.concurrency,
        flush_every: Duration::from_secs_f64(args.flush_every),
        detail: args.detail,
        scope: scope.clone(),
        ..IndexOptions::default()
    };
    let indexer = Indexer::new(archive.clone(), args.owner.index(store.clone())?, index_options);
    let stop = stop_on_signals()?;
    let watch = Watch::start(indexer.tally(), archive.clone());
    let report = indexer.run(source, &stop).await;
    watch.finish();

    let run = Run { seconds: begin.elapsed().as_secs_f64(), archive, store, api, report };
    if args.json {
        print_json(&run.json())?
    } else {
        print(&run.text())?
    }
    run.outcome()
}

/// Cancelled by SIGINT and SIGTERM.
fn stop_on_signals() -> Result<CancellationToken, CliError> {
    let failed = |error: std::io::Error| CliError::write("listen for signals", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop: what is scanned will be written");
        told.cancel();
    });
    Ok(stop)
}

struct Run {
    seconds: f64,
    archive: Root,
    store: Root,
    api: Option<StacApi>,
    report: Report,
}

impl Run {
    /// Of both stores, and of the catalogue where it is a service.
    fn counters(&self) -> Counters {
        let api = self.api.as_ref().map(StacApi::counters);
        let counted = [Some(self.archive.counters()), Some(self.store.counters()), api];
        counted.into_iter().flatten().fold(Counters::default(), |sum, it| Counters {
            requests: sum.requests + it.requests,
            bytes: sum.bytes + it.bytes,
            retries: sum.retries + it.retries,
        })
    }

    fn json(&self) -> Value {
        let Report { found, indexed, known, failed, skipped, files, stopped, interrupted } =
            &self.report;
        let failed: Vec<_> = failed
            .iter()
            .map(|it| json!({ "key": it.key, "code": it.code, "reason": it.reason }))
            .collect();
        let stopped = stopped
            .as_ref()
            .map(|error| json!({ "code": error.code(), "reason": error.to_string() }));
        let Counters { requests, bytes, retries } = self.counters();
        json!({
            "found": found,
            "indexed": indexed,
            "known": known,
            "failed": failed,
            "skipped": {
                "other_shards": skipped.other_shards,
                "filtered": skipped.filtered,
                "other_assets": skipped.other_assets,
            },
            "requests": requests,
            "retries": retries,
            "bytes": bytes,
            "seconds": self.seconds,
            "rate": requests as f64 / self.seconds.max(1e-3),
            "files": files,
            "stopped": stopped,
            "interrupted": interrupted,
        })
    }

    fn text(&self) -> String {
        let Report { found, indexed, known, failed, .. } = &self.report;
        let Counters { requests, bytes, .. } = self.counters();
        format!(
            "{found} files found, {indexed} indexed, {known} known before, {} failed; {requests} \
             requests, {:.1} MB, {:.1} s; index {}",
            failed.len(),
            bytes as f64 / 1e6,
            self.seconds,
            self.store.url()
        )
    }

    /// How the command ends; names what failed.
    fn outcome(self) -> Result<(), CliError> {
        let Report { failed, stopped, interrupted, .. } = self.report;
        for failure in failed.iter().take(NAMED) {
            let text = format!("{}: {}", failure.key, failure.reason);
            eprintln!("failed: {}", CliError::coded(failure.code, &text));
        }
        if failed.len() > NAMED {
            eprintln!("failed: {} more, see --json", failed.len() - NAMED);
        }
        if let Some(error) = stopped {
            return Err(error.into());
        }
        if interrupted {
            let text = "interrupted; what was scanned is written, run it again to go on";
            return Err(CliError::coded("CF-CLI-021", &text));
        }
        match failed.len() {
            0 => Ok(()),
            number => {
                let text = format!("{number} files could not be indexed, the others are");
                Err(CliError::coded("CF-CLI-020", &text))
            }
        }
    }
}
