//! Requests and tickets as bytes.

use prost::Message;
use prost_types::Any;

use crate::v1::{CubeRequest, FlightFilter, SignedTicket};
use crate::{Error, Result};

/// Bytes: no request and no ticket is longer.
pub const MAX_BYTES: usize = 256 * 1024;

const REQUEST_URL: &str = "type.googleapis.com/cubeflight.v1.CubeRequest";
const TICKET_URL: &str = "type.googleapis.com/cubeflight.v1.SignedTicket";

/// What DoGet is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Presented {
    /// A ticket that a server has signed.
    Signed(SignedTicket),
    /// A request, for the one-call path without GetFlightInfo.
    Request(Box<CubeRequest>),
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

/// Reads a ticket: bytes that decode as `google.protobuf.Any` with the type URL of `SignedTicket` are
/// that, everything else is taken as a request. Nothing is verified.
///
/// # Errors
/// Bytes that are neither, and more than 256 KiB.
pub fn decode_ticket(bytes: &[u8]) -> Result<Presented> {
    check_length(bytes)?;
    if let Some(packed) = unpack(bytes, TICKET_URL) {
        return SignedTicket::decode(packed.as_slice()).map(Presented::Signed).map_err(malformed);
    }
    Ok(Presented::Request(Box::new(decode_request(bytes)?)))
}

/// A signed ticket as it travels.
///
/// # Errors
/// More than 256 KiB.
pub fn encode_ticket(ticket: &SignedTicket) -> Result<Vec<u8>> {
    let any = Any { type_url: TICKET_URL.to_owned(), value: ticket.encode_to_vec() };
    check_length_of(any.encoded_len())?;
    Ok(any.encode_to_vec())
}

/// Reads the expression of ListFlights; none means everything.
///
/// # Errors
/// Bytes that are not [`FlightFilter`] in JSON, and more than 256 KiB.
pub fn decode_filter(bytes: &[u8]) -> Result<FlightFilter> {
    check_length(bytes)?;
    if bytes.is_empty() {
        return Ok(FlightFilter::default());
    }
    serde_json::from_slice(bytes).map_err(malformed)
}

fn unpack(bytes: &[u8], type_url: &str) -> Option<Vec<u8>> {
    let any = Any::decode(bytes).ok()?;
    (any.type_url == type_url).then_some(any.value)
}

fn check_length(bytes: &[u8]) -> Result<()> {
    check_length_of(bytes.len())
}

fn check_length_of(length: usize) -> Result<()> {
    match length > MAX_BYTES {
        true => Err(Error::TooLarge { length, limit: MAX_BYTES }),
        false => Ok(()),
    }
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
    fn tickets_and_bare_requests_are_told_apart() {
        let ticket =
            SignedTicket { key: "a".to_owned(), ticket: vec![1, 2], signature: vec![3; 32] };
        let bytes = encode_ticket(&ticket).unwrap();
        assert_eq!(decode_ticket(&bytes).unwrap(), Presented::Signed(ticket.clone()));
        // It is no request.
        assert_eq!(decode_request(&bytes).unwrap_err().code(), "CF-REQ-001");
        let bare = decode_ticket(br#"{"tile":"33TVN","bands":["B08"]}"#).unwrap();
        assert_eq!(bare, Presented::Request(Box::new(request())));
        let long = SignedTicket { ticket: vec![0; MAX_BYTES], ..ticket };
        assert_eq!(encode_ticket(&long).unwrap_err().code(), "CF-REQ-002");
        assert_eq!(decode_ticket(&vec![b' '; MAX_BYTES + 1]).unwrap_err().code(), "CF-REQ-002");
    }

    #[test]
    fn filters_of_tables_are_json() {
        assert_eq!(decode_filter(b"").unwrap(), FlightFilter::default());
        assert_eq!(decode_filter(b"{\"tile\": \"33TVN\"}").unwrap().tile, "33TVN");
        for bytes in [&b"33TVN"[..], b"{\"tiles\": \"33TVN\"}", b"[]", b"\xff"] {
            assert_eq!(decode_filter(bytes).unwrap_err().code(), "CF-REQ-001", "{bytes:?}");
        }
    }

    #[test]
    fn the_level_of_resolution_travels_in_every_form() {
        let request = CubeRequest { reduce: 4, ..request() };
        let json = encode_request_json(&request).unwrap();
        assert!(json.contains("\"reduce\":4"), "{json}");
        assert_eq!(decode_request(json.as_bytes()).unwrap(), request);
        let any = Any { type_url: REQUEST_URL.to_owned(), value: request.encode_to_vec() };
        assert_eq!(decode_request(&any.encode_to_vec()).unwrap(), request);
        for wrong in ["-1", "0.5", "true", "\"half\"", "4294967296"] {
            let json = format!("{{\"tile\":\"33TVN\",\"reduce\":{wrong}}}");
            let error = decode_request(json.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "CF-REQ-001", "{wrong}");
        }
    }

    #[test]
    fn unknown_fields_and_noise_are_refused() {
        for bytes in [&b"{\"tiles\":\"33TVN\"}"[..], b"", b"\x00\x01\x02", b"[]", b"null"] {
            assert_eq!(decode_request(bytes).unwrap_err().code(), "CF-REQ-001", "{bytes:?}");
        }
        assert_eq!(decode_request(&vec![b' '; MAX_BYTES + 1]).unwrap_err().code(), "CF-REQ-002");
    }
}
