//! Any records come back as they were written; damaged files are refused.

use bytes::Bytes;
use cubeflight_sentinel2::{AssetId, Level};
use cubeflight_tlm::{PacketLengths, TilePartSpan};
use proptest::prelude::*;

use super::*;

const PRODUCT: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454";

fn record() -> impl Strategy<Value = TlmRecord> {
    let part = (any::<u16>(), 0..1_000_u64, 14..u32::MAX, 0..5_usize);
    let parts = prop::collection::vec(part, 1..40);
    let flags = any::<[bool; 5]>();
    (parts, flags, 0..60_u64, "[a-zA-Z0-9/._-]{0,40}", any::<u32>()).prop_map(
        |(parts, [complete, counted, packets, header, validated], day, key, first)| {
            let product = PRODUCT.replace("20221005T115411", &format!("{}0101T115411", 2000 + day));
            let first_sot = u64::from(first);
            let mut next = first_sot;
            let mut lengths = PacketLengths::default();
            let mut tile_parts = Vec::new();
            for (at, (tile, gap, length, count)) in parts.into_iter().enumerate() {
                let offset = if complete { next } else { next + gap };
                let tile = if counted { u16::try_from(at).unwrap_or(0) } else { tile };
                tile_parts.push(TilePartSpan { tile, offset, length });
                next = offset + u64::from(length);
                lengths.counts.push(u32::try_from(count).unwrap_or(0));
                lengths.lengths.extend(std::iter::repeat_n(length, count));
            }
            TlmRecord {
                product: product.parse().unwrap(),
                asset: AssetId::parse("B02", Level::L2A).unwrap(),
                store: validated.then(|| "s3://eodata".to_owned()),
                size: next + 2,
                etag: validated.then(|| format!("\"{key}\"")),
                key,
                first_sot,
                tile_parts,
                complete,
                main_header: header.then(|| Bytes::from_static(b"\xff\x4f\xff\x51")),
                packet_lengths: packets.then_some(lengths),
            }
        },
    )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(record(), 0..150).prop_map(|mut records| {
        records.sort_by_key(|record| record.product.datatake_start());
        let row = |(at, record): (i64, TlmRecord)| {
            let has_packets = record.packet_lengths.is_some();
            Row { record: Arc::new(record), written_at: at, has_packets }
        };
        (0..).zip(records).map(row).collect()
    })
}

fn write(rows: &[Row]) -> Table {
    let mut writer = Writer::new(&["a.parquet".to_owned()]).unwrap();
    writer.asset(rows).unwrap();
    writer.finish().unwrap()
}

/// Reads a file as a lookup does, with the end that its name tells of.
fn read(bytes: &Bytes, tail: u64, columns: Columns) -> Result<Vec<Row>, String> {
    let size = u64::try_from(bytes.len()).unwrap();
    let from = usize::try_from(size.saturating_sub(tail)).unwrap();
    let Parsed::Footer(footer) = Footer::parse(bytes.slice(from..), size)? else {
        return Err("the end is too short".to_owned());
    };
    let blocks = footer.blocks(&Want::default());
    for range in ranges(&footer, &blocks, columns, size)? {
        assert!(range.end <= size);
    }
    let body = |range: &std::ops::Range<u64>| {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        (range.start <= range.end && range.end <= bytes.len()).then(|| bytes.slice(range))
    };
    Ok(decode(&footer, &blocks, columns, body)?.into_iter().flatten().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_round_trip(rows in rows()) {
        let Table { bytes, tail, summary } = write(&rows);
        let bytes = Bytes::from(bytes);
        prop_assert_eq!(usize::try_from(summary.records).unwrap(), rows.len());
        prop_assert_eq!(&read(&bytes, tail, Columns::Packets).unwrap(), &rows);
        let without = |row: &Row| {
            let record = TlmRecord { packet_lengths: None, ..(*row.record).clone() };
            Row { record: Arc::new(record), has_packets: false, ..row.clone() }
        };
        let expected: Vec<Row> = rows.iter().map(without).collect();
        prop_assert_eq!(read(&bytes, tail, Columns::Tlm).unwrap(), expected);
        let counted = read(&bytes, tail, Columns::Count).unwrap();
        prop_assert!(counted.iter().zip(&rows).all(|(a, b)| a.has_packets == b.has_packets));
    }

    #[test]
    fn wanted_rows_are_in_the_blocks(rows in rows(), years in prop::collection::vec(0..60_i64, 1..4)) {
        let Table { bytes, tail, .. } = write(&rows);
        let (bytes, size) = (Bytes::from(bytes.clone()), u64::try_from(bytes.len()).unwrap());
        let from = usize::try_from(size - tail).unwrap();
        let Parsed::Footer(footer) = Footer::parse(bytes.slice(from..), size).unwrap() else {
            panic!("the end is too short");
        };
        let start = |row: &Row| row.record.product.datatake_start().timestamp_micros();
        let mut starts: Vec<i64> =
            years.iter().filter_map(|at| rows.get(usize::try_from(*at).unwrap())).map(start).collect();
        starts.sort_unstable();
        let want = Want { starts: Some(starts.clone()), ..Want::default() };
        let blocks = footer.blocks(&want);
        let body = |range: &std::ops::Range<u64>| {
            Some(bytes.slice(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?))
        };
        let found = decode(&footer, &blocks, Columns::Packets, body).unwrap();
        let wanted = |row: &&Row| starts.contains(&start(row));
        let found: Vec<&Row> = found.iter().flatten().filter(wanted).collect();
        prop_assert_eq!(found, rows.iter().filter(wanted).collect::<Vec<_>>());
    }

    #[test]
    fn damage_is_an_error_or_goes_unnoticed(
        rows in rows(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let Table { mut bytes, tail, .. } = write(&rows);
        for (at, bits) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
        let _ = read(&Bytes::from(bytes), tail, Columns::Packets);
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&Bytes::from(bytes), u64::MAX, Columns::Packets).is_err());
    }
}
