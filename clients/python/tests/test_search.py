import json

import numpy as np
import pytest
import xarray as xr
from server import B02, B08, EPSG, ORIGIN, SCL, TCI, Band, Cube, Server, sample

import cubeflight


def test_pixels_arrive_in_place_and_padding_is_cut(server: Server, client: cubeflight.Client):
    tree = client.search("33TVN", bands=["B08", "SCL", "B02", "TCI"]).load().datatree
    assert server.cube.blocks == 3
    for band in server.cube.bands:
        values = tree[band.path].values
        assert values.dtype == band.pixels.dtype
        assert values.flags.c_contiguous and values.flags.aligned and values.flags.writeable
        np.testing.assert_array_equal(values, band.pixels)
    assert tree[TCI].dims == ("time", "band", "y", "x")
    assert tree[B08].dims == ("time", "y", "x")


def test_one_block_a_step(server: Server, client: cubeflight.Client):
    server.cube = sample(blocks=False)
    assert server.cube.blocks == 1
    tree = client.search("33TVN").load().datatree
    for band in server.cube.bands:
        np.testing.assert_array_equal(tree[band.path].values, band.pixels)


def test_columns_may_have_fewer_blocks_than_the_step(server: Server, client: cubeflight.Client):
    pixels = np.arange(2 * 9 * 5, dtype="u2").reshape(2, 9, 5)
    small = np.arange(2 * 2 * 5, dtype="u2").reshape(2, 2, 5)
    times = np.array(["2021-01-03T10:14:11", "2021-01-08T10:14:11"], "datetime64[us]")
    server.cube = Cube([Band(B08, pixels, 2, 10), Band(SCL, small, 4, 20)], times)
    assert server.cube.blocks == 5
    tree = client.search("33TVN").load().datatree
    np.testing.assert_array_equal(tree[B08].values, pixels)
    np.testing.assert_array_equal(tree[SCL].values, small)


def test_several_endpoints_and_keep_alive_messages(server: Server, client: cubeflight.Client):
    server.endpoints, server.keep_alive = 2, True
    tree = client.search("33TVN").load().datatree
    for band in server.cube.bands:
        np.testing.assert_array_equal(tree[band.path].values, band.pixels)


@pytest.mark.parametrize("seed", range(6))
def test_rows_go_where_time_and_block_say(server: Server, client: cubeflight.Client, seed: int):
    server.cube = sample(steps=7)
    error = {"column": B08, "product_id": "S2X", "code": "CF-ENG-011", "message": "no"}
    server.cube.errors = {(4, 1): [error]}
    ordered = client.search("33TVN").load()
    server.shuffled = seed
    result = client.search("33TVN", ordered=False).load()
    assert server.commands[-1]["ordered"] is False
    xr.testing.assert_identical(result.datatree, ordered.datatree)
    for band in server.cube.bands:
        values = result.datatree[band.path].values
        np.testing.assert_array_equal(values, band.pixels)
        assert values.flags.c_contiguous and values.flags.writeable
    assert [found.time for found in result.errors] == [server.cube.times[4]]


def test_no_time_steps(server: Server, client: cubeflight.Client):
    server.cube = sample(steps=0)
    tree = client.search("33TVN").load().datatree
    assert tree[B08].shape == (0, 11, 7)


def test_groups_and_coordinates(server: Server, client: cubeflight.Client):
    result = client.search("33TVN").load()
    tree = result.datatree
    assert tree["measurements/reflectance/r10m"].attrs == {"proj:epsg": EPSG}
    assert set(tree["measurements/reflectance/r10m"].data_vars) == {"b02", "b08"}
    assert tree.attrs["product_ids"] == server.cube.ids == result.matched_ids
    assert tree.attrs["attribution"] == "Contains modified Copernicus Sentinel data [2021]"
    r10m, r20m = tree[B08], tree[SCL]
    np.testing.assert_array_equal(r10m.x, ORIGIN[0] + 5 + 10 * np.arange(7.0))
    np.testing.assert_array_equal(r10m.y, ORIGIN[1] - 5 - 10 * np.arange(11.0))
    np.testing.assert_array_equal(r20m.x, ORIGIN[0] + 10 + 20 * np.arange(4.0))
    for name in ("x", "y"):
        assert r10m[name].dtype == np.float64
        assert r10m[name].attrs["units"] == "m"
        assert r10m[name].attrs["standard_name"] == f"projection_{name}_coordinate"
    assert r10m.time.dtype == np.dtype("datetime64[us]")
    np.testing.assert_array_equal(r10m.time, server.cube.times)


