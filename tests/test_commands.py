"""index, plan, pull and the help texts."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from blackbox import L1C, L2A, REALDATA, Decoder, cli, run
from test_cube import BOX, R60M, SCL_20M, window

BOUNDS = ",".join(map(str, BOX))
REQUEST = [
    "--collection", "sentinel-2-l2a", "--tile", "29UNU", "--datetime", "2022-10-05/2022-10-06",
    "--bands", "B04_60m,SCL", "--bounds", BOUNDS,
]  # fmt: skip


@pytest.mark.parametrize("command", ["serve", "index", "plan", "pull", "read", "inspect"])
def test_help(command: str):
    out = cli(command, "--help")
    assert "Usage:" in out and len(out) > 300
    assert command in cli("--help")


def test_version():
    assert cli("--version").startswith("cubeflight ")


def test_index_is_idempotent(store: Path, indexed: tuple[Path, dict]):
    index, said = indexed
    assert isinstance(said, dict)
    before = plan(store, index)
    where = ["--store", store.as_uri(), "--index", index.as_uri()]
    again = json.loads(cli("index", *where, "--assets", "all", "--json"))
    assert (again["indexed"], again["known"]) == (0, said["indexed"])
    assert plan(store, index) == before


def plan(store: Path, index: Path) -> dict:
    where = ["--store", store.as_uri(), "--index", index.as_uri()]
    return json.loads(cli("plan", *REQUEST, *where, "--json"))


def test_plan(store: Path, indexed: tuple[Path, dict]):
    said = plan(store, indexed[0])
    assert said["time_steps"] == 1
    assert said["matched_ids"] == [L2A]
    assert said["missing"] == []
    assert said["assets_without_index"] == 0
    shapes = {path: tuple(shape) for path, shape in said["shapes"].items()}
    tiles = 0
    expected = {}
    for path, metres, tile in ((f"{R60M}/b04", 60, 192), (SCL_20M, 20, 640)):
        rows, columns = window("29UNU", BOX, metres)
        expected[path] = (rows.stop - rows.start, columns.stop - columns.start)
        down = (rows.stop - 1) // tile - rows.start // tile + 1
        across = (columns.stop - 1) // tile - columns.start // tile + 1
        tiles += down * across
    assert shapes == expected
    assert said["jp2_tiles"] == tiles
    assert 0 < said["requests"] <= tiles
    assert 0 < said["bytes"] < 2772718 + 1112540
    assert said["header_requests"] >= 0


def test_plan_of_a_server_is_the_same(server: str, store: Path, indexed: tuple[Path, dict]):
    said = json.loads(cli("plan", *REQUEST, "--server", server, "--json"))
    local = plan(store, indexed[0])
    for key in ("time_steps", "matched_ids", "missing", "shapes", "jp2_tiles", "requests", "bytes"):
        assert said[key] == local[key], key


def test_pull_to_npz(server: str, tmp_path: Path, decode: Decoder):
    out = tmp_path / "cube.npz"
    cli("pull", server, *REQUEST, "--out", out)
    with np.load(out) as arrays:
        names = {name.replace("\\", "/").lstrip("/"): name for name in arrays.files}
        for path, asset, metres in ((f"{R60M}/b04", "B04_60m", 60), (SCL_20M, "SCL_20m", 20)):
            pixels = arrays[names[path]]
            want = decode.asset(L2A, asset)[window("29UNU", BOX, metres)]
            np.testing.assert_array_equal(pixels[0], want)


def test_pull_to_png(server: str, tmp_path: Path):
    out = tmp_path / "cube.png"
    cli("pull", server, *REQUEST, "--out", out)
    assert out.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("product", "collection", "tile", "reference"),
    [
        (L2A, "sentinel-2-l2a", "29UNU", "L2A-29UNU-allres.parquet"),
        (L1C, "sentinel-2-l1c", "18LTM", "L1C-18LTM.parquet"),
    ],
)
def test_index_segments_equal_the_peers(
    indexed: tuple[Path, dict], tmp_path: Path, product: str, collection: str, tile: str,
    reference: str,
):  # fmt: skip
    if " tlm " not in cli("--help"):
        pytest.skip("no command `tlm`")
    peer = tmp_path / "peer.parquet"
    where = ["--tile", tile, "--collection", collection, "--peer", peer]
    cli("tlm", "export", "--index", indexed[0].as_uri(), *where)
    want = {row["path"]: row for row in pq.read_table(REALDATA / "index" / reference).to_pylist()}
    got = pq.read_table(peer).to_pylist()
    shared = [row for row in got if row["path"] in want]
    assert shared
    for row in shared:
        assert row["index"] == want[row["path"]]["index"], row["path"]
        assert row["product_id"] == product


def test_unknown_command():
    assert run("fly").returncode == 2
