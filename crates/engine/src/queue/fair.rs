//! Which job is next: weighted fair queueing, without threads and clocks.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng 1997), once over tenants and in each tenant once
//! over its streams. Who has jobs has a start tag; the least one is next. A job of cost `c` puts the
//! start tag of its owner `c / weight` further on, and who comes back after a pause starts where the
//! others are by now: nobody saves up turns, nobody pays for a machine that nobody else wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Virtual time: cost over weight, as a fixed-point number with [`TAG_SHIFT`] binary places. With
/// costs of 64 bits it takes 2^48 jobs of the greatest cost to get to its end.
type Tag = u128;
const TAG_SHIFT: u32 = 16;

/// One level of the hierarchy: who has jobs, by start tag.
#[derive(Debug, Default)]
struct Level {
    /// Start tag of the last job that was given out.
    now: Tag,
    ready: BTreeSet<(Tag, u64)>,
}

/// What a level knows of one of its own.
#[derive(Debug, Clone, Copy)]
struct Share {
    weight: u32,
    /// Of the next job; of no meaning without one.
    start: Tag,
    /// Where the last job ended.
    end: Tag,
}

impl Share {
    fn new(weight: u32) -> Self {
        Self { weight: weight.max(1), start: 0, end: 0 }
    }
}

impl Level {
    fn wake(&mut self, id: u64, share: &mut Share) {
        share.start = share.end.max(self.now);
        self.ready.insert((share.start, id));
    }

    fn sleep(&mut self, id: u64, share: &Share) {
        self.ready.remove(&(share.start, id));
    }

    fn first(&self) -> Option<u64> {
        self.ready.first().map(|(_, id)| *id)
    }

    /// A job of the first one was given out.
    fn charge(&mut self, id: u64, share: &mut Share, cost: u64, has_more: bool) {
        self.sleep(id, share);
        self.now = self.now.max(share.start);
        // without cost nobody else would ever be next
        let length = (Tag::from(cost.max(1)) << TAG_SHIFT) / Tag::from(share.weight);
        share.end = share.start.saturating_add(length);
        if has_more {
            self.wake(id, share);
        }
    }
}

#[derive(Debug)]
struct Tenant {
    name: Arc<str>,
    share: Share,
    streams: Level,
    open_streams: usize,
}

#[derive(Debug)]
struct Stream<J> {
    tenant: u64,
    share: Share,
    jobs: BTreeMap<Turn, (u64, J)>,
}

/// A job's place in its stream: the order that the stream wants, then as queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    order: u64,
    number: u64,
}

/// Jobs by tenant and stream. Every step takes logarithmic time.
#[derive(Debug)]
pub(super) struct Schedule<J> {
    names: HashMap<Arc<str>, u64>,
    tenants: HashMap<u64, Tenant>,
    streams: HashMap<u64, Stream<J>>,
    level: Level,
    /// Tenants without streams, by the end of their last job. They are kept until the others are
    /// there as well: opening a stream anew must not be a way to the front.
    leaving: BTreeSet<(Tag, u64)>,
    /// Of the next tenant, stream or job.
    number: u64,
}

// Not derived: jobs need no default.
impl<J> Default for Schedule<J> {
    fn default() -> Self {
        Self {
            names: HashMap::new(),
            tenants: HashMap::new(),
            streams: HashMap::new(),
            level: Level::default(),
            leaving: BTreeSet::new(),
            number: 0,
        }
    }
}

impl<J> Schedule<J> {
    fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// A stream of a tenant. The tenant has the weight that was given last, of at least 1.
    pub(super) fn open(&mut self, name: Arc<str>, weight: u32) -> u64 {
        let (tenant, stream) = (self.number(), self.number());
        let tenant = *self.names.entry(Arc::clone(&name)).or_insert(tenant);
        let entry = self.tenants.entry(tenant).or_insert_with(|| Tenant {
            name,
            share: Share::new(weight),
            streams: Level::default(),
            open_streams: 0,
        });
        entry.share.weight = weight.max(1);
        entry.open_streams += 1;
        self.leaving.remove(&(entry.share.end, tenant));
        self.streams.insert(stream, Stream { tenant, share: Share::new(1), jobs: BTreeMap::new() });
        stream
    }

