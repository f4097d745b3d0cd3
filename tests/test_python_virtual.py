"""Reading JP2 files without a server of pixels: the numbers are those that a server gives."""

import shutil
import warnings
from pathlib import Path

import cubeflight
import numpy as np
import pytest
from obstore.store import LocalStore

from blackbox import L1C, L2A, cli, jp2, lay_out, require_realdata, serving
from test_archive import TILE, archive
from test_cache import Upstream
from test_s3 import KEYS, s3

# 10, 20 and 60 m, classes, three planes, and a mask of eight components
ASSETS = {
    L2A: ("29UNU", "sentinel-2-l2a"),
    L1C: ("18LTM", "sentinel-2-l1c"),
}


def directory(root: Path) -> LocalStore:
    return LocalStore(str(root / "eodata"))


def present(client: cubeflight.Client, product: str) -> list[str]:
    tile, collection = ASSETS[product]
    records = client.tlm(tile, collection=collection, product_ids=product)
    return sorted(set(records.column("band_id").to_pylist()))


@pytest.mark.parametrize("product", ASSETS)
def test_the_pixels_are_those_that_are_served(client: cubeflight.Client, store: Path, product: str):
    tile, collection = ASSETS[product]
    bands = present(client, product)
    asked = {"bands": bands, "collection": collection, "product_ids": product}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = cubeflight.virtual(client, tile, **asked, chunks=None, store=directory(store))
    served = client.search(tile, **asked, chunks=None).datatree
    assert tree.groups == served.groups
    kinds = set()
    for group in served.groups:
        for name, want in served[group].to_dataset().data_vars.items():
            found = tree[group][name]
            kinds.add((want.attrs["proj:transform"][0], want.ndim))
            assert (found.dtype, found.shape, found.dims) == (want.dtype, want.shape, want.dims)
            assert found.attrs.keys() == want.attrs.keys()
            assert found.coords.keys() == want.coords.keys()
            # whole small images, corners of large ones
            side = min(want.shape[-1], 1500)
            for part in (slice(0, side), slice(-side, None)):
                np.testing.assert_array_equal(
                    found[..., part, part].values, want[..., part, part].values
                )
    assert {kind[0] for kind in kinds} == {10, 20, 60} if product == L2A else kinds


def test_only_the_tiles_that_are_met_are_read(tmp_path: Path):
    archive(tmp_path / "root", 3, "B08,TCI,SCL")
    index, log = tmp_path / "index", tmp_path / "requests.jsonl"
    with s3(tmp_path / "root", "--log", log) as (_, endpoint):
        environment = {"AWS_ENDPOINT_URL": endpoint, **KEYS}
        cli(
            "index", "--store", "s3://eodata", "--index", index.as_uri(), "--assets", "all",
            extra=environment,
        )  # fmt: skip
        upstream = Upstream(index, log, environment)
        options = {
            "endpoint": endpoint,
            "access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
            "secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
            "client_options": {"allow_http": True},
            "region": "us-east-1",
        }
        with upstream.serving() as address, cubeflight.connect(address) as client:
            for chunks in (None, {}):
                tree = cubeflight.virtual(
                    client, TILE, bands=["B08", "TCI", "SCL"], chunks=chunks, **options
                )
                upstream.reads()
                part = {"time": 1, "y": slice(8600, 9000), "x": slice(5200, 5600)}
                b08 = tree["measurements/reflectance/r10m/b08"].isel(part).compute()
                assert b08.values.any() and upstream.reads().total() == 1
                tci = tree["quality/l2a_quicklook/r10m/tci"].isel(part).compute()
                assert tci.shape == (3, 400, 400) and upstream.reads().total() == 1
                cube = client.search(TILE, bands=["B08", "TCI"], chunks=None).datatree
                for path, found in ((b08.name, b08), (tci.name, tci)):
                    group = {"b08": "measurements/reflectance", "tci": "quality/l2a_quicklook"}
                    want = cube[f"{group[path]}/r10m"][path].isel(part)
                    np.testing.assert_array_equal(found.values, want.values)
                upstream.reads()


def test_a_replaced_file_is_an_error_and_a_missing_record_is_fill(tmp_path: Path):
    require_realdata()
    root, index = tmp_path / "root", tmp_path / "index"
    lay_out(root, [L2A])
    index.mkdir()
    where = ["--store", root.as_uri(), "--index", index.as_uri()]
    there = {"store": directory(root)}
    cli("index", *where, "--assets", "B04_60m,SCL_60m")
    with serving(root, index) as address, cubeflight.connect(address) as client:
        tree = cubeflight.virtual(
            client, "29UNU", bands=["B04_60m", "SCL_60m"], chunks=None, **there
        )
        b04 = tree["measurements/reflectance/r60m/b04"]
        assert b04[0, 900:950, 900:950].values.any()
        shutil.copyfile(jp2(root, L2A, "SCL_60m"), jp2(root, L2A, "B04_60m"))
        fresh = cubeflight.virtual(client, "29UNU", bands=["B04_60m"], chunks=None, **there)
        with pytest.raises(Exception, match=r"(?i)tile-part|range"):
            fresh["measurements/reflectance/r60m/b04"].values  # noqa: B018
        with pytest.warns(cubeflight.UnreadableAssetWarning, match="no usable record"):
            tree = cubeflight.virtual(client, "29UNU", bands=["B05_60m"], chunks=None, **there)
        b05 = tree["measurements/reflectance/r60m/b05"]
        assert b05.dtype == np.uint16 and not b05[0, :10, :10].values.any()


def test_what_cannot_be_is_said(client: cubeflight.Client):
    with pytest.raises(ValueError, match="store has nothing"):
        cubeflight.virtual(client, "29UNU", bands=["SCL_60m"], store={"s3://other": object()})
    with pytest.raises(ValueError, match="pass store="):
        cubeflight.virtual(client, "29UNU", bands=["SCL_60m"])
    with pytest.raises(cubeflight.InvalidRequest):
        cubeflight.virtual(client, "29UNU", bands=["B99"])
