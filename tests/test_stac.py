"""Products found through STAC APIs: ours, one that is not ours, and some that lie."""

from __future__ import annotations

import copy
import datetime
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cubeflight
import numpy as np
import pytest

from blackbox import binary, cli, codes, environment, run, serving_urls
from stac_upstream import Api, database, load, serving_items
from test_archive import TILE, archive
from test_s3 import KEYS, s3

BOX = (449030.0, 5204440.0, 451000.0, 5206000.0)
REQUEST = ["--tile", TILE, "--bands", "B08,SCL", "--bounds", ",".join(map(str, BOX))]
STEPS = 4
PATHS = ("measurements/reflectance/r10m/b08", "conditions/mask/l2a_classification/r20m/scl")


@contextmanager
def stac(items: Path) -> Iterator[str]:
    """Our own API over items in files; gives its URL."""
    command = [str(binary()), "stac", "--items", str(items), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        yield line.removeprefix("listening on ").strip()
    finally:
        process.terminate()
        assert process.wait(10) == 0


@dataclass
class Store:
    """An archive behind an S3 server, and the keys that were asked for."""

    root: Path
    environment: dict[str, str]
    log: Path
    seen: int = 0

    def taken(self) -> list[tuple[str, str]]:
        """Bucket and key of the requests since the last call, those of the index apart."""
        lines = self.log.read_text().splitlines()
        new, self.seen = lines[self.seen :], len(lines)
        taken = [(line["bucket"], line["key"]) for line in map(json.loads, new)]
        return [(bucket, key) for bucket, key in taken if bucket != "index"]

    def items(self) -> list[dict]:
        """Those of the archive, by time."""
        found = [json.loads(file.read_text()) for file in (self.root / "stac").rglob("S2*.json")]
        return sorted(found, key=lambda item: item["properties"]["datetime"])

    def collection(self) -> dict:
        (file,) = (self.root / "stac").rglob("collection.json")
        return json.loads(file.read_text())

    @contextmanager
    def serving(self, catalog: str, folder: Path, *options: str) -> Iterator[cubeflight.Client]:
        """A server over the store and an index of its own, with that catalogue."""
        flags = ["--catalog", catalog, *options]
        (self.root / "index").mkdir(exist_ok=True)
        index = f"s3://index/{folder.name}-{len(list((self.root / 'index').iterdir()))}"
        log = folder / "serve.log"
        with (
            serving_urls("s3://eodata", index, log, self.environment, flags) as address,
            cubeflight.connect(address) as client,
        ):
            yield client

    def plan(self, catalog: str, *options: str) -> dict:
        flags = ["--store", "s3://eodata", "--index", "s3://index/none", "--catalog", catalog]
        return json.loads(cli("plan", *REQUEST, *flags, *options, "--json", extra=self.environment))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    root = tmp_path_factory.mktemp("store")
    archive(root, STEPS, "B08,SCL")
    (root / "index").mkdir()
    log = tmp_path_factory.mktemp("log") / "s3.jsonl"
    with s3(root, "--log", log) as (_, endpoint):
        yield Store(root, KEYS | {"AWS_ENDPOINT_URL": endpoint}, log)


@pytest.fixture(scope="module")
def upstream(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, str], Path]]:
    """A database with the archive's items, and a thousand more of other years."""
    folder = tmp_path_factory.mktemp("pgstac")
    with database(folder) as variables:
        load(variables, folder, store.collection(), store.items() + many(store, 1_100))
        yield variables, folder


def many(store: Store, number: int) -> list[dict]:
    """Items of products that there are not, every second day from 2015 on."""
    template = store.items()[0]
    text, was = json.dumps(template), template["id"][11:26]
    made = []
    for day in range(number):
        start = datetime.datetime(2014, 1, 1, 10, 1, 21) + datetime.timedelta(days=2 * day)
        item = json.loads(text.replace(was, start.strftime("%Y%m%dT%H%M%S")))
        for name in ("datetime", "start_datetime", "end_datetime"):
            if name in item["properties"]:
                item["properties"][name] = start.strftime("%Y-%m-%dT%H:%M:%S.024000Z")
        made.append(item)
    return made


@pytest.fixture(scope="module")
def api(upstream: tuple[dict[str, str], Path]) -> Iterator[Api]:
    with serving_items(*upstream, "api") as api:
        yield api


def test_a_thousand_items_are_paged(store: Store, api: Api):
    before = api.count()
    plan = store.plan(api.url, "--datetime", "2014-01-01/2020-12-31")
    assert plan["time_steps"] == 1_100
    assert plan["missing"] == []
    # 1,100 items by 100, and the last page says that it is the last
    assert api.count() - before == {("POST", 200): 11}


