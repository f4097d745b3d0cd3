"""The way of the notebook that the project grew from: ranges by the tile-part lengths of a table,
whole JP2 tiles decoded by imagecodecs, in 32 threads.

For each file the main header is read (a request), then each JP2 tile that meets a window (a request
each). A JP2 tile that meets several windows is read once.
"""

from __future__ import annotations

import struct
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import obstore
import pyarrow.parquet as pq
from cubeflight._jp2 import parse_header, tile_codestream
from imagecodecs import jpeg2k_decode
from obstore.exceptions import PermissionDeniedError
from obstore.store import S3Store

from .common import Cube, empty, run

# Pixels of a side of a JP2 tile, by metres a pixel.
JP2_TILE = {10: 1024, 20: 640, 60: 192}


class Parts(NamedTuple):
    """Where the tile-parts of a file lie."""

    header: int
    offsets: list[int]
    lengths: list[int]


class Reader:
    """Reads ranges, no more of them at a time than the store allows."""

    def __init__(self, job: dict) -> None:
        self.store = S3Store(
            job["bucket"],
            endpoint=job["endpoint"],
            region="us-east-1",
            access_key_id=job["key"],
            secret_access_key=job["secret"],
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": timedelta(seconds=120)},
            retry_config={
                "max_retries": 100,
                "retry_timeout": timedelta(minutes=5),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(milliseconds=500),
                    "base": 2,
                },
            },
        )
        limit = job["connections"]
        self.permits: Any = threading.Semaphore(limit) if limit else nullcontext()

    def __call__(self, key: str, start: int, length: int) -> bytes:
        while True:
            try:
                with self.permits:
                    got = obstore.get_range(self.store, key, start=start, length=length)
                    return bytes(got)
            except PermissionDeniedError:
                # the answer to too many connections; never given here with the permits above
                time.sleep(0.1)


def parts(index: bytes) -> Parts:
    """Reads an entry of the table: size, first SOT, and a TLM segment (ISO/IEC 15444-1 A.7.1)."""
    _, first, _ = struct.unpack_from(">QQI", index)
    marker, length, _, style = struct.unpack_from(">HHBB", index, 20)
    if marker != 0xFF55:
        raise ValueError("the entry holds no TLM")
    tile = {0: "", 1: "B", 2: "H"}[style >> 4 & 3]
    entry = struct.Struct(f">{tile}{'I' if style >> 6 & 1 else 'H'}")
    rows = list(entry.iter_unpack(index[26 : 22 + length]))
    offsets, lengths = [], []
    at = first
    for number, row in enumerate(rows):
        if tile and row[0] != number:
            raise ValueError("tile-parts are not in the order of tiles")
        offsets.append(at)
        lengths.append(row[-1])
        at += row[-1]
    return Parts(first, offsets, lengths)


def prepare(job: dict) -> tuple[Reader, dict[tuple[str, str], Parts]]:
    """Reads the table, opens connections."""
    table = pq.read_table(job["table"], columns=["product_id", "band_id", "index"])
    known = {
        (row["product_id"], row["band_id"]): parts(row["index"])
        for row in table.to_pylist()
        if row["band_id"] in job["columns"]
    }
    read = Reader(job)
    (key, *_) = next(iter(job["warm"].values()))
    with ThreadPoolExecutor(job["threads"]) as pool:
        list(pool.map(lambda n: read(key, n * 16, 16), range(job["connections"] or 16)))
    return read, known


def work(job: dict, ready: tuple[Reader, dict[tuple[str, str], Parts]]) -> Cube:
    """All JP2 tiles of the job."""
    read, known = ready
    cube = empty(job)

    def header(key: str, where: Parts) -> Any:
        raw = read(key, 0, where.header)
        return parse_header(raw[raw.index(b"\xff\x4f\xff\x51") :])

    def tile(key: str, where: Parts, number: int, head: Future, asset: str, step: int) -> None:
        part = read(key, where.offsets[number], where.lengths[number])
        column = job["columns"][asset]
        size = JP2_TILE[column["metres"]]
        pixels = jpeg2k_decode(tile_codestream(head.result(), part).codestream, numthreads=1)
        across = -(-column["full"] // size)
        for window, target in zip(column["windows"], cube[asset], strict=True):
            copy(pixels, number % across * size, number // across * size, window, target[step])

    with ThreadPoolExecutor(job["threads"]) as pool:
        waiting = []
        for step, product in enumerate(job["products"]):
            for asset, column in job["columns"].items():
                key, where = job["keys"][asset][step], known[product, asset]
                head = pool.submit(header, key, where)
                for number in tiles(column):
                    waiting.append(pool.submit(tile, key, where, number, head, asset, step))
        for done in waiting:
            done.result()
    return cube


def tiles(column: dict) -> list[int]:
    """JP2 tiles that meet the windows of an asset."""
    size = JP2_TILE[column["metres"]]
    across = -(-column["full"] // size)
    return sorted(
        {
            row * across + col
            for x, y, width, height in column["windows"]
            for row in range(y // size, (y + height - 1) // size + 1)
            for col in range(x // size, (x + width - 1) // size + 1)
        }
    )


def copy(pixels: np.ndarray, left: int, top: int, window: list[int], target: np.ndarray) -> None:
    """What a JP2 tile at `left`, `top` holds of a window."""
    x, y, width, height = window
    x0, y0 = max(x, left), max(y, top)
    x1 = min(x + width, left + pixels.shape[1])
    y1 = min(y + height, top + pixels.shape[0])
    if x0 < x1 and y0 < y1:
        found = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
        target[y0 - y : y1 - y, x0 - x : x1 - x] = found


if __name__ == "__main__":
    run(prepare, work)
