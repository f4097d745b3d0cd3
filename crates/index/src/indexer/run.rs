//! One run of the indexer.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cubeflight_sentinel2::{ProductId, Resolution};
use cubeflight_storage::Root;
use cubeflight_tlm::{RecordSource, TlmRecord};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::expand::{self, Item};
use super::known;
use super::scope::Outside;
use super::tally::Tally;
use super::write::Writer;
use super::{Candidate, Failure, IndexOptions, Report, Skipped, Source};
use crate::{Error, Index, MAX_WHOLE_READ, Result, scan_asset_with};

/// Files that are found before they are scanned, some 500 bytes each: far enough ahead for the
/// time that is left to be told.
const LOOK_AHEAD: usize = 20_000;
/// Products that are looked up in the index together, and files at most.
const PRODUCTS: usize = 32;
const FILES: usize = 1_000;
/// Failures that are reported one by one; of more only the number is known.
const REPORTED: usize = 100_000;
/// Scans that may fail one after the other for passing reasons before the store counts as down.
const IN_A_ROW: usize = 16;

/// Indexes files of an archive.
#[derive(Debug)]
pub struct Indexer {
    archive: Root,
    index: Index,
    options: IndexOptions,
    tally: Arc<Tally>,
}

/// What the finding half of a run found.
#[derive(Default)]
struct Finding {
    skipped: Skipped,
    failed: Vec<Failure>,
}

impl Indexer {
    /// Of the files in `archive`, records for `index`.
    pub fn new(archive: Root, index: Index, options: IndexOptions) -> Self {
        Self { archive, index, options, tally: Arc::default() }
    }

    /// How far it is, for who watches.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Indexes what the source finds, until its end or until `stop`. Whatever ends the run, what
    /// has been scanned is written.
    pub async fn run(&self, source: Source<'_>, stop: &CancellationToken) -> Report {
        let (sender, receiver) = mpsc::channel(LOOK_AHEAD);
        let mut finding = Finding::default();
        let mut report = Report::default();
        let find = self.find(source, sender, &mut finding);
        report.stopped = self.scan(find, receiver, stop, &mut report).await.err();
        let progress = self.tally.progress();
        (report.found, report.known) = (progress.found, progress.known);
        report.skipped = finding.skipped;
        finding.failed.append(&mut report.failed);
        report.failed = finding.failed;
        report
    }

    /// Finds files and hands those that the index does not know to the scans.
    async fn find(
        &self,
        source: Source<'_>,
        queue: mpsc::Sender<Candidate>,
        finding: &mut Finding,
    ) -> Result<()> {
        let scope = &self.options.scope;
        let expanded = source
            .map(|found| async { expand::expand(&self.archive, scope, found?).await })
            .buffered(expand::AT_ONCE);
        let mut expanded = pin!(expanded);
        let mut last = None;
        let (mut files, mut products) = (Vec::new(), HashSet::new());
        let mut outcome = Ok(());
        while let Some(items) = expanded.next().await {
            let items = match items {
                Ok(items) => items,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };
            for item in items {
                if let Some(file) = self.admit(item, &mut last, finding) {
                    products.insert(file.source.product.clone());
                    files.push(file);
                }
            }
            if products.len() >= PRODUCTS || files.len() >= FILES {
                products.clear();
                self.offer(std::mem::take(&mut files), &queue).await?;
            }
        }
        self.offer(files, &queue).await?;
        outcome
    }

    /// Counts what was come across, and gives it back where it is to be indexed.
    fn admit(
        &self,
        item: Item,
        last: &mut Option<ProductId>,
        finding: &mut Finding,
    ) -> Option<Candidate> {
        let file = match item {
            Item::File(file) => file,
            Item::Failed(failure) => {
                self.fail(&mut finding.failed, failure);
                return None;
            }
            Item::Skipped(id, outside) => {
                // the files of a product follow each other
                if last.as_ref() != Some(&id) {
                    match outside {
                        Outside::Filtered => finding.skipped.filtered += 1,
                        Outside::OtherShard => finding.skipped.other_shards += 1,
                    }
                    *last = Some(id);
                }
                return None;
            }
        };
        let RecordSource { product, asset, .. } = &file.source;
        if !self.options.scope.assets.admit(product.level(), *asset) {
            finding.skipped.other_assets += 1;
            return None;
        }
        Tally::add(&self.tally.found, 1);
        Some(file)
    }

