"""An indexed archive read by zarr and xarray through references, without a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cubeflight
import numpy as np
import pyproj
import pytest
import xarray as xr

from blackbox import L1C, L2A, Decoder, cli, codes, jp2, run

R60M = "measurements/reflectance/r60m"
SCL = "conditions/mask/l2a_classification/r20m/scl"
AOT = "quality/atmosphere/r10m/aot"
TCI = "quality/l2a_quicklook/r60m/tci"
# Path, file, side of a JP2 tile in pixels.
ASSETS = [(SCL, "SCL_20m", 640), (f"{R60M}/b04", "B04_60m", 192), (AOT, "AOT_10m", 1024)]
FORMATS = ["refs.json", "refs.parq"]
BANDS = "SCL,B04_60m,B11_60m,AOT,TCI_60m,CLASSI,QUALIT_B01"


def make(store: Path, index: Path, out: Path, tile: str = "29UNU", *more: str) -> str:
    return cli(
        "tlm", "references", "--store", store.as_uri(), "--index", index.as_uri(),
        "--tile", tile, "--out", out, *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def references(
    store: Path, indexed: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the references of some assets in both formats."""
    folder = tmp_path_factory.mktemp("references")
    for name in FORMATS:
        said = make(store, indexed[0], folder / name, "29UNU", "--bands", BANDS)
        assert "references to 7 files, 7 arrays of 1 time steps" in said
    return folder


@pytest.fixture(params=FORMATS)
def tree(request: pytest.FixtureRequest, references: Path) -> xr.DataTree:
    return cubeflight.open_references(references / request.param)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int, int]]]:
    """File, start and end of every read of a JP2 file."""
    from fsspec.implementations.local import LocalFileSystem

    found: list[tuple[str, int, int]] = []
    original = LocalFileSystem.cat_file

    def counted(self: Any, path: str, start: Any = None, end: Any = None, **more: Any) -> Any:
        if path.endswith(".jp2"):
            found.append((path, start, end))
        return original(self, path, start=start, end=end, **more)

    monkeypatch.setattr(LocalFileSystem, "cat_file", counted)
    yield found


