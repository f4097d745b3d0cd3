//! Files and products that a list names.

use cubeflight_sentinel2::{ProductId, safe};
use cubeflight_storage::{Path, Root};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::listing::product;
use super::{Failure, Found, Source};
use crate::{Error, Result};

/// Lines that are taken together, when they name files of one product.
const TOGETHER: usize = 1_000;

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// Without its end.
    pub text: String,
}

/// What the lines name: one JP2 or one `.SAFE` folder each, by key (counted from the root) or by
/// href. Empty lines and those that begin with `#` say nothing. A line that names neither, or
/// something outside of the archive, is [`Found::Unusable`] with its number.
pub fn listed<'a>(archive: &Root, lines: BoxStream<'a, Result<Line>>) -> Source<'a> {
    let archive = archive.clone();
    let named = lines.try_filter_map(move |line| {
        let named = named(&archive, &line);
        async move { Ok(named) }
    });
    let state = (named.boxed(), None::<Group>);
    // Files of one product that follow each other are one listing.
    stream::try_unfold(state, |(mut named, mut group)| async move {
        loop {
            let next = named.try_next().await?;
            let flushed = match next {
                None => group.take().map(Group::found),
                Some(Named::File { folder, id, path, name }) => match &mut group {
                    Some(open) if open.folder == folder && open.files.len() < TOGETHER => {
                        open.files.push((path, name));
                        continue;
                    }
                    _ => {
                        let files = vec![(path, name)];
                        match group.replace(Group { folder, id, files }) {
                            Some(done) => Some(done.found()),
                            None => continue,
                        }
                    }
                },
                Some(Named::Other(found)) => Some(found),
            };
            return Ok(flushed.map(|found| (found, (named, group))));
        }
    })
    .boxed()
}

struct Group {
    folder: Path,
    id: ProductId,
    files: Vec<(Path, String)>,
}

impl Group {
    fn found(self) -> Found {
        Found::Product { folder: self.folder, id: self.id, name: None, only: Some(self.files) }
    }
}

enum Named {
    File { folder: Path, id: ProductId, path: Path, name: String },
    Other(Found),
}

fn named(archive: &Root, line: &Line) -> Option<Named> {
    let text = line.text.trim();
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let short: String = text.chars().take(300).collect();
    let name = format!("line {}: {short}", line.number);
    let unusable =
        |error: &Error| Some(Named::Other(Found::Unusable(Failure::new(name.clone(), error))));
    let path = match archive.resolve(text.trim_end_matches('/')) {
        Ok(path) => path,
        Err(error) => return unusable(&error.into()),
    };
    if let Some(id) = product(&path) {
        return Some(Named::Other(Found::Product {
            folder: path,
            id,
            name: Some(name),
            only: None,
        }));
    }
    let key = safe::parse_key(path.as_ref());
    let place = key.and_then(|key| Some((key.product, Path::parse(key.product_prefix).ok()?)));
    match place {
        Some((id, folder)) => Some(Named::File { folder, id, path, name }),
        None => unusable(&Error::NotAnImage { text: short }),
    }
}

#[cfg(test)]
mod tests {
    use cubeflight_storage::Options;
    use proptest::prelude::*;

    use super::*;

    const SAFE: &str = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE";

    async fn read(text: &str) -> Vec<String> {
        let store = std::sync::Arc::new(object_store::memory::InMemory::new());
        let options = Options::default();
        let root = Root::with_store("s3://eodata/Sentinel-2", store, &options).unwrap();
        let lines: Vec<_> = text
            .lines()
            .zip(1..)
            .map(|(text, number)| Ok(Line { number, text: text.to_owned() }))
            .collect();
        let found: Vec<Found> =
            listed(&root, stream::iter(lines).boxed()).try_collect().await.unwrap();
        let describe = |found: &Found| match found {
            Found::Product { only: None, folder, .. } => format!("product {folder}"),
            Found::Product { only: Some(files), .. } => format!("{} files", files.len()),
            Found::Unusable(failure) => format!("{} {}", failure.code, failure.key),
            other => format!("{other:?}"),
        };
        found.iter().map(describe).collect()
    }

    #[tokio::test]
    async fn lines_name_files_and_products() {
        let image = |name: &str| {
            format!("x/{SAFE}/GRANULE/g/IMG_DATA/R20m/T29UNU_20221005T115411_{name}_20m.jp2")
        };
        let text = [
            "# a comment",
            &image("B05"),
            &format!("s3://eodata/Sentinel-2/{}  ", image("B06")),
            "",
            &format!("s3://eodata/Sentinel-2/y/{SAFE}/"),
            &image("SCL"),
            "s3://elsewhere/x.jp2",
            "../../etc/passwd",
            "x/nothing.jp2",
            &image("TCI"),
        ]
        .join("\n");
        assert_eq!(
            read(&text).await,
            [
                format!("product Sentinel-2/y/{SAFE}"),
                "CF-STO-004 line 7: s3://elsewhere/x.jp2".to_owned(),
                "CF-STO-004 line 8: ../../etc/passwd".to_owned(),
                "CF-IDX-020 line 9: x/nothing.jp2".to_owned(),
                "4 files".to_owned(),
            ]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_named_or_refused(text in "(\\PC|\n){0,200}") {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let spoken = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
            prop_assert_eq!(runtime.block_on(read(&text)).len(), spoken.count());
        }
    }
}
