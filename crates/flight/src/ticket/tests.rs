use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cubeflight_plan::CostModel;
use cubeflight_proto::v1::ticket::Content;
use cubeflight_proto::{Presented, decode_ticket, v1};
use tonic::{Code, Status};

use super::{Sealer, TicketKeys, cube_part};

const OLD: &str = "old 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "new ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
const HOUR: Duration = Duration::from_secs(3_600);

fn sealer(keys: &[&str], lifetime: Duration) -> Sealer {
    Sealer::new(TicketKeys::parse(&keys.join("\n")).unwrap(), lifetime)
}

fn content() -> Content {
    Content::Tlm(v1::TlmQuery { tile: "33TVN".to_owned(), ..v1::TlmQuery::default() })
}

fn signed(bytes: &[u8]) -> v1::SignedTicket {
    let Presented::Signed(signed) = decode_ticket(bytes).unwrap() else { panic!("not signed") };
    signed
}

fn code(status: &Status) -> &str {
    status.message().split(' ').next().unwrap()
}

#[test]
fn a_ticket_is_its_tenants_until_it_expires() {
    let sealer = sealer(&[OLD], HOUR);
    let (bytes, expires) = sealer.seal("a", content()).unwrap();
    assert!(expires > chrono::Utc::now());
    let opened = sealer.open("a", &signed(&bytes)).unwrap();
    assert_eq!(opened.content, content());

    let foreign = sealer.open("b", &signed(&bytes)).unwrap_err();
    assert_eq!((foreign.code(), code(&foreign)), (Code::PermissionDenied, "CF-FLT-016"));

    let renewed = sealer.renew("a", opened.clone()).unwrap().0;
    let again = sealer.open("a", &signed(&renewed)).unwrap();
    assert_eq!((again.id, again.content), (opened.id.clone(), opened.content));
    let other = sealer.seal("a", content()).unwrap().0;
    assert_ne!(sealer.open("a", &signed(&other)).unwrap().id, opened.id);
}

#[test]
fn an_expired_ticket_is_refused() {
    let key = TicketKeys::parse(OLD).unwrap();
    let ticket = v1::Ticket {
        version: 1,
        expires: chrono::Utc::now().timestamp() - 1,
        content: Some(content()),
        ..v1::Ticket::default()
    };
    let bytes = zstd::encode_all(prost::Message::encode_to_vec(&ticket).as_slice(), 3).unwrap();
    let (name, signature) = key.sign(&bytes);
    let signed = v1::SignedTicket { key: name, ticket: bytes, signature };
    let late = Sealer::new(key, HOUR).open("", &signed).unwrap_err();
    assert_eq!((late.code(), code(&late)), (Code::FailedPrecondition, "CF-FLT-015"));
}

#[test]
fn keys_change_without_a_break() {
    let before = sealer(&[OLD], HOUR);
    let both = sealer(&[NEW, OLD], HOUR);
    let after = sealer(&[NEW], HOUR);
    let old = signed(&before.seal("", content()).unwrap().0);
    let new = signed(&both.seal("", content()).unwrap().0);
    assert_eq!((old.key.as_str(), new.key.as_str()), ("old", "new"));
    both.open("", &old).unwrap();
    after.open("", &new).unwrap();
    let gone = after.open("", &old).unwrap_err();
    assert_eq!((gone.code(), code(&gone)), (Code::FailedPrecondition, "CF-FLT-014"));
    // a key of the same name is another key
    let forged = v1::SignedTicket { key: "new".to_owned(), ..old };
    let refused = after.open("", &forged).unwrap_err();
    assert_eq!((refused.code(), code(&refused)), (Code::PermissionDenied, "CF-FLT-013"));
}

#[test]
fn what_a_ticket_expands_to_is_bounded() {
    let keys = TicketKeys::parse(OLD).unwrap();
    let bomb = zstd::encode_all(vec![0; 9 << 20].as_slice(), 3).unwrap();
    let (key, signature) = keys.sign(&bomb);
    let signed = v1::SignedTicket { key, ticket: bomb, signature };
    let refused = Sealer::new(keys, HOUR).open("", &signed).unwrap_err();
    assert!(refused.message().contains("too long"), "{refused}");
}

