"""Files as large as real ones, made in a moment: their tile-parts are filled up with zeros."""

from __future__ import annotations

import struct
from pathlib import Path


def enlarge(path: Path, more: int = 110_000) -> None:
    """Adds `more` bytes to the last packet of every tile-part of a JP2 as ESA codes it. It decodes
    to something else, but its structure is sound. The zeros are holes, which take no room."""
    data = path.read_bytes()
    at = data.index(b"\xff\x90\x00\x0a")
    path.unlink()
    with path.open("wb") as out:
        out.write(data[:at])
        while data[at : at + 2] == b"\xff\x90":
            tile, psot, part = struct.unpack_from(">HIH", data, at + 4)
            assert data[at + 12 : at + 14] == b"\xff\x58"
            (length,) = struct.unpack_from(">H", data, at + 14)
            plt = data[at + 17 : at + 14 + length]
            sod = at + 14 + length
            assert data[sod : sod + 2] == b"\xff\x93"
            # the last length, of which only the last byte has its high bit clear
            first = len(plt) - 1
            while first and plt[first - 1] & 0x80:
                first -= 1
            last = 0
            for byte in plt[first:]:
                last = last << 7 | byte & 0x7F
            plt = plt[:first] + seven_bits(last + more)
            body = data[sod + 2 : at + psot]
            whole = 12 + 5 + len(plt) + 2 + len(body) + more
            out.write(struct.pack(">HHHIH", 0xFF90, 10, tile, whole, part))
            out.write(struct.pack(">HHB", 0xFF58, len(plt) + 3, 0) + plt + b"\xff\x93" + body)
            out.seek(more, 1)
            at += psot
        assert data[at:] == b"\xff\xd9"
        out.write(data[at:])


def seven_bits(value: int) -> bytes:
    """A packet length as PLT has it."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))
