"""Reduced cubes: the low-pass of the wavelet as GDAL decodes it, classes as they are."""

from collections.abc import Iterator
from pathlib import Path

import cubeflight
import numpy as np
import pytest
import rasterio
import xarray as xr

from blackbox import cli, serving
from test_archive import SEED, TILE, archive

LEFT, TOP = 399960, 5300040
SCL = "conditions/mask/l2a_classification/r20m/scl"
# Path in the cube, file, pixel size.
LOW_PASS = [
    ("measurements/reflectance/r10m/b08", "B08_10m", 10),
    ("measurements/reflectance/r20m/b11", "B11_20m", 20),
    ("measurements/reflectance/r60m/b04", "B04_60m", 60),
    ("quality/l2a_quicklook/r60m/tci", "TCI_60m", 60),
]
BANDS = [file for _, file, _ in LOW_PASS] + ["SCL_20m"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reduced")
    archive(root, 1, ",".join(BANDS), "--swath-edges", "1")
    cli("index", "--store", root / "eodata", "--index", root / "index", "--assets", "all")
    return root


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[cubeflight.Client]:
    with serving(root / "eodata", root / "index") as url, cubeflight.connect(url) as client:
        yield client


def file(root: Path, name: str) -> Path:
    (path,) = (root / "eodata").rglob(f"*_{name}.jp2")
    return path


def lattice(pixels: xr.DataArray, metres: int, level: int) -> tuple[slice, slice]:
    """Rows and columns of the reduced image, from where the centres are said to be."""
    size = metres << level
    first_x, first_y = LEFT + metres / 2, TOP - metres / 2
    column, row = (pixels.x.values[0] - first_x) / size, (first_y - pixels.y.values[0]) / size
    assert column.is_integer() and row.is_integer()
    rows, columns = pixels.sizes["y"], pixels.sizes["x"]
    np.testing.assert_array_equal(pixels.x, first_x + size * (column + np.arange(columns)))
    np.testing.assert_array_equal(pixels.y, first_y - size * (row + np.arange(rows)))
    return slice(int(row), int(row) + rows), slice(int(column), int(column) + columns)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_images_are_the_low_pass_and_classes_are_samples(
    root: Path, client: cubeflight.Client, level: int
):
    tree = client.search(TILE, bands=BANDS, bounds=SEED, reduce=level).load().datatree
    for path, name, metres in LOW_PASS:
        pixels = tree[path]
        rows, columns = lattice(pixels, metres, level)
        with rasterio.open(file(root, name), OVERVIEW_LEVEL=level - 1) as image:
            whole = image.read()
        side = -(-(109_800 // metres) >> level)
        assert whole.shape[1:] == (side, side)
        want = whole[:, rows, columns].reshape(pixels.shape[1:])
        assert len(np.unique(want)) > 20
        np.testing.assert_array_equal(pixels.values[0], want, path)
        # and that is not what sampling would give
        with rasterio.open(file(root, name)) as image:
            sampled = image.read()[:, :: 1 << level, :: 1 << level][:, rows, columns]
        assert (sampled.reshape(want.shape) != want)[want > 0].mean() > 0.2
    scl = tree[SCL]
    rows, columns = lattice(scl, 20, level)
    with rasterio.open(file(root, "SCL_20m")) as image:
        full = image.read(1)
    step = 1 << level
    np.testing.assert_array_equal(scl.values[0], full[::step, ::step][rows, columns])
    classes = set(np.unique(scl.values))
    assert len(classes) > 3
    # no class that is not among the pixels which a sample stands for
    around = full[rows.start * step : rows.stop * step, columns.start * step : columns.stop * step]
    blocks = around.reshape(rows.stop - rows.start, step, -1, step)
    assert (blocks == scl.values[0][:, None, :, None]).any(axis=(1, 3)).all()


@pytest.mark.parametrize("level", [1, 3, 4])
def test_windows_are_crops(client: cubeflight.Client, level: int):
    whole = client.search(TILE, bands=BANDS, reduce=level).load().datatree
    dice = np.random.default_rng(level)
    for _ in range(4):
        x, y = dice.uniform(SEED[0], SEED[2] - 4000), dice.uniform(SEED[1], SEED[3] - 4000)
        bounds = (x, y, x + dice.uniform(1500, 4000), y + dice.uniform(1500, 4000))
        # in blocks, too
        more = {"max_message_bytes": 20_000} if level == 1 else {}
        part = client.search(TILE, bands=BANDS, bounds=bounds, reduce=level, **more).load().datatree
        for path in [path for path, *_ in LOW_PASS] + [SCL]:
            found = part[path]
            # the samples whose centres lie in the bounds, both ends included
            inside = whole[path].sel(x=slice(bounds[0], bounds[2]), y=slice(bounds[3], bounds[1]))
            assert found.shape == inside.shape
            np.testing.assert_array_equal(found.x, inside.x)
            np.testing.assert_array_equal(found.y, inside.y)
            np.testing.assert_array_equal(found.values, inside.values, path)
