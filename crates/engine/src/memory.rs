//! The memory that all streams of an engine share.
//!
//! It is divided once, so that what waits for one share never holds another that is waited for:
//!
//! - row-blocks, from when they are opened until the client has them;
//! - bytes that were fetched, until their tiles are decoded, a quarter of it for those that came
//!   with a search for tile-parts;
//! - the scratch of the decoders, a fixed part for each thread.
//!
//! Reads that were begun always end, since decoding needs its own thread's scratch only. Row-blocks
//! are the one share that clients hold; a stream that needs more of it gives back what it has before
//! it waits, so that streams cannot wait for each other.

use std::sync::Arc;

use cubeflight_plan::Layout;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::held::Held;
use crate::{EngineConfig, Error, Result};

/// Unit in which bytes are counted.
const UNIT: u64 = 1024;
/// Messages of a stream that are encoded or on their way besides the row-blocks that are open.
const MESSAGES: u64 = 4;
/// Part of the fetched bytes that may have come with a search.
const FOUND_PART: u64 = 4;

/// What the streams of an engine share.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    blocks: Share,
    fetched: Share,
    /// Nobody waits for it.
    found: Share,
}

#[derive(Debug, Clone)]
struct Share {
    free: Arc<Semaphore>,
    /// Bytes in all.
    total: u64,
}

impl Share {
    fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX);
        let units = units.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { free: Arc::new(Semaphore::new(units)), total: units as u64 * UNIT }
    }
}

impl Memory {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        let blocks = Share::new(config.max_working_set_bytes.max(config.look_ahead_bytes));
        let found = config.max_fetched_bytes / FOUND_PART;
        let fetched = config.max_fetched_bytes - found;
        Self { blocks, fetched: Share::new(fetched), found: Share::new(found) }
    }

    /// Counts what came with a search. Where there is no room for it nothing is kept: it is read again
    /// when its turn comes.
    pub(crate) fn keep(&self, held: Held) -> Held {
        match Arc::clone(&self.found.free).try_acquire_many_owned(units(held.bytes())) {
            Ok(permit) => held.counted(permit),
            Err(_) => Held::default(),
        }
    }

    /// Waits until so many bytes may be fetched. A read that is larger than all there is waits until
    /// it is the only one.
    pub(crate) async fn fetch(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let Share { free, total } = &self.fetched;
        Arc::clone(free).acquire_many_owned(units(bytes.min(*total))).await.map_err(closed)
    }

    /// The part of one stream, which has nothing yet.
    pub(crate) fn stream(&self) -> StreamMemory {
        let own = Arc::new(Semaphore::new(0));
        StreamMemory { shared: self.blocks.clone(), own, blocks: 0, grant: None }
    }
}

/// Bytes of row-blocks that one stream may hold.
#[derive(Debug)]
pub(crate) struct StreamMemory {
    shared: Share,
    own: Arc<Semaphore>,
    /// Units in `own` when no block is open.
    blocks: u32,
    grant: Option<Arc<OwnedSemaphorePermit>>,
}

/// Bytes of a row-block, until it is dropped.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    _own: OwnedSemaphorePermit,
    /// They stay counted when the stream is over before its last blocks are read.
    _grant: Option<Arc<OwnedSemaphorePermit>>,
}

impl StreamMemory {
    /// Makes sure that `blocks` row-blocks can be open at a time, and as many as `wished` bytes hold
    /// where these are free. `besides` are bytes that the stream holds otherwise, as long as it
    /// lasts. Waits for other streams, and for the reader of this one.
    ///
    /// # Errors
    /// More than all streams have together.
    pub(crate) async fn reserve(
        &mut self,
        layout: &Layout,
        blocks: u32,
        wished: u64,
        besides: u64,
    ) -> Result<()> {
        let open = u64::from(blocks) * u64::from(units(layout.block_bytes())) * UNIT;
        let besides = u64::from(units(besides)) * UNIT;
        let (needed, allowed) = (open.saturating_add(besides), self.shared.total);
        if needed > allowed {
            return Err(Error::WorkingSet { needed, allowed });
        }
        let granted = self.grant.as_ref().map_or(0, |grant| grant.num_permits());
        if u64::from(units(needed)) <= granted as u64 {
            return Ok(());
        }
        if let Some(grant) = self.grant.take() {
            self.own.acquire_many(self.blocks).await.map_err(closed)?.forget();
            drop(grant);
        }
        let wished = units(wished.saturating_add(besides).clamp(needed, allowed));
        let free = &self.shared.free;
        let grant = match Arc::clone(free).try_acquire_many_owned(wished) {
            Ok(grant) => grant,
            Err(_) => Arc::clone(free).acquire_many_owned(units(needed)).await.map_err(closed)?,
        };
        let granted = u32::try_from(grant.num_permits()).unwrap_or(u32::MAX);
        self.blocks = granted - units(besides).min(granted);
        self.own.add_permits(self.blocks as usize);
        self.grant = Some(Arc::new(grant));
        Ok(())
    }

