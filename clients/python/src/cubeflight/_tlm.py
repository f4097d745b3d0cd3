"""Tables of TLM records: where the tiles of each JP2 file lie."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _request
from ._errors import ProtocolError


@dataclass(frozen=True)
class TlmTable:
    """A table of the server's index.

    Attributes:
        collection: ``"sentinel-2-l2a"`` or ``"sentinel-2-l1c"``.
        tile: MGRS tile.
        records: files whose tile-parts are known.
        products: products that these files belong to.
        with_packets: records that have the lengths of the packets.
        incomplete: records that list only some of the tile-parts.
        datetime: first and last datatake start, ``"2021-01-03T10:14:11Z/2021-12-29T10:13:59Z"``.
    """

    collection: str
    tile: str
    records: int
    products: int
    with_packets: int
    incomplete: int
    datetime: str


class TileRange(NamedTuple):
    """A tile-part in its file: ``length`` bytes from ``offset`` on, SOT marker included."""

    tile: int
    offset: int
    length: int


def path(
    *,
    collection: str,
    tile: str,
    datetime: _request.TimeRange,
    bands: str | Iterable[str] | None,
    product_ids: str | Iterable[str] | None,
    detail: str,
) -> list[str]:
    """The path of a PATH descriptor; what is None is no filter."""
    segments = ["tlm", collection, tile, f"detail={detail}"]
    if datetime is not None:
        segments.append(f"datetime={_request.interval(datetime)}")
    for key, values in (("bands", bands), ("product_ids", product_ids)):
        if values is not None:
            segments.append(f"{key}={values if isinstance(values, str) else ','.join(values)}")
    return segments


def decode_table(payload: bytes) -> TlmTable:
    """What the server says of a table; what this version does not know is left out."""
    try:
        raw = json.loads(payload)
        counts = ("records", "products", "with_packets", "incomplete")
        return TlmTable(
            collection=str(raw["collection"]),
            tile=str(raw["tile"]),
            datetime=str(raw["datetime"]),
            **{key: int(raw[key]) for key in counts},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"the description of a table is not understood: {error!r}") from error


def tile_ranges(record: Mapping[str, Any], window: Sequence[int]) -> list[TileRange]:
    """The bytes of a file that hold the tiles of a window, in file order.

    A tile decodes by itself as the codestream of ``main_header`` with the size and offset of the
    image and of its tiles set to this one tile, the tile-part with its tile number set to 0, and
    the end marker ``ff d9``.

    Args:
        record: a row of :meth:`Client.tlm`, as ``table.to_pylist()`` gives it.
        window: x, y, width, height in pixels of the file.

    Raises:
        ValueError: the window does not meet the image, the record has no main header, or it is
            incomplete and lacks a tile of the window.
    """
    wanted = _tiles(record["main_header"], window)
    known = record["tile_part_tiles"]
    missing = wanted - set(known)
    if missing:
        raise ValueError(f"the record does not list the tiles {sorted(missing)}")
    parts = zip(known, record["tile_part_offsets"], record["tile_part_lengths"], strict=True)
    return [TileRange(*part) for part in parts if part[0] in wanted]


def _tiles(header: bytes | None, window: Sequence[int]) -> set[int]:
    """Indices of the tiles that meet a window (ISO/IEC 15444-1 A.5.1 and B.3)."""
    if header is None:
        raise ValueError("the record has no main header; its tiles cannot be told from it")
    # SOC, then SIZ: marker, Lsiz, Rsiz, and eight numbers.
    if len(header) < 40 or header[:4] != b"\xff\x4f\xff\x51":
        raise ValueError("the main header of the record does not begin with SOC and SIZ")
    xsiz, ysiz, xosiz, yosiz, xtsiz, ytsiz, xtosiz, ytosiz = struct.unpack_from(">8I", header, 8)
    if not (xtsiz and ytsiz and xsiz > xosiz >= xtosiz and ysiz > yosiz >= ytosiz):
        raise ValueError("the main header of the record contradicts itself")
    x, y, width, height = window
    x0, y0 = max(x, 0) + xosiz, max(y, 0) + yosiz
    x1, y1 = min(x + xosiz + width, xsiz), min(y + yosiz + height, ysiz)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f"the window {tuple(window)} does not meet the image")
    across = -(-(xsiz - xtosiz) // xtsiz)
    columns = range((x0 - xtosiz) // xtsiz, (x1 - 1 - xtosiz) // xtsiz + 1)
    rows = range((y0 - ytosiz) // ytsiz, (y1 - 1 - ytosiz) // ytsiz + 1)
    return {row * across + column for row in rows for column in columns}
