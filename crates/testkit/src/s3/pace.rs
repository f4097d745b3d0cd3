//! Rates, against the monotonic clock.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::profile::RequestRate;

/// A lock whose data are whole after every statement: a panic elsewhere does not spoil them.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a late timer or a slow client may catch up with; beyond it, unused time is lost.
const SLACK: Duration = Duration::from_millis(50);

/// When the next bytes of a body may begin, if the ones before had passed at `due`.
pub(crate) fn catch_up(due: Instant, now: Instant) -> Instant {
    due.max(now.checked_sub(SLACK).unwrap_or(now))
}

/// A line that carries so many bytes a second, one piece after the other.
#[derive(Debug)]
pub(crate) struct Line {
    rate: u64,
    free_at: Mutex<Option<Instant>>,
}

impl Line {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { rate: bytes_per_second.max(1), free_at: Mutex::new(None) }
    }

    /// Puts `bytes` on the line, at `from` at the earliest, behind what is on it already. Returns
    /// when the last one of them has arrived.
    pub(crate) fn reserve(&self, bytes: usize, from: Instant) -> Instant {
        let nanos = u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(1_000_000_000)
            / u128::from(self.rate);
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut free_at = lock(&self.free_at);
        let start = free_at.map_or(from, |free_at| free_at.max(from));
        let arrived = start.checked_add(takes).unwrap_or(start);
        *free_at = Some(arrived);
        arrived
    }
}

/// One token bucket for each credential.
#[derive(Debug)]
pub(crate) struct Buckets {
    rate: RequestRate,
    levels: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Buckets {
    pub(crate) fn new(rate: RequestRate) -> Self {
        Self { rate, levels: Mutex::default() }
    }

    /// Takes a token of `credential`; false when there is none.
    pub(crate) fn take(&self, credential: &str, now: Instant) -> bool {
        let burst = f64::from(self.rate.burst);
        let mut levels = lock(&self.levels);
        let (level, at) = match levels.get(credential) {
            Some(state) => *state,
            None => (burst, now),
        };
        let refill = now.saturating_duration_since(at).as_secs_f64()
            * f64::from(self.rate.per_minute)
            / 60.0;
        let level = (level + refill).min(burst);
        let granted = level >= 1.0;
        let level = if granted { level - 1.0 } else { level };
        levels.insert(credential.to_owned(), (level, now));
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_faster_than_its_rate() {
        let line = Line::new(1_000_000);
        let start = Instant::now();
        let millis = |at: Instant| (at - start).as_millis();
        assert_eq!(millis(line.reserve(100_000, start)), 100);
        assert_eq!(millis(line.reserve(100_000, start)), 200, "behind the first");
        let later = start + Duration::from_millis(500);
        assert_eq!(millis(line.reserve(50_000, later)), 550, "idle time is lost");
        assert_eq!(millis(line.reserve(0, start)), 550);
    }

    #[test]
    fn a_little_lateness_is_caught_up_with() {
        let due = Instant::now();
        let late = |millis| catch_up(due, due + Duration::from_millis(millis)) - due;
        assert_eq!((late(0), late(50)), (Duration::ZERO, Duration::ZERO));
        assert_eq!(late(80), Duration::from_millis(30));
        assert_eq!(catch_up(due + Duration::from_millis(5), due) - due, Duration::from_millis(5));
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let buckets = Buckets::new(RequestRate { per_minute: 2_000, burst: 200 });
        let start = Instant::now();
        let granted = |at| (0..1_000).filter(|_| buckets.take("a", at)).count();
        assert_eq!(granted(start), 200);
        assert_eq!(granted(start + Duration::from_millis(3_001)), 100);
        assert_eq!(granted(start + Duration::from_secs(60)), 200, "never more than the burst");
        assert!(buckets.take("b", start), "another credential has its own");
        assert!(!buckets.take("a", start), "a clock reading from before gives nothing");
    }
}
