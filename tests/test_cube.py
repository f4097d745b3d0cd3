"""Cubes of real products, from files in a directory to a DataTree in Python."""

import cubeflight
import numpy as np
import pyproj
import pytest
import xarray as xr

from blackbox import L1C, L2A, OLD_L1C, Decoder

# Upper-left corners of the tiles (x, y) in metres.
CORNER = {"29UNU": (499980, 5900040), "18LTM": (199980, 8700040)}

L2A_TIME = np.datetime64("2022-10-05T11:54:11", "us")
L1C_TIME = np.datetime64("2022-01-25T15:17:01", "us")

# 20 km wide, over the edge of the swath, on no pixel lattice.
BOX = (560003.7, 5840007.2, 580003.7, 5860007.2)
BOX_18LTM = (240001.5, 8650002.5, 260001.5, 8670002.5)

R10M = "measurements/reflectance/r10m"
R60M = "measurements/reflectance/r60m"
SCL_20M = "conditions/mask/l2a_classification/r20m/scl"
SCL_60M = "conditions/mask/l2a_classification/r60m/scl"
AOT_10M = "quality/atmosphere/r10m/aot"


def window(tile: str, bounds: tuple[float, ...], metres: int) -> tuple[slice, slice]:
    """Rows and columns whose centres lie in the bounds, both ends included."""
    left, top = CORNER[tile]
    pixels = 109_800 // metres
    x = left + metres * (np.arange(pixels) + 0.5)
    y = top - metres * (np.arange(pixels) + 0.5)
    columns = np.flatnonzero((bounds[0] <= x) & (x <= bounds[2]))
    rows = np.flatnonzero((bounds[1] <= y) & (y <= bounds[3]))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def check_coordinates(
    pixels: xr.DataArray, tile: str, metres: int, rows: slice, columns: slice
) -> None:
    left, top = CORNER[tile]
    assert pixels.x.dtype == pixels.y.dtype == np.float64
    np.testing.assert_array_equal(
        pixels.x, left + metres * (np.arange(columns.start, columns.stop) + 0.5)
    )
    np.testing.assert_array_equal(pixels.y, top - metres * (np.arange(rows.start, rows.stop) + 0.5))


def test_l2a_box(client: cubeflight.Client, decode: Decoder):
    bands = ["SCL", "AOT_10m", "B01_60m", "B04_60m", "B8A_60m", "B11_60m"]
    result = client.search("29UNU", datetime="2022-10-05", bands=bands, bounds=BOX).load()
    assert result.matched_ids == [L2A]
    assert result.errors == []
    assert result.plan()["time_steps"] == 1
    assert result.plan()["assets_without_index"] == 0
    expected = {
        SCL_20M: ("SCL_20m", 20, np.uint8),
        AOT_10M: ("AOT_10m", 10, np.uint16),
        f"{R60M}/b01": ("B01_60m", 60, np.uint16),
        f"{R60M}/b04": ("B04_60m", 60, np.uint16),
        f"{R60M}/b8a": ("B8A_60m", 60, np.uint16),
        f"{R60M}/b11": ("B11_60m", 60, np.uint16),
    }
    tree = result.datatree
    found = {f"{node.path}/{name}".lstrip("/") for node in tree.subtree for name in node.data_vars}
    assert found == set(expected)
    for path, (asset, metres, dtype) in expected.items():
        rows, columns = window("29UNU", BOX, metres)
        want = decode.asset(L2A, asset)[rows, columns]
        assert (want == 0).any() and (want != 0).any()
        pixels = tree[path]
        assert pixels.dims == ("time", "y", "x")
        assert pixels.dtype == dtype
        np.testing.assert_array_equal(pixels.values[0], want)
        check_coordinates(pixels, "29UNU", metres, rows, columns)
        assert list(pixels.time.values) == [L2A_TIME]
        assert pixels.time.dtype == np.dtype("datetime64[us]")
        assert list(pixels.product_ids.values) == [L2A]
        assert list(pixels.status.values) == ["ok"]


