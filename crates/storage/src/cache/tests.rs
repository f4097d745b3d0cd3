use std::fmt;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use futures::future::join_all;
use futures::stream::BoxStream;
use futures::{FutureExt, poll};
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use tokio::sync::Semaphore;

use super::*;
use crate::{Options, RequestLog};

/// Memory behind a gate: a read passes when there is a permit.
#[derive(Debug)]
struct Gated {
    inner: InMemory,
    gate: Semaphore,
    missing: AtomicBool,
}

impl fmt::Display for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gated")
    }
}

type Stored<T> = object_store::Result<T>;

#[async_trait]
impl ObjectStore for Gated {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Stored<GetResult> {
        self.gate.acquire().await.unwrap().forget();
        let gone = Path::from("gone");
        let path = if self.missing.load(Ordering::Relaxed) { &gone } else { path };
        self.inner.get_opts(path, options).await
    }

    async fn put_opts(&self, path: &Path, body: PutPayload, o: PutOptions) -> Stored<PutResult> {
        self.inner.put_opts(path, body, o).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Stored<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Stored<Path>>,
    ) -> BoxStream<'static, Stored<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Stored<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Stored<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Stored<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

const LENGTH: usize = 4_000_000;
const MIB: u64 = 1024 * 1024;

/// A store with one file whose bytes all differ from their neighbours.
struct Place {
    store: Arc<Gated>,
    root: Root,
    log: Arc<RequestLog>,
    file: Bytes,
}

impl Place {
    async fn closed(service: &str) -> Self {
        let file: Bytes = (0..LENGTH / 4)
            .flat_map(|n| (n as u32).wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        let gate = Semaphore::new(0);
        let missing = AtomicBool::new(false);
        let store = Arc::new(Gated { inner: InMemory::new(), gate, missing });
        store.inner.put(&path(), file.clone().into()).await.unwrap();
        let log = Arc::new(RequestLog::default());
        let options = Options {
            endpoint: Some(service.to_owned()),
            request_log: Some(Arc::clone(&log)),
            ..Options::default()
        };
        let kept: Arc<dyn ObjectStore> = Arc::<Gated>::clone(&store);
        let root = Root::with_store("s3://bucket", kept, &options).unwrap();
        Self { store, root, log, file }
    }

    async fn open() -> Self {
        let place = Self::closed("https://one.example").await;
        place.store.gate.add_permits(1_000_000);
        place
    }

    fn requests(&self) -> usize {
        self.log.take().len()
    }

    async fn read(&self, cache: &RangeCache, range: Range<u64>) -> Origin {
        let wanted = self.file.slice(range.start as usize..range.end as usize);
        let (pieces, origin) = get(cache, &self.root, &path(), "1", range).await.unwrap();
        assert!(pieces == [wanted]);
        origin
    }
}

/// A range as its only piece.
async fn get(
    cache: &RangeCache,
    root: &Root,
    path: &Path,
    state: &str,
    range: Range<u64>,
) -> Result<(Vec<Bytes>, Origin)> {
    cache.get(root, path, state, range.clone(), std::slice::from_ref(&range)).await
}

fn path() -> Path {
    Path::from("file.jp2")
}

async fn in_memory(memory_bytes: u64) -> RangeCache {
    RangeCache::open(RangeCacheOptions { memory_bytes, disk: None }).await.unwrap()
}

async fn on_disk(folder: &std::path::Path, bytes: u64) -> RangeCache {
    let disk = Some((folder.to_owned(), bytes));
    RangeCache::open(RangeCacheOptions { memory_bytes: 16 * MIB, disk }).await.unwrap()
}

#[tokio::test]
async fn the_same_read_is_answered_once_upstream() {
    let (place, cache) = (Place::open().await, in_memory(16 * MIB).await);
    assert_eq!(place.read(&cache, 10..20).await, Origin::Upstream);
    assert_eq!(place.read(&cache, 10..20).await, Origin::Memory);
    assert_eq!(place.read(&cache, 10..21).await, Origin::Upstream, "another range");
    assert_eq!(place.requests(), 2);
    let (_, origin) = get(&cache, &place.root, &path(), "2", 10..20).await.unwrap();
    assert_eq!(origin, Origin::Upstream, "another state of the file");
    let other = Place::closed("https://two.example").await;
    other.store.gate.add_permits(1);
    assert_eq!(other.read(&cache, 10..20).await, Origin::Upstream, "a bucket of the same name");
    let stats = cache.stats();
    assert_eq!(stats.memory, CacheTally { reads: 1, bytes: 10 });
    assert_eq!(stats.upstream, CacheTally { reads: 4, bytes: 41 });
    assert_eq!(stats.held_bytes, 41 + 4 * OVERHEAD as u64);
    assert_eq!((stats.disk, stats.shared), (CacheTally::default(), CacheTally::default()));
    assert_eq!(cache.0.flights.len(), 0);
}

#[tokio::test]
async fn equal_reads_share_a_request() {
    let place = Place::closed("https://one.example").await;
    // also where nothing is kept
    for (cache, range) in [(in_memory(MIB).await, 0..100_000), (in_memory(MIB).await, 0..2_000_000)]
    {
        let mut reads: Vec<_> =
            (0..20).map(|_| place.read(&cache, range.clone()).boxed()).collect();
        for read in &mut reads {
            assert!(poll!(read).is_pending());
        }
        place.store.gate.add_permits(1);
        let origins = join_all(reads).await;
        assert_eq!(origins.iter().filter(|from| **from == Origin::Upstream).count(), 1);
        assert_eq!(origins.iter().filter(|from| **from == Origin::Shared).count(), 19);
        assert_eq!(place.requests(), 1);
        assert_eq!(cache.stats().shared, CacheTally { reads: 19, bytes: 19 * range.end });
        assert_eq!(cache.0.flights.len(), 0);
    }
}

/// How pieces are put together to requests does not matter.
#[tokio::test]
async fn pieces_are_kept_each_by_itself() {
    let (place, cache) = (Place::open().await, in_memory(16 * MIB).await);
    let (root, path) = (&place.root, path());
    let pieces = [10..20, 50..60];
    let (found, origin) = cache.get(root, &path, "1", 5..70, &pieces).await.unwrap();
    assert_eq!(found, [place.file.slice(10..20), place.file.slice(50..60)]);
    assert_eq!(origin, Origin::Upstream);
    for piece in pieces {
        assert_eq!(place.read(&cache, piece).await, Origin::Memory);
    }
    assert_eq!(place.read(&cache, 5..70).await, Origin::Upstream, "the gaps are not kept");
    // some of them are not enough
    let (_, origin) = cache.get(root, &path, "1", 10..80, &[10..20, 70..80]).await.unwrap();
    assert_eq!(origin, Origin::Upstream);
    let (found, _) = cache.get(root, &path, "1", 10..20, &[5..15, 10..20]).await.unwrap();
    assert!(found[0].is_empty(), "not in the range");
    assert_eq!(found[1].len(), 10);
}

#[tokio::test]
async fn an_error_reaches_all_and_is_not_kept() {
    let (place, cache) = (Place::closed("https://one.example").await, in_memory(MIB).await);
    place.store.missing.store(true, Ordering::Relaxed);
    let path = path();
    let mut reads: Vec<_> =
        (0..5).map(|_| get(&cache, &place.root, &path, "1", 0..10).boxed()).collect();
    for read in &mut reads {
        assert!(poll!(read).is_pending());
    }
    place.store.gate.add_permits(1);
    for outcome in join_all(reads).await {
        assert!(matches!(outcome, Err(Error::NotFound { .. })));
    }
    assert_eq!((place.requests(), cache.0.flights.len()), (1, 0));
    place.store.missing.store(false, Ordering::Relaxed);
    place.store.gate.add_permits(1);
    assert_eq!(place.read(&cache, 0..10).await, Origin::Upstream);
}

#[tokio::test]
async fn where_the_reader_is_dropped_another_one_reads() {
    let (place, cache) = (Place::closed("https://one.example").await, in_memory(MIB).await);
    let mut first = place.read(&cache, 0..10).boxed();
    assert!(poll!(&mut first).is_pending());
    let mut others: Vec<_> = (0..3).map(|_| place.read(&cache, 0..10).boxed()).collect();
    for other in &mut others {
        assert!(poll!(other).is_pending());
    }
    assert_eq!(place.requests(), 1);
    drop(first);
    place.store.gate.add_permits(1);
    let origins = join_all(others).await;
    assert_eq!(origins.iter().filter(|from| **from == Origin::Upstream).count(), 1);
    assert_eq!(place.requests(), 1, "a second one, of the reader that took over");
    let alone = place.read(&cache, 10..20).boxed();
    assert!(alone.now_or_never().is_none());
    assert_eq!(cache.0.flights.len(), 0, "who is gone leaves nothing");
}

#[tokio::test]
async fn the_budget_holds_in_bytes() {
    let (place, cache) = (Place::open().await, in_memory(MIB).await);
    for _ in 0..3 {
        for start in 0..30 {
            place.read(&cache, start * 100_000..(start + 1) * 100_000).await;
            assert!(cache.stats().held_bytes <= MIB, "{}", cache.stats().held_bytes);
        }
    }
    assert!(cache.stats().held_bytes > MIB / 2, "it is made use of");
    // small ones are weighed with what is around them
    for start in 0..20_000 {
        get(&cache, &place.root, &path(), "1", start..start + 1).await.unwrap();
    }
    assert!(cache.0.entries.memory().entries() <= MIB as usize / OVERHEAD);
    assert_eq!(place.read(&cache, 0..MIB / 8 + 1).await, Origin::Upstream);
    assert_eq!(place.read(&cache, 0..MIB / 8 + 1).await, Origin::Upstream, "too large to be kept");
    assert_eq!(place.read(&cache, 0..MIB / 8).await, Origin::Upstream);
    assert_eq!(place.read(&cache, 0..MIB / 8).await, Origin::Memory);
}

#[tokio::test]
async fn an_entry_holds_no_larger_buffer() {
    let (place, cache) = (Place::open().await, in_memory(MIB).await);
    assert_eq!(place.read(&cache, 5..10).await, Origin::Upstream);
    let Place { store, root, file, .. } = place;
    drop((store, root));
    assert!(file.is_unique(), "the cache has five bytes, not a part of the file's buffer");
    assert_eq!(cache.stats().held_bytes, 5 + OVERHEAD as u64);
}

#[tokio::test]
async fn a_directory_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), b"0123").unwrap();
    let root = Root::open(folder.path().to_str().unwrap(), &Options::default()).unwrap();
    let cache = in_memory(MIB).await;
    for _ in 0..2 {
        let (bytes, origin) = get(&cache, &root, &Path::from("x"), "1", 1..3).await.unwrap();
        assert_eq!((&bytes[0][..], origin), (&b"12"[..], Origin::Upstream));
    }
    assert_eq!(cache.stats(), CacheStats::default());
}

