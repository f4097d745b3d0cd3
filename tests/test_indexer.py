"""`cubeflight index`: its sources, shards, what a second run does, and how it ends."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from blackbox import binary, cli, codes, environment, run
from enlarge import enlarge
from test_s3 import KEYS, s3

TILE = "33TVN"
BOUNDS = "453000,5206000,453600,5206600"
PRODUCTS = 6
ASSETS = ("B01_60m", "B09_60m", "SCL_20m")


def make(root: Path, bands: str, products: int, *more: str) -> None:
    cli(
        "archive", "--out", root, "--tile", TILE, "--start", "2022-06-01", "--end", "2022-09-01",
        "--steps", str(products), "--bands", bands, "--bounds", BOUNDS, *more,
        timeout=600,
    )  # fmt: skip


def images(root: Path) -> list[str]:
    """Keys of the images of an archive."""
    bucket = root / "eodata"
    return sorted(str(path.relative_to(bucket)) for path in bucket.rglob("*.jp2"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the bucket `eodata` and the catalogue `stac`."""
    root = tmp_path_factory.mktemp("made")
    make(root, "B01,B09,B04_60m,SCL", PRODUCTS)
    return root


class Server:
    """An S3 server over an archive, and what it was asked."""

    def __init__(self, endpoint: str, log: Path) -> None:
        self.extra = {"AWS_ENDPOINT_URL": endpoint} | KEYS
        self._log, self._seen = log, 0

    def requests(self) -> list[dict]:
        """Requests since the last call."""
        lines = self._log.read_text().splitlines()
        new, self._seen = lines[self._seen :], len(lines)
        return [json.loads(line) for line in new]

    def read_keys(self) -> Counter[str]:
        """Keys of the archive that were read since the last call, and how often."""
        return Counter(
            request["key"]
            for request in self.requests()
            if request["operation"] in ("GetObject", "HeadObject") and request["bucket"] == "eodata"
        )


@contextmanager
def serving(root: Path, log: Path, *arguments: str) -> Iterator[Server]:
    with s3(root, "--log", log, *arguments) as (_, endpoint):
        yield Server(endpoint, log)


@pytest.fixture
def server(made: Path, tmp_path: Path) -> Iterator[Server]:
    with serving(made, tmp_path / "requests.jsonl") as server:
        yield server


