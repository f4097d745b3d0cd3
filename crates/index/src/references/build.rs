//! From records to arrays.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cubeflight_jp2::{MainHeader, Marker, Siz};
use cubeflight_sentinel2::{AssetId, Cells, Level, MgrsTile, ProductId};
use cubeflight_tlm::TlmRecord;

use super::{AssetArray, File, LeftOut, MAX_TILE_SAMPLES, References, TileCoding};

/// Segments of a main header that say nothing of how a tile is coded.
const DROPPED: [Marker; 3] = [Marker::COM, Marker::TLM, Marker::PLM];

/// A record that can be referenced.
struct Usable {
    record: Arc<TlmRecord>,
    coding: TileCoding,
    spans: Vec<(u64, u32)>,
}

impl References {
    /// The references of the records of one collection and tile; others are left out. `href` is
    /// the full URL of a record's file.
    ///
    /// Of several records of one asset the last is taken, as [`Index::records`](crate::Index) sorts
    /// them. Of several products of one datatake, that with the highest processing baseline is a
    /// time step, of these the one processed last. All chunks of an array are decoded with one main
    /// header: that of most of its files, the earliest where two are as frequent. Everything else
    /// is in [`left_out`](Self::left_out).
    #[must_use]
    pub fn new(
        level: Level,
        tile: MgrsTile,
        records: &[Arc<TlmRecord>],
        href: impl Fn(&TlmRecord) -> String,
    ) -> Self {
        let mut left_out = Vec::new();
        let mut leave = |record: &TlmRecord, reason: String| {
            let (product, asset) = (record.product.clone(), Some(record.asset));
            left_out.push(LeftOut { product, asset, reason });
        };
        let mut usable: Vec<Usable> = Vec::new();
        for record in newest(records, &mut leave) {
            if (record.product.level(), record.product.tile()) != (level, tile) {
                leave(record, format!("not of {} and {tile}", level.collection()));
                continue;
            }
            match usable_record(record) {
                Ok(found) => usable.push(found),
                Err(reason) => leave(record, reason),
            }
        }
        let (kept, superseded) = choose_products(&usable);
        left_out.extend(superseded);
        usable.retain(|one| kept.contains(&one.record.product));
        let arrays = same_coding(usable, &mut left_out);
        let mut references = Self { level, tile, steps: Vec::new(), arrays: Vec::new(), left_out };
        references.fill(&kept, arrays, href);
        references.left_out.sort_by_cached_key(|one| (one.product.to_string(), one.asset));
        references
    }

    /// Puts the files on the common axis of time.
    fn fill(
        &mut self,
        kept: &[ProductId],
        arrays: Vec<(AssetId, TileCoding, Vec<Usable>)>,
        href: impl Fn(&TlmRecord) -> String,
    ) {
        let used = |product: &&ProductId| {
            arrays.iter().flat_map(|(.., files)| files).any(|one| one.record.product == **product)
        };
        self.steps = kept.iter().filter(used).cloned().collect();
        let places: HashMap<&ProductId, usize> =
            self.steps.iter().enumerate().map(|(step, product)| (product, step)).collect();
        for (asset, coding, files) in arrays {
            let mut array =
                AssetArray { asset, coding, files: (0..self.steps.len()).map(|_| None).collect() };
            for Usable { record, spans, .. } in files {
                let place = places.get(&record.product).and_then(|step| array.files.get_mut(*step));
                if let Some(place) = place {
                    *place = Some(File { href: href(&record), spans });
                }
            }
            self.arrays.push(array);
        }
    }
}

/// The last record of each asset of each product.
fn newest<'a>(
    records: &'a [Arc<TlmRecord>],
    leave: &mut impl FnMut(&TlmRecord, String),
) -> Vec<&'a Arc<TlmRecord>> {
    let mut last: HashMap<(&ProductId, AssetId), usize> = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        last.insert((&record.product, record.asset), place);
    }
    let mut kept = Vec::with_capacity(last.len());
    for (place, record) in records.iter().enumerate() {
        match last.get(&(&record.product, record.asset)) {
            Some(newest) if *newest != place => {
                leave(record, "a newer record is of another state of the file".to_owned());
            }
            _ => kept.push(record),
        }
    }
    kept
}

/// What is needed of a record, or why it cannot be referenced.
fn usable_record(record: &Arc<TlmRecord>) -> Result<Usable, String> {
    if !record.complete {
        return Err("the record lists only some of the tile-parts; index the file".to_owned());
    }
    let Some(raw) = &record.main_header else {
        return Err("the record has no main header; index the file".to_owned());
    };
    record.check().map_err(|error| format!("the record contradicts itself: {error}"))?;
    let header =
        MainHeader::parse(raw).map_err(|error| format!("the main header is damaged: {error}"))?;
    header.can_splice().map_err(|error| error.to_string())?;
    check_image(&header.siz, record.asset)?;
    let coding = TileCoding {
        header: without_remarks(&header),
        tile_width: header.siz.tile_width,
        tile_height: header.siz.tile_height,
        tiles_x: header.siz.tiles_x(),
        tiles_y: header.siz.tiles_y(),
        components: u16::try_from(header.siz.components.len()).unwrap_or(u16::MAX),
    };
    let spans = one_part_a_tile(record, header.siz.tiles())?;
    Ok(Usable { record: Arc::clone(record), coding, spans })
}

