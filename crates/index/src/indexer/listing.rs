//! The files of an archive, by way of its folders.

use cubeflight_sentinel2::ProductId;
use cubeflight_storage::{ObjectMeta, Path, Root};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::{Candidate, Found, Scope, Source};
use crate::{Error, Result};

/// Levels of folders; the archive of CDSE has eight above the products.
const DEEPEST: usize = 20;

/// What lies under an archive root, or under `prefix` in it, in key order.
///
/// Folders that cannot hold what the scope wants are not looked into. Where no folder below can be
/// ruled out any more, a bucket is listed in pages of 1,000 keys; else folder by folder, as a local
/// directory always is.
pub fn archive_listing(archive: &Root, prefix: Option<&Path>, scope: &Scope) -> Source<'static> {
    let start = prefix.unwrap_or(archive.prefix()).clone();
    let walk = Walk {
        archive: archive.clone(),
        scope: scope.clone(),
        folders: vec![(start, 0)],
        files: None,
    };
    stream::try_unfold(walk, |mut walk| async move {
        let next = walk.next().await?;
        Ok(next.map(|found| (found, walk)))
    })
    .boxed()
}

struct Walk {
    archive: Root,
    scope: Scope,
    /// What is still to be looked into, the next one last, with its depth.
    folders: Vec<(Path, usize)>,
    /// Files at hand.
    files: Option<BoxStream<'static, object_store::Result<ObjectMeta>>>,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<Found>> {
        loop {
            if let Some(files) = &mut self.files {
                let next = files.try_next().await;
                let next = next.map_err(cubeflight_storage::Error::from)?;
                match next.map(|object| Candidate::listed(&self.archive, &object)) {
                    Some(Some(file)) => return Ok(Some(Found::File(file))),
                    Some(None) => continue,
                    None => self.files = None,
                }
            }
            let Some((folder, depth)) = self.folders.pop() else { return Ok(None) };
            if let Some(id) = product(&folder) {
                return Ok(Some(Found::Product { folder, id, name: None, only: None }));
            }
            self.enter(folder, depth).await?;
        }
    }

    async fn enter(&mut self, folder: Path, depth: usize) -> Result<()> {
        let wanted = &self.scope.wanted;
        if !wanted.may_be_below(folder.as_ref()) {
            return Ok(());
        }
        if !self.archive.is_local() && wanted.is_settled(folder.as_ref()) {
            self.files = Some(self.archive.store().list(Some(&folder)));
            return Ok(());
        }
        if depth >= DEEPEST {
            return Err(Error::TooDeep { path: folder.to_string(), limit: DEEPEST });
        }
        let listed = self.archive.store().list_with_delimiter(Some(&folder)).await;
        let listed =
            listed.map_err(|error| cubeflight_storage::Error::from_store(&folder, error))?;
        let mut below = listed.common_prefixes;
        below.sort_unstable();
        self.folders.extend(below.into_iter().rev().map(|folder| (folder, depth + 1)));
        // only where the listing began inside of a product
        let mut objects = listed.objects;
        objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        self.files = Some(stream::iter(objects.into_iter().map(Ok)).boxed());
        Ok(())
    }
}

/// The product whose folder it is.
pub(super) fn product(folder: &Path) -> Option<ProductId> {
    folder.filename()?.strip_suffix(".SAFE")?.parse().ok()
}
