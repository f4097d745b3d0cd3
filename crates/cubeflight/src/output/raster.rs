//! Where the rows of a decoded image go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::CliError;
use crate::output::{hex, npy};

/// What an image looks like; rows have the components interleaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) components: u16,
    /// 1 or 2.
    pub(crate) sample_bytes: u8,
}

impl Shape {
    pub(crate) fn row_bytes(self) -> u64 {
        u64::from(self.width) * u64::from(self.components) * u64::from(self.sample_bytes)
    }

    pub(crate) fn dtype(self) -> &'static str {
        if self.sample_bytes == 1 { "|u1" } else { "<u2" }
    }
}

/// A destination of rows.
pub(crate) enum Sink {
    Hash(Sha256),
    File(BufWriter<File>),
    Png { rows: Vec<u8>, shape: Shape, file: BufWriter<File> },
}

impl Sink {
    /// The SHA-256 of the samples.
    pub(crate) fn hash() -> Self {
        Self::Hash(Sha256::new())
    }

    /// A file, its format by its extension.
    pub(crate) fn create(path: &Path, shape: Shape) -> Result<Self, CliError> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("npy" | "raw" | "png")) {
            let text = format!("{}: end the name in .npy, .png or .raw", path.display());
            return Err(CliError::usage(&text));
        }
        if extension == Some("png") && !matches!(shape.components, 1 | 3) {
            let text = format!("a .png holds 1 or 3 components, not {}", shape.components);
            return Err(CliError::coded("CF-CLI-006", &text));
        }
        let file = File::create(path).map_err(|error| failed(path, &error))?;
        let mut file = BufWriter::new(file);
        match extension {
            Some("png") => Ok(Self::Png { rows: Vec::new(), shape, file }),
            Some("npy") => {
                let mut extents = vec![shape.height as usize, shape.width as usize];
                if shape.components > 1 {
                    extents.push(usize::from(shape.components));
                }
                npy::write_header(&mut file, shape.dtype(), &extents)
                    .map_err(|error| failed(path, &error))?;
                Ok(Self::File(file))
            }
            _ => Ok(Self::File(file)),
        }
    }

    /// Takes whole rows, little-endian.
    pub(crate) fn write(&mut self, rows: &[u8]) -> io::Result<()> {
        match self {
            Self::Hash(hasher) => hasher.update(rows),
            Self::File(file) => file.write_all(rows)?,
            Self::Png { rows: all, .. } => all.extend_from_slice(rows),
        }
        Ok(())
    }

    /// Ends the output; a hash is returned as text.
    pub(crate) fn finish(self) -> Result<Option<String>, CliError> {
        match self {
            Self::Hash(hasher) => Ok(Some(hex(&hasher.finalize()))),
            Self::File(mut file) => {
                file.flush().map_err(|error| CliError::write("write the file", &error))?;
                Ok(None)
            }
            Self::Png { rows, shape, file } => {
                write_png(file, &rows, shape).map_err(|e| CliError::write("write the PNG", &e))?;
                Ok(None)
            }
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::write(&format!("write {}", path.display()), error)
}

/// Samples as they are, without stretching: a 16-bit PNG for samples of more than 8 bit.
fn write_png(file: impl Write, rows: &[u8], shape: Shape) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(file, shape.width, shape.height);
    let color = if shape.components == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale };
    encoder.set_color(color);
    let two_bytes = shape.sample_bytes == 2;
    encoder.set_depth(if two_bytes { png::BitDepth::Sixteen } else { png::BitDepth::Eight });
    let mut writer = encoder.write_header()?;
    if two_bytes {
        // PNG is big-endian (ISO/IEC 15948, 2.1).
        let swapped: Vec<u8> =
            rows.as_chunks::<2>().0.iter().flat_map(|[low, high]| [*high, *low]).collect();
        writer.write_image_data(&swapped)?;
    } else {
        writer.write_image_data(rows)?;
    }
    writer.finish()
}
