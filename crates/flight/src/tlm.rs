//! TLM records over Flight: the tables of the index, so that clients can read the JP2s themselves.

mod query;
mod rows;
mod serve;
mod source;

pub(crate) use query::{Query, is_tlm};
pub(crate) use serve::summary;
