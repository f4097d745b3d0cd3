//! One configured location and its decorated store.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::connector::Connector;
use crate::limit::{Limit, Limits};
use crate::location::{Base, Location};
use crate::metrics::{Counters, Counts, Metrics};
use crate::retry::Retry;
use crate::speed::{Gauge, Speed};
use crate::{Credentials, Error, Options, Result};

/// One configured location: a bucket with a prefix, or a local directory. Cloning is cheap and
/// shares the connections and counters.
#[derive(Clone)]
pub struct Root(Arc<Inner>);

struct Inner {
    url: String,
    /// URL of the store's root, with a trailing slash: what [`Root::href`] puts before a path.
    base_url: String,
    /// Service and bucket, or directory: which store a path is of.
    identity: String,
    local: bool,
    prefix: Path,
    store: Arc<dyn ObjectStore>,
    counts: Arc<Counts>,
    gauge: Arc<Gauge>,
    mappings: Vec<Mapping>,
    max_connections: usize,
    requests_per_second: Option<f64>,
}

/// Files of a local directory that are read side by side, whatever the limits of the credential.
const LOCAL_READS: usize = 16;

/// Hrefs under `from` are the paths under `to`.
#[derive(Debug)]
struct Mapping {
    from: Location,
    to: Vec<String>,
}

impl Root {
    /// Opens `s3://bucket/prefix`, `file:///dir`, `/dir` or `dir`.
    ///
    /// Fails on a malformed URL, a local directory that does not exist, a bucket without
    /// credentials, and a malformed alias. No request is sent.
    pub fn open(url: &str, options: &Options) -> Result<Self> {
        Self::open_with(url, options, false)
    }

    /// As [`Root::open`], but creates a local directory that does not exist.
    pub fn open_or_create(url: &str, options: &Options) -> Result<Self> {
        Self::open_with(url, options, true)
    }

    fn open_with(url: &str, options: &Options, create: bool) -> Result<Self> {
        let bad = |reason: &str| Error::BadUrl { url: url.to_owned(), reason: reason.to_owned() };
        match url.split_once("://") {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("file") => {
                let path = Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
                let path = path.ok_or_else(|| bad("not the url of a local path"))?;
                Self::open_directory(url, path, options, create)
            }
            Some(_) => {
                let location = Location::parse(url).map_err(|reason| bad(&reason))?;
                match location.base {
                    Base::Bucket(bucket) => {
                        Self::open_bucket(url, bucket, location.segments, options)
                    }
                    _ => Err(bad("not a bucket and not a local path")),
                }
            }
            None if url.is_empty() => Err(bad("empty")),
            None => Self::open_directory(url, PathBuf::from(url), options, create),
        }
    }

    /// A root over a store that the caller made, decorated as any other. `url` names it:
    /// `s3://bucket/prefix` or `file:///dir`; the store's paths start at the bucket or directory.
    pub fn with_store(url: &str, store: Arc<dyn ObjectStore>, options: &Options) -> Result<Self> {
        let bad = |reason: String| Error::BadUrl { url: url.to_owned(), reason };
        let location = Location::parse(url).map_err(bad)?;
        match location.base {
            Base::Bucket(bucket) => {
                Self::assemble_bucket(bucket, location.segments, store, options, false)
            }
            Base::Local => Self::assemble_local(location.segments, None, store, options),
            _ => Err(bad("not a bucket and not a local path".to_owned())),
        }
    }

    fn open_directory(url: &str, path: PathBuf, options: &Options, create: bool) -> Result<Self> {
        let missing = |source: Option<std::io::Error>| Error::NoDirectory {
            path: path.display().to_string(),
            source: source.map(Arc::new),
        };
        if create {
            std::fs::create_dir_all(&path).map_err(|error| missing(Some(error)))?;
        }
        let real = std::fs::canonicalize(&path).map_err(|error| missing(Some(error)))?;
        if !real.is_dir() {
            return Err(missing(None));
        }
        let store = LocalFileSystem::new_with_prefix(&real)
            .map_err(|error| Error::from_store(&Path::ROOT, error))?;
        let segments = |path: &std::path::Path| {
            let text = path.to_str()?;
            Location::parse(text).ok().map(|location| location.segments)
        };
        let real = segments(&real).ok_or_else(|| Error::BadUrl {
            url: url.to_owned(),
            reason: "directory names with control characters, backslashes, escapes of either, \
                     or that are not UTF-8"
                .to_owned(),
        })?;
        // hrefs may name the directory as it was given, by way of a symbolic link
        let given = std::path::absolute(&path).ok().and_then(|path| segments(&path));
        Self::assemble_local(real, given, Arc::new(store), options)
    }

