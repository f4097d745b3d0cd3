"""Lazy cubes of the Python client: what is indexed is what is read, and equals what is loaded."""

import json
from collections.abc import Iterator

import cubeflight
import numpy as np
import pytest
import xarray as xr

from blackbox import cli
from test_archive import SEED, TILE, archive
from test_cache import Upstream
from test_s3 import KEYS, s3

BANDS = ["B08", "B11", "SCL"]
STEPS = 6
B08 = "measurements/reflectance/r10m/b08"
B11 = "measurements/reflectance/r20m/b11"
SCL = "conditions/mask/l2a_classification/r20m/scl"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """A bucket whose requests are logged."""
    place = tmp_path_factory.mktemp("lazy")
    archive(place / "root", STEPS, ",".join(BANDS))
    index, log = place / "index", place / "requests.jsonl"
    with s3(place / "root", "--log", log) as (_, endpoint):
        environment = {"AWS_ENDPOINT_URL": endpoint, **KEYS}
        cli("index", "--store", "s3://eodata", "--index", index.as_uri(), extra=environment)
        upstream = Upstream(index, log, environment)
        upstream.reads()
        yield upstream


@pytest.fixture(scope="module")
def client(upstream: Upstream) -> Iterator[cubeflight.Client]:
    with upstream.serving("--cache-memory", "0") as address:
        with cubeflight.connect(address) as client:
            yield client


@pytest.fixture(scope="module")
def loaded(client: cubeflight.Client) -> xr.DataTree:
    return client.search(TILE, bands=BANDS, bounds=SEED).load().datatree


def moved(upstream: Upstream) -> int:
    """Bytes of images since the last call."""
    total = 0
    for (_, span), times in upstream.reads().items():
        start, end = map(int, span.removeprefix("bytes=").split("-"))
        total += times * (end - start + 1)
    return total


@pytest.mark.parametrize("chunks", [{}, None, {"time": 2, "y": 300, "x": 400}, "auto"])
def test_lazy_equals_loaded(client: cubeflight.Client, loaded: xr.DataTree, chunks: object):
    cube = client.search(TILE, bands=BANDS, bounds=SEED, chunks=chunks)
    lazy = cube.datatree
    assert lazy.groups == loaded.groups
    for path in (B08, B11, SCL):
        assert bool(lazy[path].chunks) == (chunks is not None)
        assert (lazy[path].shape, lazy[path].dtype) == (loaded[path].shape, loaded[path].dtype)
        xr.testing.assert_identical(
            lazy[path].compute(), loaded[path].drop_vars(["status", "valid_fraction"])
        )
    assert "lazy" in repr(cube)


def test_only_what_is_indexed_is_read(upstream: Upstream, client: cubeflight.Client):
    moved(upstream)
    client.search(TILE, bands=BANDS, bounds=SEED).load()
    whole = moved(upstream)
    for chunks in ({}, None):  # dask hands the slices through
        cube = client.search(TILE, bands=BANDS, bounds=SEED, chunks=chunks)
        tree = cube.datatree
        assert moved(upstream) == 0
        part = tree[B08].isel(time=3, x=slice(0, 256), y=slice(0, 256)).compute()
        assert part.shape == (256, 256) and part.values.any()
        few = moved(upstream)
        assert 0 < few < 0.08 * whole, (few, whole)


@pytest.mark.parametrize(
    "index",
    [
        {"time": 2},
        {"time": [4, 0, 4]},
        {"time": slice(None, None, -2), "y": slice(500, 100, -7)},
        {"y": [3, 900, 3], "x": 17},
        {"x": slice(5, 5)},
        {"time": -1, "y": -1, "x": -1},
    ],
    ids=str,
)
def test_any_index(client: cubeflight.Client, loaded: xr.DataTree, index: dict):
    for chunks in ({}, None):
        lazy = client.search(TILE, bands=["B08"], bounds=SEED, chunks=chunks).datatree
        want = loaded[B08].isel(index)
        np.testing.assert_array_equal(lazy[B08].isel(index).values, want.values)


