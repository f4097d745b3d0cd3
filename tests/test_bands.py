"""Bands that are no reflectance, of real products, and bands that a product cannot have."""

import json
from collections.abc import Iterator
from pathlib import Path

import cubeflight
import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from blackbox import L1C, L2A, OLD_L1C, jp2, keys, serving_urls

R60M = "measurements/reflectance/r60m"
# Over the edge of the swath, on the 60 m lattice; upper-left corners of the tiles.
AREA = {"29UNU": (559980, 5840040, 567180, 5847240), "18LTM": (240000, 8650000, 247200, 8657200)}
CORNER = {"29UNU": (499980, 5900040), "18LTM": (199980, 8700040)}

# Band, path in the cube, file, pixel size: every mask of which there is a real file.
FILES = [
    ("CLD_60m", "quality/probability/r60m/cld", "MSK_CLDPRB_60m", 60),
    ("SNW", "quality/probability/r20m/snw", "MSK_SNWPRB_20m", 20),
    ("SNW_60m", "quality/probability/r60m/snw", "MSK_SNWPRB_60m", 60),
    ("CLASSI", "conditions/mask/l1c_classification/r60m/b00", "MSK_CLASSI_B00", 60),
    *(
        (f"{mask}_{band}", f"{group}/r{metres}m/{band.lower()}", f"MSK_{mask}_{band}", metres)
        for mask, group in (
            ("DETFOO", "conditions/mask/detector_footprint"),
            ("QUALIT", "quality/mask"),
        )
        for band, metres in (("B02", 10), ("B05", 20), ("B01", 60))
    ),
]
FILES_L1C = [file for file in FILES if file[0][:3] not in ("CLD", "SNW")]


def by_gdal(path: Path, tile: str, metres: int) -> np.ndarray:
    """The area as GDAL decodes it; several components become bits."""
    (left, bottom, right, top), corner = AREA[tile], CORNER[tile]
    window = Window(
        (left - corner[0]) // metres, (corner[1] - top) // metres,
        (right - left) // metres, (top - bottom) // metres,
    )  # fmt: skip
    with rasterio.open(path) as image:
        planes = image.read(window=window)
    if len(planes) == 1:
        return planes[0]
    return np.packbits(planes != 0, axis=0, bitorder="little")[0]


@pytest.fixture(scope="module")
def by_item(store: Path, indexed: tuple[Path, dict], tmp_path_factory) -> Iterator[str]:
    """A server whose catalogue is one STAC item, which lists no mask at all."""
    key = next(key for key in keys(L2A) if key.endswith("_SCL_20m.jp2"))
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": L2A,
        "collection": "sentinel-2-l2a",
        "geometry": None,
        "properties": {"datetime": "2022-10-05T11:54:11Z"},
        "links": [],
        "assets": {"SCL_20m": {"href": f"s3://eodata/{key}", "type": "image/jp2"}},
    }
    work = tmp_path_factory.mktemp("item")
    (work / "item.json").write_text(json.dumps(item))
    options = ["--catalog", str(work / "item.json"), "--store-alias", "s3://eodata"]
    where = ((store / "eodata").as_uri(), (work / "index").as_uri(), work / "log")
    with serving_urls(*where, options=options) as address:
        yield address


def check(address: str, store: Path, product: str, tile: str, files: list, collection: str):
    bands = [band for band, *_ in files]
    with cubeflight.connect(address) as client:
        result = client.search(tile, bands=bands, bounds=AREA[tile], collection=collection).load()
    assert result.matched_ids == [product] and result.errors == []
    varied = 0
    for _, path, name, metres in files:
        want = by_gdal(jp2(store, product, name), tile, metres)
        np.testing.assert_array_equal(result.datatree[path].values[0], want, path)
        varied += want.any()
    assert varied >= 3


def test_l2a_masks(server: str, store: Path):
    check(server, store, L2A, "29UNU", FILES, "sentinel-2-l2a")


def test_l1c_masks(server: str, store: Path):
    check(server, store, L1C, "18LTM", FILES_L1C, "sentinel-2-l1c")


def test_masks_that_the_item_does_not_list(by_item: str, store: Path):
    check(by_item, store, L2A, "29UNU", FILES, "sentinel-2-l2a")


def test_masks_are_absent_by_baseline(client: cubeflight.Client):
    bands = ["B01", "DETFOO_B01", "QUALIT_B05", "CLASSI"]
    result = client.search("31TDH", bands=bands, collection="sentinel-2-l1c").load()
    assert result.matched_ids == [OLD_L1C]
    said = {error.column: (error.code, error.message) for error in result.errors}
    assert said.keys() == {
        "conditions/mask/detector_footprint/r60m/b01",
        "quality/mask/r20m/b05",
        "conditions/mask/l1c_classification/r60m/b00",
    }
    for code, message in said.values():
        assert code == "CF-ENG-011"
        assert "baseline 02.06 has no " in message and "from 04.00 on" in message
    assert (result.datatree[f"{R60M}/b01"] != 0).any()
    assert not result.datatree["quality/mask/r20m/b05"].any()
    # Under "fail" it is the error of the search.
    with pytest.raises(cubeflight.CubeflightError, match="has no CLASSI_B00_60m as JPEG"):
        client.search(
            "31TDH", bands=["CLASSI"], collection="sentinel-2-l1c", on_error="fail"
        ).load()


def test_what_the_product_lacks_is_not_blamed_on_its_baseline(client: cubeflight.Client):
    # A mask of which no file is in the real data.
    result = client.search("29UNU", bands=["SCL_60m", "QUALIT_B03"], bounds=AREA["29UNU"]).load()
    (error,) = result.errors
    assert error.code == "CF-ENG-011" and "baseline" not in error.message