def index(server: Server, index: Path, *arguments: str | Path, code: int = 0) -> dict:
    """What `index --json` says; it must end with `code`."""
    done = run(
        "index", "--store", "s3://eodata", "--index", index, "--json", *arguments,
        extra=server.extra, timeout=600,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def recorded(index: Path, scratch: Path) -> list[str]:
    """Keys of the files that have a record."""
    scratch.unlink(missing_ok=True)
    done = run("tlm", "export", "--index", index, "--tile", TILE, "--peer", scratch)
    if done.returncode or not scratch.is_file():
        return []
    return sorted(pq.read_table(scratch).column("path").to_pylist())


def wanted(keys: list[str], assets: tuple[str, ...] = ASSETS) -> list[str]:
    return [key for key in keys if key.endswith(tuple(f"{asset}.jp2" for asset in assets))]


def test_native_bands_and_scl_by_default(made: Path, server: Server, tmp_path: Path):
    keys = wanted(images(made))
    assert len(keys) == PRODUCTS * len(ASSETS)
    said = index(server, tmp_path / "index")
    assert (said["found"], said["indexed"], said["known"]) == (len(keys), len(keys), 0)
    assert (said["failed"], said["interrupted"], said["stopped"]) == ([], False, None)
    assert said["skipped"] == {"other_shards": 0, "filtered": 0, "other_assets": PRODUCTS}
    # small files are read whole: one request each, and pages of the listing
    assert server.read_keys() == Counter(keys)
    assert said["requests"] <= len(keys) + 20
    assert said["bytes"] > 0 and said["seconds"] > 0 and said["rate"] > 0 and said["files"]
    assert recorded(tmp_path / "index", tmp_path / "peer") == keys

    again = index(server, tmp_path / "index")
    assert (again["found"], again["indexed"], again["known"]) == (len(keys), 0, len(keys))
    assert again["files"] == []
    assert server.read_keys() == Counter()
    more = index(server, tmp_path / "index", "--assets", "all")
    assert (more["indexed"], more["known"]) == (PRODUCTS, len(keys))


def test_a_directory_is_indexed_as_a_bucket_is(made: Path, tmp_path: Path):
    where = ["--store", made / "eodata", "--index", tmp_path / "index", "--json"]
    for indexed in (PRODUCTS * len(ASSETS), 0):
        said = json.loads(cli("index", *where))
        assert (said["found"], said["indexed"]) == (PRODUCTS * len(ASSETS), indexed)


def test_sources_and_filters(made: Path, server: Server, tmp_path: Path):
    keys = images(made)
    product = keys[0].split("/GRANULE/")[0]
    day = product.rpartition("/")[0]
    id = product.rpartition("/")[2].removesuffix(".SAFE")
    start = datetime.strptime(id.split("_")[2], "%Y%m%dT%H%M%S").strftime("%Y-%m-%dT%H:%M:%SZ")
    one = [key for key in wanted(keys) if key.startswith(product)]
    lists = {
        "keys": "# two files\n" + "\n".join(one[:2]) + "\n\n",
        "href": f"  # the folder, with a slash\ns3://eodata/{product}/\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
    cases: list[tuple[list[str | Path], list[str]]] = [
        (["--prefix", day], [key for key in wanted(keys) if key.startswith(day)]),
        (["--prefix", product], one),
        (["--catalog", made / "stac"], wanted(keys)),
        (["--catalog", next((made / "stac").rglob(f"{id}.json"))], one),
        (["--list", tmp_path / "keys"], one[:2]),
        (["--list", tmp_path / "href"], one),
        (["--datetime", start], one),
        (["--catalog", made / "stac", "--datetime", start], one),
        (["--tile", TILE], wanted(keys)),
        (["--tile", "33TWN"], []),
        (["--catalog", made / "stac", "--tile", "33TWN"], []),
        (["--collection", "sentinel-2-l1c"], []),
        (["--assets", "SCL,B04_60m"], wanted(keys, ("SCL_20m", "B04_60m"))),
    ]
    for number, (arguments, expected) in enumerate(cases):
        place = tmp_path / f"index{number}"
        said = index(server, place, *arguments)
        assert said["found"] == said["indexed"] == len(expected), arguments
        assert recorded(place, tmp_path / "peer") == expected, arguments
        server.requests()
        assert index(server, place, *arguments)["indexed"] == 0, arguments
        assert server.read_keys() == Counter(), arguments


def test_a_list_from_standard_input(made: Path, server: Server, tmp_path: Path):
    keys = wanted(images(made))
    text = [keys[0], "no/such.jp2", "https://elsewhere/x.jp2", f"s3://eodata/{keys[4]}", "# end"]
    missing = keys[1].replace("B09", "B10") if "B09" in keys[1] else keys[1].replace("_60m", "_10m")
    command = [str(binary()), "index", "--store", "s3://eodata", "--index", str(tmp_path / "index")]
    done = subprocess.run(
        [*command, "--list", "-", "--json"],
        input="\n".join([*text, missing]),
        env=environment() | server.extra,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["indexed"] == 2
    failed = {failure["key"].split(":")[0]: failure["code"] for failure in said["failed"]}
    assert failed["line 2"] == "CF-IDX-020"
    assert failed["line 3"] == "CF-STO-004"
    assert failed["line 6"] in ("CF-IDX-020", "CF-STO-005")
    assert codes(done.stderr)[-1] == "CF-CLI-020"


def test_shards_are_disjoint_and_whole(made: Path, server: Server, tmp_path: Path):
    parts = []
    for shard in range(3):
        said = index(server, tmp_path / f"index{shard}", "--shard", f"{shard}/3")
        parts.append(server.read_keys())
        assert said["found"] == said["indexed"] == len(parts[-1])
        products = {key.split("/GRANULE/")[0] for key in parts[-1]}
        assert said["skipped"]["other_shards"] == PRODUCTS - len(products)
    assert sum(parts, Counter()) == Counter(wanted(images(made)))
    for wrong in ("3/3", "x", "1"):
        done = run("index", "--store", "x", "--index", "y", "--shard", wrong)
        assert done.returncode == 2


def test_what_fails_is_named_and_the_rest_is_indexed(tmp_path: Path):
    make(tmp_path, "B01,B09,SCL", 2)
    keys = wanted(images(tmp_path))
    bucket = tmp_path / "eodata"
    (bucket / keys[0]).write_bytes((bucket / keys[0]).read_bytes()[:5_000])
    (bucket / keys[3]).write_bytes(b"no image")
    where = ["--store", bucket, "--index", tmp_path / "index"]
    done = run("index", *where, "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["indexed"] == len(keys) - 2
    assert sorted(failure["key"] for failure in said["failed"]) == [keys[0], keys[3]]
    for failure in said["failed"]:
        assert failure["code"].startswith("CF-JP2-") and failure["reason"]
        assert failure["key"] in done.stderr
    assert codes(done.stderr)[-1] == "CF-CLI-020"
    again = json.loads(run("index", *where, "--json").stdout)
    assert (again["indexed"], again["known"], len(again["failed"])) == (0, len(keys) - 2, 2)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of files that take 100 requests each."""
    root = tmp_path_factory.mktemp("large")
    make(root, "B01,SCL", PRODUCTS)
    for path in (root / "eodata").rglob("*_B01_60m.jp2"):
        enlarge(path)
    return root


def start(server: Server, index: Path) -> subprocess.Popen[str]:
    command = [str(binary()), "index", "--store", "s3://eodata", "--index", str(index)]
    command += ["--store-profile", "cdse", "--concurrency", "2", "--flush-every", "0.05", "--json"]
    return subprocess.Popen(
        command,
        env=environment() | server.extra,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], bool], what: str, deadline: float = 120) -> None:
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_cut_off_goes_on(large: Path, tmp_path: Path, kill: signal.Signals):
    keys, place = wanted(images(large), ("B01_60m", "SCL_20m")), tmp_path / "index"
    with serving(large, tmp_path / "log", "--profile", "cdse") as server:
        first = start(server, place)
        until(lambda: len(list(place.rglob("*.parquet"))) >= 3, "nothing was written")
        assert first.poll() is None, first.stderr and first.stderr.read()
        first.send_signal(kill)
        out, errors = first.communicate(timeout=60)
        before = recorded(place, tmp_path / "peer")
        assert 0 < len(before) < len(keys)
        assert len(set(before)) == len(before)
        if kill == signal.SIGKILL:
            assert first.returncode == -signal.SIGKILL
        else:
            assert first.returncode == 1
            said = json.loads(out)
            assert said["interrupted"] and said["indexed"] == len(before)
            assert codes(errors)[-1] == "CF-CLI-021"
        server.requests()
        said = index(server, place, "--store-profile", "cdse")
        assert said["known"] == len(before)
        assert said["indexed"] == len(keys) - len(before)
        read = server.read_keys()
        assert read.keys() == set(keys) - set(before)
        assert {read[key] for key in read if "B01" in key} <= {100}
    assert recorded(place, tmp_path / "peer") == keys


@pytest.mark.long
def test_a_store_that_is_down_ends_the_run(large: Path, tmp_path: Path):
    place = tmp_path / "index"
    with s3(large, "--log", tmp_path / "log", "--profile", "cdse") as (process, endpoint):
        first = start(Server(endpoint, tmp_path / "log"), place)
        until(lambda: len(list(place.rglob("*.parquet"))) >= 2, "nothing was written")
        process.kill()
        out, errors = first.communicate(timeout=600)
    said = json.loads(out)
    assert first.returncode == 1
    assert said["failed"] and {failure["code"] for failure in said["failed"]} == {"CF-STO-007"}
    assert codes(errors)[-1] in ("CF-STO-007", "CF-CLI-020")
    assert said["indexed"] == len(recorded(place, tmp_path / "peer"))


@pytest.mark.long
def test_eight_products_at_the_rate_that_is_allowed(tmp_path: Path):
    """2,000 requests a minute with a burst of 200, 4 connections: used, and never exceeded."""
    per_product = {"B02": 121, "B03": 121, "B05": 81, "B11": 81, "B12": 81, "B01": 1, "SCL": 1}
    make(tmp_path, ",".join(per_product), 8)
    for band in ("B02_10m", "B03_10m", "B05_20m", "B11_20m", "B12_20m"):
        for path in (tmp_path / "eodata").rglob(f"*_{band}.jp2"):
            enlarge(path)
    with serving(tmp_path, tmp_path / "log", "--profile", "cdse") as server:
        said = index(server, tmp_path / "index", "--store-profile", "cdse")
        requests = server.requests()
    assert (said["indexed"], said["failed"]) == (8 * len(per_product), [])
    assert Counter(request["status"] for request in requests).keys() <= {200, 206}
    images = [request for request in requests if request["operation"] == "GetObject"]
    assert len(images) == 8 * sum(per_product.values())
    times = sorted(datetime.fromisoformat(request["time"]) for request in requests)
    seconds = (times[-1] - times[0]).total_seconds()
    allowed = 200 + seconds * 2_000 / 60
    print(
        f"{len(requests)} requests in {seconds:.1f} s, {len(requests) / allowed:.1%} of what the "
        f"limits allow; {len(images) / 8:.0f} requests and {said['bytes'] / 8e6:.1f} MB a product"
    )
    assert len(requests) >= 0.9 * allowed
