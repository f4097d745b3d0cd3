"""The commands on single files: every real file, windows, damage."""

import json
import random
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox import LARGE, REALDATA, Decoder, Known, cli, codes, oracle, require_realdata, run

ORACLE = oracle()
FILES = [
    pytest.param(
        known, id=name.removeprefix("jp2/"),
        marks=[pytest.mark.long] if known.decoded_bytes > LARGE else [],
    )
    for name, known in ORACLE.items()
]  # fmt: skip
KINDS = {
    "10 m, 15 bit": "L2A_N0400_S2A_20221005_T29UNU/R10m/T29UNU_20221005T115411_AOT_10m",
    "20 m, 8x8 code-blocks": "L2A_N0400_S2A_20221005_T29UNU/R20m/T29UNU_20221005T115411_SCL_20m",
    "60 m, 4x4 code-blocks": "L2A_N0400_S2A_20221005_T29UNU/R60m/T29UNU_20221005T115411_B04_60m",
    "RGB": "L2A_N0400_S2A_20221005_T29UNU/R60m/T29UNU_20221005T115411_TCI_60m",
    "preview": "L2A_N0400_S2A_20221005_T29UNU/QI_DATA/T29UNU_20221005T115411_PVI",
    "8 components": "L2A_N0509_S2B_202308_T33TWL_masks/MSK_QUALIT_B05",
    "3 components": "L2A_N0509_S2B_202308_T33TWL_masks/MSK_CLASSI_B00",
    "own TLM": "derived_TLM_injected/T29UNU_20221005T115411_SCL_20m.tlm",
    "one tile, RPCL": "odd_rpcl_one_tile",
    "rate-capped": "L1C_rasterframes_B01/B01",
}
GIB = 1 << 30


def test_real_data_is_here():
    require_realdata()
    assert len(ORACLE) >= 50


@pytest.mark.parametrize("known", FILES)
def test_read_equals_the_oracle(known: Known):
    out = cli("read", known.path, "--sha256", timeout=600)
    assert re.findall(r"\b[0-9a-f]{64}\b", out) == [known.sha256]


@pytest.mark.parametrize("kind", KINDS)
def test_windows_equal_the_crop(kind: str, decode: Decoder, tmp_path: Path):
    file = f"jp2/{KINDS[kind]}.jp2"
    whole = decode(file)
    height, width = whole.shape[:2]
    numbers = random.Random(kind)
    windows = [(0, 0, 1, 1), (width - 1, height - 1, 1, 1)]
    for _ in range(4):
        x, y = numbers.randrange(width), numbers.randrange(height)
        windows.append(
            (
                x,
                y,
                numbers.randint(1, min(900, width - x)),
                numbers.randint(1, min(900, height - y)),
            )
        )
    for x, y, w, h in windows:
        out = tmp_path / "window.npy"
        cli("read", REALDATA / file, "--window", f"{x},{y},{w},{h}", "--out", out)
        np.testing.assert_array_equal(np.load(out), whole[y : y + h, x : x + w])


def test_window_outside_the_image():
    require_realdata()
    file = REALDATA / f"jp2/{KINDS['60 m, 4x4 code-blocks']}.jp2"
    for window in ("1830,0,1,1", "0,0,1831,1", "0,0,0,1", "4294967295,0,4294967295,1"):
        done = run("read", file, "--window", window, "--sha256")
        assert done.returncode in (1, 2)
        assert codes(done.stderr) or done.returncode == 2, done.stderr


# What `inspect --json` must tell, under the names of the reference tool.
REQUIRED = {"size", "boxes", "codestream_off", "main", "main_header_len", "ntiles", "grid", "tp"}


