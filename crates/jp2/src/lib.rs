//! JPEG 2000 as Sentinel-2 archives need it: where things are in a file, and pixels from as few
//! of its bytes as possible (ISO/IEC 15444-1). No I/O, no async.
//!
//! # Model
//!
//! A JP2 file is a list of *boxes*; one of them, `jp2c`, holds the *codestream*: a *main header*
//! and then *tile-parts*, each with a SOT marker that says which *tile* it belongs to and how long
//! it is. A tile's data are *packets*, one per layer, resolution, component and *precinct*; a PLT
//! segment in the tile-part header lists their lengths.
//!
//! - [`Scanner`] reads that structure sans I/O: it says which bytes it [wants](Scanner::wants), the
//!   caller fetches them. With TLM in the main header one read may do; without, each tile-part
//!   costs one small read. [`scan_bytes`] is the same for a file in memory. The result is a
//!   [`Structure`]: [`BoxInfo`]s, the [`MainHeader`], [`TilePart`]s with packet lengths. Lengths,
//!   part numbers, packet sums and packet counts are checked on the way.
//! - [`TileFinder`] finds the tile-parts of a few tiles in a file that has not been scanned, by a
//!   few reads instead of one for each tile-part.
//! - [`Siz`] and [`Rect`] are the *reference grid*: tiles, what an area meets; [`packet_count`]
//!   knows that precincts are anchored at the canvas origin, so that tiles of one size have
//!   different numbers of packets.
//! - [`splice_tile`] makes a codestream of one tile out of the main header and the tile's
//!   tile-parts, at its true place on the grid. It checks the SOT of what it is given: a mismatch
//!   is [`Error::StaleTilePart`], the sign of a stale index.
//! - [`PacketRead`] says which packets of a tile a window needs, and [`splice_packets`] makes a
//!   codestream of those alone.
//! - [`TileDecoder`] is what decodes tiles, [`OpenJpeg`] the one there is; [`decode_tile`] spares it
//!   tiles that are constant.
//! - [`decode`] turns a codestream or JP2 file, or an area of it on the reference grid, into an
//!   [`Image`] by OpenJPEG, after counting the memory that this will take
//!   ([`decoder_scratch_bytes`]). Any coding that cannot be spliced can be decoded whole.
//! - [`Image`] copies samples out, clamped, into `u8` or `u16` rows, or packs a mask of up to eight
//!   components into bytes of flags.
//! - [`tlm_segment`] and [`parse_tlm_segment`] write and read tile-part length segments,
//!   [`inject_tlm`] puts them into a file, and
//!   [`describe`] gives everything as a serialisable document.
//! - With the feature `encode`, the module `encode` writes files coded as ESA codes Sentinel-2.
//!
//! # Bad input
//!
//! Every length read from a file is checked before it is used, with the limits
//! [`MAX_MAIN_HEADER`], [`MAX_COMPONENTS`], [`MAX_TILES`], [`MAX_TILE_PARTS`], [`MAX_BOXES`]; lists
//! are never longer than the bytes given for them. Damage is an [`Error`] that says where, with a
//! stable [code](Error::code). Damage inside packets cannot be told from data: it decodes to wrong
//! samples, or to [`Error::Decoder`].
//!
//! All `unsafe` code of the workspace is in this crate's private module `openjpeg`.

#![deny(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]

mod bytes;
mod decoder;
mod describe;
#[cfg(feature = "encode")]
pub mod encode;
mod error;
mod find;
mod geometry;
mod header;
mod image;
mod inject;
mod marker;
mod memory;
#[allow(unsafe_code)]
mod openjpeg;
mod packets;
mod plt;
mod samples;
mod scan;
mod splice;
mod structure;
mod tlm;

pub use decoder::{DecoderChoice, OpenJpeg, TileBytes, TileDecoder, TileInput, decode_tile};
pub use describe::{
    BoxDescription, Description, HeaderSegment, SegmentDetail, TilePartDescription, describe,
};
pub use error::{Error, Result};
pub use find::{FinderOptions, Found, Prior, TileFinder};
pub use geometry::{Rect, packet_count};
pub use header::{
    Coc, Cod, Coding, Comment, Component, MAX_COMPONENTS, MAX_MAIN_HEADER, MAX_TILES, MainHeader,
    Progression, Qcc, Qcd, Segment, Siz,
};
pub use image::{DecodeOptions, Image, decode};
pub use inject::{Injected, inject_tlm};
pub use marker::Marker;
pub use memory::decoder_scratch_bytes;
pub use packets::{PacketRead, PacketRun};
pub use scan::{
    Detail, MAX_BOX_DEPTH, MAX_BOXES, MAX_PAYLOAD, MAX_TILE_PARTS, ScanOptions, Scanner,
    scan_bytes, scan_bytes_with,
};
pub use splice::{splice_packets, splice_tile};
pub use structure::{BoxInfo, Structure, TileCoding, TilePart};
pub use tlm::{TlmEntry, parse_tlm_segment, tlm_segment};
