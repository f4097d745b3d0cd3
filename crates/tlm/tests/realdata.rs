//! Records of real files: `CUBEFLIGHT_REALDATA`, by default `shared/realdata` beside the workspace.
//! Skipped where it is absent, except in CI.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use cubeflight_jp2::{MainHeader, Structure, scan_bytes};
use cubeflight_sentinel2::{AssetId, Level};
use cubeflight_tlm::{
    RecordSource, TlmRecord, decode_peer_cell, encode_peer_cell, parse_tlm_segments,
};

fn realdata() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/realdata");
    let root = std::env::var_os("CUBEFLIGHT_REALDATA").map_or(default.into(), PathBuf::from);
    if root.join("jp2").is_dir() {
        return Some(root.join("jp2"));
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no real data at {}", root.display());
    println!("skipped: no real data at {}", root.display());
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "jp2") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn source() -> RecordSource {
    RecordSource {
        product: "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454".parse().unwrap(),
        asset: AssetId::parse("B04_60m", Level::L2A).unwrap(),
        key: "key.jp2".to_owned(),
        store: None,
        etag: Some("\"etag\"".to_owned()),
    }
}

fn scan(path: &Path) -> (Vec<u8>, Structure, TlmRecord) {
    let bytes = fs::read(path).unwrap();
    let structure = scan_bytes(&bytes).unwrap();
    let record = TlmRecord::from_structure(source(), &structure).unwrap();
    (bytes, structure, record)
}

#[test]
fn records_say_where_the_tile_parts_of_real_files_lie() {
    let Some(root) = realdata() else { return };
    let files = files(&root);
    assert!(files.len() > 40);
    for path in files {
        let name = path.display();
        let (bytes, structure, record) = scan(&path);
        record.check().unwrap();
        assert_eq!(record.size, bytes.len() as u64, "{name}");
        assert_eq!(record.first_sot, structure.first_tile_part(), "{name}");
        assert_eq!(record.etag, source().etag);
        let mut next = record.first_sot;
        for part in &record.tile_parts {
            assert_eq!(part.offset, next, "{name}");
            next = part.range().end;
            let at = usize::try_from(part.offset).unwrap();
            assert_eq!(bytes[at..at + 4], [0xff, 0x90, 0, 10], "{name}");
            assert_eq!(bytes[at + 4..at + 6], part.tile.to_be_bytes(), "{name}");
        }
        // nothing but EOC follows
        assert_eq!(next + 2, record.size, "{name}");

        let header = MainHeader::parse(record.main_header.as_ref().unwrap()).unwrap();
        assert_eq!(header.siz, structure.header.siz, "{name}");
        assert!(header.tlm.is_empty());
        for (position, part) in structure.tile_parts.iter().enumerate() {
            let lengths = record.packet_lengths.as_ref().and_then(|packets| packets.of(position));
            assert_eq!(lengths, part.packet_lengths.as_deref(), "{name}");
        }
    }
}

#[test]
fn records_of_real_files_round_trip() {
    let Some(root) = realdata() else { return };
    for path in files(&root) {
        let (_, _, record) = scan(&path);
        let bare = TlmRecord { main_header: None, packet_lengths: None, ..record.clone() };
        let segments = record.tlm_segments().unwrap();
        let entries = parse_tlm_segments(&segments).unwrap();
        let back = TlmRecord::from_tlm(source(), record.size, record.first_sot, &entries).unwrap();
        assert_eq!(back, bare, "{}", path.display());

        let cell = encode_peer_cell(&record).unwrap();
        assert_eq!(&cell[20..], segments);
        let cell = decode_peer_cell(&cell).unwrap().unwrap();
        assert_eq!((cell.size, cell.first_sot), (record.size, record.first_sot));
        assert_eq!(cell.entries, entries);
    }
}

/// A TLM in the file moves its tile-parts and changes nothing else of the record; its segment is
/// the one that we write.
#[test]
fn a_tlm_in_the_file_makes_no_difference() {
    let Some(root) = realdata() else { return };
    let product = root.join("L2A_N0400_S2A_20221005_T29UNU");
    for path in files(&root.join("derived_TLM_injected")) {
        let name = path.file_name().unwrap().to_str().unwrap().replace(".tlm.jp2", ".jp2");
        let original = files(&product).into_iter().find(|path| path.ends_with(&name)).unwrap();
        let (bytes, structure, with_tlm) = scan(&path);
        let (_, _, without) = scan(&original);
        assert_eq!(structure.tlm_matches(), Some(true));
        assert_eq!(with_tlm.main_header, without.main_header, "{name}");
        assert_eq!(with_tlm.packet_lengths, without.packet_lengths, "{name}");
        let segment = with_tlm.tlm_segments().unwrap();
        assert_eq!(segment, without.tlm_segments().unwrap(), "{name}");
        assert_eq!(with_tlm.first_sot, without.first_sot + segment.len() as u64, "{name}");
        assert!(bytes[..8192].windows(segment.len()).any(|window| window == segment), "{name}");
    }
}
