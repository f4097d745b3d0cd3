//! The engine: [`Engine::resolve`] turns a request into a plan (catalogue, index, planning),
//! [`Engine::run`] turns a plan into row-blocks (fetch, decode, order). The server and the command
//! line both use these two.

#![forbid(unsafe_code)]

mod block;
mod complete;
mod config;
mod decode;
mod decoded;
mod dilate;
mod engine;
mod error;
mod fetch;
mod hand_out;
mod held;
mod index_catalog;
mod learned;
mod locate;
mod mask;
mod memory;
mod pixels;
mod queue;
mod resolve;
mod run;
mod select;
mod sources;
mod trouble;
mod validity;
mod write_back;

pub use block::Block;
pub use config::EngineConfig;
pub use engine::Engine;
pub use error::{Error, Result};
pub use index_catalog::{IndexCatalog, archive_base, path_of_key};
pub use pixels::Pixels;
pub use resolve::Resolved;
pub use run::{BlockStream, RunStats};
