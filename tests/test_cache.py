"""The cache of byte ranges, by the log of the S3 server that the ranges come from."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import cubeflight
import numpy as np
import pyarrow.flight as fl
import pytest

from blackbox import cli, codes, run, serving_urls
from test_archive import SEED, TILE, archive
from test_s3 import KEYS, s3
from test_tlm_served import Seen

BANDS = ["B08", "SCL"]
STEPS = 3
REQUEST = {"tile": TILE, "bands": BANDS}
REQUEST["bounds"] = dict(zip(("minX", "minY", "maxX", "maxY"), SEED, strict=True))


@dataclass
class Upstream:
    """A bucket with an indexed archive, and what was read of its images."""

    index: Path
    log: Path
    environment: dict[str, str]
    seen: int = 0

    def reads(self) -> Counter[tuple[str, str]]:
        """Keys and ranges since the last call."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        new, self.seen = lines[self.seen :], len(lines)
        return Counter((line["key"], line["range"]) for line in new if "jp2" in line["key"])

    @contextmanager
    def serving(self, *options: str | Path) -> Iterator[str]:
        log = self.log.parent / "serve.log"
        arguments = ("s3://eodata", self.index.as_uri(), log, self.environment)
        # Reads are planned in the same way each time, whatever the server measures meanwhile.
        if "--read-cost" not in options:
            options += ("--read-cost", "0.015,20000000")
        with serving_urls(*arguments, [str(option) for option in options]) as address:
            yield address


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    place = tmp_path_factory.mktemp("cache")
    archive(place / "root", STEPS, ",".join(BANDS))
    index, log = place / "index", place / "requests.jsonl"
    with s3(place / "root", "--log", log) as (_, endpoint):
        environment = {"AWS_ENDPOINT_URL": endpoint, **KEYS}
        cli("index", "--store", "s3://eodata", "--index", index, extra=environment)
        upstream = Upstream(index, log, environment)
        upstream.reads()
        yield upstream


def pull(address: str) -> tuple[dict[str, int], list[list]]:
    """What a cube cost by its trailers, and its columns."""
    seen = Seen()
    with fl.FlightClient(address.replace("grpc://", "grpc+tcp://"), middleware=[seen]) as flight:
        info = flight.get_flight_info(fl.FlightDescriptor.for_command(json.dumps(REQUEST)))
        seen.numbers["planned"] = int(json.loads(info.app_metadata)["requests"])
        seen.numbers["headers"] = int(json.loads(info.app_metadata).get("headerRequests", 0))
        rows = flight.do_get(info.endpoints[0].ticket).read_all()
    return seen.numbers, rows


def test_a_second_pull_asks_the_store_for_nothing(upstream: Upstream):
    with upstream.serving() as address:
        first, cube = pull(address)
        reads = upstream.reads()
        assert set(reads.values()) == {1}
        asked = first["planned"] + first["headers"]
        assert first["upstream-requests"] == reads.total() == asked > 0
        assert (first["cache-hits"], first["cache-bytes"]) == (0, 0)
        again, same = pull(address)
        assert upstream.reads() == Counter()
    assert same.equals(cube)
    assert (again["upstream-requests"], again["upstream-bytes"]) == (0, 0)
    assert again["cache-hits"] == first["upstream-requests"]
    # gaps between what was wanted are read, but not kept
    assert 0 < again["cache-bytes"] <= first["upstream-bytes"]


def test_the_cost_decides_how_pieces_are_put_together(upstream: Upstream):
    """Where bytes are dear, requests are many."""
    with upstream.serving("--read-cost", "0,1") as address:
        apart, cube = pull(address)
        assert upstream.reads().total() == apart["upstream-requests"]
    with upstream.serving() as address:
        together, same = pull(address)
        upstream.reads()
    assert same.equals(cube)
    assert together["upstream-bytes"] > apart["upstream-bytes"]
    assert together["upstream-requests"] < apart["upstream-requests"]


def test_without_memory_nothing_is_kept(upstream: Upstream):
    with upstream.serving("--cache-memory", "0") as address:
        pull(address)
        once = upstream.reads()
        numbers, _ = pull(address)
        assert upstream.reads() == once
    assert once.total() == numbers["upstream-requests"] > 0
    assert numbers["cache-hits"] == 0


def test_equal_pulls_at_the_same_time_are_one(upstream: Upstream):
    with upstream.serving("--cache-memory", "64MiB") as address:
        together = Barrier(4)

        def one(_: int) -> tuple[dict[str, int], list[list]]:
            together.wait()
            return pull(address)

        with ThreadPoolExecutor(4) as pool:
            pulled = list(pool.map(one, range(4)))
    reads = upstream.reads()
    assert set(reads.values()) == {1}
    numbers = [numbers for numbers, _ in pulled]
    asked = numbers[0]["planned"] + numbers[0]["headers"]
    assert sum(each["upstream-requests"] for each in numbers) == reads.total() == asked
    assert sum(each["cache-hits"] for each in numbers) == 3 * asked
    assert all(cube.equals(pulled[0][1]) for _, cube in pulled)


def test_the_disk_is_there_after_a_restart(upstream: Upstream, tmp_path: Path):
    disk = ["--cache-disk", tmp_path / "disk", "--cache-disk-bytes", "256MiB"]
    cubes, reads = [], []
    for _ in range(2):
        with upstream.serving(*disk) as address, cubeflight.connect(address) as client:
            result = client.search(TILE, bands=BANDS, bounds=SEED).load()
            assert result.errors == []
            cubes.append(result.datatree["measurements/reflectance/r10m"].b08.to_numpy())
        reads.append(upstream.reads().total())
    # A slow disk is not waited for: what finds the queue of writes full is not kept.
    assert reads[1] <= reads[0] // 4, reads
    np.testing.assert_array_equal(*cubes)
    assert cubes[0].any()
    assert sum(file.stat().st_blocks * 512 for file in tmp_path.rglob("*")) < 256 * 2**20


def test_what_cannot_be_cached_in_is_named_at_the_start(upstream: Upstream, tmp_path: Path):
    (tmp_path / "file").touch()
    serve = ["serve", "--listen", "127.0.0.1:0", "--store", tmp_path, "--index", tmp_path / "index"]
    for options, code, ends in (
        (["--cache-disk", tmp_path / "file/below"], "CF-STO-015", 1),
        (["--cache-memory", "10KiB"], "CF-STO-012", 1),
        (["--cache-disk", tmp_path / "d", "--cache-disk-bytes", "1MiB"], "CF-STO-012", 1),
        (["--cache-disk", tmp_path / "d", "--cache-memory", "0"], "CF-CLI-001", 2),
    ):
        done = run(*serve, *options)
        assert (done.returncode, codes(done.stderr)[:1]) == (ends, [code]), done.stderr
    assert run(*serve, "--cache-memory", "1MB").returncode == 2
    with upstream.serving("--cache-disk", tmp_path / "shared"):
        done = run(*serve, "--cache-disk", tmp_path / "shared")
        assert codes(done.stderr)[:1] == ["CF-STO-015"], done.stderr
