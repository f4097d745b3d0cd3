"""Bad requests and bad files: each gets its code, through Flight and on the command line."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cubeflight
import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import L1C, L2A, Decoder, cli, codes, jp2, lay_out, require_realdata, run, serving
from test_cube import BOX, R60M, window

OTHER = {"tile": "29UNU", "bands": ["SCL"]}
BAD_REQUESTS = {
    "unknown band": ({"bands": ["B99"]}, "CF-S2-013"),
    "band of another level": (
        {"tile": "18LTM", "bands": ["B02_60m"], "collection": "sentinel-2-l1c"},
        "CF-S2-014",
    ),
    "inverted bounds": ({"bounds": (580000, 5840000, 560000, 5860000)}, "CF-S2-004"),
    "empty bounds": ({"bounds": (560000, 5840000, 560000, 5840000)}, "CF-S2-004"),
    "bounds outside the tile": ({"bounds": (700000, 5840000, 720000, 5860000)}, "CF-S2-006"),
    "no pixel in the bounds": ({"bounds": (560001, 5840001, 560002, 5840002)}, "CF-S2-007"),
    "malformed datetime": ({"datetime": "last tuesday"}, "CF-S2-015"),
    "inverted datetime": ({"datetime": "2022-12-01/2022-01-01"}, "CF-S2-016"),
    "bad tile": ({"tile": "banana"}, "CF-S2-001"),
    "no such tile": ({"tile": "61UNU"}, "CF-S2-001|CF-S2-002"),
    "unknown collection": ({"collection": "landsat-c2-l2"}, "CF-S2-009"),
    "unknown radiometry": ({"radiometry": "colourful"}, "CF-S2-017"),
    "unknown align": ({"align": "30m"}, "CF-S2-005"),
    "unknown level of resolution": ({"reduce": 5}, "CF-S2-021"),
    "unknown crs": ({"bounds": BOX, "crs": "EPSG:999999"}, "CF-CRS-[0-9]{3}"),
    "crs without a code": ({"bounds": BOX, "crs": "UTM 29N"}, "CF-CRS-001"),
    "heights for a crs": ({"bounds": BOX, "crs": "EPSG:5773"}, "CF-CRS-003"),
    "product with a long name": (
        {
            "product_ids": [
                "S2A_OPER_PRD_MSIL1C_PDMC_20160605T234423_R065_V20160605T102028_20160605T102028"
            ]
        },
        "CF-S2-012",
    ),
    "no bands": ({"bands": []}, "CF-(REQ|PLN)-[0-9]{3}"),
}

OPTIONS = {
    "tile": "--tile",
    "bands": "--bands",
    "bounds": "--bounds",
    "crs": "--crs",
    "datetime": "--datetime",
    "collection": "--collection",
    "radiometry": "--radiometry",
    "align": "--align",
    "reduce": "--reduce",
    "product_ids": "--product-ids",
}


@pytest.mark.parametrize(("change", "code"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_request_through_flight(client: cubeflight.Client, change: dict, code: str):
    arguments = OTHER | change
    with pytest.raises(cubeflight.InvalidRequest) as caught:
        client.search(arguments.pop("tile"), **arguments).load()
    assert re.fullmatch(code, caught.value.code or ""), str(caught.value)
    assert caught.value.message


@pytest.mark.parametrize(("change", "code"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_request_on_the_command_line(
    store: Path, indexed: tuple[Path, dict], change: dict, code: str
):
    request = {"collection": "sentinel-2-l2a"} | OTHER | change
    arguments = []
    for name, value in request.items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
        arguments.append(f"{OPTIONS[name]}={text}")
    done = run(
        "plan", *arguments, "--store", store.as_uri(), "--index", indexed[0].as_uri(), "--json"
    )
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert any(re.fullmatch(code, found) for found in codes(done.stderr)), done.stderr


def test_request_that_is_no_request(server: str):
    with fl.FlightClient(server) as flight:
        for command in (b"", b"{", b"[]", b'{"tile": 7}', b'{"colour": "red"}', b"\xff" * 40):
            with pytest.raises((pa.ArrowException, fl.FlightError), match=r"CF-[A-Z0-9]+-[0-9]"):
                flight.get_flight_info(fl.FlightDescriptor.for_command(command))
            with pytest.raises((pa.ArrowException, fl.FlightError), match=r"CF-[A-Z0-9]+-[0-9]"):
                flight.do_get(fl.Ticket(command)).read_chunk()


# A product with a file that is changed by each test, before or after indexing.


@pytest.fixture
def place(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    require_realdata()
    lay_out(root, [L2A])
    (tmp_path / "index").mkdir()
    return root


def stores(place: Path) -> list[str]:
    index = (place.parent / "index").as_uri()
    return ["--store", place.as_uri(), "--index", index, "--assets", "all"]


def index(place: Path) -> None:
    cli("index", *stores(place))


@contextmanager
def served(place: Path) -> Iterator[cubeflight.Client]:
    with serving(place, place.parent / "index") as address, cubeflight.connect(address) as client:
        yield client


def check_marked(client: cubeflight.Client, decode: Decoder) -> None:
    """B04 is fill and named, B01 beside it is whole; `fail` ends the stream with the code."""
    arguments = {"bands": ["B04_60m", "B01_60m"], "bounds": BOX}
    result = client.search("29UNU", **arguments).load()
    tree = result.datatree
    (error,) = result.errors
    assert (error.column, error.product_id) == (f"{R60M}/b04", L2A)
    assert codes(error.code)
    assert list(tree[R60M].status.values) == ["partial"]
    assert (tree[f"{R60M}/b04"].values == 0).all()
    want = decode.asset(L2A, "B01_60m")[window("29UNU", BOX, 60)]
    np.testing.assert_array_equal(tree[f"{R60M}/b01"].values[0], want)
    with pytest.raises(cubeflight.CubeflightError) as caught:
        client.search("29UNU", **arguments, on_error="fail").load()
    assert not isinstance(caught.value, cubeflight.Unavailable)
    assert caught.value.code == error.code


def test_file_removed_after_indexing(place: Path, decode: Decoder):
    index(place)
    jp2(place, L2A, "B04_60m").unlink()
    with served(place) as client:
        check_marked(client, decode)


def test_file_cut_short_after_indexing(place: Path, decode: Decoder):
    index(place)
    path = jp2(place, L2A, "B04_60m")
    path.write_bytes(path.read_bytes()[:100_000])
    with served(place) as client:
        check_marked(client, decode)


def test_file_cut_short_before_indexing(place: Path, decode: Decoder):
    path = jp2(place, L2A, "B04_60m")
    path.write_bytes(path.read_bytes()[:100_000])
    done = run("index", *stores(place))
    assert done.returncode == 1
    assert codes(done.stdout + done.stderr)
    with served(place) as client:
        check_marked(client, decode)


def test_file_replaced_after_indexing(place: Path, decode: Decoder):
    """The index does not match the file: its pixels must be the new ones, or none."""
    index(place)
    shutil.copyfile(jp2(place, L2A, "B06_60m"), jp2(place, L2A, "B04_60m"))
    with served(place) as client:
        result = client.search("29UNU", bands=["B04_60m"], bounds=BOX).load()
        pixels = result.datatree[f"{R60M}/b04"].values[0]
        if result.errors:
            assert (pixels == 0).all()
        else:
            want = decode.asset(L2A, "B06_60m")[window("29UNU", BOX, 60)]
            np.testing.assert_array_equal(pixels, want)


def test_no_index_at_all(place: Path, decode: Decoder):
    with served(place) as client:
        arguments = {"bands": ["B04_60m", "AOT_10m"], "bounds": BOX}
        assert client.plan("29UNU", **arguments)["assets_without_index"] == 2
        tree = client.search("29UNU", **arguments).load().datatree
        for path, asset, metres in (
            (f"{R60M}/b04", "B04_60m", 60),
            ("quality/atmosphere/r10m/aot", "AOT_10m", 10),
        ):
            want = decode.asset(L2A, asset)[window("29UNU", BOX, metres)]
            np.testing.assert_array_equal(tree[path].values[0], want)


def test_store_that_is_not_there(tmp_path: Path):
    done = run("serve", "--store", (tmp_path / "none").as_uri(), "--index", tmp_path.as_uri())
    assert done.returncode in (1, 2)
    assert codes(done.stderr)


def test_wrong_usage():
    for arguments in (["colour"], ["read"], ["plan", "--tile"], ["read", "x", "--window", "1,2"]):
        done = run(*arguments)
        assert done.returncode == 2, done.stderr
        assert done.stderr


def test_products_of_another_level_are_no_match(client: cubeflight.Client):
    plan = client.plan("29UNU", bands=["B01"], collection="sentinel-2-l1c")
    assert L1C not in plan["matched_ids"] and plan["time_steps"] == 0
