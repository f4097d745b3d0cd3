//! From a plan to row-blocks.
//!
//! One task per stream walks the plan. It opens the row-blocks that the next reads fill, as far
//! ahead as the look-ahead allows, and spawns the reads; each read decodes its tiles in the pool
//! and writes into the open blocks. A second future (`hand_out`) waits for the blocks, in order or
//! whichever is complete first, and hands them out. Bytes are returned to the look-ahead when a
//! block is dropped, so a client that stops reading stops everything. Dropping the stream ends all
//! of it: reads are aborted, decoder jobs that have not begun do nothing.
//!
//! What ends a cube travels with the block that it spoils: the stream gives every block before
//! that one, in no order perhaps some after it, then the error. A block that lacks pixels for a
//! passing reason is never given.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use cubeflight_plan::{Fault, Layout, Plan, PlannedPart, PlannedSource, PlannedStep, ReadGroup};
use cubeflight_sentinel2::{OnError, Order, ProductId};
use futures::Stream;
use futures::future::{join, join_all, pending};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::block::{Filling, OpenBlock, StepState};
use crate::fetch::{AssetTask, Context, Failed, Place};
use crate::hand_out::{Opened, hand_out};
use crate::mask::{self, Masked};
use crate::memory::{self, StreamMemory};
use crate::trouble::Trouble;
use crate::{Block, Engine, Error, Result};

/// Row-blocks that are open and waiting to be handed out: more than one step can have, because a
/// step opens all blocks that a read fills before that read begins.
const OPEN_BLOCKS: usize = 65_536;
/// Whose streams they are: all of one, as long as nobody tells who asks.
const TENANT: &str = "";

/// What a stream has read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunStats {
    /// Requests for pixels and headers that were sent for this stream.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Requests that were saved, because the range was cached or another stream was just reading it.
    pub cache_hits: u64,
    /// Their bytes.
    pub cache_bytes: u64,
    /// Files whose tile-parts had to be found first.
    pub scanned_assets: u64,
    /// Requests of this stream that found them. Where another stream had begun to look into the
    /// same file the requests are counted there.
    pub scan_requests: u64,
    /// Their bytes; pixels that came with them are not read again.
    pub scan_bytes: u64,
    /// Tiles whose pixels had been decoded before and were kept.
    pub decoded_hits: u64,
    /// Decoder jobs that were begun.
    pub jobs: u64,
    /// How long requests took, all together. They run side by side, as jobs do.
    pub fetch_time: Duration,
    /// How long decoder jobs waited for a thread, all together.
    pub queue_time: Duration,
    /// How long decoder jobs took, all together.
    pub decode_time: Duration,
}

/// Row-blocks up to the first one that cannot be given, then the reason. Dropping it cancels what is
/// under way.
///
/// A block counts against the look-ahead until it is dropped: to keep the pixels of many, take them
/// out of their blocks.
#[derive(Debug)]
pub struct BlockStream {
    blocks: mpsc::Receiver<Result<Block>>,
    context: Arc<Context>,
    _cancel: DropGuard,
}

impl BlockStream {
    /// What was read so far.
    #[must_use]
    pub fn stats(&self) -> RunStats {
        let context = &self.context;
        let counts = &context.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RunStats {
            requests: read(&counts.requests),
            bytes: read(&counts.bytes),
            cache_hits: read(&counts.cache_hits),
            cache_bytes: read(&counts.cache_bytes),
            scanned_assets: read(&counts.scanned_assets),
            scan_requests: read(&counts.scan_requests),
            scan_bytes: read(&counts.scan_bytes),
            decoded_hits: read(&counts.decoded),
            jobs: read(&counts.jobs),
            fetch_time: counts.fetching.get(),
            queue_time: counts.waiting.get(),
            decode_time: counts.decoding.get(),
        }
    }
}

impl Stream for BlockStream {
    type Item = Result<Block>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.blocks.poll_recv(context)
    }
}

impl Engine {
    /// Reads and decodes a plan; its row-blocks come in time order.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn run(&self, plan: Plan, on_error: OnError) -> BlockStream {
        self.run_in(Order::Time, plan, on_error)
    }

    /// Reads and decodes a plan. In order of completion, a stream that ends with an error has given
    /// at least the row-blocks that it would have given in time order.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn run_in(&self, order: Order, plan: Plan, on_error: OnError) -> BlockStream {
        let cancelled = CancellationToken::new();
        let context = Arc::new(Context {
            engine: self.clone(),
            layout: Arc::clone(&plan.layout),
            cancelled: cancelled.clone(),
            counts: Arc::default(),
            flow: Arc::new(self.queue.flow(Arc::from(TENANT), 1)),
        });
        let (sender, blocks) = mpsc::channel(1);
        let supervised = supervise(Arc::clone(&context), order, plan, on_error, sender);
        // What the stream logs is of the call that runs it.
        tokio::spawn(supervised.in_current_span());
        BlockStream { blocks, context, _cancel: cancelled.drop_guard() }
    }
}

