//! One answer of item search, and where it says that the next one is (STAC API 1.0.0, item search,
//! pagination). Pure.

use bytes::Bytes;
use cubeflight_storage::WebRequest;
use serde_json::{Map, Value};
use stac::Link;
use url::Url;

/// One answer.
#[derive(Debug)]
pub(super) struct Page {
    /// The items, unread.
    pub(super) features: Vec<Value>,
    /// What is to be sent for the next page.
    pub(super) next: Option<WebRequest>,
}

/// Reads the answer to a request, or says what is wrong with it.
pub(super) fn read(sent: &WebRequest, text: &[u8]) -> Result<Page, String> {
    let answer: Value =
        serde_json::from_slice(text).map_err(|error| format!("no json: {error}"))?;
    let Value::Object(mut answer) = answer else { return Err("no json object".to_owned()) };
    if answer.get("type").and_then(Value::as_str) != Some("FeatureCollection") {
        return Err("not a FeatureCollection".to_owned());
    }
    let Some(Value::Array(features)) = answer.remove("features") else {
        return Err("a FeatureCollection without features".to_owned());
    };
    let next = match answer.get("links") {
        None | Some(Value::Null) => None,
        Some(Value::Array(links)) => {
            let is_next = |link: &&Value| link.get("rel").and_then(Value::as_str) == Some("next");
            links.iter().find(is_next).map(|link| follow(sent, link)).transpose()?
        }
        Some(_) => return Err("links are no list".to_owned()),
    };
    Ok(Page { features, next })
}

fn follow(sent: &WebRequest, link: &Value) -> Result<WebRequest, String> {
    let link: Link = serde_json::from_value(link.clone())
        .map_err(|error| format!("the link to the next page is unreadable: {error}"))?;
    let shown: String = link.href.chars().take(200).collect();
    let url: Url = sent
        .url
        .join(&link.href)
        .map_err(|error| format!("the link to the next page is no url: {shown:?}: {error}"))?;
    if url.origin() != sent.url.origin() {
        let origin = sent.url.origin().ascii_serialization();
        return Err(format!("the next page is elsewhere than {origin}, not followed: {shown:?}"));
    }
    let json = match link.method.as_deref().unwrap_or("GET") {
        method if method.eq_ignore_ascii_case("GET") => None,
        method if method.eq_ignore_ascii_case("POST") => Some(body(sent, &link)?),
        method => {
            let method: String = method.chars().take(20).collect();
            return Err(format!("the next page is to be fetched by {method:?}"));
        }
    };
    Ok(WebRequest { url, json })
}

/// The link's body, merged into the last one where it says so; without a body the last one again.
fn body(sent: &WebRequest, link: &Link) -> Result<Bytes, String> {
    let last = || -> Map<String, Value> {
        let json = sent.json.as_deref().unwrap_or(b"{}");
        serde_json::from_slice(json).unwrap_or_default()
    };
    let body = match &link.body {
        None => last(),
        Some(body) if link.merge == Some(true) => {
            let mut merged = last();
            merged.extend(body.clone());
            merged
        }
        Some(body) => body.clone(),
    };
    let text = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
    Ok(Bytes::from(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sent() -> WebRequest {
        WebRequest {
            url: Url::parse("https://stac.example/v1/search").unwrap(),
            json: Some(Bytes::from_static(br#"{"collections":["c"],"limit":5}"#)),
        }
    }

    fn next(link: Value) -> Result<Option<WebRequest>, String> {
        let answer = json!({ "type": "FeatureCollection", "features": [], "links": [
            { "rel": "self", "href": "gopher://x" }, link,
        ]});
        read(&sent(), answer.to_string().as_bytes()).map(|page| page.next)
    }

    fn posted(link: Value) -> Value {
        let request = next(link).unwrap().unwrap();
        serde_json::from_slice(&request.json.unwrap()).unwrap()
    }

    #[test]
    fn links_to_the_next_page() {
        let href = "https://stac.example/v1/search";
        let token = json!({ "token": "next:a" });
        assert_eq!(next(json!({ "rel": "prev", "href": href })).unwrap(), None);
        let get =
            next(json!({ "rel": "next", "href": "search?token=a&limit=5" })).unwrap().unwrap();
        assert_eq!(get.url.as_str(), "https://stac.example/v1/search?token=a&limit=5");
        assert_eq!(get.json, None);
        let link = json!({ "rel": "next", "href": href, "method": "POST", "body": token });
        assert_eq!(posted(link), token);
        let link =
            json!({ "rel": "next", "href": href, "method": "post", "body": token, "merge": true });
        assert_eq!(posted(link), json!({ "collections": ["c"], "limit": 5, "token": "next:a" }));
        let link = json!({ "rel": "next", "href": "search?token=a", "method": "POST" });
        assert_eq!(posted(link), json!({ "collections": ["c"], "limit": 5 }));
    }

    #[test]
    fn links_that_lead_away_are_not_followed() {
        for href in [
            "http://stac.example/v1/search",
            "https://stac.example:8443/v1/search",
            "https://other.example/v1/search",
            "//other.example/search",
            "https://stac.example@169.254.169.254/latest",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "s3://eodata/x",
        ] {
            for method in ["GET", "POST"] {
                let said = next(json!({ "rel": "next", "href": href, "method": method }));
                assert!(said.unwrap_err().contains("not followed"), "{href}");
            }
        }
        for link in [
            json!({ "rel": "next", "href": "https://[" }),
            json!({ "rel": "next" }),
            json!({ "rel": "next", "href": "a", "method": "DELETE" }),
            json!({ "rel": "next", "href": "a", "method": "POST", "body": [] }),
        ] {
            assert!(next(link.clone()).is_err(), "{link}");
        }
    }

    #[test]
    fn answers_that_are_none() {
        for text in
            ["", "<html>", "[]", "{}", r#"{"type":"Feature"}"#, r#"{"type":"FeatureCollection"}"#]
        {
            assert!(read(&sent(), text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&sent(), deep.as_bytes()).is_err());
        let bare = br#"{"type":"FeatureCollection","features":[{}]}"#;
        assert_eq!(read(&sent(), bare).unwrap().features.len(), 1);
    }

    proptest! {
        #[test]
        fn never_panics_and_never_leaves(href in ".{0,60}", rel in "next|prev", merge: bool) {
            let link = json!({ "rel": rel, "href": href, "method": "POST", "merge": merge });
            if let Ok(Some(request)) = next(link) {
                prop_assert_eq!(request.url.origin(), sent().url.origin());
            }
        }
    }
}
