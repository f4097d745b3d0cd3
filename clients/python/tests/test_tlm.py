import struct

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from server import RECORDS, Server

import cubeflight
from cubeflight import TileRange, tile_ranges


def test_tables(server: Server, client: cubeflight.Client):
    (table,) = client.tables()
    assert table == cubeflight.TlmTable(
        collection="sentinel-2-l2a",
        tile="33TVN",
        records=7,
        products=2,
        with_packets=6,
        incomplete=1,
        datetime="2021-01-03T10:14:11Z/2021-01-08T10:14:11Z",
    )
    client.tables("sentinel-2-l2a")
    client.tables(tile="33TVN")
    assert server.criteria == [b"", b'{"collection": "sentinel-2-l2a"}', b'{"tile": "33TVN"}']


def test_a_table_that_is_not_understood(server: Server, client: cubeflight.Client):
    server.summary = {"records": "many"}
    with pytest.raises(cubeflight.ProtocolError):
        client.tables()


def test_records(server: Server, client: cubeflight.Client):
    server.records = [
        pa.RecordBatch.from_arrays([pa.array(ids, pa.string())], schema=RECORDS)
        for ids in (["a", "b"], [], ["c"])
    ]
    table = client.tlm("33TVN")
    assert table.schema == RECORDS
    assert table.column("product_id").to_pylist() == ["a", "b", "c"]
    server.records = []
    assert client.tlm("33TVN").num_rows == 0


def test_arguments_are_filters(server: Server, client: cubeflight.Client):
    client.tlm("33TVN")
    client.tlm(
        "33TVN",
        ("2021-01-01", None),
        ["B08", "SCL"],
        collection="sentinel-2-l1c",
        product_ids="S2A",
        detail="packets",
    )
    assert server.paths == [
        ["tlm", "sentinel-2-l2a", "33TVN", "detail=tlm"],
        ["tlm", "sentinel-2-l1c", "33TVN", "detail=packets", "datetime=2021-01-01/..",
         "bands=B08,SCL", "product_ids=S2A"],
    ]  # fmt: skip


def test_errors(server: Server, client: cubeflight.Client):
    server.error = pa.ArrowKeyError("CF-FLT-005 no records; hint=index the tile")
    with pytest.raises(cubeflight.NotFound, match="CF-FLT-005"):
        client.tlm("33TVN")
    server.error = fl.FlightUnavailableError("CF-STO-007 the store fails")
    with pytest.raises(cubeflight.Unavailable):
        client.tables()


def header(size: tuple[int, int], tile: tuple[int, int], origin: tuple[int, int] = (0, 0)) -> bytes:
    siz = struct.pack(">8I", *size, *origin, *tile, 0, 0)
    return b"\xff\x4f\xff\x51" + struct.pack(">2H", 47, 0) + siz + b"\xff\x52"


def record(**changes: object) -> dict[str, object]:
    """25 x 15 pixels in tiles of 10 x 10: three columns, two rows."""
    tiles = [0, 1, 2, 3, 4, 5]
    return {
        "main_header": header((25, 15), (10, 10)),
        "tile_part_tiles": tiles,
        "tile_part_offsets": [100 + 10 * tile for tile in tiles],
        "tile_part_lengths": [10] * len(tiles),
    } | changes


@pytest.mark.parametrize(
    ("window", "tiles"),
    [
        ((0, 0, 1, 1), [0]),
        ((9, 9, 1, 1), [0]),
        ((9, 9, 2, 2), [0, 1, 3, 4]),
        ((24, 14, 1, 1), [5]),
        ((10, 0, 10, 10), [1]),
        ((-5, -5, 100, 100), [0, 1, 2, 3, 4, 5]),
        ((20, 5, 5, 10), [2, 5]),
    ],
)
def test_tiles_of_a_window(window: tuple[int, ...], tiles: list[int]):
    assert tile_ranges(record(), window) == [TileRange(t, 100 + 10 * t, 10) for t in tiles]


def test_several_tile_parts_and_an_origin():
    parts = record(
        main_header=header((25, 15), (10, 10), (5, 5)),
        tile_part_tiles=[1, 0, 1],
        tile_part_offsets=[100, 110, 120],
        tile_part_lengths=[10, 10, 7],
    )
    # Pixel 5 of the file is column 10 of the reference grid.
    assert tile_ranges(parts, (5, 0, 1, 1)) == [TileRange(1, 100, 10), TileRange(1, 120, 7)]
    assert [part.tile for part in tile_ranges(parts, (0, 0, 5, 5))] == [0]


@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({}, (25, 0, 5, 5)),
        ({}, (0, 0, 0, 5)),
        ({}, (-9, 0, 9, 9)),
        ({"main_header": None}, (0, 0, 1, 1)),
        ({"main_header": b"\xff\x4f\xff\x52" + bytes(60)}, (0, 0, 1, 1)),
        ({"main_header": header((25, 15), (0, 10))}, (0, 0, 1, 1)),
        ({"main_header": header((25, 15), (10, 10))[:39]}, (0, 0, 1, 1)),
        (
            {"tile_part_tiles": [1], "tile_part_offsets": [1], "tile_part_lengths": [1]},
            (0, 0, 1, 1),
        ),
    ],
)
def test_what_has_no_ranges(changes: dict[str, object], window: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"record|window"):
        tile_ranges(record(**changes), window)
