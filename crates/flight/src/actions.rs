//! DoAction and ListActions: one table has both.

mod explain;

use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus,
    RenewFlightEndpointRequest,
};
use cubeflight_proto::{Presented, decode_ticket};
use futures::StreamExt;
use futures::stream;
use prost::Message;
use tonic::{Response, Status};

use crate::CubeFlight;
use crate::caller::Caller;
use crate::endpoints::timestamp;
use crate::life::Streams;
use crate::service::Items;
use crate::status::{BAD_ACTION, UNIMPLEMENTED, from_request, plain};
use crate::ticket::Opened;

/// What can be done.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Cancel,
    Renew,
    Explain,
}

/// Name, what it does, what it is.
const ACTIONS: [(&str, &str, Kind); 3] = [
    (
        "CancelFlightInfo",
        "Ends the streams of a FlightInfo's tickets on this server. Body: CancelFlightInfoRequest, \
         result: CancelFlightInfoResult.",
        Kind::Cancel,
    ),
    (
        "RenewFlightEndpoint",
        "Gives the ticket of an endpoint all its time again. Body: RenewFlightEndpointRequest, \
         result: FlightEndpoint.",
        Kind::Renew,
    ),
    (
        "explain",
        "Shows what a cube would read, step by step, without reading it. Body: CubeRequest, result: \
         JSON.",
        Kind::Explain,
    ),
];

/// All actions, as ListActions has them.
pub(crate) fn types() -> Items<ActionType> {
    let types = ACTIONS.map(|(name, description, _)| {
        Ok(ActionType { r#type: name.to_owned(), description: description.to_owned() })
    });
    stream::iter(types).boxed()
}

impl CubeFlight {
    pub(crate) async fn act(
        &self,
        caller: &Caller,
        action: &Action,
    ) -> Result<Response<Items<arrow_flight::Result>>, Status> {
        let found = ACTIONS.iter().find(|(name, ..)| *name == action.r#type);
        let Some((_, _, kind)) = found else {
            let name: String = action.r#type.chars().take(80).collect();
            let message = format!("there is no action {name:?}, see ListActions");
            return Err(plain(UNIMPLEMENTED, &message));
        };
        let body = match kind {
            Kind::Cancel => self.cancel(caller, &action.body)?,
            Kind::Renew => self.renew(caller, &action.body)?,
            Kind::Explain => self.explain(&action.body).await?,
        };
        let result = arrow_flight::Result { body: body.into() };
        Ok(Response::new(stream::once(async { Ok(result) }).boxed()))
    }

    fn cancel(&self, caller: &Caller, body: &[u8]) -> Result<Vec<u8>, Status> {
        let request = CancelFlightInfoRequest::decode(body).map_err(|error| bad(&error))?;
        let info = request.info.ok_or_else(|| bad(&"it has no info"))?;
        let tickets = info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref());
        let mut ended = 0;
        for ticket in tickets {
            let Opened { id, .. } = self.opened(caller, &ticket.ticket)?;
            ended += self.streams().cancel(&Streams::key(&id));
        }
        // streams on other replicas are not known here
        let status = if ended > 0 { CancelStatus::Cancelled } else { CancelStatus::NotCancellable };
        Ok(CancelFlightInfoResult { status: status.into() }.encode_to_vec())
    }

    fn renew(&self, caller: &Caller, body: &[u8]) -> Result<Vec<u8>, Status> {
        let request = RenewFlightEndpointRequest::decode(body).map_err(|error| bad(&error))?;
        let mut endpoint = request.endpoint.ok_or_else(|| bad(&"it has no endpoint"))?;
        let ticket = endpoint.ticket.as_ref().ok_or_else(|| bad(&"it has no ticket"))?;
        let opened = self.opened(caller, &ticket.ticket)?;
        let (ticket, expires) = self.sealer().renew(&caller.tenant, opened)?;
        endpoint.ticket = Some(arrow_flight::Ticket::new(ticket));
        endpoint.expiration_time = Some(timestamp(expires));
        Ok(endpoint.encode_to_vec())
    }

    /// A signed ticket; a bare request is none.
    fn opened(&self, caller: &Caller, bytes: &[u8]) -> Result<Opened, Status> {
        match decode_ticket(bytes).map_err(|error| from_request(&error))? {
            Presented::Signed(signed) => self.sealer().open(&caller.tenant, &signed),
            Presented::Request(_) => Err(bad(&"a bare request is no ticket of this server")),
        }
    }
}

fn bad(reason: &dyn std::fmt::Display) -> Status {
    plain(BAD_ACTION, &format!("the body of the action cannot be used: {reason}"))
}
