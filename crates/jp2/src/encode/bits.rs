//! The bits of a packet header: a byte after `FF` has seven (ISO/IEC 15444-1 B.10.1).

/// Reads bits, most significant first.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits of the current byte that have not been read.
    left: u8,
    current: u8,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, left: 0, current: 0 }
    }

    /// The next bit; `None` at the end.
    pub(super) fn bit(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.left = if self.current == 0xff { 7 } else { 8 };
            self.current = *self.bytes.get(self.at)?;
            self.at += 1;
        }
        self.left -= 1;
        Some(self.current >> self.left & 1 == 1)
    }

    /// The next `count` bits as a number.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u32;
        for _ in 0..count {
            if value >> 31 != 0 {
                return None;
            }
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    /// Where the data behind the header start: a header that ends with `FF` has one more byte.
    pub(super) fn end(&self) -> usize {
        self.at + usize::from(self.current == 0xff)
    }
}

/// Writes bits, most significant first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    current: u8,
    /// Bits that are in `current`.
    used: u8,
}

impl BitWriter {
    pub(super) fn bit(&mut self, bit: bool) {
        let stuffed = self.bytes.last() == Some(&0xff);
        self.current = self.current << 1 | u8::from(bit);
        self.used += 1;
        if self.used == if stuffed { 7 } else { 8 } {
            self.bytes.push(self.current);
            (self.current, self.used) = (0, 0);
        }
    }

    /// The low `count` bits of a number.
    pub(super) fn bits(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            self.bit(value.checked_shr(shift).unwrap_or_default() & 1 == 1);
        }
    }

    /// The bytes, filled up with zeros; never ends with `FF`.
    pub(super) fn finish(mut self) -> Vec<u8> {
        while self.used > 0 || self.bytes.last() == Some(&0xff) {
            self.bit(false);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn written_bits_are_read(values in proptest::collection::vec((0u32..9, 0u32..256), 0..40)) {
            let mut writer = BitWriter::default();
            for &(count, value) in &values {
                writer.bits(value, count);
            }
            let mut bytes = writer.finish();
            let length = bytes.len();
            proptest::prop_assert!(bytes.last() != Some(&0xff));
            proptest::prop_assert!(bytes.windows(2).all(|w| w[0] != 0xff || w[1] < 0x80));
            bytes.push(0xaa);
            let mut reader = BitReader::new(&bytes);
            for &(count, value) in &values {
                proptest::prop_assert_eq!(reader.bits(count), Some(value & ((1 << count) - 1)));
            }
            proptest::prop_assert_eq!(reader.end(), length);
        }
    }

    #[test]
    fn ones_are_stuffed() {
        let mut writer = BitWriter::default();
        writer.bits(0xff, 8);
        assert_eq!(writer.finish(), [0xff, 0]);
    }
}
