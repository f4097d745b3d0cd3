//! The error type: one variant per kind of damage or refusal, each with a stable code.

use crate::marker::Marker;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong with a file, or why a request about it was refused.
///
/// Offsets are bytes from the start of the slice or file that was given, unless the variant says
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are neither the JP2 signature box nor SOC and SIZ.
    #[error(
        "not a JPEG 2000 file: it starts with {found:02x?}, expected the JP2 signature box or \
         ff4f ff51; check that the path names a JP2"
    )]
    NotJpeg2000 {
        /// The first bytes, at most 12.
        found: Vec<u8>,
    },
    /// The file or slice ends inside something.
    #[error(
        "truncated {what}: {needed} bytes needed at offset {offset}, but only {available} are \
         there; fetch the file again"
    )]
    Truncated {
        /// What is cut.
        what: &'static str,
        /// Where the cut item starts.
        offset: u64,
        /// Bytes that the item needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// A JP2 box is malformed.
    #[error(
        "bad box {} at offset {offset}: {reason} (length field {length}); the file is damaged",
        .kind.escape_ascii()
    )]
    Box {
        /// Four-character type.
        kind: [u8; 4],
        /// Offset of the box.
        offset: u64,
        /// Length that the box states.
        length: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// No contiguous codestream box in the file.
    #[error("no codestream box (jp2c) in the {size} bytes of the file; it holds no image")]
    NoCodestream {
        /// Size of the file.
        size: u64,
    },
    /// Another marker was expected.
    #[error("found marker {found} at offset {offset}, expected {expected}; the file is damaged")]
    UnexpectedMarker {
        /// Offset of the marker.
        offset: u64,
        /// The two bytes found.
        found: Marker,
        /// What may stand here.
        expected: &'static str,
    },
    /// A marker segment holds an impossible value.
    #[error(
        "bad {marker} marker segment at offset {offset}: {reason} (found {found}); the file is \
         damaged"
    )]
    Segment {
        /// The marker.
        marker: Marker,
        /// Offset of the marker.
        offset: u64,
        /// What is wrong, with what was expected.
        reason: &'static str,
        /// The value found.
        found: u64,
    },
    /// A marker segment that must be there is not.
    #[error("main header of {length} bytes has no {marker} marker segment; the file is damaged")]
    MissingSegment {
        /// The marker.
        marker: Marker,
        /// Length of the main header.
        length: u64,
    },
    /// A number is above what this reader accepts.
    #[error("{what}: {found} is above the limit of {limit}; this reader does not take such a file")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// What was found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The SOT of a tile-part is inconsistent with the header or with the other tile-parts.
    #[error(
        "bad tile-part of tile {tile} at offset {offset}: {reason} (found {found}, expected \
         {expected}); the file is damaged"
    )]
    TilePart {
        /// Tile index (Isot).
        tile: u32,
        /// Offset of the SOT, or of the end of the codestream where one is missing.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
        /// The value found.
        found: u64,
        /// The value or bound expected.
        expected: u64,
    },
    /// The packet lengths of a tile-part do not add up to its data.
    #[error(
        "packet lengths (PLT) of the tile-part of tile {tile} at offset {offset} add up to \
         {found} bytes, expected {expected} (Psot less the header); read the tile-part whole"
    )]
    PacketSum {
        /// Tile index.
        tile: u16,
        /// Offset of the SOT.
        offset: u64,
        /// Sum of the packet lengths.
        found: u64,
        /// Bytes between SOD and the end of the tile-part.
        expected: u64,
    },
    /// The number of packet lengths of a tile is not what its coding implies.
    #[error(
        "tile {tile} lists {found} packets (PLT), expected {expected} from its coding; read the \
         tile-part whole"
    )]
    PacketCount {
        /// Tile index.
        tile: u16,
        /// Packet lengths found in all tile-parts of the tile.
        found: u64,
        /// Layers x sum of precincts.
        expected: u64,
    },
    /// A tile-part length (TLM) segment cannot be made of these tile-parts.
    #[error(
        "cannot write a TLM: {reason} (tile-part {index}); index the file without a TLM segment"
    )]
    TlmWrite {
        /// Why.
        reason: &'static str,
        /// Index of the first tile-part that does not fit.
        index: u64,
    },
    /// Bytes fetched for a tile-part are not that tile-part: the index is stale.
    #[error(
        "stale index: the bytes given for tile-part {part} of tile {tile} have {field} {found}, \
         expected {expected}; scan the file again"
    )]
    StaleTilePart {
        /// Tile wanted.
        tile: u16,
        /// Position in the list of tile-parts given.
        part: usize,
        /// Which field differs.
        field: &'static str,
        /// The value found.
        found: u64,
        /// The value expected.
        expected: u64,
    },
    /// One tile of this file cannot be made into a codestream of its own.
    #[error("tiles of this file cannot be read one by one: {reason}; decode the file whole")]
    CannotSplice {
        /// Why.
        reason: &'static str,
    },
    /// The image is outside what this crate decodes.
    #[error("unsupported image: {what} (found {found}); {supported}")]
    Unsupported {
        /// The property.
        what: &'static str,
        /// The value found.
        found: u64,
        /// What is supported.
        supported: &'static str,
    },
    /// Decoding would need more memory than allowed.
    #[error(
        "decoding needs about {needed} bytes, more than the {limit} allowed; decode a smaller \
         area or raise the limit"
    )]
    Memory {
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The decode area or the reduction does not fit the image.
    #[error("bad decode area: {reason} (area {area}, reduce {reduce}); ask inside {image}")]
    DecodeArea {
        /// What is wrong.
        reason: &'static str,
        /// The area asked for, reference grid.
        area: crate::Rect,
        /// The reduction asked for.
        reduce: u8,
        /// The image area, reference grid.
        image: crate::Rect,
    },
    /// OpenJPEG failed.
    #[error("openjpeg failed at {stage}: {message}; the tile data is damaged")]
    Decoder {
        /// The call that failed.
        stage: &'static str,
        /// The decoder's own messages.
        message: String,
    },
    /// A copy out of an image does not fit its source or its destination.
    #[error("cannot copy samples: {reason} (found {found}, expected {expected}); fix the call")]
    Copy {
        /// What is wrong.
        reason: &'static str,
        /// The value found.
        found: u64,
        /// The value or bound expected.
        expected: u64,
    },
    /// Bytes were fed to a scanner that do not continue what it has.
    #[error("scanner was fed {start}..{end}, expected a range with offset {wanted}; {hint}")]
    Feed {
        /// Start of the range fed.
        start: u64,
        /// End of the range fed.
        end: u64,
        /// Offset that must be covered.
        wanted: u64,
        /// What to do.
        hint: &'static str,
    },
    /// `finish` was called on a scanner that still wants bytes, or that has failed.
    #[error("scan is not finished; feed it until it wants nothing more")]
    Unfinished,
    /// A file cannot be written with these parameters.
    #[error("cannot encode with {field} {found}: expected {expected}; correct the specification")]
    EncodeSpec {
        /// The parameter.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// The samples given for a tile do not fit the specification.
    #[error(
        "cannot encode tile {tile}: {reason} (found {found}, expected {expected}); correct the \
         samples"
    )]
    EncodeContent {
        /// Tile index.
        tile: u16,
        /// What is wrong.
        reason: &'static str,
        /// The value found.
        found: u64,
        /// The value or bound expected.
        expected: u64,
    },
    /// OpenJPEG failed to encode a tile, or gave one that cannot be rewritten.
    #[error("encoding failed at {stage}: {message}; report it with the specification")]
    Encoder {
        /// The call or step that failed.
        stage: &'static str,
        /// The encoder's own messages.
        message: String,
    },
    /// Encoded tiles do not make up the file.
    #[error(
        "cannot assemble the file: {reason} (found {found}, expected {expected}); give every tile \
         once, in raster order, encoded with the same specification"
    )]
    Assemble {
        /// What is wrong.
        reason: &'static str,
        /// The value found.
        found: u64,
        /// The value expected.
        expected: u64,
    },
    /// The encoded file could not be written.
    #[error("cannot write the encoded file: {message}; check the disk")]
    Write {
        /// The operating system's message.
        message: String,
    },
    /// A TLM was to be put into a file that has one.
    #[error("the file has a TLM already; it needs no other, read it as it is")]
    HasTlm,
    /// A TLM cannot be put into this file.
    #[error("no TLM can be put into this file: {reason}; index it instead")]
    CannotInject {
        /// Why.
        reason: &'static str,
    },
}