/// Runs both halves of a stream until the last block, the first error, or nobody listens.
async fn supervise(
    context: Arc<Context>,
    order: Order,
    plan: Plan,
    on_error: OnError,
    sender: mpsc::Sender<Result<Block>>,
) {
    let (open_sender, open) = mpsc::channel(OPEN_BLOCKS);
    let producer = Producer {
        memory: context.engine.memory.stream(),
        masks: 0,
        reads: Arc::new(Semaphore::new(context.engine.config.reads_per_stream.max(1))),
        tasks: JoinSet::new(),
        open: open_sender,
        on_error,
        context: Arc::clone(&context),
    };
    // Only the other half knows when the stream is over.
    let produce = async {
        producer.walk(plan).await;
        pending::<()>().await;
    };
    let failure = tokio::select! {
        outcome = hand_out(order, &context.layout, open, &sender) => outcome.err(),
        () = produce => None,
        () = sender.closed() => None,
        () = context.cancelled.cancelled() => None,
    };
    // The reads ended with the future above. The error may wait long for its reader: decoder jobs
    // must not.
    context.cancelled.cancel();
    context.flow.close();
    if let Some(error) = failure {
        // Nobody is left to hear it when this fails.
        let _ = sender.send(Err(error)).await;
    }
    drop(sender);
    context.engine.flush().await;
}

/// The half that walks the plan.
#[derive(Debug)]
struct Producer {
    context: Arc<Context>,
    memory: StreamMemory,
    /// Bytes of the masks that are made at a time.
    masks: u64,
    reads: Arc<Semaphore>,
    tasks: JoinSet<()>,
    open: mpsc::Sender<Opened>,
    on_error: OnError,
}

impl Producer {
    async fn walk(mut self, plan: Plan) {
        let of_mask = plan.steps.iter().filter_map(|step| step.mask.as_ref()).map(mask::held_bytes);
        let of_mask = of_mask.max().unwrap_or(0);
        let steps_ahead = self.steps_ahead(of_mask);
        self.masks = of_mask.saturating_mul(steps_ahead as u64 + 1);
        if let Err(error) = self.steps(plan, steps_ahead).await {
            // It comes after the blocks that are open. When nobody reads, nobody needs it.
            let _ = self.open.send(Err(error)).await;
        }
        let Self { mut tasks, open, .. } = self;
        // Closing the channel lets the other half end after the last block.
        drop(open);
        while tasks.join_next().await.is_some() {}
    }

    async fn steps(&mut self, plan: Plan, steps_ahead: usize) -> Result<()> {
        if self.masks > 0 {
            // before the first of them is made
            self.reserve(&plan.layout, &[]).await?;
        }
        let mut steps = plan.steps.into_iter();
        let mut ahead = VecDeque::new();
        let mut unprepared = 0;
        for index in 0.. {
            // Masks are read, and files without record looked into, while the steps before are read.
            while ahead.len() <= steps_ahead
                && let Some(step) = steps.next()
            {
                let context = Arc::clone(&self.context);
                let prepared = prepare(context, unprepared, step, self.on_error);
                let prepared = tokio::spawn(prepared.in_current_span());
                unprepared += 1;
                ahead.push_back(AbortOnDropHandle::new(prepared));
            }
            let Some(prepared) = ahead.pop_front() else { break };
            self.step(index, prepared).await?;
        }
        Ok(())
    }

    /// Steps that are prepared before their turn: as many as configured, as long as what their
    /// masks hold, so many bytes each, fits into the look-ahead.
    fn steps_ahead(&self, of_mask: u64) -> usize {
        let config = &self.context.engine.config;
        let fits = config.look_ahead_bytes.checked_div(of_mask).unwrap_or(u64::MAX);
        config.steps_ahead.min(usize::try_from(fits).unwrap_or(usize::MAX))
    }

