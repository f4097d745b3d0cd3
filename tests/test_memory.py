"""What streams hold stays within the budget, and the system makes sure of it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.flight
import pytest

from blackbox import L2A, REALDATA, Decoder, cli, lay_out, require_realdata, serving_urls

MIB = 1 << 20
# What `--memory` says, and beside it the program itself: code, index, HTTP/2 windows, what the
# allocators of its threads keep.
BUDGET = 192 * MIB
BESIDE = 160 * MIB
BANDS = '"AOT_10m", "B04_60m", "SCL_20m"'
REQUEST = '{"collection": "sentinel-2-l2a", "tile": "29UNU", "datetime": "2022", "bands": [%s]}'


def peak(address_log: Path, index: Path) -> int:
    """Most memory that the server of that index had at a time, in bytes."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_bytes()
            if command.startswith(b"/bin/sh") or index.as_uri().encode() not in command:
                continue
            if b"\0serve\0" in command:
                (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
                return int(kib) * 1024
        except OSError:
            continue  # ended meanwhile
    raise AssertionError(f"no such server, see {address_log}")


def stream(address: str, want: dict[str, np.ndarray]) -> int:
    """Reads the whole tile row-block by row-block and compares; gives the bytes."""
    total = 0
    with pyarrow.flight.connect(address) as client:
        reader = client.do_get(pyarrow.flight.Ticket((REQUEST % BANDS).encode()))
        tensors = {field.name: field.type for field in reader.schema if "/" in field.name}
        names = {name: name.rpartition("/")[2] for name in tensors}
        at = dict.fromkeys(tensors, 0)
        for chunk in reader:
            batch = chunk.data
            assert batch.column("status").to_pylist() == ["ok"]
            for name in tensors:
                column = batch.column(name)
                storage = column.storage if hasattr(column, "storage") else column
                pixels = storage.flatten().to_numpy(zero_copy_only=False)
                total += pixels.nbytes
                expected = want[names[name]]
                rows = pixels.reshape(-1, expected.shape[1])
                left = expected.shape[0] - at[name]
                np.testing.assert_array_equal(
                    rows[:left], expected[at[name] : at[name] + len(rows)]
                )
                at[name] += min(len(rows), left)
        assert at == {name: want[names[name]].shape[0] for name in tensors}
    return total


@pytest.mark.parametrize("streams", [1, 3])
def test_a_whole_tile_stays_within_the_budget(tmp_path: Path, decode: Decoder, streams: int):
    """The step is far larger than the memory that the system gives."""
    require_realdata()
    lay_out(tmp_path, [L2A])
    index = tmp_path / "index"
    cli("index", "--store", tmp_path.as_uri(), "--index", index)
    want = {
        "aot": decode.asset(L2A, "AOT_10m"),
        "b04": decode.asset(L2A, "B04_60m"),
        "scl": decode.asset(L2A, "SCL_20m"),
    }
    assert REALDATA.is_dir()
    log = tmp_path / "serve.log"
    options = ["--memory", "192MiB", "--cache-memory", "0", "--threads", "2"]
    with (
        serving_urls(
            tmp_path.as_uri(), index.as_uri(), log, options=options, limit=BUDGET + BESIDE
        ) as address,
        ThreadPoolExecutor(streams) as pool,
    ):
        done = list(pool.map(lambda _: stream(address, want), range(streams)))
        assert all(total > 270_000_000 for total in done), done
        found = peak(log, index)
    assert found < BUDGET + BESIDE, f"{found / MIB:.0f} MiB"


def test_more_than_the_budget_is_refused_before_anything_is_read(tmp_path: Path):
    """A step whose smallest working set does not fit."""
    require_realdata()
    lay_out(tmp_path, [L2A])
    index = tmp_path / "index"
    cli("index", "--store", tmp_path.as_uri(), "--index", index)
    log = tmp_path / "serve.log"
    options = ["--memory", "8MiB"]
    with serving_urls(tmp_path.as_uri(), index.as_uri(), log, options=options) as address:
        with pyarrow.flight.connect(address) as client:
            reader = client.do_get(pyarrow.flight.Ticket((REQUEST % BANDS).encode()))
            with pytest.raises(pyarrow.ArrowException, match="CF-ENG-001"):
                reader.read_all()
