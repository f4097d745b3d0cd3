"""Error codes as those meet them who ask a server, or run a command, from outside."""

import json
import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq
import pytest

from blackbox import (
    L2A,
    PRODUCTS,
    REALDATA,
    ROOT,
    cli,
    codes,
    jp2,
    lay_out,
    require_realdata,
    run,
    serving,
    serving_urls,
)
from test_s3 import KEYS, s3

# A TLM marker segment (ISO/IEC 15444-1 A.7.1) of no tile-parts, with its length before it.
EMPTY_TLM = struct.pack(">I2H2B", 6, 0xFF55, 4, 0, 0x60)
# Of a product, with its images.
MOST_FILES = 5_000

# No request, file or store from outside leads to these; unit tests of their crates hold them.
NOT_FROM_OUTSIDE = {
    "CF-CRS-004": "PROJ transforms every system of the registry that bounds may be in",
    "CF-ENG-002": "a task that ended early: a fault of the program",
    "CF-ENG-003": "the system gives no threads at the start",
    "CF-ENG-013": "a file that changes between two reads of one job",
    "CF-IDX-003": "the writer of Parquet fails in memory",
    "CF-JP2-019": "a buffer of another size: a fault of the program",
    "CF-JP2-021": "a scan that its caller ends: a fault of the program",
    "CF-JP2-024": "the encoder of synthetic archives fails",
    "CF-PLN-002": "tiles have fewer rows than blocks can be numbered, windows are at most 1,024",
    "CF-S2-003": "words for resolutions are parsed as parts of bands, told as CF-S2-013",
    "CF-S2-008": "part of a product id, told as CF-S2-011",
    "CF-S2-010": "part of a product id, told as CF-S2-011",
    "CF-STO-009": "two writers take one random name",
    "CF-STO-010": "told as a file that changed, CF-ENG, after the reader has looked again",
    "CF-STO-011": "told with the metadata file that is too large",
    "CF-STO-014": "told as CF-CAT-005",
    "CF-TLM-002": "told as a row of the index that cannot be read, CF-IDX-001",
    "CF-TLM-005": "told as a row of the index that cannot be read, CF-IDX-001",
    "CF-TST-006": "the encoder of synthetic archives fails",
}


