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
    /// A JP2 structure or TLM segment was refused.
    #[error(transparent)]
    Jp2(#[from] cubeflight_jp2::Error),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Every code that [`Self::code`] can give for this crate's own errors.
    pub const CODES: &[&str] = &["CF-TLM-001", "CF-TLM-002", "CF-TLM-003", "CF-TLM-004"];

    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BeyondFile { .. } => "CF-TLM-001",
            Self::PacketLengths { .. } => "CF-TLM-002",
            Self::Empty => "CF-TLM-003",
            Self::PeerCell { .. } => "CF-TLM-004",
            Self::Jp2(error) => error.code(),
        }
    }
}
