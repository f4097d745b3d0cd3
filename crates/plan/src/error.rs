//! Errors of this crate.

/// A request that cannot be planned, or a record that does not fit its asset.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message limit is below one unit of rows.
    #[error(
        "maxMessageBytes is {limit}, but one row-block of these bands and bounds has at least \
         {minimum} bytes; raise it or ask for fewer bands"
    )]
    MessageTooSmall {
        /// Limit asked for.
        limit: u32,
        /// Bytes of the smallest row-block.
        minimum: u64,
    },
    /// More row-blocks than the protocol can number.
    #[error("{blocks} row-blocks per time step, at most 65535 are possible; raise maxMessageBytes")]
    TooManyBlocks {
        /// Row-blocks needed.
        blocks: u64,
    },
    /// The file's image is not the grid of the asset.
    #[error(
        "{asset} is {width}x{height} pixels in its file and {expected}x{expected} in the MGRS \
         grid; the file belongs to another product or is damaged"
    )]
    GridMismatch {
        /// Asset name.
        asset: String,
        /// Columns in the file.
        width: u32,
        /// Rows in the file.
        height: u32,
        /// Pixels of the grid along each side.
        expected: u32,
    },
    /// The coding does not allow reading by window.
    #[error("{asset} cannot be read by window: {reason}")]
    Coding {
        /// Asset name.
        asset: String,
        /// What is not supported.
        reason: String,
    },
    /// The record lacks a tile that the window needs, or names one that does not exist.
    #[error("index of {asset} does not list JP2 tile {tile}; index the product again")]
    TileNotIndexed {
        /// Asset name.
        asset: String,
        /// JP2 tile.
        tile: u32,
    },
    /// The main header of the record was refused.
    #[error("main header of {asset} is unreadable: {reason}")]
    Header {
        /// Asset name.
        asset: String,
        /// What the parser said.
        reason: String,
    },
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Every code that [`Self::code`] can give.
    pub const CODES: &[&str] =
        &["CF-PLN-001", "CF-PLN-002", "CF-PLN-003", "CF-PLN-004", "CF-PLN-005", "CF-PLN-006"];

    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MessageTooSmall { .. } => "CF-PLN-001",
            Self::TooManyBlocks { .. } => "CF-PLN-002",
            Self::GridMismatch { .. } => "CF-PLN-003",
            Self::Coding { .. } => "CF-PLN-004",
            Self::TileNotIndexed { .. } => "CF-PLN-005",
            Self::Header { .. } => "CF-PLN-006",
        }
    }
}
