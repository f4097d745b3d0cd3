"""`tlm inject`: GDAL reads the new file to the same pixels, with few requests. `tlm verify`."""

import json
import re
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio

from blackbox import REALDATA, cli, codes, require_realdata, run
from test_s3 import KEYS, s3

# In the middle of one JP2 tile of 1024 pixels at 10 m.
BOUNDS = "455000,5214000,455500,5214500"
REAL = "jp2/L2A_N0400_S2A_20221005_T29UNU"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two products; one JP2 tile of each image has texture."""
    out = tmp_path_factory.mktemp("archive")
    cli(
        "archive", "--out", out, "--tile", "33TVN", "--steps", "2", "--bands", "B08,SCL",
        "--bounds", BOUNDS,
    )  # fmt: skip
    return out


def tile_parts(data: bytes) -> tuple[int, list[bytes]]:
    """Offset of the first SOT, and all tile-parts."""
    first = data.index(b"\xff\x90\x00\x0a")
    parts, at = [], first
    while data[at : at + 2] == b"\xff\x90":
        (length,) = struct.unpack_from(">I", data, at + 6)
        parts.append(data[at : at + length])
        at += length
    assert data[at:] == b"\xff\xd9"
    return first, parts


@pytest.fixture(scope="module")
def files(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 10 m band of about 100 MB, and the same with a TLM.

    All inner tiles are copies of the one with texture: 1024 is a multiple of the precincts, so a
    tile-part is valid at any of their places.
    """
    folder = tmp_path_factory.mktemp("files")
    source = next(iter(sorted((archive / "eodata").rglob("*_B08_10m.jp2")))).read_bytes()
    first, parts = tile_parts(source)
    assert len(parts) == 121
    texture = max(parts, key=len)
    assert len(texture) > 500_000
    with (folder / "plain.jp2").open("wb") as out:
        out.write(source[:first])
        for tile, part in enumerate(parts):
            inner = tile % 11 < 10 and tile < 110
            copied = texture[:4] + struct.pack(">H", tile) + texture[6:]
            out.write(copied if inner else part)
        out.write(b"\xff\xd9")
    cli("tlm", "inject", folder / "plain.jp2", "--out", folder / "tlm.jp2")
    return folder


class Handler(BaseHTTPRequestHandler):
    """Files by range, as a bucket serves them; notes each request."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        # /17/name is the same as /name: each read of a test has a name of its own in GDAL's cache
        data = self.server.files.get(self.path.rpartition("/")[2])
        asked = self.headers.get("Range")
        self.server.requests.append((self.command, asked))
        if data is None:
            self.send_error(404)
            return
        start, end = 0, len(data)
        if asked:
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
            assert found, asked
            start, end = int(found[1]), min(int(found[2]) + 1, len(data))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if body:
            self.wfile.write(data[start:end])


class Server(ThreadingHTTPServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.requests: list[tuple[str, str | None]] = []


@pytest.fixture(scope="module")
def http(files: Path) -> Iterator[Server]:
    with Server(files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


# GDAL takes its settings once for a process, so each set of them gets one.
READ = """
import hashlib, json, sys
import rasterio
from rasterio.windows import Window
settings, url, window = json.loads(sys.argv[1])
with rasterio.Env(**settings), rasterio.open(url) as image:
    pixels = image.read(1, window=Window(*window))
