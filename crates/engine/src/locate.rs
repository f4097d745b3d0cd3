//! Looks for the tile-parts of one file.

use std::sync::Arc;

use cubeflight_index::scan_asset;
use cubeflight_jp2::{FinderOptions, Found, MainHeader, Prior, TileFinder, scan_bytes};
use cubeflight_storage::Root;
use cubeflight_tlm::{PacketLengths, TilePartSpan, TlmRecord};

use crate::held::Held;
use crate::learned::{Finding, Wanted};

/// What helps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'a> {
    /// Other tile-parts of the file.
    pub(crate) known: Option<&'a TlmRecord>,
    /// The same asset of another date.
    pub(crate) profile: Option<&'a TlmRecord>,
}

/// Finds the wanted tile-parts. The size that a catalogue says may be that of another state of the
/// file.
pub(crate) async fn locate(
    archive: &Root,
    wanted: &Wanted<'_>,
    search: Search<'_>,
) -> cubeflight_index::Result<Finding> {
    let Some(said) = wanted.size else {
        let size = archive.head(wanted.path).await?.size;
        return find(archive, wanted, size, search).await;
    };
    let outcome = find(archive, wanted, said, search).await;
    let Err(error) = &outcome else { return outcome };
    if error.is_transient() {
        return outcome;
    }
    match archive.head(wanted.path).await {
        Ok(found) if found.size != said => find(archive, wanted, found.size, search).await,
        _ => outcome,
    }
}

async fn find(
    archive: &Root,
    wanted: &Wanted<'_>,
    size: u64,
    search: Search<'_>,
) -> cubeflight_index::Result<Finding> {
    if size <= wanted.max_whole_read {
        return whole(archive, wanted, size).await;
    }
    let (found, mut reads) = match search_parts(archive, wanted, size, search).await {
        // tiles that the image does not have, a header that cannot be read by itself
        Err(cubeflight_index::Error::Jp2(error)) => (Err(error.to_string()), Reads::default()),
        Err(error) => return Err(error),
        Ok((found, reads)) => match found.not_sequential {
            Some(reason) => (Err(reason.to_owned()), reads),
            None => (Ok(found), reads),
        },
    };
    let record = match found {
        Ok(found) => record_of(wanted, size, &found, search.known)?,
        Err(reason) => {
            tracing::debug!(path = %wanted.path, reason, "all tile-parts are scanned");
            let source = wanted.source.clone();
            let record = scan_asset(archive, wanted.path, source, Some(size)).await?;
            reads.requests += record.tile_parts.len() as u64;
            record
        }
    };
    let Reads { held, requests, bytes } = reads;
    Ok(Finding { record: Arc::new(record), held, requests, bytes })
}

/// What a search read.
#[derive(Debug, Default)]
struct Reads {
    held: Held,
    requests: u64,
    bytes: u64,
}

async fn search_parts(
    archive: &Root,
    wanted: &Wanted<'_>,
    size: u64,
    search: Search<'_>,
) -> cubeflight_index::Result<(Found, Reads)> {
    let mut finder = finder(wanted, size, search)?;
    let mut reads = Reads::default();
    while let Some(range) = finder.wants() {
        let start = range.start;
        let block = archive.get_range(wanted.path, range).await?;
        finder.feed(start, &block)?;
        reads.requests += 1;
        reads.bytes += block.len() as u64;
        reads.held.add(start, block);
    }
    Ok((finder.finish()?, reads))
}

