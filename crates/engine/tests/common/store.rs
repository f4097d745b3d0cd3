//! A store over a directory that behaves as a test tells it to.

use std::fmt;
use std::path::Path as Folder;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cubeflight_storage::Path;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What happens to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It works.
    Pass,
    /// The connection breaks.
    Reset,
    /// The store refuses the credentials.
    Deny,
    /// The store fails in a way that nobody has seen before.
    Puzzle,
    /// There is no answer.
    Hang,
}

type Script = Box<dyn Fn(&Path, usize) -> Act + Send + Sync>;

/// Asks a script, with path and number of the read, what becomes of each read of pixels.
pub struct Tampered {
    inner: LocalFileSystem,
    script: Script,
    begun: AtomicUsize,
    waiting: Arc<AtomicUsize>,
}

impl Tampered {
    pub fn new(
        folder: &Folder,
        script: impl Fn(&Path, usize) -> Act + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner: LocalFileSystem::new_with_prefix(folder).unwrap(),
            script: Box::new(script),
            begun: AtomicUsize::new(0),
            waiting: Arc::default(),
        })
    }

    /// Reads of images begun so far.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Reads that wait for an answer.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

/// Counts a wait, also when it is given up.
struct Wait(Arc<AtomicUsize>);

impl Wait {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Tampered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tampered")
    }
}

impl fmt::Display for Tampered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tampered")
    }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "tampered", source: source.into() }
}

#[async_trait]
impl ObjectStore for Tampered {
    async fn put_opts(&self, at: &Path, data: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(at, data, how).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, how).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        if how.head || !at.as_ref().ends_with(".jp2") {
            return self.inner.get_opts(at, how).await;
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        match (self.script)(at, number) {
            Act::Pass => self.inner.get_opts(at, how).await,
            Act::Reset => Err(generic(std::io::Error::from(std::io::ErrorKind::ConnectionReset))),
            Act::Deny => {
                Err(Error::PermissionDenied { path: at.to_string(), source: "expired".into() })
            }
            Act::Puzzle => Err(generic("the store answered in riddles")),
            Act::Hang => {
                let _wait = Wait::new(&self.waiting);
                std::future::pending().await
            }
        }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
