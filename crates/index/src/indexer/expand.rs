//! From what a source came across to files with their present size and validator.

use std::collections::HashMap;

use cubeflight_sentinel2::ProductId;
use cubeflight_storage::{ObjectMeta, Path, Root};
use futures::{StreamExt, TryStreamExt};

use super::scope::Outside;
use super::{Candidate, Failure, Found, Scope};
use crate::{Error, Result};

/// Products listed side by side.
pub(super) const AT_ONCE: usize = 4;
/// Objects in one product; real ones have some 100.
const MAX_OBJECTS: usize = 5_000;

/// A file, or why there is none.
#[derive(Debug)]
pub(super) enum Item {
    File(Candidate),
    Failed(Failure),
    /// Left out on purpose, with all the files of the product.
    Skipped(ProductId, Outside),
}

/// The files of what was found, by key. Fails only where the store does.
pub(super) async fn expand(archive: &Root, scope: &Scope, found: Found) -> Result<Vec<Item>> {
    let id = match &found {
        Found::File(file) => Some(&file.source.product),
        Found::Product { id, .. } | Found::Elsewhere { id, .. } => Some(id),
        Found::Unusable(_) => None,
    };
    if let Some(id) = id
        && let Err(outside) = scope.admit(id)
    {
        return Ok(vec![Item::Skipped(id.clone(), outside)]);
    }
    match found {
        Found::File(file) => Ok(vec![Item::File(file)]),
        Found::Unusable(failure) => Ok(vec![Item::Failed(failure)]),
        Found::Product { folder, id, name, only } => {
            product(archive, &folder, &id, name, only).await
        }
        Found::Elsewhere { id, asset, path } => match archive.head(&path).await {
            Ok(object) => Ok(vec![Item::File(Candidate::new(archive, id, asset, &object))]),
            Err(error) if error.is_not_found() => {
                Ok(vec![Item::Failed(Failure::new(path.to_string(), &error.into()))])
            }
            Err(error) => Err(error.into()),
        },
    }
}

async fn product(
    archive: &Root,
    folder: &Path,
    id: &ProductId,
    name: Option<String>,
    only: Option<Vec<(Path, String)>>,
) -> Result<Vec<Item>> {
    let listing = archive.store().list(Some(folder)).take(MAX_OBJECTS + 1);
    let mut objects: Vec<ObjectMeta> = listing
        .try_collect()
        .await
        .map_err(|error| cubeflight_storage::Error::from_store(folder, error))?;
    let unusable = |reason: String| {
        let error = Error::Product { id: id.to_string(), reason };
        Ok(vec![Item::Failed(Failure::new(
            name.clone().unwrap_or_else(|| folder.to_string()),
            &error,
        ))])
    };
    if objects.len() > MAX_OBJECTS {
        return unusable(format!("more than {MAX_OBJECTS} objects in its folder"));
    }
    // a local directory is listed in no order
    objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    let files = objects.iter().filter_map(|object| Candidate::listed(archive, object));
    let Some(only) = only else {
        let files: Vec<Item> = files.map(Item::File).collect();
        // a folder with nothing but metadata is only amiss where it was asked for
        return match files.is_empty() && name.is_some() {
            true => unusable("no image in its folder".to_owned()),
            false => Ok(files),
        };
    };
    let mut files: HashMap<Path, Candidate> = files.map(|file| (file.path.clone(), file)).collect();
    let mut items = Vec::with_capacity(only.len());
    let mut missing = Vec::new();
    for (path, name) in only {
        match files.remove(&path) {
            Some(file) => items.push(Item::File(file)),
            None => missing.push((path, name)),
        }
    }
    for (path, name) in missing {
        // a file that is named twice is there all the same
        if objects.binary_search_by(|object| object.location.cmp(&path)).is_err() {
            let error = cubeflight_storage::Error::NotFound { path: path.to_string() };
            items.push(Item::Failed(Failure::new(name, &error.into())));
        }
    }
    Ok(items)
}
