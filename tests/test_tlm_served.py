"""The index over Flight: tables, records with every filter, and JP2 tiles read with them alone."""

import json
import struct
from pathlib import Path

import cubeflight
import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import L1C, L2A, OLD_L1C, Decoder, cli, codes, jp2
from test_cube import BOX

TABLES = {
    ("sentinel-2-l1c", "18LTM"): (L1C, "2022-01-25T15:17:01Z"),
    ("sentinel-2-l1c", "31TDH"): (OLD_L1C, "2018-01-01T10:54:41Z"),
    ("sentinel-2-l2a", "29UNU"): (L2A, "2022-10-05T11:54:11Z"),
}
PACKETS = ["packet_counts", "packet_lengths"]


@pytest.fixture
def flight(server: str):
    with fl.FlightClient(server) as flight:
        yield flight


def test_tables(client: cubeflight.Client, indexed: tuple[Path, dict]):
    tables = client.tables()
    assert sorted((table.collection, table.tile) for table in tables) == sorted(TABLES)
    for table in tables:
        _, start = TABLES[table.collection, table.tile]
        assert table.datetime == f"{start}/{start}"
        assert table.products == 1
        assert table.records == table.with_packets > 0
        assert table.incomplete == 0
        assert client.tlm(table.tile, collection=table.collection).num_rows == table.records
        assert client.tables(table.collection, table.tile) == [table]
    assert len(client.tables("sentinel-2-l1c")) == 2
    assert [table.tile for table in client.tables(tile="31TDH")] == ["31TDH"]
    assert client.tables(tile="33TVN") == client.tables("sentinel-2-l2a", "18LTM") == []


def test_a_tile_is_read_with_its_record(
    client: cubeflight.Client, store: Path, decode: Decoder, tmp_path: Path
):
    (record,) = client.tlm("29UNU", bands="AOT_10m").to_pylist()
    assert (record["product_id"], record["band_id"]) == (L2A, "AOT_10m")
    assert record["complete"]
    path = store / "eodata" / record["path"]
    assert path == jp2(store, L2A, "AOT_10m")
    content = path.read_bytes()
    assert record["size"] == len(content)

    # Every tile-part begins with an SOT that says the same, and the last ends the file.
    parts = cubeflight.tile_ranges(record, (0, 0, 10980, 10980))
    assert sorted(part.tile for part in parts) == list(range(121))
    end = record["first_sot"]
    for tile, offset, length in parts:
        sot = struct.unpack_from(">HHHI", content, offset)
        assert sot == (0xFF90, 10, tile, length)
        assert offset == end
        end += length
    assert content[end:] == b"\xff\xd9"

    # One tile in the middle of a window, as a codestream of its own: the image of the main header
    # becomes this tile, and the tile number 0.
    ranges = cubeflight.tile_ranges(record, (5100, 4000, 30, 200))
    assert [part.tile for part in ranges] == [3 * 11 + 4, 3 * 11 + 5, 4 * 11 + 4, 4 * 11 + 5]
    tile, offset, length = ranges[1]
    (y, x) = (1024 * index for index in divmod(tile, 11))
    header = bytearray(record["main_header"])
    struct.pack_into(">8I", header, 8, x + 1024, y + 1024, x, y, 1024, 1024, x, y)
    with path.open("rb") as file:
        file.seek(offset)
        part = bytearray(file.read(length))
    struct.pack_into(">H", part, 4, 0)
    (tmp_path / "tile.j2k").write_bytes(header + part + b"\xff\xd9")
    cli("read", tmp_path / "tile.j2k", "--out", tmp_path / "tile.npy")
    want = decode.asset(L2A, "AOT_10m")[y : y + 1024, x : x + 1024]
    assert want.any()
    np.testing.assert_array_equal(np.load(tmp_path / "tile.npy"), want)