def test_parts_of_bounds_in_another_crs(client: cubeflight.Client):
    asked = {"bounds": (14.35, 47.0, 14.40, 47.04), "crs": 4326, "align": "60m", "reduce": 1}
    whole = client.search(TILE, bands=BANDS, **asked).load().datatree
    lazy = client.search(TILE, bands=BANDS, **asked, chunks=None).datatree
    for path in (B08, B11, SCL):
        part = {"time": slice(1, 3), "y": slice(10, 40), "x": slice(7, 30)}
        np.testing.assert_array_equal(lazy[path].isel(part).values, whole[path].isel(part).values)


def test_masked_and_skipped_steps(client: cubeflight.Client):
    asked = {"bounds": SEED, "mask": {"scl": [3, 8, 9, 10], "dilate": 60}, "min_valid": 0.3}
    whole = client.search(TILE, bands=["B08"], **asked).load().datatree
    lazy = client.search(TILE, bands=["B08"], **asked).datatree
    part = {"time": slice(0, 4), "y": slice(100, 180), "x": slice(300, 420)}
    np.testing.assert_array_equal(lazy[B08].isel(part).values, whole[B08].isel(part).values)
    asked.pop("min_valid")
    whole = client.search(TILE, bands=["B08"], **asked).load().datatree
    lazy = client.search(TILE, bands=["B08"], **asked).datatree
    np.testing.assert_array_equal(lazy[B08].isel(part).values, whole[B08].isel(part).values)


def test_one_dataset(client: cubeflight.Client, loaded: xr.DataTree):
    cube = client.search(TILE, bands=BANDS, bounds=SEED)
    group = cube.dataset("r20m")
    assert set(group.data_vars) == {"b11", "scl"}
    np.testing.assert_array_equal(group.b11.values, loaded[B11].values)
    flat = cube.dataset(resolution=10)
    assert set(flat.data_vars) == {"b08", "b11", "scl"} and flat.b11.chunks
    np.testing.assert_array_equal(flat.b08.values, loaded[B08].values)
    # each pixel of 10 m has the value of the pixel of 20 m that its centre lies in
    near = loaded[B11].sel(y=flat.y, x=flat.x, method="nearest")
    np.testing.assert_array_equal(flat.b11.values, near.values)
    coarse = cube.dataset(resolution=60)
    assert abs(float(coarse.x[1] - coarse.x[0])) == 60
    assert coarse.b08.attrs["proj:shape"] == list(coarse.b08.shape[1:])
    with pytest.raises(KeyError, match="r10m"):
        cube.dataset("r60m")
    for wrong in ({}, {"group": "r10m", "resolution": 10}, {"resolution": 0}):
        with pytest.raises(ValueError):
            cube.dataset(**wrong)
    with pytest.raises(ValueError, match="nearest"):
        cube.dataset(resolution=10, resampling="cubic")


def test_steps_one_by_one(client: cubeflight.Client, loaded: xr.DataTree):
    cube = client.search(TILE, bands=BANDS, bounds=SEED)
    steps = list(cube.iter_steps())
    assert len(steps) == STEPS
    for number, step in enumerate(steps):
        for path in (B08, B11, SCL):
            assert step[path].shape[0] == 1
            assert step[path].time[0] == loaded[path].time[number]
            np.testing.assert_array_equal(step[path][0].values, loaded[path][number].values)
        assert len(step.attrs["product_ids"]) == 1
    again = [tree[B08].time.values[0] for tree in cube.load().iter_steps()]
    assert again == list(loaded[B08].time.values)


def test_the_plan_tells_time_and_is_readable(client: cubeflight.Client):
    cube = client.search(TILE, bands=BANDS, bounds=SEED)
    plan = cube.plan()
    assert plan["estimated_seconds"] > 0 and plan.requests == plan["requests"]
    for text in (repr(plan), plan._repr_html_(), repr(cube)):
        assert f"{STEPS} of {STEPS} products" in text and "estimated time" in text
    assert client.plan(TILE, bands=BANDS, bounds=SEED).keys() == plan.keys()
    told = json.loads(json.dumps(dict(plan)))
    assert told["time_steps"] == STEPS


def test_reflectance_is_lazy_too(client: cubeflight.Client, upstream: Upstream):
    cube = client.search(TILE, bands=["B08"], bounds=SEED)
    moved(upstream)
    lazy = cube.reflectance()[B08]
    assert lazy.chunks and moved(upstream) == 0
    now = client.search(TILE, bands=["B08"], bounds=SEED, radiometry="reflectance").load()
    np.testing.assert_array_equal(lazy.values, now.datatree[B08].values)
