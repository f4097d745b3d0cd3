//! Limits of the engine.

use cubeflight_plan::CostModel;
use cubeflight_storage::RangeCache;

/// How much an engine does at once.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Decoder threads; 0 is one per core.
    pub threads: usize,
    /// Decoded bytes that one stream may hold before the client has read them.
    pub look_ahead_bytes: u64,
    /// Decoded bytes that one stream may need at the very least; requests above are refused.
    pub max_working_set_bytes: u64,
    /// Memory of one decoder job in bytes: 4 bytes a sample. Threads times this is the bound.
    pub max_decode_bytes: u64,
    /// Requests that one stream has in flight.
    pub reads_per_stream: usize,
    /// Time steps whose files are looked into before their turn, where they have no record.
    pub steps_ahead: usize,
    /// Whether what is learnt of files without record is written into the index.
    pub write_back: bool,
    /// What a request costs; `None` is chosen by the scheme of the store.
    pub cost: Option<CostModel>,
    /// Files without record are read whole up to so many bytes; `None` leaves that to the cost.
    pub max_whole_read: Option<u64>,
    /// Where byte ranges of image files are kept; `None` reads them anew each time.
    pub range_cache: Option<RangeCache>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            look_ahead_bytes: 128 * 1024 * 1024,
            max_working_set_bytes: 1024 * 1024 * 1024,
            max_decode_bytes: 512 * 1024 * 1024,
            reads_per_stream: 8,
            steps_ahead: 4,
            write_back: true,
            cost: None,
            max_whole_read: None,
            range_cache: None,
        }
    }
}
