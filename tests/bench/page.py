"""The page of the figures."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import settings
from .cases import BY_NAME, CONTESTANTS, OURS, PROFILES, Case
from .figures import grouped, medians, ratio, spread
from .measure import PURE
from .plots import bars
from .targets import Runs, Verdict, verdicts

PACKAGES = (
    "obstore", "imagecodecs", "rasterio", "odc-stac", "odc-geo", "dask", "xarray", "numpy",
    "pyarrow",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Its class."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": settings.cores(),
        "memory_gib": round(int(memory) / 2**20),
        "system": platform.system(),
    }


def versions(binary: Path) -> dict[str, str]:
    """Of everything that takes part."""
    import rasterio
    from imagecodecs import jpeg2k_version

    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "cubeflight": said.split()[-1],
        "Python": platform.python_version(),
        "GDAL (in rasterio)": rasterio.__gdal_version__,
        "OpenJPEG (in imagecodecs)": jpeg2k_version().split()[-1],
        **found,
    }


def write(results: dict[str, Any], folder: Path) -> Path:
    """Writes benchmarks.md and its plots into a folder."""
    runs = grouped(results["runs"])
    plots = folder / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    drawn = {case for case in BY_NAME if bars(runs, case, plots / f"{case}.svg")}
    judged = verdicts(runs, results["archive"]["overview_bytes"])
    lines = [
        *_head(results),
        *_targets(judged),
        *(
            line
            for case in BY_NAME.values()
            for line in _case(case, runs, results, case.name in drawn)
        ),
        *_how(results),
    ]
    page = folder / "benchmarks.md"
    page.write_text("\n".join(lines).rstrip() + "\n")
    return page


def _head(results: dict[str, Any]) -> Iterator[str]:
    about = results["machine"]
    yield "# Benchmarks"
    yield ""
    yield "<!-- Written by `make bench`; do not edit. -->"
    yield ""
    yield settings.words("""The same work by cubeflight and by other ways to read Sentinel-2, over
        one S3 server on one machine, in turn. All of them read the same pixels: a run in which two
        differ ends with an error.""")
    yield ""
    yield f"    {results['command']}"
    yield ""
    yield (
        f"{about['cores']} cores of {about['cpu']}, {about['memory_gib']} GiB, {about['system']}; "
        f"{results['date']}; {results['minutes']:.0f} minutes."
    )
    if results["load"] > about["cores"] / 2:
        yield ""
        load = f"load {results['load']:.1f} at the start"
        yield f"**The machine was busy with other things: {load}.**"
    if results["quick"]:
        yield ""
        yield "**A smoke run with few dates and rounds: the figures say nothing.**"
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in results["versions"].items()) + "."
    yield ""


def _targets(judged: list[Verdict]) -> Iterator[str]:
    yield "## Targets"
    yield ""
    yield "Ratios are cubeflight's median by the other's; less is better."
    yield ""
    yield "| what | target | measured | held |"
    yield "|---|---|---|---|"
    words = {True: "yes", False: "**no**", None: "-"}
    for one in judged:
        yield f"| {one.what} | {one.target} | {one.measured} | {words[one.held]} |"
    yield ""


def _case(case: Case, runs: Runs, results: dict[str, Any], drawn: bool) -> Iterator[str]:
    yield f"## {case.name}: {case.title}"
    yield ""
    if reason := results["skipped"].get(case.name):
        yield f"Skipped: {reason}."
        yield ""
        return
    found = [key for key in runs if key[0] == case.name]
    if not found:
        yield "Not measured in this run."
        yield ""
        return
    measured = results["cases"][case.name]
    where = "one area" if len(case.areas) == 1 else f"{len(case.areas)} areas"
    coarse = f"; 1/{1 << case.reduce} of the resolution" if case.reduce else ""
    dates = f"{measured['steps']} {'date' if measured['steps'] == 1 else 'dates'}"
    about = f"{', '.join(case.assets)}; {dates}; {where} of {_extent(case)} km{coarse}."
    yield f"{about} {case.note}".rstrip()
    yield ""
    if drawn:
        yield f"![{case.title}](benchmarks/{case.name}.svg)"
        yield ""
    names = "rounds | wall s | CPU s | requests | refused | MB | memory MB | our wall | our CPU"
    yield f"| profile | | {names} |"
    yield "|---" * 11 + "|"
    for profile in PROFILES:
        for name in (*CONTESTANTS, PURE):
            if (case.name, profile, name) in found:
                yield _row(case.name, profile, name, runs)
    yield ""


def _extent(case: Case) -> str:
    left, bottom, right, top = case.areas[0]
    return f"{(right - left) / 1000:.3g} x {(top - bottom) / 1000:.3g}"


def _row(case: str, profile: str, name: str, runs: Runs) -> str:
    these = runs[case, profile, name]
    middle = medians(these)
    ours = medians(runs[case, profile, OURS]) if (case, profile, OURS) in runs else None
    least, most = spread(these, "wall")
    shares = ["", ""]
    if ours and name != OURS:
        found = [ratio(ours[metric], middle[metric]) for metric in ("wall", "cpu")]
        shares = ["-" if share is None else f"{share:.2f} x" for share in found]
    cells = [
        profile,
        name,
        str(len(these)),
        f"{middle['wall']:.2f} ({least:.2f}-{most:.2f})",
        f"{middle['cpu']:.2f}",
        f"{middle['requests']:.0f}",
        f"{middle.get('refused', 0):.0f}",
        f"{middle['bytes'] / 1e6:.1f}",
        f"{middle['memory'] / 1e6:.0f}" if "memory" in middle else "",
        *shares,
    ]
    return f"| {' | '.join(cells)} |"


def _how(results: dict[str, Any]) -> Iterator[str]:
    archive = results["archive"]
    sizes = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in archive["bytes"].items())
    bits = ", ".join(f"{name} {value}" for name, value in archive["bits_per_pixel"].items())
    texts = (
        f"""**Archive**: made by `cubeflight archive`, coded as ESA codes it, tile 33TVN, all of it
        full of data. Dates that differ: {archive["distinct"]}; they recur in turn under the names
        of {archive["dates"]} products, which no reader knows. Of the first: {sizes}. Bits a pixel:
        {bits}.""",
        """**Store**: `cubeflight s3`, a process of its own whose CPU counts for nobody, though it
        takes its share of the machine. `local` has no limits; `cdse`: 60 ms, 20 MB/s a connection,
        4 connections and 2,000 requests a minute with a burst of 200; `wan`: 80 ms, 8 MB/s in all,
        32 connections. It is started anew for each run, so that each begins with a whole burst.""",
        """**Runs**: each contestant is a fresh process in each round, one after the other. Wall is
        taken around the work, behind imports, reading of tables and items, and a small read by
        which connections are opened and drivers loaded; so is CPU, of all threads, user and system
        (`getrusage`). Search and planning are in cubeflight's times only.""",
        """**cubeflight**: a fresh server in each run. Before the work it serves the seed's box of
        two other dates, by which it gets to know its store. Its CPU is that of client and server
        (`/proc/PID/stat`) during the work.""",
        """**Requests and bytes** are those in the store's log that came in during the work;
        `refused` are those that were answered by 403 or 429, and asked again.""",
        """**Memory** is the most that was resident, of client and server together, with what
        the programs hold before the work.""",
        "**Rounds**: medians, in brackets the smallest and the largest.",
    )
    yield "## How it is measured"
    yield ""
    yield from (f"- {settings.words(text)}" for text in texts)
    yield ""
    yield "### Settings"
    yield ""
    yield from (f"- {text}" for text in settings.told())
    yield ""
    yield f"All figures of all runs: `{results['raw']}`."
