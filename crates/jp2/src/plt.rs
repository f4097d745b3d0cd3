//! Packet lengths as a tile-part header has them.

use crate::marker::Marker;

/// Most bytes of packet lengths in one PLT segment: Lplt 2, Zplt 1.
const MAX_PLT: usize = 65_532;

/// The packet lengths as PLT segments (A.7.3): seven bits a byte, the last with the high bit 0.
/// `None` where they take more than the 256 segments that can be told apart.
pub(crate) fn plt_segments(lengths: &[u32]) -> Option<Vec<u8>> {
    let mut segments: Vec<Vec<u8>> = vec![Vec::new()];
    for &length in lengths {
        let groups = (0..5).rev().map(|group| (length >> (7 * group)).to_le_bytes()[0] & 0x7f);
        let mut bytes: Vec<_> = groups.skip_while(|&group| group == 0).collect();
        let last = bytes.pop().unwrap_or_default();
        let full = |segment: &Vec<u8>| segment.len() + bytes.len() + 1 > MAX_PLT;
        if segments.last().is_none_or(full) {
            segments.push(Vec::new());
        }
        let segment = segments.last_mut()?;
        segment.extend(bytes.iter().map(|byte| byte | 0x80));
        segment.push(last);
    }
    let mut out = Vec::with_capacity(segments.iter().map(|segment| segment.len() + 5).sum());
    for (index, segment) in segments.iter().enumerate() {
        out.extend(Marker::PLT.0.to_be_bytes());
        out.extend(u16::try_from(segment.len() + 3).ok()?.to_be_bytes());
        out.push(u8::try_from(index).ok()?);
        out.extend_from_slice(segment);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_lengths_take_seven_bits_a_byte() {
        let bytes = plt_segments(&[1, 127, 128, 1921, 1 << 28]).unwrap();
        let expected = [0xff, 0x58, 0, 14, 0, 1, 127, 0x81, 0, 0x8f, 1, 0x81, 0x80, 0x80, 0x80, 0];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn many_packets_take_several_segments() {
        let bytes = plt_segments(&vec![128; 40_000]).unwrap();
        assert_eq!(bytes.len(), 2 * 5 + 80_000);
        assert_eq!(bytes[..5], [0xff, 0x58, 0xff, 0xff, 0]);
        assert_eq!(bytes[4 + 65_533..][..5], [0xff, 0x58, 0x38, 0x87, 1]);
    }
}