def test_filters(client: cubeflight.Client):
    everything = client.tlm("29UNU")
    assert everything.num_rows > 10
    bands = ["B04_60m", "SCL", "measurements/reflectance/r60m/b01"]
    some = client.tlm("29UNU", bands=bands)
    assert sorted(some["band_id"].to_pylist()) == ["B01_60m", "B04_60m", "SCL_20m"]
    for arguments in (
        {"datetime": "2022-10-05"},
        {"datetime": (None, "2022-10-05T11:54:11Z")},
        {"product_ids": [L2A]},
        {"product_ids": L2A, "datetime": "2022", "detail": "tlm"},
    ):
        assert client.tlm("29UNU", **arguments).equals(everything)
    for arguments in (
        {"datetime": "2022-10-06/.."},
        {"product_ids": [L1C]},
        {"bands": "B02_10m", "datetime": "2021"},
    ):
        nothing = client.tlm("29UNU", **arguments)
        assert (nothing.num_rows, nothing.schema) == (0, everything.schema)


def test_packet_lengths_make_up_their_tile_parts(client: cubeflight.Client):
    without = client.tlm("29UNU", bands="B04_60m")
    assert not set(PACKETS) & set(without.column_names)
    table = client.tlm("29UNU", bands="B04_60m", detail="packets")
    assert table.column_names == without.column_names + PACKETS
    assert table.drop_columns(PACKETS).cast(without.schema).equals(without)
    (record,) = table.to_pylist()
    assert len(record["packet_counts"]) == len(record["tile_part_lengths"])
    assert sum(record["packet_counts"]) == len(record["packet_lengths"])
    # The rest of a tile-part are its SOT, SOD and PLT marker segments.
    first = 0
    for count, length in zip(record["packet_counts"], record["tile_part_lengths"], strict=True):
        packets = sum(record["packet_lengths"][first : first + count])
        assert 14 <= length - packets < 14 + 5 * count + 10
        first += count


def test_plain_pyarrow(flight: fl.FlightClient):
    infos = {tuple(info.descriptor.path): info for info in flight.list_flights()}
    wanted = (b"tlm", b"sentinel-2-l1c", b"18LTM")
    assert len(infos) == 6
    (cube,) = [info for path, info in infos.items() if path == (b"sentinel-2-l1c", b"18LTM")]
    assert (cube.total_records, cube.endpoints) == (-1, [])
    assert cube.schema == flight.get_schema(cube.descriptor).schema
    listed = infos[wanted]
    assert json.loads(listed.app_metadata)["records"] == listed.total_records
    read = flight.do_get(listed.endpoints[0].ticket).read_all()
    assert (read.num_rows, read.schema) == (listed.total_records, listed.schema)

    for filters, rows in ((("bands=B01",), 1), (("datetime=1999", "detail=packets"), 0)):
        descriptor = fl.FlightDescriptor.for_path(*wanted, *filters)
        info = flight.get_flight_info(descriptor)
        assert info.total_records == rows and info.ordered
        assert flight.get_schema(descriptor).schema == info.schema
        table = flight.do_get(info.endpoints[0].ticket).read_all()
        assert (table.num_rows, table.schema) == (rows, info.schema)
        reader = flight.do_get(info.endpoints[0].ticket).to_reader()
        assert sum(batch.num_rows for batch in reader) == rows


