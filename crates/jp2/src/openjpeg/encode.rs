//! Encoding of one tile.

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::slice;

use openjpeg_sys as opj;

use super::{Codec, Messages, Stream, keep_message};
use crate::{Error, Rect, Result};

/// A tile to be encoded losslessly, as a codestream with one tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// The tile on the reference grid.
    pub(crate) area: Rect,
    /// Components, unsigned and not subsampled.
    pub(crate) components: u16,
    /// Bits of a sample.
    pub(crate) bit_depth: u8,
    /// Wavelet decomposition levels.
    pub(crate) levels: u8,
    /// Side of a code-block.
    pub(crate) code_block: u32,
    /// Side of a precinct at every resolution.
    pub(crate) precinct: u32,
    /// Whether the first three components go through the colour transform.
    pub(crate) mct: bool,
    /// Guard bits.
    pub(crate) guard_bits: u8,
}

/// An image that is freed on every path.
struct Picture(NonNull<opj::opj_image_t>);

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: the pointer came from opj_image_create, is owned by this value alone and is
        // freed once, here. Planes that the encoder has taken are null in it.
        unsafe { opj::opj_image_destroy(self.0.as_ptr()) }
    }
}

/// What a stream has written. Invariant: `at <= bytes.len()`.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    at: usize,
}

/// Encodes a tile; `fill` writes the samples of a component, row by row.
pub(crate) fn encode(request: &Request, fill: impl FnMut(usize, &mut [i32])) -> Result<Vec<u8>> {
    // declared first, so that they outlive the codec and the stream that point to them
    let mut messages = Messages::default();
    let mut sink = Sink::default();
    let messages_ptr = ptr::from_mut(&mut messages).cast::<c_void>();
    let sink_ptr = ptr::from_mut(&mut sink).cast::<c_void>();

    // SAFETY: plain constructors without preconditions.
    let (codec, stream) = unsafe {
        (
            Codec(opj::opj_create_compress(opj::OPJ_CODEC_FORMAT::OPJ_CODEC_J2K)),
            Stream(opj::opj_stream_create(1 << 16, 0)),
        )
    };
    let failed = |stage, message: String| Error::Encoder { stage, message };
    if codec.0.is_null() || stream.0.is_null() {
        return Err(failed("create", messages.text()));
    }
    // SAFETY: `stream.0` is a live output stream and `codec.0` a live compressor. The callbacks
    // match OpenJPEG's signatures and get pointers that outlive both and that nothing else uses
    // while they live; no destructor is given.
    unsafe {
        opj::opj_stream_set_write_function(stream.0, Some(write));
        opj::opj_stream_set_skip_function(stream.0, Some(skip));
        opj::opj_stream_set_seek_function(stream.0, Some(seek));
        opj::opj_stream_set_user_data(stream.0, sink_ptr, None);
        opj::opj_set_warning_handler(codec.0, Some(keep_message), messages_ptr);
        opj::opj_set_error_handler(codec.0, Some(keep_message), messages_ptr);
    }
    let done = run(&codec, &stream, request, fill);
    drop(codec);
    drop(stream);
    match done {
        Ok(()) => Ok(sink.bytes),
        Err(stage) => Err(failed(stage, messages.text())),
    }
}

/// The name of the call that failed is the error.
fn run(
    codec: &Codec,
    stream: &Stream,
    request: &Request,
    fill: impl FnMut(usize, &mut [i32]),
) -> Result<(), &'static str> {
    let ok = |value: opj::OPJ_BOOL, stage| if value == 0 { Err(stage) } else { Ok(()) };
    let picture = picture(request, fill)?;
    let number = |value: u32| c_int::try_from(value).map_err(|_| "setup");
    let Rect { x0, y0, x1, y1 } = request.area;
    // The tile may reach beyond the image. The encoder wants it no smaller than 2^levels, and
    // makes its output buffer by its size, which is short for small code-blocks of noise: hence
    // twice the height.
    let least = 1u32 << request.levels.min(30);
    let tile_width = (x1 - x0).max(least);
    let tile_height = (y1 - y0).max(least).saturating_mul(2);
    let mut parameters = MaybeUninit::<opj::opj_cparameters_t>::zeroed();
    // SAFETY: all fields are numbers, arrays of numbers, null pointers, or enumerations of which 0
    // is a value, so zeros are a valid value; OpenJPEG only writes to them.
    let mut parameters = unsafe {
        opj::opj_set_default_encoder_parameters(parameters.as_mut_ptr());
        parameters.assume_init()
    };
    parameters.tile_size_on = 1;
    (parameters.cp_tx0, parameters.cp_ty0) = (number(x0)?, number(y0)?);
    (parameters.cp_tdx, parameters.cp_tdy) = (number(tile_width)?, number(tile_height)?);
    parameters.tcp_numlayers = 1;
    parameters.tcp_rates[0] = 0.0;
    parameters.cp_disto_alloc = 1;
    parameters.prog_order = opj::OPJ_PROG_ORDER::OPJ_LRCP;
    parameters.numresolution = c_int::from(request.levels) + 1;
    parameters.cblockw_init = number(request.code_block)?;
    parameters.cblockh_init = number(request.code_block)?;
    parameters.irreversible = 0;
    parameters.tcp_mct = c_char::from(request.mct);
    // precincts are given
    parameters.csty |= 1;
    parameters.res_spec = parameters.numresolution;
    let side = number(request.precinct)?;
    let resolutions = usize::from(request.levels) + 1;
    for size in parameters.prcw_init.iter_mut().take(resolutions) {
        *size = side;
    }
    for size in parameters.prch_init.iter_mut().take(resolutions) {
        *size = side;
    }
    let guard_bits = format!("GUARD_BITS={}\0", request.guard_bits);
    let options = [c"PLT=YES".as_ptr(), guard_bits.as_ptr().cast::<c_char>(), ptr::null()];
    let image = picture.0.as_ptr();
    // SAFETY: all handles are live and belong together; the image has the planes that its header
    // says; the options are nul-terminated strings in a list that ends with null, and like the
    // parameters they are read during the calls only.
    unsafe {
        ok(opj::opj_setup_encoder(codec.0, &mut parameters, image), "setup")?;
        ok(opj::opj_encoder_set_extra_options(codec.0, options.as_ptr()), "options")?;
        ok(opj::opj_start_compress(codec.0, image, stream.0), "start")?;
        ok(opj::opj_encode(codec.0, stream.0), "encode")?;
        ok(opj::opj_end_compress(codec.0, stream.0), "end")
    }
}

