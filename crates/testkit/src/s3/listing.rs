//! Keys in order, from a directory tree. Everything here blocks.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::directory::TEMPORARY;

/// What a listing asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    /// Keys, and groups of keys, up to and including this one are left out.
    pub(crate) after: Option<After>,
    pub(crate) limit: usize,
}

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum After {
    Key(String),
    /// All that begins with it.
    Group(String),
}

impl After {
    /// Whether `key` has been listed before.
    fn covers(&self, key: &str) -> bool {
        match self {
            Self::Key(after) => key <= after.as_str(),
            Self::Group(after) => key <= after.as_str() || key.starts_with(after.as_str()),
        }
    }

    /// Whether everything below `folder` (which ends in `/`) has been listed before.
    fn covers_folder(&self, folder: &str) -> bool {
        match self {
            Self::Key(after) => folder < after.as_str() && !after.starts_with(folder),
            Self::Group(after) => {
                folder.starts_with(after.as_str())
                    || (folder < after.as_str() && !after.starts_with(folder))
            }
        }
    }

    /// Opaque to clients: the kind, then the text in hexadecimal digits.
    pub(crate) fn token(&self) -> String {
        let (kind, text) = match self {
            Self::Key(text) => ('k', text),
            Self::Group(text) => ('g', text),
        };
        let hex = text.bytes().map(|byte| format!("{byte:02x}"));
        std::iter::once(kind.to_string()).chain(hex).collect()
    }

    /// The inverse of [`token`](Self::token).
    pub(crate) fn from_token(token: &str) -> Option<Self> {
        let make = match token.get(..1)? {
            "k" => Self::Key,
            "g" => Self::Group,
            _ => return None,
        };
        let hex = token.as_bytes().get(1..)?;
        if !hex.len().is_multiple_of(2) {
            return None;
        }
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = hex.chunks(2).map(byte).collect();
        Some(make(String::from_utf8(bytes?).ok()?))
    }
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

/// One page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Entry>,
    pub(crate) groups: Vec<String>,
    /// Set when there is more.
    pub(crate) next: Option<After>,
}

/// Lists a bucket in the order of the keys' UTF-8 bytes, as S3 does.
pub(crate) fn list(bucket: &Path, query: &Query) -> io::Result<Page> {
    let mut walk = Walk { query, page: Page::default(), last: None };
    // start where the prefix does
    let folder = query.prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    if query.limit > 0 && (folder.is_empty() || super::directory::is_key(folder)) {
        let start = bucket.join(folder);
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        // a link on the way leads elsewhere
        if fs::canonicalize(&start).is_ok_and(|real| real == start) && start.is_dir() {
            walk.folder(&start, &prefix)?;
        }
    }
    Ok(walk.page)
}

struct Walk<'a> {
    query: &'a Query,
    page: Page,
    last: Option<After>,
}

/// Whether to go on.
type More = bool;

