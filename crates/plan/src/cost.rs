//! What requests and bytes cost, and so which gaps are worth reading over.

use cubeflight_tlm::MAX_WHOLE_READ;

/// What requests and bytes of a store cost, in seconds of a stream that is bound by them. Two ranges
/// become one request when the gap between them is worth it: [`plan`](crate::plan) finds out which
/// gaps are, for the cube as a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostModel {
    /// Seconds that one more request takes, next to all others that are in flight: the time to its
    /// first byte, divided by the connections that work side by side.
    pub latency: f64,
    /// Bytes per second of all connections together.
    pub bandwidth: f64,
    /// Longest gap in bytes that is read over rather than asked around; `None`: that which costs as
    /// much as a request.
    pub gap: Option<u64>,
    /// No request is longer than this many bytes because of merging.
    pub max_request_bytes: u64,
    /// Files without record are read whole up to this size: one request instead of several that
    /// look for tile-parts. Most SCL, AOT, mask and 60 m files are smaller.
    pub max_whole_read: u64,
}

const MIB: u64 = 1024 * 1024;

/// Bytes that are read for each byte that is wanted, at most. Bytes cost more than time: they are
/// counted by the month, and others wait for the link.
const MOST_READ: u64 = 8;

/// Share of the faster one of waiting and arriving that does not overlap with the other.
const OVERLAP: f64 = 0.25;

/// Gaps that are tried for a cube.
pub(crate) const GAPS: [u64; 12] = [
    0,
    4 << 10,
    16 << 10,
    32 << 10,
    48 << 10,
    64 << 10,
    128 << 10,
    256 << 10,
    512 << 10,
    1 << 20,
    2 << 20,
    4 << 20,
];

/// How much longer than the fastest way reading may take where that saves requests: stores ration
/// them, and others wait for them.
pub(crate) const PATIENCE: f64 = 1.15;

impl CostModel {
    /// A directory on this machine: almost no latency.
    pub const LOCAL: Self = Self {
        latency: 20e-6,
        bandwidth: 1e9,
        gap: None,
        max_request_bytes: 16 * MIB,
        max_whole_read: MAX_WHOLE_READ,
    };

    /// Object storage over a network, as long as nothing has been measured: 60 ms shared by four
    /// connections, and 20 MB/s.
    pub const OBJECT_STORE: Self = Self {
        latency: 15e-3,
        bandwidth: 20e6,
        gap: None,
        max_request_bytes: 16 * MIB,
        max_whole_read: MAX_WHOLE_READ,
    };

    /// The same with what was measured: seconds for one more request, and bytes per second of all
    /// connections. Both are rounded to powers of two, so that plans change with the store and not
    /// with every request.
    #[must_use]
    pub fn measured(self, latency: f64, bandwidth: f64) -> Self {
        Self { latency: rounded(latency), bandwidth: rounded(bandwidth), ..self }
    }

    /// Longest gap in bytes that is read over rather than asked around.
    #[must_use]
    pub fn worthwhile_gap(&self) -> u64 {
        // Saturates for negative and huge values, which is what is wanted here.
        self.gap.unwrap_or((self.latency * self.bandwidth) as u64)
    }

    /// Seconds that reading takes. Requests wait while the bytes of others arrive, so that it is
    /// the slower of the two that counts, and of the other one a part: at the ends of a stream
    /// nothing overlaps, and what is idle can serve others.
    #[must_use]
    pub fn seconds(&self, requests: u64, bytes: u64) -> f64 {
        let waiting = requests as f64 * self.latency;
        let arriving = bytes as f64 / self.bandwidth;
        waiting.max(arriving) + OVERLAP * waiting.min(arriving)
    }

    /// Whether two ranges with a gap between them are one request of so many bytes, of which so many
    /// are wanted.
    pub(crate) fn joins(&self, gap: u64, length: u64, wanted: u64) -> bool {
        let touches = gap == 0;
        let worthwhile = gap <= self.worthwhile_gap() && length / MOST_READ <= wanted;
        (touches || worthwhile) && length <= self.max_request_bytes
    }
}

/// The nearest power of two, in ratio.
fn rounded(value: f64) -> f64 {
    if value.is_normal() && value > 0.0 { value.log2().round().exp2() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_read_over_where_that_is_cheaper() {
        let cost = CostModel::OBJECT_STORE;
        assert_eq!(cost.worthwhile_gap(), 300_000);
        assert!(cost.joins(0, 100, 100));
        assert!(cost.joins(300_000, 400_000, 100_000));
        assert!(!cost.joins(300_001, 400_000, 100_000));
        // far more would be read than is wanted
        assert!(!cost.joins(299_000, 300_000, 1_000));
        assert!(!cost.joins(0, 17 * MIB, 17 * MIB));
    }

    #[test]
    fn measurements_are_rounded() {
        let cost = CostModel::OBJECT_STORE.measured(0.005, 8.1e6);
        let again = CostModel::OBJECT_STORE.measured(0.0053, 7.9e6);
        assert_eq!(cost, again);
        // 5 ms and 8 MB/s are 40 kB; both are known to a factor of the square root of 2
        assert!((20_000..80_000).contains(&cost.worthwhile_gap()), "{cost:?}");
        let wider = CostModel::OBJECT_STORE.measured(0.015, 80e6);
        assert!(wider.worthwhile_gap() > 600_000, "{wider:?}");
    }
}
