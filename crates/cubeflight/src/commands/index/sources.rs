//! Where the files to index come from.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path as FilePath;

use cubeflight_catalog::{Mirror, Omitted, Product, StacApi, StacItems};

use cubeflight_index::{
    Assets, Error as IndexError, Failure, Found, Line, Scope, Source, archive_listing, listed,
};
use cubeflight_sentinel2::safe;
use cubeflight_storage::{Options, Path, Root, open_file};
use futures::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::cli::IndexArgs;
use crate::error::CliError;
use crate::stores;

/// Longest line of a list; more of it is not read.
const LONGEST: u64 = 8 * 1024;

/// An opened source.
pub(super) enum Place {
    Archive { archive: Root, prefix: Option<Path> },
    List { archive: Root, lines: Box<dyn BufRead + Send>, name: String },
    Items { archive: Root, items: Items, mirror: Mirror },
}

/// A catalogue.
#[derive(Debug, Clone)]
pub(super) enum Items {
    Files(StacItems),
    Api(StacApi),
}

impl Place {
    pub(super) fn open(
        args: &IndexArgs,
        archive: &Root,
        options: &Options,
    ) -> Result<Self, CliError> {
        let archive = archive.clone();
        let mirror = || Mirror::new(args.store_layout, archive.clone());
        if let Some(file) = &args.list {
            let name = file.display().to_string();
            return Ok(Self::List { archive, lines: open_list(file)?, name });
        }
        Ok(match args.catalog.as_deref() {
            None | Some("archive") => {
                let prefix = args.prefix.as_ref().map(|prefix| {
                    archive.prefix().parts().chain(Path::from(prefix.as_str()).parts()).collect()
                });
                Self::Archive { archive, prefix }
            }
            Some(url) if stores::is_web(url) => {
                let items = Items::Api(stores::api(url, options, &args.web)?);
                Self::Items { mirror: mirror(), archive, items }
            }
            Some(url) if stores::is_one_file(url) => {
                let (root, path) = open_file(url, options)?;
                let items = Items::Files(StacItems::file(root, path));
                Self::Items { mirror: mirror(), archive, items }
            }
            Some(url) => {
                let items = Items::Files(StacItems::new(Root::open(url, options)?));
                Self::Items { mirror: mirror(), archive, items }
            }
        })
    }

    pub(super) fn source(self, scope: &Scope) -> Source<'static> {
        match self {
            Self::Archive { archive, prefix } => archive_listing(&archive, prefix.as_ref(), scope),
            Self::List { archive, lines, name } => {
                listed(&archive, read_lines(lines, name).boxed())
            }
            Self::Items { archive, items, mirror } => catalogued(archive, items, mirror, scope),
        }
    }

    /// The catalogue, where it is a service with requests of its own.
    pub(super) fn api(&self) -> Option<StacApi> {
        match self {
            Self::Items { items: Items::Api(api), .. } => Some(api.clone()),
            _ => None,
        }
    }
}

fn open_list(file: &FilePath) -> Result<Box<dyn BufRead + Send>, CliError> {
    if file == FilePath::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened = File::open(file).map_err(|error| {
        let text = format!("cannot read {}: {error}", file.display());
        CliError::coded("CF-CLI-001", &text)
    })?;
    Ok(Box::new(BufReader::new(opened)))
}

/// The lines, read by a thread of its own: standard input may keep it waiting for ever.
fn read_lines(
    mut lines: Box<dyn BufRead + Send>,
    name: String,
) -> ReceiverStream<Result<Line, IndexError>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1_000);
    std::thread::spawn(move || {
        for number in 1.. {
            let line = match read_line(&mut lines) {
                Ok(None) => return,
                Ok(Some(text)) => Ok(Line { number, text }),
                Err(error) => {
                    let reason = format!("cannot read {name}: {error}");
                    Err(IndexError::Task { reason })
                }
            };
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// One line, its end apart; of a very long one only the beginning.
fn read_line(lines: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    lines.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        lines.skip_until(b'\n')?;
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

fn catalogued(archive: Root, items: Items, mirror: Mirror, scope: &Scope) -> Source<'static> {
    let (wanted, assets) = (scope.wanted, scope.assets.clone());
    // the stream borrows its catalogue, so both go together through a channel
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        let mut products = match &items {
            Items::Files(files) => files.all(wanted),
            Items::Api(api) => api.all(wanted),
        };
        while let Some(next) = products.next().await {
            let next = match next {
                Ok(Ok(product)) => mirror.place(product).await,
                next => next,
            };
            let found = match next {
                Ok(Ok(product)) => places(&archive, product, &assets).into_iter().map(Ok).collect(),
                Ok(Err(omitted)) => vec![Ok(unusable(omitted))],
                Err(error) => vec![Err(failed(error))],
            };
            for found in found {
                if sender.send(found).await.is_err() {
                    return;
                }
            }
        }
    });
    ReceiverStream::new(receiver).boxed()
}

fn failed(error: cubeflight_catalog::Error) -> IndexError {
    match error {
        cubeflight_catalog::Error::Storage(error) => error.into(),
        error => IndexError::Source {
            code: error.code(),
            reason: error.to_string(),
            transient: error.is_transient(),
        },
    }
}

fn unusable(omitted: Omitted) -> Found {
    let reason = format!("{}: {}", omitted.code, omitted.reason);
    let error = IndexError::Product { id: omitted.id.clone(), reason };
    Found::Unusable(Failure::new(omitted.id, &error))
}

/// Where the product's files are: its folder where it is a SAFE, else each wanted file by itself. What
/// is not wanted is not looked for: masks that no catalogue lists may not exist.
fn places(archive: &Root, product: Product, wanted: &Assets) -> Vec<Found> {
    let mut elsewhere = Vec::new();
    for (asset, reference) in product.assets {
        let path = match archive.resolve(&reference.href) {
            Ok(path) => path,
            Err(error) => {
                let failure = Failure::new(product.id.to_string(), &error.into());
                return vec![Found::Unusable(failure)];
            }
        };
        let folder =
            safe::parse_key(path.as_ref()).and_then(|key| Path::parse(key.product_prefix).ok());
        if let Some(folder) = folder {
            let name = Some(product.id.to_string());
            return vec![Found::Product { folder, id: product.id, name, only: None }];
        }
        if !wanted.admit(product.id.level(), asset) {
            continue;
        }
        elsewhere.push(Found::Elsewhere { id: product.id.clone(), asset, path });
    }
    elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one() {
        let long = "x".repeat(20_000);
        let text = format!("a\r\n\n{long}\nlast");
        let mut reader = text.as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut reader).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [1, 0, 8192, 4]);
    }
}
