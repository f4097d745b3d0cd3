//! One tile, encoded.

use std::sync::Arc;

use super::class::GeometryClass;
use super::header::bit_planes;
use super::packets::rewrite;
use super::spec::{EncodeSpec, TileContent};
use crate::header::{Qcd, wide};
use crate::marker::Marker;
use crate::openjpeg::encode as openjpeg;
use crate::plt::plt_segments;
use crate::scan::scan_bytes;
use crate::{Error, Rect, Result};

/// A tile-part that holds all of a tile. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct EncodedTile {
    tile: u16,
    copied: bool,
    pub(super) class: Arc<GeometryClass>,
    /// What follows the SOT: PLT, SOD, packets.
    body: Arc<[u8]>,
    psot: u32,
    packets: u32,
}

impl EncodedTile {
    /// Tile index.
    pub fn tile(&self) -> u16 {
        self.tile
    }

    /// Length of the tile-part with its SOT, bytes (Psot).
    pub fn psot(&self) -> u32 {
        self.psot
    }

    /// Number of packets.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Whether this was made of another tile by [`renumbered`](Self::renumbered).
    pub fn is_copied(&self) -> bool {
        self.copied
    }

    /// The same samples as another tile of the same [`GeometryClass`], perhaps of another file.
    ///
    /// # Errors
    /// [`Error::Assemble`] when the tile is of another class; [`Error::EncodeSpec`];
    /// [`Error::TilePart`] when there is no such tile.
    pub fn renumbered(&self, spec: &EncodeSpec, tile: u16) -> Result<Self> {
        if GeometryClass::of(spec, tile)? != *self.class {
            return Err(Error::Assemble {
                reason: "a tile of another geometry class cannot be copied",
                found: u64::from(self.tile),
                expected: u64::from(tile),
            });
        }
        Ok(Self { tile, copied: true, ..self.clone() })
    }

    /// SOT and body.
    pub(super) fn parts(&self) -> ([u8; 12], &[u8]) {
        let mut sot = [0; 12];
        let fields = [
            &Marker::SOT.0.to_be_bytes()[..],
            &10u16.to_be_bytes(),
            &self.tile.to_be_bytes(),
            &self.psot.to_be_bytes(),
            // the only part of its tile: TPsot 0, TNsot 1
            &[0, 1],
        ];
        for (slot, byte) in sot.iter_mut().zip(fields.concat()) {
            *slot = byte;
        }
        (sot, &self.body)
    }
}

/// Encodes one tile. Independent of all others, so tiles may be encoded on any thread.
///
/// Takes up to 12 bytes for each sample and 6 kB for each code-block: 13 MB for a tile of 10 m
/// reflectance, 37 MB at 20 m, 12 MB at 60 m, 300 MB for one of [`Kind::Qualit20m`].
///
/// [`Kind::Qualit20m`]: super::Kind::Qualit20m
///
/// # Errors
/// [`Error::EncodeSpec`]; [`Error::TilePart`] when there is no such tile;
/// [`Error::EncodeContent`] for samples that are too many, too few or above the bit depth;
/// [`Error::Encoder`].
pub fn encode_tile(spec: &EncodeSpec, tile: u16, content: &TileContent) -> Result<EncodedTile> {
    let rect = spec.tile_rect(tile)?;
    check(spec, tile, rect, content)?;
    let class = GeometryClass::of(spec, tile)?;
    // OpenJPEG damages a tile when it has nothing left to transform at a level
    let idle = u8::try_from(class.idle_levels()).unwrap_or_default();
    let request = openjpeg::Request {
        area: rect,
        components: spec.components,
        bit_depth: spec.bit_depth,
        levels: spec.levels - idle.min(spec.levels),
        code_block: spec.code_block,
        precinct: spec.precinct,
        mct: spec.mct,
        // enough bit-planes for every band of ESA's
        guard_bits: if spec.mct { 3 } else { 2 },
    };
    let plane = usize::try_from(rect.area()).unwrap_or(usize::MAX);
    let codestream = openjpeg::encode(&request, |component, target| match content {
        TileContent::Constant(values) => {
            target.fill(values.get(component).copied().map_or(0, i32::from));
        }
        TileContent::Samples(samples) => {
            let from = samples.chunks_exact(plane).nth(component).unwrap_or_default();
            target.iter_mut().zip(from).for_each(|(slot, &value)| *slot = i32::from(value));
        }
    })?;
    let structure = scan_bytes(&codestream)?;
    let excess = excess(&structure.header.qcd, &bit_planes(spec))?;
    let [part] = &structure.tile_parts[..] else { return Err(failed("not one tile-part")) };
    let lengths = part.packet_lengths.as_ref().ok_or_else(|| failed("no packet lengths"))?;
    let start = part.offset + u64::from(part.header_length);
    let end = part.offset + u64::from(part.length);
    let packets = match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) => codestream.get(start..end),
        _ => None,
    };
    let packets = packets.ok_or_else(|| failed("tile-part outside the codestream"))?;
    let (packets, lengths) = rewrite(&class, packets, lengths, &excess)?;
    let mut body = plt_segments(&lengths).ok_or_else(|| failed("too many packets"))?;
    body.extend(Marker::SOD.0.to_be_bytes());
    body.extend_from_slice(&packets);
    let psot = u32::try_from(body.len() + 12).map_err(|_| failed("tile-part above 4 GiB"))?;
    Ok(EncodedTile {
        tile,
        copied: false,
        class: Arc::new(class),
        body: body.into(),
        psot,
        packets: u32::try_from(lengths.len()).map_err(|_| failed("too many packets"))?,
    })
}

fn check(spec: &EncodeSpec, tile: u16, rect: Rect, content: &TileContent) -> Result<()> {
    let bad = |reason, found: u64, expected: u64| {
        Err(Error::EncodeContent { tile, reason, found, expected })
    };
    let (samples, expected, reason) = match content {
        TileContent::Constant(values) => {
            (values, u64::from(spec.components), "number of values is not that of components")
        }
        TileContent::Samples(samples) => {
            let expected = rect.area() * u64::from(spec.components);
            (samples, expected, "number of samples is not that of the tile")
        }
    };
    if wide(samples.len()) != expected {
        return bad(reason, wide(samples.len()), expected);
    }
    let limit = (1u32 << spec.bit_depth) - 1;
    let largest = samples.iter().copied().max().unwrap_or_default();
    if u32::from(largest) > limit {
        return bad("a sample is above the bit depth", u64::from(largest), u64::from(limit));
    }
    Ok(())
}

/// Bit-planes of each band in the source beyond those of the target. The source may lack levels:
/// bands that hold nothing.
fn excess(source: &Qcd, target: &[u8]) -> Result<Vec<i16>> {
    let missing = target.len().checked_sub(source.steps.len());
    let missing = missing.ok_or_else(|| failed("too many bands"))?;
    let planes =
        |&(exponent, _): &(u8, u16)| i16::from(exponent) + i16::from(source.guard_bits) - 1;
    let pairs = source.steps.iter().zip(target.iter().skip(missing));
    let excess = pairs.map(|(step, &target)| planes(step) - i16::from(target));
    Ok(std::iter::repeat_n(0, missing).chain(excess).collect())
}

fn failed(message: &'static str) -> Error {
    Error::Encoder { stage: "tile-part", message: message.to_owned() }
}