#[tokio::test]
async fn the_disk_outlives_the_process() {
    let (place, folder) = (Place::open().await, tempfile::tempdir().unwrap());
    let ranges: Vec<Range<u64>> = (0..20).map(|n| n * 150_001..(n + 1) * 150_001).collect();
    let cache = on_disk(folder.path(), 2 * disk::LEAST).await;
    for range in &ranges {
        assert_eq!(place.read(&cache, range.clone()).await, Origin::Upstream);
    }
    cache.close().await;
    drop(cache);
    assert_eq!(place.requests(), 20);
    let files = || std::fs::read_dir(folder.path().join("ranges-1")).unwrap().count();
    assert_eq!(files(), 16);
    // smaller by now, which leaves no files behind
    let cache = on_disk(folder.path(), disk::LEAST).await;
    assert_eq!(files(), 8);
    for range in &ranges {
        assert_eq!(place.read(&cache, range.clone()).await, Origin::Disk);
        assert_eq!(place.read(&cache, range.clone()).await, Origin::Memory);
    }
    assert_eq!(place.requests(), 0);
    assert_eq!(cache.stats().disk, CacheTally { reads: 20, bytes: 20 * 150_001 });
}

#[tokio::test]
async fn damaged_entries_are_read_anew() {
    let (place, folder) = (Place::open().await, tempfile::tempdir().unwrap());
    let (damaged, sound) = (100_000..200_000, 200_000..300_000);
    let cache = on_disk(folder.path(), disk::LEAST).await;
    for range in [&damaged, &sound] {
        place.read(&cache, range.clone()).await;
    }
    cache.close().await;
    drop(cache);
    place.requests();
    // one bit in the middle of what is on disk
    let needle = &place.file[150_000..150_064];
    let mut changed = 0;
    for file in std::fs::read_dir(folder.path().join("ranges-1")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            changed += 1;
        }
    }
    assert_eq!(changed, 1);
    let cache = on_disk(folder.path(), disk::LEAST).await;
    assert_eq!(place.read(&cache, sound).await, Origin::Disk);
    assert_eq!(place.read(&cache, damaged.clone()).await, Origin::Upstream);
    assert_eq!(place.read(&cache, damaged).await, Origin::Memory);
    assert_eq!(place.requests(), 1);
}

