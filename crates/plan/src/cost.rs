//! What a request costs, and so which gaps are worth reading over.

use cubeflight_tlm::MAX_WHOLE_READ;

/// Latency and bandwidth of a store. Two ranges become one request when the gap between them
/// costs less than another request would.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostModel {
    /// Time from a request to its first byte, in seconds, divided by the connections that work
    /// side by side.
    pub latency: f64,
    /// Bytes per second of one connection.
    pub bandwidth: f64,
    /// No request is longer than this many bytes because of merging.
    pub max_request_bytes: u64,
    /// Files without record are read whole up to this size: one request instead of several that
    /// look for tile-parts. Most SCL, AOT, mask and 60 m files are smaller.
    pub max_whole_read: u64,
}

const MIB: u64 = 1024 * 1024;

impl CostModel {
    /// A directory on this machine: almost no latency.
    pub const LOCAL: Self = Self {
        latency: 20e-6,
        bandwidth: 1e9,
        max_request_bytes: 16 * MIB,
        max_whole_read: MAX_WHOLE_READ,
    };

    /// Object storage over a network: 60 ms shared by four connections of 20 MB/s, the limits that
    /// CDSE publishes.
    pub const OBJECT_STORE: Self = Self {
        latency: 15e-3,
        bandwidth: 20e6,
        max_request_bytes: 16 * MIB,
        max_whole_read: MAX_WHOLE_READ,
    };

    /// Longest gap in bytes that is read over rather than asked around.
    #[must_use]
    pub fn worthwhile_gap(&self) -> u64 {
        // Saturates for negative and huge values, which is what is wanted here.
        (self.latency * self.bandwidth) as u64
    }
}
