//! Handshake: for clients that log in before they call.

use arrow_flight::{HandshakeRequest, HandshakeResponse};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Request, Response, Status, Streaming};

use crate::service::Items;
use crate::status::{BAD_LOGIN, plain};

const AUTHORIZATION: &str = "authorization";
/// Bytes of a payload, at most.
const MAX_PAYLOAD: usize = 64 * 1024;

/// Answers a handshake: a password is given back as the bearer token that it is, in the header that
/// clients of basic authentication look for, and payloads come back as they are. Nobody is let in by
/// this: each call carries its token, and is judged by that.
pub(crate) fn answer(
    request: Request<Streaming<HandshakeRequest>>,
) -> Result<Response<Items<HandshakeResponse>>, Status> {
    let token = token_of(request.metadata())?;
    let echoed = request.into_inner().map(|message| {
        let HandshakeRequest { protocol_version, payload } = message?;
        match payload.len() > MAX_PAYLOAD {
            true => Err(bad("its payload is too long")),
            false => Ok(HandshakeResponse { protocol_version, payload }),
        }
    });
    let mut response = Response::new(echoed.boxed());
    if let Some(token) = token {
        response.metadata_mut().insert(AUTHORIZATION, token);
    }
    Ok(response)
}

/// The token of basic or bearer credentials, as a bearer header.
fn token_of(headers: &MetadataMap) -> Result<Option<AsciiMetadataValue>, Status> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| bad("its authorization is not ASCII"))?;
    let (scheme, rest) =
        text.split_once(' ').ok_or_else(|| bad("its authorization has no scheme"))?;
    let token = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => rest.trim().to_owned(),
        "basic" => {
            let bytes = BASE64_STANDARD.decode(rest.trim());
            let bytes = bytes.map_err(|_| bad("its credentials are not base64"))?;
            let pair =
                String::from_utf8(bytes).map_err(|_| bad("its credentials are not UTF-8"))?;
            let (_, password) =
                pair.split_once(':').ok_or_else(|| bad("its credentials have no password"))?;
            password.to_owned()
        }
        _ => return Err(bad("its authorization is neither Basic nor Bearer")),
    };
    let header = format!("Bearer {token}").parse();
    header.map(Some).map_err(|_| bad("its password cannot be a token"))
}

fn bad(reason: &str) -> Status {
    plain(BAD_LOGIN, &format!("the handshake cannot be answered: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(authorization: &str) -> Result<Option<String>, Status> {
        let mut headers = MetadataMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        let token = token_of(&headers)?;
        Ok(token.map(|token| token.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_password_is_a_token() {
        // "me:secret:1"
        assert_eq!(token("Basic bWU6c2VjcmV0OjE=").unwrap().unwrap(), "Bearer secret:1");
        assert_eq!(token("bearer abc").unwrap().unwrap(), "Bearer abc");
        assert_eq!(token_of(&MetadataMap::new()).unwrap(), None);
        for bad in ["Basic", "Basic %%%", "Basic bWU=", "Digest x"] {
            let status = token(bad).unwrap_err();
            assert!(status.message().starts_with("CF-FLT-0"), "{bad}: {status}");
        }
    }
}