    /// Ends a stream. Gives its jobs back.
    pub(super) fn close(&mut self, stream: u64) -> Vec<J> {
        let Some(Stream { tenant, share, jobs }) = self.streams.remove(&stream) else {
            return Vec::new();
        };
        if !jobs.is_empty() {
            self.rest_stream(tenant, stream, &share);
        }
        if let Some(entry) = self.tenants.get_mut(&tenant) {
            entry.open_streams -= 1;
            if entry.open_streams == 0 {
                self.leaving.insert((entry.share.end, tenant));
                self.forget();
            }
        }
        jobs.into_values().map(|(_, job)| job).collect()
    }

    /// Queues a job; gives it back where the stream is closed.
    pub(super) fn push(&mut self, stream: u64, order: u64, cost: u64, job: J) -> Result<Turn, J> {
        let turn = Turn { order, number: self.number() };
        let Some(entry) = self.streams.get_mut(&stream) else { return Err(job) };
        let Some(tenant) = self.tenants.get_mut(&entry.tenant) else { return Err(job) };
        entry.jobs.insert(turn, (cost, job));
        if entry.jobs.len() == 1 {
            let was_idle = tenant.streams.ready.is_empty();
            tenant.streams.wake(stream, &mut entry.share);
            if was_idle {
                self.level.wake(entry.tenant, &mut tenant.share);
            }
        }
        Ok(turn)
    }

    /// Takes a job out of its turn, where it is still there.
    pub(super) fn remove(&mut self, stream: u64, turn: Turn) -> Option<J> {
        let entry = self.streams.get_mut(&stream)?;
        let (_, job) = entry.jobs.remove(&turn)?;
        if entry.jobs.is_empty() {
            let (tenant, share) = (entry.tenant, entry.share);
            self.rest_stream(tenant, stream, &share);
        }
        Some(job)
    }

    /// The next job.
    pub(super) fn pop(&mut self) -> Option<J> {
        let id = self.level.first()?;
        let tenant = self.tenants.get_mut(&id)?;
        let stream = tenant.streams.first()?;
        let entry = self.streams.get_mut(&stream)?;
        let (_, (cost, job)) = entry.jobs.pop_first()?;
        tenant.streams.charge(stream, &mut entry.share, cost, !entry.jobs.is_empty());
        let has_more = !tenant.streams.ready.is_empty();
        self.level.charge(id, &mut tenant.share, cost, has_more);
        self.forget();
        Some(job)
    }

    /// Nothing is queued and nothing is worked at: what was is settled.
    pub(super) fn settle(&mut self) {
        if self.level.ready.is_empty() {
            let ends = self.tenants.values().map(|tenant| tenant.share.end);
            self.level.now = ends.fold(self.level.now, Tag::max);
            self.forget();
        }
    }

    /// A stream has no jobs any more.
    fn rest_stream(&mut self, tenant: u64, stream: u64, share: &Share) {
        let Some(entry) = self.tenants.get_mut(&tenant) else { return };
        entry.streams.sleep(stream, share);
        if entry.streams.ready.is_empty() {
            self.level.sleep(tenant, &entry.share);
        }
    }

    /// Drops the tenants without streams that have no lead any more.
    fn forget(&mut self) {
        while let Some(&(end, tenant)) = self.leaving.first()
            && end <= self.level.now
        {
            self.leaving.pop_first();
            if let Some(entry) = self.tenants.remove(&tenant) {
                self.names.remove(&entry.name);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn tenants(&self) -> usize {
        self.tenants.len()
    }
}