    /// Waits until a block fits into what was reserved.
    pub(crate) async fn block(&self, layout: &Layout) -> Result<HeldBytes> {
        let permits = units(layout.block_bytes());
        let own = Arc::clone(&self.own).acquire_many_owned(permits).await.map_err(closed)?;
        Ok(HeldBytes { _own: own, _grant: self.grant.clone() })
    }
}

/// Bytes of blocks that a stream holds besides those that are open: encoded, or on their way.
pub(crate) fn in_messages(layout: &Layout) -> u64 {
    MESSAGES * layout.block_bytes()
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

fn closed(error: AcquireError) -> Error {
    Error::Task { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use cubeflight_plan::{Layout, LayoutRequest};
    use cubeflight_sentinel2::{Align, AssetId, Bounds, Level, Radiometry};
    use futures::FutureExt;

    use super::*;

    /// 100 x 100 pixels of 16 bit: 20 units a block.
    fn layout() -> Layout {
        let assets = [AssetId::parse("B08", Level::L2A).unwrap()];
        let bounds = Bounds::new(449_000.0, 5_204_000.0, 449_999.0, 5_204_999.0).unwrap();
        Layout::new(&LayoutRequest {
            level: Level::L2A,
            tile: "33TVN".parse().unwrap(),
            assets: &assets,
            bounds: Some(bounds),
            align: Align::Centre,
            reduce: 0,
            windows: &[],
            radiometry: Radiometry::Raw,
            mask: None,
            min_valid: None,
            max_message_bytes: cubeflight_sentinel2::DEFAULT_MESSAGE_BYTES,
        })
        .unwrap()
    }

    fn memory(units: u64) -> Memory {
        let bytes = units * UNIT;
        let config = EngineConfig::default();
        let config = EngineConfig { look_ahead_bytes: 0, max_working_set_bytes: bytes, ..config };
        Memory::new(&EngineConfig { max_fetched_bytes: bytes, ..config })
    }

    #[tokio::test]
    async fn a_stream_gets_more_where_it_is_free() {
        let (memory, layout) = (memory(100), layout());
        assert_eq!(units(layout.block_bytes()), 20);
        let mut first = memory.stream();
        first.reserve(&layout, 1, 80 * UNIT, 0).await.unwrap();
        let blocks: Vec<_> =
            (0..4).map(|_| first.block(&layout).now_or_never().unwrap().unwrap()).collect();
        assert!(first.block(&layout).now_or_never().is_none());
        // what is left is all that the second one gets, though it wished for more
        let mut second = memory.stream();
        second.reserve(&layout, 1, 80 * UNIT, 0).await.unwrap();
        let _block = second.block(&layout).now_or_never().unwrap().unwrap();
        assert!(second.block(&layout).now_or_never().is_none());
        // a third one waits until the first is over and all its blocks are read
        let mut third = memory.stream();
        assert!(third.reserve(&layout, 1, 0, 0).now_or_never().is_none());
        drop(first);
        assert!(third.reserve(&layout, 1, 0, 0).now_or_never().is_none());
        drop(blocks);
        third.reserve(&layout, 1, 0, 0).now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn streams_that_grow_do_not_wait_for_each_other() {
        let (memory, layout) = (memory(100), layout());
        let (mut first, mut second) = (memory.stream(), memory.stream());
        first.reserve(&layout, 2, 0, 0).await.unwrap();
        second.reserve(&layout, 2, 0, 0).await.unwrap();
        let block = first.block(&layout).await.unwrap();
        // both want more than is left beside the other
        let mut growing = Box::pin(first.reserve(&layout, 4, 0, 0));
        assert!(growing.as_mut().now_or_never().is_none(), "its block is not read yet");
        drop(block);
        assert!(growing.as_mut().now_or_never().is_none(), "the second one holds too much");
        let mut other = Box::pin(second.reserve(&layout, 4, 0, 0));
        assert!(other.as_mut().now_or_never().is_none(), "behind the first");
        growing.as_mut().now_or_never().unwrap().unwrap();
        drop(growing);
        drop(first);
        other.as_mut().now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn more_than_there_is_is_refused() {
        let (memory, layout) = (memory(100), layout());
        let mut stream = memory.stream();
        let error = stream.reserve(&layout, 6, 0, 0).await.unwrap_err();
        assert_eq!(error.code(), "CF-ENG-001");
        let error = stream.reserve(&layout, 4, 0, 21 * UNIT).await.unwrap_err();
        assert_eq!(error.code(), "CF-ENG-001");
        stream.reserve(&layout, 4, 0, 20 * UNIT).await.unwrap();
        // what is held besides is not for blocks
        let _blocks: Vec<_> =
            (0..4).map(|_| stream.block(&layout).now_or_never().unwrap().unwrap()).collect();
        assert!(stream.block(&layout).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_large_read_waits_for_all_others() {
        let memory = memory(100);
        let one = memory.fetch(UNIT).await.unwrap();
        let mut large = Box::pin(memory.fetch(1000 * UNIT));
        assert!(large.as_mut().now_or_never().is_none());
        drop(one);
        let large = large.now_or_never().unwrap().unwrap();
        assert!(memory.fetch(UNIT).now_or_never().is_none());
        drop(large);
        assert!(memory.fetch(UNIT).now_or_never().is_some());
    }
}