def test_reduced_pixels_lie_around_their_samples(server: Server, client: cubeflight.Client):
    """Sample i is centred at corner + (i * 4 + 0.5) * metres; the window begins at 3, 5."""

    def described(metres: int, by: str) -> dict[str, str]:
        step = 4 * metres
        left = ORIGIN[0] + (3 * 4 + 0.5) * metres - step / 2
        top = ORIGIN[1] - (5 * 4 + 0.5) * metres + step / 2
        transform = json.dumps([step, 0, left, 0, -step, top, 0, 0, 1])
        return {"proj:transform": transform, "reduce": "2", "reduced_by": by}

    pixels = np.arange(9 * 8, dtype="u2").reshape(1, 9, 8)
    fine = Band(B08, pixels, 9, 10, described(10, "low-pass"))
    coarse = Band(SCL, pixels[:, :5, :4].astype("u1"), 5, 20, described(20, "sampling"))
    server.cube = Cube([fine, coarse], np.array(["2021-01-03T10:14:11"], "datetime64[us]"))
    tree = client.search("33TVN", bands=["B08", "SCL"], reduce=2).load().datatree
    assert server.commands[0]["reduce"] == 2
    for band, metres, by in ((fine, 10, "low-pass"), (coarse, 20, "sampling")):
        found = tree[band.path]
        np.testing.assert_array_equal(found.values, band.pixels)
        columns, rows = 3 + np.arange(found.sizes["x"]), 5 + np.arange(found.sizes["y"])
        np.testing.assert_array_equal(found.x, ORIGIN[0] + (columns * 4 + 0.5) * metres)
        np.testing.assert_array_equal(found.y, ORIGIN[1] - (rows * 4 + 0.5) * metres)
        assert (found.attrs["reduce"], found.attrs["reduced_by"]) == (2, by)
        step = 4 * metres
        left, top = float(found.x[0]) - step / 2, float(found.y[0]) + step / 2
        geo = found.spatial_ref.attrs["GeoTransform"]
        assert [float(n) for n in geo.split()] == [left, step, 0, top, 0, -step]
        assert found.attrs["proj:bbox"][:1] + found.attrs["proj:bbox"][3:] == [left, top]


def test_metadata_of_time_steps(client: cubeflight.Client):
    for path in (B08, SCL, TCI):
        pixels = client.search("33TVN").load().datatree[path]
        assert list(pixels.platform.values) == ["sentinel-2a"] * 3
        assert list(pixels.relative_orbit.values) == [22] * 3
        assert pixels.product_ids.values[0].startswith("S2A_MSIL2A_20210103T101411_")
        np.testing.assert_array_equal(pixels.cloud_cover, [12.5, np.nan, 12.5])
        assert np.isnat(pixels.sensing_time.values).tolist() == [False, True, False]
    tree = client.search("33TVN").load().datatree
    np.testing.assert_array_equal(tree[B08].b08_offset, [-1000] * 3)
    np.testing.assert_array_equal(tree[B02].b02_offset, [-1001] * 3)
    assert "b08_offset" not in tree[SCL].coords
    assert tree[B08].cloud_cover.attrs["units"] == "percent"


def test_unknown_offsets(server: Server, client: cubeflight.Client):
    server.cube.offsets = False
    assert "b08_offset" not in client.search("33TVN").load().datatree[B08].coords


def test_attributes(client: cubeflight.Client):
    tree = client.search("33TVN").load().datatree
    attrs = tree[B08].attrs
    assert attrs["_FillValue"] == 0 and attrs["_FillValue"].dtype == np.uint16
    assert (attrs["valid_min"], attrs["valid_max"]) == (1, 65535)
    assert attrs["units"] == "1" and attrs["long_name"] == "BOA reflectance"
    assert attrs["grid_mapping"] == "spatial_ref"
    assert attrs["proj:shape"] == [11, 7]
    assert not any(key.startswith("ARROW") for key in attrs)
    assert "_FillValue" not in tree[B08].encoding
    scl = tree[SCL].attrs
    np.testing.assert_array_equal(scl["flag_values"], np.arange(12, dtype="u1"))
    assert scl["flag_values"].dtype == np.uint8
    assert scl["flag_meanings"].startswith("no_data ")


