"""Several windows as one plan."""

from __future__ import annotations

import numpy as np
import pytest
from server import B08, ORIGIN, SCL, TCI, Cube, Server, sample

import cubeflight

# (row, column, height, width) at 10 m and at 20 m; the last one is a point
WINDOWS_10 = [(4, 0, 5, 4), (0, 2, 2, 5), (6, 6, 1, 1)]
WINDOWS_20 = [(2, 0, 3, 2), (0, 1, 1, 3), (3, 3, 1, 1)]
ASKED = [(0, 0, 4, 5), (1.5, 2, 5, 2), (6, 6)]


def several() -> Cube:
    cube = sample()
    for band in cube.bands:
        band.windows = WINDOWS_20 if band.resolution == 20 else WINDOWS_10
    return cube


def search(server: Server, **more: object) -> cubeflight.Cubes:
    with cubeflight.connect(server.url, retries=0) as client:
        found = client.search("33TVN", bands=["B08"], crs=4326, **{"windows": ASKED, **more}).load()
    assert isinstance(found, cubeflight.Cubes)
    return found


def test_each_window_is_a_cube():
    with Server(several()) as server:
        server.keep_alive = True
        server.endpoints = 2
        result = search(server)
        (command,) = server.commands
    assert [list(window.values()) for window in command["windows"]] == [
        [0, 0, 4, 5],
        [1.5, 2, 5, 2],
        [6, 6, 6, 6],
    ]
    assert "bounds" not in command and command["crs"] == "EPSG:4326"
    assert len(result.cubes) == 3 and result.plan()["requests"] == 12
    assert result.matched_ids == server.cube.ids
    for number, cube in enumerate(result.cubes):
        for band in server.cube.bands:
            pixels = cube.datatree[band.path]
            want = np.stack([band.part(step, number) for step in range(3)])
            np.testing.assert_array_equal(pixels.values, want)
            top, left, height, width = band.windows[number]
            r = band.resolution
            x, y = ORIGIN[0] + (left + 0.5) * r, ORIGIN[1] - (top + 0.5) * r
            np.testing.assert_array_equal(pixels.x, x + np.arange(width) * r)
            np.testing.assert_array_equal(pixels.y, y - np.arange(height) * r)
            assert pixels.attrs["proj:shape"] == [height, width]
            edge = [r, 0, ORIGIN[0] + left * r, 0, -r, ORIGIN[1] - top * r, 0, 0, 1]
            assert pixels.attrs["proj:transform"] == edge
            assert not [key for key in pixels.attrs if key.startswith("cubeflight:")]
        assert cube.matched_ids == result.matched_ids and cube.plan() is result.plan()
    assert "3 windows" in repr(result)


def test_a_window_alone_looks_the_same():
    """All attributes and coordinates are those of a search for that window."""
    whole = several()
    for band in whole.bands:
        band.windows = [(0, 0, band.rows, band.pixels.shape[-1])]
    with Server(whole) as server, Server(sample()) as other:
        (cube,) = search(server, windows=ASKED[:1]).cubes
        with cubeflight.connect(other.url) as client:
            alone = client.search("33TVN", bands=["B08"]).load()
    assert cube.datatree.identical(alone.datatree)
    assert cube.datatree.groups == alone.datatree.groups


def test_a_skipped_step_is_fill_in_all_windows():
    cube = several()
    cube.status = ["ok", "skipped", "ok"]
    batch = cube.batch
    cube.errors = {(0, 1): [{"column": B08, "product_id": "x", "code": "c", "message": "m"}]}
    with Server(cube) as server:
        server._rows = lambda steps: (
            batch(step, block)
            for step in steps
            for block in range(1 if cube.status[step] == "skipped" else 3)
        )
        result = search(server)
    for window in result.cubes:
        for path in (B08, SCL, TCI):
            values = window.datatree[path].values
            assert not values[1].any() and values[0].any()
        assert list(window.datatree[B08].status.values) == ["ok", "skipped", "ok"]
    assert [len(window.errors) for window in result.cubes] == [0, 1, 0]
    assert [error.code for error in result.errors] == ["c"]


def test_an_incomplete_stream_is_an_error():
    with Server(several()) as server:
        server.stop_after = 7
        with pytest.raises(cubeflight.IncompleteStream, match="1 of 3 time steps"):
            search(server)


def test_streams_that_are_not_of_windows_are_refused():
    with Server(sample()) as server:
        with pytest.raises(cubeflight.ProtocolError, match="not one of a list of windows"):
            search(server)
    for wrong in ("[[0, 0, 99, 1]]", "[[0, 0, 1]]", "7"):
        cube = several()
        cube.bands[0].metadata = {"cubeflight:windows": wrong}
        with Server(cube) as server, pytest.raises(cubeflight.ProtocolError, match="window"):
            search(server)


def test_bad_lists_are_refused():
    with Server(several()) as server, cubeflight.connect(server.url, retries=0) as client:
        for wrong in ([], [(1, 2, 3)], [(1, 2, 3, float("nan"))]):
            with pytest.raises(ValueError):
                client.search("33TVN", windows=wrong).load()
        assert client.plan("33TVN", windows=[(1, 2)])["requests"] == 12
        assert len(server.commands) == 1
