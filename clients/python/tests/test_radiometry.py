"""What raw, harmonised and reflectance cubes say of their numbers."""

import warnings

import numpy as np
import pytest
import xarray as xr
from server import B08, SCL, Band, Cube, Server

import cubeflight

PIXELS = np.array([[[0, 1], [1000, 32767]]] * 3, "u2")
TIMES = np.array(["2022-01-20T10:00:00", "2022-01-25T10:00:00", "2022-01-30T10:00:00"], "M8[us]")


def cube(
    offsets: list[int | None] | None,
    radiometry: str = "raw-mixed",
    pixels: np.ndarray = PIXELS,
    **metadata: str,
) -> Cube:
    reflectance = Band(B08, pixels, 2, 10, {"radiometry": radiometry, **metadata})
    classes = Band(SCL, np.full((len(pixels), 1, 1), 4, "u1"), 1, 20)
    times = TIMES[: len(pixels)]
    return Cube([reflectance, classes], times, offsets=offsets is not None, step_offsets=offsets)


def search(server: Server, client: cubeflight.Client, served: Cube) -> cubeflight.Cube:
    server.cube = served
    with warnings.catch_warnings():
        warnings.simplefilter("error", cubeflight.RadiometryWarning)
        return client.search("33TVN").load()


@pytest.mark.parametrize("offset", [0, -1000])
def test_one_offset_is_an_attribute(server: Server, client: cubeflight.Client, offset: int):
    result = search(server, client, cube([offset] * 3))
    b08 = result.datatree[B08]
    assert b08.attrs["radiometry"] == "raw"
    assert (b08.attrs["scale_factor"], b08.attrs["add_offset"]) == (0.0001, offset / 10000)
    assert b08.encoding == {}
    assert b08.b08_offset.dtype == np.int16
    decoded = xr.decode_cf(result.datatree[B08].to_dataset())["b08"]
    np.testing.assert_allclose(decoded, result.reflectance()[B08], rtol=1e-6, atol=1e-7)
    assert np.isnan(decoded.values[:, 0, 0]).all()


def test_several_offsets_are_never_an_attribute(server: Server, client: cubeflight.Client):
    # Even where the schema promised one.
    server.cube = cube([0, -1000, -1000], "raw", scale_factor="0.0001", add_offset="-0.1")
    with pytest.warns(cubeflight.RadiometryWarning) as warned:
        result = client.search("33TVN").load()
    (warning,) = warned
    assert warning.filename == __file__
    assert "-1000 in 2 time steps and 0 in 1 time steps" in str(warning.message)
    assert "harmonised" in str(warning.message)
    b08 = result.datatree[B08]
    assert b08.attrs["radiometry"] == "raw-mixed"
    assert not {"scale_factor", "add_offset"} & b08.attrs.keys()
    # The recipe of the documents.
    recipe = ((b08 + b08.b08_offset) / 10_000).where(b08 != 0)
    found = result.reflectance()[B08]
    np.testing.assert_allclose(recipe, found, rtol=1e-6, atol=1e-7)
    want = [
        [[np.nan, 0.0001], [0.1, 3.2767]],
        [[np.nan, -0.0999], [0.0, 3.1767]],
        [[np.nan, -0.0999], [0.0, 3.1767]],
    ]
    np.testing.assert_allclose(found, want, rtol=1e-6)
    assert found.dtype == np.float32
    assert found.attrs["units"] == "1" and np.isnan(found.attrs["_FillValue"])
    assert not {"scale_factor", "add_offset", "valid_min"} & found.attrs.keys()
    assert result.reflectance()[SCL].identical(result.datatree[SCL])


def test_unknown_offsets(server: Server, client: cubeflight.Client):
    for offsets in (None, [-1000, None, -1000]):
        result = search(server, client, cube(offsets))
        assert result.datatree[B08].attrs["radiometry"] == "raw-mixed"
        assert not {"scale_factor", "add_offset"} & result.datatree[B08].attrs.keys()
        with pytest.raises(ValueError, match=r"offset of (3|1) time steps is not known"):
            result.reflectance()


def test_steps_without_pixels_need_no_offset(server: Server, client: cubeflight.Client):
    pixels = PIXELS.copy()
    pixels[1:] = 0
    for offsets in ([-1000, None, 0], [-1000, None, None]):
        served = cube(offsets, pixels=pixels)
        served.status = ["ok", "skipped", "failed"]
        result = search(server, client, served)
        assert result.datatree[B08].attrs["add_offset"] == -0.1
        found = result.reflectance()[B08]
        np.testing.assert_allclose(found[0], [[np.nan, -0.0999], [0, 3.1767]], rtol=1e-6)
        assert np.isnan(found.values[1:]).all()


def test_harmonised(server: Server, client: cubeflight.Client):
    served = cube([0, -1000, -1000], "harmonised", scale_factor="0.0001", add_offset="0.0")
    result = search(server, client, served)
    attrs = result.datatree[B08].attrs
    assert (attrs["scale_factor"], attrs["add_offset"]) == (0.0001, 0.0)
    want = np.where(PIXELS == 0, np.nan, PIXELS / 10000)
    np.testing.assert_allclose(result.reflectance()[B08], want, rtol=1e-6)


def test_reflectance_stays(server: Server, client: cubeflight.Client):
    values = np.where(PIXELS == 0, np.nan, PIXELS / 10000).astype("f4")
    served = cube([0, -1000, -1000], "reflectance", values, _FillValue="NaN")
    result = search(server, client, served)
    xr.testing.assert_identical(result.reflectance(), result.datatree)


def test_no_time_steps(server: Server, client: cubeflight.Client):
    result = search(server, client, cube(None, "raw-mixed", PIXELS[:0]))
    assert result.reflectance()[B08].shape == (0, 2, 2)
