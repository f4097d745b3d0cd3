//! HTTP responses that mean "later", made visible to the retry decorator.
//!
//! The provider hides the status and the headers of a failed response in a private error type.
//! This connector turns a passing failure into a transport error that carries both, so that
//! nobody has to read them from prose.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, HeaderMap};

/// A response whose status says that the same request may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("http status {status}{}", body_suffix(.body))]
pub(crate) struct Busy {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: String,
}

fn body_suffix(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
}

/// RFC 9110: 408 request timeout, 429 too many requests (RFC 6585), 5xx server errors; but not 501
/// and 505, which say that the server will never do this.
pub(crate) fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 429) || ((500..600).contains(&status) && !matches!(status, 501 | 505))
}

/// Connects as the provider does by default.
#[derive(Debug, Default)]
pub(crate) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(ReqwestConnector::default().connect(options)?)))
    }
}

#[derive(Debug)]
struct Service(HttpClient);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.execute(request).await?;
        let status = response.status().as_u16();
        if !is_busy(status) {
            return Ok(response);
        }
        let retry_after = retry_after(response.headers());
        let body = response.into_body().bytes().await.unwrap_or_default();
        let busy = Busy { status, retry_after, body: beginning(&body) };
        Err(HttpError::new(HttpErrorKind::Interrupted, busy))
    }
}

/// The pause that a response asks for.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?;
    parse_retry_after(value, Utc::now())
}

/// What a body begins with, for messages.
pub(crate) fn beginning(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(300).collect()
}

/// RFC 9110, 10.2.3: seconds, or an HTTP date.
fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    Some(at.signed_duration_since(now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        assert_eq!(parse_retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(
            parse_retry_after("Thu, 01 Jan 2026 00:00:30 GMT", now),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            parse_retry_after("Wed, 31 Dec 2025 00:00:30 GMT", now),
            Some(Duration::ZERO),
            "a date gone by means now"
        );
        assert_eq!(parse_retry_after("soon", now), None);
    }

    #[test]
    fn only_passing_failures_are_busy() {
        for status in [408, 429, 500, 502, 503, 504, 599] {
            assert!(is_busy(status), "{status}");
        }
        for status in [200, 206, 301, 400, 403, 404, 412, 416, 501, 505] {
            assert!(!is_busy(status), "{status}");
        }
    }
}
