//! What is made of the items, and what is asked again.

use futures::future::join_all;
use wiremock::matchers::{method, path};

use super::*;
use crate::tests::{asset, query, realdata};
use crate::{Catalog, Query};

#[tokio::test]
async fn equal_searches_are_one() {
    let (calls, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |request| {
        count();
        paged(request, 2).set_delay(Duration::from_millis(50))
    })
    .await;
    let api = api(&server);
    let year = query("L2A", "33TVN", "2021");
    let all = join_all((0..8).map(|_| api.search(&year))).await;
    assert!(all.iter().all(|found| found.as_ref().unwrap().products.len() == 2));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    api.search(&year).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    // another question
    api.search(&query("L2A", "33TVN", "2022")).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    // another owner of a token has answers of his own
    let private = StacApi::new(&server.uri(), Some("token"), &storage(), Default::default());
    private.unwrap().search(&year).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_failure_is_shared_by_those_who_wait() {
    let (calls, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |_| {
        count();
        ResponseTemplate::new(400).set_delay(Duration::from_millis(50))
    })
    .await;
    let api = api(&server);
    let query = query("L2A", "33TVN", "2021");
    let all = join_all((0..4).map(|_| api.search(&query))).await;
    assert!(all.iter().all(|found| found.as_ref().unwrap_err().code() == "CF-CAT-005"));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_is_kept_for_no_time() {
    let (calls, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |request| {
        count();
        paged(request, 2)
    })
    .await;
    let options = StacApiOptions { time_to_live: Duration::ZERO, ..Default::default() };
    let api = api_with(&server, options);
    for _ in 0..3 {
        api.search(&query("L2A", "33TVN", "2021")).await.unwrap();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn answers_are_kept_for_their_time_only() {
    let (calls, count) = counter();
    let server = serving(&[SEARCH, QUERY], move |request| paged(request, 1 + count())).await;
    let options = StacApiOptions { time_to_live: Duration::from_millis(20), ..Default::default() };
    let api = api_with(&server, options);
    let query = query("L2A", "33TVN", "2021");
    // the new product is seen by and by
    while api.search(&query).await.unwrap().products.len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(calls.load(Ordering::SeqCst) >= 2);
}

fn pinned(time: &str, ids: &[String]) -> Query {
    let product_ids = ids.iter().map(|id| id.parse().unwrap()).collect();
    Query { product_ids, ..query("L2A", "33TVN", time) }
}

#[tokio::test]
async fn pins_are_asked_for_by_id() {
    let server = serving(&[SEARCH, QUERY], |request| {
        let asked = body(request);
        let Some(ids) = asked["ids"].as_array() else { return page(vec![], None) };
        assert!(ids.len() <= 100);
        let known = ids.iter().map(|id| id.as_str().unwrap()).filter(|it| *it != id(7));
        page(known.map(item).collect(), None)
    })
    .await;
    let api = api(&server);
    let ids: Vec<String> = (10..150).map(id).collect();
    let found = api.search(&pinned("../..", &ids)).await.unwrap();
    assert_eq!((found.products.len(), found.omitted.len()), (140, 0));
    assert_eq!(searches(&server).await.len(), 2);
    // what is nowhere is named
    let found = api.search(&pinned("../..", &[id(7), id(8)])).await.unwrap();
    assert_eq!(found.products.len(), 1);
    assert_eq!((found.omitted[0].id.clone(), found.omitted[0].code), (id(7), "not_in_catalog"));
}

#[tokio::test]
async fn pins_are_found_in_the_answer_they_are_from() {
    let server = serving(&[SEARCH, QUERY], |request| paged(request, 50)).await;
    let api = api(&server);
    api.search(&query("L2A", "33TVN", "2021")).await.unwrap();
    let found = api.search(&pinned("2021", &[id(3), id(4)])).await.unwrap();
    assert_eq!(found.products.len(), 2);
    assert_eq!(searches(&server).await.len(), 1);
}

#[tokio::test]
async fn items_with_ids_of_their_own_are_found_by_their_product() {
    let server = serving(&[SEARCH, QUERY], |request| {
        if body(request)["ids"].is_array() {
            return page(vec![], None);
        }
        let mut item = item(&id(3));
        item["id"] = json!("S2A_33TVN_20210101_0_L2A");
        item["properties"]["s2:product_uri"] = json!(format!("{}.SAFE", id(3)));
        // the tile was sensed after its datatake had begun
        item["properties"]["datetime"] = json!("2021-01-01T03:14:00Z");
        page(vec![item], None)
    })
    .await;
    let found = api(&server).search(&pinned("2021-01-01", &[id(3)])).await.unwrap();
    assert_eq!(found.products[0].id.to_string(), id(3));
    let sent: Vec<Value> = searches(&server).await.iter().map(body).collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1]["datetime"], "2021-01-01T02:59:00Z/2021-01-01T03:40:00Z");
}

#[tokio::test]
async fn without_queries_tiles_are_asked_for_by_bounds() {
    let neighbours = |request: &Request| {
        let asked = body(request);
        assert_eq!(asked["bbox"].as_array().unwrap().len(), 4);
        assert_eq!(asked["query"], Value::Null);
        page(vec![item(&id(0)), item(&id_of("33TWN", 0)), item(&id_of("33TVM", 1))], None)
    };
    let server = serving(&[SEARCH], neighbours).await;
    let found = api(&server).search(&query("L2A", "33TVN", "2021")).await.unwrap();
    assert_eq!((found.products.len(), found.omitted.len()), (1, 0));
    assert_eq!(searches(&server).await.len(), 1);
}

#[tokio::test]
async fn a_tile_on_the_antimeridian_is_searched_on_both_sides() {
    let server = serving(&[SEARCH], |_| page(vec![item(&id_of("01KAB", 0))], None)).await;
    let found = api(&server).search(&query("L2A", "01KAB", "2021")).await.unwrap();
    // the item is in both answers
    assert_eq!((found.products.len(), found.omitted.len()), (1, 0));
    let sent: Vec<Value> = searches(&server).await.iter().map(body).collect();
    assert_eq!((&sent[0]["bbox"][2], &sent[1]["bbox"][0]), (&json!(180.0), &json!(-180.0)));
}

#[tokio::test]
async fn items_without_grid_code_are_found_once_and_for_all() {
    let server = serving(&[SEARCH, QUERY], |request| {
        if body(request)["query"].is_object() {
            return page(vec![], None);
        }
        let mut item = item(&id(0));
        item["properties"].as_object_mut().unwrap().remove("grid:code");
        page(vec![item], None)
    })
    .await;
    let api = api(&server);
    assert_eq!(api.search(&query("L2A", "33TVN", "2021")).await.unwrap().products.len(), 1);
    assert_eq!(searches(&server).await.len(), 2);
    api.search(&query("L2A", "33TVN", "2021-01")).await.unwrap();
    assert_eq!(searches(&server).await.len(), 3);
}

#[tokio::test]
async fn a_server_that_does_not_heed_the_search_is_filtered() {
    let server = serving(&[SEARCH, QUERY], |_| {
        let mut other = item(&id(1));
        other["collection"] = json!("sentinel-1-grd");
        let mut broken = item(&id(2));
        broken["id"] = json!("S2A_broken");
        let items =
            vec![item(&id(0)), other, item(&id_of("32TQM", 0)), item(&id(24 * 400)), broken];
        page(items, None)
    })
    .await;
    let found = api(&server).search(&query("L2A", "33TVN", "2021")).await.unwrap();
    assert_eq!(found.products.len(), 1);
    let omitted: Vec<_> = found.omitted.iter().map(|it| (it.id.as_str(), it.code)).collect();
    let other = id(1);
    assert_eq!(omitted, [(other.as_str(), "other_collection"), ("S2A_broken", "unreadable_id")]);
}

/// Real answers, given by a server as they are.
async fn real(file: &str) -> Option<MockServer> {
    let text = std::fs::read_to_string(realdata()?.join("stac").join(file)).unwrap();
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    // their links lead to where they are from
    answer["links"].as_array_mut().unwrap().retain(|link| link["rel"] != "next");
    let server = MockServer::start().await;
    let landing = realdata()?.join("stac/cdse/api_landing_page_v1_index.json");
    let landing = std::fs::read_to_string(landing).unwrap();
    Mock::given(path("/"))
        .respond_with(ResponseTemplate::new(200).set_body_string(landing))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/search"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&server)
        .await;
    Some(server)
}

#[tokio::test]
async fn the_answers_of_cdse() {
    for (file, tile, listed) in [
        ("cdse/openeo_issue1043_N0500_S2B_20200322_T36NYH.FeatureCollection.json", "36NYH", 36),
        ("cdse/openeo_issue1547_N0512_S2C_20260527_T55WFR.FeatureCollection.json", "55WFR", 40),
    ] {
        let Some(server) = real(file).await else { return };
        let found = api(&server).search(&query("L2A", tile, "../..")).await.unwrap();
        assert_eq!((found.products.len(), found.omitted.len()), (1, 0), "{file}");
        let product = &found.products[0];
        let blue = &product.assets[&asset(product, "B02")];
        assert!(blue.href.starts_with("s3://eodata/Sentinel-2/MSI/L2A"), "{}", blue.href);
        assert!(blue.href.ends_with("_B02_10m.jp2") && blue.size.unwrap() > 100_000_000);
        let sized = product.assets.values().filter(|asset| asset.size.is_some()).count();
        assert_eq!(sized, listed, "{file}");
        // CDSE says that it knows queries
        assert_eq!(
            body(&searches(&server).await[0])["query"]["grid:code"]["eq"],
            format!("MGRS-{tile}")
        );
    }
}

#[tokio::test]
async fn catalogues_of_cogs_are_named_as_such() {
    for (file, tile, code, number) in [
        ("planetarycomputer/pc_two_items_N0511_T13TDE_2024.json", "13TDE", "cog_asset", 2),
        ("planetarycomputer/pc_items_page_N0400_T52CEB_2023.json", "52CEB", "cog_asset", 1),
        // a collection of another name, which a search for ours would not have given
        (
            "earthsearch/earthsearch_sentinel-2-c1-l2a_10items_T13TDE_2024.json",
            "13TDE",
            "other_collection",
            10,
        ),
    ] {
        let Some(server) = real(file).await else { return };
        let found = api(&server).search(&query("L2A", tile, "../..")).await.unwrap();
        assert_eq!(found.products.len(), 0, "{file}");
        let codes: Vec<_> = found.omitted.iter().map(|omitted| omitted.code).collect();
        assert_eq!(codes, vec![code; number], "{file}");
        if code == "cog_asset" {
            assert!(found.omitted[0].reason.contains("GeoTIFF"), "{:?}", found.omitted[0]);
        }
    }
}