fn finder(
    wanted: &Wanted<'_>,
    size: u64,
    search: Search<'_>,
) -> cubeflight_index::Result<TileFinder> {
    // what is read is used: pixels come with the search
    let options = FinderOptions { data: true, ..FinderOptions::default() };
    let tiles = wanted.tiles.iter().copied();
    let known = search.known.filter(|known| known.size == size);
    let header = known.and_then(|known| Some((known, known.main_header.as_ref()?)));
    let mut finder = match header {
        Some((known, bytes)) => {
            let header = MainHeader::parse(bytes)?;
            let start = known.first_sot.saturating_sub(bytes.len() as u64);
            TileFinder::with_header(size, header, start..size, tiles, options)?
        }
        None => TileFinder::new(size, tiles, options),
    };
    if let Some(known) = known {
        let parts = known.tile_parts.iter();
        finder = finder.with_known(parts.map(|part| (part.tile, part.offset, part.length)));
    }
    if let Some(prior) = search.profile.and_then(|profile| prior_of(profile, wanted.tile_count)) {
        finder = finder.with_prior(prior);
    }
    Ok(finder)
}

/// How the data of another date lie: exactly where its tile-parts are known, evenly between them.
fn prior_of(profile: &TlmRecord, tiles: u32) -> Option<Prior> {
    let mut known = vec![(0, profile.first_sot)];
    for part in &profile.tile_parts {
        known.push((u64::from(part.tile), part.offset));
        known.push((u64::from(part.tile) + 1, part.range().end));
    }
    known.push((u64::from(tiles), profile.size));
    known.dedup_by_key(|(tile, _)| *tile);
    let mut shares = Vec::with_capacity(tiles as usize + 1);
    for pair in known.windows(2) {
        let [(tile, offset), (next, end)] = pair else { continue };
        let (count, length) = (next.checked_sub(*tile)?, end.checked_sub(*offset)?);
        // a file has at most 65,535 tiles and 2^40 bytes
        shares.extend((0..count).map(|n| offset + length.saturating_mul(n) / count));
    }
    shares.push(profile.size);
    Prior::from_shares(shares)
}

/// What was found, as a record. Packet lengths are those of all its tile-parts or of none, so
/// tile-parts that were met on the way and lack them are left out.
fn record_of(
    wanted: &Wanted<'_>,
    size: u64,
    found: &Found,
    known: Option<&TlmRecord>,
) -> cubeflight_index::Result<TlmRecord> {
    let mut parts: Vec<_> = found.tile_parts.iter().collect();
    parts.sort_by_key(|part| part.offset);
    let has_packets =
        |tile: &u16| parts.iter().any(|part| part.tile == *tile && part.packet_lengths.is_some());
    let with_packets = !found.from_tlm && wanted.tiles.iter().all(has_packets);
    if with_packets {
        parts.retain(|part| part.packet_lengths.is_some());
    }
    let mut packets = PacketLengths::default();
    for lengths in parts.iter().filter_map(|part| part.packet_lengths.as_ref()) {
        packets.counts.push(u32::try_from(lengths.len()).unwrap_or(u32::MAX));
        packets.lengths.extend_from_slice(lengths);
    }
    let spans = parts.iter().map(|part| TilePartSpan {
        tile: part.tile,
        offset: part.offset,
        length: part.length,
    });
    let source = wanted.source.clone();
    let record = TlmRecord {
        product: source.product,
        asset: source.asset,
        store: source.store,
        key: source.key,
        size,
        etag: source.etag,
        first_sot: found.codestream.start + found.header.bytes().len() as u64,
        tile_parts: spans.collect(),
        complete: u32::try_from(parts.len()) == Ok(found.header.siz.tiles()),
        main_header: Some(found.header.without_tlm().into()),
        packet_lengths: with_packets.then_some(packets),
    };
    record.check()?;
    Ok(match known {
        Some(known) if known.size == size => record.completed_by(known),
        _ => record,
    })
}

/// A small file, read in one go.
async fn whole(
    archive: &Root,
    wanted: &Wanted<'_>,
    size: u64,
) -> cubeflight_index::Result<Finding> {
    let bytes = archive.get_range(wanted.path, 0..size).await?;
    let structure = scan_bytes(&bytes)?;
    structure.can_splice()?;
    let record = TlmRecord::from_structure(wanted.source.clone(), &structure)?;
    let mut held = Held::default();
    held.add(0, bytes);
    Ok(Finding { record: Arc::new(record), held, requests: 1, bytes: size })
}
