//! Packet headers for other exponents (ISO/IEC 15444-1 B.10).
//!
//! A packet header states for each code-block how many of the band's bit-planes are zero, and the
//! number of bit-planes of a band follows from its exponent and the guard bits (E-2). The encoder
//! has its own exponents, ESA has others, so that number is written anew and all else is kept.

use super::bits::{BitReader, BitWriter};
use super::class::{AxisPrecinct, GeometryClass};
use super::tagtree::TagTree;
use crate::header::wide;
use crate::{Error, Result};

/// What a packet header says about a code-block.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Zero bit-planes, coding passes and bytes; `None` when the block is not in the packet.
    coded: Option<(u32, u32, u32)>,
    /// Length indicator: bits of a length, less those that the passes add.
    indicator: u32,
}

/// Rewrites the packets of a tile (LRCP, one layer): `excess` are the bit-planes that each band
/// has in the source beyond those of the target, LL first, then HL, LH, HH of each resolution.
/// Returns the packets and their lengths.
pub(super) fn rewrite(
    class: &GeometryClass,
    packets: &[u8],
    lengths: &[u32],
    excess: &[i16],
) -> Result<(Vec<u8>, Vec<u32>)> {
    let mut out = Vec::with_capacity(packets.len());
    let mut written = Vec::with_capacity(lengths.len());
    let (mut rest, mut lengths) = (packets, lengths.iter());
    let resolutions = class.columns.0.iter().zip(&class.rows.0);
    let bands_of = |resolution: usize| match resolution {
        0 => excess.get(..1),
        _ => excess.get(3 * resolution - 2..3 * resolution + 1),
    };
    for (index, (columns, rows)) in resolutions.enumerate() {
        let excess = bands_of(index).ok_or_else(|| failed("a band has no exponent"))?;
        for _ in 0..class.components {
            for row in &rows.precincts {
                for column in &columns.precincts {
                    let length = lengths.next().and_then(|&length| usize::try_from(length).ok());
                    let (packet, behind) = length
                        .and_then(|length| rest.split_at_checked(length))
                        .ok_or_else(|| failed("a packet is missing"))?;
                    rest = behind;
                    let before = out.len();
                    rewrite_packet(&mut out, packet, &bands(column, row, excess))?;
                    let length = u32::try_from(out.len() - before);
                    written.push(length.map_err(|_| failed("a packet is too long"))?);
                }
            }
        }
    }
    if !rest.is_empty() || lengths.next().is_some() {
        return Err(failed("more packets than precincts"));
    }
    Ok((out, written))
}

/// One band of a precinct.
#[derive(Debug, Clone, Copy)]
struct Band {
    columns: usize,
    rows: usize,
    excess: i16,
}

fn bands(column: &AxisPrecinct, row: &AxisPrecinct, excess: &[i16]) -> Vec<Band> {
    let band = |columns: &[u32], rows: &[u32], excess: &i16| Band {
        columns: columns.len(),
        rows: rows.len(),
        excess: *excess,
    };
    match excess {
        [all] => vec![band(&column.low, &row.low, all)],
        [hl, lh, hh] => vec![
            band(&column.high, &row.low, hl),
            band(&column.low, &row.high, lh),
            band(&column.high, &row.high, hh),
        ],
        _ => Vec::new(),
    }
}

fn rewrite_packet(out: &mut Vec<u8>, packet: &[u8], bands: &[Band]) -> Result<()> {
    let (blocks, start) = read(packet, bands).ok_or_else(|| failed("bad packet header"))?;
    let data = packet.get(start..).ok_or_else(|| failed("a packet header is cut"))?;
    let coded = blocks.iter().flatten().filter_map(|block| block.coded);
    let bytes: u64 = coded.map(|(_, _, bytes)| u64::from(bytes)).sum();
    if bytes != wide(data.len()) {
        return Err(failed("lengths of code-blocks differ from that of their packet"));
    }
    out.extend(write(&blocks, bands)?);
    out.extend_from_slice(data);
    Ok(())
}