/// An image with samples.
fn picture(
    request: &Request,
    mut fill: impl FnMut(usize, &mut [i32]),
) -> Result<Picture, &'static str> {
    let Rect { x0, y0, x1, y1 } = request.area;
    let (width, height) = (request.area.width(), request.area.height());
    // SAFETY: all fields are numbers, so zeros are a valid value.
    let mut component: opj::opj_image_cmptparm_t = unsafe { MaybeUninit::zeroed().assume_init() };
    (component.dx, component.dy) = (1, 1);
    (component.w, component.h) = (width, height);
    (component.x0, component.y0) = (x0, y0);
    component.prec = u32::from(request.bit_depth);
    let mut components = vec![component; usize::from(request.components)];
    let space = opj::OPJ_COLOR_SPACE::OPJ_CLRSPC_UNSPECIFIED;
    let count = u32::from(request.components);
    // SAFETY: `components` has `count` entries and is read during the call only.
    let image = unsafe { opj::opj_image_create(count, components.as_mut_ptr(), space) };
    let picture = Picture(NonNull::new(image).ok_or("image")?);
    let length = usize::try_from(request.area.area()).map_err(|_| "image")?;
    // SAFETY: the image was made just now and nothing else points to it.
    let comps = unsafe {
        let image = &mut *picture.0.as_ptr();
        (image.x0, image.y0, image.x1, image.y1) = (x0, y0, x1, y1);
        image.comps
    };
    for index in 0..usize::from(request.components) {
        // SAFETY: the image has `components` components, each with a plane of `width` x `height`
        // samples that opj_image_create has set to 0; an image without planes is not returned.
        let plane = unsafe { slice::from_raw_parts_mut((*comps.add(index)).data, length) };
        fill(index, plane);
    }
    Ok(picture)
}

/// Write callback: stores `length` bytes, over others where they are there already.
unsafe extern "C" fn write(buffer: *mut c_void, length: usize, data: *mut c_void) -> usize {
    if length == 0 {
        return 0;
    }
    // SAFETY: `data` is the `Sink` registered with this callback, not otherwise in use during the
    // call; OpenJPEG gives `length` readable bytes, which are not those of the sink.
    let (sink, bytes) = unsafe {
        (&mut *data.cast::<Sink>(), slice::from_raw_parts(buffer.cast_const().cast::<u8>(), length))
    };
    let (over, behind) = bytes.split_at(length.min(sink.bytes.len() - sink.at));
    for (slot, byte) in sink.bytes.iter_mut().skip(sink.at).zip(over) {
        *slot = *byte;
    }
    sink.bytes.extend_from_slice(behind);
    sink.at += length;
    length
}

/// Skip callback: moves on inside what was written; -1 beyond.
unsafe extern "C" fn skip(count: i64, data: *mut c_void) -> i64 {
    // SAFETY: as in `write`.
    let sink = unsafe { &mut *data.cast::<Sink>() };
    match usize::try_from(count).ok().and_then(|count| sink.at.checked_add(count)) {
        Some(at) if at <= sink.bytes.len() => {
            sink.at = at;
            count
        }
        _ => -1,
    }
}

/// Seek callback: moves to an absolute position inside what was written.
unsafe extern "C" fn seek(position: i64, data: *mut c_void) -> opj::OPJ_BOOL {
    // SAFETY: as in `write`.
    let sink = unsafe { &mut *data.cast::<Sink>() };
    match usize::try_from(position) {
        Ok(position) if position <= sink.bytes.len() => {
            sink.at = position;
            1
        }
        _ => 0,
    }
}
