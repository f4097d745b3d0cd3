"""A cube over two processing baselines, saved by xarray and opened again."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import cubeflight
import numpy as np
import pytest
import xarray as xr

from blackbox import cli, serving

R10M = "measurements/reflectance/r10m"
R20M = "measurements/reflectance/r20m"
R60M = "measurements/reflectance/r60m"
REFLECTANCE = [f"{R10M}/b04", f"{R20M}/b11", f"{R60M}/b09"]
SCL = "conditions/mask/l2a_classification/r20m/scl"
AOT = "quality/atmosphere/r20m/aot"
# 0 is a value in these.
EXACT = [
    "quality/mask/r20m/b11",
    "conditions/mask/l1c_classification/r60m/b00",
    "quality/probability/r20m/cld",
    "quality/l2a_quicklook/r60m/tci",
]
BANDS = [*REFLECTANCE, SCL, AOT, *EXACT]

# The archive has pixels in the JPEG 2000 tiles that meet this area, and no data around them.
AREA = (450_000, 5_205_000, 451_200, 5_206_200)
BOX = (449_400, 5_206_800, 451_200, 5_211_000)
BOTH = "2021-11-01/2022-04-01"
LATER = "2022-02-01/2022-04-01"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cubeflight.Client]:
    work = tmp_path_factory.mktemp("baselines")
    said = cli(
        "archive", "--out", work / "archive", "--tile", "33TVN", "--steps", "4",
        "--start", "2021-11-01", "--end", "2022-04-01", "--bounds", ",".join(map(str, AREA)),
        "--bands", "B04,B11,B09,SCL,AOT_20m,QUALIT_B11,CLASSI,CLD,TCI_60m", "--json",
    )  # fmt: skip
    assert json.loads(said)["products"] == 4
    with serving(work / "archive", work / "index") as address, cubeflight.connect(address) as found:
        yield found


def search(client: cubeflight.Client, radiometry: str, period: str) -> cubeflight.Cube:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cubeflight.RadiometryWarning)
        return client.search("33TVN", period, BANDS, BOX, radiometry=radiometry).load()


def save(tree: xr.DataTree, path: Path) -> None:
    if path.suffix == ".zarr":
        tree.to_zarr(path)
    else:
        tree.to_netcdf(path, engine="h5netcdf")


def reopen(path: Path, *, decode: bool) -> xr.DataTree:
    engine = "zarr" if path.suffix == ".zarr" else "h5netcdf"
    with xr.open_datatree(path, engine=engine, mask_and_scale=decode) as tree:
        return tree.load()


def plain(attrs: dict) -> dict:
    """Without the types of arrays, and such that not-a-number equals itself."""
    return {key: str(np.asarray(value).tolist()) for key, value in attrs.items()}


def test_the_archive_is_what_the_tests_need(client: cubeflight.Client):
    raw = search(client, "raw", BOTH).datatree
    offsets = raw[f"{R10M}/b04"].b04_offset.values
    assert set(offsets) == {0, -1000} and offsets[0] == 0 and offsets[-1] == -1000
    for path in (*REFLECTANCE, SCL, AOT):
        assert (raw[path] == 0).any() and (raw[path] != 0).any()
    assert list(np.unique(search(client, "raw", LATER).datatree[f"{R10M}/b04"].b04_offset)) == [
        -1000
    ]


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
@pytest.mark.parametrize(
    ("radiometry", "period"),
    [("raw", BOTH), ("raw", LATER), ("harmonised", BOTH), ("reflectance", BOTH)],
)
def test_round_trip(
    client: cubeflight.Client, tmp_path: Path, radiometry: str, period: str, suffix: str
):
    tree = search(client, radiometry, period).datatree
    want = search(client, "reflectance", period).datatree
    path = tmp_path / f"cube{suffix}"
    save(tree, path)

    # As stored: the same numbers, types, coordinates and attributes.
    stored = reopen(path, decode=False)
    assert {node.path for node in stored.subtree} == {node.path for node in tree.subtree}
    for name in BANDS:
        assert stored[name].dtype == tree[name].dtype
        np.testing.assert_array_equal(stored[name].values, tree[name].values)
        assert plain(stored[name].attrs) == plain(tree[name].attrs)
        assert stored[name].coords.keys() == tree[name].coords.keys()
        for coordinate in tree[name].coords:
            np.testing.assert_array_equal(
                stored[name][coordinate].values, tree[name][coordinate].values
            )
        assert stored[name].spatial_ref.attrs["crs_wkt"] == tree[name].spatial_ref.attrs["crs_wkt"]

    # Decoded: the same reflectance, and nothing where there is no data.
    decoded = reopen(path, decode=True)
    for name in REFLECTANCE:
        got = decoded[name]
        if radiometry == "raw" and period == BOTH:  # the recipe of the documents
            got = (got + got[f"{got.name}_offset"]) / 10_000
        expected = want[name].values
        if radiometry == "harmonised":
            expected = np.maximum(expected, np.float32(0.0001))
        assert np.isnan(expected).any() and not np.isnan(expected).all()
        np.testing.assert_allclose(got.values, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        decoded[AOT], np.where(tree[AOT] == 0, np.nan, tree[AOT] / 1000), rtol=1e-6
    )
    np.testing.assert_array_equal(decoded[SCL], np.where(tree[SCL] == 0, np.nan, tree[SCL]))
    for name in EXACT:
        assert decoded[name].dtype == np.uint8
        np.testing.assert_array_equal(decoded[name].values, tree[name].values)

    # Decoded, saved and opened again: still the same.
    again = tmp_path / f"again{suffix}"
    save(decoded, again)
    for name, pixels in ((name, reopen(again, decode=False)[name]) for name in BANDS):
        assert pixels.dtype == tree[name].dtype
        np.testing.assert_array_equal(pixels.values, tree[name].values)


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_reflectance_of_a_raw_cube_can_be_saved(
    client: cubeflight.Client, tmp_path: Path, suffix: str
):
    result = search(client, "raw", BOTH)
    save(result.reflectance(), tmp_path / f"cube{suffix}")
    want = search(client, "reflectance", BOTH).datatree
    for decode in (True, False):
        found = reopen(tmp_path / f"cube{suffix}", decode=decode)
        for name in REFLECTANCE:
            np.testing.assert_array_equal(found[name].values, want[name].values)


def test_raw_with_its_offsets_is_reflectance(client: cubeflight.Client):
    with pytest.warns(cubeflight.RadiometryWarning, match="not comparable over time"):
        result = client.search("33TVN", BOTH, BANDS, BOX).load()
    want = search(client, "reflectance", BOTH).datatree
    for name in REFLECTANCE:
        raw = result.datatree[name]
        recipe = ((raw + raw[f"{raw.name}_offset"]) / 10_000).where(raw != 0)
        np.testing.assert_allclose(recipe, want[name], rtol=1e-6, atol=1e-7)
        # The same arithmetic as the server's, so the same bits.
        found = result.reflectance()[name]
        np.testing.assert_array_equal(found.values, want[name].values)
        assert plain(found.attrs) == plain(want[name].attrs)


def test_harmonised_is_one_radiometry(client: cubeflight.Client):
    raw = search(client, "raw", BOTH).datatree
    harmonised = search(client, "harmonised", BOTH).datatree
    for name in REFLECTANCE:
        offset = raw[name][f"{raw[name].name}_offset"]
        want = np.maximum(raw[name].astype(int) + offset, 1).where(raw[name] != 0, 0)
        np.testing.assert_array_equal(harmonised[name].values, want.values)
        assert harmonised[name].attrs["add_offset"] == 0.0
        assert harmonised[name].attrs["radiometry"] == "harmonised"
