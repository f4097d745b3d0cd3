//! A TLM put into files: the tiles are found by it, and the samples stay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use cubeflight_jp2::{
    DecodeOptions, Error, Marker, ScanOptions, Structure, decode, inject_tlm, scan_bytes,
    scan_bytes_with,
};

fn injected(file: &[u8]) -> Vec<u8> {
    let structure = scan_bytes(file).unwrap();
    let first = structure.first_tile_part() as usize;
    let injected = inject_tlm(&file[..first], &structure).unwrap();
    assert_eq!(injected.replaced, first as u64);
    let out = [&injected.head[..], &file[first..]].concat();
    assert_eq!(injected.size, out.len() as u64);
    out
}

fn refused(head: &[u8], structure: &Structure) -> &'static str {
    inject_tlm(head, structure).unwrap_err().code()
}

fn samples(file: &[u8]) -> Vec<i32> {
    let image = decode(file, &DecodeOptions::default()).unwrap();
    (0..image.components).flat_map(|k| image.samples(k).unwrap().to_vec()).collect()
}

#[test]
fn every_real_file_takes_a_tlm() {
    let Some(root) = common::realdata() else { return };
    for name in common::real_files(&root) {
        let file = common::read(&root, &name);
        let before = scan_bytes(&file).unwrap();
        if before.header.has(Marker::TLM) {
            let head = &file[..before.first_tile_part() as usize];
            assert_eq!(refused(head, &before), "CF-JP2-027");
            continue;
        }
        let new = injected(&file);
        let after = scan_bytes(&new).unwrap();
        let added = (new.len() - file.len()) as u64;
        assert_eq!(after.tlm_matches(), Some(true), "{name}");
        for (old, new) in before.tile_parts.iter().zip(&after.tile_parts) {
            let mut moved = old.clone();
            moved.offset += added;
            assert_eq!(&moved, new);
        }
        assert_eq!(after.header.without_tlm(), before.header.bytes());
        let options = ScanOptions { use_tlm: true, ..ScanOptions::default() };
        assert!(scan_bytes_with(&new, options).unwrap().from_tlm);
    }
}

/// Others have put a TLM into some of the files: ours is the same to the byte, or stands before
/// the comments where theirs stands behind.
#[test]
fn others_inject_alike() {
    let Some(root) = common::realdata() else { return };
    let names = common::real_files(&root);
    let mut compared = 0;
    for theirs in names.iter().filter(|name| name.contains("TLM_injected")) {
        let base = theirs.rsplit('/').next().unwrap().replace(".tlm.jp2", ".jp2");
        let original = names.iter().find(|name| name.ends_with(&format!("/{base}"))).unwrap();
        let ours = injected(&common::read(&root, original));
        let theirs = common::read(&root, theirs);
        assert_eq!(ours.len(), theirs.len());
        let (a, b) = (scan_bytes(&ours).unwrap(), scan_bytes(&theirs).unwrap());
        assert_eq!(a.header.tlm, b.header.tlm);
        assert_eq!(a.tile_parts, b.tile_parts);
        assert_eq!(a.header.without_tlm(), b.header.without_tlm());
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn samples_stay() {
    let Some(root) = common::realdata() else { return };
    // the mask of eight components takes more memory than a decode may
    for name in common::KINDS.into_iter().filter(|name| !name.contains("QUALIT")) {
        let file = common::read(&root, name);
        assert!(samples(&injected(&file)) == samples(&file), "{name}");
    }
}

/// The codestream's box may state its length, in either form, and boxes may follow it.
#[test]
fn box_lengths_follow() {
    let Some(root) = common::realdata() else { return };
    let file = common::read(&root, common::KINDS[0]);
    let structure = scan_bytes(&file).unwrap();
    let jp2c = structure.boxes.iter().find(|found| found.kind == *b"jp2c").unwrap();
    let (before, stream) = file.split_at(jp2c.offset as usize);
    let stream = &stream[8..];
    let xml = b"\0\0\0\x0cxml <a/>";
    let long = |length: u64| [b"\0\0\0\x01jp2c".as_slice(), &length.to_be_bytes()].concat();
    let short = |length: u64| [&(length as u32).to_be_bytes()[..], b"jp2c"].concat();
    for header in [short(stream.len() as u64 + 8), long(stream.len() as u64 + 16)] {
        let file = [before, &header, stream, xml].concat();
        let new = injected(&file);
        let (old, found) = (scan_bytes(&file).unwrap(), scan_bytes(&new).unwrap());
        assert_eq!(found.tlm_matches(), Some(true));
        assert_eq!(found.boxes.len(), old.boxes.len());
        assert_eq!(found.boxes.last().unwrap().payload, b"<a/>");
        assert!(samples(&new) == samples(&file));
    }
    // a codestream alone
    assert_eq!(scan_bytes(&injected(stream)).unwrap().tlm_matches(), Some(true));
    // an index of the file's bytes
    let file = [before, &short(stream.len() as u64 + 8), stream, b"\0\0\0\x08cidx"].concat();
    let structure = scan_bytes(&file).unwrap();
    let head = &file[..structure.first_tile_part() as usize];
    assert_eq!(refused(head, &structure), "CF-JP2-028");
    // bytes behind EOC
    let file = [stream, b"xx"].concat();
    let structure = scan_bytes(&file).unwrap();
    let head = &file[..structure.first_tile_part() as usize];
    assert_eq!(refused(head, &structure), "CF-JP2-028");
}

#[test]
fn only_what_was_scanned_is_taken() {
    let Some(root) = common::realdata() else { return };
    let file = common::read(&root, common::KINDS[1]);
    let whole = scan_bytes(&file).unwrap();
    let first = whole.first_tile_part() as usize;
    let options = ScanOptions { stop_after_header: true, ..ScanOptions::default() };
    let header = scan_bytes_with(&file, options).unwrap();
    assert_eq!(refused(&file[..first], &header), "CF-JP2-028");
    assert_eq!(refused(&file[..first - 1], &whole), "CF-JP2-028");
    assert_eq!(refused(&[], &whole), "CF-JP2-028");
    let mut part = whole.clone();
    part.tile_parts.pop();
    let result = inject_tlm(&file[..first], &part);
    assert!(matches!(result, Err(Error::CannotInject { .. })));
}