@pytest.mark.parametrize(("path", "asset", "side"), ASSETS)
def test_pixels_are_those_of_the_files(
    tree: xr.DataTree, decode: Decoder, path: str, asset: str, side: int
):
    want = decode.asset(L2A, asset)
    pixels = tree[path]
    assert pixels.dims == ("time", "y", "x")
    assert pixels.shape == (1, *want.shape)
    assert pixels.dtype == want.dtype
    last = want.shape[0]
    windows = [
        (slice(side - 5, side + 9), slice(2 * side - 7, 2 * side + 3)),  # where four tiles meet
        (slice(3, 4), slice(side // 2, 3 * side)),  # a row over three tiles
        (slice(last - 11, last), slice(last - 300, last)),  # the last tile is cut
        (slice(last // 2, last // 2 + 2), slice(last - 1, last)),
    ]
    assert last % side
    for rows, columns in windows:
        got = pixels.isel(time=0, y=rows, x=columns)
        np.testing.assert_array_equal(got.values, want[rows, columns])
    assert any((want[window] != 0).any() for window in windows)


def test_several_components(tree: xr.DataTree, decode: Decoder):
    rows, columns = slice(900, 1100), slice(1600, 1830)
    tci = tree[TCI]
    assert tci.dims == ("time", "band", "y", "x")
    want = decode.asset(L2A, "TCI_60m")[rows, columns].transpose(2, 0, 1)
    np.testing.assert_array_equal(tci.isel(time=0, y=rows, x=columns), want)
    for path, name in (
        ("conditions/mask/l1c_classification/r60m/b00", "QI_DATA/MSK_CLASSI_B00"),
        ("quality/mask/r60m/b01", "QI_DATA/MSK_QUALIT_B01"),
    ):
        components = decode.asset(L2A, name)[rows, columns]
        bits = 1 << np.arange(components.shape[2], dtype=np.uint8)
        want = ((components != 0) * bits).sum(axis=2).astype(np.uint8)
        np.testing.assert_array_equal(tree[path].isel(time=0, y=rows, x=columns), want)


def test_only_the_tiles_of_the_window_are_read(
    tree: xr.DataTree, reads: list[tuple[str, int, int]], references: Path, store: Path
):
    refs = json.loads((references / "refs.json").read_text())["refs"]
    assert reads == []
    tree[SCL].isel(time=0, y=slice(635, 650), x=slice(1270, 1290)).load()
    wanted = [refs[f"{SCL}/0.{row}.{column}"] for row in (0, 1) for column in (1, 2)]
    assert sorted(reads) == sorted((url, offset, offset + length) for url, offset, length in wanted)
    assert {Path(url.removeprefix("file://")) for url, *_ in reads} == {jp2(store, L2A, "SCL_20m")}


def test_the_tree_is_as_the_server_gives_it(tree: xr.DataTree, client: cubeflight.Client):
    bands = ["SCL", "B04_60m", "TCI_60m"]
    served = client.search("29UNU", datetime="2022-10-05", bands=bands).load().datatree
    for path in (SCL, f"{R60M}/b04", TCI):
        got, want = tree[path], served[path]
        for name in want.dims:
            np.testing.assert_array_equal(got[name], want[name])
        assert {k: np.asarray(v).tolist() for k, v in got.attrs.items()} == {
            k: np.asarray(v).tolist() for k, v in want.attrs.items()
        }
        known = {"product_ids", "platform", "relative_orbit", "processing_baseline", "spatial_ref"}
        for name in known:
            np.testing.assert_array_equal(got[name].values, want[name].values)
        assert got.spatial_ref.attrs == want.spatial_ref.attrs
        assert tree[path.rpartition("/")[0]].attrs == served[path.rpartition("/")[0]].attrs
    assert pyproj.CRS.from_wkt(tree[SCL].spatial_ref.attrs["crs_wkt"]).to_epsg() == 32629
    assert list(tree[f"{R60M}/b04"].b04_offset.values) == [-1000]
    assert tree.attrs["product_ids"] == [L2A]
    assert tree.attrs["attribution"] == "Contains modified Copernicus Sentinel data [2022]"


def test_masked(references: Path, decode: Decoder):
    tree = cubeflight.open_references(references / "refs.json", mask_and_scale=True)
    want = decode.asset(L2A, "AOT_10m")[5000:5040, 5000:5040].astype(float)
    got = tree[AOT].isel(time=0, y=slice(5000, 5040), x=slice(5000, 5040))
    np.testing.assert_allclose(got, np.where(want == 0, np.nan, want * 0.001), rtol=1e-6)
    # 0 is a colour
    assert tree[TCI].dtype == np.uint8


def test_southern_tile(store: Path, indexed: tuple[Path, dict], decode: Decoder, tmp_path: Path):
    out = tmp_path / "l1c.parq"
    more = ("--collection", "sentinel-2-l1c", "--bands", "B01", "--datetime", "2022-01")
    make(store, indexed[0], out, "18LTM", *more)
    b01 = cubeflight.open_references(out)[f"{R60M}/b01"]
    want = decode.asset(L1C, "151701_B01")
    np.testing.assert_array_equal(b01.values[0], want)
    assert b01.spatial_ref.attrs["false_northing"] == 10_000_000.0


def test_a_missing_file_is_fill(store: Path, decode: Decoder, tmp_path: Path):
    """Two dates, the second one without AOT; and an older product of the first."""
    later = L2A.replace("20221005", "20221010")
    older = L2A.replace("_N0400_", "_N0301_")
    source = jp2(store, L2A, "SCL_20m").relative_to(store)
    files = [(L2A, "SCL_20m"), (L2A, "AOT_20m"), (later, "SCL_20m"), (older, "SCL_20m")]
    for product, name in files:
        key = str(source).replace(L2A, product).replace("SCL_20m", name)
        key = key.replace("20221005T115411", "20221010T115411") if product == later else key
        target = tmp_path / "store" / key
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(jp2(store, L2A, name), target)
    moved, index = tmp_path / "store", tmp_path / "index"
    index.mkdir()
    assets = ("--assets", "SCL,AOT_20m")
    cli("index", "--store", moved.as_uri(), "--index", index.as_uri(), *assets)
    for name in FORMATS:
        said = make(moved, index, tmp_path / name)
        assert f"left out: {older}: {L2A} has a higher processing baseline" in said
        tree = cubeflight.open_references(tmp_path / name)
        assert list(tree[SCL].product_ids.values) == [L2A, later]
        rows, columns = slice(3000, 3100), slice(3000, 3100)
        aot = tree["quality/atmosphere/r20m/aot"].isel(y=rows, x=columns).values
        want = decode.asset(L2A, "AOT_20m")[rows, columns]
        np.testing.assert_array_equal(aot, [want, np.zeros_like(want)])
        scl = decode.asset(L2A, "SCL_20m")[rows, columns]
        got = tree[SCL].sel(time="2022-10-10").isel(y=rows, x=columns)
        np.testing.assert_array_equal(got.values[0], scl)


def test_another_file_is_noticed(store: Path, indexed: tuple[Path, dict], tmp_path: Path):
    moved = tmp_path / "a store"
    target = moved / jp2(store, L2A, "SCL_20m").relative_to(store)
    target.parent.mkdir(parents=True)
    shutil.copyfile(jp2(store, L2A, "SCL_60m"), target)
    make(moved, indexed[0], tmp_path / "refs.json", "29UNU", "--bands", "SCL")
    tree = cubeflight.open_references(tmp_path / "refs.json")
    with pytest.raises(ValueError, match="tile-part"):
        tree[SCL][0, 2000:2010, 2000:2010].load()
    with pytest.raises(ValueError, match="tile-part"):  # begins after the end of this file
        tree[SCL][0, -10:, -10:].load()
    target.unlink()
    with pytest.raises(Exception, match="failed to fetch"):
        tree[SCL][0, :10, :10].load()


def test_refusals(store: Path, indexed: tuple[Path, dict], tmp_path: Path):
    def refused(*more: str | Path) -> tuple[int, list[str], str]:
        done = run(
            "tlm", "references", "--store", store.as_uri(), "--index", indexed[0].as_uri(), *more
        )
        return done.returncode, codes(done.stderr), done.stderr

    tile = ("--tile", "29UNU")
    code, found, text = refused(*tile, "--out", tmp_path / "refs.zarr")
    assert (code, found) == (2, ["CF-CLI-001"]) and ".parq" in text
    out = ("--out", tmp_path / "refs.json")
    code, found, text = refused(*tile, *out, "--datetime", "2019")
    assert (code, found) == (1, ["CF-CLI-001"]) and "29UNU" in text
    assert not (tmp_path / "refs.json").exists()
    full = tmp_path / "full.parq"
    full.mkdir()
    (full / "other").touch()
    code, found, text = refused(*tile, "--out", full)
    assert (code, found) == (2, ["CF-CLI-001"]) and "not empty" in text
