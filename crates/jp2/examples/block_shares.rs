//! What an index of code-blocks would save beside one of packets: `block_shares FILE...` prints, for
//! square windows at random places, the share of the tiles' bytes that their packets take, and the
//! share that their code-blocks would take if each had its packet's bytes by its number of samples.

use std::error::Error;

use cubeflight_jp2::{MainHeader, PacketRead, Rect, Structure, scan_bytes};

const WINDOWS: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    println!("file; window; packets; runs of packets; code-blocks");
    for name in std::env::args().skip(1) {
        let file = std::fs::read(&name)?;
        let structure = scan_bytes(&file)?;
        let short = name.rsplit('/').next().unwrap_or(&name);
        let tile = structure.header.siz.tile_width;
        for side in [tile / 16, tile / 8, tile / 4, tile / 2] {
            let shares = shares(&structure, side).ok_or("no packet lengths in the file")?;
            let [packets, runs, blocks] = shares;
            println!("{short}; {side} of {tile}; {packets:.3}; {runs:.1}; {blocks:.3}");
        }
    }
    Ok(())
}

/// Shares of packets and code-blocks, and runs of packets, averaged.
fn shares(structure: &Structure, side: u32) -> Option<[f64; 3]> {
    let header = &structure.header;
    let mut state = 0x5EED_u64;
    let mut below = |bound: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::try_from((state >> 33) % u64::from(bound.max(1))).unwrap_or(0)
    };
    let mut sums = [0.0; 3];
    let mut count = 0.0;
    for _ in 0..WINDOWS {
        let tile = u16::try_from(below(header.siz.tiles())).ok()?;
        let rect = header.siz.tile_rect(tile).ok()?;
        let part = structure.tile_parts_of(tile).next()?;
        let lengths = part.packet_lengths.as_ref()?;
        if rect.width() <= side || rect.height() <= side {
            continue;
        }
        let (x, y) = (rect.x0 + below(rect.width() - side), rect.y0 + below(rect.height() - side));
        let window = Rect::new(x, y, x + side, y + side);
        let read = PacketRead::new(header, tile, part.length, lengths, &[window], 0)?;
        if read.is_sparse() {
            continue;
        }
        let length = f64::from(part.length);
        let ranges = read.ranges();
        let bytes: u32 = ranges.iter().map(|range| range.end - range.start).sum();
        let packets = read.runs().iter().flat_map(|run| run.packets.clone());
        let blocks: f64 =
            packets.map(|packet| of_blocks(header, rect, window, packet, lengths)).sum();
        let found = [f64::from(bytes) / length, ranges.len() as f64, blocks / length];
        sums.iter_mut().zip(found).for_each(|(sum, value)| *sum += value);
        count += 1.0;
    }
    Some(sums.map(|sum| sum / count))
}

/// Bytes of the code-blocks of a packet that a window needs, of files with one component.
fn of_blocks(header: &MainHeader, tile: Rect, window: Rect, packet: u32, lengths: &[u32]) -> f64 {
    let coding = header.coding(0);
    let mut first = 0;
    for (resolution, &(ppx, ppy)) in (0u8..).zip(&coding.precincts) {
        let level = coding.levels - resolution;
        let area = tile.reduced(level);
        let columns = (area.x0 >> ppx)..area.x1.div_ceil(1 << ppx);
        let rows = (area.y0 >> ppy)..area.y1.div_ceil(1 << ppy);
        let (across, down) = (columns.end - columns.start, rows.end - rows.start);
        if packet >= first + across * down {
            first += across * down;
            continue;
        }
        let (column, row) = ((packet - first) % across, (packet - first) / across);
        // a code-block in the coordinates of the resolution: twice as large as in its sub-bands
        let halved = u8::from(resolution > 0);
        let wide = coding.block_width.min(ppx - halved) + halved;
        let high = coding.block_height.min(ppy - halved) + halved;
        let needed = window.reduced(level);
        let margin = |start: u32| start.saturating_sub(3);
        let needed = Rect::new(margin(needed.x0), margin(needed.y0), needed.x1 + 3, needed.y1 + 3);
        let (x, y) = ((columns.start + column) << ppx, (rows.start + row) << ppy);
        let precinct = Rect::new(x, y, x + (1 << ppx), y + (1 << ppy));
        let Some(precinct) = precinct.intersection(&area) else { return 0.0 };
        let outward = Rect::new(
            (needed.x0 >> wide) << wide,
            (needed.y0 >> high) << high,
            needed.x1.div_ceil(1 << wide) << wide,
            needed.y1.div_ceil(1 << high) << high,
        );
        let hit = precinct.intersection(&outward).map_or(0, |hit| hit.area());
        let length = lengths.get(packet as usize).copied().unwrap_or(0);
        return f64::from(length) * hit as f64 / precinct.area() as f64;
    }
    0.0
}