def test_attributes(client: cubeflight.Client):
    tree = client.search("29UNU", bands=["SCL", "B04_60m"], bounds=BOX).load().datatree
    assert tree.attrs["product_ids"] == [L2A]
    assert "Contains modified Copernicus Sentinel data" in tree.attrs["attribution"]
    assert tree[R60M].attrs["proj:epsg"] == 32629
    b04, scl = tree[f"{R60M}/b04"], tree[SCL_20M]
    assert b04.attrs["_FillValue"] == 0 and b04.attrs["_FillValue"].dtype == np.uint16
    assert b04.attrs["valid_min"] == 1
    assert "B04" in b04.attrs["long_name"].upper()
    rows, columns = window("29UNU", BOX, 60)
    left, top = CORNER["29UNU"]
    corner = [60, 0, left + 60 * columns.start, 0, -60, top - 60 * rows.start, 0, 0, 1]
    assert list(b04.attrs["proj:transform"]) == corner
    assert list(b04.attrs["proj:shape"]) == list(b04.shape[1:])
    np.testing.assert_array_equal(scl.attrs["flag_values"], np.arange(12))
    meanings = scl.attrs["flag_meanings"].split(" ")
    assert len(meanings) == 12 and meanings[4] == "vegetation"
    crs = pyproj.CRS.from_wkt(b04.spatial_ref.attrs["crs_wkt"])
    assert crs == pyproj.CRS.from_epsg(32629)


def test_metadata_of_the_time_step(client: cubeflight.Client):
    b04 = client.search("29UNU", bands=["B04_60m"], bounds=BOX).load().datatree[f"{R60M}/b04"]
    assert list(b04.platform.values) == ["sentinel-2a"]
    assert list(b04.relative_orbit.values) == [23]
    assert list(b04.processing_baseline.values) == ["04.00"]
    # From MTD_MSIL2A.xml and MTD_TL.xml of the product.
    np.testing.assert_allclose(b04.cloud_cover, [59.769726], rtol=1e-6)
    np.testing.assert_allclose(b04.sun_azimuth, [172.840206897213], rtol=1e-6)
    np.testing.assert_allclose(b04.sun_elevation, [90 - 57.820574357679], rtol=1e-6)
    assert list(b04.b04_offset.values) == [-1000]
    sensed = b04.sensing_time.values[0]
    assert abs(sensed - np.datetime64("2022-10-05T11:56:49.581767")) < np.timedelta64(1, "ms")


def test_l2a_whole_tile_at_60m(client: cubeflight.Client, decode: Decoder):
    reflectance = ["B01", "B03", "B04", "B06", "B07", "B8A", "B11"]
    others = ["SCL", "AOT", "WVP", "TCI"]
    bands = [f"{band}_60m" for band in reflectance + others]
    tree = client.search("29UNU", datetime="2022-10-05", bands=bands).load().datatree
    expected = {f"{R60M}/{band.lower()}": f"{band}_60m" for band in reflectance} | {
        SCL_60M: "SCL_60m",
        "quality/atmosphere/r60m/aot": "AOT_60m",
        "quality/atmosphere/r60m/wvp": "WVP_60m",
    }
    for path, asset in expected.items():
        np.testing.assert_array_equal(tree[path].values[0], decode.asset(L2A, asset))
        check_coordinates(tree[path], "29UNU", 60, slice(0, 1830), slice(0, 1830))
    tci = tree["quality/l2a_quicklook/r60m/tci"]
    assert tci.dims == ("time", "band", "y", "x")
    np.testing.assert_array_equal(tci.values[0], decode.asset(L2A, "TCI_60m").transpose(2, 0, 1))


