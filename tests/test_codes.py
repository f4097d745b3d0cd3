"""Error codes as those meet them who ask a server, or run a command, from outside."""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import (
    L2A,
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

# Of a product, with its images.
MOST_FILES = 5_000

# No request, file or store from outside leads to these; unit tests of their crates hold them.
NOT_FROM_OUTSIDE = {
    "CF-CRS-004": "PROJ transforms every system of the registry that bounds may be in",
    "CF-ENG-002": "a task that ended early: a fault of the program",
    "CF-ENG-003": "the system gives no threads at the start",
    "CF-ENG-013": "a file that changes between two reads of one job",
    "CF-IDX-003": "the writer of Parquet fails in memory",
    "CF-IDX-004": "a task that ended early: a fault of the program",
    "CF-JP2-012": "tile-parts beyond what a TLM can say, which no file of its size limits has",
    "CF-JP2-016": "the program plans decoding within its memory before it begins",
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
    "CF-TLM-001": "told as a row of the index that cannot be read, CF-IDX-001",
    "CF-TLM-002": "told as a row of the index that cannot be read, CF-IDX-001",
    "CF-TLM-003": "told as a row of the index that cannot be read, CF-IDX-001",
    "CF-TLM-005": "told as a row of the index that cannot be read, CF-IDX-001",
    "CF-TLM-006": "commands that need all tile-parts take complete records only",
    "CF-TST-005": "a full disk while a synthetic archive is made",
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
    done = run("index", "--store", root, "--index", where)
    assert (done.returncode, codes(done.stderr)) == (1, ["CF-IDX-022"]), done.stderr
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
    import pyarrow.parquet as pq

    root, where = laid_out
    shutil.copytree(where, tmp_path / "index")
    (file,) = (tmp_path / "index").rglob("*.parquet")
    table = pq.read_table(file)
    rows = table.to_pylist()
    for row in rows:
        row["tile_part_lengths"] = []
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    with serving(root, tmp_path / "index") as address:
        refused(address, fl.FlightInternalError, "CF-IDX-001")


def test_files_that_are_coded_otherwise_or_damaged(laid_out: tuple[Path, Path], tmp_path: Path):
    raw = jp2(laid_out[0], L2A, "B04_60m").read_bytes()
    start, data = raw.index(b"\xff\x4f\xff\x51"), raw.index(b"\xff\x93")

    def changed(name: str, at: int, to: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(raw[:at] + to + raw[at + len(to) :])
        return path

    signed = run("read", changed("signed.jp2", start + 42, b"\x8b"))
    assert (signed.returncode, codes(signed.stderr)) == (1, ["CF-JP2-015"]), signed.stderr
    assert "signed" in signed.stderr
    damaged = run("read", changed("damaged.jp2", data + 2, b"\xff" * 400))
    assert (damaged.returncode, codes(damaged.stderr)) == (1, ["CF-JP2-018"]), damaged.stderr

    root = tmp_path / "root"
    lay_out(root, [L2A])
    comment = raw.index(b"\xff\x64", start)
    packed = changed("packed.jp2", comment + 1, b"\x60")  # packet headers in the main header
    shutil.copyfile(packed, jp2(root, L2A, "B04_60m"))
    where = (tmp_path / "index").as_uri()
    done = run("index", "--store", root.as_uri(), "--index", where, "--assets", "B04_60m")
    assert done.returncode == 1 and "CF-JP2-014" in codes(done.stderr), done.stderr


def test_commands(laid_out: tuple[Path, Path], tmp_path: Path):
    file = jp2(laid_out[0], L2A, "SCL_60m")
    pull = ["pull", "grpc://127.0.0.1:1", "--tile", "29UNU", "--bands", "SCL", "--out"]
    for arguments, code, said in (
        (["read", file, "--window", "0,0,99999,99999"], "CF-CLI-003", "1830x1830"),
        (["read", file, "--component", "7"], "CF-CLI-003", "component 7 of 1"),
        ([*pull, tmp_path / "x.npz"], "CF-CLI-004", "127.0.0.1:1"),
        (["serve", "--store", "ftp://x/y", "--index", tmp_path], "CF-STO-001", "ftp"),
        (["serve", "--store", "s3://", "--index", tmp_path], "CF-STO-001", "no bucket"),
    ):
        done = run(*arguments)
        assert (done.returncode, codes(done.stderr)) == (1, [code]), done.stderr
        assert said in done.stderr and "hint=" in done.stderr


class Nonsense(fl.FlightServerBase):
    """Says nothing of what a cube is."""

    def get_flight_info(self, context: object, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        return fl.FlightInfo(pa.schema([]), descriptor, [], -1, -1, app_metadata=b"[")


def test_a_server_that_is_none_of_ours(tmp_path: Path):
    with Nonsense("grpc://127.0.0.1:0") as server:
        address = f"grpc://127.0.0.1:{server.port}"
        done = run("plan", "--server", address, "--tile", "29UNU", "--bands", "SCL")
    assert (done.returncode, codes(done.stderr)) == (1, ["CF-CLI-005"]), done.stderr
    assert re.search("plan summary", done.stderr)


def test_what_no_picture_can_show(laid_out: tuple[Path, Path], tmp_path: Path):
    (mask,) = (file for file in laid_out[0].rglob("MSK_QUALIT_B01.jp2"))
    done = run("read", mask, "--out", tmp_path / "x.png")
    assert (done.returncode, codes(done.stderr)) == (1, ["CF-CLI-006"]), done.stderr