    fn assemble_local(
        segments: Vec<String>,
        given: Option<Vec<String>>,
        store: Arc<dyn ObjectStore>,
        options: &Options,
    ) -> Result<Self> {
        let here = |segments| Location { base: Base::Local, segments };
        let mut url = Url::parse("file:///").map_err(|error| Error::BadOption {
            reason: format!("file urls are not understood: {error}"),
        })?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&segments);
        }
        let url = url.to_string();
        let mut mappings = vec![Mapping { from: here(segments), to: Vec::new() }];
        mappings.extend(given.map(|given| Mapping { from: here(given), to: Vec::new() }));
        let base_url = if url.ends_with('/') { url.clone() } else { format!("{url}/") };
        Self::assemble(url, base_url, Vec::new(), mappings, store, options, false)
    }

    fn open_bucket(
        url: &str,
        bucket: String,
        prefix: Vec<String>,
        options: &Options,
    ) -> Result<Self> {
        let Some(credentials) = &options.credentials else {
            return Err(Error::MissingCredentials { url: url.to_owned() });
        };
        let builder = match credentials {
            Credentials::Ambient => AmazonS3Builder::from_env(),
            Credentials::Anonymous => AmazonS3Builder::new().with_skip_signature(true),
            Credentials::Keys { access_key_id, secret_access_key, session_token } => {
                let builder = AmazonS3Builder::new()
                    .with_access_key_id(access_key_id)
                    .with_secret_access_key(secret_access_key);
                match session_token {
                    Some(token) => builder.with_token(token),
                    None => builder,
                }
            }
        };
        let mut client = ClientOptions::new()
            .with_timeout(options.request_timeout)
            .with_connect_timeout(options.connect_timeout)
            .with_user_agent(object_store::HeaderValue::from_static(concat!(
                "cubeflight/",
                env!("CARGO_PKG_VERSION")
            )));
        let mut builder = builder
            .with_bucket_name(&bucket)
            .with_retry(object_store::RetryConfig { max_retries: 0, ..Default::default() })
            .with_http_connector(Connector)
            .with_config(AmazonS3ConfigKey::RequestPayer, options.requester_pays.to_string())
            // many services have no bulk delete, and a single delete can be retried by itself
            .with_disable_bulk_delete(true);
        if let Some(region) = &options.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &options.endpoint {
            let bad = |reason| Error::BadOption { reason };
            let parsed = Url::parse(endpoint)
                .map_err(|error| bad(format!("endpoint {endpoint:?} is not a url: {error}")))?;
            let plain = match parsed.scheme() {
                "http" => true,
                "https" => false,
                _ => return Err(bad(format!("endpoint {endpoint:?} is not http or https"))),
            };
            client = client.with_allow_http(plain);
            builder = builder
                .with_endpoint(endpoint.trim_end_matches('/'))
                .with_virtual_hosted_style_request(false);
        } else if !bucket.contains('.') {
            // AWS wants buckets in the host name, where a dot would break the certificate
            builder = builder.with_virtual_hosted_style_request(true);
        }
        let store = builder
            .with_client_options(client)
            .build()
            .map_err(|error| Error::from_store(&Path::ROOT, error))?;
        Self::assemble_bucket(bucket, prefix, Arc::new(store), options, true)
    }

    fn assemble_bucket(
        bucket: String,
        prefix: Vec<String>,
        store: Arc<dyn ObjectStore>,
        options: &Options,
        paged: bool,
    ) -> Result<Self> {
        let base_url = format!("s3://{bucket}/");
        let url = format!("{base_url}{}", prefix.join("/"));
        let url = url.trim_end_matches('/').to_owned();
        let from = Location { base: Base::Bucket(bucket), segments: prefix.clone() };
        let mappings = vec![Mapping { from, to: prefix.clone() }];
        Self::assemble(url, base_url, prefix, mappings, store, options, paged)
    }

    fn assemble(
        url: String,
        base_url: String,
        prefix: Vec<String>,
        mut mappings: Vec<Mapping>,
        store: Arc<dyn ObjectStore>,
        options: &Options,
        paged: bool,
    ) -> Result<Self> {
        for alias in &options.aliases {
            mappings.push(mapping(alias, &prefix)?);
        }
        mappings.push(Mapping {
            from: Location { base: Base::Relative, segments: Vec::new() },
            to: prefix.clone(),
        });
        let prefix = Path::parse(prefix.join("/"))
            .map_err(|error| Error::BadUrl { url: url.clone(), reason: error.to_string() })?;
        let local = base_url.starts_with("file:");
        // one bucket name belongs to one bucket of a service
        let service = options.endpoint.as_deref().filter(|_| !local).unwrap_or_default();
        let identity = format!("{} {base_url}", service.trim_end_matches('/'));
        let counts = Arc::new(Counts::default());
        let gauge = Arc::new(Gauge::default());
        let log = options.request_log.clone();
        let metrics = Metrics::new(store, Arc::clone(&counts), Arc::clone(&gauge), log);
        let limits = match &options.limits {
            // a disk is no service: it has no credential whose limits it could share
            _ if local => Limits::new(options.max_connections.max(LOCAL_READS), None, 1)?,
            Some(shared) => shared.clone(),
            None => options.new_limits()?,
        };
        let max_connections = limits.max_connections();
        let requests_per_second = limits.requests_per_second();
        let limit = Arc::new(Limit::new(metrics, limits));
        let retry = Retry::new(limit, options.retry.clone(), Arc::clone(&counts), paged);
        let store = Arc::new(retry);
        Ok(Self(Arc::new(Inner {
            url,
            base_url,
            identity,
            local,
            prefix,
            store,
            counts,
            gauge,
            mappings,
            max_connections,
            requests_per_second,
        })))
    }

    /// The location, normalised: no trailing slash, local paths absolute.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The bucket, `s3://eodata`, whatever service it is asked from; `None` for a local directory.
    pub fn name(&self) -> Option<&str> {
        (!self.0.local).then(|| self.0.base_url.trim_end_matches('/'))
    }

    /// What tells the store from every other one, also after a restart.
    pub(crate) fn identity(&self) -> &str {
        &self.0.identity
    }

    /// Whether it is a local directory.
    pub fn is_local(&self) -> bool {
        self.0.local
    }

    /// Requests in flight at a time; other roots may share them.
    pub fn max_connections(&self) -> usize {
        self.0.max_connections
    }

    /// The decorated store, rooted at the bucket or the local directory.
    ///
    /// On S3, listings are sorted and hold no connection between two pages.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.0.store
    }

    /// What all paths of this root start with; empty for a local directory.
    pub fn prefix(&self) -> &Path {
        &self.0.prefix
    }

    /// Full URL of a path in [`Root::store`]; the inverse of [`Root::resolve`].
    pub fn href(&self, path: &Path) -> String {
        if !self.0.local {
            return format!("{}{path}", self.0.base_url);
        }
        let mut url = match Url::parse(&self.0.base_url) {
            Ok(url) => url,
            Err(_) => return format!("{}{path}", self.0.base_url),
        };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.as_ref().split('/'));
        }
        url.to_string()
    }

    /// The path in [`Root::store`] of an href under this root or one of its aliases; a relative
    /// href is taken from the root.
    ///
    /// Hrefs are untrusted: whatever lies elsewhere, climbs (`..`, also escaped), or holds empty
    /// segments, backslashes, a query or control characters is refused.
    pub fn resolve(&self, href: &str) -> Result<Path> {
        let refused = |reason: String| {
            let href: String = href.chars().take(300).collect();
            Error::Refused { href, reason }
        };
        let location = Location::parse(href).map_err(refused)?;
        for Mapping { from, to } in &self.0.mappings {
            if from.base != location.base {
                continue;
            }
            let Some(rest) = location.segments.strip_prefix(from.segments.as_slice()) else {
                continue;
            };
            if rest.is_empty() {
                return Err(refused("it names the root, not an object in it".to_owned()));
            }
            let joined = [to.as_slice(), rest].concat().join("/");
            return Path::parse(joined).map_err(|error| refused(error.to_string()));
        }
        Err(refused(format!("not under {}", self.0.url)))
    }

    /// Totals since this root was opened.
    pub fn counters(&self) -> Counters {
        self.0.counts.read()
    }

    /// What the store was measured to do by the reads of ranges since this root was opened, and what
    /// it allows. Nothing is measured of a local directory.
    pub fn speed(&self) -> Speed {
        let Inner { gauge, max_connections, requests_per_second, .. } = &*self.0;
        Speed {
            connections: *max_connections,
            requests_per_second: *requests_per_second,
            ..gauge.read()
        }
    }

    /// The bytes of `range`, exactly: an object that ends before is [`Error::EndsEarly`].
    /// One request. An empty range is no request.
    pub async fn get_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let offset = range.start;
        let ends_early = |got| Error::EndsEarly { path: path.to_string(), offset, wanted, got };
        match self.0.store.get_range(path, range).await {
            Ok(bytes) => match u64::try_from(bytes.len()) {
                Ok(got) if got == wanted => Ok(bytes),
                got => Err(ends_early(got.unwrap_or(u64::MAX))),
            },
            Err(error) if starts_beyond(&error) => Err(ends_early(0)),
            Err(error) => Err(Error::from_store(path, error)),
        }
    }

    /// The bytes of some pieces of `range`, in their order, by one request for the range. A piece that
    /// does not lie in it is empty.
    ///
    /// # Errors
    /// Those of [`Self::get_range`].
    pub async fn get_pieces(
        &self,
        path: &Path,
        range: Range<u64>,
        pieces: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        let start = range.start;
        let bytes = self.get_range(path, range).await?;
        let cut = |piece: &Range<u64>| {
            let from = usize::try_from(piece.start.checked_sub(start)?).ok()?;
            let to = usize::try_from(piece.end.checked_sub(start)?).ok()?;
            (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
        };
        Ok(pieces.iter().map(|piece| cut(piece).unwrap_or_default()).collect())
    }

    /// A whole object of at most `limit` bytes; a larger one is [`Error::TooLarge`], unread.
    pub async fn get(&self, path: &Path, limit: u64) -> Result<Bytes> {
        // one byte more than allowed shows that there is more, without a request for the size
        let range = 0..limit.saturating_add(1);
        match self.0.store.get_range(path, range).await {
            Ok(bytes) if u64::try_from(bytes.len()).is_ok_and(|got| got <= limit) => Ok(bytes),
            Ok(_) => Err(Error::TooLarge { path: path.to_string(), limit }),
            // no range of an empty object can be satisfied
            Err(error) if starts_beyond(&error) => Ok(Bytes::new()),
            Err(error) => Err(Error::from_store(path, error)),
        }
    }

    /// Size and validators of an object.
    pub async fn head(&self, path: &Path) -> Result<ObjectMeta> {
        self.0.store.head(path).await.map_err(|error| Error::from_store(path, error))
    }
}