    async fn offer(
        &self,
        mut files: Vec<Candidate>,
        queue: &mpsc::Sender<Candidate>,
    ) -> Result<()> {
        // lists and catalogues may name a file twice
        let mut seen = HashSet::new();
        let found = files.len();
        files.retain(|file| seen.insert(file.path.clone()));
        let unknown = known::unknown(&self.index, files, self.options.detail).await?;
        Tally::add(&self.tally.known, found - unknown.len());
        let work = unknown.iter().map(|file| self.expected_requests(file)).sum();
        Tally::add(&self.tally.work, work);
        for file in unknown {
            if queue.send(file).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn scan(
        &self,
        find: impl Future<Output = Result<()>> + Send,
        queue: mpsc::Receiver<Candidate>,
        stop: &CancellationToken,
        report: &mut Report,
    ) -> Result<()> {
        let IndexOptions { batch, flush_every, detail, .. } = self.options;
        let concurrency = match self.options.concurrency {
            0 => self.archive.max_connections().saturating_mul(2),
            number => number,
        };
        let queue = stream::unfold(queue, |mut queue| async move {
            let file = queue.recv().await?;
            Some((file, queue))
        });
        let scans = queue
            .map(|file| async {
                let Candidate { source, path, size } = file.clone();
                (file, scan_asset_with(&self.archive, &path, source, Some(size), detail).await)
            })
            .buffer_unordered(concurrency);
        let (mut find, mut scans) = (pin!(find), pin!(scans));
        let mut finding = true;
        let mut writer = Writer::new(&self.index, batch);
        let every = flush_every.max(Duration::from_millis(1));
        let mut flush = interval_at(Instant::now() + every, every);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outcome = Ok(());
        let mut in_a_row = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    report.interrupted = true;
                    break;
                }
                ended = &mut find, if finding => {
                    finding = false;
                    self.tally.all_found.store(true, Ordering::Relaxed);
                    // what was found until then is scanned all the same
                    outcome = ended;
                }
                next = scans.next(), if !writer.is_full() => {
                    let Some((file, scanned)) = next else { break };
                    let down = self.done(&file, scanned, &mut writer, report, &mut in_a_row);
                    if let Some(error) = down.filter(|_| in_a_row >= IN_A_ROW.max(concurrency)) {
                        outcome = Err(error);
                        break;
                    }
                }
                written = writer.written(report), if writer.is_writing() => {
                    if let Err(error) = written {
                        outcome = Err(error);
                        break;
                    }
                }
                _ = flush.tick() => writer.start(true),
            }
            writer.start(false);
        }
        if let Err((records, error)) = writer.finish(report).await {
            tracing::error!(records, "scanned, but not written");
            return Err(error);
        }
        outcome
    }

    /// Takes the outcome of a scan; gives the error back where the store failed.
    fn done(
        &self,
        file: &Candidate,
        scanned: Result<TlmRecord>,
        writer: &mut Writer<'_>,
        report: &mut Report,
        in_a_row: &mut usize,
    ) -> Option<Error> {
        Tally::add(&self.tally.work_done, self.expected_requests(file));
        match scanned {
            Ok(record) => {
                *in_a_row = 0;
                Tally::add(&self.tally.scanned, 1);
                writer.push(record);
                None
            }
            Err(error) => {
                self.fail(&mut report.failed, Failure::new(file.source.key.clone(), &error));
                if !error.is_transient() {
                    *in_a_row = 0;
                    return None;
                }
                *in_a_row += 1;
                Some(error)
            }
        }
    }

    fn fail(&self, failures: &mut Vec<Failure>, failure: Failure) {
        Tally::add(&self.tally.failed, 1);
        if failures.len() < REPORTED {
            failures.push(failure);
        }
    }

    /// What a scan of the file will take, by its kind, for the time that is left.
    fn expected_requests(&self, file: &Candidate) -> usize {
        if file.size <= MAX_WHOLE_READ {
            return 1;
        }
        if known::has_tlm(&file.source.product) {
            return 2;
        }
        match file.source.asset.resolution {
            Resolution::R10m => 121,
            Resolution::R20m => 81,
            Resolution::R60m => 100,
        }
    }
}
