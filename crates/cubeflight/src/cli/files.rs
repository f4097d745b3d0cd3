//! Flags of the commands for single files.

use std::path::PathBuf;

use clap::Args;
use cubeflight_jp2::DecoderChoice;

use super::values::window;

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// File: a path, file:///… or s3://bucket/key
    pub(crate) url: String,

    /// Only these pixels: column, row, width, height
    #[arg(long, value_name = "X,Y,W,H", value_parser = window)]
    pub(crate) window: Option<[u32; 4]>,

    /// Leave out this many resolutions of the wavelet: each one halves width and height
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=32))]
    pub(crate) reduce: u8,

    /// Only this component, counted from 0
    #[arg(long, value_name = "C")]
    pub(crate) component: Option<u16>,

    /// File to write: .npy, .png or .raw (rows, little-endian, components interleaved)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Print the SHA-256 of the samples: rows, little-endian, components interleaved
    #[arg(long)]
    pub(crate) sha256: bool,

    /// What decodes: auto (the fastest for the coding) or openjpeg
    #[arg(long, default_value_t, value_name = "NAME")]
    pub(crate) decoder: DecoderChoice,

    /// Decode a second time, the codestream as a whole, and fail unless all samples are equal
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// File: a path, file:///… or s3://bucket/key
    pub(crate) url: String,

    /// Print everything as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