    async fn step(&mut self, index: usize, prepared: AbortOnDropHandle<Prepared>) -> Result<()> {
        let layout = Arc::clone(&self.context.layout);
        let prepared = prepared.await.map_err(|error| Error::Task { reason: error.to_string() })?;
        let PreparedStep { state, assets, faults, replaced } = prepared?;
        let state = StepState { step: index, ..state };
        let mut reads: Vec<(Arc<AssetTask>, ReadGroup)> = Vec::new();
        for asset in assets {
            let asset = Arc::new(asset);
            let groups = asset.read.groups.clone();
            reads.extend(groups.into_iter().map(|group| (Arc::clone(&asset), group)));
        }
        // Row-blocks complete in order when reads begin in the order of the first block they fill.
        reads.sort_by_key(|(asset, group)| (group.blocks().start, asset.place.column));
        self.reserve(&layout, &reads).await?;

        // A step that is skipped is one row-block, whatever its size.
        let blocks = if state.skipped { 1 } else { usize::from(layout.blocks) };
        let jobs = jobs(&layout, &reads);
        let mut opened = OpenStep { state, blocks: Vec::new(), jobs, faults, replaced };
        for (asset, group) in reads {
            let (first, end) = (group.blocks().start as usize, group.blocks().end as usize);
            while opened.blocks.len() < end {
                self.open_block(&layout, &mut opened).await?;
            }
            let blocks = opened.blocks.get(first..end).unwrap_or_default().into();
            self.spawn(asset, group, blocks).await?;
        }
        while opened.blocks.len() < blocks {
            self.open_block(&layout, &mut opened).await?;
        }
        Ok(())
    }

    /// Makes room for the blocks that are open at once whatever happens: the reads of a step may
    /// each fill several blocks, and a block is complete only when all its reads are done.
    async fn reserve(
        &mut self,
        layout: &Layout,
        reads: &[(Arc<AssetTask>, ReadGroup)],
    ) -> Result<()> {
        let mut reach = 0;
        let mut most = 1;
        for (_, group) in reads {
            reach = reach.max(group.blocks().end);
            most = most.max(reach - group.blocks().start.min(reach));
        }
        let wished = self.context.engine.config.look_ahead_bytes;
        let besides = self.masks.saturating_add(memory::in_messages(layout));
        self.memory.reserve(layout, most, wished, besides).await
    }

    async fn open_block(&self, layout: &Layout, opened: &mut OpenStep) -> Result<()> {
        let held = self.memory.block(layout).await?;
        let number = opened.blocks.len();
        let jobs = opened.jobs.get(number).copied().unwrap_or_default();
        // Layout counts blocks in 16 bits.
        let name = u16::try_from(number).unwrap_or(u16::MAX);
        let block = Arc::new(OpenBlock::new(layout, opened.state.clone(), name, jobs, Some(held)));
        for (place, fault) in &opened.faults {
            block.fail(place.column, place.part, fault.clone());
        }
        for (column, fault) in &opened.replaced {
            block.replaced(*column, fault.clone());
        }
        opened.blocks.push(Arc::clone(&block));
        let sent = self.open.send(Ok(block)).await;
        sent.map_err(|_| Error::Task { reason: "nobody reads the stream".to_owned() })
    }

    async fn spawn(
        &mut self,
        asset: Arc<AssetTask>,
        group: ReadGroup,
        blocks: Arc<[Arc<OpenBlock>]>,
    ) -> Result<()> {
        let filling = Filling::new(blocks);
        while self.tasks.try_join_next().is_some() {}
        let slot = Arc::clone(&self.reads).acquire_owned().await;
        let slot = slot.map_err(|error| Error::Task { reason: error.to_string() })?;
        let (context, on_error) = (Arc::clone(&self.context), self.on_error);
        let read = async move {
            let outcome = asset.run(&context, &group, filling.blocks()).await;
            drop(slot);
            if let Err(Failed { trouble, blocks }) = outcome {
                let Place { column: position, part } = asset.place;
                let column = context.layout.columns.get(position);
                let path = column.map_or("", |column| column.path.as_str());
                match judge(on_error, path, &asset.product, trouble) {
                    Ok(fault) => filling.fail(position, part, &fault, |block| {
                        blocks.iter().any(|failed| failed.contains(&block))
                    }),
                    Err(error) => filling.end(error),
                }
            }
            filling.done();
        };
        self.tasks.spawn(read.in_current_span());
        Ok(())
    }
}

/// A step whose reads can begin.
#[derive(Debug)]
struct PreparedStep {
    state: StepState,
    assets: Vec<AssetTask>,
    /// What cannot be read, and why.
    faults: Vec<(Place, Fault)>,
    /// Images of other products that are read instead.
    replaced: Vec<(usize, Fault)>,
}