@pytest.mark.parametrize("known", [pytest.param(*p.values, id=p.id) for p in FILES])
def test_inspect_agrees_with_the_reference(known: Known):
    reference = REALDATA.parent / "tools/jp2struct.py"
    if not reference.is_file():
        pytest.skip(f"no {reference}")
    want = json.loads(
        subprocess.run(
            [sys.executable, reference, "--json", known.path],
            capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    got = json.loads(cli("inspect", known.path, "--json"))
    assert got.keys() >= REQUIRED
    assert len(got["tp"]) == len(want["tp"]) and len(got["boxes"]) == len(want["boxes"])
    for key in (got.keys() & want.keys()) - {"file", "boxdetail"}:
        agree(got[key], want[key], key)


def agree(got: Any, want: Any, where: str) -> None:
    """Equal in all keys that both have."""
    if isinstance(got, dict) and isinstance(want, dict):
        shared = got.keys() & want.keys()
        assert shared or not got, f"{where}: nothing to compare"
        for key in shared:
            agree(got[key], want[key], f"{where}.{key}")
    elif isinstance(got, list) and isinstance(want, list):
        assert len(got) == len(want), where
        for i, (one, other) in enumerate(zip(got, want, strict=True)):
            agree(one, other, f"{where}[{i}]")
    else:
        assert got == want, where


# Damage. Nothing here may crash, hang, or take memory beyond the bound; what cannot be told from a
# good file (bits inside code-blocks) may decode to something.

SAMPLE = "jp2/L2A_N0400_S2A_20221005_T29UNU/R60m/T29UNU_20221005T115411_B04_60m.jp2"


@pytest.fixture(scope="module")
def sample() -> bytes:
    require_realdata()
    return (REALDATA / SAMPLE).read_bytes()


def refused(path: Path, *commands: str) -> None:
    for command in commands or ("read", "inspect"):
        options = ["--sha256"] if command == "read" else ["--json"]
        done = run(command, path, *options, timeout=60, limit=4 * GIB)
        assert done.returncode == 1, f"{command} took {path.name}: {done.stdout[:200]}"
        assert codes(done.stderr), done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("length", [0, 1, 11, 40, 100, 2370, 2400, 2562])
def test_cut_in_the_headers(sample: bytes, tmp_path: Path, length: int):
    path = tmp_path / "cut.jp2"
    path.write_bytes(sample[:length])
    refused(path)


@pytest.mark.parametrize("share", [0.000928, 0.1, 0.5, 0.9, 0.999999])
def test_cut_in_the_pixels(sample: bytes, tmp_path: Path, share: float):
    path = tmp_path / "cut.jp2"
    path.write_bytes(sample[: int(len(sample) * share)])
    refused(path, "read")
    # What there is may be described, as cut.
    done = run("inspect", path, "--json", timeout=60, limit=4 * GIB)
    if done.returncode == 0:
        assert json.loads(done.stdout)["truncated"] is True
    else:
        assert codes(done.stderr), done.stderr


def codestream(sample: bytes) -> int:
    return sample.index(b"\xff\x4f\xff\x51")


def patched(sample: bytes, offset: int, value: bytes) -> bytes:
    return sample[:offset] + value + sample[offset + len(value) :]


def damage(sample: bytes) -> dict[str, bytes]:
    start = codestream(sample)
    siz, sot = start + 2, sample.index(b"\xff\x90\x00\x0a")
    plt = sot + 12
    assert sample[plt : plt + 2] == b"\xff\x58"
    u32 = struct.Struct(">I").pack
    return {
        "not a JP2": b"PNG" + sample[3:],
        "box longer than the file": patched(sample, 32, u32(0x7FFFFFFF)),
        "box shorter than its header": patched(sample, 32, u32(5)),
        "no codestream box": sample.replace(b"jp2c", b"jp2x"),
        "image of 2^31 by 2^31": patched(sample, siz + 6, u32(1 << 31) * 2),
        "image without extent": patched(sample, siz + 6, u32(0)),
        "tile without extent": patched(sample, siz + 22, u32(0)),
        "2^28 tiles": patched(sample, siz + 22, u32(1) + u32(1)),
        "16,385 components": patched(sample, siz + 38, b"\x40\x01"),
        "marker longer than the header": patched(sample, siz + 2, b"\xff\xff"),
        "Psot beyond the file": patched(sample, sot + 6, u32(0xFFFFFFF0)),
        "Psot inside its header": patched(sample, sot + 6, u32(13)),
        "tile number out of range": patched(sample, sot + 4, b"\xff\xfe"),
        "PLT longer than the tile-part": patched(sample, plt + 2, b"\xff\xff"),
    }


DAMAGE = [
    "not a JP2", "box longer than the file", "box shorter than its header", "no codestream box",
    "image of 2^31 by 2^31", "image without extent", "tile without extent", "2^28 tiles",
    "16,385 components", "marker longer than the header", "Psot beyond the file",
    "Psot inside its header", "tile number out of range", "PLT longer than the tile-part",
]  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_in_structure(sample: bytes, tmp_path: Path, name: str):
    made = damage(sample)
    assert list(made) == DAMAGE
    path = tmp_path / "damaged.jp2"
    path.write_bytes(made[name])
    refused(path, "read")
    # The structure may still be described; if not, then by an error.
    done = run("inspect", path, "--json", timeout=60, limit=4 * GIB)
    assert done.returncode == 0 or codes(done.stderr), done.stderr


def test_packet_lengths_that_do_not_add_up(sample: bytes, tmp_path: Path):
    """A window is read by packet lengths: wrong ones must not give wrong pixels silently."""
    sot = sample.index(b"\xff\x90\x00\x0a")
    first = sot + 12 + 5
    path = tmp_path / "lengths.jp2"
    path.write_bytes(patched(sample, first, bytes([sample[first] ^ 0x01])))
    want, got = tmp_path / "want.npy", tmp_path / "got.npy"
    cli("read", REALDATA / SAMPLE, "--window", "10,10,20,20", "--out", want)
    done = run("read", path, "--window", "10,10,20,20", "--out", got)
    if done.returncode == 0:
        np.testing.assert_array_equal(np.load(got), np.load(want))
    else:
        assert codes(done.stderr)


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes_in_headers_and_pixels(sample: bytes, tmp_path: Path, seed: int):
    """Any outcome but a crash, a hang or memory without bound."""
    numbers = random.Random(seed)
    for end in (2700, len(sample)):
        data = bytearray(sample)
        for _ in range(numbers.choice((1, 4, 64))):
            data[numbers.randrange(end)] = numbers.randrange(256)
        path = tmp_path / "random.jp2"
        path.write_bytes(data)
        for command, option in (("read", "--sha256"), ("inspect", "--json")):
            done = run(command, path, option, timeout=60, limit=4 * GIB)
            assert done.returncode == 0 or codes(done.stderr), done.stderr
