//! The one place that calls OpenJPEG, and the only `unsafe` of the workspace.
//!
//! Everything that is decoded has been checked by [`crate::decode`]: the structure of the
//! codestream, the decode area and the memory that the decoder will take.

#[cfg(feature = "encode")]
pub(crate) mod encode;

use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::slice;

use openjpeg_sys as opj;

use crate::{Error, Rect, Result};

/// Messages kept of one decode, and bytes kept of each.
const MAX_MESSAGES: usize = 8;
const MAX_MESSAGE: usize = 200;

/// Samples of a decoded image, owned by OpenJPEG's allocator.
pub(crate) struct Planes {
    image: NonNull<opj::opj_image_t>,
    width: u32,
    height: u32,
    components: u16,
}

// SAFETY: the image is a plain heap structure that nothing else points to after the codec is gone
// (`decode` destroys it before `Planes` is returned); OpenJPEG keeps no thread-local state about
// it, so it may be read and freed on any thread.
unsafe impl Send for Planes {}

// SAFETY: `&Planes` only ever reads the samples; there is no interior mutability.
unsafe impl Sync for Planes {}

impl fmt::Debug for Planes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planes")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("components", &self.components)
            .finish_non_exhaustive()
    }
}

impl Drop for Planes {
    fn drop(&mut self) {
        // SAFETY: `image` came from opj_read_header, is owned by this value alone and is freed
        // once, here.
        unsafe { opj::opj_image_destroy(self.image.as_ptr()) }
    }
}

impl Planes {
    /// The samples of a component, row by row without gaps; `None` when there is no such
    /// component.
    pub(crate) fn samples(&self, component: u16) -> Option<&[i32]> {
        if component >= self.components {
            return None;
        }
        let length = usize::try_from(u64::from(self.width) * u64::from(self.height)).ok()?;
        // SAFETY: `checked` has verified that the image has `components` components, each with
        // `width` x `height` samples behind a non-null pointer; nothing changes them while
        // `self` lives, and the slice borrows `self`.
        unsafe {
            let comps = self.image.as_ref().comps;
            let data = (*comps.add(usize::from(component))).data;
            Some(slice::from_raw_parts(data, length))
        }
    }
}

/// What is expected of a decode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// Area on the reference grid; `None` for the whole image.
    pub(crate) area: Option<Rect>,
    /// Resolutions left out.
    pub(crate) reduce: u8,
    /// Samples in a row of the result.
    pub(crate) width: u32,
    /// Rows of the result.
    pub(crate) height: u32,
    /// Components of the result.
    pub(crate) components: u16,
}

/// The messages of the codec, collected by the callbacks.
#[derive(Default)]
struct Messages(Vec<String>);

impl Messages {
    fn error(&self, stage: &'static str) -> Error {
        Error::Decoder { stage, message: self.text() }
    }

    fn text(&self) -> String {
        match self.0.is_empty() {
            true => "no message".to_owned(),
            false => self.0.join("; "),
        }
    }
}

/// A codec that is destroyed on every path.
struct Codec(*mut opj::opj_codec_t);

impl Drop for Codec {
    fn drop(&mut self) {
        // SAFETY: the pointer came from opj_create_decompress or opj_create_compress and is
        // destroyed once; null is accepted.
        unsafe { opj::opj_destroy_codec(self.0) }
    }
}

/// A stream that is destroyed on every path.
struct Stream(*mut opj::opj_stream_t);

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the pointer came from opj_stream_create and is destroyed once; null is
        // accepted.
        unsafe { opj::opj_stream_destroy(self.0) }
    }
}

/// The bytes that a stream reads, and how far it is. Invariant: `at <= bytes.len()`.
struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Decodes a codestream (not a JP2 file).
pub(crate) fn decode(codestream: &[u8], request: &Request) -> Result<Planes> {
    // declared first, so that they outlive the codec and the stream that point to them
    let mut messages = Messages::default();
    let mut source = Source { bytes: codestream, at: 0 };
    let messages_ptr = ptr::from_mut(&mut messages);
    let source_ptr = ptr::from_mut(&mut source).cast::<c_void>();

    // SAFETY: plain constructors without preconditions.
    let (codec, stream) = unsafe {
        let buffer = codestream.len().clamp(1 << 12, 1 << 20);
        (
            Codec(opj::opj_create_decompress(opj::OPJ_CODEC_FORMAT::OPJ_CODEC_J2K)),
            Stream(opj::opj_stream_create(buffer, 1)),
        )
    };
    if codec.0.is_null() || stream.0.is_null() {
        return Err(messages.error("create"));
    }
    // SAFETY: `stream.0` is a live input stream. The callbacks match OpenJPEG's signatures and
    // get `source_ptr`, which outlives the stream; no destructor is given for it.
    unsafe {
        opj::opj_stream_set_read_function(stream.0, Some(read));
        opj::opj_stream_set_skip_function(stream.0, Some(skip));
        opj::opj_stream_set_seek_function(stream.0, Some(seek));
        opj::opj_stream_set_user_data(stream.0, source_ptr, None);
        opj::opj_stream_set_user_data_length(stream.0, crate::header::wide(codestream.len()));
    }
    let planes = run(&codec, &stream, request, messages_ptr);
    drop(codec);
    drop(stream);
    planes.map_err(|failure| match failure {
        Failure::At(stage) => messages.error(stage),
        Failure::Shape(error) => error,
    })
}

