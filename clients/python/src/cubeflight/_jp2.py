"""One tile of a JPEG 2000 file as a codestream of its own (ISO/IEC 15444-1 annexes A and B)."""

from __future__ import annotations

import struct
from typing import NamedTuple

# Largest tile that is decoded, in samples; Sentinel-2 has at most 2048 x 2048 of one component.
MAX_SAMPLES = 1 << 26

_SOC, _SIZ, _SOT, _SOD, _EOC = 0xFF4F, 0xFF51, 0xFF90, 0xFF93, 0xFFD9
_TLM, _PLM, _PLT, _PPM = 0xFF55, 0xFF57, 0xFF58, 0xFF60


class Header(NamedTuple):
    """A main header without the segments that speak of the whole file's tile-parts."""

    raw: bytes
    # Xsiz, Ysiz, XOsiz, YOsiz, XTsiz, YTsiz, XTOsiz, YTOsiz
    siz: tuple[int, ...]
    components: int

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Rows and columns of a whole tile."""
        return self.siz[5], self.siz[4]

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.siz[1] - self.siz[3], self.siz[0] - self.siz[2]


class Tile(NamedTuple):
    """The codestream of one tile, and how many rows and columns it holds."""

    codestream: bytes
    rows: int
    columns: int


def parse_header(raw: bytes) -> Header:
    """Reads a main header, from SOC up to the first SOT.

    Raises:
        ValueError: it is none, contradicts itself, or its tiles cannot be cut out.
    """
    if len(raw) < 42 or struct.unpack_from(">2H", raw) != (_SOC, _SIZ):
        raise ValueError("the main header does not begin with SOC and SIZ")
    siz = struct.unpack_from(">8I", raw, 8)
    xsiz, ysiz, xosiz, yosiz, xtsiz, ytsiz, xtosiz, ytosiz = siz
    (components,) = struct.unpack_from(">H", raw, 40)
    if not (
        xtsiz and ytsiz and components
        and xsiz > xosiz >= xtosiz and ysiz > yosiz >= ytosiz
        and xtosiz + xtsiz > xosiz and ytosiz + ytsiz > yosiz
    ):  # fmt: skip
        raise ValueError("the main header contradicts itself: image and tile sizes do not fit")
    if xtsiz * ytsiz * components > MAX_SAMPLES:
        raise ValueError(
            f"tiles of {xtsiz} x {ytsiz} samples in {components} components are too large"
        )
    kept = [raw[:2]]
    for marker, start, end in _segments(raw, 2, len(raw), "main header"):
        if marker == _PPM:
            raise ValueError("packet headers are packed in the main header (PPM)")
        if marker not in (_TLM, _PLM):
            kept.append(raw[start:end])
    return Header(b"".join(kept), siz, components)


def tile_codestream(header: Header, part: bytes) -> Tile:
    """The codestream of the tile that a tile-part holds.

    The image area and the tile grid of SIZ become this tile at its true place, since precincts are
    anchored at the origin of the canvas; the tile-part becomes that of tile 0, without packet
    lengths (PLT).

    Raises:
        ValueError: the bytes are not one whole tile-part of this file.
    """
    if len(part) < 14 or struct.unpack_from(">2H", part) != (_SOT, 10):
        raise ValueError("no tile-part begins here: the file is not the one that was indexed")
    tile, length, index, count = struct.unpack_from(">HIBB", part, 4)
    # Psot 0 stands for "up to EOC" in the last tile-part of a file.
    if length not in (0, len(part)):
        raise ValueError(f"the tile-part has {length} bytes, the reference names {len(part)}")
    if index != 0 or count not in (0, 1):
        raise ValueError(f"tile {tile} has several tile-parts")
    xsiz, ysiz, xosiz, yosiz, xtsiz, ytsiz, xtosiz, ytosiz = header.siz
    across = -(-(xsiz - xtosiz) // xtsiz)
    down = -(-(ysiz - ytosiz) // ytsiz)
    if tile >= across * down:
        raise ValueError(f"there is no tile {tile}, the image has {across} x {down}")
    left = xtosiz + tile % across * xtsiz
    top = ytosiz + tile // across * ytsiz
    x0, y0 = max(left, xosiz), max(top, yosiz)
    x1, y1 = min(left + xtsiz, xsiz), min(top + ytsiz, ysiz)
    # A first tile that the image offset cuts starts where the new tile grid starts too.
    patched = struct.pack(">8I", x1, y1, x0, y0, xtsiz, ytsiz, x0, y0)
    body = []
    data = len(part)
    for marker, start, end in _segments(part, 12, len(part), "tile-part header"):
        if marker == _SOD:
            data = start
            break
        if marker != _PLT:
            body.append(part[start:end])
    if data == len(part):
        raise ValueError("the tile-part has no data")
    body.append(part[data:])
    size = 12 + sum(map(len, body))
    sot = struct.pack(">2HHIBB", _SOT, 10, 0, size, 0, 1)
    eoc = struct.pack(">H", _EOC)
    codestream = b"".join((header.raw[:8], patched, header.raw[40:], sot, *body, eoc))
    return Tile(codestream, y1 - y0, x1 - x0)


def _segments(raw: bytes, at: int, stop: int, what: str) -> list[tuple[int, int, int]]:
    """Marker, start and end of each marker segment, SOD the last."""
    found = []
    while at < stop:
        if at + 2 > stop:
            raise ValueError(f"the {what} is cut")
        (marker,) = struct.unpack_from(">H", raw, at)
        if marker == _SOD:
            found.append((marker, at, at + 2))
            break
        if at + 4 > stop or marker < 0xFF00:
            raise ValueError(f"the {what} is damaged at byte {at}")
        (length,) = struct.unpack_from(">H", raw, at + 2)
        end = at + 2 + length
        if length < 2 or end > stop:
            raise ValueError(f"the {what} is damaged at byte {at}")
        found.append((marker, at, end))
        at = end
    return found
