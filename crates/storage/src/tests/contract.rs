//! The same promises over every kind of store.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use super::quick;
use crate::{Options, Path, Root, open_file};

async fn keeps_its_promises(root: &Root, options: &Options) {
    let log = options.request_log.as_ref().unwrap();
    let path = root.resolve("a/b.bin").unwrap();
    let body: Vec<u8> = (0..=255).collect();
    root.store().put(&path, body.clone().into()).await.unwrap();
    assert_eq!(log.take().len(), 1);
    let before = root.counters();

    // a range is one request, exactly as asked
    assert_eq!(root.get_range(&path, 10..20).await.unwrap()[..], body[10..20]);
    assert_eq!(root.get_range(&path, 255..256).await.unwrap()[..], body[255..]);
    assert_eq!(root.get_range(&path, 9..9).await.unwrap().len(), 0);
    let sent: Vec<_> = log.take().iter().map(ToString::to_string).collect();
    assert_eq!(sent, [format!("GET {path} 10..20"), format!("GET {path} 255..256")]);
    let after = root.counters();
    assert_eq!(after.requests - before.requests, 2);
    assert_eq!(after.bytes - before.bytes, 11);
    assert_eq!(after.retries, 0);

    // the end of the object
    let early = root.get_range(&path, 250..260).await.unwrap_err();
    assert_eq!(early.code(), "CF-STO-008");
    assert!(early.to_string().contains("6 of the 10 bytes from 250"), "{early}");
    assert_eq!(root.get_range(&path, 300..310).await.unwrap_err().code(), "CF-STO-008");
    let clipped = root.store().get_range(&path, 250..260).await.unwrap();
    assert_eq!(clipped[..], body[250..], "the store itself clips");

    // whole objects within a limit
    assert_eq!(root.get(&path, 256).await.unwrap()[..], body[..]);
    assert_eq!(root.get(&path, 255).await.unwrap_err().code(), "CF-STO-011");
    let empty = root.resolve("a/empty").unwrap();
    root.store().put(&empty, Vec::new().into()).await.unwrap();
    assert_eq!(root.get(&empty, 10).await.unwrap().len(), 0);
    assert_eq!(root.head(&path).await.unwrap().size, 256);

    // what is not there
    let gone = root.resolve("a/gone").unwrap();
    for error in [
        root.get_range(&gone, 0..1).await.unwrap_err(),
        root.get(&gone, 9).await.unwrap_err(),
        root.head(&gone).await.unwrap_err(),
    ] {
        assert!(error.is_not_found() && !error.is_transient(), "{error}");
        assert!(error.to_string().contains("a/gone"), "{error}");
    }

    // create if absent
    let create = PutOptions { mode: PutMode::Create, ..Default::default() };
    let again = root.store().put_opts(&path, body.into(), create).await.unwrap_err();
    assert_eq!(crate::Error::from(again).code(), "CF-STO-009");

    // listings: full paths, with and without delimiter, from an offset
    let other = root.resolve("c/d").unwrap();
    root.store().put(&other, b"x".to_vec().into()).await.unwrap();
    let mut listed: Vec<Path> = root
        .store()
        .list(Some(root.prefix()))
        .map_ok(|object| object.location)
        .try_collect()
        .await
        .unwrap();
    listed.sort();
    assert_eq!(listed, [path.clone(), empty.clone(), other.clone()]);
    let level = root.store().list_with_delimiter(Some(root.prefix())).await.unwrap();
    assert_eq!(level.common_prefixes.len(), 2);
    let after: Vec<_> =
        root.store().list_with_offset(Some(root.prefix()), &empty).try_collect().await.unwrap();
    assert_eq!(after.len(), 1);

    // hrefs go there and back
    for path in &listed {
        assert_eq!(root.resolve(&root.href(path)).unwrap(), *path);
    }
    root.store().delete(&other).await.unwrap();
    assert!(root.head(&other).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn over_a_local_directory() {
    let dir = tempfile::tempdir().unwrap();
    let options = quick();
    let inside = dir.path().join("with space and 50%");
    let root = Root::open_or_create(inside.to_str().unwrap(), &options).unwrap();
    keeps_its_promises(&root, &options).await;
    assert!(inside.join("a/b.bin").is_file());

    let text = std::fs::canonicalize(&inside).unwrap();
    assert!(
        root.url().starts_with("file:///") && root.url().ends_with("with%20space%20and%2050%25")
    );
    assert_eq!(root.resolve(&format!("{}/a/b.bin", text.display())).unwrap().as_ref(), "a/b.bin");
    let again = Root::open(root.url(), &Options::default()).unwrap();
    assert_eq!(again.get(&Path::from("a/b.bin"), 999).await.unwrap().len(), 256);
}

#[tokio::test]
async fn over_memory_as_a_bucket() {
    for url in ["s3://bucket", "s3://bucket/some/prefix/"] {
        let options = quick();
        let root = Root::with_store(url, Arc::new(InMemory::new()), &options).unwrap();
        keeps_its_promises(&root, &options).await;
    }
}

#[test]
fn hrefs_elsewhere_are_refused() {
    let options =
        Options { aliases: vec!["s3://eodata".into(), "https://host/x=y".into()], ..quick() };
    let root = Root::with_store("s3://mirror/p", Arc::new(InMemory::new()), &options).unwrap();
    let path = |href| root.resolve(href).map(|path| path.to_string());
    assert_eq!(path("s3://mirror/p/a").unwrap(), "p/a");
    assert_eq!(path("s3://eodata/a/b").unwrap(), "p/a/b");
    assert_eq!(path("https://HOST/x/a%20b").unwrap(), "p/y/a b");
    assert_eq!(path("a/b").unwrap(), "p/a/b");
    for href in [
        "s3://mirror/q/a",
        "s3://mirror/pa",
        "s3://mirror/p",
        "s3://mirror/p/../q/a",
        "s3://mirror/p/%2e%2e/q/a",
        "s3://other/p/a",
        "/p/a",
        "file:///etc/passwd",
        "http://host/x/a",
        "https://host/z/a",
        "../a",
    ] {
        let error = path(href).unwrap_err();
        assert_eq!(error.code(), "CF-STO-004", "{href}");
        assert!(error.to_string().contains(href));
    }
    assert_eq!(root.href(&Path::from("p/a")), "s3://mirror/p/a");
}

#[test]
fn roots_that_cannot_be_opened() {
    let code = |url: &str| Root::open(url, &Options::default()).unwrap_err().code();
    assert_eq!(code("/no/such/directory"), "CF-STO-002");
    assert_eq!(code("file:///no/such/directory"), "CF-STO-002");
    assert_eq!(code("s3://bucket/prefix"), "CF-STO-003");
    for url in ["", "ftp://host/x", "https://host/x", "s3://", "s3://bucket/../x"] {
        assert_eq!(code(url), "CF-STO-001", "{url}");
    }
    for options in [
        Options { aliases: vec!["relative".into()], ..quick() },
        Options { aliases: vec!["s3://b=/absolute".into()], ..quick() },
        Options { max_connections: 0, ..quick() },
    ] {
        let error = Root::with_store("s3://b", Arc::new(InMemory::new()), &options).unwrap_err();
        assert_eq!(error.code(), "CF-STO-012");
    }
}

#[tokio::test]
async fn one_file_has_its_parent_as_root() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a b.jp2");
    std::fs::write(&file, b"body").unwrap();
    let plain = file.to_str().unwrap().to_owned();
    let url = url::Url::from_file_path(&file).unwrap().to_string();
    for text in [plain, url] {
        let (root, path) = open_file(&text, &Options::default()).unwrap();
        assert_eq!(root.get(&path, 10).await.unwrap()[..], b"body"[..], "{text}");
    }
    let keys = crate::Credentials::keys("id", "secret");
    let options = Options { credentials: Some(keys), ..Options::default() };
    let (root, path) = open_file("s3://bucket/a/b.jp2", &options).unwrap();
    assert_eq!((root.url(), path.as_ref()), ("s3://bucket/a", "a/b.jp2"));
    let (root, path) = open_file("s3://bucket/b.jp2", &options).unwrap();
    assert_eq!((root.url(), path.as_ref()), ("s3://bucket", "b.jp2"));
    assert!(open_file("s3://bucket", &options).is_err());
}

#[test]
fn codes_are_listed_and_unique() {
    let listed: std::collections::BTreeSet<_> = crate::Error::CODES.iter().collect();
    assert_eq!(listed.len(), crate::Error::CODES.len());
    assert!(listed.iter().all(|code| code.starts_with("CF-STO-") && code.len() == 10));
}