/// Why a decode stopped; the messages are read only when no callback can run any more.
enum Failure {
    At(&'static str),
    Shape(Error),
}

fn run(
    codec: &Codec,
    stream: &Stream,
    request: &Request,
    messages: *mut Messages,
) -> Result<Planes, Failure> {
    let ok =
        |value: opj::OPJ_BOOL, stage| if value == 0 { Err(Failure::At(stage)) } else { Ok(()) };
    let messages = messages.cast::<c_void>();
    // SAFETY: `codec.0` is a live decompressor; the callback matches the signature and gets a
    // pointer that outlives the codec and that nothing else uses while the codec lives. The
    // parameters are filled by OpenJPEG before they are read.
    unsafe {
        opj::opj_set_warning_handler(codec.0, Some(keep_message), messages);
        opj::opj_set_error_handler(codec.0, Some(keep_message), messages);
        let mut parameters = MaybeUninit::<opj::opj_dparameters_t>::zeroed();
        opj::opj_set_default_decoder_parameters(parameters.as_mut_ptr());
        let mut parameters = parameters.assume_init();
        parameters.cp_reduce = u32::from(request.reduce);
        ok(opj::opj_setup_decoder(codec.0, &mut parameters), "setup")?;
        ok(opj::opj_decoder_set_strict_mode(codec.0, 1), "setup")?;
    }
    let mut image = ptr::null_mut();
    // SAFETY: both handles are live, `image` is an out parameter.
    let read = unsafe { opj::opj_read_header(stream.0, codec.0, &mut image) };
    let Some(image) = NonNull::new(image) else { return Err(Failure::At("header")) };
    // from here on the image is freed on every path
    let planes = Planes {
        image,
        width: request.width,
        height: request.height,
        components: request.components,
    };
    ok(read, "header")?;
    let corner = |value: u32| i32::try_from(value).map_err(|_| Failure::At("decode area"));
    let area = request.area.unwrap_or_default();
    let (x0, y0, x1, y1) = (corner(area.x0)?, corner(area.y0)?, corner(area.x1)?, corner(area.y1)?);
    // SAFETY: all handles are live and belong together; four zeros stand for the whole image.
    // The image is only written by these calls, which end before it is read.
    unsafe {
        ok(opj::opj_set_decode_area(codec.0, image.as_ptr(), x0, y0, x1, y1), "decode area")?;
        ok(opj::opj_decode(codec.0, stream.0, image.as_ptr()), "decode")?;
    }
    checked(planes, request)
}

/// Makes sure that the image is what was asked for before a sample is read.
fn checked(planes: Planes, request: &Request) -> Result<Planes, Failure> {
    let shape = |stage, message| Failure::Shape(Error::Decoder { stage, message });
    // SAFETY: the image is live; its fields are plain values.
    let (count, comps) = unsafe {
        let image = planes.image.as_ref();
        (image.numcomps, image.comps)
    };
    if count != u32::from(request.components) || comps.is_null() {
        return Err(shape("result", format!("{count} components")));
    }
    for index in 0..usize::from(request.components) {
        // SAFETY: `comps` points to `count` components and `index < count`.
        let (width, height, data) = unsafe {
            let component = &*comps.add(index);
            (component.w, component.h, component.data)
        };
        if data.is_null() || width != request.width || height != request.height {
            return Err(shape(
                "result",
                format!(
                    "component {index} has {width} x {height} samples, expected {} x {}",
                    request.width, request.height
                ),
            ));
        }
    }
    Ok(planes)
}

/// Message callback: keeps the first few messages.
unsafe extern "C" fn keep_message(message: *const c_char, data: *mut c_void) {
    if message.is_null() || data.is_null() {
        return;
    }
    // SAFETY: OpenJPEG passes a nul-terminated string that lives during the call, and `data` is
    // the `Messages` registered with this callback, not otherwise in use during the call.
    let (text, messages) = unsafe { (CStr::from_ptr(message), &mut *data.cast::<Messages>()) };
    if messages.0.len() < MAX_MESSAGES {
        let text = text.to_string_lossy();
        messages.0.push(text.trim().chars().take(MAX_MESSAGE).collect());
    }
}

/// Read callback: copies up to `length` bytes, `usize::MAX` (-1) at the end.
unsafe extern "C" fn read(buffer: *mut c_void, length: usize, data: *mut c_void) -> usize {
    // SAFETY: `data` is the `Source` registered with this callback, not otherwise in use during
    // the call.
    let source = unsafe { &mut *data.cast::<Source<'_>>() };
    let rest = source.bytes.get(source.at..).unwrap_or_default();
    let count = length.min(rest.len());
    if count == 0 {
        return usize::MAX;
    }
    // SAFETY: OpenJPEG gives a buffer of `length` writable bytes, `count <= length`, `rest` has
    // at least `count` bytes, and the two do not overlap.
    unsafe { ptr::copy_nonoverlapping(rest.as_ptr(), buffer.cast::<u8>(), count) };
    source.at += count;
    count
}

/// Skip callback: moves on by `count`, up to the end; -1 when it cannot move at all.
unsafe extern "C" fn skip(count: i64, data: *mut c_void) -> i64 {
    // SAFETY: as in `read`.
    let source = unsafe { &mut *data.cast::<Source<'_>>() };
    let rest = source.bytes.len() - source.at;
    let Ok(wanted) = usize::try_from(count) else { return -1 };
    let moved = wanted.min(rest);
    if moved == 0 && wanted > 0 {
        return -1;
    }
    source.at += moved;
    i64::try_from(moved).unwrap_or(-1)
}

/// Seek callback: moves to an absolute position inside the bytes.
unsafe extern "C" fn seek(position: i64, data: *mut c_void) -> opj::OPJ_BOOL {
    // SAFETY: as in `read`.
    let source = unsafe { &mut *data.cast::<Source<'_>>() };
    match usize::try_from(position) {
        Ok(position) if position <= source.bytes.len() => {
            source.at = position;
            1
        }
        _ => 0,
    }
}
