import json

import numpy as np
import pytest
from server import Server, sample

import cubeflight

shapely = pytest.importorskip("shapely")
pyproj = pytest.importorskip("pyproj")

from cubeflight import _geometry, _mgrs  # noqa: E402

# Upper-left corners in the metadata of real products.
CORNERS = {
    "29UNU": (32629, 499980, 5900040),
    "32TQM": (32632, 699960, 4700040),
    "33TVN": (32633, 399960, 5300040),
    "18LTM": (32718, 199980, 8700040),
    "57KWR": (32757, 499980, 7600000),
    "07HFE": (32707, 600000, 6500020),
    "01KAB": (32701, 99960, 8200000),
}


def degrees(epsg: int, x: float, y: float) -> tuple[float, float]:
    back = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True)
    return back.transform(x, y)


@pytest.mark.parametrize("name", CORNERS)
def test_tiles_are_where_their_products_are(name: str):
    epsg, left, top = CORNERS[name]
    # the square's middle: no other tile of the zone has a farther edge there
    place = shapely.Point(degrees(epsg, left + 50_000, top - 50_000))
    world = _geometry._World.of([place], None)
    (tile,) = [tile for tile in world.tiles() if tile.name == name]
    assert tile == (name, epsg, left, top - 109_800, left + 109_800, top)
    found = _geometry.locate(place)
    assert name in (found.tile, *found.others)


def test_any_place_is_in_the_tile_that_is_named():
    random = np.random.default_rng(5)
    for _ in range(300):
        lon, lat = random.uniform(-180, 180), random.uniform(-79.9, 83.9)
        area = _geometry.locate(shapely.Point(lon, lat))
        epsg = int(area.crs.removeprefix("EPSG:"))
        x, y = area.bounds[:2]
        back = degrees(epsg, x, y)
        assert abs((back[0] - lon + 180) % 360 - 180) < 1e-6 and abs(back[1] - lat) < 1e-6
        assert epsg % 100 == _mgrs.zone_of(lon, lat)
        world = _geometry._World.of([shapely.Point(lon, lat)], None)
        (tile,) = [tile for tile in world.tiles() if tile.name == area.tile]
        assert tile.min_x <= x <= tile.max_x and tile.min_y <= y <= tile.max_y


@pytest.mark.parametrize(
    ("lon", "lat", "zone"), [(5, 60, 32), (2, 60, 31), (5, 54, 31), (10, 75, 33), (25, 80, 35)]
)
def test_the_wide_zones_of_the_north(lon: float, lat: float, zone: int):
    assert _mgrs.zone_of(lon, lat) == zone
    assert _geometry.locate(shapely.Point(lon, lat)).tile.startswith(str(zone))


def test_the_farthest_edge_of_the_own_zone_wins():
    epsg, left, top = CORNERS["33TVN"]
    # 33TWN begins 99,960 m farther east: a field in both, nearer to the middle of the other
    field = shapely.box(left + 103_000, top - 60_000, left + 105_000, top - 58_000)
    area = _geometry.locate(field, epsg)
    assert (area.tile, area.others) == ("33TVN", ("33TWN",))
    field = shapely.box(left + 106_000, top - 60_000, left + 107_000, top - 58_000)
    area = _geometry.locate(field, epsg)
    assert (area.tile, area.others) == ("33TWN", ("33TVN",))
    np.testing.assert_allclose(area.bounds, field.bounds, atol=0.01)
    # zone 32 has tiles here, but is not that of the place
    place = _geometry.locate(shapely.Point(12.01, 47.5))
    assert place.tile.startswith("33") and any(name.startswith("32") for name in place.others)


def test_what_no_tile_contains():
    field = shapely.box(13.0, 46.5, 16.0, 47.5)
    with pytest.raises(cubeflight.SpansTiles, match="33TVN") as caught:
        _geometry.locate(field)
    assert caught.value.tiles[0] in caught.value.coverage
    assert all(0 < share < 1 for share in caught.value.coverage.values())
    assert 'tiles="each"' in str(caught.value)
    areas = _geometry.locate_each(field)
    parts = []
    for area in areas.values():
        back = pyproj.Transformer.from_crs(area.crs, 4326, always_xy=True)
        fine = shapely.segmentize(area.geometry, 500)
        parts.append(shapely.transform(fine, back.transform, interleaved=False))
        minx, miny, maxx, maxy = area.bounds
        assert maxx - minx <= 109_800 and maxy - miny <= 109_800
    assert field.difference(shapely.union_all(parts)).area < 1e-4 * field.area
    assert set(areas) <= set(caught.value.tiles)