def test_masks(client: cubeflight.Client, decode: Decoder):
    bands = ["DETFOO_B01", "CLASSI", "QUALIT_B01"]
    tree = client.search("29UNU", bands=bands, bounds=BOX).load().datatree
    crop = window("29UNU", BOX, 60)
    footprint = tree["conditions/mask/detector_footprint/r60m/b01"]
    want = decode.asset(L2A, "QI_DATA/MSK_DETFOO_B01")[crop]
    np.testing.assert_array_equal(footprint.values[0], want)
    # Component k of a mask travels as bit k.
    for path, name in (
        ("conditions/mask/l1c_classification/r60m/b00", "QI_DATA/MSK_CLASSI_B00"),
        ("quality/mask/r60m/b01", "QI_DATA/MSK_QUALIT_B01"),
    ):
        components = decode.asset(L2A, name)[crop]
        bits = 1 << np.arange(components.shape[2], dtype=np.uint8)
        want = ((components != 0) * bits).sum(axis=2).astype(np.uint8)
        np.testing.assert_array_equal(tree[path].values[0], want)


def test_row_blocks_give_the_same_pixels(client: cubeflight.Client, decode: Decoder):
    arguments = {"bands": ["AOT_10m", "SCL"], "bounds": BOX}
    plan = client.plan("29UNU", **arguments, max_message_bytes=1 << 20)
    assert plan["row_blocks"] > 5
    tree = client.search("29UNU", **arguments, max_message_bytes=1 << 20).load().datatree
    for path, asset, metres in ((AOT_10M, "AOT_10m", 10), (SCL_20M, "SCL_20m", 20)):
        want = decode.asset(L2A, asset)[window("29UNU", BOX, metres)]
        np.testing.assert_array_equal(tree[path].values[0], want)


@pytest.mark.parametrize(("align", "metres"), [("20m", 20), ("60m", 60)])
def test_aligned_grids_nest(client: cubeflight.Client, decode: Decoder, align: str, metres: int):
    bounds = (570003.7, 5850007.2, 572011.7, 5852018.2)
    tree = (
        client.search("29UNU", bands=["AOT_10m", "SCL"], bounds=bounds, align=align).load().datatree
    )
    left, top = CORNER["29UNU"]
    outer = [
        left + metres * np.floor((bounds[0] - left) / metres),
        top - metres * np.ceil((top - bounds[1]) / metres),
        left + metres * np.ceil((bounds[2] - left) / metres),
        top - metres * np.floor((top - bounds[3]) / metres),
    ]
    for path, asset, size in ((AOT_10M, "AOT_10m", 10), (SCL_20M, "SCL_20m", 20)):
        rows, columns = window("29UNU", tuple(outer), size)
        check_coordinates(tree[path], "29UNU", size, rows, columns)
        np.testing.assert_array_equal(tree[path].values[0], decode.asset(L2A, asset)[rows, columns])
    assert tree[AOT_10M].shape[1] == 2 * tree[SCL_20M].shape[1]
    assert tree[AOT_10M].shape[2] == 2 * tree[SCL_20M].shape[2]


def test_bounds_in_degrees(client: cubeflight.Client, decode: Decoder):
    bounds = (-8.0, 52.75, -7.8, 52.85)
    tree = client.search("29UNU", bands=["B04_60m"], bounds=bounds, crs="EPSG:4326").load().datatree
    to_utm = pyproj.Transformer.from_crs(4326, 32629, always_xy=True)
    x0, y0, x1, y1 = to_utm.transform_bounds(*bounds, densify_pts=101)
    pixels = tree[f"{R60M}/b04"]
    # The edges are curves: how finely they are followed may move an end by a pixel.
    for got, want in (
        (pixels.x.values[0], x0 + 30), (pixels.x.values[-1], x1 - 30),
        (pixels.y.values[0], y1 - 30), (pixels.y.values[-1], y0 + 30),
    ):  # fmt: skip
        assert abs(got - want) <= 60
    left, top = CORNER["29UNU"]
    column, row = int(pixels.x[0] - left) // 60, int(top - pixels.y[0]) // 60
    height, width = pixels.shape[1:]
    want = decode.asset(L2A, "B04_60m")[row : row + height, column : column + width]
    np.testing.assert_array_equal(pixels.values[0], want)


