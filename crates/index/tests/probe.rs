#![allow(clippy::panic, clippy::unwrap_used)]
#[test]
fn probe() {
    for f in ["L1C-18LTM","L1C-31TDH","L2A-29UNU","L2A-29UNU-allres"] {
        let b = std::fs::read(format!("/work/shared/realdata/index/{f}.parquet")).unwrap();
        let r = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(b.clone())).unwrap();
        println!("{f} {:?} rows {}", r.schema().fields().iter().map(|f| format!("{} {:?} {}", f.name(), f.data_type(), f.is_nullable())).collect::<Vec<_>>(), r.metadata().file_metadata().num_rows());
        match cubeflight_index::read_peer(bytes::Bytes::from(b)) {
            Ok(rows) => for r in rows.iter().take(400) { println!("  {} {} {} {:?}", r.band_id, r.source.asset, r.source.key, r.cell.as_ref().map(|c| (c.size, c.entries.len()))); },
            Err(e) => println!("ERR {e}"),
        }
    }
}
