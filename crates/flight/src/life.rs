//! The life of calls and their streams: request ids, deadlines, cancelling, keep-alives, draining.

mod body;
mod call;
mod calls;
mod deadline;
mod keep_alive;
mod request_id;
mod server;
mod streams;

pub(crate) use call::Call;
pub use calls::Calls;
pub(crate) use keep_alive::{KeepAlive, late};
pub use request_id::{REQUEST_ID, RequestId};
pub use server::{Options, Server};
pub use streams::{Reason, StreamStats, Streams};