print(json.dumps([list(pixels.shape), hashlib.sha256(pixels.tobytes()).hexdigest()]))
"""


@dataclass
class Cost:
    ranges: int
    megabytes: float
    pixels: list[object]


def read(http: Server, name: str, window: tuple[int, ...], settings: dict[str, str]) -> Cost:
    http.requests.clear()
    url = f"/vsicurl/http://127.0.0.1:{http.server_port}/{name}"
    arguments = json.dumps([settings, url, window])
    done = subprocess.run(
        [sys.executable, "-c", READ, arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    ranges = [asked for method, asked in http.requests if method == "GET"]
    assert all(ranges), "a whole file was asked for"
    ends = [re.fullmatch(r"bytes=(\d+)-(\d+)", asked) for asked in ranges if asked]
    size = sum(int(end[2]) - int(end[1]) + 1 for end in ends if end)
    return Cost(len(ranges), size / 1e6, json.loads(done.stdout))


# As in docs/tlm-tools.md.
PLAIN = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
ROW = PLAIN | {
    "CPL_VSIL_CURL_CHUNK_SIZE": str(1 << 20),
    "CPL_VSIL_CURL_CACHE_SIZE": str(128 << 20),
    "GDAL_NUM_THREADS": "1",
}
FEWEST = ROW | {"CPL_VSIL_CURL_CHUNK_SIZE": str(10 << 20)}
WINDOWS = {
    "one tile": (8500, 9300, 500, 500),
    "two tiles in a row": (8900, 9300, 500, 500),
    "two tiles in a column": (8500, 8900, 500, 500),
    "four tiles": (8900, 8900, 500, 500),
}
MOST = {
    "plain": (PLAIN, {"one tile": 3, "two tiles in a row": 6, "two tiles in a column": 5,
                      "four tiles": 7}),
    "row": (ROW, {"one tile": 3, "two tiles in a row": 3, "two tiles in a column": 5,
                  "four tiles": 5}),
    "fewest": (FEWEST, dict.fromkeys(WINDOWS, 3)),
}  # fmt: skip


@pytest.fixture(scope="module")
def without(http: Server) -> dict[str, Cost]:
    return {name: read(http, "plain.jp2", window, PLAIN) for name, window in WINDOWS.items()}


@pytest.mark.parametrize("settings", MOST)
def test_gdal_reads_a_window_with_few_requests(
    http: Server, without: dict[str, Cost], settings: str
):
    chosen, most = MOST[settings]
    for name, window in WINDOWS.items():
        cost = read(http, "tlm.jp2", window, chosen)
        old = without[name]
        print(f"{settings}, {name}: {cost.ranges} ranges, {cost.megabytes:.1f} MB;"
              f" without TLM {old.ranges}, {old.megabytes:.1f} MB")  # fmt: skip
        assert cost.pixels == old.pixels
        assert cost.pixels[0] == [500, 500]
        assert cost.ranges <= most[name]
        assert old.ranges >= 90


def test_all_pixels_stay(files: Path):
    for tile in [(0, 0), (4096, 5120), (9216, 9216), (10240, 10240)]:
        window = rasterio.windows.Window(*tile, 740, 740)
        with rasterio.open(files / "plain.jp2") as old, rasterio.open(files / "tlm.jp2") as new:
            assert old.profile == new.profile
            np.testing.assert_array_equal(old.read(window=window), new.read(window=window))


@pytest.mark.parametrize(
    "name", ["R20m/T29UNU_20221005T115411_SCL_20m.jp2", "R10m/T29UNU_20221005T115411_AOT_10m.jp2"]
)
def test_real_files_stay_what_they_are(tmp_path: Path, name: str):
    require_realdata()
    source, out = REALDATA / REAL / name, tmp_path / "tlm.jp2"
    cli("tlm", "inject", source, "--out", out)
    with rasterio.open(source) as old, rasterio.open(out) as new:
        assert (old.crs, old.transform, old.profile) == (new.crs, new.transform, new.profile)
        np.testing.assert_array_equal(old.read(), new.read())
    said = json.loads(cli("inspect", out, "--json"))
    assert said["tlm_ok"] is True
    assert said["size"] == out.stat().st_size


def test_a_file_in_a_bucket_is_read_once(tmp_path: Path, archive: Path):
    source = sorted((archive / "eodata").rglob("*_B08_10m.jp2"))[0]
    log, out = tmp_path / "log.jsonl", tmp_path / "out"
    out.mkdir()
    cli("tlm", "inject", source, "--out", tmp_path / "local.jp2")
    with s3(archive, "--log", log) as (_, endpoint):
        key = source.relative_to(archive).as_posix()
        extra = KEYS | {"AWS_ENDPOINT_URL": endpoint}
        cli("tlm", "inject", f"s3://{key}", "--out", out / "tlm.jp2", extra=extra)
    assert [path.name for path in out.iterdir()] == ["tlm.jp2"]
    assert (out / "tlm.jp2").read_bytes() == (tmp_path / "local.jp2").read_bytes()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    gets = sum(line["method"] == "GET" for line in lines)
    assert gets == -(-source.stat().st_size // (8 << 20))


def test_nothing_is_overwritten_or_left_behind(tmp_path: Path, files: Path, archive: Path):
    source = next(iter(sorted((archive / "eodata").rglob("*_SCL_20m.jp2"))))
    out = tmp_path / "scl.jp2"
    out.write_text("mine")
    done = run("tlm", "inject", source, "--out", out)
    assert done.returncode == 1
    assert codes(done.stderr) == ["CF-CLI-002"]
    assert out.read_text() == "mine"
    cli("tlm", "inject", source.as_uri(), "--out", out, "--force")
    # a second TLM
    done = run("tlm", "inject", out, "--out", tmp_path / "again.jp2")
    assert codes(done.stderr) == ["CF-JP2-027"]
    # no JP2
    (tmp_path / "text.jp2").write_text("not an image at all")
    done = run("tlm", "inject", tmp_path / "text.jp2", "--out", tmp_path / "again.jp2")
    assert codes(done.stderr) == ["CF-JP2-001"]
    assert {path.name for path in tmp_path.iterdir()} == {"scl.jp2", "text.jp2"}


@dataclass
class Indexed:
    store: Path
    index: Path
    stac: Path

    def verify(self, *options: str) -> tuple[int, dict]:
        done = run(
            "tlm", "verify", "--store", self.store.as_uri(), "--index", self.index.as_uri(),
            "--tile", "33TVN", "--json", *options,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout)

    def file(self, name: str) -> Path:
        return sorted(self.store.rglob(f"*_{name}.jp2"))[0]


@pytest.fixture
def indexed(archive: Path, tmp_path: Path) -> Indexed:
    """A copy of the archive, to damage, and its index."""
    shutil.copytree(archive, tmp_path / "archive")
    indexed = Indexed(tmp_path / "archive/eodata", tmp_path / "index", tmp_path / "archive/stac")
    cli("index", "--store", indexed.store.as_uri(), "--index", indexed.index.as_uri())
    return indexed


def test_true_records_are_found_true(indexed: Indexed):
    code, said = indexed.verify()
    assert (code, said["records"], said["compared"]) == (0, 4, 4)
    assert said["tile_parts"] == 12
    assert said["disagreements"] == []
    code, said = indexed.verify("--sample", "2", "--assets", "B08")
    assert (code, said["records"], said["compared"]) == (0, 2, 2)
    code, said = indexed.verify("--all")
    assert (code, said["tile_parts"]) == (0, 2 * 121 + 2 * 81)
    code, said = indexed.verify("--full", "--catalog", str(indexed.stac))
    assert (code, said["checksums"], said["disagreements"]) == (0, 4, [])
    size = sum(path.stat().st_size for path in indexed.store.rglob("*.jp2"))
    assert said["bytes"] == size
    code, said = indexed.verify("--full")
    assert (code, said["checksums"]) == (0, 0)


def test_damage_is_found(indexed: Indexed):
    scl, b08 = indexed.file("SCL_20m"), indexed.file("B08_10m")
    # a tile-part that neither is the first, the middle nor the last one
    data = bytearray(b08.read_bytes())
    first, parts = tile_parts(bytes(data))
    at = first + sum(map(len, parts[:17]))
    data[at + 5] ^= 1
    b08.write_bytes(data)
    # a bit of a packet of the last tile
    data = bytearray(scl.read_bytes())
    data[-5] ^= 1
    scl.write_bytes(data)

    def reasons(*options: str) -> dict[str, str]:
        code, said = indexed.verify(*options)
        assert code == 1
        return {found["asset"]: "; ".join(found["reasons"]) for found in said["disagreements"]}

    # the store's validators tell that something changed
    found = reasons()
    assert set(found) == {"B08_10m", "SCL_20m"}
    assert all("ETag" in reason for reason in found.values())
    found = reasons("--all")
    assert f"starts at {at} of tile 17" in found["B08_10m"]
    assert "tile" not in found["SCL_20m"]
    found = reasons("--full", "--catalog", str(indexed.stac))
    assert "CF-JP2-009" in found["B08_10m"]
    assert "checksum" in found["SCL_20m"]

    scl.write_bytes(data[:-1])
    found = reasons("--assets", "SCL")
    assert f"{len(data) - 1} bytes, the record {len(data)}" in found["SCL_20m"]
    scl.unlink()
    assert "CF-STO" in reasons("--assets", "SCL")["SCL_20m"]


def test_the_list_is_for_people_too(indexed: Indexed):
    b08 = indexed.file("B08_10m")
    b08.write_bytes(b08.read_bytes() + b"x")
    done = run(
        "tlm", "verify", "--store", indexed.store.as_uri(), "--index", indexed.index.as_uri(),
        "--tile", "33TVN",
    )  # fmt: skip
    assert done.returncode == 1
    assert codes(done.stderr) == ["CF-JP2-013"]
    assert "B08_10m: the file has" in done.stdout
    assert "4 of 4 records compared with their files: 3 agree, 1 do not" in done.stdout
    done = run(
        "tlm", "verify", "--store", indexed.store.as_uri(), "--index", indexed.index.as_uri(),
        "--tile", "33TWN",
    )  # fmt: skip
    assert codes(done.stderr) == ["CF-CLI-001"]
