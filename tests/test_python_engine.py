"""Cubes by URL, through xarray's own openers."""

import pickle

import cubeflight
import numpy as np
import pytest
import xarray as xr

from blackbox import L2A

R10M = "measurements/reflectance/r10m"
R60M = "measurements/reflectance/r60m"
ENGINE = cubeflight.CubeflightBackend
ASK = "datetime=2022-10-05&bands=B02,SCL_60m,B04_60m&bounds=500000,5850000,501000,5851000"


@pytest.fixture
def url(server: str) -> str:
    return f"{server.replace('grpc://', 'cubeflight://')}/sentinel-2-l2a/29UNU"


@pytest.fixture
def loaded(client: cubeflight.Client) -> xr.DataTree:
    bands = ["B02", "SCL_60m", "B04_60m"]
    bounds = (500000, 5850000, 501000, 5851000)
    return client.search("29UNU", "2022-10-05", bands, bounds).load().datatree


def same(opened: xr.Dataset, loaded: xr.Dataset) -> None:
    for name, variable in loaded.data_vars.items():
        assert (
            opened[name].dtype == variable.dtype
            and opened[name].attrs.keys() == variable.attrs.keys()
        )
        np.testing.assert_array_equal(opened[name].values, variable.values)
        np.testing.assert_array_equal(opened[name].x, variable.x)


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_tree_by_url(url: str, loaded: xr.DataTree, chunks: dict | None):
    with xr.open_datatree(f"{url}?{ASK}", engine=ENGINE, chunks=chunks) as tree:
        assert tree.groups == loaded.groups
        for group in loaded.groups:
            same(tree[group].to_dataset(), loaded[group].to_dataset())
        assert (tree[R10M].b02.chunks is None) == (chunks is None)
        assert tree.attrs["product_ids"] == [L2A]


def test_a_group_by_url(url: str, loaded: xr.DataTree):
    with xr.open_dataset(f"{url}?{ASK}", engine=ENGINE, group=R60M, chunks={}) as dataset:
        assert set(dataset.data_vars) == {"b04"} and dataset.b04.chunks
        same(dataset, loaded[R60M].to_dataset())
        again = pickle.loads(pickle.dumps(dataset.b04))
        np.testing.assert_array_equal(again.values, dataset.b04.values)
    with pytest.raises(KeyError, match="r60m"):
        xr.open_dataset(f"{url}?{ASK}", engine=ENGINE, group="r61m")


def test_masked_and_scaled_where_that_is_asked_for(url: str, client: cubeflight.Client):
    bounds = (500000, 5850000, 501000, 5851000)
    ask = {"datetime": "2022-10-05", "bands": ["B04_60m"], "bounds": bounds}
    want = client.search("29UNU", **ask, radiometry="reflectance").load().datatree[R60M].b04
    for radiometry in ("raw", "harmonised", "reflectance"):
        with xr.open_dataset(
            url, engine=ENGINE, group=R60M, mask_and_scale=True, radiometry=radiometry, **ask
        ) as found:
            assert found.b04.dtype.kind == "f"
            assert "_FillValue" not in found.b04.attrs and "_FillValue" in found.b04.encoding
            np.testing.assert_allclose(found.b04.values, want.values, rtol=1e-5, atol=1e-7)


def test_what_a_url_cannot_say_is_named(url: str, server: str):
    for wrong, said in (
        (f"{url}?clouds=3", "cloud_cover"),
        (f"{url}?reduce=x", "reduce=x"),
        (f"{url}?bands=B02&bands=B03", "twice"),
        (f"{url}/more", "COLLECTION/TILE"),
        (url.replace("://", "://me@"), "token"),
    ):
        with pytest.raises(ValueError, match=said):
            xr.open_datatree(wrong, engine=ENGINE)
    with pytest.raises(TypeError, match="known"):
        xr.open_datatree(url, engine=ENGINE, clouds=3)
    with pytest.raises(cubeflight.InvalidRequest):
        xr.open_datatree(f"{url}?bands=B99", engine=ENGINE)
    assert ENGINE().guess_can_open(url) and not ENGINE().guess_can_open(server)
    assert not ENGINE().guess_can_open(3)


def test_a_variable_can_be_left_out(url: str):
    with xr.open_datatree(f"{url}?{ASK}", engine=ENGINE, drop_variables="b02") as tree:
        assert "b02" not in tree[R10M].data_vars and "b04" in tree[R60M].data_vars
