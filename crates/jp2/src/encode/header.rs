//! The boxes and the main header of a file.

use super::spec::{EncodeSpec, TlmPlacement};
use crate::header::Siz;
use crate::marker::Marker;
use crate::{Error, Result};

/// The first comment, in the place and with the length of `Kakadu-v7.4` in real files.
const ENCODER: &str = "cubeflight1";
/// What the slope of the last coding pass is in real files when nothing was cut off.
const LOSSLESS_SLOPE: f64 = -192.0;

/// The exponents of the bands (QCD), which with one guard bit are ESA's.
///
/// The growth of the 5-3 wavelet by band and level is that of the real files, which have 4 and 5
/// levels: one more than the nominal gain, one less at the two highest resolutions. The colour
/// transform adds one bit to all components.
pub(super) fn exponents(spec: &EncodeSpec) -> Vec<u8> {
    let base = spec.bit_depth + u8::from(spec.mct);
    let mut exponents = vec![base + 1];
    for resolution in 1..=spec.levels {
        let bands = match spec.levels - resolution {
            0 => [1, 1, 2],
            1 => [2, 2, 2],
            _ => [2, 2, 3],
        };
        exponents.extend(bands.map(|growth| base + growth));
    }
    exponents
}

/// Bit-planes of each band that these exponents give (E-2, one guard bit).
pub(super) fn bit_planes(spec: &EncodeSpec) -> Vec<u8> {
    exponents(spec)
}

/// The main header from SOC on; `tlm` are the TLM segments, if any.
pub(super) fn main_header(spec: &EncodeSpec, siz: &Siz, tlm: &[u8]) -> Result<Vec<u8>> {
    let mut out = Marker::SOC.0.to_be_bytes().to_vec();
    segment(&mut out, Marker::SIZ, &siz_body(siz)?)?;
    // precincts, LRCP, one layer; block sizes as exponents less 2; style 0; 5-3
    let block = spec.block_exponent() - 2;
    let mut cod = vec![1, 0, 0, 1, u8::from(spec.mct), spec.levels, block, block, 0, 1];
    let precinct = spec.precinct_exponent();
    cod.resize(cod.len() + usize::from(spec.levels) + 1, precinct << 4 | precinct);
    segment(&mut out, Marker::COD, &cod)?;
    // one guard bit, no quantisation
    let mut qcd = vec![1 << 5];
    qcd.extend(exponents(spec).iter().map(|exponent| exponent << 3));
    segment(&mut out, Marker::QCD, &qcd)?;
    if spec.tlm == TlmPlacement::BeforeCom {
        out.extend_from_slice(tlm);
    }
    for text in [ENCODER.to_owned(), layer_info(spec.rate_cap)] {
        let comment = [&1u16.to_be_bytes(), text.as_bytes()].concat();
        segment(&mut out, Marker::COM, &comment)?;
    }
    if spec.tlm == TlmPlacement::AfterCom {
        out.extend_from_slice(tlm);
    }
    Ok(out)
}

fn siz_body(siz: &Siz) -> Result<Vec<u8>> {
    let mut body = siz.capabilities.to_be_bytes().to_vec();
    let numbers = [
        siz.x_size,
        siz.y_size,
        siz.x_offset,
        siz.y_offset,
        siz.tile_width,
        siz.tile_height,
        siz.tile_x_offset,
        siz.tile_y_offset,
    ];
    body.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    let count = u16::try_from(siz.components.len());
    body.extend(count.map_err(|_| too_long("components"))?.to_be_bytes());
    for component in &siz.components {
        let sign = u8::from(component.signed) << 7;
        body.extend([sign | (component.bit_depth - 1), component.dx, component.dy]);
    }
    Ok(body)
}

/// The second comment: a table with one line, the only layer.
fn layer_info(cap: f64) -> String {
    // "1.4e8" as C writes it: sign and two digits
    let number = format!("{cap:.1e}");
    let (mantissa, exponent) = number.split_once('e').unwrap_or((&number, "0"));
    let number = format!("{mantissa}e+{exponent:0>2}");
    format!(
        "Kdu-Layer-Info: log_2{{Delta-D(squared-error)/Delta-L(bytes)}}, L(bytes)\n\
         {LOSSLESS_SLOPE:6.1}, {number:>8}\n"
    )
}