def test_every_code_is_met_by_a_test_or_cannot_be():
    known = set(codes((ROOT / "docs/errors.md").read_text()))
    texts = [
        path.read_text()
        for pattern in ("tests/**/*.py", "tests/**/*.go", "crates/*/tests/**/*.rs")
        for path in ROOT.glob(pattern)
        if path != Path(__file__)
    ]
    here = Path(__file__).read_text()
    tested = set(codes("".join(texts))) | set(codes(here[here.index("def test_every_code") :]))
    assert known - tested == NOT_FROM_OUTSIDE.keys() - tested
    assert NOT_FROM_OUTSIDE.keys() <= known


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A directory with a real product, and its index."""
    require_realdata()
    place = tmp_path_factory.mktemp("codes")
    lay_out(place / "root", [L2A])
    index(place / "root", place / "index")
    return place / "root", place / "index"


def index(root: Path, where: Path) -> None:
    where.mkdir()
    cli("index", "--store", root.as_uri(), "--index", where.as_uri(), "--assets", "all")


def command(**more: object) -> bytes:
    request = {"tile": "29UNU", "bands": ["SCL_60m"], "datetime": "2022-10-05"}
    return json.dumps(request | more).encode()


def refused(address: str, kind: type[Exception], code: str, **more: object) -> str:
    """What GetFlightInfo and DoGet of the request are refused with; the server still answers."""
    with fl.FlightClient(address) as flight:
        said = []
        for act in (
            lambda: flight.get_flight_info(fl.FlightDescriptor.for_command(command(**more))),
            lambda: flight.do_get(fl.Ticket(command(**more))).read_all(),
        ):
            with pytest.raises(kind) as caught:
                act()
            said.append(str(caught.value))
            assert codes(said[-1])[:1] == [code], said[-1]
            assert "hint=" in said[-1]
        assert [action.type for action in flight.list_actions()]
    return said[0]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"bounds": (-8.0, 53.1, -7.9, 53.0), "crs": "EPSG:4326"}, "CF-CRS-005", "span no area"),
        ({"bounds": (-8.0, 53.0, -8.0, 53.0), "crs": "EPSG:4326"}, "CF-CRS-005", "span no area"),
        ({"bounds": (0, 0, 1, 1), "crs": "EPSG:5773"}, "CF-CRS-003", "neither geographic"),
        ({"bounds": (2, 1, 3, 2), "crs": "EPSG:4326"}, "CF-S2-006", "outside the tile"),
        ({"bands": ["B02_30m"]}, "CF-S2-013", "is not a band"),
        ({"productIds": [L2A.replace("S2A", "S2Z")]}, "CF-S2-011", "S2Z"),
        ({"productIds": [L2A.replace("N0400", "NX400")]}, "CF-S2-011", "NX400"),
    ],
)
def test_requests(laid_out: tuple[Path, Path], more: dict, code: str, said: str):
    if "bounds" in more:
        sides = ("minX", "minY", "maxX", "maxY")
        more = more | {"bounds": dict(zip(sides, more["bounds"], strict=True))}
    with serving(*laid_out) as address:
        assert said in refused(address, pa.ArrowInvalid, code, **more)


def test_offsets_that_are_unknown_or_differ(tmp_path: Path):
    require_realdata()
    root = tmp_path / "root"
    lay_out(root, [L2A])
    (safe,) = root.rglob("*.SAFE")
    for baseline, second in (("N9999", "115412"), ("N0301", "115413")):
        name = L2A.replace("N0400", baseline).replace("115411_", f"{second}_")
        copied = safe.parent / f"{name}.SAFE"
        shutil.copytree(safe, copied)
        for file in copied.rglob("*.xml"):
            file.unlink()
    index(root, tmp_path / "index")
    with serving(root, tmp_path / "index") as address:
        asked = {"bands": ["B04_60m"], "groupBy": "solar_day"}
        said = refused(address, pa.ArrowInvalid, "CF-CAT-009", **asked)
        assert "harmonised" in said and L2A in said
        with fl.FlightClient(address) as flight:
            ticket = fl.Ticket(command(bands=["B04_60m"], radiometry="harmonised"))
            table = flight.do_get(ticket).read_all()
        found = {
            error["code"]: error["product_id"]
            for errors in table.column("errors").to_pylist()
            for error in errors
        }
        assert found.keys() == {"CF-ENG-012"} and "N9999" in found["CF-ENG-012"]
        assert set(table.column("status").to_pylist()) == {"ok", "failed"}


def test_folders_without_end(tmp_path: Path):
    (tmp_path / "root" / "eodata" / "/".join("a" * 40)).mkdir(parents=True)
    where = (tmp_path / "index").as_uri()
    root = (tmp_path / "root").as_uri()
    with serving_urls(root, where, tmp_path / "log", options=["--catalog", "archive"]) as address:
        assert "symbolic link" in refused(address, pa.ArrowInvalid, "CF-CAT-002")


def test_a_product_of_too_many_files(tmp_path: Path):
    require_realdata()
    root = tmp_path / "root"
    lay_out(root, [L2A])
    (safe,) = root.rglob("*.SAFE")
    for number in range(MOST_FILES):
        (safe / f"{number}.txt").touch()
    done = run("index", "--store", root.as_uri(), "--index", (tmp_path / "index").as_uri())
    assert done.returncode == 1 and codes(done.stderr)[0] == "CF-IDX-021", done.stderr
    assert L2A in done.stderr


def test_a_catalogue_that_may_not_be_read(laid_out: tuple[Path, Path], tmp_path: Path):
    root, where = laid_out
    with s3(root) as (_, endpoint):
        extra = {"AWS_ENDPOINT_URL": endpoint, **KEYS, "AWS_SECRET_ACCESS_KEY": "wrong"}
        arguments = ("s3://eodata", where.as_uri(), tmp_path / "log", extra)
        with serving_urls(*arguments, ["--catalog", "archive"]) as address:
            said = refused(address, fl.FlightUnavailableError, "CF-CAT-001")
            assert "denied" in said and "wrong" not in said


@contextmanager
def stac_api(status: int, body: bytes) -> Iterator[str]:
    """An API that answers every search with this."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = f"http://{self.headers['host']}"
            conforms = "https://api.stacspec.org/v1.0.0"
            root = {
                "type": "Catalog",
                "stac_version": "1.0.0",
                "id": "x",
                "description": "x",
                "conformsTo": [f"{conforms}/core", f"{conforms}/item-search"],
                "links": [
                    {"rel": "self", "href": f"{host}/"},
                    {"rel": "search", "href": f"{host}/search", "method": "POST"},
                ],
            }
            self.answer(200, json.dumps(root).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.answer(status, body)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/geo+json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # it did not want more

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "said"),
    [
        (401, b"who are you", pa.ArrowInvalid, "CF-CAT-005", "401"),
        (
            200,
            b'{"type":"FeatureCollection","features":7}',
            fl.FlightUnavailableError,
            "CF-CAT-007",
            "not understood",
        ),
        (
            200,
            b'{"type":"FeatureCollection","features":[' + b" " * (40 << 20) + b"]}",
            pa.ArrowInvalid,
            "CF-CAT-008",
            "more than",
        ),
    ],
    ids=["refuses", "is no STAC", "says too much"],
)
def test_stac_apis(
    laid_out: tuple[Path, Path],
    tmp_path: Path,
    status: int,
    body: bytes,
    kind: type[Exception],
    code: str,
    said: str,
):
    root, where = laid_out
    with stac_api(status, body) as url:
        arguments = (root.as_uri(), where.as_uri(), tmp_path / "log")
        with serving_urls(*arguments, options=["--catalog", url]) as address:
            assert said in refused(address, kind, code)


