//! NumPy's array format, version 1.0 (numpy.lib.format): a magic, a header that is a Python
//! literal, the elements in C order. Written as a stream, because a cube need not fit in one array
//! type that a library would want to hold.

use std::io::{self, Write};

/// Writes the header of an array; its elements follow. `dtype` is NumPy's: `<u2`, `|u1`, `<M8[us]`.
pub(crate) fn write_header(out: &mut impl Write, dtype: &str, shape: &[usize]) -> io::Result<()> {
    let mut extents = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if shape.len() == 1 {
        extents.push(',');
    }
    let mut header =
        format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({extents}), }}");
    // Magic, version, length and header together are a multiple of 64, ended by a newline.
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too many dimensions"))?;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_what_numpy_writes() {
        let mut out = Vec::new();
        write_header(&mut out, "<u2", &[2, 3]).unwrap();
        assert_eq!(out.len() % 64, 0);
        assert_eq!(&out[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text = std::str::from_utf8(&out[10..]).unwrap();
        assert!(text.starts_with("{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }"));
        assert!(text.ends_with(" \n"));
    }

    #[test]
    fn one_dimension_is_a_tuple() {
        let mut out = Vec::new();
        write_header(&mut out, "|u1", &[7]).unwrap();
        assert!(String::from_utf8_lossy(&out[10..]).contains("'shape': (7,), }"));
    }
}
