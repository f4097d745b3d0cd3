//! Files that commands write.

#[cfg(feature = "demo")]
pub(crate) mod contact_sheet;
pub(crate) mod npy;
pub(crate) mod picture;
pub(crate) mod raster;
pub(crate) mod zarr;

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