def test_the_cube_is_that_of_the_archive(store: Store, api: Api, tmp_path: Path):
    arguments = {"bands": ["B08", "SCL"], "bounds": BOX, "datetime": "2021"}
    cubes = {}
    for catalog in ("archive", api.url):
        before = api.count()
        with store.serving(catalog, tmp_path) as client:
            cubes[catalog] = client.search(TILE, **arguments).load()
            # within its minute an answer is used again, also for the pins of a ticket
            client.plan(TILE, **arguments)
        assert cubes[catalog].errors == []
        assert sum((api.count() - before).values()) == (1 if catalog == api.url else 0)
    listed, found = cubes.values()
    assert found.matched_ids == listed.matched_ids
    assert len(found.matched_ids) == STEPS
    for path in PATHS:
        np.testing.assert_array_equal(found.datatree[path], listed.datatree[path])


def test_without_queries_tiles_are_found_by_bounds(
    store: Store, upstream: tuple[dict[str, str], Path], api: Api
):
    extensions = json.dumps(["pagination", "sort"])
    with serving_items(*upstream, "plain", ENABLED_EXTENSIONS=extensions) as plain:
        plans = [store.plan(url, "--datetime", "2014-12/2015-12") for url in (plain.url, api.url)]
        assert plain.count() == {("POST", 200): 2}
    assert plans[0] == plans[1]
    assert plans[0]["time_steps"] > 150


def test_ten_requests_a_second_are_ridden_out(store: Store, upstream: tuple[dict[str, str], Path]):
    with serving_items(*upstream, "limited", PER_SECOND="10") as limited:
        for _ in range(2):
            plan = store.plan(limited.url, "--datetime", "2014-01-01/2020-12-31")
            assert plan["time_steps"] == 1_100
        assert limited.count()[("POST", 200)] == 22


def test_pins_and_new_products(store: Store, upstream: tuple[dict[str, str], Path], tmp_path: Path):
    environment, folder = upstream
    ids = [item["id"] for item in store.items()]
    late = many(store, 1_101)[-1]
    with serving_items(environment, folder, "pins") as api:
        with store.serving(api.url, tmp_path, "--catalog-ttl", "0") as client:
            pinned = client.plan(TILE, bands="SCL", product_ids=ids[:2])
            assert pinned["matched_ids"] == ids[:2]
            nowhere = late["id"]
            plan = client.plan(TILE, bands="SCL", product_ids=[ids[0], nowhere])
            assert plan["matched_ids"] == ids[:1]
            assert [(it.id, it.code) for it in plan["missing"]] == [(nowhere, "not_in_catalog")]
            load(environment, folder, store.collection(), [late])
            plan = client.plan(TILE, bands="SCL", product_ids=[ids[0], nowhere])
            assert set(plan["matched_ids"]) == {ids[0], nowhere}


def test_index_walks_the_api(store: Store, api: Api, tmp_path: Path):
    index = ["index", "--store", "s3://eodata", "--index", (tmp_path / "index").as_uri()]
    index += ["--catalog", api.url, "--tile", TILE, "--datetime", "2021", "--json"]
    said = json.loads(cli(*index, extra=store.environment))
    assert (said["found"], said["indexed"], said["failed"]) == (2 * STEPS, 2 * STEPS, [])
    again = json.loads(cli(*index, extra=store.environment))
    assert (again["known"], again["indexed"]) == (2 * STEPS, 0)
    # products that the catalogue has and the store has not are named, the others indexed
    wide = [part if part != "2021" else "2018-01-01/2021-12-31" for part in index]
    done = run(*wide, extra=store.environment)
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["known"] == 2 * STEPS
    assert said["failed"]


def test_our_own_api_says_the_same(store: Store, api: Api):
    with stac(store.root / "stac") as ours:
        plans = [store.plan(url, "--datetime", "2021") for url in (ours, api.url)]
    assert plans[0] == plans[1]
    assert plans[0]["time_steps"] == STEPS


def test_what_is_no_api_is_said(store: Store, tmp_path: Path):
    with stac(store.root / "stac") as ours:
        for url, code in (
            (f"{ours}collections", "CF-CAT-004"),
            (f"{ours}nothing", "CF-CAT-004"),
            ("https://user:password@127.0.0.1/", "CF-CAT-004"),
        ):
            flags = ["--store", "s3://eodata", "--index", tmp_path, "--catalog", url]
            done = run("plan", *REQUEST, *flags, extra=store.environment)
            assert (done.returncode, codes(done.stderr)) == (1, [code]), done.stderr
            assert "password@" not in done.stderr
    # nothing listens there any more
    done = run("plan", *REQUEST, "--store", "s3://eodata", "--index", tmp_path, "--catalog", ours,
               extra=store.environment)  # fmt: skip
    assert (done.returncode, codes(done.stderr)) == (1, ["CF-CAT-006"]), done.stderr


