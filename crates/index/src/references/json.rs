//! Kerchunk references, version 1, as JSON (fsspec.github.io/kerchunk/spec.html).

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::References;

impl References {
    /// Writes `{"version": 1, "refs": {...}}`: metadata, coordinates and a list of URL, offset and
    /// length for each chunk. Chunks of time steps without file are left out.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let inline = self.inline();
        let mut out = Refs { out, first: true };
        out.raw(r#"{"version":1,"refs":{"#)?;
        // Documents travel as text, which readers of every age take.
        out.entry(".zmetadata", &json!(inline.consolidated(json!({})).to_string()))?;
        for (key, document) in &inline.metadata {
            out.entry(key, &json!(document.to_string()))?;
        }
        for (path, data) in &inline.coordinates {
            out.entry(&format!("{path}/0"), &json!(format!("base64:{}", STANDARD.encode(data))))?;
        }
        for array in &self.arrays {
            let path = array.asset.eopf_path(self.level);
            let middle = if array.planes().is_some() { ".0" } else { "" };
            let across = u64::from(array.coding.tiles_x);
            for (number, chunk) in (0_u64..).zip(array.chunks()) {
                let Some((href, offset, length)) = chunk else { continue };
                let (step, tile) = (number / array.tiles(), number % array.tiles());
                let key = format!("{path}/{step}{middle}.{}.{}", tile / across, tile % across);
                out.entry(&key, &json!([href, offset, length]))?;
            }
        }
        out.raw("}}\n")
    }
}

struct Refs<'a, W> {
    out: &'a mut W,
    first: bool,
}

impl<W: Write> Refs<'_, W> {
    fn raw(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    fn entry(&mut self, key: &str, value: &Value) -> io::Result<()> {
        let separator = if self.first { "" } else { ",\n" };
        self.first = false;
        write!(self.out, "{separator}{}:{value}", json!(key))
    }
}
