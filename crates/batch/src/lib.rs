//! The cube as Arrow: [`cube_schema`] is a pure function of the request, [`BlockRow`] is one row
//! (a row-block of a time step), [`encode_schema`], [`encode_row`] and [`encode_empty`] make Flight messages.
//!
//! Three things here are not what one would get by default, each for a reason that was paid for:
//! the tensor metadata is written by hand (arrow-rs writes `dim_names: null`, which strict readers
//! refuse), a message is always one row (an encoder that splits by rows cannot split a row), and
//! `app_metadata` is padded so that the body begins on a multiple of 64 bytes (else readers get
//! unaligned buffers).

#![forbid(unsafe_code)]

mod error;
mod message;
mod row;
mod schema;

pub use error::{Error, Result};
pub use message::{encode_empty, encode_row, encode_row_as, encode_schema};
pub use row::{BlockRow, ColumnError, Status};
pub use schema::{SCHEMA_VERSION, cube_schema};
