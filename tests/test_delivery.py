"""Which steps of a cube are sent, and how: some of them, in time order or as completed, packed."""

import json
from collections.abc import Iterator
from pathlib import Path

import cubeflight
import numpy as np
import pyarrow.flight as fl
import pytest
import xarray as xr

from blackbox import cli, codes, run, serving
from test_archive import SEED, SEED_TEXT, TILE, archive

BANDS = ["B08", "SCL", "B04_60m"]
B08 = "measurements/reflectance/r10m/b08"
REQUEST = {
    "tile": TILE,
    "bands": BANDS,
    "bounds": dict(zip(("minX", "minY", "maxX", "maxY"), SEED, strict=True)),
    # several row-blocks a step
    "maxMessageBytes": 400_000,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps, of which one is two products."""
    root = tmp_path_factory.mktemp("delivery")
    archive(root, 6, ",".join(BANDS), "--split-datastrips", "1", "--swath-edges", "1")
    cli("index", "--store", root / "eodata", "--index", root / "index", "--assets", "all")
    return root


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with serving(root / "eodata", root / "index") as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[cubeflight.Client]:
    with cubeflight.connect(url) as client:
        yield client


@pytest.fixture(scope="module")
def whole(client: cubeflight.Client) -> xr.DataTree:
    tree = search(client).datatree
    assert tree[B08].sizes["time"] == 6
    assert {len(ids.split()) for ids in tree[B08].product_ids.values} == {1, 2}
    return tree


def search(client: cubeflight.Client, **more) -> cubeflight.Cube:
    return client.search(TILE, bands=BANDS, bounds=SEED, max_message_bytes=400_000, **more).load()


def same(found: xr.DataTree, expected: xr.DataTree, times: list[int] | None = None) -> None:
    """The trees are the same but for what names the products of the whole cube."""
    assert found.groups == expected.groups
    for path in found.groups:
        one, other = (tree[path].to_dataset(inherit=False) for tree in (found, expected))
        if times is not None and "time" in other.dims:
            other = other.isel(time=times)
        if path == "/":
            one.attrs.pop("product_ids"), other.attrs.pop("product_ids")
        xr.testing.assert_identical(one, other)


def pull(url: str, request: dict) -> tuple[fl.FlightInfo, list]:
    """Schema, and the messages of a request."""
    command = json.dumps(REQUEST | request)
    with fl.connect(url) as flight:
        info = flight.get_flight_info(fl.FlightDescriptor.for_command(command))
        (endpoint,) = info.endpoints
        return info, [chunk.data for chunk in flight.do_get(endpoint.ticket)]


def by_place(rows: list) -> dict:
    """Rows by time and row-block."""
    found = {}
    for row in rows:
        assert row.num_rows == 1
        found[row.column("time")[0].as_py(), row.column("block")[0].as_py()] = row
    assert len(found) == len(rows)
    return found


def test_any_way_gives_the_same_rows_and_schema(url: str):
    plain, rows = pull(url, {})
    places = list(by_place(rows))
    assert plain.ordered and places == sorted(places) and len(places) > 40
    expected = by_place(rows)
    for request in (
        {"ordered": True, "compression": "none"},
        {"ordered": False},
        {"compression": "lz4"},
        {"compression": "zstd", "ordered": False},
        {"times": [places[0][0].isoformat()]},
    ):
        info, rows = pull(url, request)
        assert info.ordered == request.get("ordered", True)
        assert info.schema.serialize() == plain.schema.serialize(), request
        found = by_place(rows)
        if "times" in request:
            assert info.total_records == len(found) < len(expected)
            assert set(found) == {place for place in expected if place[0] == places[0][0]}
        else:
            assert info.total_records == plain.total_records == len(found)
            assert info.total_bytes == plain.total_bytes
            assert found.keys() == expected.keys()
        for place, row in found.items():
            assert row.schema.equals(expected[place].schema, check_metadata=True)
            assert row.equals(expected[place]), (request, place)


@pytest.mark.parametrize(
    "more",
    [
        {"ordered": False},
        {"ordered": False, "compression": "lz4"},
        {"compression": "zstd"},
        {"ordered": False, "min_valid": 0.5, "mask": {"scl": [3, 8, 9, 10]}},
    ],
    ids=str,
)
def test_the_client_makes_the_same_cube(client: cubeflight.Client, more: dict):
    plain = {key: more[key] for key in more if key not in ("ordered", "compression")}
    expected = search(client, **plain)
    found = search(client, **more)
    same(found.datatree, expected.datatree)
    assert found.errors == expected.errors
    if plain:
        status = set(expected.datatree[B08].status.values)
        assert "skipped" in status and len(status) > 1, status


def test_windows_as_completed(client: cubeflight.Client):
    left, bottom = SEED[:2]
    windows = [(left + 900 * n, bottom + 700 * n, left + 900 * n + 800, bottom + 700 * n + 500)
               for n in range(10)]  # fmt: skip
    ordered = client.search(TILE, bands=BANDS, windows=windows).load()
    found = client.search(
        TILE, bands=BANDS, windows=windows, ordered=False, compression="lz4"
    ).load()
    for one, other in zip(found.cubes, ordered.cubes, strict=True):
        same(one.datatree, other.datatree)


@pytest.mark.parametrize("group_by", ["datatake", "solar_day"])
@pytest.mark.parametrize("steps", [[0], [3], [5], [4, 1], [0, 1, 2, 3, 4, 5]], ids=str)
def test_steps_are_those_of_the_whole_cube(
    client: cubeflight.Client, whole: xr.DataTree, steps: list[int], group_by: str
):
    if group_by == "solar_day":
        whole = search(client, groupby=group_by).datatree
    times = whole[B08].time.isel(time=steps)
    found = search(client, times=times, groupby=group_by)
    same(found.datatree, whole, sorted(steps))
    assert found.plan()["time_steps"] == len(steps)
    products = " ".join(whole[B08].product_ids.values[sorted(steps)]).split()
    assert set(products) <= set(found.matched_ids)


def test_what_is_not_selected_costs_nothing(client: cubeflight.Client, whole: xr.DataTree):
    times = whole[B08].time.values
    each = [client.plan(TILE, bands=BANDS, bounds=SEED, times=time) for time in times]
    all_of_them = client.plan(TILE, bands=BANDS, bounds=SEED)
    for name in ("jp2_tiles", "time_steps"):
        assert sum(plan[name] for plan in each) == all_of_them[name], name
    # which gaps are read over is chosen for all that is asked for together
    for name in ("requests", "bytes"):
        assert 0.8 < sum(plan[name] for plan in each) / all_of_them[name] < 1.25, name
        assert all(plan[name] > 0 for plan in each)


def test_times_that_the_cube_does_not_have(client: cubeflight.Client, whole: xr.DataTree):
    times = whole[B08].time.values

    def refused(**more) -> cubeflight.NotFound:
        with pytest.raises(cubeflight.NotFound) as error:
            search(client, **more)
        assert error.value.code == "CF-ENG-004"
        return error.value

    beside = times[2] + np.timedelta64(1, "s")
    error = refused(times=[times[0], beside])
    assert str(beside)[:19] in str(error) and str(times[0])[:19] not in str(error)
    # it has the step, but not as it is asked for
    refused(times=times[2], datetime=(None, str(times[1])[:10]))
    clouds = whole[B08].cloud_cover.values
    cloudy = times[int(np.argmax(clouds))]
    refused(times=cloudy, cloud_cover=float(clouds.max()) - 0.01)
    search(client, times=cloudy, cloud_cover=float(clouds.max()) + 0.01)
    with pytest.raises(cubeflight.InvalidRequest) as error:
        search(client, times="2021-06")
    assert error.value.code == "CF-REQ-006"
    with pytest.raises(cubeflight.InvalidRequest) as error:
        search(client, compression="gzip")
    assert error.value.code == "CF-REQ-004" and "none, lz4, zstd" in str(error.value)


def test_command_line(url: str, client: cubeflight.Client, whole: xr.DataTree, tmp_path: Path):
    request = ["--tile", TILE, "--bands", ",".join(BANDS), "--bounds", SEED_TEXT]
    out = tmp_path / "cube.npz"
    cli("pull", url, *request, "--unordered", "--compression", "zstd", "--out", out)
    with np.load(out) as arrays:
        for path in (B08, "measurements/reflectance/r60m/b04"):
            np.testing.assert_array_equal(arrays[path], whole[path].values)
    times = [f"{str(time)[:19]}Z" for time in whole[B08].time.values[[4, 1]]]
    cli("pull", url, *request, "--times", ",".join(times), "--compression", "lz4", "--out", out)
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays[B08], whole[B08].values[[1, 4]])
    plan = json.loads(cli("plan", "--server", url, *request, "--times", times[0], "--json"))
    assert plan["time_steps"] == 1
    gone = run("pull", url, *request, "--times", "2020-01-01T00:00:00Z", "--out", out)
    assert (gone.returncode, codes(gone.stderr)[:1]) == (1, ["CF-ENG-004"]), gone.stderr
