//! What a STAC API can do, from its landing page (STAC API 1.0.0, core).

use cubeflight_storage::{Web, WebRequest};
use serde_json::Value;
use stac::api::{ITEM_SEARCH_URI, UrlBuilder};
use url::Url;

use super::failed;
use crate::{Error, Result};

/// Longest landing page; those of large services list some hundred collections.
const MAX_PAGE: u64 = 16 << 20;

/// Where and how items are searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Takes a search by POST.
    pub(super) search: Url,
    /// Whether it knows the query extension.
    pub(super) query: bool,
}

/// Reads the landing page.
pub(super) async fn discover(web: &Web) -> Result<Endpoint> {
    let request = WebRequest { url: web.base().clone(), json: None };
    let page = web.send(&request, MAX_PAGE).await.map_err(|error| match error {
        // nothing there, or it moved
        cubeflight_storage::Error::Answered { url, status, text } => {
            Error::NoApi { url, reason: format!("it answers with status {status} {text}") }
        }
        error => failed(web.base(), error),
    })?;
    read(web.base(), &page).map_err(|reason| Error::NoApi { url: web.base().to_string(), reason })
}

fn read(base: &Url, page: &[u8]) -> Result<Endpoint, String> {
    let page: Value =
        serde_json::from_slice(page).map_err(|error| format!("it answers no json: {error}"))?;
    let list = |name: &str| page.get(name).and_then(Value::as_array).into_iter().flatten();
    let classes: Vec<&str> = list("conformsTo").filter_map(Value::as_str).collect();
    // versions differ: https://api.stacspec.org/v1.0.0-rc.2/item-search
    let (_, item_search) = ITEM_SEARCH_URI.rsplit_once('/').unwrap_or_default();
    let has = |name: &str| classes.iter().any(|class| class.rsplit('/').next() == Some(name));
    let links = list("links").filter(|link| text(link, "rel") == Some("search"));
    let mut links: Vec<(bool, Url)> = links
        .filter_map(|link| {
            let posted = text(link, "method").is_some_and(|it| it.eq_ignore_ascii_case("POST"));
            Some((posted, base.join(text(link, "href")?).ok()?))
        })
        // behind a proxy, links at times name a host that is not to be reached from here
        .filter(|(_, url)| url.origin() == base.origin())
        .collect();
    if !has(item_search) && links.is_empty() {
        let kind = text(&page, "type").unwrap_or("document");
        return Err(format!("it is a {kind} that does not conform to {ITEM_SEARCH_URI}"));
    }
    links.sort_by_key(|(posted, _)| !posted);
    let search = match links.into_iter().next() {
        Some((_, url)) => url,
        None => UrlBuilder::new(base.as_str()).map_err(|error| error.to_string())?.search().clone(),
    };
    Ok(Endpoint { search, query: has("item-search#query") })
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(page: &Value) -> Result<Endpoint, String> {
        let base = Url::parse("https://stac.example/v1").unwrap();
        read(&base, page.to_string().as_bytes())
    }

    #[test]
    fn landing_pages() {
        let search = Url::parse("https://stac.example/v1/search").unwrap();
        let classes = |list: &[&str]| json!({ "type": "Catalog", "conformsTo": list });
        let plain = of(&classes(&["https://api.stacspec.org/v1.0.0/item-search"])).unwrap();
        assert_eq!(plain, Endpoint { search: search.clone(), query: false });
        let query = of(&classes(&[
            "https://api.stacspec.org/v1.0.0-rc.2/item-search",
            "https://api.stacspec.org/v1.0.0-rc.2/item-search#query",
        ]));
        assert_eq!(query.unwrap(), Endpoint { search, query: true });
        // of collections, not of items
        let other = of(&classes(&["https://api.stacspec.org/v1.0.0-rc.1/collection-search#query"]));
        assert!(other.unwrap_err().contains("Catalog"));
        assert!(of(&json!({ "type": "Feature" })).unwrap_err().contains("Feature"));
        assert!(of(&json!([])).is_err());
        assert!(read(&Url::parse("http://a").unwrap(), b"<html>").is_err());
    }

    #[test]
    fn the_search_link_is_used_if_it_stays() {
        let page = |href: &str| {
            of(&json!({ "links": [
                { "rel": "search", "href": "https://stac.example/get", "method": "GET" },
                { "rel": "search", "href": href, "method": "POST" },
            ]}))
            .unwrap()
            .search
        };
        assert_eq!(page("https://stac.example/other").path(), "/other");
        assert_eq!(page("/found").path(), "/found");
        for elsewhere in
            ["http://stac.example/post", "https://stac.example:8443/post", "https://other/post"]
        {
            assert_eq!(page(elsewhere).as_str(), "https://stac.example/get", "{elsewhere}");
        }
    }
}
