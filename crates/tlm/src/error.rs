//! Errors of this crate.

/// A record that contradicts itself or its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tile-parts of a record do not fit in the file.
    #[error("tile-parts end at byte {end} but the file has {size} bytes; index the file again")]
    BeyondFile {
        /// First byte after the last tile-part.
        end: u64,
        /// File size.
        size: u64,
    },
    /// Packet lengths that do not belong to the tile-parts.
    #[error(
        "packet lengths are for {found} tile-parts, the record has {expected}; index the file again"
    )]
    PacketLengths {
        /// Tile-parts with packet lengths.
        found: usize,
        /// Tile-parts of the record.
        expected: usize,
    },
    /// A record without any tile-part.
    #[error("record has no tile-parts; index the file again")]
    Empty,
    /// A cell of the peer's format that is too short or contradicts itself.
    #[error("peer index cell {reason}; export it again from the file")]
    PeerCell {
        /// What is wrong.
        reason: String,
    },
    /// Tile-parts that overlap, or that leave a gap in a complete record.
    #[error("tile-part at byte {offset}, expected at {expected}; index the file again")]
    Order {
        /// Its first byte.
        offset: u64,
        /// Where it had to begin, or begin at the earliest.
        expected: u64,
    },
    /// An incomplete record where all tile-parts are needed.
    #[error("record does not list all tile-parts; index the file again")]
    Incomplete,
    /// A JP2 structure or TLM segment was refused.
    #[error(transparent)]
    Jp2(#[from] cubeflight_jp2::Error),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Every code that [`Self::code`] can give for this crate's own errors.
    pub const CODES: &[&str] =
        &["CF-TLM-001", "CF-TLM-002", "CF-TLM-003", "CF-TLM-004", "CF-TLM-005", "CF-TLM-006"];

    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BeyondFile { .. } => "CF-TLM-001",
            Self::PacketLengths { .. } => "CF-TLM-002",
            Self::Empty => "CF-TLM-003",
            Self::PeerCell { .. } => "CF-TLM-004",
            Self::Order { .. } => "CF-TLM-005",
            Self::Incomplete => "CF-TLM-006",
            Self::Jp2(error) => error.code(),
        }
    }
}