/// The code-blocks of each band, and where the data start.
fn read(packet: &[u8], bands: &[Band]) -> Option<(Vec<Vec<Block>>, usize)> {
    let mut reader = BitReader::new(packet);
    let empty = !reader.bit()?;
    let mut all = Vec::with_capacity(bands.len());
    for band in bands {
        let mut included = TagTree::new(band.columns, band.rows);
        let mut planes = TagTree::new(band.columns, band.rows);
        let mut blocks = Vec::with_capacity(band.columns * band.rows);
        for leaf in 0..band.columns * band.rows {
            let mut block = Block { coded: None, indicator: 3 };
            // one layer: a block is in this packet or in none
            if !empty && included.read(&mut reader, leaf, 1)?.is_some() {
                let zero_planes = planes.read(&mut reader, leaf, u32::MAX)??;
                let passes = read_passes(&mut reader)?;
                while reader.bit()? {
                    block.indicator += 1;
                }
                let length = reader.bits(block.indicator + passes.ilog2())?;
                block.coded = Some((zero_planes, passes, length));
            }
            blocks.push(block);
        }
        all.push(blocks);
    }
    Some((all, reader.end()))
}

fn write(blocks: &[Vec<Block>], bands: &[Band]) -> Result<Vec<u8>> {
    let mut writer = BitWriter::default();
    writer.bit(true);
    for (blocks, band) in blocks.iter().zip(bands) {
        let moved = |block: &Block| {
            let Some((zero_planes, ..)) = block.coded else { return Ok(u32::MAX) };
            zero_planes
                .checked_add_signed(-i32::from(band.excess))
                .ok_or_else(|| failed("a coefficient has more bit-planes than its band"))
        };
        let zero_planes = blocks.iter().map(moved).collect::<Result<Vec<_>>>()?;
        let absent: Vec<_> = blocks.iter().map(|block| u32::from(block.coded.is_none())).collect();
        let mut included = TagTree::with_values(band.columns, band.rows, &absent);
        let mut planes = TagTree::with_values(band.columns, band.rows, &zero_planes);
        for (leaf, block) in blocks.iter().enumerate() {
            included.write(&mut writer, leaf, 1);
            let Some((_, passes, length)) = block.coded else { continue };
            planes.write(&mut writer, leaf, u32::MAX);
            write_passes(&mut writer, passes);
            for _ in 3..block.indicator {
                writer.bit(true);
            }
            writer.bit(false);
            writer.bits(length, block.indicator + passes.ilog2());
        }
    }
    Ok(writer.finish())
}

/// Number of coding passes (table B.4), 1 to 164.
fn read_passes(reader: &mut BitReader<'_>) -> Option<u32> {
    // each step has all ones as escape to the next
    let mut passes = 1;
    for (count, escape) in [(1, 1), (1, 1), (2, 3), (5, 31)] {
        let value = reader.bits(count)?;
        passes += value;
        if value != escape {
            return Some(passes);
        }
    }
    Some(passes + reader.bits(7)?)
}

fn write_passes(writer: &mut BitWriter, passes: u32) {
    let mut rest = passes.saturating_sub(1);
    for (count, escape) in [(1, 1), (1, 1), (2, 3), (5, 31)] {
        let value = rest.min(escape);
        writer.bits(value, count);
        if value != escape {
            return;
        }
        rest -= escape;
    }
    writer.bits(rest, 7);
}

fn failed(message: &'static str) -> Error {
    Error::Encoder { stage: "packets", message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_come_back() {
        for passes in 1..=164 {
            let mut writer = BitWriter::default();
            write_passes(&mut writer, passes);
            let bytes = writer.finish();
            assert_eq!(read_passes(&mut BitReader::new(&bytes)), Some(passes));
        }
        let mut writer = BitWriter::default();
        write_passes(&mut writer, 6);
        // 1111 0000 0
        assert_eq!(writer.finish(), [0xf0, 0]);
    }
}