impl Error {
    /// All codes of this crate, in order.
    pub const CODES: &[&str] = &[
        "CF-JP2-001",
        "CF-JP2-002",
        "CF-JP2-003",
        "CF-JP2-004",
        "CF-JP2-005",
        "CF-JP2-006",
        "CF-JP2-007",
        "CF-JP2-008",
        "CF-JP2-009",
        "CF-JP2-010",
        "CF-JP2-011",
        "CF-JP2-012",
        "CF-JP2-013",
        "CF-JP2-014",
        "CF-JP2-015",
        "CF-JP2-016",
        "CF-JP2-017",
        "CF-JP2-018",
        "CF-JP2-019",
        "CF-JP2-020",
        "CF-JP2-021",
        "CF-JP2-022",
        "CF-JP2-023",
        "CF-JP2-024",
        "CF-JP2-025",
        "CF-JP2-026",
        "CF-JP2-027",
        "CF-JP2-028",
    ];

    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotJpeg2000 { .. } => "CF-JP2-001",
            Self::Truncated { .. } => "CF-JP2-002",
            Self::Box { .. } => "CF-JP2-003",
            Self::NoCodestream { .. } => "CF-JP2-004",
            Self::UnexpectedMarker { .. } => "CF-JP2-005",
            Self::Segment { .. } => "CF-JP2-006",
            Self::MissingSegment { .. } => "CF-JP2-007",
            Self::Limit { .. } => "CF-JP2-008",
            Self::TilePart { .. } => "CF-JP2-009",
            Self::PacketSum { .. } => "CF-JP2-010",
            Self::PacketCount { .. } => "CF-JP2-011",
            Self::TlmWrite { .. } => "CF-JP2-012",
            Self::StaleTilePart { .. } => "CF-JP2-013",
            Self::CannotSplice { .. } => "CF-JP2-014",
            Self::Unsupported { .. } => "CF-JP2-015",
            Self::Memory { .. } => "CF-JP2-016",
            Self::DecodeArea { .. } => "CF-JP2-017",
            Self::Decoder { .. } => "CF-JP2-018",
            Self::Copy { .. } => "CF-JP2-019",
            Self::Feed { .. } => "CF-JP2-020",
            Self::Unfinished => "CF-JP2-021",
            Self::EncodeSpec { .. } => "CF-JP2-022",
            Self::EncodeContent { .. } => "CF-JP2-023",
            Self::Encoder { .. } => "CF-JP2-024",
            Self::Assemble { .. } => "CF-JP2-025",
            Self::Write { .. } => "CF-JP2-026",
            Self::HasTlm => "CF-JP2-027",
            Self::CannotInject { .. } => "CF-JP2-028",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_without_gaps() {
        for (number, code) in (1..).zip(Error::CODES) {
            assert_eq!(*code, format!("CF-JP2-{number:03}"));
        }
        assert_eq!(Error::CODES.last(), Some(&Error::CannotInject { reason: "" }.code()));
    }
}
