"""Several windows of a tile as one plan: pixels of each as if it were asked for alone, JP2 tiles
that they share read once."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cubeflight
import numpy as np
import pyproj
import pytest
import xarray as xr

from blackbox import cli, codes, run, serving, serving_urls
from test_archive import SEED, TILE, archive, logged
from test_s3 import s3

LEFT, TOP = 399960, 5300040
BANDS = ["B08", "B11", "B04_60m", "SCL", "TCI_60m"]
B08 = "measurements/reflectance/r10m/b08"
SCL = "conditions/mask/l2a_classification/r20m/scl"
Bounds = tuple[float, float, float, float]


def fields(count: int, seed: int = 1, box: Bounds = SEED, smallest: float = 60) -> list[Bounds]:
    """Fields of up to 900 m, some over each other, in no order."""
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        width, height = dice.uniform(smallest, 900), dice.uniform(smallest, 900)
        x, y = dice.uniform(box[0], box[2] - width), dice.uniform(box[1], box[3] - height)
        found.append((x, y, x + width, y + height))
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("windows")
    archive(root, 3, ",".join(BANDS), "--swath-edges", "1")
    cli("index", "--store", root / "eodata", "--index", root / "index", "--assets", "all")
    return root


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[cubeflight.Client]:
    with serving(root / "eodata", root / "index") as url, cubeflight.connect(url) as client:
        yield client


def same(found: xr.DataTree, alone: xr.DataTree, but: tuple[str, ...] = ()) -> None:
    assert found.groups == alone.groups
    for path in found.groups:
        one, other = (
            tree[path].to_dataset(inherit=False).drop_vars(but, errors="ignore")
            for tree in (found, alone)
        )
        xr.testing.assert_identical(one, other)


def to_degrees(bounds: Bounds) -> Bounds:
    lonlat = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    return lonlat.transform_bounds(*bounds)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"align": "60m", "radiometry": "reflectance"},
        {"align": "20m", "reduce": 2},
        {"reduce": 1, "radiometry": "harmonised"},
        {"crs": 4326},
        {"mask": {"scl": [3, 8, 9, 10], "dilate": 100}},
        {"mask": {"scl": [4, 5], "dilate": 0}, "reduce": 1},
    ],
    ids=str,
)
def test_each_window_is_as_it_is_alone(client: cubeflight.Client, more: dict):
    # none so small that it holds no centre
    windows = [*fields(6, smallest=300), (SEED[0] - 9000, SEED[1] - 900, SEED[0] - 7000, SEED[1])]
    # over all four JP2 tiles of 10 m, and the same once more
    windows += [(451000.0, 5205000.0, 453000.0, 5207200.0)] * 2
    if "crs" in more:
        windows = [to_degrees(window) for window in windows]
    result = client.search(TILE, bands=BANDS, windows=windows, **more).load()
    assert result.errors == [] and len(result.cubes) == len(windows)
    assert any(cube.datatree[B08].values.any() for cube in result.cubes)
    for window, cube in zip(windows, result.cubes, strict=True):
        alone = client.search(TILE, bands=BANDS, bounds=window, **more).load()
        assert cube.matched_ids == alone.matched_ids
        # of all windows, and of this one
        same(cube.datatree, alone.datatree, ("valid_fraction",) if "mask" in more else ())
        assert cube.datatree[B08].dtype == alone.datatree[B08].dtype


def test_points_are_pixels(client: cubeflight.Client):
    """Each band has the pixel that the point lies in."""
    whole = client.search(TILE, bands=BANDS, bounds=SEED, align="60m").load().datatree
    dice = random.Random(3)
    points = [(dice.uniform(SEED[0], SEED[2]), dice.uniform(SEED[1], SEED[3])) for _ in range(40)]
    # narrower than a pixel, and on the corner of pixels of all grids
    strip = (450001.0, 5206001.0, 450002.0, 5206500.0)
    corner = (LEFT + 60 * 900, TOP - 60 * 1500)
    result = client.search(TILE, bands=BANDS, windows=[*points, corner, strip]).load()
    for point, cube in zip([*points, corner], result.cubes, strict=False):
        for path, metres in ((B08, 10), (SCL, 20), ("measurements/reflectance/r60m/b04", 60)):
            pixels = cube.datatree[path]
            assert pixels.shape == (3, 1, 1)
            column, row = (point[0] - LEFT) // metres, (TOP - point[1]) // metres
            centre = LEFT + (column + 0.5) * metres, TOP - (row + 0.5) * metres
            assert (pixels.x.item(), pixels.y.item()) == centre
            want = whole[path].sel(x=centre[0], y=centre[1])
            np.testing.assert_array_equal(pixels.values[:, 0, 0], want.values)
    assert result.cubes[-1].datatree[B08].shape == (3, 50, 1)
    assert result.cubes[-1].datatree[SCL].shape == (3, 25, 1)
    with pytest.raises(cubeflight.InvalidRequest) as error:
        client.search(TILE, bands=BANDS, bounds=strip).load()
    assert error.value.code == "CF-S2-007"


def test_the_share_of_valid_pixels_is_that_of_all_windows(client: cubeflight.Client):
    windows = [*fields(5), (LEFT + 100, TOP - 1100, LEFT + 1100, TOP - 100)]
    asked = {"bands": ["SCL"], "mask": {"scl": [3, 8, 9, 10]}}
    result = client.search(TILE, windows=windows, **asked).load()
    valid = np.zeros(3)
    pixels = 0
    for window in windows:
        scl = client.search(TILE, bounds=window, **asked).load().datatree[SCL]
        size = scl.sizes["x"] * scl.sizes["y"]
        valid += scl.valid_fraction.values * size
        pixels += size
    for cube in result.cubes:
        np.testing.assert_allclose(cube.datatree[SCL].valid_fraction.values, valid / pixels)
    assert 0 < (valid / pixels).min() < (valid / pixels).max() < 1
    # a skipped step is one row, which stands for all windows
    least = float((valid / pixels).min() + (valid / pixels).max()) / 2
    skipped = client.search(TILE, windows=windows, min_valid=least, **asked).load()
    for cube, whole in zip(skipped.cubes, result.cubes, strict=True):
        scl = cube.datatree[SCL]
        out = scl.status.values == "skipped"
        np.testing.assert_array_equal(out, valid / pixels < least)
        assert not scl.values[out].any()
        np.testing.assert_array_equal(scl.values[~out], whole.datatree[SCL].values[~out])


@pytest.mark.parametrize("detail", ["tlm", "plt"])
def test_the_log_is_the_plan_and_shared_tiles_are_read_once(
    root: Path, tmp_path: Path, detail: str
):
    log, index = tmp_path / "log.jsonl", tmp_path / "index"
    windows = fields(50, 7)
    listed = tmp_path / "fields.csv"
    listed.write_text("# fields\n" + "\n".join(",".join(map(str, w)) for w in windows))
    with ExitStack() as stack:
        _, endpoint = stack.enter_context(s3(root, "--log", log))
        extra = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "who",
            "AWS_SECRET_ACCESS_KEY": "a:secret",
        }
        cli("index", "--store", "s3://eodata", "--index", index, "--detail", detail, extra=extra)
        stores = ["--store", "s3://eodata", "--index", index, "--reads", "--json"]
        request = ["--tile", TILE, "--bands", "B08,SCL"]
        plan = json.loads(cli("plan", *request, "--windows", listed, *stores, extra=extra))
        singles = [
            json.loads(
                cli("plan", *request, "--bounds", ",".join(map(str, w)), *stores, extra=extra)
            )
            for w in windows[:10]
        ]
        address = stack.enter_context(
            serving_urls("s3://eodata", index.as_uri(), tmp_path / "serve.log", extra)
        )
        with cubeflight.connect(address) as client:
            before = len(log.read_text().splitlines())
            result = client.search(TILE, bands=["B08", "SCL"], windows=windows).load()
            lines = [json.loads(line) for line in log.read_text().splitlines()[before:]]
    assert len(plan["reads"]) == plan["requests"]
    reads = [line for line in lines if line["key"].endswith(".jp2")]
    planned = Counter((read["href"].removeprefix("s3://eodata/"), logged(read))
                      for read in plan["reads"])  # fmt: skip
    assert planned == Counter((line["key"], line["range"]) for line in reads)
    assert sum(line["bytes"] for line in reads) == plan["bytes"] == result.plan()["bytes"]
    assert plan["requests"] == result.plan()["requests"] == len(reads)
    assert plan["row_blocks"] == 50
    height, width = plan["shapes"][B08]
    assert width == max(cube.datatree[B08].sizes["x"] for cube in result.cubes)
    assert height == max(cube.datatree[B08].sizes["y"] for cube in result.cubes)
    # four JP2 tiles at 10 m and at 20 m, three steps
    assert plan["jp2_tiles"] == 2 * 4 * 3
    # ten of the fifty alone cost more than all of them together
    assert plan["requests"] < sum(single["requests"] for single in singles)
    assert plan["bytes"] < 0.5 * 5 * sum(single["bytes"] for single in singles)


def test_large_windows_in_any_order(client: cubeflight.Client):
    """More than fits into memory at once, back and forth between the ends of the tile."""
    near = fields(30, 11, (450000.0, 5205000.0, 459000.0, 5214000.0))
    big = [(x, y, x + 9000, y + 9000) for x, y, _, _ in near]
    windows = [w if k % 2 else (w[0] - 40000, w[1] + 40000, w[2] - 40000, w[3] + 40000)
               for k, w in enumerate(big)]  # fmt: skip
    result = client.search(TILE, bands=["B08"], windows=windows).load()
    assert result.errors == []
    for number in (1, 2, 17, 29):
        alone = client.search(TILE, bands=["B08"], bounds=windows[number]).load()
        same(result.cubes[number].datatree, alone.datatree)
    assert result.cubes[1].datatree[B08].values.any()


def test_a_broken_tile_is_fill_in_the_windows_that_need_it(root: Path, tmp_path: Path):
    store, index = tmp_path / "eodata", tmp_path / "index"
    shutil.copytree(root / "eodata", store)
    cli("index", "--store", store, "--index", index)
    file = sorted(store.rglob("*_B08_10m.jp2"))[0]
    windows = fields(20, 5)
    with serving(store, index) as url, cubeflight.connect(url) as client:
        plan = json.loads(
            cli("plan", "--tile", TILE, "--bands", "B08", "--bounds",
                ",".join(map(str, windows[0])), "--store", store, "--index", index,
                "--reads", "--json")
        )  # fmt: skip
        read = next(read for read in plan["reads"] if read["href"].endswith(file.name))
        with file.open("r+b") as bytes_of:
            bytes_of.seek(read["start"] + 4)
            bytes_of.write(b"\xff\xff")  # another tile than the index says
        result = client.search(TILE, bands=["B08"], windows=windows).load()
        failed = 0
        for window, cube in zip(windows, result.cubes, strict=True):
            alone = client.search(TILE, bands=["B08"], bounds=window).load()
            same(cube.datatree, alone.datatree)
            assert [error.code for error in cube.errors] == [e.code for e in alone.errors]
            failed += bool(cube.errors)
        assert cube.datatree[B08].values.any()
        assert 0 < failed < len(windows), failed


def test_refusals(client: cubeflight.Client):
    inside = fields(1)[0]

    def refused(**more) -> cubeflight.CubeflightError:
        with pytest.raises(cubeflight.InvalidRequest) as error:
            client.search(TILE, bands=["B08"], **more).load()
        return error.value

    both = refused(windows=[inside], bounds=inside)
    assert both.code == "CF-REQ-007" and "bounds and windows" in str(both)
    many = refused(windows=[inside] * 1025)
    assert many.code == "CF-REQ-006" and "1025" in str(many)
    outside = refused(windows=[inside, inside, (LEFT - 900, TOP, LEFT - 800, TOP + 100)])
    assert outside.code == "CF-S2-006" and "windows[2]" in str(outside)
    beside = refused(windows=[inside, (LEFT + 109800, TOP - 5)])
    assert beside.code == "CF-S2-006" and "windows[1]" in str(beside)
    wrong = refused(windows=[inside, (5, 1, 4, 2)])
    assert wrong.code == "CF-S2-022" and "windows[1]" in str(wrong)
    far = refused(windows=[(14.3, 47.0), (194.3, 47.0)], crs=4326)
    assert far.code == "CF-CRS-006" and "windows[1]" in str(far)
    large = refused(windows=[inside, SEED], max_message_bytes=1_000_000)
    assert large.code == "CF-PLN-001" and f"at least {1063 * 1049 * 2} bytes" in str(large)
    # a list of the most there may be goes through all layers
    assert client.plan(TILE, bands=["B08", "SCL"], windows=fields(1024))["row_blocks"] == 1024


def test_command_line(root: Path, client: cubeflight.Client, tmp_path: Path):
    windows = [*fields(3), (450005.0, 5206005.0, 450005.0, 5206005.0)]
    listed = tmp_path / "fields.txt"
    listed.write_text("\n".join(" ".join(map(str, w)) for w in windows) + "\n\n")
    request = ["--tile", TILE, "--bands", "B08,SCL", "--windows", listed]
    with serving(root / "eodata", root / "index") as url:
        cli("pull", url, *request, "--out", tmp_path / "cube.npz")
        picture = run("pull", url, *request, "--out", tmp_path / "cube.png")
        assert (picture.returncode, codes(picture.stderr)) == (2, ["CF-CLI-001"])
        plan = json.loads(cli("plan", *request, "--server", url, "--json"))
    result = client.search(TILE, bands=["B08", "SCL"], windows=windows).load()
    assert plan["requests"] == result.plan()["requests"]
    with np.load(tmp_path / "cube.npz") as arrays:
        names = {f"{k}/{path}" for k in range(4) for path in (B08, SCL)}
        assert names <= set(arrays)
        for number, cube in enumerate(result.cubes):
            for path in (B08, SCL):
                pixels = cube.datatree[path]
                np.testing.assert_array_equal(arrays[f"{number}/{path}"], pixels.values)
                group = path.rpartition("/")[0]
                np.testing.assert_array_equal(arrays[f"{number}/{group}/x"], pixels.x.values)
                np.testing.assert_array_equal(arrays[f"{number}/{group}/y"], pixels.y.values)
        assert list(arrays["status"].astype(str)) == ["ok"] * 3
    for text in ("1,2,3\n", "# nothing\n", "a,b,c,d"):
        listed.write_text(text)
        done = run("plan", *request, "--store", root / "eodata", "--index", root / "index")
        assert (done.returncode, codes(done.stderr)) == (2, ["CF-CLI-001"]), done.stderr
    gone = run("plan", "--tile", TILE, "--bands", "B08", "--windows", tmp_path / "gone",
               "--store", root / "eodata", "--index", root / "index")  # fmt: skip
    assert (gone.returncode, codes(gone.stderr)) == (2, ["CF-CLI-001"])
