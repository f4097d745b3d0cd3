"""From geometries to the tiles that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from . import _mgrs
from ._errors import SpansTiles
from ._mgrs import Tile

try:
    import pyproj
    import shapely
    from shapely.geometry import shape
except ImportError as error:
    raise ImportError(
        "searching by geometry needs shapely and pyproj: pip install 'cubeflight[geometry]'"
    ) from error

_GEOGRAPHIC = "EPSG:4326"
# Straight lines are bent in another CRS: they are followed in so many steps.
_STEPS = 64
_MOST_TILES = 64
_MOST_WINDOWS = 1024
# Of a geometry, what may be left out as the fault of rounding.
_TINY = 1e-6


@dataclass(frozen=True)
class Area:
    """What a geometry is in a tile.

    Attributes:
        tile: name of the MGRS tile.
        others: tiles that contain it as well, the farthest edge first.
        bounds: minx, miny, maxx, maxy in metres of the tile's UTM zone.
        crs: this zone, ``"EPSG:32633"`` say.
        geometry: shapely, in this zone.
    """

    tile: str
    others: tuple[str, ...]
    bounds: tuple[float, float, float, float]
    crs: str
    geometry: Any


@dataclass(frozen=True)
class Areas:
    """What several geometries are in one tile: for each the window, (minx, miny, maxx, maxy), or of
    a point (x, y), in metres of the tile's UTM zone."""

    tile: str
    others: tuple[str, ...]
    windows: list[tuple[float, ...]]
    crs: str
    geometries: list[Any]


def is_several(value: Any) -> bool:
    """Whether this is a list of geometries: a sequence, a GeoSeries, a FeatureCollection."""
    if isinstance(value, Mapping):
        return value.get("type") == "FeatureCollection"
    if hasattr(value, "geom_type") and not hasattr(value, "geometry"):
        return False
    if hasattr(value, "geometry") and hasattr(value, "crs"):  # geopandas
        return True
    if isinstance(value, Sequence):
        return True
    told = getattr(value, "__geo_interface__", None)
    return isinstance(told, Mapping) and told.get("type") == "FeatureCollection"


def locate(geometry: Any, crs: str | int | None = None) -> Area:
    """The tile that contains a geometry. Of several that of the UTM zone of its centre, then that
    whose edge is farthest.

    Args:
        geometry: shapely, GeoJSON, or anything with ``__geo_interface__``.
        crs: of its coordinates; None for EPSG:4326 (longitude, latitude).

    Raises:
        SpansTiles: no tile contains it.
        ValueError: it is no geometry, empty, or not between 80 degrees south and 84 north.
    """
    world = _World.of([_shape(geometry)], crs)
    found = world.containing()
    return world.area(found[0], tuple(tile.name for tile in found[1:]))


def locate_all(geometries: Any, crs: str | int | None = None) -> Areas:
    """The tile that contains all geometries of a list; as :func:`locate`.

    Raises:
        SpansTiles: no tile contains all of them.
        ValueError: there are none, more than 1,024, or one is none.
    """
    if crs is None and getattr(geometries, "crs", None) is not None:
        crs = geometries.crs.to_wkt()
    listed = [_shape(each) for each in _each(geometries)]
    if not 1 <= len(listed) <= _MOST_WINDOWS:
        raise ValueError(f"give 1 to {_MOST_WINDOWS} geometries, not {len(listed)}")
    world = _World.of(listed, crs)
    found = world.containing()
    tile = found[0]
    places = [_to_utm(each, tile.epsg) for each in world.geometries]
    windows: list[tuple[float, ...]] = [
        place.bounds[:2] if place.geom_type == "Point" else place.bounds for place in places
    ]
    others = tuple(other.name for other in found[1:])
    return Areas(tile.name, others, windows, f"EPSG:{tile.epsg}", places)


def locate_each(geometry: Any, crs: str | int | None = None) -> dict[str, Area]:
    """Tiles that cover a geometry together, each with the part in it: first those of the UTM zone
    of its centre, then those with most of it; a tile whose part others have is left out.

    Raises:
        ValueError: as :func:`locate`, or more than 64 tiles are needed.
    """
    world = _World.of([_shape(geometry)], crs)
    coverage = world.coverage()
    left, total = world.geometries[0], _measure(world.geometries[0])
    areas: dict[str, Area] = {}
    for tile, _ in sorted(coverage, key=lambda pair: (pair[0].zone != world.zone, -pair[1])):
        inside = left.intersection(_outline(tile))
        if inside.is_empty or (total and _measure(inside) < _TINY * total):
            continue
        left = left.difference(_outline(tile))
        areas[tile.name] = world.area(tile, ())
        if left.is_empty or (total and _measure(left) < _TINY * total):
            break
    return areas


