//! Indexing an archive.

// Helpers of tests are tests too.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::Arc;

use common::{Setup, key, realdata};
use cubeflight_index::{
    IndexOptions, MAX_WHOLE_READ, Report, Selection, build, candidates, scan_asset,
};
use cubeflight_jp2::{Structure, scan_bytes};
use cubeflight_sentinel2::Level;
use cubeflight_storage::Method;
use cubeflight_tlm::{RecordSource, TlmRecord};

const REAL: &str = "jp2/L2A_N0400_S2A_20221005_T29UNU";
const MASK: &str = "QI_DATA/MSK_DETFOO_B02.jp2";

async fn run(setup: &Setup) -> Report {
    let found = candidates(&setup.archive, None).await.unwrap();
    build(&setup.archive, &setup.index, found, &IndexOptions::default()).await.unwrap()
}

async fn records(setup: &Setup) -> Vec<Arc<TlmRecord>> {
    let tile = "29UNU".parse().unwrap();
    setup.index.records(Level::L2A, tile, &Selection::default()).await.unwrap()
}

#[tokio::test]
async fn a_second_run_does_nothing_new() {
    let Some(setup) = Setup::real() else { return };
    let first = run(&setup).await;
    assert_eq!((first.indexed, first.known), (first.found, 0));
    // one file of either collection
    assert_eq!(first.files.len(), 2);
    setup.log.take();

    let second = run(&setup).await;
    assert_eq!((second.found, second.indexed, second.known), (first.found, 0, first.found));
    assert!(second.files.is_empty());
    assert!(setup.log.take().iter().all(|request| request.method == Method::List));
}

#[tokio::test]
async fn small_batches_give_the_same_records() {
    let Some(setup) = Setup::real() else { return };
    let options = IndexOptions { concurrency: 3, batch: 4, ..IndexOptions::default() };
    let found = candidates(&setup.archive, None).await.unwrap();
    let count = found.len();
    let report = build(&setup.archive, &setup.index, found, &options).await.unwrap();
    assert_eq!(report.indexed, count);
    assert!(report.files.len() > 2);
    assert_eq!(run(&setup).await.known, count);
}

#[tokio::test]
async fn a_changed_file_gets_a_new_record_which_comes_last() {
    let Some(root) = realdata() else { return };
    let setup = Setup::empty();
    let file = |name: &str| fs::read(root.join(REAL).join("QI_DATA").join(name)).unwrap();
    // Footprints of two bands of the same grid, and back again with a shorter name in between.
    let states = [file("MSK_DETFOO_B02.jp2"), with_free_box(&file("MSK_DETFOO_B02.jp2"), 100)];
    for state in &states {
        setup.put(&key(MASK), state);
        assert_eq!(run(&setup).await.indexed, 1);
    }
    // Both file states are kept: a mirror may still have the other. The newest is the last, whatever
    // order a hash map would give.
    for _ in 0..20 {
        let sizes: Vec<u64> = records(&setup).await.iter().map(|record| record.size).collect();
        assert_eq!(sizes, states.each_ref().map(|state| state.len() as u64));
    }
    assert_eq!(run(&setup).await.known, 1);
}

#[tokio::test]
async fn a_damaged_file_is_reported_and_the_others_are_indexed() {
    let Some(root) = realdata() else { return };
    let setup = Setup::empty();
    let good = fs::read(root.join(REAL).join(MASK)).unwrap();
    setup.put(&key(MASK), &good);
    setup.put(&key("QI_DATA/MSK_DETFOO_B03.jp2"), &good[..good.len() / 2]);
    setup.put(&key("QI_DATA/MSK_DETFOO_B04.jp2"), b"not a JP2 at all, but long enough to be one");
    setup.put(&key("QI_DATA/MSK_DETFOO_B08.jp2"), b"");
    // a JP2, but nothing that is a cube's
    setup.put(&key("QI_DATA/T29UNU_20221005T115411_PVI.jp2"), &good);
    let report = run(&setup).await;
    assert_eq!((report.found, report.indexed, report.known), (4, 1, 0));
    let mut failed = report.failed.clone();
    failed.sort_by(|a, b| a.key.cmp(&b.key));
    let refused: Vec<_> = failed
        .iter()
        .map(|refusal| (refusal.key.rsplit('_').next().unwrap(), &refusal.code[..7]))
        .collect();
    assert_eq!(refused, [("B03.jp2", "CF-JP2-"), ("B04.jp2", "CF-JP2-"), ("B08.jp2", "CF-JP2-")]);
    assert!(report.failed.iter().all(|refusal| !refusal.reason.is_empty()));
    assert_eq!(records(&setup).await.len(), 1);
}

