"""One tile of a file as a codestream, and what is refused. Pixels: the black-box tests."""

import struct

import pytest

from cubeflight import _jp2


def header(*, siz=(250, 130, 0, 0, 100, 64, 0, 0), components=1, more=b"") -> bytes:
    body = struct.pack(">H8IH", 0, *siz, components) + b"\x0e\x01\x01" * components
    return b"\xff\x4f\xff\x51" + struct.pack(">H", len(body) + 2) + body + more


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">2H", marker, len(body) + 2) + body


def part(tile=0, *, segments=b"", data=b"packets", length=None, index=0, count=1) -> bytes:
    body = segments + b"\xff\x93" + data
    size = 12 + len(body) if length is None else length
    return struct.pack(">2HHIBB", 0xFF90, 10, tile, size, index, count) + body


PLT = segment(0xFF58, b"\x00\x07")
COD = segment(0xFF53, b"\x00\x00\x00")


def test_the_last_tile_stands_at_its_place():
    parsed = _jp2.parse_header(header(more=segment(0xFF55, b"tlm") + COD))
    assert parsed.tile_shape == (64, 100)
    stream, rows, columns = _jp2.tile_codestream(parsed, part(8, segments=PLT + COD))
    assert (rows, columns) == (2, 50)
    assert struct.unpack_from(">8I", stream, 8) == (250, 130, 200, 128, 100, 64, 200, 128)
    # without TLM and PLT, as tile 0, and ended
    rest = part(0, segments=COD) + b"\xff\xd9"
    assert stream == header(siz=(250, 130, 200, 128, 100, 64, 200, 128), more=COD) + rest


def test_a_length_of_zero_is_up_to_the_end():
    parsed = _jp2.parse_header(header())
    assert _jp2.tile_codestream(parsed, part(length=0)) == _jp2.tile_codestream(parsed, part())


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "SOC"),
        (header()[:41], "SOC"),
        (b"\xff\x4f\xff\x52" + header()[4:], "SOC"),
        (header(siz=(250, 130, 0, 0, 0, 64, 0, 0)), "contradicts"),
        (header(siz=(0, 130, 0, 0, 100, 64, 0, 0)), "contradicts"),
        (header(siz=(250, 130, 150, 0, 100, 64, 0, 0)), "contradicts"),
        (header(components=0), "contradicts"),
        (header(siz=(1 << 31, 1 << 31, 0, 0, 1 << 30, 1 << 30, 0, 0)), "too large"),
        (header(more=segment(0xFF60, b"")), "PPM"),
        (header(more=b"\xff\x52\xff"), "damaged"),
        (header(more=b"\xff"), "cut"),
        (header(more=b"\xff\x52\x00\x00"), "damaged"),
        (header(more=b"\xff\x52\x00\x09"), "damaged"),
    ],
)
def test_damaged_headers(raw: bytes, text: str):
    with pytest.raises(ValueError, match=text):
        _jp2.parse_header(raw)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "no tile-part"),
        (b"\x00" * 40, "no tile-part"),
        (part(9), "no tile 9"),
        (part(length=20), "has 20 bytes"),
        (part()[:-1], "the reference names"),
        (part(index=1), "several"),
        (part(count=2), "several"),
        (part(segments=b"\xff\x58\x00\x01"), "damaged"),
        (struct.pack(">2HHIBB", 0xFF90, 10, 0, 18, 0, 1) + b"\xff\x58\x00\x04\x00\x00", "no data"),
    ],
)
def test_damaged_tile_parts(raw: bytes, text: str):
    parsed = _jp2.parse_header(header())
    with pytest.raises(ValueError, match=text):
        _jp2.tile_codestream(parsed, raw)
