//! Archives whose files are as large as real ones, made in a moment.

use std::path::{Path, PathBuf};

use cubeflight_jp2::{scan_bytes, tlm_segment};
use cubeflight_sentinel2::{AssetId, Bounds, Level, safe};
use cubeflight_testkit::archive::{Archive, Config};
use tempfile::TempDir;

pub(crate) const TILE: &str = "33TVN";

/// Bytes added to a file, so that it is above what is read whole.
const MORE: usize = 9 * 1024 * 1024;

/// Products of 2022 with these assets and SCL.
pub(crate) fn make(bands: &[&str], products: usize) -> TempDir {
    make_in("2022-06-01", "2022-09-01", bands, products)
}

pub(crate) fn make_in(start: &str, end: &str, bands: &[&str], products: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = |day: &str| format!("{day}T00:00:00Z").parse().unwrap();
    let bands = bands.iter().map(|name| AssetId::parse(name, Level::L2A).unwrap()).collect();
    // one small corner of the tile
    let bounds = Bounds::new(453_000.0, 5_206_000.0, 453_600.0, 5_206_600.0).unwrap();
    let time = (at(start), at(end));
    let config = Config {
        bands,
        bounds: Some(bounds),
        ..Config::new(folder.path(), TILE.parse().unwrap(), time, products)
    };
    Archive::write(&config, &|_| ()).unwrap();
    folder
}

/// The TLM that an enlarged file gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tlm {
    None,
    Right,
    /// The first tile-part a byte shorter, the last one longer.
    Shifted,
    /// The last two tiles changed about.
    Swapped,
}

/// Adds zeros to the last packet of every tile-part of the files of an asset. They decode to
/// something else, but their structure is sound.
pub(crate) fn enlarge(folder: &Path, asset: AssetId, tlm: Tlm) {
    let mut files = Vec::new();
    find(&folder.join("eodata"), &mut files);
    let is_one = |path: &PathBuf| {
        safe::parse_key(path.to_str().unwrap()).is_some_and(|key| key.asset == asset)
    };
    let files: Vec<_> = files.into_iter().filter(is_one).collect();
    assert!(!files.is_empty());
    for path in files {
        let file = std::fs::read(&path).unwrap();
        std::fs::write(&path, enlarged(&file, tlm)).unwrap();
    }
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { find(&path, files) } else { files.push(path) }
    }
}

fn enlarged(file: &[u8], tlm: Tlm) -> Vec<u8> {
    let structure = scan_bytes(file).unwrap();
    let more = MORE / structure.tile_parts.len();
    let mut parts = Vec::new();
    let mut lengths = Vec::new();
    for part in &structure.tile_parts {
        let from = usize::try_from(part.offset).unwrap();
        let data = from + usize::try_from(part.header_length).unwrap();
        let end = from + usize::try_from(part.length).unwrap();
        let mut packets = part.packet_lengths.clone().unwrap();
        *packets.last_mut().unwrap() += u32::try_from(more).unwrap();
        let packed: Vec<u8> = packets.into_iter().flat_map(seven_bits).collect();
        let plt = u16::try_from(packed.len() + 3).unwrap();
        let psot = u32::try_from(12 + 2 + 3 + packed.len() + 2 + (end - data) + more).unwrap();
        parts.extend_from_slice(&[0xff, 0x90, 0, 10]);
        parts.extend_from_slice(&part.tile.to_be_bytes());
        parts.extend_from_slice(&psot.to_be_bytes());
        parts.extend_from_slice(&[0, 1, 0xff, 0x58]);
        parts.extend_from_slice(&plt.to_be_bytes());
        parts.push(0);
        parts.extend_from_slice(&packed);
        parts.extend_from_slice(&[0xff, 0x93]);
        parts.extend_from_slice(&file[data..end]);
        parts.resize(parts.len() + more, 0);
        lengths.push((part.tile, psot));
    }
    // SOC, SIZ, COD, QCD and COM, without the TLM that may be there
    let start = usize::try_from(structure.codestream.start).unwrap();
    let mut out = file[..start].to_vec();
    out.extend_from_slice(&structure.header.without_tlm());
    let last = lengths.len() - 1;
    match tlm {
        Tlm::None | Tlm::Right => (),
        Tlm::Shifted => {
            lengths[0].1 -= 1;
            lengths[last].1 += 1;
        }
        Tlm::Swapped => {
            let (a, b) = (lengths[last - 1].0, lengths[last].0);
            (lengths[last - 1].0, lengths[last].0) = (b, a);
        }
    }
    if tlm != Tlm::None {
        out.extend_from_slice(&tlm_segment(lengths).unwrap().concat());
    }
    out.extend_from_slice(&parts);
    out.extend_from_slice(&[0xff, 0xd9]);
    out
}

/// A packet length as PLT has it: seven bits to a byte, the high bit set on all but the last.
fn seven_bits(length: u32) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(length & 0x7f).unwrap()];
    let mut rest = length >> 7;
    while rest > 0 {
        bytes.insert(0, 0x80 | u8::try_from(rest & 0x7f).unwrap());
        rest >>= 7;
    }
    bytes
}
