"""Codes of files, stores and indexes that cannot be used, on the command line."""

import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import REALDATA, ROOT, codes, require_realdata, run
from stac_upstream import free_port

SAMPLE = "jp2/L2A_N0400_S2A_20221005_T29UNU/R60m/T29UNU_20221005T115411_B04_60m.jp2"
MASK = "jp2/L2A_N0509_S2B_202308_T33TWL_masks/MSK_QUALIT_B05.jp2"
ONE_TILE = "jp2/odd_rpcl_one_tile.jp2"
REQUEST = ["--tile", "33TVN", "--bands", "SCL"]


def entry(code: str) -> list[str]:
    """Its row of the table: code, status, meaning, what to do."""
    for line in (ROOT / "docs/errors.md").read_text().splitlines():
        if line.startswith(f"| `{code}` |"):
            return line.strip("| ").split(" | ")
    raise AssertionError(f"{code} is not in the table")


def hint(code: str) -> str:
    return entry(code)[3]


def refused(code: str, says: str, *arguments: str | Path) -> None:
    done = run(*arguments)
    assert done.returncode == 1, done.stdout[:200]
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert codes(line)[0] == code, line
    assert says in line
    assert line.endswith(f"hint={hint(code)}")


def signed(data: bytes) -> bytes:
    depth = data.index(b"\xff\x4f\xff\x51") + 42
    return data[:depth] + bytes([data[depth] | 0x80]) + data[depth + 1 :]


def packets_of_ones(data: bytes) -> bytes:
    sot = data.index(b"\xff\x90\x00\x0a")
    start = data.index(b"\xff\x93", sot) + 2
    (length,) = struct.unpack(">I", data[sot + 6 : sot + 10])
    return data[:start] + b"\xff" * (sot + length - start) + data[sot + length :]


def of_30_000_pixels(data: bytes) -> bytes:
    """Its one tile is as wide and high as the image."""
    siz, size = data.index(b"\xff\x4f\xff\x51") + 2, struct.pack(">II", 30_000, 30_000)
    return data[: siz + 6] + size + data[siz + 14 : siz + 22] + size + data[siz + 30 :]


IMAGES = {
    "CF-JP2-015": (SAMPLE, signed, "signed samples"),
    "CF-JP2-016": (ONE_TILE, of_30_000_pixels, "bytes, more than the"),
    "CF-JP2-018": (SAMPLE, packets_of_ones, "openjpeg failed"),
}


@pytest.mark.parametrize("code", IMAGES)
def test_image_that_cannot_be_decoded(tmp_path: Path, code: str):
    require_realdata()
    source, change, says = IMAGES[code]
    path = tmp_path / "image.jp2"
    path.write_bytes(change((REALDATA / source).read_bytes()))
    refused(code, says, "read", path, "--sha256")


def test_output_that_does_not_fit_the_image(tmp_path: Path):
    require_realdata()
    outside = ["read", REALDATA / SAMPLE, "--window", "5000,0,1,1"]
    refused("CF-CLI-003", "5000,0,1,1 is not in the image of 1830x1830", *outside)
    picture = ["read", REALDATA / MASK, "--out", tmp_path / "mask.png"]
    refused("CF-CLI-006", "1 or 3 components, not 8", *picture)


def test_store_of_no_known_kind(tmp_path: Path):
    where = ["--store", "ftp://host/products", "--index", tmp_path]
    says = '"ftp://host/products"'
    for command in (["index"], ["plan", *REQUEST], ["serve", "--listen", "127.0.0.1:0"]):
        refused("CF-STO-001", says, *command, *where)


def test_archive_where_a_file_is(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    refused("CF-TST-005", "file", "archive", "--out", file, "--tile", "33TVN", "--steps", "1")


def test_folders_without_end(tmp_path: Path):
    store = tmp_path / "store"
    deep = store.joinpath(*["deeper"] * 30)
    deep.mkdir(parents=True)
    (deep / "file.txt").touch()
    where = ["--store", store, "--index", tmp_path / "index"]
    refused("CF-IDX-022", "deeper", "index", *where)
    refused("CF-CAT-002", "deeper", "plan", *REQUEST, *where)


def test_list_that_cannot_be_read(tmp_path: Path):
    where = ["--store", tmp_path, "--index", tmp_path / "index"]
    refused("CF-IDX-004", "cannot read", "index", *where, "--list", tmp_path)


class Liar(fl.FlightServerBase):
    """Plans without the summary that they promise."""

    def get_flight_info(self, _: object, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        return fl.FlightInfo(pa.schema([]), descriptor, [])


def plan_of(server: str) -> list[str]:
    return ["plan", *REQUEST, "--server", server]


def test_server_that_is_not_there_and_one_of_another_kind():
    gone = f"grpc://127.0.0.1:{free_port()}"
    refused("CF-CLI-004", f"cannot reach {gone}", *plan_of(gone))
    with Liar("grpc://127.0.0.1:0") as server:
        refused(
            "CF-CLI-005", "plan summary is unreadable", *plan_of(f"grpc://127.0.0.1:{server.port}")
        )
