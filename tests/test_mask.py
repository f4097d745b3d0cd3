"""Reflectance masked by the scene classification, and steps that are skipped for it."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cubeflight
import numpy as np
import pytest

from blackbox import cli, codes, run, serving, serving_urls
from test_archive import logged
from test_s3 import s3

TILE = "33TVN"
LEFT, TOP = 399960, 5300040
# 7.2 km, on the lattice of all three grids.
BOX = (LEFT + 48000, TOP - 91200, LEFT + 55200, TOP - 84000)
BANDS = ["B08", "B11", "B04_60m", "SCL"]
PATHS = {
    "measurements/reflectance/r10m/b08": 10,
    "measurements/reflectance/r20m/b11": 20,
    "measurements/reflectance/r60m/b04": 60,
}
SCL = "conditions/mask/l2a_classification/r20m/scl"
CLOUDS = [3, 8, 9, 10]
STEPS = 12


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clouds")
    cli(
        "archive", "--out", out, "--tile", TILE, "--steps", str(STEPS), "--seed", "5",
        "--bands", ",".join(BANDS), "--bounds", ",".join(map(str, BOX)), "--swath-edges", "2",
        timeout=300,
    )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def index(archive: Path) -> Path:
    index = archive / "index"
    cli("index", "--store", archive / "eodata", "--index", index)
    return index


@pytest.fixture(scope="module")
def client(archive: Path, index: Path) -> Iterator[cubeflight.Client]:
    with serving(archive / "eodata", index) as address, cubeflight.connect(address) as client:
        yield client


@pytest.fixture(scope="module")
def plain(client: cubeflight.Client):
    """All of the box, nothing masked."""
    return client.search(TILE, bands=BANDS, bounds=BOX).load()


def disc(marked: np.ndarray, metres: float) -> np.ndarray:
    """Pixels whose centre is at most so far from that of a marked one, by the definition."""
    reach = int(metres // 20)
    spread = np.zeros_like(marked)
    height, width = marked.shape
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if (20 * dx) ** 2 + (20 * dy) ** 2 <= metres**2 + 1e-6:
                spread[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] |= marked[
                    max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
                ]
    return spread


def on_grid(masked: np.ndarray, metres: int) -> np.ndarray:
    """A mask of the 20 m grid on another one."""
    if metres == 10:
        return masked.repeat(2, axis=0).repeat(2, axis=1)
    if metres == 60:
        rows, columns = masked.shape
        return masked.reshape(rows // 3, 3, columns // 3, 3).any(axis=(1, 3))
    return masked


@pytest.mark.parametrize("metres", [0, 20, 50, 240])
def test_what_is_masked_is_what_the_definition_says(client, plain, metres):
    """Clouds beyond the window mask what is near them, too."""
    wide = (BOX[0] - 240, BOX[1] - 240, BOX[2] + 240, BOX[3] + 240)
    around = client.search(TILE, bands=["SCL"], bounds=wide).load().datatree[SCL].values
    masked = client.search(
        TILE, bands=BANDS, bounds=BOX, mask={"scl": CLOUDS, "dilate": metres}
    ).load()
    assert masked.errors == []
    classes = plain.datatree[SCL].values
    np.testing.assert_array_equal(masked.datatree[SCL].values, classes)
    hidden = 0
    for step in range(STEPS):
        none = classes[step] == 0
        mask = disc(np.isin(around[step], CLOUDS), metres)[12:-12, 12:-12] | none
        for path, resolution in PATHS.items():
            want = plain.datatree[path].values[step].copy()
            want[on_grid(mask, resolution)] = 0
            np.testing.assert_array_equal(masked.datatree[path].values[step], want)
        share = float(masked.datatree[SCL].valid_fraction.values[step])
        assert share == pytest.approx(1 - mask.mean(), abs=1e-12)
        hidden += int((mask & ~none).sum())
    assert hidden > 1000


def test_float_reflectance_is_nan_where_it_is_masked(client, plain):
    mask = {"scl": CLOUDS}
    masked = client.search(
        TILE, bands=["B11", "SCL"], bounds=BOX, mask=mask, radiometry="reflectance"
    ).load()
    whole = client.search(TILE, bands=["B11"], bounds=BOX, radiometry="reflectance").load()
    path = "measurements/reflectance/r20m/b11"
    hidden = np.isin(plain.datatree[SCL].values, [0, *CLOUDS])
    want = np.where(hidden, np.nan, whole.datatree[path].values)
    np.testing.assert_array_equal(masked.datatree[path].values, want)
    assert hidden.any() and not hidden.all()


def test_cropping_a_masked_cube_equals_the_masked_crop(client):
    """For windows of all sizes and places, whatever grids are asked for."""
    random = np.random.default_rng(20)
    mask = {"scl": CLOUDS, "dilate": 130}
    when = "2021-01-01/2021-06-30"
    whole = client.search(TILE, when, bands=BANDS, bounds=BOX, mask=mask).load()
    assert len(whole.datatree[SCL].time) > 3
    for _ in range(24):
        names = sorted(random.choice(BANDS, size=random.integers(1, 5), replace=False))
        x, y = random.uniform(0, 6500, 2)
        width, height = random.uniform(70, 3000, 2)
        left, bottom = BOX[0] + x, BOX[1] + y
        bounds = (left, bottom, min(left + width, BOX[2]), min(bottom + height, BOX[3]))
        align = str(random.choice(["centre", "20m", "60m"]))
        part = client.search(TILE, when, bands=names, bounds=bounds, mask=mask, align=align).load()
        compared = 0
        for path in [*PATHS, SCL]:
            group, name = path.rsplit("/", 1)
            if f"/{group}" not in part.datatree.groups:
                continue
            if name not in part.datatree[group].data_vars:
                continue
            small = part.datatree[path]
            want = whole.datatree[path].sel(x=small.x, y=small.y)
            np.testing.assert_array_equal(small.values, want.values, err_msg=f"{path} {bounds}")
            compared += 1
        assert compared == len(names)


def test_skipped_steps_cost_their_mask_only(client, archive: Path, tmp_path: Path):
    """A year of which half is too cloudy, over S3 with a log: what the plan says of masks and of
    the steps that are kept is read, and no more."""
    clouds = {"scl": CLOUDS, "dilate": 60}
    shares = client.search(TILE, bands=["SCL"], bounds=BOX, mask=clouds).load().datatree[SCL]
    shares = shares.valid_fraction
    least = float(np.median(shares.values))
    log, index = tmp_path / "requests.jsonl", tmp_path / "index"
    mask = ["--mask-scl", ",".join(map(str, CLOUDS)), "--dilate", "60"]
    request = ["--tile", TILE, "--bands", ",".join(BANDS), "--bounds", ",".join(map(str, BOX))]
    with ExitStack() as stack:
        _, endpoint = stack.enter_context(s3(archive, "--log", log))
        extra = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "who",
            "AWS_SECRET_ACCESS_KEY": "a:secret",
        }
        cli("index", "--store", "s3://eodata", "--index", index, extra=extra)
        stores = ["--store", "s3://eodata", "--index", index, "--reads", "--json"]
        plan = json.loads(
            cli("plan", *request, *mask, "--min-valid", str(least), *stores, extra=extra)
        )
        address = stack.enter_context(
            serving_urls("s3://eodata", index.as_uri(), tmp_path / "serve.log", extra)
        )
        before = len(log.read_text().splitlines())
        with cubeflight.connect(address) as remote:
            cube = remote.search(TILE, bands=BANDS, bounds=BOX, mask=clouds, min_valid=least).load()
        lines = [json.loads(line) for line in log.read_text().splitlines()[before:]]
    group = cube.datatree["measurements/reflectance/r10m"]
    skipped = group.status.values == "skipped"
    assert skipped.sum() == STEPS // 2
    np.testing.assert_array_equal(skipped, shares.values < least)
    np.testing.assert_array_equal(group.valid_fraction.values, shares.values)
    assert (group.b08.values[skipped] == 0).all()
    assert all((step != 0).any() for step in group.b08.values[~skipped])
    gone = {name for names, out in zip(group.product_ids.values, skipped, strict=True) if out
            for name in names.split()}  # fmt: skip

    def is_read(read: dict) -> bool:
        return "_SCL_20m" in read["href"] or not any(name in read["href"] for name in gone)

    kept = [read for read in plan["reads"] if is_read(read)]
    gets = Counter(
        (f"s3://{line['bucket']}/{line['key']}", line["range"])
        for line in lines
        if line["operation"] == "GetObject" and line["key"].startswith("Sentinel-2/")
    )
    assert gets == Counter((read["href"], logged(read)) for read in kept)
    size = sum(read["end"] - read["start"] for read in kept)
    masks = [read for read in plan["reads"] if "_SCL_20m" in read["href"]]
    assert plan["mask_bytes"] == sum(read["end"] - read["start"] for read in masks)
    assert plan["mask_requests"] == len(masks)
    assert plan["mask_bytes"] < size < 0.7 * plan["bytes"]


def test_a_skipped_step_is_one_row_whatever_its_size(client, archive, index, tmp_path):
    """Of cubes in several row-blocks too, in every client."""
    clouds = {"scl": CLOUDS}
    shares = client.search(TILE, bands=["SCL"], bounds=BOX, mask=clouds).load().datatree[SCL]
    least = float(np.median(shares.valid_fraction.values))
    ask = {
        "bands": ["B08", "SCL"], "bounds": BOX, "mask": clouds, "min_valid": least,
        "radiometry": "reflectance",
    }  # fmt: skip
    whole = client.search(TILE, **ask).load()
    parts = client.search(TILE, max_message_bytes=300_000, **ask).load()
    assert (whole.plan()["row_blocks"], whole.errors) == (1, [])
    assert parts.plan()["row_blocks"] > 3
    out = tmp_path / "cube.npz"
    with serving(archive / "eodata", index) as address:
        cli(
            "pull", address, "--tile", TILE, "--bands", "B08,SCL", "--out", out,
            "--bounds", ",".join(map(str, BOX)), "--mask-scl", ",".join(map(str, CLOUDS)),
            "--min-valid", str(least), "--radiometry", "reflectance",
        )  # fmt: skip
    pulled = np.load(out)
    statuses = whole.datatree[SCL].status.values
    assert (statuses == "skipped").sum() == STEPS // 2
    np.testing.assert_array_equal(pulled["status"].astype(str), statuses.astype(str))
    for path in ("measurements/reflectance/r10m/b08", SCL):
        want = whole.datatree[path].values
        np.testing.assert_array_equal(parts.datatree[path].values, want)
        np.testing.assert_array_equal(pulled[path], want)
    assert np.isnan(
        whole.datatree["measurements/reflectance/r10m/b08"].values[statuses == "skipped"]
    ).all()


def test_without_scene_classification_nothing_passes_for_clear(archive, index, tmp_path):
    copy = tmp_path / "eodata"
    for file in (archive / "eodata").rglob("*"):
        target = copy / file.relative_to(archive / "eodata")
        if file.is_dir():
            target.mkdir(parents=True)
        else:
            target.hardlink_to(file)
    lost = sorted(copy.rglob("*_SCL_20m.jp2"))[0]
    lost.unlink()
    product = next(part[:-5] for part in lost.parts if part.endswith(".SAFE"))
    with serving(copy, index) as address, cubeflight.connect(address) as client:
        ask = {"bands": ["B08", "SCL"], "bounds": BOX, "product_ids": [product]}
        cube = client.search(TILE, mask={"scl": CLOUDS}, **ask).load()
        assert [error.code for error in cube.errors] == ["CF-ENG-015", "CF-ENG-011"]
        assert (cube.datatree["measurements/reflectance/r10m"].b08.values == 0).all()
        assert cube.datatree[SCL].status.values == "failed"
        with pytest.raises(cubeflight.CubeflightError) as failure:
            client.search(TILE, mask={"scl": CLOUDS}, on_error="fail", **ask).load()
        assert failure.value.code == "CF-ENG-011"
        # nothing was asked of it here
        assert client.search(TILE, **ask).load().datatree[SCL].status.values == "partial"


def test_masks_that_cannot_be(client, archive, index):
    for arguments in (
        {"mask": {"scl": [12]}},
        {"mask": {"scl": []}},
        {"mask": {"scl": [3], "dilate": -1}},
        {"mask": {"scl": [3]}, "collection": "sentinel-2-l1c", "bands": ["B08"]},
    ):
        with pytest.raises(cubeflight.CubeflightError) as refused:
            client.search(TILE, **arguments).load()
        assert refused.value.code == "CF-S2-019"
    with pytest.raises(cubeflight.CubeflightError) as refused:
        client.search(TILE, min_valid=2).load()
    assert refused.value.code == "CF-REQ-006"
    done = run("plan", "--store", archive / "eodata", "--index", index, "--tile", TILE,
               "--bands", "B08", "--filter", "eo:clouds < 3")  # fmt: skip
    assert (done.returncode, codes(done.stderr)) == (1, ["CF-S2-020"])


def test_conditions_hold_for_steps(client, plain):
    covers = plain.datatree[SCL].cloud_cover.values
    limit = float(np.median(covers))
    cube = client.search(
        TILE, bands=["SCL"], bounds=BOX, query={"eo:cloud_cover": {"lt": limit}}
    ).load()
    np.testing.assert_array_equal(cube.datatree[SCL].cloud_cover.values, covers[covers < limit])
    assert {missing.code for missing in cube.missing} == {"filter"}
    assert len(cube.missing) == (covers >= limit).sum()