#[test]
fn lines_of_keys_are_checked() {
    let number =
        |text: &str| TicketKeys::parse(text).map(|_| ()).map_err(|error| error.to_string());
    number(&format!("# keys\n\n{OLD}\n {NEW} \n")).unwrap();
    assert!(number("").unwrap_err().contains("there are 0"));
    assert!(number(&format!("{OLD}\n{OLD}")).unwrap_err().contains("\"old\""));
    for bad in ["old", "old 00", "a/b 00", &OLD[..60], &OLD.replace('f', "g")] {
        let error = number(&format!("{NEW}\n{bad}")).unwrap_err();
        assert!(error.contains("line 2") && !error.contains("0102"), "{error}");
    }
    // keys do not get into logs
    assert_eq!(format!("{:?}", TicketKeys::parse(OLD).unwrap()), "[\"old\"]");
}

#[test]
fn words_of_another_build_are_refused() {
    let request = v1::CubeRequest {
        tile: "33TVN".to_owned(),
        bands: vec!["B08".to_owned()],
        ..v1::CubeRequest::default()
    };
    let product = |id: &str, asset: &str| v1::TicketProduct {
        id: id.to_owned(),
        files: vec![v1::TicketFile { asset: asset.to_owned(), ..v1::TicketFile::default() }],
        ..v1::TicketProduct::default()
    };
    let ticket = |product: v1::TicketProduct| v1::CubeTicket {
        request: Some(request.clone()),
        steps: vec![v1::TicketStep {
            time: 0,
            parts: vec![v1::TicketPart { product: Some(product), alternatives: Vec::new() }],
        }],
        ..v1::CubeTicket::default()
    };
    let id = "S2A_MSIL2A_20210602T100031_N0300_R122_T33TVN_20210602T113243";
    let read = |wire| cube_part(wire, CostModel::LOCAL);
    assert_eq!(read(ticket(product(id, "B08_10m"))).unwrap().steps.len(), 1);
    assert!(read(ticket(product("S2A", "B08_10m"))).is_err());
    assert!(read(ticket(product(id, "B99_10m"))).is_err());
    assert!(read(v1::CubeTicket::default()).is_err());
}

/// Every field of a ticket.
fn full() -> v1::Ticket {
    let product = v1::TicketProduct {
        id: "S2A_MSIL2A_20210602T100031_N0300_R122_T33TVN_20210602T113243".to_owned(),
        files: vec![v1::TicketFile {
            asset: "B08_10m".to_owned(),
            href: "s3://eodata/Sentinel-2/MSI/L2A/2021/06/02/x.jp2".to_owned(),
            size: Some(123_456_789),
            etag: Some("\"0123\"".to_owned()),
        }],
        cloud_cover: Some(12.5),
        snow_cover: Some(0.25),
        no_data: Some(1.5),
        sun_azimuth: Some(150.0),
        sun_elevation: Some(60.0),
        view_azimuth: Some(100.0),
        view_incidence: Some(5.0),
        sensing_time: Some(1_622_628_031_000_000),
        radiometric_offset: [("B08".to_owned(), -1_000)].into(),
        quantification: Some(10_000.0),
    };
    let part = v1::TicketPart { product: Some(product.clone()), alternatives: vec![product] };
    let cube = v1::CubeTicket {
        request: Some(v1::CubeRequest {
            tile: "33TVN".to_owned(),
            bands: vec!["B08".to_owned()],
            ..v1::CubeRequest::default()
        }),
        cost: Some(v1::ReadCost { request_seconds: 0.015, bytes_per_second: 2e7, gap: None }),
        first_step: 3,
        total_steps: 9,
        row_blocks: 7,
        steps: vec![v1::TicketStep { time: 1_622_628_031_024_000, parts: vec![part] }],
    };
    v1::Ticket {
        version: 1,
        tenant: "a-tenant".to_owned(),
        // 2100
        expires: 4_102_444_800,
        id: vec![7; 16],
        content: Some(Content::Cube(cube)),
    }
}

/// What an earlier build has signed is read by this one as long as the version is the same.
#[test]
fn tickets_of_version_1_are_read() {
    let bytes = BASE64_STANDARD.decode(include_str!("golden/version-1.b64").trim()).unwrap();
    let opened = sealer(&[OLD], HOUR).open("a-tenant", &signed(&bytes)).unwrap();
    let v1::Ticket { id, content, .. } = full();
    assert_eq!((opened.id, Some(opened.content)), (id, content));
}
