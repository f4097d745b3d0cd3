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
STAMP = "complete.json"
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


def year(binary: Path, steps: int, distinct: int) -> Archive:
    """Whole images of so many dates, of which so many differ; made if they are not there."""
    root = cache() / f"archive-{FORMAT}-{steps}-{distinct}"
    if not (root / STAMP).is_file():
        _make_year(binary, root, steps + WARM, distinct)
    return _read(root)


def edge(binary: Path, steps: int) -> Archive:
    """Dates that the edge of the swath goes through, with data only around the seed's box."""
    root = cache() / f"edge-{FORMAT}-{steps}"
    if not (root / STAMP).is_file():
        _empty(root)
        print(f"making the archive {root}", flush=True)
        bounds = ("--bounds", ",".join(map(str, SEED)), "--swath-edges", str(steps + WARM))
        report = _cubeflight_archive(binary, root, steps + WARM, bounds)
        _inject(binary, root)
        _complete(root, report, steps + WARM)
    return _read(root)


def _read(root: Path) -> Archive:
    facts = json.loads((root / STAMP).read_text())
    return Archive(root, sorted(facts["keys"], key=datatake), facts["keys"], facts["facts"])


def _complete(root: Path, report: dict, distinct: int) -> None:
    """Writes down what the archive holds: the last that is done, so that one that was broken off is
    made again."""
    products = sorted((root / "eodata").rglob("*.SAFE"), key=lambda safe: datatake(safe.stem))
    images = {safe.stem: _images(safe) for safe in products}
    keys = {
        product: {asset: str(path.relative_to(root / "eodata")) for asset, path in found.items()}
        for product, found in images.items()
    }
    filled = report["filled"]
    facts = {
        "dates": len(products),
        "distinct": distinct,
        "bits_per_pixel": {name: round(filled[name]["bits_per_pixel"], 2) for name in filled},
        "bytes": {name: p.stat().st_size for name, p in images[products[0].stem].items()},
    }
    (root / STAMP).write_text(json.dumps({"keys": keys, "facts": facts}))


def _empty(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)


def _make_year(binary: Path, root: Path, steps: int, distinct: int) -> None:
    _empty(root)
    print(f"making the archive {root}: {distinct} whole dates, some minutes", flush=True)
    whole = root / "whole"
    report = _cubeflight_archive(binary, whole, distinct, ())
    # Products, items and metadata of all dates; their own images are replaced below.
    frame = ("--bounds", ",".join(map(str, (SEED[0], SEED[1], SEED[0] + 60, SEED[1] + 60))))
    _cubeflight_archive(binary, root, steps, frame)
    sources = [_images(whole / "eodata" / one["prefix"]) for one in report["product_list"]]
    for number, safe in enumerate(sorted((root / "eodata").rglob("*.SAFE"))):
        for asset, path in _images(safe).items():
            path.unlink()
            path.hardlink_to(sources[number % distinct][asset])
    _inject(binary, root)
    shutil.rmtree(whole)
    _complete(root, report, distinct)


def _cubeflight_archive(binary: Path, out: Path, steps: int, more: tuple[str, ...]) -> dict:
    command = [binary, "archive", "--out", out, "--tile", TILE, "--steps", steps]
    command += ["--bands", BANDS, "--json", *more]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the archive was not made:\n{done.stderr}")
    return json.loads(done.stdout)


def _images(safe: Path) -> dict[str, Path]:
    """Of a product, by asset."""
    return {"_".join(path.stem.split("_")[-2:]): path for path in safe.rglob("*.jp2")}


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
        command = [str(binary), "tlm", "inject", str(pair[0]), "--out", str(pair[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"no TLM in {pair[0]}:\n{done.stderr}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(inject, pairs))
    for target, source in links:
        target.hardlink_to(source)


def fingerprint(binary: Path) -> str:
    """Of the binary, so that what one wrote is not taken for another's."""
    return hashlib.sha256(binary.read_bytes()).hexdigest()[:12]