fn segment(out: &mut Vec<u8>, marker: Marker, body: &[u8]) -> Result<()> {
    let length = u16::try_from(body.len() + 2).map_err(|_| too_long("marker segment"))?;
    out.extend(marker.0.to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend_from_slice(body);
    Ok(())
}

/// The boxes up to the codestream, with the header of `jp2c`.
pub(super) fn boxes(spec: &EncodeSpec) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    jp2_box(&mut out, b"jP  ", &[0x0d, 0x0a, 0x87, 0x0a])?;
    jp2_box(&mut out, b"ftyp", b"jp2 \0\0\0\0jp2 ")?;
    let mut ihdr = [spec.height.to_be_bytes(), spec.width.to_be_bytes()].concat();
    ihdr.extend(spec.components.to_be_bytes());
    // wavelet compression; colour space not known for sure (UnkC), as in the real files
    ihdr.extend([spec.bit_depth - 1, 7, 1, 0]);
    let colours: u32 = if spec.components >= 3 { 16 } else { 17 };
    let mut header = Vec::new();
    jp2_box(&mut header, b"ihdr", &ihdr)?;
    jp2_box(&mut header, b"colr", &[&[1, 0, 0], &colours.to_be_bytes()[..]].concat())?;
    jp2_box(&mut out, b"jp2h", &header)?;
    if let Some(gml) = &spec.gml {
        let mut root = Vec::new();
        jp2_box(&mut root, b"lbl ", b"gml.root-instance")?;
        jp2_box(&mut root, b"xml ", gml.as_bytes())?;
        let mut data = Vec::new();
        jp2_box(&mut data, b"lbl ", b"gml.data")?;
        jp2_box(&mut data, b"asoc", &root)?;
        match spec.extra_xml {
            Some(_) => jp2_box(&mut out, b"asoc", &data)?,
            None => long_box(&mut out, b"asoc", &data),
        }
    }
    if let Some(xml) = &spec.extra_xml {
        jp2_box(&mut out, b"xml ", xml.as_bytes())?;
    }
    out.extend(0u32.to_be_bytes());
    out.extend(b"jp2c");
    Ok(out)
}

fn jp2_box(out: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) -> Result<()> {
    let length = u32::try_from(body.len() + 8).map_err(|_| too_long("box"))?;
    out.extend(length.to_be_bytes());
    out.extend(kind);
    out.extend_from_slice(body);
    Ok(())
}

/// A box with LBox 1 and its length in XLBox.
fn long_box(out: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    out.extend(1u32.to_be_bytes());
    out.extend(kind);
    out.extend((crate::header::wide(body.len()) + 16).to_be_bytes());
    out.extend_from_slice(body);
}

fn too_long(message: &'static str) -> Error {
    Error::Encoder { stage: "header", message: format!("{message}: too long") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Kind, spec_of};

    #[test]
    fn comments_have_the_length_of_the_real_ones() {
        for (cap, number) in [(1.356e8, "1.4e+08"), (3.39e7, "3.4e+07"), (9.96, "1.0e+01")] {
            let text = layer_info(cap);
            assert_eq!(text.len(), 88, "{text}");
            assert!(text.ends_with(&format!("\n-192.0,  {number}\n")), "{text}");
        }
        assert_eq!(ENCODER.len(), "Kakadu-v7.4".len());
    }

    #[test]
    fn exponents_are_those_of_real_files() {
        let of = |kind| exponents(&spec_of(kind));
        let deep = [16, 17, 17, 18, 17, 17, 18, 17, 17, 17, 16, 16, 17];
        assert_eq!(of(Kind::Reflectance60m), deep);
        assert_eq!(of(Kind::Tci60m), deep.map(|exponent| exponent - 6));
        let five = [10, 11, 11, 12, 11, 11, 12, 11, 11, 12, 11, 11, 11, 10, 10, 11];
        assert_eq!(of(Kind::Qualit20m), five);
    }
}
