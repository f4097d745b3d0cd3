"""Where things are: the tile, windows on its grids, products and keys."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

TILE = "33TVN"
# Upper left corner of the tile, metres, EPSG:32633; its sides are 109.8 km.
LEFT, TOP, SIDE = 399960, 5300040, 109800
EPSG = 32633
# The box of the notebook that the project grew from: 10 km, over four JP2 tiles of a 10 m band.
SEED = (449030.2565467731, 5204447.577367328, 459657.82505819947, 5214944.124667359)

# Asset -> metres a pixel, type of its samples, name of its variable in the cube of cubeflight.
ASSETS = {
    "B08_10m": (10, "uint16", "measurements/reflectance/r10m/b08"),
    "B11_20m": (20, "uint16", "measurements/reflectance/r20m/b11"),
    "B09_60m": (60, "uint16", "measurements/reflectance/r60m/b09"),
    "SCL_20m": (20, "uint8", "conditions/mask/l2a_classification/r20m/scl"),
}

Bounds = tuple[float, float, float, float]
WHOLE: Bounds = (LEFT, TOP - SIDE, LEFT + SIDE, TOP)


class Window(NamedTuple):
    """Pixels of an asset: first column, first row, columns, rows."""

    x: int
    y: int
    width: int
    height: int


def window(bounds: Bounds, metres: int) -> Window:
    """The pixels whose centres lie in the bounds, both ends included."""
    min_x, min_y, max_x, max_y = bounds
    left = max(0, math.ceil((min_x - LEFT) / metres - 0.5))
    right = min(SIDE // metres, math.floor((max_x - LEFT) / metres - 0.5) + 1)
    top = max(0, math.ceil((TOP - max_y) / metres - 0.5))
    bottom = min(SIDE // metres, math.floor((TOP - min_y) / metres - 0.5) + 1)
    if right <= left or bottom <= top:
        raise ValueError(f"no pixel of {metres} m has its centre in {bounds}")
    return Window(left, top, right - left, bottom - top)


def reduced(whole: Window, levels: int) -> Window:
    """A window that begins at the tile's corner, at a lower resolution."""
    if not levels:
        return whole
    if (whole.x, whole.y) != (0, 0):
        raise ValueError("only whole tiles are read at a lower resolution here")
    step = 1 << levels
    return Window(0, 0, -(-whole.width // step), -(-whole.height // step))


def field(side: float = 500) -> Bounds:
    """A field inside the seed's box, in one JP2 tile of each band."""
    x, y = 452000.0, 5208000.0
    return (x, y, x + side, y + side)


def fields(count: int, side: float = 500, seed: int = 1) -> tuple[Bounds, ...]:
    """Fields scattered over the whole tile; always the same ones."""
    dice = random.Random(seed)
    corners = [
        (LEFT + dice.uniform(0, SIDE - side), TOP - side - dice.uniform(0, SIDE - side))
        for _ in range(count)
    ]
    return tuple((x, y, x + side, y + side) for x, y in corners)


def datatake(product: str) -> str:
    """Start of the datatake, in ISO 8601."""
    text = product.split("_")[2]
    date, time = text[:8], text[9:]
    return f"{date[:4]}-{date[4:6]}-{date[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z"