#[tokio::test]
async fn large_files_are_walked_and_not_read() {
    let Some(root) = realdata() else { return };
    let setup = Setup::empty();
    let small = fs::read(root.join(REAL).join("R10m/T29UNU_20221005T115411_AOT_10m.jp2")).unwrap();
    let large = enlarged(&small, 150_000);
    assert!(large.len() as u64 > 2 * MAX_WHOLE_READ);
    let keys = [
        key("IMG_DATA/R10m/T29UNU_20221005T115411_AOT_10m.jp2"),
        key("IMG_DATA/R10m/T29UNU_20221005T115411_WVP_10m.jp2"),
    ];
    setup.put(&keys[0], &large);
    setup.put(&keys[1], &small);
    assert_eq!(run(&setup).await.indexed, 2);

    let log = setup.log.take();
    let reads = |key: &str| -> Vec<u64> {
        let reads = log.iter().filter(|request| request.path.ends_with(key));
        reads.filter_map(|request| request.range.clone()).map(|r| r.end - r.start).collect()
    };
    assert_eq!(reads(&keys[1]), [small.len() as u64]);
    let walk = reads(&keys[0]);
    // the header with the first of 121 tile-parts, then one for each of the others; no EOC
    assert_eq!(walk.len(), 121);
    assert!(walk.iter().max().unwrap() <= &8192);
    assert!(walk.iter().sum::<u64>() < 50_000);

    let walked = &records(&setup).await[0];
    let whole = TlmRecord::from_structure(source_of(walked), &scan_bytes(&large).unwrap()).unwrap();
    assert_eq!(**walked, whole);
}

#[tokio::test]
async fn without_a_size_the_store_is_asked() {
    let Some(setup) = Setup::real() else { return };
    let candidate = candidates(&setup.archive, None).await.unwrap().remove(0);
    let scan = |size| scan_asset(&setup.archive, &candidate.path, candidate.source.clone(), size);
    let known = scan(Some(candidate.size)).await.unwrap();
    setup.log.take();
    assert_eq!(scan(None).await.unwrap(), known);
    let methods: Vec<Method> = setup.log.take().iter().map(|request| request.method).collect();
    assert_eq!(methods, [Method::Head, Method::Get]);
    // a size that is not that of the file
    assert!(scan(Some(candidate.size + 1)).await.is_err());
    assert!(scan(Some(candidate.size - 1)).await.is_err());
}

fn source_of(record: &TlmRecord) -> RecordSource {
    RecordSource {
        product: record.product.clone(),
        asset: record.asset,
        store: record.store.clone(),
        key: record.key.clone(),
        etag: record.etag.clone(),
    }
}

/// The file with a `free` box of so many bytes before its codestream: the same image, elsewhere.
fn with_free_box(file: &[u8], length: u32) -> Vec<u8> {
    let structure = scan_bytes(file).unwrap();
    let jp2c = structure.boxes.iter().find(|info| &info.kind == b"jp2c").unwrap();
    let (before, from) = file.split_at(usize::try_from(jp2c.offset).unwrap());
    let zeros = vec![0; usize::try_from(length - 8).unwrap()];
    [before, &length.to_be_bytes(), b"free", &zeros, from].concat()
}

/// The file with `more` bytes added to the last packet of every tile-part. It decodes to something
/// else, but its structure is sound.
fn enlarged(file: &[u8], more: u32) -> Vec<u8> {
    let structure: Structure = scan_bytes(file).unwrap();
    let start = usize::try_from(structure.first_tile_part()).unwrap();
    let mut out = file[..start].to_vec();
    for part in &structure.tile_parts {
        let from = usize::try_from(part.offset).unwrap();
        let data = from + usize::try_from(part.header_length).unwrap();
        let end = from + usize::try_from(part.length).unwrap();
        let mut lengths = part.packet_lengths.clone().unwrap();
        *lengths.last_mut().unwrap() += more;
        let packed: Vec<u8> = lengths.into_iter().flat_map(seven_bits).collect();
        let plt_length = u16::try_from(packed.len() + 3).unwrap();
        let more = usize::try_from(more).unwrap();
        let psot = u32::try_from(12 + 2 + 3 + packed.len() + 2 + (end - data) + more).unwrap();
        out.extend_from_slice(&[0xff, 0x90, 0, 10]);
        out.extend_from_slice(&part.tile.to_be_bytes());
        out.extend_from_slice(&psot.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0xff, 0x58]);
        out.extend_from_slice(&plt_length.to_be_bytes());
        out.push(0);
        out.extend_from_slice(&packed);
        out.extend_from_slice(&[0xff, 0x93]);
        out.extend_from_slice(&file[data..end]);
        out.resize(out.len() + more, 0);
    }
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
