//! Request flags as a request.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use cubeflight_proto::v1;

use crate::cli::RequestArgs;
use crate::error::CliError;

/// Most bytes of a list of windows that are looked at; a request holds 1,024 of them.
const MAX_LIST: u64 = 1024 * 1024;

/// The request as it goes to a server.
pub(crate) fn wire(args: &RequestArgs) -> Result<v1::CubeRequest, CliError> {
    let rectangle =
        |[min_x, min_y, max_x, max_y]: [f64; 4]| v1::Bounds { min_x, min_y, max_x, max_y };
    let bounds = args.bounds.map(rectangle);
    let windows = args.windows.as_deref().map(windows).transpose()?.unwrap_or_default();
    Ok(v1::CubeRequest {
        collection: args.collection.clone(),
        tile: args.tile.clone(),
        datetime: args.datetime.clone(),
        bands: words(&args.bands),
        bounds,
        windows: windows.into_iter().map(rectangle).collect(),
        crs: args.crs.clone(),
        align: args.align.clone(),
        reduce: args.reduce,
        cloud_cover_max: args.cloud_cover,
        product_ids: words(&args.product_ids),
        radiometry: args.radiometry.clone(),
        on_error: args.on_error.clone(),
        max_message_bytes: 0,
        max_endpoints: 0,
        mask: (!args.mask_scl.is_empty())
            .then(|| v1::SclMask { scl: args.mask_scl.clone(), dilate: args.dilate }),
        min_valid: args.min_valid,
        group_by: args.group_by.clone(),
        filters: args.filter.iter().map(|filter| condition(filter)).collect(),
        ordered: args.unordered.then_some(false),
        compression: args.compression.clone(),
        times: words(&args.times),
    })
}

/// A list of windows from a file, or from standard input where its name is `-`.
fn windows(path: &Path) -> Result<Vec<[f64; 4]>, CliError> {
    let name = path.display();
    let unreadable =
        |error: std::io::Error| CliError::usage(&format!("--windows {name}: cannot read: {error}"));
    let list = match path.as_os_str() == "-" {
        true => read_windows(std::io::stdin().lock().take(MAX_LIST)).map_err(unreadable)?,
        false => {
            let file = File::open(path).map_err(unreadable)?;
            read_windows(BufReader::new(file.take(MAX_LIST))).map_err(unreadable)?
        }
    };
    if list.is_empty() {
        return Err(CliError::usage(&format!("--windows {name}: there is no window in it")));
    }
    Ok(list)
}

/// Four numbers a line, parted by commas or blanks; empty lines and what follows a # are left out.
fn read_windows(text: impl BufRead) -> std::io::Result<Vec<[f64; 4]>> {
    let mut list = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line?;
        let told = line.split('#').next().unwrap_or_default();
        let parts =
            told.split([',', ' ', '\t', ';']).map(str::trim).filter(|part| !part.is_empty());
        let parts: Vec<&str> = parts.collect();
        if parts.is_empty() {
            continue;
        }
        let numbers: Option<Vec<f64>> = parts.iter().map(|part| part.parse().ok()).collect();
        let window = numbers.and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
        let wrong = || std::io::Error::other(format!("line {number} is not MINX,MINY,MAXX,MAXY"));
        list.push(window.ok_or_else(wrong)?);
    }
    Ok(list)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_windows() {
        let text = "# fields\n1,2,3,4\n\n  -1.5 2e5\t3; 4  # one more\r\n";
        assert_eq!(
            read_windows(text.as_bytes()).unwrap(),
            [[1.0, 2.0, 3.0, 4.0], [-1.5, 2e5, 3.0, 4.0]]
        );
        for (text, line) in [("1,2,3,4\n1,2,3", "line 2"), ("x,1,2,3", "line 1")] {
            let error = read_windows(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