def test_the_antimeridian():
    assert _geometry.locate(shapely.Point(179.999, -16.5)).tile[:2] in ("60", "01")
    both = shapely.MultiPoint([(179.99, -16.5), (-179.99, -16.5)])
    area = _geometry.locate(both)
    assert area.tile[:2] in ("60", "01")
    minx, _, maxx, _ = area.bounds
    assert maxx - minx < 3_000


def test_lists_are_windows_of_one_tile():
    fields = [shapely.box(14.4, 47.0, 14.41, 47.01), shapely.Point(14.5, 47.1)]
    areas = _geometry.locate_all(fields)
    assert areas.tile == "33TVN" and [len(window) for window in areas.windows] == [4, 2]
    collection = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(f))}
            for f in fields
        ],
    }
    assert _geometry.is_several(collection) and not _geometry.is_several(fields[0])
    assert _geometry.locate_all(collection).windows == areas.windows
    with pytest.raises(cubeflight.SpansTiles):
        _geometry.locate_all([shapely.Point(14.4, 47.0), shapely.Point(2.0, 42.5)])
    for wrong in ([], [shapely.Point(14.4, 47.0)] * 1025):
        with pytest.raises(ValueError, match="1024"):
            _geometry.locate_all(wrong)


@pytest.mark.parametrize(
    ("geometry", "crs", "said"),
    [
        (shapely.Point(), None, "empty"),
        (shapely.Point(float("nan"), 1), None, "empty|finite"),
        (shapely.Point(0, 85), None, "84 north"),
        (shapely.Point(400_000, 5_000_000), None, "name the crs"),
        (shapely.Point(14, 47), "EPSG:99999999", "not known"),
        (shapely.box(-60, -40, 60, 40), None, "search parts"),
        ({"type": "Polygon"}, None, "not understood"),
        (7, None, "no geometry"),
    ],
)
def test_what_is_wrong_is_said(geometry: object, crs: str | None, said: str):
    with pytest.raises(ValueError, match=said):
        _geometry.locate(geometry, crs)


def test_a_search_by_geometry(server: Server, client: cubeflight.Client):
    cube = client.search(shapely.box(14.40, 47.0, 14.41, 47.01), bands=["B08"])
    assert cube.tile == "33TVN" and server.commands[-1]["crs"] == "EPSG:32633"
    assert cube.geometry.area > 0
    cube = client.search({"type": "Point", "coordinates": [14.4, 47.0]}, bands=["B08"], reduce=1)
    bounds = server.commands[-1]["bounds"]
    assert bounds["maxX"] - bounds["minX"] == pytest.approx(120)
    each = client.search(shapely.box(13.9, 46.9, 15.9, 47.2), bands=["B08"], tiles="each")
    assert {cube.tile for cube in each.values()} == set(each) and len(each) >= 2
    listed = client.search([shapely.Point(14.4, 47.0)], bands=["B08"])
    assert isinstance(listed, cubeflight.Cubes) and len(listed) == 1
    assert len(server.commands[-1]["windows"]) == 1
    for wrong in ({"bounds": (1, 2, 3, 4)}, {"tiles": "all"}):
        with pytest.raises(ValueError):
            client.search(shapely.Point(14.4, 47.0), **wrong)
    with pytest.raises(ValueError, match="geometries"):
        client.search("33TVN", tiles="each")


def test_no_server_is_asked_where_tiles_are_spanned():
    with Server(sample()) as server, cubeflight.connect(server.url) as client:
        with pytest.raises(cubeflight.SpansTiles):
            client.search(shapely.box(13.0, 46.5, 16.0, 47.5))
        assert server.commands == []
