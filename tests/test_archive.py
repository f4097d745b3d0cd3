"""The synthetic archive: read by GDAL as by cubeflight, and the seed's window over S3."""

import json
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import cubeflight
import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from blackbox import cli, serving_urls
from test_s3 import s3

TILE = "33TVN"
# The window of the notebook that the project grew from.
SEED = (449030.2565467731, 5204447.577367328, 459657.82505819947, 5214944.124667359)
SEED_TEXT = ",".join(map(str, SEED))


def archive(out: Path, steps: int, bands: str, *options: str, timeout: float = 300) -> dict:
    said = cli(
        "archive", "--out", out, "--tile", TILE, "--steps", str(steps), "--bands", bands,
        "--bounds", SEED_TEXT, "--json", *options, timeout=timeout,
    )  # fmt: skip
    return json.loads(said)


# Name, and a window over the edge of the area with texture.
KINDS = [
    ("B08_10m", (4800, 8400, 500, 300)),
    ("B11_20m", (2400, 4200, 400, 200)),
    ("SCL_20m", (2400, 4200, 400, 200)),
    ("B04_60m", (700, 1300, 400, 500)),
    ("TCI_60m", (700, 1300, 400, 500)),
]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "with TLM"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small")
    options = ["--with-tlm"] if request.param else []
    archive(out, 1, ",".join(name for name, _ in KINDS), *options)
    return out


@pytest.mark.parametrize(("name", "window"), KINDS, ids=[name for name, _ in KINDS])
def test_gdal_decodes_the_same(small: Path, tmp_path: Path, name: str, window: tuple[int, ...]):
    (file,) = (small / "eodata").rglob(f"*_{name}.jp2")
    out = tmp_path / "window.npy"
    cli("read", file, "--window", ",".join(map(str, window)), "--out", out)
    got = np.load(out)
    with rasterio.open(file) as image:
        want = image.read(window=Window(*window))
        assert image.crs.to_epsg() == 32633
        assert (image.transform.c, image.transform.f) == (399960.0, 5300040.0)
    want = np.moveaxis(want, 0, -1) if want.shape[0] > 1 else want[0]
    assert len(np.unique(want)) > 3
    np.testing.assert_array_equal(got, want)


