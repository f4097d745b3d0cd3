"""The Python client where servers die, come back, or are left alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cubeflight
import numpy as np
import pyarrow as pa
import pytest
import xarray as xr
from cubeflight import _builder

from blackbox import cli
from replicas import Replica, replicas
from test_archive import SEED, TILE, archive
from test_s3 import KEYS, s3

BANDS = ["B08", "B11", "SCL"]
STEPS = 12
B08 = "measurements/reflectance/r10m/b08"
# More messages than the transport holds on its way.
ASKED = {"bands": BANDS, "bounds": SEED, "max_message_bytes": 300_000}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Root of a bucket, and its index."""
    place = tmp_path_factory.mktemp("resilience")
    archive(place / "root", STEPS, ",".join(BANDS))
    with s3(place / "root") as (_, endpoint):
        extra = {"AWS_ENDPOINT_URL": endpoint, **KEYS}
        cli("index", "--store", "s3://eodata", "--index", (place / "index").as_uri(), extra=extra)
    return place / "root", place / "index"


@pytest.fixture
def pair(made: tuple[Path, Path], tmp_path: Path) -> Iterator[list[Replica]]:
    keys = tmp_path / "keys"
    keys.write_text("one " + "ab" * 32 + "\n")
    with replicas(2, *made, tmp_path, "--ticket-keys", str(keys)) as found:
        yield found


@pytest.fixture(scope="module")
def whole(made: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    with replicas(1, *made, tmp_path_factory.mktemp("whole")) as (one,):
        with cubeflight.connect(one.url) as client:
            return client.search(TILE, **ASKED).load().datatree


class After:
    """Does something once, when the client has taken so many messages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, messages: int, act) -> None:
        self.taken, self.done = 0, False
        add = _builder.Builder.add

        def counted(builder: _builder.Builder, batch: pa.RecordBatch | None) -> None:
            add(builder, batch)
            self.taken += 1
            if self.taken >= messages and not self.done:
                self.done = True
                act()

        monkeypatch.setattr(_builder.Builder, "add", counted)


def restart(replica: Replica) -> None:
    replica.kill()
    replica.start()


def test_a_restart_in_mid_stream(
    pair: list[Replica], whole: xr.DataTree, monkeypatch: pytest.MonkeyPatch
):
    one, _ = pair
    after = After(monkeypatch, 20, lambda: restart(one))
    with cubeflight.connect(one.url) as client:
        cube = client.search(TILE, **ASKED).load()
    assert after.done
    xr.testing.assert_identical(cube.datatree, whole)


def test_steps_one_by_one_over_a_restart(
    pair: list[Replica], whole: xr.DataTree, monkeypatch: pytest.MonkeyPatch
):
    one, _ = pair
    seen = []
    with cubeflight.connect(one.url) as client:
        for number, tree in enumerate(client.search(TILE, **ASKED).iter_steps()):
            if number == 1:
                restart(one)
            seen.append(tree[B08])
    assert [step.time.values[0] for step in seen] == list(whole[B08].time.values)
    np.testing.assert_array_equal(np.concatenate([step.values for step in seen]), whole[B08])


def test_another_replica_goes_on(
    pair: list[Replica], whole: xr.DataTree, monkeypatch: pytest.MonkeyPatch
):
    one, two = pair
    after = After(monkeypatch, 20, one.kill)
    with cubeflight.connect([one.url, two.url]) as client:
        cube = client.search(TILE, **ASKED).load()
        xr.testing.assert_identical(cube.datatree, whole)
        assert after.done and two.reads() > 0
        # and without the dead one as well
        xr.testing.assert_identical(client.search(TILE, **ASKED).load().datatree, whole)


def test_parts_side_by_side(pair: list[Replica], whole: xr.DataTree):
    one, two = pair
    with cubeflight.connect([one.url, two.url]) as client:
        cube = client.search(TILE, **ASKED, max_endpoints=4).load()
    xr.testing.assert_identical(cube.datatree, whole)
    assert one.reads() > 0 and two.reads() > 0


def test_no_retries_where_none_are_wanted(pair: list[Replica], monkeypatch: pytest.MonkeyPatch):
    one, _ = pair
    After(monkeypatch, 20, one.kill)
    with cubeflight.connect(one.url, retries=0) as client:
        cube = client.search(TILE, **ASKED)
        with pytest.raises(cubeflight.Unavailable):
            cube.load()
        with pytest.raises(cubeflight.Unavailable):
            client.search(TILE, **ASKED)


INTERRUPTED = """
import sys
import cubeflight
from cubeflight import _builder

add = _builder.Builder.add
def told(builder, batch):
    add(builder, batch)
    print("row", flush=True)
    sys.stdin.readline()
_builder.Builder.add = told
with cubeflight.connect(sys.argv[1]) as client:
    cube = client.search({tile!r}, bands={bands!r}, max_message_bytes=300_000)
    try:
        cube.load()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_an_interrupt_ends_the_stream_at_the_server(made: tuple[Path, Path], tmp_path: Path):
    with replicas(1, *made, tmp_path, profile="wan") as (one,):
        script = INTERRUPTED.format(tile=TILE, bands=["B08"])
        path = os.path.dirname(os.path.dirname(cubeflight.__file__))
        process = subprocess.Popen(
            [sys.executable, "-c", script, one.url],
            stdin=subprocess.PIPE,  # holds the load at its first row until it is closed
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "row\n"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)  # closes stdin
        assert rest.endswith("interrupted\n") and process.returncode == 0
        assert one.process is not None
        one.process.send_signal(signal.SIGTERM)  # waits for streams, of which none is left
        assert one.process.wait(timeout=10) == 0
        read = one.reads()
    (tmp_path / "other").mkdir()
    with replicas(1, *made, tmp_path / "other") as (other,):
        with cubeflight.connect(other.url) as client:
            requests = client.plan(TILE, bands=["B08"])["requests"]
    assert read < requests / 2, (read, requests)


def test_dask_on_two_workers_and_two_replicas(pair: list[Replica], whole: xr.DataTree):
    distributed = pytest.importorskip("distributed")
    one, two = pair
    local = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
    )
    with local as cluster, distributed.Client(cluster) as workers:
        with cubeflight.connect([one.url, two.url]) as client:
            tree = client.search(TILE, **ASKED).datatree
            steps = [workers.compute(tree[B08].isel(time=step)) for step in range(STEPS)]
            distributed.wait(steps[:3])
            one.kill()
            values = np.stack([step.values for step in workers.gather(steps)])
    np.testing.assert_array_equal(values, whole[B08].values)
    assert one.reads() > 0 and two.reads() > 0
