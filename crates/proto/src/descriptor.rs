//! Requests and tickets as bytes.

use prost::Message;
use prost_types::Any;

use crate::v1::{CubeRequest, CubeTicket, ReadCost, TableFilter, TlmQuery, TlmTicket};
use crate::{Error, Result};

/// Version of the tickets that this build writes and reads.
pub const TICKET_VERSION: u32 = 1;

/// No request or ticket is longer than this.
const MAX_BYTES: usize = 256 * 1024;

const REQUEST_URL: &str = "type.googleapis.com/cubeflight.v1.CubeRequest";
const TICKET_URL: &str = "type.googleapis.com/cubeflight.v1.CubeTicket";
const TLM_TICKET_URL: &str = "type.googleapis.com/cubeflight.v1.TlmTicket";

/// What a ticket is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Redeemed {
    /// A cube.
    Cube {
        /// The request.
        request: Box<CubeRequest>,
        /// The products that the stream holds; `None` when the ticket is a bare request.
        product_ids: Option<Vec<String>>,
        /// What its reads were planned with; `None` when that is left to who redeems it.
        cost: Option<ReadCost>,
    },
    /// TLM records.
    Tlm(TlmQuery),
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

/// Reads a ticket: bytes that decode as `google.protobuf.Any` are what their type URL says. A bare
/// request is a ticket too, for the one-call path without GetFlightInfo.
///
/// # Errors
/// Bytes that are no ticket, a ticket of another version, and more than 256 KiB.
pub fn decode_ticket(bytes: &[u8]) -> Result<Redeemed> {
    check_length(bytes)?;
    if let Some(packed) = unpack(bytes, TICKET_URL) {
        let mut ticket = CubeTicket::decode(packed.as_slice()).map_err(malformed)?;
        check_version(ticket.version)?;
        let request = Box::new(ticket.request.take().ok_or(without("request"))?);
        let CubeTicket { product_ids, cost, .. } = ticket;
        return Ok(Redeemed::Cube { request, product_ids: Some(product_ids), cost });
    }
    if let Some(packed) = unpack(bytes, TLM_TICKET_URL) {
        let ticket = TlmTicket::decode(packed.as_slice()).map_err(malformed)?;
        check_version(ticket.version)?;
        return Ok(Redeemed::Tlm(ticket.query.ok_or(without("query"))?));
    }
    let request = Box::new(decode_request(bytes)?);
    Ok(Redeemed::Cube { request, product_ids: None, cost: None })
}

/// A ticket for a request, the products found for it and what its reads were planned with.
#[must_use]
pub fn encode_ticket(
    request: CubeRequest,
    product_ids: Vec<String>,
    cost: Option<ReadCost>,
) -> Vec<u8> {
    let ticket = CubeTicket { version: TICKET_VERSION, request: Some(request), product_ids, cost };
    Any { type_url: TICKET_URL.to_owned(), value: ticket.encode_to_vec() }.encode_to_vec()
}

/// A ticket for TLM records.
///
/// # Errors
/// A query that no ticket has room for.
pub fn encode_tlm_ticket(query: TlmQuery) -> Result<Vec<u8>> {
    let ticket = TlmTicket { version: TICKET_VERSION, query: Some(query) };
    let any = Any { type_url: TLM_TICKET_URL.to_owned(), value: ticket.encode_to_vec() };
    check_length_of(any.encoded_len())?;
    Ok(any.encode_to_vec())
}

/// Reads the expression of ListFlights; none means all tables.
///
/// # Errors
/// Bytes that are not [`TableFilter`] in JSON, and more than 256 KiB.
pub fn decode_filter(bytes: &[u8]) -> Result<TableFilter> {
    check_length(bytes)?;
    if bytes.is_empty() {
        return Ok(TableFilter::default());
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

fn check_version(found: u32) -> Result<()> {
    match found == TICKET_VERSION {
        true => Ok(()),
        false => Err(Error::TicketVersion { found, supported: TICKET_VERSION }),
    }
}

fn without(field: &'static str) -> Error {
    Error::MissingField { field, hint: "ask for a new ticket with GetFlightInfo" }
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
        let cost = Some(ReadCost { request_seconds: 0.015, bytes_per_second: 2e7 });
        let redeemed = decode_ticket(&encode_ticket(request(), pins.clone(), cost)).unwrap();
        assert_eq!(
            redeemed,
            Redeemed::Cube { request: Box::new(request()), product_ids: Some(pins), cost }
        );
        let bare = decode_ticket(br#"{"tile":"33TVN","bands":["B08"]}"#).unwrap();
        assert_eq!(
            bare,
            Redeemed::Cube { request: Box::new(request()), product_ids: None, cost: None }
        );
    }

    #[test]
    fn a_ticket_for_records_gives_its_query_back() {
        let query = TlmQuery { tile: "33TVN".to_owned(), ..TlmQuery::default() };
        let ticket = encode_tlm_ticket(query.clone()).unwrap();
        assert_eq!(decode_ticket(&ticket).unwrap(), Redeemed::Tlm(query));
        // It is no request.
        assert_eq!(decode_request(&ticket).unwrap_err().code(), "CF-REQ-001");
        let long = TlmQuery { datetime: "x".repeat(MAX_BYTES), ..TlmQuery::default() };
        assert_eq!(encode_tlm_ticket(long).unwrap_err().code(), "CF-REQ-002");
    }

    #[test]
    fn filters_of_tables_are_json() {
        assert_eq!(decode_filter(b"").unwrap(), TableFilter::default());
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
        let redeemed = decode_ticket(&encode_ticket(request.clone(), Vec::new(), None)).unwrap();
        let Redeemed::Cube { request: again, .. } = redeemed else { panic!("not a cube") };
        assert_eq!(*again, request);
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

    #[test]
    fn another_ticket_version_is_named() {
        let code = |type_url: &str, value: Vec<u8>| {
            let any = Any { type_url: type_url.to_owned(), value };
            decode_ticket(&any.encode_to_vec()).unwrap_err().code()
        };
        let cube = |version| CubeTicket { version, ..CubeTicket::default() }.encode_to_vec();
        let tlm = |version| TlmTicket { version, query: None }.encode_to_vec();
        assert_eq!(code(TICKET_URL, cube(9)), "CF-REQ-003");
        assert_eq!(code(TLM_TICKET_URL, tlm(9)), "CF-REQ-003");
        assert_eq!(code(TICKET_URL, cube(TICKET_VERSION)), "CF-REQ-005");
        assert_eq!(code(TLM_TICKET_URL, tlm(TICKET_VERSION)), "CF-REQ-005");
    }
}
