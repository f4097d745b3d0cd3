"""The codec of reference stores: a tile-part of a JPEG 2000 file as a Zarr chunk.

Registered with numcodecs as ``cubeflight_jp2`` by this package's entry point, so that zarr finds it
without an import of cubeflight.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from . import _jp2

try:
    from imagecodecs import jpeg2k_decode
except ImportError as error:  # imagecodecs itself, or a build of it without OpenJPEG
    raise ImportError(
        "reading references needs imagecodecs with JPEG 2000: pip install 'cubeflight[references]'"
    ) from error

# A chunk of a time step without file in Parquet references. No bytes at all would be what a read
# beyond the end of a replaced file gives.
_FILL = b"fill"
_CELLS = ("plain", "planes", "flags")


class Jp2TileCodec(Codec):  # type: ignore[misc]
    """Decodes one tile-part to the pixels of a chunk.

    Args:
        header: the main header of the file in base64, SOC up to the first SOT.
        dtype: of the array, ``"|u1"`` or ``"<u2"``.
        cells: ``"plain"``, one component (y, x); ``"planes"``, all components (band, y, x);
            ``"flags"``, component k of a mask becomes bit k (y, x).
    """

    codec_id = "cubeflight_jp2"

    def __init__(self, header: str, dtype: str, cells: str = "plain") -> None:
        self.header = header
        self.dtype = dtype
        self.cells = cells
        try:
            raw = base64.b64decode(header, validate=True)
        except binascii.Error as error:
            raise ValueError(f"cubeflight_jp2: the header is not base64: {error}") from error
        self._header = _jp2.parse_header(raw)
        self._dtype = np.dtype(dtype)
        components = self._header.components
        if self._dtype not in (np.dtype("u1"), np.dtype("<u2")):
            raise ValueError(f"cubeflight_jp2: dtype {dtype} is neither |u1 nor <u2")
        if cells not in _CELLS:
            raise ValueError(f"cubeflight_jp2: cells {cells!r} is none of {', '.join(_CELLS)}")
        if (cells == "plain" and components != 1) or (cells == "flags" and components > 8):
            raise ValueError(f"cubeflight_jp2: {components} components cannot be {cells} cells")

    def get_config(self) -> dict[str, Any]:
        """What the array's metadata say."""
        return {
            "id": self.codec_id,
            "header": self.header,
            "dtype": self.dtype,
            "cells": self.cells,
        }

    def encode(self, buf: Any) -> Any:
        """References are read only."""
        raise NotImplementedError("cubeflight_jp2 reads only: the pixels are those of the JP2 file")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The pixels of a chunk. A tile at the right or lower edge is padded with 0 to the chunk;
        the word ``fill`` stands for a time step without file, all 0."""
        part = ensure_bytes(buf)
        pixels = self._pixels(part)
        return pixels if out is None else ndarray_copy(pixels, out)

    def _pixels(self, part: bytes) -> np.ndarray[Any, Any]:
        planes = self._header.components if self.cells == "planes" else 1
        chunk: np.ndarray[Any, Any] = np.zeros((planes, *self._header.tile_shape), self._dtype)
        if part != _FILL:
            tile = _jp2.tile_codestream(self._header, part)
            decoded = self._decode(tile)
            chunk[:, : tile.rows, : tile.columns] = decoded
        return chunk

    def _decode(self, tile: _jp2.Tile) -> np.ndarray[Any, Any]:
        decoded = np.asarray(jpeg2k_decode(tile.codestream))
        components = self._header.components
        expected = (tile.rows, tile.columns, components)
        if decoded.shape != expected[: decoded.ndim] or decoded.size != np.prod(expected):
            raise ValueError(f"the tile was decoded to {decoded.shape}, expected {expected}")
        if decoded.dtype.kind != "u" or decoded.dtype.itemsize > self._dtype.itemsize:
            raise ValueError(f"samples are {decoded.dtype}, the array holds {self._dtype}")
        decoded = decoded.reshape(expected)
        if self.cells == "flags":
            packed: np.ndarray[Any, Any] = np.packbits(decoded != 0, axis=2, bitorder="little")
            return np.moveaxis(packed, 2, 0)
        return np.moveaxis(decoded, 2, 0)
