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
        reduce: args.reduce,
        cloud_cover_max: args.cloud_cover,
        product_ids: words(&args.product_ids),
        radiometry: args.radiometry.clone(),
        on_error: args.on_error.clone(),
        max_message_bytes: 0,
        mask: (!args.mask_scl.is_empty())
            .then(|| v1::SclMask { scl: args.mask_scl.clone(), dilate: args.dilate }),
        min_valid: args.min_valid,
        group_by: args.group_by.clone(),
        filters: args.filter.iter().map(|filter| condition(filter)).collect(),
    }
}

/// `PROPERTY OP VALUE[,VALUE…]`; the server's own checks say what is wrong with its parts.
fn condition(text: &str) -> v1::Filter {
    let mut parts = text.trim().splitn(3, char::is_whitespace).map(str::trim);
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let (property, op, values) = (part(), part(), part());
    let op = match op.as_str() {
        "=" | "==" => "eq".to_owned(),
        "!=" => "neq".to_owned(),
        "<" => "lt".to_owned(),
        "<=" => "lte".to_owned(),
        ">" => "gt".to_owned(),
        ">=" => "gte".to_owned(),
        _ => op,
    };
    let values = values.split(',').map(str::trim).filter(|value| !value.is_empty());
    v1::Filter { property, op, values: values.map(str::to_owned).collect() }
}

/// Items of a list; a stray comma makes none.
pub(crate) fn words(list: &[String]) -> Vec<String> {
    let trimmed = list.iter().map(|item| item.trim());
    trimmed.filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
