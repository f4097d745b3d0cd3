"""odc-stac: STAC items to xarray, on the grid of the files themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask
import odc.stac
import pystac
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from ..places import EPSG, LEFT, TOP
from .common import Cube, run


def prepare(job: dict) -> list[pystac.Item]:
    """Reads the items, loads GDAL's driver."""
    (key, *_) = next(iter(job["warm"].values()))
    with rasterio.open(f"/vsis3/{job['bucket']}/{key}") as image:
        assert image.driver == "JP2OpenJPEG"
    items = [pystac.Item.from_dict(json.loads(Path(path).read_text())) for path in job["items"]]
    for item in items:
        for asset in item.assets.values():
            asset.href = asset.href.replace("s3://eodata/", f"s3://{job['bucket']}/")
    return items


def load(job: dict, items: list[pystac.Item], assets: list[str], area: int) -> Any:
    """A lazy cube of assets of one resolution."""
    column = job["columns"][assets[0]]
    metres, (x, y, width, height) = column["metres"], column["windows"][area]
    corner = Affine(metres, 0, LEFT + x * metres, 0, -metres, TOP - y * metres)
    return odc.stac.load(
        items,
        bands=assets,
        geobox=GeoBox((height, width), corner, EPSG),
        resampling="nearest",
        groupby="id",
        chunks={"time": 1},
        fail_on_error=True,
    )


def work(job: dict, items: list[pystac.Item]) -> Cube:
    """All assets and areas in one run of dask."""
    groups: dict[int, list[str]] = {}
    for asset, column in job["columns"].items():
        groups.setdefault(column["metres"], []).append(asset)
    areas = range(len(next(iter(job["columns"].values()))["windows"]))
    lazy = [
        (assets, load(job, items, assets, area)) for assets in groups.values() for area in areas
    ]
    with dask.config.set(scheduler="threads", num_workers=job["threads"]):
        found = dask.compute(*(cube for _, cube in lazy))
    cube: Cube = {asset: [] for asset in job["columns"]}
    for (assets, _), part in zip(lazy, found, strict=True):
        for asset in assets:
            cube[asset].append(part[asset].values)
    return cube


if __name__ == "__main__":
    run(prepare, work)
