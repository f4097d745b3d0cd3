//! Objects as files. Everything here blocks.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

use super::fault::Script;
use super::pace::lock;

/// Uploads that are not complete, beside their objects: no key and in no listing.
pub(crate) const TEMPORARY: &str = ".cubeflight-tmp-";

/// Why an object cannot be had.
#[derive(Debug)]
pub(crate) enum Fail {
    NoBucket,
    NoKey,
    /// No object can have this key.
    BadKey,
    /// The object is there, or not the one that was to be replaced.
    Condition,
    Io(io::Error),
}

impl From<io::Error> for Fail {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An open object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) file: Arc<File>,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

impl Object {
    /// From size and modification time, never from the bytes.
    pub(crate) fn etag(&self) -> String {
        etag(self.size, self.modified)
    }

    /// `length` bytes from `offset` on, exactly.
    pub(crate) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        // not zeroed first, which would cost as much as the copy
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            match pread(&self.file, spare_capacity(&mut bytes), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // the allocator may have given more
        bytes.truncate(length);
        Ok(bytes.into())
    }
}

/// See [`Object::etag`].
pub(crate) fn etag(size: u64, modified: SystemTime) -> String {
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{size:x}-{:x}", since.as_nanos())
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    Absent,
    Etag(String),
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Directory {
    root: PathBuf,
    script: Arc<Script>,
    uploads: AtomicU64,
    /// One write is committed at a time: conditions hold until it is.
    commit: Mutex<()>,
    /// State of keys before their last write, where a fault may ask for it: `None` is absent. An
    /// open file outlives its name.
    old: Mutex<HashMap<(String, String), Option<Object>>>,
}

impl Directory {
    pub(crate) fn open(root: &Path, script: Arc<Script>) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let (uploads, commit, old) = Default::default();
        Ok(Self { root, script, uploads, commit, old })
    }

    /// Names of the buckets, sorted, with the times of their directories.
    pub(crate) fn buckets(&self) -> io::Result<Vec<(String, SystemTime)>> {
        let mut buckets = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if s3s::path::check_bucket_name(&name)
                && let Ok(path) = self.bucket(&name)
            {
                buckets.push((name, fs::metadata(path)?.modified()?));
            }
        }
        buckets.sort();
        Ok(buckets)
    }

    /// The real directory of a bucket, which may be a symbolic link.
    pub(crate) fn bucket(&self, bucket: &str) -> Result<PathBuf, Fail> {
        if !is_key(bucket) || bucket.contains('/') {
            return Err(Fail::NoBucket);
        }
        match fs::canonicalize(self.root.join(bucket)) {
            Ok(path) if path.is_dir() => Ok(path),
            Ok(_) => Err(Fail::NoBucket),
            Err(error) if is_absent(&error) => Err(Fail::NoBucket),
            Err(error) => Err(error.into()),
        }
    }

    /// An object for reading; `stale` asks for the state before its last write.
    pub(crate) fn read(&self, bucket: &str, key: &str, stale: bool) -> Result<Object, Fail> {
        let path = self.bucket(bucket)?;
        if stale && let Some(old) = lock(&self.old).get(&(bucket.to_owned(), key.to_owned())) {
            return old.clone().ok_or(Fail::NoKey);
        }
        open(&path, key)
    }

    /// A new file beside the object that it is to become, and its path.
    pub(crate) fn begin(&self, bucket: &str, key: &str) -> Result<(File, Upload), Fail> {
        let root = self.bucket(bucket)?;
        if !is_key(key) {
            return Err(Fail::BadKey);
        }
        let target = root.join(key);
        let parent = target.parent().ok_or(Fail::BadKey)?.to_owned();
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        let temporary = parent.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
        // a delete may remove the folder again before the file is in it
        for last in [false, false, true] {
            if !inside(&root, &parent)? {
                return Err(Fail::BadKey);
            }
            match fs::create_dir_all(&parent).and_then(|()| File::create_new(&temporary)) {
                Ok(file) => return Ok((file, Upload { temporary, target })),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !last => {}
                Err(error) if names_no_file(&error) => return Err(Fail::BadKey),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Fail::BadKey)
    }

    /// Makes a complete upload the object, atomically: readers see the old one or the new one, and
    /// of several creators one succeeds, whatever process they belong to.
    pub(crate) fn commit(
        &self,
        (bucket, key): (&str, &str),
        upload: &Upload,
        condition: &Condition,
    ) -> Result<Object, Fail> {
        let file = File::options().read(true).write(true).open(&upload.temporary)?;
        let modified = SystemTime::now();
        // the file system's own clock may tick slower than writes follow each other
        file.set_modified(modified)?;
        let size = file.metadata()?.len();

        let _one = lock(&self.commit);
        let before = match open(&self.bucket(bucket)?, key) {
            Ok(object) => Some(object),
            Err(Fail::NoKey) => None,
            Err(fail) => return Err(fail),
        };
        if let Condition::Etag(wanted) = condition {
            match &before {
                None => return Err(Fail::NoKey),
                Some(object) if object.etag() != *wanted => return Err(Fail::Condition),
                Some(_) => {}
            }
        }
        let committed = match condition {
            // a link is made only where there is none
            Condition::Absent => fs::hard_link(&upload.temporary, &upload.target),
            _ => fs::rename(&upload.temporary, &upload.target),
        };
        match committed {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Fail::Condition);
            }
            Err(error) if names_no_file(&error) => return Err(Fail::BadKey),
            Err(error) => return Err(error.into()),
        }
        self.remember(bucket, key, before);
        // a file system may keep times less finely than they were set
        let modified = file.metadata()?.modified()?;
        Ok(Object { file: Arc::new(file), size, modified })
    }

    /// Deletes an object, and the folders that held only it. It need not be there.
    pub(crate) fn delete(&self, bucket: &str, key: &str) -> Result<(), Fail> {
        let root = self.bucket(bucket)?;
        let _one = lock(&self.commit);
        let before = match open(&root, key) {
            Ok(object) => object,
            Err(Fail::NoKey) => return Ok(()),
            Err(fail) => return Err(fail),
        };
        let target = root.join(key);
        match fs::remove_file(&target) {
            Err(error) if !is_absent(&error) => return Err(error.into()),
            _ => self.remember(bucket, key, Some(before)),
        }
        let folders = target.ancestors().skip(1).take_while(|folder| *folder != root);
        for folder in folders {
            // stops at the first that holds something else
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn remember(&self, bucket: &str, key: &str, before: Option<Object>) {
        if self.script.wants_old(key) {
            lock(&self.old).insert((bucket.to_owned(), key.to_owned()), before);
        }
    }
}

/// An upload on its way; its temporary file goes with it.
#[derive(Debug)]
pub(crate) struct Upload {
    temporary: PathBuf,
    target: PathBuf,
}

impl Drop for Upload {
    fn drop(&mut self) {
        // gone already when it was renamed
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Whether an object can have this key.
pub(crate) fn is_key(key: &str) -> bool {
    !key.contains('\0')
        && key
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | "..") && !segment.starts_with(TEMPORARY))
}

fn open(bucket: &Path, key: &str) -> Result<Object, Fail> {
    if !is_key(key) {
        return Err(Fail::NoKey);
    }
    let path = bucket.join(key);
    let absent = |error: io::Error| if is_absent(&error) { Fail::NoKey } else { error.into() };
    // a link anywhere on the way leads to another path
    if fs::canonicalize(&path).map_err(absent)? != path {
        return Err(Fail::NoKey);
    }
    // before opening: a pipe would block
    if !fs::symlink_metadata(&path).map_err(absent)?.is_file() {
        return Err(Fail::NoKey);
    }
    let file = File::open(&path).map_err(absent)?;
    let metadata = file.metadata()?;
    let modified = metadata.modified()?;
    Ok(Object { file: Arc::new(file), size: metadata.len(), modified })
}

/// Whether what exists of `folder` leads nowhere but below `root`.
fn inside(root: &Path, folder: &Path) -> io::Result<bool> {
    for folder in folder.ancestors() {
        match fs::canonicalize(folder) {
            Ok(real) => return Ok(real == folder && real.starts_with(root)),
            // a link to nowhere is there, and cannot be resolved
            Err(error) if is_absent(&error) && fs::symlink_metadata(folder).is_err() => {}
            Err(error) if is_absent(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether the error says that there is no such file.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::NotFound | Kind::NotADirectory | Kind::InvalidFilename)
}

/// Whether the error says that there can be no such file: a folder stands there, or an object
/// where a folder should be.
fn names_no_file(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::DirectoryNotEmpty
            | Kind::InvalidFilename
            | Kind::AlreadyExists
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::fault::Faults;
    use super::*;

    fn served() -> (tempfile::TempDir, Directory) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("served/bucket/a")).unwrap();
        fs::write(root.path().join("served/bucket/a/b"), "inside").unwrap();
        fs::write(root.path().join("secret"), "outside").unwrap();
        fs::create_dir(root.path().join("elsewhere")).unwrap();
        fs::write(root.path().join("elsewhere/x"), "linked").unwrap();
        let script = Arc::new(Script::new(Faults::default()));
        let directory = Directory::open(&root.path().join("served"), script).unwrap();
        (root, directory)
    }

    fn put(directory: &Directory, key: &str) -> Result<Object, Fail> {
        let (_, upload) = directory.begin("bucket", key)?;
        directory.commit(("bucket", key), &upload, &Condition::Always)
    }

    #[test]
    fn no_key_leads_out_of_its_bucket() {
        let (root, directory) = served();
        let bucket = root.path().join("served/bucket");
        symlink(root.path().join("secret"), bucket.join("file")).unwrap();
        symlink(root.path().join("elsewhere"), bucket.join("folder")).unwrap();
        symlink("/nonexistent", bucket.join("nowhere")).unwrap();
        assert_eq!(directory.read("bucket", "a/b", false).unwrap().size, 6);
        for key in [
            "../../secret",
            "a/../a/b",
            "./a/b",
            "a//b",
            "/a/b",
            "a/b/",
            "",
            ".",
            "..",
            "a/..",
            "a/b/c",
            "a",
            "a\0",
            "file",
            "folder/x",
            "nowhere",
            "folder/../file",
        ] {
            let read = directory.read("bucket", key, false);
            assert!(matches!(read, Err(Fail::NoKey)), "read {key:?}: {read:?}");
            directory.delete("bucket", key).unwrap();
        }
        for key in [
            "../x",
            "a/../x",
            "a//x",
            "/x",
            "x/",
            "",
            "a/b/c",
            "a",
            "folder/y",
            "nowhere/y",
            ".cubeflight-tmp-1",
        ] {
            let put = put(&directory, key);
            assert!(matches!(put, Err(Fail::BadKey)), "write {key:?}: {put:?}");
        }
        for bucket in ["..", ".", "", "bucket/a", "/", "other", "../served/bucket"] {
            let read = directory.read(bucket, "a/b", false);
            assert!(matches!(read, Err(Fail::NoBucket)), "{bucket:?}: {read:?}");
        }
        assert_eq!(fs::read_to_string(root.path().join("secret")).unwrap(), "outside");
        assert_eq!(fs::read_dir(root.path().join("elsewhere")).unwrap().count(), 1);
        let left: Vec<_> = fs::read_dir(&bucket).unwrap().collect();
        assert_eq!(left.len(), 4, "{left:?}");
    }

    #[test]
    fn a_bucket_may_be_a_link() {
        let (root, directory) = served();
        symlink(root.path().join("elsewhere"), root.path().join("served/linked")).unwrap();
        assert_eq!(directory.read("linked", "x", false).unwrap().size, 6);
        let names: Vec<_> =
            directory.buckets().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bucket", "linked"]);
    }

    #[test]
    fn writes_have_their_own_etags_and_leave_no_folders() {
        let (root, directory) = served();
        let etags: Vec<_> = (0..50).map(|_| put(&directory, "n/o/p").unwrap().etag()).collect();
        let distinct: std::collections::HashSet<_> = etags.iter().collect();
        assert_eq!(distinct.len(), etags.len());
        let read = directory.read("bucket", "n/o/p", false).unwrap();
        assert_eq!(Some(&read.etag()), etags.last());
        directory.delete("bucket", "n/o/p").unwrap();
        assert!(!root.path().join("served/bucket/n").exists());
        assert!(put(&directory, "n").is_ok(), "what was a folder may be an object");
    }
}
