//! Limits of the engine.

use cubeflight_jp2::DecoderChoice;
use cubeflight_plan::CostModel;
use cubeflight_storage::RangeCache;

/// How much an engine does at once.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Decoder threads; 0 is one per core.
    pub threads: usize,
    /// What decodes JP2 tiles.
    pub decoder: DecoderChoice,
    /// Decoded bytes that one stream may hold before the client has read them, as far as they are
    /// free.
    pub look_ahead_bytes: u64,
    /// Decoded bytes that all streams hold together; requests that need more are refused.
    pub max_working_set_bytes: u64,
    /// Bytes that were fetched and not decoded yet, of all streams together.
    pub max_fetched_bytes: u64,
    /// Memory of one decoder job in bytes; a larger area of a tile is decoded in strips. Threads
    /// times this is the bound.
    pub max_decode_bytes: u64,
    /// Bytes of decoded pixels that are kept for those who ask for the same window again; 0 keeps
    /// none.
    pub decoded_cache_bytes: u64,
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

impl EngineConfig {
    /// Divides memory among what holds it: half for decoded row-blocks, a quarter for fetched bytes,
    /// a quarter for the decoders.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let (half, quarter) = (bytes / 2, bytes / 4);
        Self {
            look_ahead_bytes: self.look_ahead_bytes.min(quarter),
            max_working_set_bytes: half,
            max_fetched_bytes: quarter,
            max_decode_bytes: quarter / threads as u64,
            ..self
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            decoder: DecoderChoice::Auto,
            look_ahead_bytes: 128 * 1024 * 1024,
            max_working_set_bytes: 1024 * 1024 * 1024,
            max_fetched_bytes: 512 * 1024 * 1024,
            max_decode_bytes: 512 * 1024 * 1024,
            decoded_cache_bytes: 0,
            reads_per_stream: 16,
            steps_ahead: 4,
            write_back: true,
            cost: None,
            max_whole_read: None,
            range_cache: None,
        }
    }
}