def test_rows_of_an_index_that_are_wrong(laid_out: tuple[Path, Path], tmp_path: Path):
    root, where = laid_out
    shutil.copytree(where, tmp_path / "index")
    (file,) = (tmp_path / "index").rglob("*.parquet")
    rewritten(file, file, lambda row: row | {"tile_part_lengths": []})
    with serving(root, tmp_path / "index") as address:
        refused(address, fl.FlightInternalError, "CF-IDX-001")


def test_records_that_cannot_leave_or_enter_an_index(laid_out: tuple[Path, Path], tmp_path: Path):
    tile = ["--tile", "29UNU", "--collection", "sentinel-2-l2a", "--peer"]

    def some(row: dict) -> dict:
        none = {"packet_counts": None, "packet_lengths": None}
        first = {"tile_part_lengths": row["tile_part_lengths"][:1], "tile_part_tiles": [0]}
        return row | none | first | {"tile_part_offsets": [row["first_sot"]]}

    def short(row: dict) -> dict:
        return row | {"tile_part_lengths": [13] * len(row["tile_part_lengths"])}

    for number, (change, code) in enumerate(((some, "CF-TLM-006"), (short, "CF-JP2-012"))):
        where = tmp_path / f"index-{number}"
        shutil.copytree(laid_out[1], where)
        (file,) = where.rglob("*.parquet")
        rewritten(file, file, change)
        done = run("tlm", "export", "--index", where.as_uri(), *tile, tmp_path / "out.parquet")
        assert (done.returncode, codes(done.stderr)) == (1, [code]), done.stderr

    # A cell: size of the file, first SOT, length of the TLM marker segment, and the segment.
    peer = REALDATA / "index" / PRODUCTS[L2A][1]

    def beyond(row: dict) -> dict:
        return row | {"index": struct.pack(">Q", 3_000) + row["index"][8:]}

    def empty(row: dict) -> dict:
        return row | {"index": row["index"][:16] + EMPTY_TLM}

    for number, (change, code) in enumerate(((beyond, "CF-TLM-001"), (empty, "CF-TLM-003"))):
        file = tmp_path / f"peer-{number}.parquet"
        rewritten(peer, file, change)
        where = (tmp_path / f"new-{number}").as_uri()
        done = run("tlm", "import", "--index", where, *tile, file)
        assert done.returncode == 1 and code in codes(done.stderr), done.stderr


def rewritten(source: Path, target: Path, change: Callable[[dict], dict]) -> None:
    """A table with other rows."""
    table = pq.read_table(source)
    rows = [change(row) for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), target)


def test_a_file_that_is_coded_otherwise(laid_out: tuple[Path, Path], tmp_path: Path):
    raw = jp2(laid_out[0], L2A, "B04_60m").read_bytes()
    root = tmp_path / "root"
    lay_out(root, [L2A])
    comment = raw.index(b"\xff\x64", raw.index(b"\xff\x4f\xff\x51"))
    packed = raw[:comment] + b"\xff\x60" + raw[comment + 2 :]  # packet headers in the main header
    jp2(root, L2A, "B04_60m").write_bytes(packed)
    where = (tmp_path / "index").as_uri()
    done = run("index", "--store", root.as_uri(), "--index", where, "--assets", "B04_60m")
    assert done.returncode == 1 and "CF-JP2-014" in codes(done.stderr), done.stderr
