//! The boxes of a JP2 file (ISO/IEC 15444-1 Annex I).

use super::{MAX_BOX_DEPTH, MAX_BOXES, MAX_PAYLOAD, Scanner, State};
use crate::bytes::{array_at, u32_at, u64_at};
use crate::header::wide;
use crate::structure::BoxInfo;
use crate::{Error, Result};

/// The signature box, whole (I.5.1).
const SIGNATURE: [u8; 12] = *b"\0\0\0\x0cjP  \r\n\x87\n";

impl Scanner {
    pub(super) fn signature(&mut self, item: &[u8]) -> Result<()> {
        if item.starts_with(&[0xff, 0x4f, 0xff, 0x51]) {
            self.open_codestream(0, self.size);
        } else if item == SIGNATURE {
            self.go(State::BoxHeader, 0, 8);
        } else {
            return Err(Error::NotJpeg2000 { found: item.to_vec() });
        }
        Ok(())
    }

    pub(super) fn box_header(&mut self, item: &[u8]) -> Result<()> {
        let (Some(length_field), Some(kind)) = (u32_at(item, 0), array_at::<4>(item, 4)) else {
            return Ok(());
        };
        let limit = self.open.last().copied().unwrap_or(self.size);
        let offset = self.at;
        let bad = |length, reason| Error::Box { kind, offset, length, reason };
        let (header_length, length) = match (length_field, u64_at(item, 8)) {
            (1, None) => {
                // XLBox follows: come back with 16 bytes
                self.need = 16;
                return Ok(());
            }
            (1, Some(length)) => (16u8, length),
            (0, _) if self.open.is_empty() => (8, self.size - offset),
            (0, _) => return Err(bad(0, "a box without length inside a superbox")),
            (length, _) => (8, u64::from(length)),
        };
        if length < u64::from(header_length) {
            return Err(bad(length, "length is below that of its own header"));
        }
        let end = offset.checked_add(length).ok_or(bad(length, "length overflows"))?;
        if end > limit {
            if self.open.is_empty() {
                let available = self.size - offset;
                return Err(Error::Truncated { what: "box", offset, needed: length, available });
            }
            return Err(bad(length, "reaches beyond its superbox"));
        }
        if self.boxes.len() >= MAX_BOXES {
            return Err(Error::Limit {
                what: "number of boxes",
                found: wide(self.boxes.len()) + 1,
                limit: wide(MAX_BOXES),
            });
        }
        let depth = u8::try_from(self.open.len()).unwrap_or(u8::MAX);
        self.boxes.push(BoxInfo {
            kind,
            offset,
            length,
            header_length,
            depth,
            length_field,
            payload: Vec::new(),
        });
        self.enter(kind, offset + u64::from(header_length), end, depth)
    }

    /// Goes on inside or behind a box whose contents lie in `start..end`.
    fn enter(&mut self, kind: [u8; 4], start: u64, end: u64, depth: u8) -> Result<()> {
        match &kind {
            b"jp2h" | b"asoc" | b"res " | b"uinf" => {
                if depth >= MAX_BOX_DEPTH {
                    let limit = u64::from(MAX_BOX_DEPTH);
                    let found = u64::from(depth) + 1;
                    return Err(Error::Limit { what: "depth of superboxes", found, limit });
                }
                self.open.push(end);
                self.next_box(start)
            }
            // further codestreams of one file are skipped: JP2 shows the first (I.5.4)
            b"jp2c" if self.codestream.is_none() => {
                if depth > 0 {
                    return Err(Error::Box {
                        kind,
                        offset: start,
                        length: end - start,
                        reason: "a codestream inside a superbox",
                    });
                }
                self.open_codestream(start, end);
                Ok(())
            }
            b"ftyp" | b"ihdr" | b"colr" | b"bpcc" | b"lbl " | b"xml " | b"uuid" if end > start => {
                self.go(State::BoxPayload, start, (end - start).min(MAX_PAYLOAD));
                Ok(())
            }
            _ => self.next_box(end),
        }
    }

    pub(super) fn box_payload(&mut self, item: &[u8]) -> Result<()> {
        let Some(last) = self.boxes.last_mut() else { return Ok(()) };
        last.payload = item.to_vec();
        let end = last.offset.saturating_add(last.length);
        self.next_box(end)
    }

    /// Goes on at `at`: closes the superboxes that end there, and the file.
    pub(super) fn next_box(&mut self, at: u64) -> Result<()> {
        while let Some(&end) = self.open.last() {
            if at < end {
                if end - at < 8 {
                    let length = end - at;
                    let reason = "bytes left over at the end of a superbox";
                    return Err(Error::Box { kind: *b"    ", offset: at, length, reason });
                }
                break;
            }
            self.open.pop();
        }
        if self.open.is_empty() && at >= self.size {
            if self.codestream.is_none() {
                return Err(Error::NoCodestream { size: self.size });
            }
            self.state = State::Done;
            self.at = at;
            return Ok(());
        }
        self.go(State::BoxHeader, at, 8);
        Ok(())
    }

    fn open_codestream(&mut self, start: u64, end: u64) {
        self.codestream = Some(start..end);
        self.go(State::MainHeader, start, 2);
    }
}