def asset(item: dict, name: str) -> dict:
    return item["assets"][name]


@contextmanager
def doctored(store: Store, folder: Path, change) -> Iterator[tuple[str, list[dict]]]:
    """Our API over items that `change` was applied to."""
    items = copy.deepcopy(store.items())
    for number, item in enumerate(items):
        change(number, item)
    folder = folder / "items"
    folder.mkdir()
    for item in items:
        (folder / f"{item['id']}.json").write_text(json.dumps(item))
    with stac(folder) as url:
        yield url, items


@pytest.fixture
def trap() -> Iterator[tuple[str, list[str]]]:
    """A web server that nobody should ask; its URL and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


HOSTILE = [
    "file:///etc/passwd",
    "/etc/passwd",
    "http://169.254.169.254/latest/meta-data/iam/B08_10m.jp2",
    "{trap}/eodata/B08_10m.jp2",
    "{trap}/{key}",
    "s3://other-bucket/{key}",
    "s3://eodata@other-bucket/{key}",
    "s3://eodata/../other/B08_10m.jp2",
    "s3://eodata/Sentinel-2/../../other/secret.jp2",
    "s3://eodata/%2e%2e/other/secret.jp2",
    "s3://eodata/%252e%252e/other/secret.jp2",
    "s3://eodata/..\\other\\secret.jp2",
    "s3://eodata\\..\\other/secret.jp2",
    "s3://eodata//other/secret.jp2",
    "../other/secret.jp2",
    "gopher://127.0.0.1/B08_10m.jp2",
]


@pytest.mark.parametrize("href", HOSTILE)
def test_hostile_hrefs_read_nothing(
    store: Store, tmp_path: Path, trap: tuple[str, list[str]], href: str
):
    url, asked = trap
    secret = store.root / "other/secret.jp2"
    secret.parent.mkdir(exist_ok=True)
    secret.write_bytes(b"secret")

    def change(number: int, item: dict) -> None:
        if number == 0:
            image = asset(item, "B08_10m")
            key = image["href"].removeprefix("s3://eodata/")
            image["href"] = href.format(trap=url, key=key)
            image.pop("alternate", None)

    with (
        doctored(store, tmp_path, change) as (catalog, items),
        store.serving(catalog, tmp_path) as client,
    ):
        store.taken()
        result = client.search(TILE, bands=["B08", "SCL"], bounds=BOX, datetime="2021").load()
    bad = items[0]["id"]
    wanted = {item["id"][:44] for item in items}
    taken = store.taken()
    assert sum(key.endswith("_B08_10m.jp2") for _, key in taken) >= STEPS - 1
    for bucket, key in taken:
        # nothing but images of the products, and not the one whose href is hostile
        assert bucket == "eodata", (bucket, key)
        assert any(id in key for id in wanted) or not key, key
        assert not (bad in key and key.endswith("_B08_10m.jp2")), key
    assert asked == []
    faults = [(error.product_id, error.column, error.code) for error in result.errors]
    missing = [it for it in result.missing if it.id == bad]
    if missing:
        assert missing[0].code in ("asset_mismatch", "unreadable_item"), missing
        assert len(result.matched_ids) == STEPS - 1
        return
    assert faults == [(bad, "measurements/reflectance/r10m/b08", "CF-STO-004")]
    pixels = result.datatree["measurements/reflectance/r10m/b08"].to_numpy()
    assert (pixels[0] == 0).all()
    assert (pixels[1:] != 0).any()


@pytest.mark.parametrize("whole", [None, "0"], ids=["read whole", "searched"])
@pytest.mark.parametrize("wrong", [-1, 0.5, 1, 100, 2**40, 2**63], ids=str)
def test_wrong_sizes_do_not_harm(store: Store, tmp_path: Path, whole: str | None, wrong: float):
    """A size in an item is a claim: the file is as long as the store says."""

    def change(number: int, item: dict) -> None:
        if number == 0:
            for name in ("B08_10m", "SCL_20m"):
                image = asset(item, name)
                size = image["file:size"]
                image["file:size"] = {
                    -1: size - 1, 0.5: size // 2, 1: size + 1, 100: size * 100
                }.get(wrong, wrong)  # fmt: skip

    options = [] if whole is None else ["--max-whole-read", whole]
    arguments = {"bands": ["B08", "SCL"], "bounds": BOX, "datetime": "2021"}
    with store.serving("archive", tmp_path) as client:
        wanted = client.search(TILE, **arguments).load()
    with (
        doctored(store, tmp_path, change) as (catalog, _),
        store.serving(catalog, tmp_path, *options) as client,
    ):
        for _ in range(2):
            found = client.search(TILE, **arguments).load()
            assert (found.errors, found.matched_ids) == ([], wanted.matched_ids)
            for path in PATHS:
                np.testing.assert_array_equal(found.datatree[path], wanted.datatree[path])


def test_missing_assets_are_fill_and_named(store: Store, tmp_path: Path):
    def change(number: int, item: dict) -> None:
        if number == 0:
            asset(item, "B08_10m")["href"] = "s3://eodata/gone/B08_10m.jp2"
        if number == 1:
            # the item does not list it
            del item["assets"]["B08_10m"]

    with (
        doctored(store, tmp_path, change) as (catalog, items),
        store.serving(catalog, tmp_path) as client,
    ):
        result = client.search(TILE, bands=["B08"], bounds=BOX, datetime="2021").load()
    faults = [(error.product_id, error.code) for error in result.errors]
    assert faults == [(items[0]["id"], "CF-STO-005"), (items[1]["id"], "CF-ENG-011")]
    assert result.missing == []


IMAGES = {"_B08_10m.jp2": "R10m/B08.jp2", "_SCL_20m.jp2": "R20m/SCL.jp2"}


def mirror(store: Store) -> None:
    """The archive as Google and as Sinergise keep it, in buckets of their names."""
    for safe in (store.root / "eodata").rglob("*.SAFE"):
        shutil.copytree(safe, store.root / "google/L2/tiles/33/T/VN" / safe.name)
        id = safe.name.removesuffix(".SAFE")
        year, month, day = int(id[11:15]), int(id[15:17]), int(id[17:19])
        folder = f"tiles/33/T/VN/{year}/{month}/{day}/0"
        info = store.root / f"sinergise/products/{year}/{month}/{day}/{id}/productInfo.json"
        info.parent.mkdir(parents=True)
        info.write_text(json.dumps({"name": id, "tiles": [{"path": folder, "utmZone": 33}]}))
        for ending, name in IMAGES.items():
            (image,) = safe.rglob(f"*{ending}")
            target = store.root / "sinergise" / folder / name
            target.parent.mkdir(parents=True)
            shutil.copyfile(image, target)


def test_products_are_read_from_mirrors(store: Store, tmp_path: Path):
    """Found at CDSE, read from where the same files lie in another order."""
    mirror(store)
    arguments = {"bands": ["B08", "SCL"], "bounds": BOX, "datetime": "2021"}
    index = {"google": "s3://index/cdse", "sinergise": "s3://index/sinergise"}
    cli("index", "--store", "s3://eodata", "--index", index["google"], extra=store.environment)
    with store.serving("archive", tmp_path) as client:
        wanted = client.search(TILE, **arguments).load()
    with stac(store.root / "stac") as catalog:
        flags = ["--store-layout", "sinergise", "--catalog", catalog]
        said = cli("index", "--store", "s3://sinergise", "--index", index["sinergise"], *flags,
                   "--json", extra=store.environment)  # fmt: skip
        assert json.loads(said)["indexed"] == 2 * STEPS
        for layout, root in (("google", "s3://google/L2"), ("sinergise", "s3://sinergise")):
            flags = ["--store-layout", layout, "--catalog", catalog]
            log = tmp_path / f"{layout}.log"
            with (
                serving_urls(root, index[layout], log, store.environment, flags) as address,
                cubeflight.connect(address) as client,
            ):
                # the records of CDSE's files are those of Google's
                assert client.plan(TILE, **arguments)["assets_without_index"] == 0, layout
                store.taken()
                found = client.search(TILE, **arguments).load()
                assert {bucket for bucket, _ in store.taken()} == {layout}
            assert (found.errors, found.matched_ids) == ([], wanted.matched_ids)
            for path in PATHS:
                np.testing.assert_array_equal(found.datatree[path], wanted.datatree[path])

        # a folder is used only if it is said to be the product's
        first, second, *_ = sorted((store.root / "sinergise").rglob("productInfo.json"))
        first.write_text(
            json.dumps(json.loads(first.read_text()) | {"name": wanted.matched_ids[1]})
        )
        second.unlink()
        flags = ["--store", "s3://sinergise", "--store-layout", "sinergise", "--catalog", catalog]
        plan = json.loads(cli("plan", *REQUEST, *flags, "--index", index["sinergise"], "--json",
                              extra=store.environment))  # fmt: skip
        gone = {first.parent.name, second.parent.name}
        assert {it["id"]: it["code"] for it in plan["missing"]} == dict.fromkeys(
            gone, "not_on_mirror"
        )
        assert plan["time_steps"] == STEPS - 2
