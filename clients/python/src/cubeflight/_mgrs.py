"""The grid of Sentinel-2's tiles: 100 km squares of the Military Grid Reference System
(NGA.STND.0037, appendix B), grown to 109.8 km and moved outward to multiples of 60 m."""

from __future__ import annotations

import math
from typing import NamedTuple

_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_SQUARE = 100_000
_EXTENT = 109_800
_LATTICE = 60
_FALSE_NORTHING = 10_000_000
# Degrees of latitude that have tiles.
SOUTH, NORTH = -80.0, 84.0


class Tile(NamedTuple):
    """A tile: name, EPSG code of its UTM zone, and its corners in metres there."""

    name: str
    epsg: int
    min_x: int
    min_y: int
    max_x: int
    max_y: int

    @property
    def zone(self) -> int:
        """UTM zone, 1 to 60."""
        return self.epsg % 100


def epsg(zone: int, south: bool) -> int:
    """Of WGS 84 / UTM."""
    return (32700 if south else 32600) + zone


def zone_of(longitude: float, latitude: float) -> int:
    """The UTM zone of a place in degrees, with the wider zones of Norway and Svalbard."""
    longitude = (longitude + 180) % 360 - 180
    zone = min(int((longitude + 180) // 6) + 1, 60)
    band = band_of(latitude)
    for number in (31, 32, 33, 34, 35, 36, 37):
        span = span_of(number, band)
        if span and span[0] <= longitude < span[1]:
            return number
    return zone


def band_of(latitude: float) -> str:
    """The latitude band."""
    index = math.floor((latitude - SOUTH) / 8)
    return _BANDS[min(max(index, 0), len(_BANDS) - 1)]


def span_of(zone: int, band: str) -> tuple[float, float] | None:
    """West and east of a zone in degrees; None where the band has no such zone."""
    special: dict[tuple[int, str], tuple[float, float] | None] = {
        (31, "V"): (0.0, 3.0),
        (32, "V"): (3.0, 12.0),
        (31, "X"): (0.0, 9.0),
        (32, "X"): None,
        (33, "X"): (9.0, 21.0),
        (34, "X"): None,
        (35, "X"): (21.0, 33.0),
        (36, "X"): None,
        (37, "X"): (33.0, 42.0),
    }
    west = zone * 6.0 - 186.0
    return special.get((zone, band), (west, west + 6.0))


def squares(
    zone: int, south: bool, bounds: tuple[float, float, float, float]
) -> list[tuple[int, int]]:
    """South-west corners, true northing, of the squares of a zone whose tiles may meet bounds in
    metres of its UTM."""
    min_x, min_y, max_x, max_y = bounds
    shift = _FALSE_NORTHING if south else 0
    # A tile reaches up to 60 m north and west of its square, and 9,860 m south and east.
    reach = _EXTENT - _SQUARE + _LATTICE
    columns = range(
        max(1, math.floor((min_x - reach) / _SQUARE)),
        min(8, math.floor((max_x + _LATTICE) / _SQUARE)) + 1,
    )
    rows = range(
        math.floor((min_y - shift - _LATTICE) / _SQUARE),
        math.floor((max_y - shift + reach) / _SQUARE) + 1,
    )
    return [(column * _SQUARE, row * _SQUARE) for row in rows for column in columns]


def tile(zone: int, band: str, easting: int, northing: int) -> Tile:
    """The tile of a square by its south-west corner, true northing."""
    column = _COLUMNS[(zone - 1) % 3][easting // _SQUARE - 1]
    row = northing // _SQUARE % 20
    letter = _ROWS[row if zone % 2 else (row + 5) % 20]
    south = band < "N"
    left = easting // _LATTICE * _LATTICE
    # Rounded on the true northing: the false one is no multiple of 60.
    top = -(-(northing + _SQUARE) // _LATTICE) * _LATTICE + (_FALSE_NORTHING if south else 0)
    name = f"{zone:02}{band}{column}{letter}"
    return Tile(name, epsg(zone, south), left, top - _EXTENT, left + _EXTENT, top)


def middle(easting: int, northing: int, south: bool) -> tuple[float, float]:
    """The middle of a square in metres of its UTM."""
    return easting + _SQUARE / 2, northing + _SQUARE / 2 + (_FALSE_NORTHING if south else 0)


def outline(easting: int, northing: int, south: bool) -> list[tuple[float, float]]:
    """Points all over a square in metres of its UTM."""
    shift = _FALSE_NORTHING if south else 0
    steps = [_SQUARE * part / 8 for part in range(9)]
    return [(easting + x, northing + shift + y) for x in steps for y in steps]