def test_grid_mapping(client: cubeflight.Client):
    crs = client.search("33TVN").load().datatree[SCL].spatial_ref.attrs
    assert crs["grid_mapping_name"] == "transverse_mercator"
    assert crs["longitude_of_central_meridian"] == 15.0
    assert crs["false_northing"] == 0.0
    assert crs["spatial_ref"] == "EPSG:32633"
    assert crs["GeoTransform"] == "399960 20 0 5300040 0 -20"


@pytest.mark.parametrize("epsg", [32601, 32633, 32660, 32701, 32718, 32757])
def test_crs_wkt_is_what_proj_knows(epsg: int):
    pyproj = pytest.importorskip("pyproj")
    from cubeflight._crs import grid_mapping

    attrs = grid_mapping(epsg, (10, 0, 0, 0, -10, 0))
    assert pyproj.CRS.from_wkt(attrs["crs_wkt"]) == pyproj.CRS.from_epsg(epsg)
    plain = {key: value for key, value in attrs.items() if key not in ("crs_wkt", "spatial_ref")}
    operation = pyproj.CRS.from_cf(plain).coordinate_operation.params
    expected = pyproj.CRS.from_epsg(epsg).coordinate_operation.params
    assert {p.name: p.value for p in operation} == {p.name: p.value for p in expected}


def test_floats_with_nan_as_fill(server: Server, client: cubeflight.Client):
    pixels = np.full((1, 3, 3), np.nan, "f4")
    for text in ("NaN", '"NaN"'):
        band = Band(B08, pixels, 3, 10, {"_FillValue": text})
        server.cube = Cube([band], np.array(["2021-01-03T10:14:11"], "datetime64[us]"))
        fill = client.search("33TVN").load().datatree[B08].attrs["_FillValue"]
        assert np.isnan(fill) and fill.dtype == np.float32


def test_failures_of_assets_are_listed(server: Server, client: cubeflight.Client):
    fault = {"column": B08, "product_id": "S2A_X", "code": "CF-JP2-001", "message": "cut short"}
    server.cube.status = ["ok", "partial", "ok"]
    server.cube.errors = {(1, 0): [fault], (1, 1): [fault]}
    result = client.search("33TVN").load()
    assert list(result.datatree[B08].status.values) == ["ok", "partial", "ok"]
    (error,) = result.errors
    assert error.time == server.cube.times[1]
    assert error[1:] == (B08, "S2A_X", "CF-JP2-001", "cut short")


def test_plan_and_missing(server: Server, client: cubeflight.Client):
    result = client.search("33TVN").load()
    assert result.missing == [cubeflight.Missing("S2X", "cloud_cover", "93 % of at most 80 %")]
    assert result.plan()["requests"] == 12 and result.plan()["bytes"] == 123456
    assert result.plan()["header_requests"] == 0
    assert result.plan()["shapes"][B08] == [11, 7]
    assert client.plan("33TVN") == result.plan()
    assert "3 time steps, 3 products, 1 missing" in repr(result)


@pytest.mark.parametrize("form", ["zarr", "netcdf"])
def test_save_and_reopen(client: cubeflight.Client, tmp_path, form: str):
    pytest.importorskip("zarr" if form == "zarr" else "h5netcdf")
    tree = client.search("33TVN").load().datatree
    path = tmp_path / "cube"
    if form == "zarr":
        tree.to_zarr(path)
        again = xr.open_datatree(path, engine="zarr", mask_and_scale=False)
    else:
        tree.to_netcdf(path, engine="h5netcdf")
        again = xr.open_datatree(path, engine="h5netcdf", mask_and_scale=False)
    for name in (B08, SCL, TCI):
        np.testing.assert_array_equal(again[name].values, tree[name].values)
        np.testing.assert_array_equal(again[name].time.values, tree[name].time.values)
        np.testing.assert_array_equal(again[name].product_ids, tree[name].product_ids)
        assert again[name].spatial_ref.attrs["spatial_ref"] == "EPSG:32633"
