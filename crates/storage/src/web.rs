//! A web service of one origin, under the limits and retries of a credential.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::HeaderValue;
use object_store::client::{HttpError, HttpErrorKind};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Client, Response, StatusCode, redirect};
use url::Url;

use crate::connector::{Busy, beginning, is_busy, retry_after};
use crate::limit::Limits;
use crate::metrics::{Counters, Counts};
use crate::retry::{RetryPolicy, repeat};
use crate::{Error, Options, Result};

/// Redirects that are followed.
const REDIRECTS: usize = 4;
/// Bytes of an error's body that are read.
const ERROR_BODY: u64 = 4096;

/// One request of a [`Web`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebRequest {
    /// What is asked, under the origin of the service.
    pub url: Url,
    /// A JSON document, sent by POST; `None` is a GET. It must be one that may be sent twice.
    pub json: Option<Bytes>,
}

/// A web service: one origin (scheme, host, port), which no request and no redirect ever leaves.
///
/// Requests take from the limits of [`Options::limits`] where these are shared, and are repeated as
/// [`Options::retry`] says. Cloning is cheap and shares connections, limits and counters.
#[derive(Clone)]
pub struct Web {
    client: Client,
    base: Url,
    limits: Limits,
    retry: Arc<RetryPolicy>,
    counts: Arc<Counts>,
}

