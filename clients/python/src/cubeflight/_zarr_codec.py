"""The codec of virtual stores: a tile-part of a JPEG 2000 file as a chunk of Zarr v3.

Registered with zarr as ``cubeflight.jp2_tile`` by this package's entry point, so that zarr finds it
without an import of cubeflight.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.core.common import JSON, parse_named_configuration

from ._codec import Jp2TileCodec

NAME = "cubeflight.jp2_tile"


@dataclass(frozen=True)
class Jp2TileZarrCodec(ArrayBytesCodec):
    """Decodes one tile-part, spliced with the main header to a codestream of one tile at its true
    origin.

    Args:
        header: the main header of the file in base64, SOC up to the first SOT.
        dtype: of the array, ``"|u1"`` or ``"<u2"``.
        cells: ``"plain"``, ``"planes"`` or ``"flags"``, as
            :class:`cubeflight._codec.Jp2TileCodec` has them.
    """

    is_fixed_size = False

    header: str
    dtype: str
    cells: str = "plain"

    @cached_property
    def _tile(self) -> Jp2TileCodec:
        return Jp2TileCodec(self.header, self.dtype, self.cells)

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Of the array's metadata."""
        _, configuration = parse_named_configuration(data, NAME)
        return cls(**configuration)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, JSON]:
        """For the array's metadata."""
        configuration: dict[str, JSON] = {
            "header": self.header,
            "dtype": self.dtype,
            "cells": self.cells,
        }
        return {"name": NAME, "configuration": configuration}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Tile-parts are as long as they are."""
        raise NotImplementedError("the length of a tile-part is not known before")

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        pixels: np.ndarray[Any, Any] = self._tile.decode(chunk_data.to_bytes())
        chunk: Any = pixels.reshape(chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(chunk)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        raise NotImplementedError("a virtual store is read only: its chunks are in JP2 files")