#[tokio::test]
async fn a_folder_that_is_nothing_but_zeros_is_an_empty_cache() {
    let (place, folder) = (Place::open().await, tempfile::tempdir().unwrap());
    let files = folder.path().join("ranges-1");
    std::fs::create_dir_all(&files).unwrap();
    // what a crash or somebody else may have left
    std::fs::write(files.join("foyer-storage-direct-fs-00000000"), vec![0; 1000]).unwrap();
    std::fs::write(files.join("foyer-storage-direct-fs-00000001"), &place.file).unwrap();
    let cache = on_disk(folder.path(), disk::LEAST).await;
    assert_eq!(place.read(&cache, 0..1000).await, Origin::Upstream);
}

#[tokio::test]
async fn what_cannot_be_used_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let open = |memory_bytes, path: &std::path::Path, bytes| {
        let disk = Some((path.to_owned(), bytes));
        RangeCache::open(RangeCacheOptions { memory_bytes, disk })
    };
    let error = open(MIB, &file.join("below"), disk::LEAST).await.unwrap_err();
    assert_eq!(error.code(), "CF-STO-015");
    assert!(error.to_string().contains("file/below"), "{error}");
    for (memory, disk) in [(MIB - 1, disk::LEAST), (MIB, disk::LEAST - 1)] {
        assert_eq!(open(memory, folder.path(), disk).await.unwrap_err().code(), "CF-STO-012");
    }
    let first = open(MIB, folder.path(), disk::LEAST).await.unwrap();
    let error = open(MIB, folder.path(), disk::LEAST).await.unwrap_err();
    assert_eq!(error.code(), "CF-STO-015", "one at a time");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    open(MIB, folder.path(), disk::LEAST).await.unwrap();
}
