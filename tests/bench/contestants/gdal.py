"""Windows by rasterio and GDAL through /vsis3/, files side by side in threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import rasterio
from rasterio.windows import Window

from .common import Cube, empty, run


def path(job: dict, key: str) -> str:
    """Of a key, for GDAL."""
    return f"/vsis3/{job['bucket']}/{key}"


def prepare(job: dict) -> None:
    """Opens a file that is not measured: settings and driver are then loaded."""
    (key, *_) = next(iter(job["warm"].values()))
    with rasterio.open(path(job, key)) as image:
        assert image.driver == "JP2OpenJPEG"


def work(job: dict, _: None) -> Cube:
    """All windows of all files."""
    cube = empty(job)
    level = {"overview_level": job["reduce"] - 1} if job["reduce"] else {}

    def read(asset: str, step: int) -> None:
        column = job["columns"][asset]
        with rasterio.open(path(job, job["keys"][asset][step]), **level) as image:
            for window, target in zip(column["windows"], cube[asset], strict=True):
                image.read(1, window=Window(*window), out=target[step])

    with ThreadPoolExecutor(job["threads"]) as pool:
        waiting = [
            pool.submit(read, asset, step)
            for step in range(len(job["products"]))
            for asset in job["columns"]
        ]
        for done in waiting:
            done.result()
    return cube


if __name__ == "__main__":
    run(prepare, work)
