//! Request flags as a request.

use cubeflight_proto::v1;

use crate::cli::RequestArgs;

/// The request as it goes to a server.
pub(crate) fn wire(args: &RequestArgs) -> v1::CubeRequest {
    let bounds =
        args.bounds.map(|[min_x, min_y, max_x, max_y]| v1::Bounds { min_x, min_y, max_x, max_y });
    v1::CubeRequest {
        collection: args.collection.clone(),
        tile: args.tile.clone(),
        datetime: args.datetime.clone(),
        bands: words(&args.bands),
        bounds,
        crs: args.crs.clone(),
        align: args.align.clone(),
        cloud_cover_max: args.cloud_cover,
        product_ids: words(&args.product_ids),
        radiometry: args.radiometry.clone(),
        on_error: args.on_error.clone(),
        max_message_bytes: 0,
    }
}

/// Items of a list; a stray comma makes none.
pub(crate) fn words(list: &[String]) -> Vec<String> {
    let trimmed = list.iter().map(|item| item.trim());
    trimmed.filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