def test_radiometry(client: cubeflight.Client, decode: Decoder):
    raw = decode.asset(L2A, "B04_60m")[window("29UNU", BOX, 60)]
    arguments = {"bands": ["B04_60m", "SCL_60m"], "bounds": BOX}

    harmonised = client.search("29UNU", **arguments, radiometry="harmonised").load().datatree
    want = np.where(raw == 0, 0, np.maximum(1, raw.astype(int) - 1000))
    b04 = harmonised[f"{R60M}/b04"]
    assert b04.dtype == np.uint16
    np.testing.assert_array_equal(b04.values[0], want)
    assert (b04.attrs["scale_factor"], b04.attrs["add_offset"]) == (0.0001, 0.0)

    reflectance = client.search("29UNU", **arguments, radiometry="reflectance").load().datatree
    b04 = reflectance[f"{R60M}/b04"]
    assert b04.dtype == np.float32 and np.isnan(b04.attrs["_FillValue"])
    want = np.where(raw == 0, np.nan, (raw - 1000.0) / 10000.0)
    np.testing.assert_allclose(b04.values[0], want, rtol=1e-6, atol=1e-7)
    assert "scale_factor" not in b04.attrs

    # Classes have no radiometry.
    scl = decode.asset(L2A, "SCL_60m")[window("29UNU", BOX, 60)]
    for tree in (harmonised, reflectance):
        np.testing.assert_array_equal(tree[SCL_60M].values[0], scl)


@pytest.mark.parametrize("bounds", [None, BOX_18LTM])
def test_l1c(client: cubeflight.Client, decode: Decoder, bounds: tuple[float, ...] | None):
    result = client.search(
        "18LTM", datetime="2022-01-25", bands=["B01"], bounds=bounds, collection="sentinel-2-l1c"
    ).load()
    assert result.matched_ids == [L1C]
    pixels = result.datatree[f"{R60M}/b01"]
    rows, columns = window("18LTM", bounds, 60) if bounds else (slice(0, 1830), slice(0, 1830))
    np.testing.assert_array_equal(pixels.values[0], decode.asset(L1C, "151701_B01")[rows, columns])
    check_coordinates(pixels, "18LTM", 60, rows, columns)
    assert list(pixels.time.values) == [L1C_TIME]
    assert pixels.attrs["long_name"].startswith("TOA reflectance")
    assert pixels.attrs["proj:epsg"] == 32718
    assert pixels.spatial_ref.attrs["false_northing"] == 10_000_000.0
    assert list(pixels.b01_offset.values) == [-1000]


def test_old_baseline_has_no_offset(client: cubeflight.Client, decode: Decoder):
    arguments = {"bands": ["B01"], "collection": "sentinel-2-l1c"}
    raw = client.search("31TDH", **arguments).load()
    assert raw.matched_ids == [OLD_L1C]
    want = decode.asset(OLD_L1C, "B01")
    np.testing.assert_array_equal(raw.datatree[f"{R60M}/b01"].values[0], want)
    assert list(raw.datatree[f"{R60M}/b01"].b01_offset.values) == [0]
    same = client.search("31TDH", **arguments, radiometry="harmonised").load().datatree
    np.testing.assert_array_equal(same[f"{R60M}/b01"].values[0], want)


def test_eopf_paths_are_bands_too(client: cubeflight.Client):
    paths = [f"{R60M}/b04", f"/{SCL_20M}"]
    tree = client.search("29UNU", bands=paths, bounds=BOX).load().datatree
    same = client.search("29UNU", bands=["B04_60m", "SCL"], bounds=BOX).load().datatree
    for path in (f"{R60M}/b04", SCL_20M):
        xr.testing.assert_identical(tree[path], same[path])


def test_seed_notebook_reads_the_same(client: cubeflight.Client):
    tree = (
        client.search(
            "29UNU",
            datetime="2022-01-01/2023-01-01",
            bands=["B04_60m", "SCL"],
            bounds=BOX,
            cloud_cover=80,
        )
        .load()
        .datatree
    )
    assert tree[R60M]["b04"].isel(time=0).shape == tree[R60M].b04.shape[1:]
    few = client.search("29UNU", bands=["SCL"], bounds=BOX, cloud_cover=50).load()
    assert few.matched_ids == []
    assert [item.id for item in few.missing] == [L2A]
    assert few.missing[0].code == "cloud_cover"