def server_memory(index: Path) -> dict[str, int]:
    """VmRSS and VmHWM in bytes of the server of that index."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_bytes()
            if b"\0serve\0" in command and index.as_uri().encode() in command:
                return {
                    name: int(value) * 1024
                    for name, value in re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status.read_text())
                }
        except OSError:
            continue  # ended meanwhile
    raise AssertionError("no such server")


@pytest.mark.long
def test_seed_window_over_s3(tmp_path: Path):
    """90 time steps: the store sees the planned requests and no others, memory stays bounded."""
    root, index, log = tmp_path / "root", tmp_path / "index", tmp_path / "requests.jsonl"
    made = archive(root, 90, "B08,B11,SCL", timeout=900)
    assert 7.0 <= made["filled"]["B08_10m"]["bits_per_pixel"] <= 8.0
    with ExitStack() as stack:
        _, endpoint = stack.enter_context(s3(root, "--log", log))
        extra = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "who",
            "AWS_SECRET_ACCESS_KEY": "a:secret",
        }
        cli("index", "--store", "s3://eodata", "--index", index, extra=extra)
        where = ["--store", "s3://eodata", "--index", index, "--reads", "--json"]
        request = ["--tile", TILE, "--bands", "B08,B11,SCL", "--bounds", SEED_TEXT]
        plan = json.loads(cli("plan", *request, *where, extra=extra))
        assert plan["time_steps"] == 90
        assert plan["jp2_tiles"] == 90 * 12
        assert (plan["header_requests"], plan["assets_without_index"]) == (0, 0)
        assert plan["requests"] <= plan["jp2_tiles"]

        before = len(log.read_text().splitlines())
        address = stack.enter_context(
            serving_urls("s3://eodata", index.as_uri(), tmp_path / "serve.log", extra)
        )
        start = server_memory(index)["VmRSS"]
        with cubeflight.connect(address) as client:
            result = client.search(TILE, bands=["B08", "B11", "SCL"], bounds=SEED).load()
        peak = server_memory(index)["VmHWM"]
        lines = [json.loads(line) for line in log.read_text().splitlines()[before:]]

    reflectance = result.datatree["measurements/reflectance"]
    assert reflectance["r10m"].b08.shape == (90, 1049, 1063)
    assert reflectance["r20m"].b11.shape == (90, 525, 531)
    assert result.errors == []
    gets = Counter(
        (f"s3://{line['bucket']}/{line['key']}", line["range"])
        for line in lines
        if line["operation"] == "GetObject"
    )
    planned = Counter((read["href"], logged(read)) for read in plan["reads"])
    assert gets == planned
    print(f"memory above start: {(peak - start) / 2**20:.0f} MiB")
    assert peak - start < 300 * 2**20


def logged(read: dict) -> str:
    """A range as the log has it."""
    return f"{read['start']}-{read['end'] - 1}"


def decoded(root: Path, product: dict, name: str) -> np.ndarray:
    (file,) = (root / "eodata" / product["prefix"]).rglob(f"*_{name}.jp2")
    # the area of interest
    with rasterio.open(file) as image:
        return image.read(1, window=Window(819, 1419, 176, 174)).astype(int)


def harmonised(root: Path, product: dict) -> tuple[np.ndarray, np.ndarray]:
    """Numbers with the offset added, and where they are valid."""
    numbers, classes = (decoded(root, product, name) for name in ("B04_60m", "SCL_60m"))
    valid = classes != 0
    assert (valid == (numbers != 0)).all()
    return np.maximum(numbers + product["radiometric_offset"], 1), valid


def test_a_mission_with_what_real_archives_have(tmp_path: Path):
    made = archive(tmp_path, 24, "B04_60m,SCL_60m", "--mission", timeout=900)
    products = made["product_list"]
    assert made["time_steps"] == 24
    assert made["products"] == len(products)
    extras = Counter(product["extra"] for product in products)
    assert extras == {
        None: 6, "duplicates": 4, "superseded": 4, "split_datastrips": 4, "lost_areas": 4,
        "disjoint_datastrips": 4, "swath_edges": 2, "unofficial": 2, "without_assets": 4,
        "missing_assets": 4,
    }  # fmt: skip
    baselines = {product["id"].split("_")[3] for product in products}
    assert {"N0206", "N0214", "N0400", "N0500", "N0511", "N9999"} <= baselines
    for product in products:
        files = {file.name for file in (tmp_path / "eodata" / product["prefix"]).rglob("*.jp2")}
        if product["missing"] is not None:
            assert product["extra"] == "missing_assets"
            assert not (tmp_path / "eodata" / product["missing"]).exists()
        later = product["id"] == max(
            p["id"] for p in products if p["id"][:26] == product["id"][:26]
        )
        lost = {"missing_assets": 1, "without_assets": 3}.get(product["extra"], 0) if later else 0
        # B04, and SCL at both resolutions
        assert len(files) == 3 - lost, product

    steps: dict[str, list[dict]] = {}
    for product in products:
        steps.setdefault(product["id"][11:26], []).append(product)
    seen = Counter()
    for step in steps.values():
        whole = [p for p in step if p["missing"] is None and p["extra"] != "without_assets"]
        if len(whole) < 2:
            continue
        (a, valid_a), (b, valid_b) = (harmonised(tmp_path, product) for product in whole)
        both = valid_a & valid_b
        # one scene, whatever the baselines: the same numbers once harmonised
        assert (a == b)[both].all(), step
        assert (valid_a | valid_b).all()
        seen[step[0]["extra"]] += 1
        if step[0]["extra"] == "disjoint_datastrips":
            assert not both.any()
        elif step[0]["extra"] == "lost_areas":
            assert valid_a.all()
            assert not valid_b.all()
    kinds = ("duplicates", "superseded", "split_datastrips", "disjoint_datastrips", "lost_areas")
    assert seen == dict.fromkeys(kinds, 2)