/// Whether the range begins behind the end: 416 of RFC 9110 (15.5.17), or the words of the stores
/// that are no HTTP services; the provider has public types for neither.
fn starts_beyond(error: &object_store::Error) -> bool {
    let object_store::Error::Generic { source, .. } = error else { return false };
    let mut current: Option<&(dyn std::error::Error + 'static)> = Some(source.as_ref());
    while let Some(error) = current {
        let text = error.to_string();
        if text.contains("status code: 416") || text.contains("Wanted range starting at") {
            return true;
        }
        current = error.source();
    }
    false
}

/// `FROM`, or `FROM=PATH BELOW THE ROOT`.
fn mapping(alias: &str, prefix: &[String]) -> Result<Mapping> {
    let bad = |reason: String| Error::BadOption {
        reason: format!("alias {alias:?} is refused: {reason}"),
    };
    let (from, below) = alias.split_once('=').unwrap_or((alias, ""));
    let from = Location::parse(from).map_err(bad)?;
    if from.base == Base::Relative {
        return Err(bad("an alias is a full url".to_owned()));
    }
    let mut to = prefix.to_vec();
    if !below.is_empty() {
        let below = Location::parse(below).map_err(bad)?;
        if below.base != Base::Relative {
            return Err(bad("what follows = is a path below the root".to_owned()));
        }
        to.extend(below.segments);
    }
    Ok(Mapping { from, to })
}

/// Opens the place of one object: its parent as root, and its path there.
pub fn open_file(url: &str, options: &Options) -> Result<(Root, Path)> {
    let bad = |reason: String| Error::BadUrl { url: url.to_owned(), reason };
    let (parent, name) = match url.trim_end_matches('/').rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((parent, name)) if parent.ends_with("://") || parent.ends_with(":/") => {
            return Err(bad(format!("{name:?} is a bucket, not an object in one")));
        }
        Some((parent, name)) => (parent, name),
        None => (".", url),
    };
    let root = Root::open(parent, options)?;
    let local = !parent.contains("://");
    let name = match local {
        true => name.to_owned(),
        // the last segment of a url, in the root's own words
        false => {
            let location = Location::parse(&format!("{parent}/{name}")).map_err(bad)?;
            location.segments.last().cloned().unwrap_or_default()
        }
    };
    let path = Path::parse(format!("{}/{name}", root.prefix()).trim_start_matches('/'))
        .map_err(|error| bad(error.to_string()))?;
    Ok((root, path))
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Root").field(&self.0.url).finish()
    }
}
