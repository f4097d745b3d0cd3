"""The archive that is read: made once, kept outside the clone.

A tile over a year as in a real archive: every image of full size and full of data. What takes
long is to code an image (a 10 m band has 100 MB), so that a few dates are made and recur: the
images of the other dates are hard links to them. No reader here knows that two files are one.

In bucket `eodata` images are as ESA wrote them until February 2026, in bucket `tlm` with a TLM.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .places import SEED, TILE, datatake

# Raised when archives that were made before are no longer what is made now.
FORMAT = 1
BANDS = "B08,B11,B09,SCL"
# Dates behind those of the cases, for what is done before measuring.
WARM = 2


@dataclass(frozen=True)
class Archive:
    """An archive on disk."""

    root: Path
    products: list[str]
    # product -> asset -> key in the bucket
    keys: dict[str, dict[str, str]]
    facts: dict[str, object]

    def measured(self, steps: int) -> list[str]:
        """The products of the first dates."""
        if steps > len(self.products) - WARM:
            raise ValueError(f"the archive has {len(self.products) - WARM} dates, not {steps}")
        return self.products[:steps]

    def warm(self) -> list[str]:
        """The products that are never measured."""
        return self.products[-WARM:]

    def item(self, product: str) -> Path:
        """The STAC item of a product."""
        (found,) = (self.root / "stac").rglob(f"{product}.json")
        return found

    def size(self, product: str, asset: str) -> int:
        """Bytes of an image."""
        return (self.root / "eodata" / self.keys[product][asset]).stat().st_size


def cache() -> Path:
    """Where archives and indices are kept: BENCH_DIR, else the user's cache."""
    if given := os.environ.get("BENCH_DIR"):
        return Path(given).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cubeflight" / "bench"


def made(binary: Path, steps: int, distinct: int) -> Archive:
    """The archive of so many dates, of which so many differ; made if it is not there."""
    root = cache() / f"archive-{FORMAT}-{steps}-{distinct}"
    stamp = root / "complete.json"
    if not stamp.is_file():
        _make(binary, root, steps + WARM, distinct)
    facts = json.loads(stamp.read_text())
    return Archive(root, sorted(facts["keys"], key=datatake), facts["keys"], facts["facts"])


def _make(binary: Path, root: Path, steps: int, distinct: int) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    print(f"making the archive {root}: {distinct} whole dates, some minutes", flush=True)
    whole = root / "whole"
    report = _cubeflight_archive(binary, whole, distinct, ())
    # Products, items and metadata of all dates; their own images are replaced below.
    frame = ("--bounds", ",".join(map(str, (SEED[0], SEED[1], SEED[0] + 60, SEED[1] + 60))))
    _cubeflight_archive(binary, root, steps, frame)
    images = [_images(whole / "eodata", prefix) for prefix in _prefixes(report)]
    keys: dict[str, dict[str, str]] = {}
    for number, safe in enumerate(sorted((root / "eodata").rglob("*.SAFE"), key=_start)):
        found = _images(root / "eodata", safe.relative_to(root / "eodata"))
        keys[safe.stem] = {
            asset: str(path.relative_to(root / "eodata")) for asset, path in found.items()
        }
        for asset, path in found.items():
            path.unlink()
            path.hardlink_to(images[number % distinct][asset])
    _inject(binary, root)
    sizes = {asset: path.stat().st_size for asset, path in images[0].items()}
    shutil.rmtree(whole)
    facts = {
        "dates": steps,
        "distinct": distinct,
        "bits_per_pixel": {
            asset: round(filled["bits_per_pixel"], 2) for asset, filled in report["filled"].items()
        },
        "bytes": sizes,
    }
    (root / "complete.json").write_text(json.dumps({"keys": keys, "facts": facts}))


def _cubeflight_archive(binary: Path, out: Path, steps: int, more: tuple[str, ...]) -> dict:
    command = [binary, "archive", "--out", out, "--tile", TILE, "--steps", steps]
    command += ["--bands", BANDS, "--json", *more]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the archive was not made:\n{done.stderr}")
    return json.loads(done.stdout)


def _prefixes(report: dict) -> list[str]:
    return [product["prefix"] for product in report["product_list"]]


def _start(safe: Path) -> str:
    return datatake(safe.stem)


def _images(bucket: Path, prefix: str | Path) -> dict[str, Path]:
    return {"_".join(path.stem.split("_")[-2:]): path for path in (bucket / prefix).rglob("*.jp2")}


def _inject(binary: Path, root: Path) -> None:
    """Copies with a TLM, of each image once; files that are one stay one."""
    first: dict[int, Path] = {}
    pairs: list[tuple[Path, Path]] = []
    links: list[tuple[Path, Path]] = []
    for path in sorted((root / "eodata").rglob("*.jp2")):
        target = root / "tlm" / path.relative_to(root / "eodata")
        target.parent.mkdir(parents=True, exist_ok=True)
        number = path.stat().st_ino
        if number in first:
            links.append((target, first[number]))
        else:
            first[number] = target
            pairs.append((path, target))

    def inject(pair: tuple[Path, Path]) -> None:
        command = [binary, "tlm", "inject", pair[0], "--out", pair[1]]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"no TLM in {pair[0]}:\n{done.stderr}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(inject, pairs))
    for target, source in links:
        target.hardlink_to(source)


def fingerprint(binary: Path) -> str:
    """Of the binary, so that what one wrote is not taken for another's."""
    return hashlib.sha256(binary.read_bytes()).hexdigest()[:12]