/// The image must be the whole tile, its components what the array holds.
fn check_image(siz: &Siz, asset: AssetId) -> Result<(), String> {
    let pixels = asset.resolution.pixels();
    let origin = (siz.x_offset, siz.y_offset, siz.tile_x_offset, siz.tile_y_offset);
    if (siz.x_size, siz.y_size) != (pixels, pixels) || origin != (0, 0, 0, 0) {
        let (width, height) = (siz.x_size, siz.y_size);
        return Err(format!("the image ends at {width} x {height}, expected {pixels} from 0"));
    }
    let expected = match asset.cells() {
        Cells::Plain => 1,
        Cells::Rgb => 3,
        Cells::Flags { components } => usize::from(components),
    };
    let found = siz.components.len();
    if found != expected {
        return Err(format!("the image has {found} components, expected {expected}"));
    }
    let bits = asset.sample_type().bytes() * 8;
    let fits = |depth: u8| usize::from(depth) <= bits;
    if siz.components.iter().any(|c| c.signed || c.dx != 1 || c.dy != 1 || !fits(c.bit_depth)) {
        return Err(format!("the samples are not unsigned numbers of at most {bits} bits"));
    }
    let area = u64::from(siz.tile_width).saturating_mul(u64::from(siz.tile_height));
    let samples = area.saturating_mul(u64::try_from(found).unwrap_or(u64::MAX));
    if samples > MAX_TILE_SAMPLES {
        let (width, height) = (siz.tile_width, siz.tile_height);
        return Err(format!("tiles of {width} x {height} are too large"));
    }
    Ok(())
}

/// The main header without what may differ between files that are coded alike.
fn without_remarks(header: &MainHeader) -> Vec<u8> {
    let mut out = Marker::SOC.0.to_be_bytes().to_vec();
    for segment in header.segments.iter().filter(|s| !DROPPED.contains(&s.marker)) {
        out.extend_from_slice(&segment.marker.0.to_be_bytes());
        out.extend_from_slice(&segment.length.to_be_bytes());
        out.extend_from_slice(header.body(segment));
    }
    out
}

/// Offset and length of the only tile-part of each tile.
fn one_part_a_tile(record: &TlmRecord, tiles: u32) -> Result<Vec<(u64, u32)>, String> {
    let tiles = usize::try_from(tiles).unwrap_or(usize::MAX);
    if record.tile_parts.len() != tiles {
        let found = record.tile_parts.len();
        return Err(format!("{found} tile-parts for {tiles} tiles, a chunk can be one only"));
    }
    let mut spans: Vec<Option<(u64, u32)>> = vec![None; tiles];
    for part in &record.tile_parts {
        let span = spans
            .get_mut(usize::from(part.tile))
            .ok_or_else(|| format!("there is no tile {} of {tiles}", part.tile))?;
        if span.replace((part.offset, part.length)).is_some() {
            return Err(format!("tile {} has several tile-parts", part.tile));
        }
    }
    // As many tile-parts as tiles and none twice: every tile has one.
    Ok(spans.into_iter().flatten().collect())
}

/// One product for each datatake, in ascending time, and the others.
fn choose_products(usable: &[Usable]) -> (Vec<ProductId>, Vec<LeftOut>) {
    let rank = |id: &ProductId| (id.baseline(), id.discriminator().to_owned());
    let mut scenes: BTreeMap<_, Vec<&ProductId>> = BTreeMap::new();
    for one in usable {
        let id = &one.record.product;
        let scene = scenes.entry((id.datatake_start(), id.mission())).or_default();
        if !scene.contains(&id) {
            scene.push(id);
        }
    }
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for mut products in scenes.into_values() {
        products.sort_by_cached_key(|id| rank(id));
        let Some(best) = products.pop() else { continue };
        for product in products {
            let reason = if product.baseline() == best.baseline() {
                format!("{best} is of the same datatake and was processed later")
            } else {
                format!("{best} has a higher processing baseline")
            };
            left_out.push(LeftOut { product: product.clone(), asset: None, reason });
        }
        kept.push(best.clone());
    }
    (kept, left_out)
}

/// The files of each asset that share the most frequent coding.
fn same_coding(
    usable: Vec<Usable>,
    left_out: &mut Vec<LeftOut>,
) -> Vec<(AssetId, TileCoding, Vec<Usable>)> {
    let mut assets: BTreeMap<AssetId, Vec<Usable>> = BTreeMap::new();
    for one in usable {
        assets.entry(one.record.asset).or_default().push(one);
    }
    let mut arrays = Vec::with_capacity(assets.len());
    for (asset, files) in assets {
        let mut counts: HashMap<&TileCoding, usize> = HashMap::new();
        for file in &files {
            *counts.entry(&file.coding).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or_default();
        let chosen = files.iter().find(|file| counts.get(&file.coding) == Some(&most));
        let Some(coding) = chosen.map(|file| file.coding.clone()) else { continue };
        let (same, others): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| file.coding == coding);
        left_out.extend(others.into_iter().map(|file| LeftOut {
            product: file.record.product.clone(),
            asset: Some(asset),
            reason: "the file is coded otherwise than most of this asset".to_owned(),
        }));
        arrays.push((asset, coding, same));
    }
    arrays
}
