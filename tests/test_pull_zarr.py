"""The Zarr store that pull writes: the cube that the Python client makes of the same request."""

from collections.abc import Iterator
from pathlib import Path

import cubeflight
import numpy as np
import pytest
import xarray as xr

from blackbox import cli, codes, run, serving_urls
from test_mask import BOX

TILE = "33TVN"
ASKED = {"bands": ["B08", "B11", "SCL"], "bounds": BOX}
WORDS = ["--tile", TILE, "--bands", "B08,B11,SCL", "--bounds", ",".join(map(str, BOX))]
# The store names the coordinate reference system without its WKT; the rest belongs to the encoding.
OWN = {"_FillValue", "grid_mapping", "crs_wkt", "proj:wkt2", "GeoTransform", "coordinates"}


@pytest.fixture(scope="module")
def mission(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of a year in which the offset of raw digital numbers changes."""
    out = tmp_path_factory.mktemp("zarr")
    words = ["--tile", TILE, "--start", "2021-11-01", "--end", "2022-03-15", "--steps", 6]
    words += ["--bands", "B08,B11,SCL", "--bounds", ",".join(map(str, BOX))]
    cli("archive", "--out", out, *words)
    where = [(out / "eodata").as_uri(), (out / "index").as_uri()]
    cli("index", "--store", where[0], "--index", where[1])
    with serving_urls(*where, out / "serve.log") as address:
        yield address


@pytest.mark.parametrize("radiometry", ["raw", "harmonised", "reflectance"])
def test_a_year(mission: str, tmp_path: Path, radiometry: str):
    with cubeflight.connect(mission) as client:
        want = client.search(TILE, radiometry=radiometry, **ASKED).load().datatree
    out = tmp_path / "cube.zarr"
    cli("pull", mission, *WORDS, "--radiometry", radiometry, "--out", out)
    equal(out, want)
    if radiometry == "raw":
        assert want["measurements/reflectance/r10m/b08"].attrs["radiometry"] == "raw-mixed"


@pytest.mark.parametrize("radiometry", ["raw", "reflectance"])
def test_whole_tile_of_a_real_product(
    server: str, client: cubeflight.Client, tmp_path: Path, radiometry: str
):
    bands = ["B04_60m", "SCL_60m", "TCI_60m", "SCL"]
    want = client.search("29UNU", bands=bands, radiometry=radiometry).load().datatree
    out = tmp_path / "cube.zarr"
    words = ["--tile", "29UNU", "--bands", ",".join(bands), "--radiometry", radiometry]
    cli("pull", server, *words, "--out", out)
    equal(out, want)
    with xr.open_datatree(out, engine="zarr", consolidated=False) as tree:
        masked = tree["measurements/reflectance/r60m/b04"]
        assert masked.dtype.kind == "f" and masked.notnull().any()
        chunks = masked.encoding["preferred_chunks"]
        assert chunks == {"time": 1, "y": 1024, "x": 1024}


def test_nothing_is_overwritten(server: str, tmp_path: Path):
    words = ["--tile", "29UNU", "--bands", "SCL_60m", "--bounds", "500000,5850000,503000,5852000"]
    cli("pull", server, *words, "--out", tmp_path / "cube.zarr")
    again = run("pull", server, *words, "--out", tmp_path / "cube.zarr")
    assert (again.returncode, codes(again.stderr)) == (1, ["CF-CLI-002"]), again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cube.zarr"]


def test_a_list_of_windows_is_refused(tmp_path: Path):
    windows = tmp_path / "windows.json"
    windows.write_text("[]")
    words = ["--tile", "29UNU", "--bands", "SCL_60m", "--windows", windows]
    refused = run("pull", "grpc://127.0.0.1:1", *words, "--out", tmp_path / "cube.zarr")
    assert refused.returncode == 2 and ".npz" in refused.stderr, refused.stderr


def equal(path: Path, want: xr.DataTree):
    """Pixels, coordinates and attributes; whole numbers of coordinates may be wider."""
    with xr.open_datatree(path, engine="zarr", consolidated=False, mask_and_scale=False) as found:
        assert sorted(found.groups) == sorted(want.groups)
        assert found.attrs["product_ids"] == want.attrs["product_ids"]
        for group in want.groups:
            these, those = found[group].to_dataset(), want[group].to_dataset()
            assert set(these.variables) == set(those.variables)
            for name, variable in those.variables.items():
                same(str(name), these[name].variable, variable)


def same(name: str, found: xr.Variable, want: xr.Variable):
    assert found.dims == want.dims, name
    if found.ndim > 1:
        assert found.dtype == want.dtype, name
    np.testing.assert_array_equal(found.values, want.values)
    assert own(found) == own(want), name


def own(variable: xr.Variable) -> dict:
    plain = {key: np.asarray(value).tolist() for key, value in variable.attrs.items()}
    return {key: value for key, value in plain.items() if key not in OWN}
