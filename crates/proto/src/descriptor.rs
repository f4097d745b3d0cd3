//! Requests and tickets as bytes.

use prost::Message;
use prost_types::Any;

use crate::v1::{CubeRequest, CubeTicket};
use crate::{Error, Result};

/// Version that [`encode_ticket`] writes and [`decode_ticket`] reads.
pub const TICKET_VERSION: u32 = 1;

/// No request or ticket is longer than this.
const MAX_BYTES: usize = 256 * 1024;

const REQUEST_URL: &str = "type.googleapis.com/cubeflight.v1.CubeRequest";
const TICKET_URL: &str = "type.googleapis.com/cubeflight.v1.CubeTicket";

/// What a ticket says.
#[derive(Debug, Clone, PartialEq)]
pub struct Redeemed {
    /// The request.
    pub request: CubeRequest,
    /// The products that the stream holds; `None` when the ticket is a bare request.
    pub product_ids: Option<Vec<String>>,
}

/// Reads a request: bytes that decode as `google.protobuf.Any` with the type URL of `CubeRequest`
/// are that, everything else is taken as proto3 JSON.
///
/// # Errors
/// Bytes that are neither, and more than 256 KiB.
pub fn decode_request(bytes: &[u8]) -> Result<CubeRequest> {
    check_length(bytes)?;
    if let Some(packed) = unpack(bytes, REQUEST_URL) {
        return CubeRequest::decode(packed.as_slice()).map_err(malformed);
    }
    serde_json::from_slice(bytes).map_err(malformed)
}

/// The JSON form of a request.
///
/// # Errors
/// None in practice: the type has no value that JSON lacks but non-finite bounds.
pub fn encode_request_json(request: &CubeRequest) -> Result<String> {
    serde_json::to_string(request).map_err(malformed)
}

/// Reads a ticket. A bare request is a ticket too, for the one-call path without GetFlightInfo.
///
/// # Errors
/// Bytes that are neither, a ticket of another version, and more than 256 KiB.
pub fn decode_ticket(bytes: &[u8]) -> Result<Redeemed> {
    check_length(bytes)?;
    let Some(packed) = unpack(bytes, TICKET_URL) else {
        return Ok(Redeemed { request: decode_request(bytes)?, product_ids: None });
    };
    let ticket = CubeTicket::decode(packed.as_slice()).map_err(malformed)?;
    if ticket.version != TICKET_VERSION {
        return Err(Error::TicketVersion { found: ticket.version, supported: TICKET_VERSION });
    }
    let request = ticket.request.ok_or(Error::MissingField {
        field: "request",
        hint: "ask for a new ticket with GetFlightInfo",
    })?;
    Ok(Redeemed { request, product_ids: Some(ticket.product_ids) })
}

/// A ticket for a request and the products found for it.
#[must_use]
pub fn encode_ticket(request: CubeRequest, product_ids: Vec<String>) -> Vec<u8> {
    let ticket = CubeTicket { version: TICKET_VERSION, request: Some(request), product_ids };
    Any { type_url: TICKET_URL.to_owned(), value: ticket.encode_to_vec() }.encode_to_vec()
}

fn unpack(bytes: &[u8], type_url: &str) -> Option<Vec<u8>> {
    let any = Any::decode(bytes).ok()?;
    (any.type_url == type_url).then_some(any.value)
}

fn check_length(bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLarge { length: bytes.len(), limit: MAX_BYTES });
    }
    Ok(())
}

fn malformed(error: impl std::fmt::Display) -> Error {
    Error::Malformed { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> CubeRequest {
        CubeRequest {
            tile: "33TVN".to_owned(),
            bands: vec!["B08".to_owned()],
            ..CubeRequest::default()
        }
    }

    #[test]
    fn json_and_any_are_told_apart() {
        let json = br#"{"tile":"33TVN","bands":["B08"]}"#;
        assert_eq!(decode_request(json).unwrap(), request());
        let any = Any { type_url: REQUEST_URL.to_owned(), value: request().encode_to_vec() };
        assert_eq!(decode_request(&any.encode_to_vec()).unwrap(), request());
    }

    #[test]
    fn a_ticket_gives_its_request_back() {
        let pins = vec!["S2A".to_owned()];
        let redeemed = decode_ticket(&encode_ticket(request(), pins.clone())).unwrap();
        assert_eq!(redeemed, Redeemed { request: request(), product_ids: Some(pins) });
        let bare = decode_ticket(br#"{"tile":"33TVN","bands":["B08"]}"#).unwrap();
        assert_eq!(bare, Redeemed { request: request(), product_ids: None });
    }

    #[test]
    fn unknown_fields_and_noise_are_refused() {
        for bytes in [&b"{\"tiles\":\"33TVN\"}"[..], b"", b"\x00\x01\x02", b"[]", b"null"] {
            assert_eq!(decode_request(bytes).unwrap_err().code(), "CF-REQ-001", "{bytes:?}");
        }
        assert_eq!(decode_request(&vec![b' '; MAX_BYTES + 1]).unwrap_err().code(), "CF-REQ-002");
    }

    #[test]
    fn another_ticket_version_is_named() {
        let ticket = CubeTicket { version: 9, ..CubeTicket::default() };
        let any = Any { type_url: TICKET_URL.to_owned(), value: ticket.encode_to_vec() };
        assert_eq!(decode_ticket(&any.encode_to_vec()).unwrap_err().code(), "CF-REQ-003");
    }
}