BAD_PATHS = {
    "one segment": (["sentinel-2-l2a"], "CF-FLT-004"),
    "no table": (["tlm"], "CF-FLT-004"),
    "no tile": (["tlm", "sentinel-2-l2a"], "CF-FLT-004"),
    "collection": (["tlm", "landsat-c2-l2", "29UNU"], "CF-S2-009"),
    "tile": (["tlm", "sentinel-2-l2a", "banana"], "CF-S2-001"),
    "not a filter": (["tlm", "sentinel-2-l2a", "29UNU", "B04"], "CF-REQ-004"),
    "unknown filter": (["tlm", "sentinel-2-l2a", "29UNU", "cloud=5"], "CF-REQ-004"),
    "unknown detail": (["tlm", "sentinel-2-l2a", "29UNU", "detail=all"], "CF-REQ-004"),
    "empty filter": (["tlm", "sentinel-2-l2a", "29UNU", "bands="], "CF-REQ-005"),
    "filter twice": (["tlm", "sentinel-2-l2a", "29UNU", "bands=B04", "bands=B08"], "CF-REQ-006"),
    "band": (["tlm", "sentinel-2-l2a", "29UNU", "bands=B99"], "CF-S2-013"),
    "datetime": (["tlm", "sentinel-2-l2a", "29UNU", "datetime=soon"], "CF-S2-015"),
    "product": (["tlm", "sentinel-2-l2a", "29UNU", "product_ids=S2"], "CF-S2-011"),
}


@pytest.mark.parametrize(("path", "code"), BAD_PATHS.values(), ids=BAD_PATHS)
def test_bad_paths(flight: fl.FlightClient, path: list[str], code: str):
    descriptor = fl.FlightDescriptor.for_path(*path)
    for call in (flight.get_flight_info, flight.get_schema):
        with pytest.raises((pa.ArrowException, fl.FlightError, OSError)) as caught:
            call(descriptor)
        assert codes(str(caught.value))[:1] == [code]


def test_a_table_that_is_not_there(client: cubeflight.Client):
    with pytest.raises(cubeflight.NotFound) as caught:
        client.tlm("33TVN")
    assert caught.value.code == "CF-FLT-005"
    with pytest.raises(cubeflight.InvalidRequest) as caught:
        client.tables("landsat-c2-l2")
    assert caught.value.code == "CF-S2-009"
    with pytest.raises(cubeflight.InvalidRequest) as caught:
        client.tlm("29UNU", bands=[])
    assert caught.value.code == "CF-REQ-005"


class Seen(fl.ClientMiddlewareFactory):
    """Everything of ours that a server says in headers and trailers."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[str, int] = {}

    def start_call(self, info: fl.CallInfo) -> fl.ClientMiddleware:
        numbers = self.numbers

        class Middleware(fl.ClientMiddleware):
            def received_headers(self, headers: dict[str, list[str]]) -> None:
                for name, values in headers.items():
                    # the decoder's name is the only text
                    if name.startswith("x-cubeflight-") and not name.endswith("-decoder"):
                        numbers[name.removeprefix("x-cubeflight-")] = int(values[0])

        return Middleware()


def test_trailers_say_what_a_stream_cost(server: str):
    seen = Seen()
    request = {"tile": "29UNU", "bands": ["B04_60m"]}
    request["bounds"] = dict(zip(("minX", "minY", "maxX", "maxY"), BOX, strict=True))
    with fl.FlightClient(server, middleware=[seen]) as flight:
        info = flight.get_flight_info(fl.FlightDescriptor.for_command(json.dumps(request)))
        plan = json.loads(info.app_metadata)
        assert seen.numbers == {}
        for chunk in flight.do_get(info.endpoints[0].ticket):
            assert chunk.data.num_rows == 1
        assert seen.numbers["rows"] == info.total_records
        assert seen.numbers["upstream-requests"] == int(plan["requests"])
        assert seen.numbers["upstream-bytes"] >= int(plan["bytes"])
        assert seen.numbers["elapsed-ms"] >= seen.numbers["plan-ms"] >= 0
        assert seen.numbers["pixels"] > 0
        assert {"queue-ms", "fetch-ms", "decode-ms", "encode-ms"} <= seen.numbers.keys()

        seen.numbers.clear()
        with pytest.raises(pa.ArrowInvalid, match="CF-REQ-001"):
            flight.do_get(fl.Ticket(b"no ticket")).read_chunk()
        assert list(seen.numbers) == ["elapsed-ms"]
