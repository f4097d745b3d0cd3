//! Signing and opening tickets.

use std::io::Read;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cubeflight_proto::v1::ticket::Content;
use cubeflight_proto::{encode_ticket, v1};
use prost::Message;
use tonic::Status;

use super::TicketKeys;
use crate::status::{
    TICKET_EXPIRED, TICKET_FORGED, TICKET_KEY, TICKET_TENANT, from_request, plain,
};

/// Version of the tickets that this build writes and reads.
const VERSION: u32 = 1;
/// Bytes of a ticket without compression, at most.
const MAX_TICKET: usize = 8 * 1024 * 1024;
/// Level of compression: what a server can do for every call.
const LEVEL: i32 = 3;
/// Bytes of a ticket's id.
const ID_BYTES: usize = 16;

/// Makes tickets and opens them.
#[derive(Debug, Clone)]
pub(crate) struct Sealer {
    keys: TicketKeys,
    lifetime: Duration,
}

/// A ticket that was signed by one of the keys, for this tenant, and has not expired.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    /// Tells it from all others, renewed or not.
    pub(crate) id: Vec<u8>,
    pub(crate) content: Content,
}

impl Sealer {
    pub(crate) fn new(keys: TicketKeys, lifetime: Duration) -> Self {
        Self { keys, lifetime }
    }

    /// A new ticket and when it expires.
    pub(crate) fn seal(
        &self,
        tenant: &str,
        content: Content,
    ) -> Result<(Vec<u8>, DateTime<Utc>), Status> {
        let mut id = vec![0; ID_BYTES];
        getrandom::fill(&mut id).map_err(|error| plain("CF-ENG-002", &error.to_string()))?;
        self.seal_as(id, tenant, content)
    }

    /// The same ticket with all its time before it.
    pub(crate) fn renew(
        &self,
        tenant: &str,
        opened: Opened,
    ) -> Result<(Vec<u8>, DateTime<Utc>), Status> {
        self.seal_as(opened.id, tenant, opened.content)
    }

    fn seal_as(
        &self,
        id: Vec<u8>,
        tenant: &str,
        content: Content,
    ) -> Result<(Vec<u8>, DateTime<Utc>), Status> {
        let lifetime = TimeDelta::from_std(self.lifetime).unwrap_or(TimeDelta::MAX);
        let expires = Utc::now().checked_add_signed(lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let ticket = v1::Ticket {
            version: VERSION,
            tenant: tenant.to_owned(),
            expires: expires.timestamp(),
            id,
            content: Some(content),
        };
        let failed = |error: std::io::Error| plain("CF-ENG-002", &error.to_string());
        let ticket = zstd::encode_all(ticket.encode_to_vec().as_slice(), LEVEL).map_err(failed)?;
        let (key, signature) = self.keys.sign(&ticket);
        let bytes = encode_ticket(&v1::SignedTicket { key, ticket, signature });
        Ok((bytes.map_err(|error| from_request(&error))?, expires))
    }

    /// Opens a ticket for a tenant.
    ///
    /// # Errors
    /// Tickets that no key has signed, that are another tenant's, or whose time is over.
    pub(crate) fn open(&self, tenant: &str, signed: &v1::SignedTicket) -> Result<Opened, Status> {
        let v1::SignedTicket { key, ticket, signature } = signed;
        match self.keys.verify(key, ticket, signature) {
            Some(true) => {}
            Some(false) => {
                return Err(plain(TICKET_FORGED, "the signature of the ticket is wrong"));
            }
            None => {
                let message = "the ticket was signed with a key that this server does not have";
                return Err(plain(TICKET_KEY, message));
            }
        }
        let bytes = expanded(ticket)?;
        let ticket = v1::Ticket::decode(bytes.as_slice()).map_err(|error| unreadable(&error))?;
        if ticket.version != VERSION {
            let (found, supported) = (ticket.version, VERSION);
            return Err(from_request(&cubeflight_proto::Error::TicketVersion { found, supported }));
        }
        if ticket.tenant != tenant {
            return Err(plain(TICKET_TENANT, "the ticket was given to another tenant"));
        }
        if ticket.expires < Utc::now().timestamp() {
            return Err(plain(TICKET_EXPIRED, "the ticket has expired"));
        }
        let content = ticket.content.ok_or_else(|| unreadable(&"it has no content"))?;
        Ok(Opened { id: ticket.id, content })
    }
}

fn expanded(compressed: &[u8]) -> Result<Vec<u8>, Status> {
    let decoder = zstd::Decoder::new(compressed).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    let mut limited = decoder.take(MAX_TICKET as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    match bytes.len() > MAX_TICKET {
        true => Err(unreadable(&"it is too long")),
        false => Ok(bytes),
    }
}

/// A ticket that a key has signed and that cannot be read: another build made it.
fn unreadable(error: &dyn std::fmt::Display) -> Status {
    plain(TICKET_FORGED, &format!("the ticket cannot be read: {error}"))
}