type Prepared = Result<PreparedStep>;

async fn prepare(
    context: Arc<Context>,
    index: usize,
    mut step: PlannedStep,
    on_error: OnError,
) -> Prepared {
    let layout = Arc::clone(&context.layout);
    let mask = step.mask.take();
    let masking = async {
        match mask {
            Some(mask) => mask::read(&context, index, mask, &step.parts, on_error).await.map(Some),
            None => Ok(None),
        }
    };
    // A step that may be skipped costs nothing before that is known.
    let (masked, files) = if layout.min_valid.is_some() {
        let masked = masking.await?;
        if masked.as_ref().is_some_and(|masked| masked.is_below(layout.min_valid)) {
            return Ok(PreparedStep::skipped(&layout, masked));
        }
        (masked, find_files(&context, &step.parts).await)
    } else {
        let (masked, files) = join(masking, find_files(&context, &step.parts)).await;
        (masked?, files)
    };
    let unknown = masked.as_ref().map(|masked| masked.faults(&layout, step.parts.len()));
    let mut prepared = PreparedStep::of(&layout, masked, step.parts.len());
    prepared.faults = unknown.unwrap_or_default();
    for (place, found) in files {
        if prepared.faults.iter().any(|(failed, _)| *failed == place) {
            continue;
        }
        match found {
            Ok(task) => {
                let replaced = task.missed.iter().map(|fault| task.stands_in_for(fault));
                prepared.replaced.extend(replaced.map(|fault| (place.column, fault)));
                prepared.assets.push(task);
            }
            Err((product, trouble)) => {
                let path = layout.columns.get(place.column).map_or("", |it| it.path.as_str());
                prepared.faults.push((place, judge(on_error, path, &product, trouble)?));
            }
        }
    }
    Ok(prepared)
}

type Files = Vec<(Place, Result<AssetTask, (ProductId, Trouble)>)>;

/// The files of all parts and columns, as far as they are not read with the mask.
async fn find_files(context: &Context, parts: &[PlannedPart]) -> Files {
    let mut wanted = Vec::new();
    for (part, planned) in parts.iter().enumerate() {
        for (column, source) in planned.columns.iter().enumerate() {
            let PlannedSource::Files(candidates) = source else { continue };
            let place = Place { column, part };
            wanted.push(async move {
                let candidates = candidates.clone();
                let task = AssetTask::prepare(context, place, &planned.product, candidates).await;
                (place, task)
            });
        }
    }
    join_all(wanted).await
}

impl PreparedStep {
    fn of(layout: &Layout, masked: Option<Masked>, parts: usize) -> Self {
        let mut state = StepState { parts, ..StepState::default() };
        let mut replaced = Vec::new();
        if let Some(masked) = masked {
            let column = Masked::column(layout);
            replaced.extend(masked.replaced.into_iter().map(|fault| (column, fault)));
            state.scl_of_mask = masked.is_scl;
            state.validity = Some(masked.validity);
        }
        Self { state, assets: Vec::new(), faults: Vec::new(), replaced }
    }

    fn skipped(layout: &Layout, masked: Option<Masked>) -> Self {
        let mut step = Self::of(layout, masked, 1);
        step.state.skipped = true;
        step
    }
}

pub(crate) fn judge(
    on_error: OnError,
    path: &str,
    product: &ProductId,
    trouble: Trouble,
) -> Result<Fault> {
    match (on_error, trouble) {
        (OnError::Mark, Trouble::Permanent { code, message } | Trouble::Gone { code, message }) => {
            Ok(Fault { product: product.clone(), code, message })
        }
        (_, trouble) => Err(trouble.into_error(path, product)),
    }
}

/// Row-blocks of a step that are open so far, and the reads of each one.
#[derive(Debug)]
struct OpenStep {
    state: StepState,
    blocks: Vec<Arc<OpenBlock>>,
    jobs: Vec<usize>,
    faults: Vec<(Place, Fault)>,
    replaced: Vec<(usize, Fault)>,
}

/// Reads that fill each block.
fn jobs(layout: &Layout, reads: &[(Arc<AssetTask>, ReadGroup)]) -> Vec<usize> {
    let mut jobs = vec![0; usize::from(layout.blocks)];
    for (_, group) in reads {
        let blocks = group.blocks();
        for count in jobs.get_mut(blocks.start as usize..blocks.end as usize).unwrap_or_default() {
            *count += 1;
        }
    }
    jobs
}
