"""One run of one contestant, and all of them in turn."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import settings
from .archive import Archive, fingerprint
from .cases import CONTESTANTS, OURS, SLOW, Case
from .figures import same_pixels, traffic
from .places import ASSETS, SEED, SIDE, TILE, WHOLE, datatake, reduced, window
from .processes import KEY, SECRET, contestant, environment, keys, server, store

# Until a burst that was begun is whole again, seconds: 2,000 requests a minute give 100 in 3 s.
SETTLE = {"local": 0.0, "cdse": 3.0, "wan": 0.0}
PURE = "pure decode"


class Indexed:
    """An archive, its index by the binary under test, and the index as a table of the peer."""

    def __init__(self, binary: Path, archive: Archive, scratch: Path) -> None:
        self.archive = archive
        folder = archive.root.parent / f"index-{archive.root.name}-{fingerprint(binary)}"
        self.index, self.table = folder / "tlm", folder / "peer.parquet"
        if not self.table.is_file():
            self._make(binary, scratch)

    def _make(self, binary: Path, scratch: Path) -> None:
        # those of other builds are of no more use
        for old in self.table.parent.parent.glob(f"index-{self.archive.root.name}-*"):
            shutil.rmtree(old)
        print(f"indexing the archive: {self.index}", flush=True)
        with store(binary, self.archive.root, "local", scratch) as to:
            run(
                binary, "index", "--store", "s3://eodata", "--index", self.index, "--detail", "plt",
                "--max-connections", "64", extra=keys(to.endpoint),
            )  # fmt: skip
        export = ("tlm", "export", "--index", self.index, "--tile", TILE)
        run(binary, *export, "--peer", self.table)


def run(binary: Path, *arguments: str | Path, extra: dict[str, str] | None = None) -> None:
    """Runs the program to its end, which must be a good one."""
    command = [str(binary), *map(str, arguments)]
    done = subprocess.run(
        command, env=environment(extra), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stderr}")


class Bench:
    """The binary under test, what it reads, and a scratch folder."""

    def __init__(self, binary: Path, archives: dict[str, Archive], scratch: Path) -> None:
        self.binary, self.scratch = binary, scratch
        self.of = {name: Indexed(binary, found, scratch) for name, found in archives.items()}

    def missing(self, case: Case) -> list[str]:
        """Options that a case needs and the binary does not have."""
        found = []
        for need in case.needs:
            command, option = need.split()
            help_text = subprocess.run(
                [self.binary, command, "--help"], capture_output=True, text=True, check=False
            ).stdout
            if option not in help_text:
                found.append(f"`{need}`")
        return found

    def job(self, case: Case, name: str, profile: str) -> dict[str, Any]:
        """What a contestant is told, but for the addresses of servers."""
        archive = self.of[case.archive].archive
        products, warm = archive.measured(case.steps), archive.warm()
        return {
            "contestant": name,
            "tile": TILE,
            "columns": {asset: self._column(case, asset) for asset in case.assets},
            "areas": [None if area == WHOLE else area for area in case.areas],
            "reduce": case.reduce,
            "repeat": case.repeat,
            "products": products,
            "dates": f"{datatake(products[0])}/{datatake(products[-1])}",
            "warm_dates": f"{datatake(warm[0])}/{datatake(warm[-1])}",
            "warm_area": SEED,
            "keys": self._keys(case, archive, products),
            "warm": self._keys(case, archive, warm),
            "items": [str(archive.item(product)) for product in products],
            "table": str(self.of[case.archive].table),
            "settle": SETTLE[profile],
            "key": KEY,
            "secret": SECRET,
            **settings.of(name, case, profile),
        }

    @staticmethod
    def _keys(case: Case, archive: Archive, products: Sequence[str]) -> dict[str, list[str]]:
        return {asset: [archive.keys[p][asset] for p in products] for asset in case.assets}

    @staticmethod
    def _column(case: Case, asset: str) -> dict[str, Any]:
        metres, dtype, _ = ASSETS[asset]
        windows = [reduced(window(area, metres), case.reduce) for area in case.areas]
        return {"metres": metres, "dtype": dtype, "full": SIDE // metres, "windows": windows}

    def run(self, case: Case, name: str, profile: str, number: int) -> dict[str, Any]:
        """A run with a store, and where it is ours a server, of its own."""
        job = self.job(case, name, profile)
        files = self.of[case.archive]
        with ExitStack() as stack:
            root = files.archive.root
            to = stack.enter_context(store(self.binary, root, profile, self.scratch))
            job["endpoint"] = to.endpoint
            job["environment"] |= settings.endpoint(name, to.endpoint)
            if name == OURS:
                flags = settings.server_flags(case, profile)
                pid, address = stack.enter_context(
                    server(self.binary, to.endpoint, files.index, flags, self.scratch)
                )
                job |= {"server": address, "server_pid": pid}
            report = contestant(job, self.scratch)
        seen = traffic(to.log.read_text().splitlines(), report["began"], report["ended"])
        return {
            "case": case.name,
            "profile": profile,
            "contestant": name,
            "round": number,
            "requests": seen.requests,
            "refused": seen.refused,
            "bytes": seen.bytes,
            **report,
            # together, where there is a server
            "memory": report["peak_memory"] + report.get("server_memory", 0),
        }

    def pure(self, case: Case, number: int) -> dict[str, Any] | None:
        """The decoding of a case alone, from memory on as many threads as the server has: the
        example `pure_decode` beside the binary; `None` where that is not built."""
        program = self.binary.parent / "examples/pure_decode"
        return pure_decode(self, case, number, program) if case.pure and program.is_file() else None


def pure_decode(bench: Bench, case: Case, number: int, program: Path) -> dict[str, Any]:
    """Runs the program of the pure decode over the archive's folder."""
    job, files = bench.job(case, OURS, "local"), bench.of[case.archive]
    request: dict[str, Any] = {
        "collection": "sentinel-2-l2a",
        "tile": job["tile"],
        "datetime": job["dates"],
        "bands": list(job["columns"]),
    }
    if (area := job["areas"][0]) is not None:
        request["bounds"] = dict(zip(("minX", "minY", "maxX", "maxY"), area, strict=True))
    command = [program, files.archive.root, files.index, json.dumps(request)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the pure decode failed:\n{done.stderr}")
    found = json.loads(done.stdout)
    about = {"case": case.name, "profile": "local", "contestant": PURE, "round": number}
    figures = {name: found[name] for name in ("wall", "cpu", "tile_ms")}
    return about | figures | {"requests": 0, "bytes": 0}


def rounds(
    bench: Bench, case: Case, wanted: Sequence[str], profiles: Sequence[str]
) -> Iterator[dict]:
    """All runs of a case, one after the other: in each round every contestant of every profile, so
    that what changes on the machine meanwhile meets all of them."""
    who = [name for name in CONTESTANTS if name in case.contestants and name in wanted]
    most = max((case.repeats.get(profile, 0) for profile in profiles), default=0)
    found: list[dict[str, Any]] = []
    for number in range(most):
        for profile in profiles:
            if number >= case.repeats.get(profile, 0):
                continue
            for name in who:
                if number and name in SLOW and profile != "local":
                    continue
                began = time.monotonic()
                run = bench.run(case, name, profile, number)
                found.append(run)
                same_pixels(found)
                took = time.monotonic() - began
                print(
                    f"{case.name:14} {profile:5} {name:11} {run['wall']:7.2f} s  cpu "
                    f"{run['cpu']:7.2f} s  {run['requests']:5} requests (+{run['refused']})  "
                    f"{run['bytes'] / 1e6:8.1f} MB  [{took:.0f} s]",
                    flush=True,
                )
                yield run
            if profile == "local" and (run := bench.pure(case, number)):
                print(f"{case.name:14} {profile:5} {PURE:11} {run['wall']:7.2f} s", flush=True)
                yield run
