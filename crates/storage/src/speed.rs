//! What a store is measured to do: time to the first byte, and bytes a second.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Requests of which the median of the latency is taken.
const LATENCIES: usize = 33;
/// Requests without which nothing is said about latency.
const ENOUGH_REQUESTS: usize = 8;
/// Bytes without which nothing is said about the rate.
const ENOUGH_BYTES: u64 = 1_000_000;
/// Bodies that tell something about the rate have at least so many bytes: what is shorter comes out
/// of buffers, or is over before the connection is up to speed.
const LONG_BODY: u64 = 128 * 1024;
/// Seconds of arriving bodies after which they count half.
const HALF_LIFE: f64 = 10.0;

/// What a store does, as far as it was measured, and what it allows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Speed {
    /// From sending a request for a range to the first byte of its body: the median of the last
    /// ones. The time before that, in which the limits held the request back, is not in it.
    pub latency: Option<Duration>,
    /// Bytes of all bodies together, while at least one was arriving: the rate of a shared link, or
    /// the sum of connections that are slow each by itself. Recent ones count more.
    pub bytes_per_second: Option<f64>,
    /// Requests that were measured. Failed ones are not.
    pub samples: u64,
    /// Requests in flight at a time, as configured.
    pub connections: usize,
    /// Requests a second in the long run, as configured; `None` is no limit.
    pub requests_per_second: Option<f64>,
}

/// The running measurement of one root.
#[derive(Debug, Default)]
pub(crate) struct Gauge(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    latencies: VecDeque<Duration>,
    samples: u64,
    /// Long bodies of which the first byte has arrived and the last one has not.
    arriving: usize,
    /// Up to here the time with arriving bodies was added up.
    covered: Option<Instant>,
    /// Seconds with arriving bodies, and the bytes in them; both fade.
    seconds: f64,
    bytes: f64,
    /// The bytes that do not fade.
    measured: u64,
}

impl Gauge {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was measured so far, without what is configured.
    pub(crate) fn read(&self) -> Speed {
        let state = self.lock();
        let mut latencies: Vec<Duration> = state.latencies.iter().copied().collect();
        latencies.sort_unstable();
        let is_enough = state.measured >= ENOUGH_BYTES && state.seconds > 0.0;
        Speed {
            latency: latencies
                .get(latencies.len() / 2)
                .filter(|_| latencies.len() >= ENOUGH_REQUESTS)
                .copied(),
            bytes_per_second: is_enough.then(|| state.bytes / state.seconds),
            samples: state.samples,
            ..Speed::default()
        }
    }
}

impl State {
    fn add_bytes(&mut self, length: u64) {
        self.bytes += length as f64;
        self.measured = self.measured.saturating_add(length);
    }

    /// A body went on arriving from one chunk to the next.
    fn add_time(&mut self, from: Instant, to: Instant) {
        // Not again what another body has added. This takes the time up to there as added as a
        // whole: where bodies begin and end while another one stalls, the stall is not counted.
        let from = self.covered.map_or(from, |covered| covered.max(from));
        self.covered = Some(to.max(from));
        let seconds = to.saturating_duration_since(from).as_secs_f64();
        let fade = (-seconds / HALF_LIFE).exp2();
        self.seconds = self.seconds * fade + seconds;
        self.bytes *= fade;
    }
}

/// One request from its sending on. What is dropped before its last byte is no sample: neither
/// failed requests nor those that nobody waited for any more, nor the silence before they ended.
#[derive(Debug)]
pub(crate) struct Arrival {
    gauge: Arc<Gauge>,
    sent: Instant,
    expected: u64,
    received: u64,
    latency: Duration,
    /// When the last chunk arrived.
    last: Option<Instant>,
}

impl Arrival {
    /// A request that is sent now.
    pub(crate) fn sent(gauge: &Arc<Gauge>) -> Self {
        Self {
            gauge: Arc::clone(gauge),
            sent: Instant::now(),
            expected: 0,
            received: 0,
            latency: Duration::ZERO,
            last: None,
        }
    }

    /// The answer says how long the body is.
    pub(crate) fn answered(&mut self, expected: u64) {
        self.expected = expected;
    }

    fn is_long(&self) -> bool {
        self.expected >= LONG_BODY
    }

    /// Bytes of the body have arrived.
    pub(crate) fn chunk(&mut self, length: u64) {
        if length == 0 {
            return;
        }
        let (now, is_long) = (Instant::now(), self.is_long());
        self.received = self.received.saturating_add(length);
        let gauge = Arc::clone(&self.gauge);
        let mut state = gauge.lock();
        match self.last.replace(now) {
            None => {
                self.latency = now.saturating_duration_since(self.sent);
                // how long these were under way is known only where others were arriving
                if state.arriving > 0 {
                    state.add_bytes(length);
                }
                state.arriving += usize::from(is_long);
            }
            Some(last) if is_long => {
                state.add_time(last, now);
                state.add_bytes(length);
            }
            Some(_) if state.arriving > 0 => state.add_bytes(length),
            Some(_) => (),
        }
        if self.received == self.expected {
            state.samples += 1;
            state.latencies.push_back(self.latency);
            while state.latencies.len() > LATENCIES {
                state.latencies.pop_front();
            }
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.is_long() && self.last.is_some() {
            self.gauge.lock().arriving -= 1;
        }
    }
}