@dataclass(frozen=True)
class _World:
    """Geometries in longitude and latitude; beyond the antimeridian longitudes go on above 180."""

    geometries: list[Any]
    zone: int

    @classmethod
    def of(cls, geometries: list[Any], crs: str | int | None) -> _World:
        placed = [_to_degrees(geometry, crs) for geometry in geometries]
        west, south, east, north = shapely.total_bounds(placed)
        if east - west > 180:  # it lies on both sides of the antimeridian
            placed = [shapely.transform(each, _eastward) for each in placed]
            west, south, east, north = shapely.total_bounds(placed)
        if south < _mgrs.SOUTH or north > _mgrs.NORTH:
            raise ValueError(
                f"tiles lie between {-_mgrs.SOUTH:.0f} degrees south and {_mgrs.NORTH:.0f} north; "
                f"the geometry goes from {south:.4f} to {north:.4f}"
            )
        if east - west > 30 or north - south > 30:
            raise ValueError(
                f"the geometry is {east - west:.1f} degrees wide and {north - south:.1f} high, "
                "more than 30: search parts of it"
            )
        return cls(placed, _mgrs.zone_of((west + east) / 2, (south + north) / 2))

    def tiles(self) -> list[Tile]:
        """All that the bounds may meet."""
        west, south, east, north = shapely.total_bounds(self.geometries)
        first = int((west + 180) // 6) - 1
        last = int((east + 180) // 6) + 1
        # wider zones reach as far as the next but one
        zones = {number % 60 + 1 for number in range(first - 1, last + 2)}
        found = []
        around = shapely.box(west - 0.01, south - 0.01, east + 0.01, north + 0.01)
        box = shapely.segmentize(around, 0.5)
        for zone in sorted(zones):
            for below in {south < 0, north < 0}:
                bounds = _to_utm(box, _mgrs.epsg(zone, below)).bounds
                found += [
                    tile
                    for corner in _mgrs.squares(zone, below, bounds)
                    if (tile := _tile(zone, below, corner)) is not None
                ]
                if len(found) > _MOST_TILES * 20:
                    raise ValueError("the geometry meets too many tiles: search parts of it")
        return found

    def containing(self) -> list[Tile]:
        """Those that contain all, the best first.

        Raises:
            SpansTiles: there is none.
        """
        margins = [(tile, self._margin(tile)) for tile in self.tiles()]
        within = [(tile, margin) for tile, margin in margins if margin >= 0]
        within.sort(key=lambda pair: (pair[0].zone != self.zone, -pair[1]))
        if within:
            return [tile for tile, _ in within]
        coverage = {tile.name: share for tile, share in self.coverage()}
        listed = ", ".join(f"{name} ({share:.0%})" for name, share in coverage.items())
        error = SpansTiles(
            f"no tile contains the geometry; tiles that have parts of it: {listed or 'none'}",
            hint='pass tiles="each" for a cube of each tile, or name one with bounds',
        )
        error.tiles, error.coverage = tuple(coverage), coverage
        raise error

    def coverage(self) -> list[tuple[Tile, float]]:
        """The share of the geometries that each tile has, the largest first: of their area, else of
        their length, else of their number."""
        shares = []
        for tile in self.tiles():
            box = shapely.box(tile.min_x, tile.min_y, tile.max_x, tile.max_y)
            placed = [_to_utm(each, tile.epsg) for each in self.geometries]
            inside = [each.intersection(box) for each in placed]
            total = sum(map(_measure, placed))
            if share := sum(map(_measure, inside)) / total if total else 0.0:
                shares.append((tile, share))
        shares.sort(key=lambda pair: (-pair[1], pair[0].name))
        if len(shares) > _MOST_TILES:
            raise ValueError(f"the geometry meets {len(shares)} tiles, more than {_MOST_TILES}")
        return shares

    def area(self, tile: Tile, others: tuple[str, ...]) -> Area:
        """The first geometry, or its part, in a tile."""
        placed = _to_utm(self.geometries[0], tile.epsg)
        inside = placed.intersection(shapely.box(*tile[2:]))
        return Area(tile.name, others, inside.bounds, f"EPSG:{tile.epsg}", inside)

    def _margin(self, tile: Tile) -> float:
        """Metres to the nearest edge, below 0 outside."""
        placed = [_to_utm(each, tile.epsg) for each in self.geometries]
        west, south, east, north = shapely.total_bounds(placed)
        sides = (west - tile.min_x, south - tile.min_y, tile.max_x - east, tile.max_y - north)
        return float(min(sides))


@lru_cache(4096)
def _tile(zone: int, south: bool, corner: tuple[int, int]) -> Tile | None:
    """The tile of a square, named by the latitude band of its middle; None where the square is not
    in the zone."""
    code = _mgrs.epsg(zone, south)
    back = _transformer(f"EPSG:{code}", _GEOGRAPHIC)
    _, latitude = back.transform(*_mgrs.middle(*corner, south))
    band = _mgrs.band_of(latitude)
    span = _mgrs.span_of(zone, band)
    if span is None or (band < "N") != south:
        return None
    for longitude, _ in (back.transform(x, y) for x, y in _mgrs.outline(*corner, south)):
        if span[0] <= longitude < span[1]:
            return _mgrs.tile(zone, band, *corner)
    return None


@lru_cache(256)
def _outline(tile: Tile) -> Any:
    """A tile in degrees, longitudes about its own meridian."""
    box = shapely.segmentize(shapely.box(*tile[2:]), 2_000)
    back = _transformer(f"EPSG:{tile.epsg}", _GEOGRAPHIC)
    placed = shapely.transform(box, back.transform, interleaved=False)
    west, _, east, _ = placed.bounds
    return shapely.transform(placed, _eastward) if east - west > 180 else placed


def _eastward(coordinates: Any) -> Any:
    coordinates = coordinates.copy()
    coordinates[:, 0] %= 360
    return coordinates


def _shape(value: Any) -> Any:
    if isinstance(value, shapely.Geometry):
        geometry = value
    else:
        told = getattr(value, "__geo_interface__", value)
        if not isinstance(told, Mapping):
            raise ValueError(
                f"{value!r} is no geometry: give shapely, GeoJSON, or what has __geo_interface__"
            )
        told = told.get("geometry") if told.get("type") == "Feature" else told
        try:
            geometry = shape(told)
        except Exception as error:  # what shapely raises differs with what is wrong
            raise ValueError(f"the geometry is not understood: {error!r}") from error
    if geometry.is_empty:
        raise ValueError("the geometry is empty")
    if not all(map(_finite, shapely.get_coordinates(geometry).ravel())):
        raise ValueError("the geometry has coordinates that are not finite")
    if not shapely.is_valid(geometry):
        geometry = shapely.make_valid(geometry)
    return shapely.force_2d(geometry)


def _finite(number: float) -> bool:
    return number - number == 0


def _each(values: Any) -> Iterable[Any]:
    told = getattr(values, "__geo_interface__", values)
    if isinstance(told, Mapping):
        return list(told.get("features") or ())
    return list(getattr(values, "geometry", values))


def _to_degrees(geometry: Any, crs: str | int | None) -> Any:
    source = _GEOGRAPHIC if crs is None else f"EPSG:{crs}" if isinstance(crs, int) else crs
    if source.upper() == _GEOGRAPHIC:
        placed = geometry
    else:
        try:
            forward = _transformer(source, _GEOGRAPHIC)
        except pyproj.exceptions.CRSError as error:
            raise ValueError(f"the CRS {source!r} is not known: {error}") from error
        placed = shapely.transform(_fine(geometry), forward.transform, interleaved=False)
    if not all(map(_finite, placed.bounds)):
        raise ValueError(f"the geometry lies outside of where {source} holds")
    west, south, east, north = placed.bounds
    if west < -180 or east > 360 or south < -90 or north > 90:
        raise ValueError(
            f"the bounds {placed.bounds} are not longitudes and latitudes: name the crs of the "
            "geometry"
        )
    return placed


def _to_utm(geometry: Any, code: int) -> Any:
    forward = _transformer(_GEOGRAPHIC, f"EPSG:{code}")
    return shapely.transform(_fine(geometry), forward.transform, interleaved=False)


def _fine(geometry: Any) -> Any:
    west, south, east, north = geometry.bounds
    longest = max(east - west, north - south)
    return shapely.segmentize(geometry, longest / _STEPS) if longest > 0 else geometry


def _measure(geometry: Any) -> float:
    if geometry.is_empty:
        return 0.0
    return float(geometry.area or geometry.length or shapely.get_num_coordinates(geometry))


@lru_cache(512)
def _transformer(source: str, target: str) -> Any:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)