impl Web {
    /// A service by one of its URLs. `token` is sent with every request
    /// (`Authorization: Bearer …`, RFC 6750). No request is sent yet.
    ///
    /// # Errors
    /// [`Error::BadUrl`] for what is not http or https or holds a password, [`Error::BadOption`]
    /// for a token that is no header and for limits of 0.
    pub fn new(base: &Url, token: Option<&str>, options: &Options) -> Result<Self> {
        let bad = |reason: &str| Error::BadUrl {
            url: shown(base),
            reason: format!("{reason}; a service is named as in https://host/path"),
        };
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(bad("not http or https"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad("a user name in the url would be logged"));
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| Error::BadOption {
                reason: "the token has characters that no header can have".to_owned(),
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
            if base.scheme() == "http" {
                tracing::warn!(url = %base, "the token is sent over http, readable on the way");
            }
        }
        let client = Client::builder()
            .timeout(options.request_timeout)
            .connect_timeout(options.connect_timeout)
            .default_headers(headers)
            .redirect(redirect::Policy::custom(follow))
            .referer(false)
            .user_agent(concat!("cubeflight/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::BadOption { reason: reason(error) })?;
        let limits = match &options.limits {
            Some(limits) => limits.clone(),
            None => options.new_limits()?,
        };
        Ok(Self {
            client,
            base: base.clone(),
            limits,
            retry: Arc::new(options.retry.clone()),
            counts: Arc::default(),
        })
    }

    /// The URL that the service was made with.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The body of the answer, at most `limit` bytes.
    ///
    /// # Errors
    /// - [`Error::Refused`]: the URL is of another origin; nothing is sent;
    /// - [`Error::Unavailable`]: 408, 429, 5xx, timeouts and resets for as long as retries last;
    /// - [`Error::Denied`]: 401 and 403;
    /// - [`Error::Answered`]: any other status that is no success;
    /// - [`Error::TooLarge`]: a longer body, the rest unread.
    pub async fn send(&self, request: &WebRequest, limit: u64) -> Result<Bytes> {
        let url = shown(&request.url);
        if request.url.origin() != self.base.origin() {
            let reason = format!("not under {}", self.base.origin().ascii_serialization());
            return Err(Error::Refused { href: url, reason });
        }
        let answer = repeat(&self.retry, &self.counts, |_| self.attempt(request, limit)).await;
        match answer {
            Ok(Answer::Body(bytes)) => Ok(bytes),
            Ok(Answer::TooLarge) => Err(Error::TooLarge { path: url, limit }),
            Ok(Answer::Status { status, text }) => {
                Err(Error::Answered { url, status: status.as_u16(), text })
            }
            Err(error) => Err(Error::convert(url, error)),
        }
    }

    /// Totals since the service was made.
    pub fn counters(&self) -> Counters {
        self.counts.read()
    }

    async fn attempt(&self, request: &WebRequest, limit: u64) -> object_store::Result<Answer> {
        let _in_flight = self.limits.admit().await;
        self.counts.requests(1);
        let builder = match &request.json {
            None => self.client.get(request.url.clone()),
            Some(json) => self
                .client
                .post(request.url.clone())
                .header(CONTENT_TYPE, "application/json")
                .body(json.clone()),
        };
        let response = builder.send().await.map_err(passing)?;
        let status = response.status();
        if status.is_success() {
            let body = self.read(response, limit).await.map_err(passing)?;
            return Ok(body.map_or(Answer::TooLarge, Answer::Body));
        }
        let pause = retry_after(response.headers());
        let leads = response.headers().get(LOCATION).map(|to| beginning(to.as_bytes()));
        // a passing status is one whatever becomes of its body
        let body = self.read(response, ERROR_BODY).await.ok().flatten().unwrap_or_default();
        let text = leads.map_or_else(|| beginning(&body), |to| format!("it leads to {to}"));
        if is_busy(status.as_u16()) {
            let busy = Busy { status: status.as_u16(), retry_after: pause, body: text };
            return Err(generic(HttpErrorKind::Interrupted, busy));
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let source = format!("http status {}: {text}", status.as_u16()).into();
            let path = request.url.path().to_owned();
            return Err(object_store::Error::PermissionDenied { path, source });
        }
        Ok(Answer::Status { status, text })
    }

    /// The body; `None` where it is longer than allowed.
    async fn read(&self, mut response: Response, limit: u64) -> reqwest::Result<Option<Bytes>> {
        if response.content_length().is_some_and(|length| length > limit) {
            return Ok(None);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            let got = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.counts.bytes(got);
            if u64::try_from(body.len()).unwrap_or(u64::MAX).saturating_add(got) > limit {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body.freeze()))
    }
}

impl fmt::Debug for Web {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// What came back.
enum Answer {
    Body(Bytes),
    TooLarge,
    Status { status: StatusCode, text: String },
}

/// Within the origin, and only where method and body stay what they are (RFC 9110, 15.4.8 and
/// 15.4.9): a search that became a GET would lose its conditions.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let keeps =
        matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let same = attempt.previous().iter().all(|url| url.origin() == attempt.url().origin());
    if keeps && same && attempt.previous().len() <= REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// The URL without its query, which may hold what is none of a log's business, shortened.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    let _ = url.set_password(None);
    beginning(url.as_str().as_bytes())
}

/// An answer that did not come, or not as a whole.
fn passing(error: reqwest::Error) -> object_store::Error {
    generic(HttpErrorKind::Request, Broken(reason(error)))
}

fn generic(
    kind: HttpErrorKind,
    source: impl std::error::Error + Send + Sync + 'static,
) -> object_store::Error {
    object_store::Error::Generic { store: "web", source: Box::new(HttpError::new(kind, source)) }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(String);

/// The innermost causes, which the outer ones do not name, and no URL.
fn reason(error: reqwest::Error) -> String {
    let timeout = error.is_timeout();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut current = std::error::Error::source(&error);
    while let Some(cause) = current {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        current = cause.source();
    }
    if timeout { format!("timeout: {text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_is_one_origin() {
        let url = |text: &str| Url::parse(text).unwrap();
        let web = Web::new(&url("http://127.0.0.1:9/v1"), Some("t"), &Options::default()).unwrap();
        for elsewhere in [
            "https://127.0.0.1:9/v1",
            "http://127.0.0.1:10/v1",
            "http://localhost:9/v1",
            "http://user@169.254.169.254/v1?secret=1",
        ] {
            let request = WebRequest { url: url(elsewhere), json: None };
            let error = web.send(&request, 10).await.unwrap_err();
            assert_eq!(error.code(), "CF-STO-004", "{elsewhere}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(web.counters(), Counters::default());
        for bad in ["ftp://host/", "file:///etc", "http://user:word@host/", "data:x"] {
            let error = Web::new(&url(bad), None, &Options::default()).unwrap_err();
            assert_eq!(error.code(), "CF-STO-001");
            assert!(!error.to_string().contains("word"), "{error}");
        }
    }
}
