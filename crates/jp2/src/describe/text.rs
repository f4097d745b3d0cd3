//! The contents of boxes in words.

use std::fmt::Write as _;

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::structure::BoxInfo;

/// Bytes as ISO 8859-1 text.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // writing to a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One line about the contents of a box.
pub(super) fn box_detail(info: &BoxInfo) -> Option<String> {
    let bytes = info.payload.as_slice();
    let length = info.length.saturating_sub(u64::from(info.header_length));
    let byte = |at| u8_at(bytes, at);
    Some(match &info.kind {
        b"ihdr" => format!(
            "ihdr {}x{} nc={} bpc={} C={} UnkC={} IPR={}",
            u32_at(bytes, 4)?,
            u32_at(bytes, 0)?,
            u16_at(bytes, 8)?,
            byte(10)?,
            byte(11)?,
            byte(12)?,
            byte(13)?
        ),
        b"colr" => {
            let space = match byte(0)? {
                1 => u32_at(bytes, 3)?.to_string(),
                _ => "None".to_owned(),
            };
            format!("colr meth={} prec={} approx={} enum={space}", byte(0)?, byte(1)?, byte(2)?)
        }
        b"ftyp" => {
            let brands = bytes.get(8..)?.chunks(4).map(|brand| quoted(&latin1(brand), false));
            format!(
                "ftyp brand=b{} minv={} compat=[{}]",
                quoted(&latin1(bytes.get(..4)?), true),
                u32_at(bytes, 4)?,
                brands.collect::<Vec<_>>().join(", ")
            )
        }
        b"lbl " => format!("lbl {}", quoted(&latin1(bytes), false)),
        b"xml " => {
            let start = bytes.get(..60).unwrap_or(bytes);
            format!("xml {length} bytes, b{}", quoted(&latin1(start), true))
        }
        b"bpcc" => format!("bpcc {bytes:?}"),
        b"uuid" => {
            let id = bytes.get(..16)?;
            format!("uuid {} {} bytes", hex(id), length.saturating_sub(16))
        }
        _ => return None,
    })
}

/// Text in quotes, with what is not printable escaped: everything outside ASCII when `ascii`.
fn quoted(text: &str, ascii: bool) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            '\u{a1}'..='\u{ff}' if !ascii && c != '\u{ad}' => out.push(c),
            c => {
                // writing to a String cannot fail
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
        }
    }
    out.push(quote);
    out
}
