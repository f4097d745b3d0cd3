"""What the black-box tests share: the binary, a running server, the real files."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent
REALDATA = Path(os.environ.get("CUBEFLIGHT_REALDATA") or ROOT / "../shared/realdata").resolve()
HAVE_REALDATA = (REALDATA / "oracle.tsv").is_file()

L2A = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454"
L1C = "S2A_MSIL1C_20220125T151701_N0400_R125_T18LTM_20220125T190036"
OLD_L1C = "S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911"

# Product, folder of its files in the real data, peer index that holds the exact keys.
PRODUCTS = {
    L2A: ("L2A_N0400_S2A_20221005_T29UNU", "L2A-29UNU-allres.parquet"),
    L1C: ("L1C_N0400_S2A_20220125_T18LTM", "L1C-18LTM.parquet"),
    OLD_L1C: ("L1C_N0206_S2A_20180101_T31TDH", "L1C-31TDH.parquet"),
}

# Above this a decode belongs to the long tests.
LARGE = 200_000_000


@dataclass(frozen=True)
class Known:
    """A line of oracle.tsv."""

    file: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str

    @property
    def path(self) -> Path:
        return REALDATA / self.file

    @property
    def decoded_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def oracle() -> dict[str, Known]:
    """The known answers by file."""
    if not HAVE_REALDATA:
        return {}
    with (REALDATA / "oracle.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {
            row["file"]: Known(
                row["file"],
                tuple(int(n) for n in row["shape"].split("x")),
                row["dtype"],
                row["sha256_le_rowmajor"],
            )
            for row in rows
        }


def require_realdata() -> None:
    """Skips without the real data; where CI=true that is a failure."""
    if HAVE_REALDATA:
        return
    reason = f"no real data in {REALDATA}: set CUBEFLIGHT_REALDATA"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def binary() -> Path:
    """The program under test."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    path = Path(os.environ.get("CUBEFLIGHT_BIN") or target / "debug/cubeflight").absolute()
    if not path.is_file():
        pytest.fail(f"no binary {path}: run `make build` or set CUBEFLIGHT_BIN")
    return path


def environment() -> dict[str, str]:
    """Of the processes under test: nothing of the caller's that changes what they do."""
    dropped = ("AWS_", "CUBEFLIGHT_", "RUST_LOG", "RUST_BACKTRACE")
    return {key: value for key, value in os.environ.items() if not key.startswith(dropped)}


def run(
    *arguments: str | Path,
    timeout: float = 120,
    limit: int | None = None,
    extra: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end, whatever that is. `limit` bounds its address space, `extra` adds
    to its environment."""
    command = [str(binary()), *map(str, arguments)]
    if limit:
        command = ["/bin/sh", "-c", f'ulimit -v {limit // 1024}; exec "$@"', "sh", *command]
    done = subprocess.run(
        command,
        env=environment() | (extra or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode in (0, 1, 2), f"{command} ended with {done.returncode}:\n{done.stderr}"
    assert "panicked" not in done.stderr, done.stderr
    return done


def cli(*arguments: str | Path, timeout: float = 120, extra: dict[str, str] | None = None) -> str:
    """Runs the program, which must succeed, and returns its standard output."""
    done = run(*arguments, timeout=timeout, extra=extra)
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


def codes(text: str) -> list[str]:
    """The error codes in a text."""
    return re.findall(r"CF-[A-Z0-9]+-[0-9]{3}", text)


class Decoder:
    """Whole files as arrays (y, x[, component]) that are proved equal to the oracle."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._known = oracle()
        self._cache: dict[str, np.ndarray[Any, Any]] = {}

    def __call__(self, file: str) -> np.ndarray[Any, Any]:
        if file not in self._cache:
            known = self._known[file]
            out = self._scratch / "decoded.npy"
            cli("read", known.path, "--out", out, timeout=300)
            pixels = np.load(out)
            out.unlink()
            assert pixels.dtype == known.dtype
            assert pixels.shape == known.shape
            digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
            assert digest == known.sha256, f"{file} is decoded wrong"
            self._cache[file] = pixels
        return self._cache[file]

    def asset(self, product: str, name: str) -> np.ndarray[Any, Any]:
        """By what a file name of the product ends with: "B04_60m", "QI_DATA/MSK_CLASSI_B00"."""
        folder = f"jp2/{PRODUCTS[product][0]}/"
        (file,) = (f for f in self._known if f.startswith(folder) and f.endswith(f"{name}.jp2"))
        return self(file)


def keys(product: str) -> dict[str, Path]:
    """Key in the bucket -> real file, for all files of a product that there are."""
    folder, index = PRODUCTS[product]
    table = pq.read_table(REALDATA / "index" / index)
    paths = {path.rpartition("/")[2]: path for path in table.column("path").to_pylist()}
    safe, granule = next(iter(paths.values())).split("/GRANULE/")
    granule = f"{safe}/GRANULE/{granule.split('/')[0]}"
    found: dict[str, Path] = {}
    for file in sorted((REALDATA / "jp2" / folder).rglob("*.jp2")):
        if file.parent.name == "QI_DATA":
            found[f"{granule}/QI_DATA/{file.name}"] = file
        else:
            found[paths[file.name]] = file
    source = REALDATA / "safe" / f"{product}.SAFE"
    for file in sorted(source.rglob("*")):
        if file.is_file():
            found[f"{safe}/{file.relative_to(source)}"] = file
    return found


def lay_out(root: Path, products: Iterator[str] | list[str]) -> None:
    """Copies products to where they are in the bucket `eodata`."""
    for product in products:
        for key, file in keys(product).items():
            target = root / "eodata" / key
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def jp2(root: Path, product: str, name: str) -> Path:
    """A laid-out file by what its name ends with."""
    (path,) = (
        path for path in (root / "eodata").rglob(f"*{name}.jp2") if f"{product}.SAFE" in path.parts
    )
    return path


@contextmanager
def serving(store: Path, index: Path) -> Iterator[str]:
    """A server on a free port; gives its address."""
    with serving_urls(store.as_uri(), index.as_uri(), index.parent / "serve.log") as address:
        yield address


@contextmanager
def serving_urls(
    store: str,
    index: str,
    log: Path,
    extra: dict[str, str] | None = None,
    options: Sequence[str] = (),
    limit: int | None = None,
) -> Iterator[str]:
    """The same for stores of any kind, with more flags; `extra` adds to its environment, `limit`
    bounds its memory in bytes: heap and all that is mapped privately (RLIMIT_DATA)."""
    command = [str(binary()), "serve", "--listen", "127.0.0.1:0"]
    command += ["--store", store, "--index", index, *options]
    if limit:
        command = ["/bin/sh", "-c", f'ulimit -d {limit // 1024}; exec "$@"', "sh", *command]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            env=environment() | (extra or {}),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield address_of(process, log)
        assert process.poll() is None, f"the server ended by itself:\n{log.read_text()}"
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        assert process.stdout is not None
        process.stdout.close()
    assert "panicked" not in log.read_text(), log.read_text()
    assert process.returncode == 0, f"SIGTERM ended the server with {process.returncode}"


def address_of(process: subprocess.Popen[str], log: Path, deadline: float = 60) -> str:
    assert process.stdout is not None
    end = time.monotonic() + deadline
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            if not selector.select(left):
                break
            line = process.stdout.readline()
            if found := re.match(r"listening on (grpc://127\.0\.0\.1:[0-9]+)\s*$", line):
                return found.group(1)
            if not line:
                break
    raise AssertionError(f"the server did not start listening:\n{log.read_text()}")