impl Walk<'_> {
    /// `prefix` is the key of `folder` with its `/`, empty for the bucket.
    fn folder(&mut self, folder: &Path, prefix: &str) -> io::Result<More> {
        for (name, is_folder) in sorted(folder)? {
            let key = format!("{prefix}{name}");
            let path = folder.join(name.trim_end_matches('/'));
            let more = match is_folder {
                true => self.enter(&path, &key)?,
                false => self.object(&path, key)?,
            };
            if !more {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn enter(&mut self, path: &Path, key: &str) -> io::Result<More> {
        let wanted = key.starts_with(&self.query.prefix) || self.query.prefix.starts_with(key);
        if !wanted || self.query.after.as_ref().is_some_and(|after| after.covers_folder(key)) {
            return Ok(true);
        }
        // with the usual delimiter, a folder behind the prefix is a group
        let behind = key.strip_prefix(&self.query.prefix).is_some_and(|rest| !rest.is_empty());
        if behind && self.query.delimiter.as_deref() == Some("/") {
            if self.covered(key) || !holds_object(path)? {
                return Ok(true);
            }
            return Ok(self.group(key.to_owned()));
        }
        self.folder(path, key)
    }

    fn covered(&self, key: &str) -> bool {
        self.query.after.as_ref().is_some_and(|after| after.covers(key))
    }

    fn object(&mut self, path: &Path, key: String) -> io::Result<More> {
        let Some(rest) = key.strip_prefix(&self.query.prefix) else { return Ok(true) };
        if self.covered(&key) {
            return Ok(true);
        }
        if let Some(delimiter) = self.query.delimiter.as_deref().filter(|text| !text.is_empty())
            && let Some(at) = rest.find(delimiter)
        {
            let end = self.query.prefix.len() + at + delimiter.len();
            let group = key.get(..end).unwrap_or(&key).to_owned();
            if self.covered(&group) || self.page.groups.last() == Some(&group) {
                return Ok(true);
            }
            return Ok(self.group(group));
        }
        if self.full() {
            return Ok(false);
        }
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            // deleted meanwhile
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        self.last = Some(After::Key(key.clone()));
        let (size, modified) = (metadata.len(), metadata.modified()?);
        self.page.objects.push(Entry { key, size, modified });
        Ok(true)
    }

    fn group(&mut self, group: String) -> More {
        if self.full() {
            return false;
        }
        self.last = Some(After::Group(group.clone()));
        self.page.groups.push(group);
        true
    }

    /// Whether the page is full; there is more, since somebody asks.
    fn full(&mut self) -> bool {
        let full = self.page.objects.len() + self.page.groups.len() >= self.query.limit;
        if full {
            self.page.next = self.last.clone();
        }
        full
    }
}

/// Names of files, and of folders with a `/`: so they sort as the keys below them do.
fn sorted(folder: &Path) -> io::Result<Vec<(String, bool)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // that of the entry itself, links not followed
        let kind = entry.file_type()?;
        if kind.is_dir() {
            names.push((name + "/", true));
        } else if kind.is_file() && !name.starts_with(TEMPORARY) {
            names.push((name, false));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn holds_object(folder: &Path) -> io::Result<bool> {
    for (name, is_folder) in sorted(folder)? {
        if !is_folder || holds_object(&folder.join(name.trim_end_matches('/')))? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn tree(keys: &BTreeSet<String>) -> tempfile::TempDir {
        let bucket = tempfile::tempdir().unwrap();
        for key in keys {
            let path = bucket.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        fs::create_dir_all(bucket.path().join("empty/folder")).unwrap();
        fs::write(bucket.path().join(format!("{TEMPORARY}1")), "").unwrap();
        bucket
    }

    /// All pages: keys and groups in the order in which they come.
    fn all(bucket: &Path, mut query: Query) -> Vec<String> {
        let bucket = fs::canonicalize(bucket).unwrap();
        let mut found = Vec::new();
        loop {
            let page = list(&bucket, &query).unwrap();
            let keys = page.objects.into_iter().map(|object| object.key);
            let mut page_keys: Vec<_> = keys.chain(page.groups).collect();
            page_keys.sort();
            assert!(page_keys.len() <= query.limit);
            found.extend(page_keys);
            let Some(next) = page.next else { return found };
            assert_eq!(After::from_token(&next.token()), Some(next.clone()));
            query.after = Some(next);
        }
    }

    /// What S3 documents, over a flat set of keys.
    fn expected(keys: &BTreeSet<String>, query: &Query) -> Vec<String> {
        let mut found = BTreeSet::new();
        for key in keys.iter().filter(|key| key.starts_with(&query.prefix)) {
            if let Some(After::Key(after)) = &query.after
                && key <= after
            {
                continue;
            }
            let rest = &key[query.prefix.len()..];
            let group = query.delimiter.as_ref().and_then(|delimiter| {
                let at = rest.find(delimiter.as_str())?;
                Some(key[..query.prefix.len() + at + delimiter.len()].to_owned())
            });
            found.insert(group.unwrap_or_else(|| key.clone()));
        }
        found.into_iter().collect()
    }

    fn keys() -> impl Strategy<Value = BTreeSet<String>> {
        prop::collection::btree_set("[a-c](-|\\.|/[ab]|[ab]){0,3}", 0..12).prop_map(|mut keys| {
            // no key is the folder of another
            let all = keys.clone();
            keys.retain(|key| !all.iter().any(|other| other.starts_with(&format!("{key}/"))));
            keys
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn pages_hold_what_s3_would_list(
            keys in keys(),
            prefix in "([a-c](/|-|[ab])?(/[ab])?)?",
            delimiter in prop::option::of(prop::sample::select(vec!["/", "b", "-"])),
            limit in 1_usize..5,
            after in prop::option::of("[a-c](/[ab]|-)?"),
        ) {
            let bucket = tree(&keys);
            let after = after.filter(|_| delimiter.is_none()).map(After::Key);
            let delimiter = delimiter.map(str::to_owned);
            let query = Query { prefix, delimiter, after, limit };
            prop_assert_eq!(all(bucket.path(), query.clone()), expected(&keys, &query));
        }
    }

    #[test]
    fn odd_prefixes_find_nothing() {
        let bucket = tree(&BTreeSet::from(["a/b".to_owned()]));
        for prefix in ["../", "a/../a/", "a//", "/", "./", "b/", "a/b/c/", "empty/"] {
            let query = Query { prefix: prefix.into(), limit: 9, ..Query::default() };
            assert!(all(bucket.path(), query).is_empty(), "{prefix}");
        }
        assert_eq!(After::from_token("kzz"), None);
        assert_eq!(After::from_token("k6"), None);
        assert_eq!(After::from_token(""), None);
    }
}
