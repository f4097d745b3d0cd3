//! Files that changed after their record was written.

// Helpers of tests are tests too.
#![allow(clippy::expect_used, clippy::future_not_send, clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::Arc;

use common::{Given, L2A, Place, assemble, crop, cube, decoded, original, outcome, realdata};
use cubeflight_engine::EngineConfig;
use cubeflight_index::{Selection, read_peer};
use cubeflight_jp2::scan_bytes;
use cubeflight_sentinel2::{CubeRequest, OnError};
use cubeflight_storage::Method;

const BAND: &str = "B03_60m";

fn request() -> CubeRequest {
    CubeRequest { max_message_bytes: 200_000, ..L2A.request(&[BAND]) }
}

/// The file is exchanged between planning and reading.
async fn check(new: &[u8]) {
    let Some(place) = Place::indexed(L2A, &[BAND]).await else { return };
    let engine = place.engine(EngineConfig::default());
    let plan = engine.resolve(&request()).await.unwrap().plan;
    assert_eq!(plan.summary.assets_without_index, 0);
    let layout = Arc::clone(&plan.layout);
    fs::write(place.file(L2A, BAND), new).unwrap();
    place.log.take();
    let blocks = outcome(engine.run(plan, OnError::Fail)).await;
    let blocks: Vec<Given> = blocks.into_iter().map(|block| block.unwrap()).collect();
    let scans = place.log.take().into_iter().filter(|request| request.method == Method::Head);
    assert_eq!(scans.count(), 1, "rescanned once");
    let column = &layout.columns[0];
    assert!(assemble(column, &blocks, 0) == crop(&decoded(new), column));

    // Planned anew, the record of another size is not used; of the same size it is found out again.
    let (layout, again) = cube(&engine, &request()).await;
    assert_eq!(layout.columns[0], *column);
    assert_eq!(again, blocks);
}

/// The same boxes with one more before the codestream, which readers skip.
fn padded(file: &[u8], length: usize) -> Vec<u8> {
    let padding = u32::try_from(length - file.len()).unwrap();
    let at = file.windows(4).position(|name| name == b"jp2c").unwrap() - 4;
    let mut made = file[..at].to_vec();
    made.extend(padding.to_be_bytes());
    made.extend(b"free");
    made.resize(at + padding as usize, 0);
    made.extend(&file[at..]);
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_size_is_rescanned_once() {
    if realdata().is_some() {
        check(&original(L2A, "B04_60m")).await;
        check(&original(L2A, "B8A_60m")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_of_the_same_size_is_rescanned_once() {
    if realdata().is_some() {
        let old = original(L2A, BAND);
        let new = padded(&original(L2A, "B04_60m"), old.len());
        assert_eq!(new.len(), old.len());
        check(&new).await;
    }
}

/// One tile instead of a hundred: the pixels that a stale read was to fill lie in other tiles.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_other_tiles_is_rescanned_once() {
    if let Some(real) = realdata() {
        check(&fs::read(real.join("jp2/odd_rpcl_one_tile.jp2")).unwrap()).await;
    }
}

/// The same tile-parts, the last two of them exchanged: same size, same header.
fn with_last_tiles_exchanged(file: &[u8]) -> Vec<u8> {
    let structure = scan_bytes(file).unwrap();
    let [.., a, b] = structure.tile_parts.as_slice() else { panic!("too few tile-parts") };
    let (start, middle) = (a.offset as usize, b.offset as usize);
    let end = middle + b.length as usize;
    [&file[..start], &file[middle..end], &file[start..middle], &file[end..]].concat()
}

/// A record without main header: the header that is read fits the new file, its tiles do not. What
/// was learnt with the stale record is not taken for what the file is now.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_does_not_vouch_for_the_tiles() {
    let Some(place) = Place::new(&[(L2A, &[BAND])]) else { return };
    let table = fs::read(L2A.peer_table().unwrap()).unwrap();
    let rows = read_peer(table.into()).unwrap();
    let row = rows.iter().find(|row| row.source.asset == L2A.asset(BAND)).unwrap();
    place.index.append(&[row.record().unwrap().unwrap()]).await.unwrap();
    let old = original(L2A, BAND);
    let new = with_last_tiles_exchanged(&old);
    assert!(new.len() == old.len() && new != old);
    fs::write(place.file(L2A, BAND), &new).unwrap();

    let engine = place.engine(EngineConfig::default());
    for _ in 0..2 {
        let plan = engine.resolve(&request()).await.unwrap().plan;
        let layout = Arc::clone(&plan.layout);
        let blocks = outcome(engine.run(plan, OnError::Fail)).await;
        let blocks: Vec<Given> = blocks.into_iter().map(|block| block.unwrap()).collect();
        assert!(
            assemble(&layout.columns[0], &blocks, 0) == crop(&decoded(&old), &layout.columns[0])
        );
        engine.flush().await;
    }
    let records = place.index.records(L2A.level, L2A.mgrs(), &Selection::default()).await.unwrap();
    let fresh = scan_bytes(&new).unwrap();
    let [record] = records.as_slice() else { panic!("{} records", records.len()) };
    let offset = |tile: u16| record.tile_part(tile).unwrap().offset;
    assert!(fresh.tile_parts.iter().all(|part| offset(part.tile) == part.offset));
}
