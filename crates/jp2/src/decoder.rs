//! What decodes tiles.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Result;
use crate::header::MainHeader;
use crate::image::{DecodeOptions, Image, decode};
use crate::packets::{PacketRead, lengths_in};
use crate::samples::Samples;
use crate::splice::{splice_packets, splice_tile};

/// What was read of a tile.
#[derive(Debug, Clone, Copy)]
pub enum TileBytes<'a> {
    /// All its tile-parts in order, each from SOT to its end.
    TileParts(&'a [&'a [u8]]),
    /// What a window needs.
    Packets {
        /// Which packets.
        read: &'a PacketRead,
        /// Bytes that hold all ranges of the read, by their offset from the SOT marker.
        pieces: &'a [(u32, &'a [u8])],
    },
}

/// A tile to decode.
#[derive(Debug, Clone, Copy)]
pub struct TileInput<'a> {
    /// Main header of the file.
    pub header: &'a MainHeader,
    /// The tile.
    pub tile: u16,
    /// Its bytes.
    pub bytes: TileBytes<'a>,
}

/// Decodes tiles.
pub trait TileDecoder: Send + Sync + fmt::Debug {
    /// Its name, as it is chosen by.
    fn name(&self) -> &'static str;

    /// Decodes a window of a tile. The area of the options is on the reference grid and lies in the
    /// tile; where packets were read it is the one that they were chosen for, or lies in it, and
    /// `reduce` is theirs.
    ///
    /// # Errors
    /// [`StaleTilePart`](crate::Error::StaleTilePart) where the bytes are not those of the tile, else as
    /// [`decode`].
    fn decode(&self, input: &TileInput<'_>, options: &DecodeOptions) -> Result<Image>;
}

/// OpenJPEG, by way of a codestream of the one tile.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenJpeg;

impl TileDecoder for OpenJpeg {
    fn name(&self) -> &'static str {
        "openjpeg"
    }

    fn decode(&self, input: &TileInput<'_>, options: &DecodeOptions) -> Result<Image> {
        match input.bytes {
            TileBytes::TileParts(parts) => {
                decode(&splice_tile(input.header, input.tile, parts)?, options)
            }
            TileBytes::Packets { read, pieces } => {
                let codestream = splice_packets(input.header, read, options.reduce, pieces)?;
                decode_reduced(&codestream, options)
            }
        }
    }
}

/// Decodes a codestream whose image is on the lattice of the options' `reduce` already.
fn decode_reduced(codestream: &[u8], options: &DecodeOptions) -> Result<Image> {
    let area = options.area.map(|area| area.reduced(options.reduce));
    let image = decode(codestream, &DecodeOptions { area, reduce: 0, ..*options })?;
    Ok(Image { reduce: options.reduce, ..image })
}

/// Decodes a window of a tile. Of whole tile-parts with packet lengths only the packets that it
/// needs are given to the decoder; a tile whose packets above resolution 0 are all empty is decoded
/// at that resolution only, and where that is constant, so is the tile: the 5-3 synthesis of a
/// constant and no details is that constant (F.3).
///
/// # Errors
/// As [`TileDecoder::decode`].
pub fn decode_tile(
    decoder: &dyn TileDecoder,
    input: &TileInput<'_>,
    options: &DecodeOptions,
) -> Result<Image> {
    match input.bytes {
        TileBytes::Packets { read, pieces } => {
            decode_packets(decoder, input, read, pieces, options)
        }
        TileBytes::TileParts(parts) => match packets_of(input, parts, options) {
            Some((read, part)) => decode_packets(decoder, input, &read, &[(0, part)], options),
            None => decoder.decode(input, options),
        },
    }
}

fn decode_packets(
    decoder: &dyn TileDecoder,
    input: &TileInput<'_>,
    read: &PacketRead,
    pieces: &[(u32, &[u8])],
    options: &DecodeOptions,
) -> Result<Image> {
    if read.is_sparse()
        && let Some(image) = constant(input.header, read, pieces, options)?
    {
        return Ok(image);
    }
    let bytes = TileBytes::Packets { read, pieces };
    decoder.decode(&TileInput { bytes, ..*input }, options)
}

/// The image of a tile with resolution 0 only, where that is constant.
fn constant(
    header: &MainHeader,
    read: &PacketRead,
    pieces: &[(u32, &[u8])],
    options: &DecodeOptions,
) -> Result<Option<Image>> {
    let tile = header.siz.tile_rect(read.tile)?;
    let area = options.area.unwrap_or(tile).reduced(options.reduce);
    let levels = read.levels();
    if area.is_empty() || tile.reduced(levels).is_empty() {
        return Ok(None);
    }
    let codestream = splice_packets(header, read, levels, pieces)?;
    let lowest = decode(&codestream, &DecodeOptions { area: None, reduce: 0, ..*options })?;
    let values = (0..lowest.components).map(|component| lowest.only_value(component));
    let Some(values) = values.collect::<Option<Vec<i32>>>() else { return Ok(None) };
    Ok(Some(Image {
        width: area.width(),
        height: area.height(),
        x0: area.x0,
        y0: area.y0,
        reduce: options.reduce,
        samples: Samples::Constant(values),
        ..lowest
    }))
}

/// The packets that a window needs, where all bytes of the tile's only tile-part are there.
fn packets_of<'a>(
    input: &TileInput<'_>,
    parts: &[&'a [u8]],
    options: &DecodeOptions,
) -> Option<(PacketRead, &'a [u8])> {
    let [part] = parts else { return None };
    let (length, lengths) = (u32::try_from(part.len()).ok()?, lengths_in(part)?);
    let area = options.area.or_else(|| input.header.siz.tile_rect(input.tile).ok())?;
    let read =
        PacketRead::new(input.header, input.tile, length, &lengths, &[area], options.reduce)?;
    Some((read, part))
}

/// Which decoder is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecoderChoice {
    /// The fastest one for the coding of a file.
    #[default]
    Auto,
    /// OpenJPEG for all codings.
    OpenJpeg,
}

impl DecoderChoice {
    /// The decoder.
    #[must_use]
    pub fn decoder(self) -> Arc<dyn TileDecoder> {
        match self {
            Self::Auto | Self::OpenJpeg => Arc::new(OpenJpeg),
        }
    }
}

impl FromStr for DecoderChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "openjpeg" => Ok(Self::OpenJpeg),
            _ => Err(format!("no decoder is called {text:?}, there are auto and openjpeg")),
        }
    }
}

impl fmt::Display for DecoderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::OpenJpeg => "openjpeg",
        })
    }
}
