//! What every S3 service promises.

use cubeflight_storage::{Credentials, Options, Path, Root};
use futures::TryStreamExt as _;
use futures::future::join_all;
use object_store::{
    Error, GetOptions, GetRange, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
};

use super::{BUCKET, open, pattern, plain, root, start, write};

fn creating() -> PutOptions {
    PutOptions { mode: PutMode::Create, ..PutOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_read_by_range() {
    let directory = root();
    // several reads of the file, the last one short
    let body = pattern(3 * 256 * 1024 + 77);
    write(&directory, "a/b c+ä.bin", &body);
    write(&directory, "empty", b"");
    let server = start(&directory, |_| {}).await;
    let root = open(&plain(&server));
    let path = Path::parse("a/b c+ä.bin").unwrap();
    let size = u64::try_from(body.len()).unwrap();

    let meta = root.head(&path).await.unwrap();
    assert_eq!(meta.size, size);
    assert_eq!(root.get(&path, size).await.unwrap()[..], body[..]);
    for (first, end) in
        [(0, 1), (0, 256 * 1024), (1, 256 * 1024 + 2), (9, 600_000), (size - 1, size)]
    {
        let got = root.get_range(&path, first..end).await.unwrap();
        let wanted = usize::try_from(first).unwrap()..usize::try_from(end).unwrap();
        assert!(got[..] == body[wanted], "{first}..{end}");
    }
    let options = |range| GetOptions { range: Some(range), ..GetOptions::default() };
    let tail = root.store().get_opts(&path, options(GetRange::Suffix(77))).await.unwrap();
    assert_eq!(tail.range, size - 77..size);
    assert_eq!(tail.bytes().await.unwrap()[..], body[body.len() - 77..]);
    let rest = root.store().get_opts(&path, options(GetRange::Offset(size - 5))).await.unwrap();
    assert_eq!(rest.bytes().await.unwrap()[..], body[body.len() - 5..]);

    // the end of the object
    let clipped = root.get_range(&path, size - 6..size + 4).await.unwrap_err();
    assert!(clipped.to_string().contains("6 of the 10 bytes"), "{clipped}");
    let beyond = root.get_range(&path, size..size + 1).await.unwrap_err();
    assert_eq!(beyond.code(), "CF-STO-008");
    assert_eq!(server.requests().last().unwrap().status, Some(416));
    assert_eq!(root.get(&Path::from("empty"), 9).await.unwrap().len(), 0);
    assert_eq!(root.head(&Path::from("empty")).await.unwrap().size, 0);

    for missing in ["a/gone", "a", "a/b c+ä.bin/x", "gone/gone"] {
        let missing = Path::parse(missing).unwrap();
        assert!(root.get(&missing, 9).await.unwrap_err().is_not_found(), "{missing}");
        assert!(root.head(&missing).await.unwrap_err().is_not_found(), "{missing}");
    }
    let other = Root::open("s3://other-bucket", &plain(&server)).unwrap();
    assert!(other.get(&path, 9).await.unwrap_err().is_not_found());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_are_checked() {
    let directory = root();
    write(&directory, "x", b"one");
    let server = start(&directory, |_| {}).await;
    let root = open(&plain(&server));
    let path = Path::from("x");
    let etag = root.head(&path).await.unwrap().e_tag.unwrap();
    let get = |options| root.store().get_opts(&path, options);
    let matching = GetOptions { if_match: Some(etag.clone()), ..GetOptions::default() };
    let differing = GetOptions { if_none_match: Some(etag.clone()), ..GetOptions::default() };
    assert_eq!(get(matching.clone()).await.unwrap().meta.e_tag.as_ref(), Some(&etag));
    assert!(matches!(get(differing.clone()).await, Err(Error::NotModified { .. })));

    // the same bytes, written again: another version
    let put = root.store().put(&path, "one".into()).await.unwrap();
    assert_ne!(put.e_tag.as_ref(), Some(&etag));
    assert_eq!(root.head(&path).await.unwrap().e_tag, put.e_tag);
    assert!(matches!(get(matching).await, Err(Error::Precondition { .. })));
    assert!(get(differing).await.is_ok());

    let update = |e_tag: Option<String>| PutOptions {
        mode: PutMode::Update(UpdateVersion { e_tag, version: None }),
        ..PutOptions::default()
    };
    let old = root.store().put_opts(&path, "two".into(), update(Some(etag))).await;
    assert!(matches!(old, Err(Error::Precondition { .. })), "{old:?}");
    root.store().put_opts(&path, "two".into(), update(put.e_tag)).await.unwrap();
    assert_eq!(root.get(&path, 9).await.unwrap()[..], b"two"[..]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_written_and_deleted() {
    let directory = root();
    let server = start(&directory, |_| {}).await;
    let root = open(&plain(&server));
    let path = Path::from("new/folder/big.bin");
    let body = pattern(2_500_000);
    root.store().put(&path, body.clone().into()).await.unwrap();
    assert_eq!(root.get(&path, 3_000_000).await.unwrap()[..], body[..]);
    assert!(
        std::fs::read(directory.path().join(BUCKET).join("new/folder/big.bin")).unwrap() == body
    );
    let below = root.store().put(&Path::from("new/folder/big.bin/x"), "x".into()).await;
    assert!(below.is_err());
    root.store().delete(&path).await.unwrap();
    root.store().delete(&path).await.unwrap();
    assert!(root.head(&path).await.unwrap_err().is_not_found());
    let left = std::fs::read_dir(directory.path().join(BUCKET)).unwrap().count();
    assert_eq!(left, 0, "neither folders nor temporary files");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_creators_one_wins() {
    let directory = root();
    let server = start(&directory, |_| {}).await;
    let root = open(&plain(&server));
    for round in 0..5 {
        let path = Path::from(format!("round/{round}"));
        let create = |creator: u8| {
            let (root, path) = (root.clone(), path.clone());
            tokio::spawn(async move {
                let body = vec![creator; 100_000];
                (creator, root.store().put_opts(&path, body.into(), creating()).await)
            })
        };
        let outcomes = join_all((0..8).map(create)).await;
        let mut winners = Vec::new();
        for outcome in outcomes {
            match outcome.unwrap() {
                (creator, Ok(_)) => winners.push(creator),
                (_, Err(error)) => assert!(matches!(error, Error::AlreadyExists { .. }), "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        let stored = root.get(&path, 1_000_000).await.unwrap();
        assert!(stored.len() == 100_000 && stored.iter().all(|byte| *byte == winners[0]));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_have_pages_and_folders() {
    let directory = root();
    for number in 0..1_500 {
        write(&directory, &format!("p/{number:05}"), b"x");
    }
    for key in ["p.q/a", "p/sub/deep/a", "q", "ä ö/&<b>"] {
        write(&directory, key, b"yy");
    }
    std::fs::create_dir(directory.path().join(BUCKET).join("empty")).unwrap();
    let server = start(&directory, |_| {}).await;
    let root = open(&plain(&server));
    let listed = |prefix: Option<&str>, after: Option<&str>| {
        let (root, prefix, after) = (root.clone(), prefix.map(Path::from), after.map(Path::from));
        async move {
            let all: Vec<_> = match after {
                Some(after) => {
                    root.store().list_with_offset(prefix.as_ref(), &after).try_collect().await
                }
                None => root.store().list(prefix.as_ref()).try_collect().await,
            }
            .unwrap();
            all.into_iter().map(|object| (object.location.to_string(), object.size)).collect()
        }
    };
    let mut all: Vec<(String, u64)> = listed(None, None).await;
    assert_eq!(all.len(), 1_504);
    assert!(all.is_sorted());
    assert_eq!(all.pop().unwrap(), ("ä ö/&<b>".to_owned(), 2));
    let some: Vec<(String, u64)> = listed(Some("p"), Some("p/01400")).await;
    assert_eq!((some.len(), some[0].0.as_str()), (100, "p/01401"));

    let level = root.store().list_with_delimiter(None).await.unwrap();
    let folders: Vec<_> = level.common_prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(folders, ["p", "p.q", "ä ö"], "empty folders are none");
    assert_eq!(level.objects.len(), 1);
    let head = root.head(&level.objects[0].location).await.unwrap();
    assert_eq!(level.objects[0].e_tag, head.e_tag);
    let level = root.store().list_with_delimiter(Some(&Path::from("p"))).await.unwrap();
    assert_eq!((level.objects.len(), level.common_prefixes.len()), (1_500, 1));
    assert!(
        root.store()
            .list_with_delimiter(Some(&Path::from("gone")))
            .await
            .unwrap()
            .objects
            .is_empty()
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_secret_opens() {
    let directory = root();
    write(&directory, "x", b"one");
    let pair = |key: &str, secret: &str| (key.to_owned(), secret.to_owned());
    let server = start(&directory, |config| {
        config.credentials = vec![pair("first", "s1"), pair("second", "s2")];
    })
    .await;
    let get = async |credentials| {
        let root = open(&Options { credentials: Some(credentials), ..plain(&server) });
        root.get(&Path::from("x"), 9).await.map_err(|error| error.code())
    };
    assert!(get(Credentials::keys("first", "s1")).await.is_ok());
    assert!(get(Credentials::keys("second", "s2")).await.is_ok());
    assert_eq!(get(Credentials::keys("first", "s2")).await, Err("CF-STO-006"));
    assert_eq!(get(Credentials::keys("third", "s1")).await, Err("CF-STO-006"));
    assert_eq!(get(Credentials::Anonymous).await, Err("CF-STO-006"));
    let seen: Vec<_> = server.take_requests();
    let seen: Vec<_> = seen.iter().map(|it| (it.status, it.credential.as_deref())).collect();
    let refused = (Some(403), None);
    let expected =
        [(Some(206), Some("first")), (Some(206), Some("second")), refused, refused, refused];
    assert_eq!(seen, expected);
    server.stop().await;

    let server = start(&directory, |config| config.anonymous = true).await;
    let anonymous = Options { credentials: Some(Credentials::Anonymous), ..plain(&server) };
    assert!(open(&anonymous).get(&Path::from("x"), 9).await.is_ok());
    let wrong = Credentials::keys("first", "s1");
    let wrong = open(&Options { credentials: Some(wrong), ..plain(&server) });
    assert_eq!(wrong.get(&Path::from("x"), 9).await.unwrap_err().code(), "CF-STO-006");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_what_was_asked() {
    let directory = root();
    let body = pattern(1_000_000);
    for key in ["p/a", "p/b"] {
        write(&directory, key, &body);
    }
    let file = directory.path().join("requests.jsonl");
    let server = start(&directory, |config| config.log = Some(file.clone())).await;
    let options = plain(&server);
    let root = open(&options);
    let asked = options.request_log.as_ref().unwrap();
    for key in ["p/a", "p/b", "p/gone"] {
        let path = Path::from(key);
        // the responses of some are errors
        let _ = root.head(&path).await;
        let _ = root.get_range(&path, 10..700_000).await;
        let _ = root.get_range(&path, 999_999..1_000_001).await;
    }
    let _: Vec<_> = root.store().list(Some(&Path::from("p"))).try_collect().await.unwrap();
    root.store().put(&Path::from("q/new"), pattern(300_000).into()).await.unwrap();
    root.store().delete(&Path::from("q/new")).await.unwrap();

    let asked: Vec<_> = asked.take().iter().map(ToString::to_string).collect();
    let logged = server.requests();
    let seen: Vec<_> =
        logged.iter().map(|it| it.to_string().trim_end_matches('/').to_owned()).collect();
    assert_eq!(seen, asked);
    assert!(logged.iter().all(|it| it.credential.as_deref() == Some("cubeflight")));
    assert!(logged.iter().all(|it| it.bucket == BUCKET && it.fault.is_none()));
    let bytes: Vec<_> = logged.iter().map(|it| (it.status.unwrap(), it.bytes)).collect();
    assert_eq!(bytes[..3], [(200, 0), (206, 699_990), (206, 1)]);
    assert_eq!(bytes[6], (404, 0));
    assert_eq!(bytes[7].0, 404);
    assert_eq!(logged[10].received, 300_000);
    assert_eq!(logged[11].status, Some(204));

    let lines = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), logged.len());
    for (line, logged) in lines.iter().zip(&logged) {
        assert_eq!(*line, serde_json::to_value(logged).unwrap());
    }
    assert_eq!(lines[1]["range"], "10-699999");
    assert_eq!(lines[1]["key"], "p/a");
    assert_eq!(lines[1]["operation"], "GetObject");
    server.stop().await;
}
