"""Plain pyarrow: each of its readers gives the same rows, and tensors are arrays without a copy."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import cli, serving
from test_archive import SEED, TILE, archive

BANDS = ["B08", "B11", "SCL", "TCI_60m"]
BOUNDS = dict(zip(("minX", "minY", "maxX", "maxY"), SEED, strict=True))
REQUEST = {"tile": TILE, "bands": BANDS, "bounds": BOUNDS}
# Buffers below this travel beside others in one read of the network.
LARGE = 128 * 1024


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fl.FlightClient]:
    root: Path = tmp_path_factory.mktemp("readers")
    archive(root, 3, ",".join(BANDS))
    cli("index", "--store", root / "eodata", "--index", root / "index")
    with serving(root / "eodata", root / "index") as url, fl.connect(url) as client:
        yield client


def open_stream(flight: fl.FlightClient, **more) -> fl.FlightStreamReader:
    command = json.dumps(REQUEST | more)
    info = flight.get_flight_info(fl.FlightDescriptor.for_command(command))
    return flight.do_get(info.endpoints[0].ticket)


def tensors(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.FixedShapeTensorArray]]:
    found = [
        (field.name, batch.column(index))
        for index, field in enumerate(batch.schema)
        if isinstance(field.type, pa.FixedShapeTensorType)
    ]
    assert len(found) == len(BANDS)
    yield from found


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
@pytest.mark.parametrize("limit", [0, 300_000], ids=["one block", "blocks"])
def test_all_readers_give_the_same_rows(flight: fl.FlightClient, compression: str, limit: int):
    asked = {"compression": compression, "maxMessageBytes": limit}
    one_by_one = [chunk.data for chunk in open_stream(flight, **asked)]
    steps = len({row.column("time")[0].as_py() for row in one_by_one})
    assert steps == 3 and (len(one_by_one) == steps) == (limit == 0)
    table = open_stream(flight, **asked).read_all()
    reader = open_stream(flight, **asked).to_reader()
    by_reader = reader.read_all()
    chunks = open_stream(flight, **asked).read_chunk()
    plain = pa.Table.from_batches(
        [chunk.data for chunk in open_stream(flight, maxMessageBytes=limit)]
    )
    expected = pa.Table.from_batches(one_by_one)
    for found in (table, by_reader, plain):
        assert found.schema.equals(expected.schema, check_metadata=True)
        assert found.equals(expected)
    assert chunks.data.equals(one_by_one[0])
    assert expected.num_rows == len(one_by_one)
    # there is something to see, and it is no fill
    b08 = table.column("measurements/reflectance/r10m/b08").chunk(0).to_numpy_ndarray()
    assert len(np.unique(b08)) > 100


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
@pytest.mark.parametrize("way", ["iterate", "read_all", "to_reader"])
def test_large_tensors_arrive_aligned(flight: fl.FlightClient, compression: str, way: str):
    reader = open_stream(flight, compression=compression)
    if way == "iterate":
        batches = [chunk.data for chunk in reader]
    elif way == "read_all":
        batches = reader.read_all().to_batches()
    else:
        batches = list(reader.to_reader())
    assert len(batches) == 3
    seen = 0
    for batch in batches:
        for name, column in tensors(batch):
            values = column.storage.flatten()
            buffer = values.buffers()[1]
            assert buffer.address % values.type.byte_width == 0, name
            if buffer.size < LARGE:
                continue
            # what Arrow asks for; where the rest begins is up to the allocator of the network
            assert buffer.address % 8 == 0, (name, buffer.size)
            array = column.to_numpy_ndarray()
            assert array.flags.aligned and array.flags.c_contiguous
            seen += 1
    assert seen >= 6


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_step_is_an_array_without_a_copy(flight: fl.FlightClient, compression: str):
    table = open_stream(flight, compression=compression).read_all()
    batches = table.to_batches()
    assert len(batches) == 3
    for batch in [
        *batches,
        *(chunk.data for chunk in open_stream(flight, compression=compression)),
    ]:
        for name, column in tensors(batch):
            array = column.to_numpy_ndarray()
            assert array.shape == (1, *column.type.shape)
            buffer = column.storage.flatten().buffers()[1]
            own = np.frombuffer(buffer, array.dtype)
            assert np.shares_memory(array, own), name
            assert array.nbytes <= buffer.size
            np.testing.assert_array_equal(array.ravel(), own[: array.size])
    # a column of one step is one chunk, which a table gives without a copy, too
    (one,) = table.slice(1, 1).column("measurements/reflectance/r10m/b08").chunks
    address = batches[1].column("measurements/reflectance/r10m/b08").storage.flatten().buffers()[1]
    assert np.shares_memory(one.to_numpy_ndarray(), np.frombuffer(address, "u2"))
