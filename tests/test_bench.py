"""What the benchmark computes, without its peers."""

import json

import pytest

from bench.figures import grouped, medians, ratio, same_pixels, spread, traffic
from bench.measure import PURE
from bench.places import SEED, WHOLE, datatake, fields, reduced, window
from bench.targets import Absolute, Better, Ratio, verdicts


def run(who: str, wall: float, **more: object) -> dict:
    about = {"case": "seed", "profile": "local", "contestant": who, "round": 0}
    figures = {"wall": wall, "cpu": 2 * wall, "requests": 10, "bytes": 1000}
    return about | figures | {"digests": {"B08_10m": "a"}} | more


def test_windows_are_those_of_the_notebook():
    assert window(SEED, 10) == (4907, 8510, 1063, 1049)
    assert window(SEED, 20)[2:] == (531, 525)
    assert window(WHOLE, 10) == (0, 0, 10980, 10980)
    assert reduced(window(WHOLE, 10), 4) == (0, 0, 687, 687)
    assert reduced(window(SEED, 10), 0) == window(SEED, 10)
    with pytest.raises(ValueError, match="whole tiles"):
        reduced(window(SEED, 10), 1)
    with pytest.raises(ValueError, match="no pixel"):
        window((0, 0, 1, 1), 10)


def test_fields_are_always_the_same_and_in_the_tile():
    assert fields(50) == fields(50)
    assert len(set(fields(50))) == 50
    assert all(window(area, 10)[2:] == (50, 50) for area in fields(50))


def test_a_datatake_is_read_from_the_product():
    product = "S2B_MSIL2A_20210105T100109_N0214_R122_T33TVN_20210105T163014"
    assert datatake(product) == "2021-01-05T10:01:09Z"


def test_traffic_is_what_came_in_during_the_work():
    entries = [
        ("2026-01-01T00:00:00.500000Z", 206, 1),
        ("2026-01-01T00:00:01.000000Z", 206, 10),
        ("2026-01-01T00:00:01.500000Z", 429, 100),
        ("2026-01-01T00:00:01.700000Z", None, 0),
        ("2026-01-01T00:00:02.000000Z", 200, 1000),
        ("2026-01-01T00:00:02.000001Z", 206, 1),
    ]
    lines = [json.dumps({"time": t, "status": s, "bytes": b}) for t, s, b in entries]
    start = 1767225600.0
    assert traffic(lines, start + 1, start + 2) == (2, 2, 1110)


def test_medians_and_ratios():
    runs = [run("a", 3.0), run("a", 1.0), run("a", 2.0)]
    assert medians(runs)["wall"] == 2.0
    assert spread(runs, "wall") == (1.0, 3.0)
    assert ratio(1.0, 4.0) == 0.25
    assert ratio(1.0, 0) is None
    assert list(grouped(runs)) == [("seed", "local", "a")]


def test_other_pixels_fail():
    same_pixels([run("a", 1), run("b", 1)])
    with pytest.raises(ValueError, match=r"seed: b .* different pixels of B08_10m"):
        same_pixels([run("a", 1), run("b", 1, digests={"B08_10m": "b"})])


def test_targets_are_held_or_not():
    runs = grouped([run("cubeflight", 2.0, requests=10), run("seed's way", 5.0), run(PURE, 1.0)])
    assert Ratio("seed", "local", "wall", "seed's way", 0.4).verdict(runs).held is True
    assert Ratio("seed", "local", "wall", "seed's way", 0.39).verdict(runs).held is False
    assert Ratio("seed", "wan", "wall", "seed's way", 0.4).verdict(runs).held is None
    assert Ratio("other", "local", "wall", PURE, 2.0, ("seed", "local")).verdict(runs).held is None
    assert Absolute("seed", "local", "bytes", 0.001, " MB", 1e6).verdict(runs).held is True
    # as many requests as the peer are not fewer
    assert Better("seed", "local", "seed's way").verdict(runs).held is False
    assert {one.held for one in verdicts(runs, 100)} == {True, False, None}
