"""The notebook flow that users know from reading JP2 files by an index, in one search."""

from collections.abc import Iterator
from pathlib import Path

import cubeflight
import matplotlib
import numpy as np
import pytest
import xarray as xr

from blackbox import cli
from test_archive import SEED, TILE, archive
from test_cache import Upstream
from test_python_lazy import moved
from test_s3 import KEYS, s3

matplotlib.use("Agg")

BANDS = ["B08", "B11", "SCL"]
STEPS = 30
QUERY = {"eo:cloud_cover": {"lte": 80}}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    place = tmp_path_factory.mktemp("seed")
    archive(place / "root", STEPS, ",".join(BANDS))
    index, log = place / "index", place / "requests.jsonl"
    with s3(place / "root", "--log", log) as (_, endpoint):
        environment = {"AWS_ENDPOINT_URL": endpoint, **KEYS}
        cli("index", "--store", "s3://eodata", "--index", index.as_uri(), extra=environment)
        upstream = Upstream(index, log, environment)
        upstream.reads()
        yield upstream


def test_the_flow_of_the_notebook(upstream: Upstream, tmp_path: Path):
    from matplotlib import pyplot

    with upstream.serving("--catalog", "archive") as address, cubeflight.connect(address) as client:
        result = client.search(
            TILE,
            datetime="2021-01-01/2022-01-01",
            query=QUERY,
            bands=BANDS,
            bounds=SEED,
            chunks={},
        )
        steps = len(result.matched_ids)
        assert 23 <= steps <= STEPS
        tree = result.datatree
        printed = str(tree)
        for group in (
            "/measurements/reflectance/r10m",
            "/measurements/reflectance/r20m",
            "/conditions/mask/l2a_classification/r20m",
        ):
            assert f"Group: {group}\n" in printed
        for variable, shape, dtype in (
            ("b08", (steps, 1049, 1063), "uint16"),
            ("b11", (steps, 525, 531), "uint16"),
            ("scl", (steps, 525, 531), "uint8"),
        ):
            (line,) = [line for line in printed.splitlines() if f" {variable} " in line]
            assert f"(time, y, x) {dtype}" in line and "dask.array<chunksize=(1, " in line
            (found,) = [node[variable] for node in tree.subtree if variable in node.data_vars]
            assert found.shape == shape
            assert result.plan().shapes[_path(tree, variable)] == list(shape[1:])
        assert tree["measurements/reflectance/r10m"].attrs["proj:epsg"] == 32633
        computed = tree.compute(scheduler="threads", num_workers=32)
        loaded = client.search(TILE, "2021", BANDS, SEED, query=QUERY).load().datatree
        for variable in ("b08", "b11", "scl"):
            path = _path(tree, variable)
            assert isinstance(computed[path].variable.data, np.ndarray)
            np.testing.assert_array_equal(computed[path].values, loaded[path].values)
        figure, axes = pyplot.subplots()
        computed["measurements/reflectance/r20m"]["b11"].isel(time=22).plot(ax=axes)
        figure.savefig(tmp_path / "b11.png")
        picture = pyplot.imread(tmp_path / "b11.png")
        assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
        assert axes.get_xlabel().startswith("x of the pixel centre")


def test_a_small_part_moves_few_bytes(upstream: Upstream):
    with upstream.serving("--cache-memory", "0") as address:
        with cubeflight.connect(address) as client:
            moved(upstream)
            client.search(TILE, bands=BANDS, bounds=SEED).load()
            whole = moved(upstream)
            year = whole * 90 / STEPS  # of a cube as long as the notebook's
            for chunks in ({}, None):
                tree = client.search(TILE, bands=BANDS, bounds=SEED, chunks=chunks).datatree
                b08 = tree["measurements/reflectance/r10m"]["b08"]
                strip = b08.isel(time=3, x=slice(0, 256))
                assert strip.compute().shape == (1049, 256)
                assert 0 < moved(upstream) < 0.02 * year
                part = b08.isel(time=4, x=slice(0, 256), y=slice(500, 756))
                assert part.compute().shape == (256, 256)
                assert 0 < moved(upstream) < 0.02 * whole


def _path(tree: xr.DataTree, variable: str) -> str:
    (path,) = [node.path for node in tree.subtree if variable in node.data_vars]
    return f"{path.strip('/')}/{variable}"
