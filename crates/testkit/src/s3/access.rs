//! Who may ask, and how often: checked once the signature has been found right.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result};
use tokio::sync::Semaphore;

use super::exchange::Exchange;
use super::fault::{Fault, Script};
use super::pace::{Buckets, lock};
use super::profile::Profile;

/// Whose limits anonymous requests count against.
const ANONYMOUS: &str = "";

/// The key pairs.
pub(crate) struct Keys(HashMap<String, SecretKey>);

impl Keys {
    pub(crate) fn new(credentials: Vec<(String, String)>) -> Self {
        Self(credentials.into_iter().map(|(key, secret)| (key, secret.into())).collect())
    }
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.0.get(access_key).cloned().ok_or_else(|| S3ErrorCode::InvalidAccessKeyId.into())
    }
}

/// The limits of a profile, and how far they are used up.
pub(crate) struct Limits {
    anonymous: bool,
    line_up: Option<Arc<Semaphore>>,
    requests: Option<Buckets>,
    credential_connections: Option<usize>,
    in_flight: Arc<Mutex<HashMap<String, usize>>>,
    script: Arc<Script>,
}

impl Limits {
    pub(crate) fn new(profile: &Profile, anonymous: bool, script: Arc<Script>) -> Self {
        Self {
            anonymous,
            line_up: profile.connections.map(|number| Arc::new(Semaphore::new(number))),
            requests: profile.credential_requests.map(Buckets::new),
            credential_connections: profile.credential_connections,
            in_flight: Arc::default(),
            script,
        }
    }

    async fn admit(&self, exchange: &Exchange, credential: &str) -> S3Result<()> {
        if let Some(requests) = &self.requests
            && !requests.take(credential, Instant::now())
        {
            return Err(refusal(
                StatusCode::TOO_MANY_REQUESTS,
                S3ErrorCode::SlowDown,
                "too many requests per minute for this credential",
            ));
        }
        if let Some(limit) = self.credential_connections {
            let Some(permit) = InFlight::enter(&self.in_flight, credential, limit) else {
                return Err(refusal(
                    StatusCode::FORBIDDEN,
                    S3ErrorCode::AccessDenied,
                    "too many connections for this credential",
                ));
            };
            exchange.hold(permit);
        }
        if let Some(line_up) = &self.line_up {
            // never closed
            if let Ok(permit) = Arc::clone(line_up).acquire_owned().await {
                exchange.hold(permit);
            }
            exchange.ready_now();
        }
        Ok(())
    }
}

/// A request in flight of a credential.
struct InFlight {
    all: Arc<Mutex<HashMap<String, usize>>>,
    credential: String,
}

impl InFlight {
    fn enter(
        all: &Arc<Mutex<HashMap<String, usize>>>,
        credential: &str,
        limit: usize,
    ) -> Option<Self> {
        let mut guard = lock(all);
        let number = guard.entry(credential.to_owned()).or_default();
        if *number >= limit {
            return None;
        }
        *number += 1;
        Some(Self { all: Arc::clone(all), credential: credential.to_owned() })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(number) = lock(&self.all).get_mut(&self.credential) {
            *number = number.saturating_sub(1);
        }
    }
}

#[async_trait::async_trait]
impl S3Access for Limits {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(exchange) = cx.extensions_mut().get::<Arc<Exchange>>().cloned() else {
            return Err(S3ErrorCode::InternalError.into());
        };
        // a request is checked once: none of these is set already
        let _ = exchange.operation.set(cx.s3_op().name().to_owned());
        let credential = match cx.credentials() {
            Some(credentials) => {
                let _ = exchange.credential.set(credentials.access_key.clone());
                credentials.access_key.clone()
            }
            None if self.anonymous => ANONYMOUS.to_owned(),
            None => return Err(S3ErrorCode::AccessDenied.into()),
        };
        self.admit(&exchange, &credential).await?;
        let Some(fault) = self.script.next(&exchange.method, &exchange.key) else { return Ok(()) };
        let _ = exchange.fault.set(fault);
        match fault {
            Fault::Status { status, retry_after } => Err(status_fault(status, retry_after)),
            // the others come with the response
            _ => Ok(()),
        }
    }
}

fn refusal(status: StatusCode, code: S3ErrorCode, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
}

fn status_fault(status: u16, retry_after: Option<u32>) -> S3Error {
    let code = match status {
        403 => S3ErrorCode::AccessDenied,
        404 => S3ErrorCode::NoSuchKey,
        429 | 503 => S3ErrorCode::SlowDown,
        500 => S3ErrorCode::InternalError,
        _ => S3ErrorCode::Custom("Fault".into()),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut error = refusal(status, code, "a fault on purpose");
    if let Some(seconds) = retry_after {
        // these take the place of those that s3s would set
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        error.set_headers(headers);
    }
    error
}
