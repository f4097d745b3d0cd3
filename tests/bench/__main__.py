"""cubeflight beside its peers: the same work over one S3 server, and a page of the figures.

    make bench          # all cases, some 25 minutes on two cores; writes docs/benchmarks.md
    make bench-quick    # a smoke run with few dates, into the cache folder
    make bench BENCH_ARGS="--cases seed,field --profiles local --repeats 1 --out /tmp/x"

The archive is made once, in BENCH_DIR or in the user's cache.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import page
from .archive import cache, edge, year
from .cases import BY_NAME, CASES, CONTESTANTS, PEER_STEPS, PROFILES, YEAR, Case
from .measure import Bench, rounds

DOCS = Path(__file__).resolve().parents[2] / "docs"


def listed(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """A comma separated choice."""
    chosen = tuple(text.split(","))
    if wrong := [name for name in chosen if name not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(wrong)}: none of {', '.join(known)}")
    return chosen


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(
        "python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = tuple(BY_NAME)
    parser.add_argument("--binary", type=Path, required=True, help="a release build of cubeflight")
    parser.add_argument("--steps", type=int, help="at most so many dates in a case")
    parser.add_argument("--repeats", type=int, help="so many rounds in all profiles")
    parser.add_argument("--cases", type=lambda t: listed(t, names), default=names)
    parser.add_argument("--profiles", type=lambda t: listed(t, PROFILES), default=PROFILES)
    parser.add_argument("--peers", type=lambda t: listed(t, CONTESTANTS), default=CONTESTANTS)
    parser.add_argument("--distinct", type=int, default=4, help="dates that differ in the archive")
    parser.add_argument("--quick", action="store_true", help="a small archive; not into docs/")
    parser.add_argument("--out", type=Path, help="folder of the page and its plots")
    parser.add_argument("--page-of", type=Path, help="only write the page of a file of results")
    return parser.parse_args()


def main() -> None:
    """Measures, and writes results and page."""
    given = arguments()
    if not given.binary.is_file():
        sys.exit(f"no binary {given.binary}")
    out = given.out or (cache() / "quick" if given.quick else DOCS)
    if given.page_of:
        print(page.write(json.loads(given.page_of.read_text()), out))
        return
    if given.quick:
        given.steps, given.repeats, given.distinct = given.steps or 6, given.repeats or 1, 1
    # before anything of ours runs
    began, load = time.monotonic(), os.getloadavg()[0]
    dates = min(YEAR, given.steps) if given.quick else YEAR
    archives = {"year": year(given.binary, dates, given.distinct)}
    chosen = [case for case in CASES if case.name in given.cases]
    if any(case.archive == "edge" for case in chosen):
        archives["edge"] = edge(given.binary, min(dates, PEER_STEPS))
    archive = archives["year"]
    ready = time.monotonic()
    results: dict[str, Any] = {
        "command": shlex.join(["make", "bench-quick" if given.quick else "bench", *told(given)]),
        "date": datetime.date.today().isoformat(),
        "quick": given.quick,
        "machine": page.machine(),
        "load": load,
        "versions": page.versions(given.binary),
        "archive": archive.facts
        | {"overview_bytes": archive.size(archive.measured(1)[0], "B08_10m")},
        "cases": {},
        "skipped": {},
        "runs": [],
    }
    out.mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    raw = out / "benchmarks" / "figures.json" if out == DOCS else cache() / f"figures-{stamp}.json"
    raw.parent.mkdir(parents=True, exist_ok=True)
    results["raw"] = str(raw.relative_to(out)) if raw.is_relative_to(out) else raw.name
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(given.binary, archives, Path(scratch))
        for case in chosen:
            measure(bench, case.scaled(given.steps, given.repeats), given, results)
            results["minutes"] = (time.monotonic() - ready) / 60
            raw.write_text(json.dumps(results, indent=1))
    print(f"archive {ready - began:.0f} s, figures {time.monotonic() - ready:.0f} s")
    print(raw, page.write(results, out), sep="\n")


def measure(bench: Bench, case: Case, given: argparse.Namespace, results: dict[str, Any]) -> None:
    """Adds the runs of a case to the results."""
    if lacking := bench.missing(case):
        results["skipped"][case.name] = f"this build has no {', '.join(lacking)}"
        print(f"{case.name:14} skipped: {results['skipped'][case.name]}", flush=True)
        return
    results["cases"][case.name] = {"steps": case.steps, "repeats": case.repeats}
    results["runs"] += rounds(bench, case, given.peers, given.profiles)


def told(given: argparse.Namespace) -> list[str]:
    """What was chosen on the command line, as BENCH_ARGS has it."""
    chosen = [
        word
        for word in sys.argv[1:]
        if word != "--quick" and str(given.binary) not in word and word != "--binary"
    ]
    return [f"BENCH_ARGS={shlex.join(chosen)}"] if chosen else []


if __name__ == "__main__":
    main()
