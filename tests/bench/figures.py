"""Medians, ratios and what a store logged: no processes, no files but the log."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

METRICS = ("wall", "cpu", "requests", "bytes")


class Traffic(NamedTuple):
    """What a store answered: requests with an answer, refused ones, bytes of bodies."""

    requests: int
    refused: int
    bytes: int


def traffic(lines: Iterable[str], began: float, ended: float) -> Traffic:
    """Requests that came in between two times, seconds since 1970."""
    requests = refused = size = 0
    for line in lines:
        entry = json.loads(line)
        at = datetime.fromisoformat(entry["time"]).timestamp()
        if not began <= at <= ended:
            continue
        if entry["status"] is not None and 200 <= entry["status"] < 300:
            requests += 1
        else:
            refused += 1
        size += entry["bytes"]
    return Traffic(requests, refused, size)


def medians(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Of all numbers of runs of one kind."""
    names = [name for name, value in runs[0].items() if isinstance(value, int | float)]
    return {name: statistics.median(run[name] for run in runs) for name in names}


def spread(runs: Sequence[dict[str, Any]], name: str) -> tuple[float, float]:
    """Smallest and largest."""
    values = [run[name] for run in runs]
    return min(values), max(values)


def ratio(value: float, other: float) -> float | None:
    """None where there is nothing to divide by."""
    return value / other if other else None


def grouped(runs: Iterable[dict[str, Any]]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Runs by case, profile and contestant, in the order in which they were made."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for run in runs:
        found.setdefault((run["case"], run["profile"], run["contestant"]), []).append(run)
    return found


def same_pixels(runs: Iterable[dict[str, Any]]) -> None:
    """Fails where two runs of a case did not read the same pixels."""
    first: dict[str, dict[str, Any]] = {}
    for run in runs:
        known = first.setdefault(run["case"], run)
        if run["digests"] == known["digests"]:
            continue
        differ = [
            name for name in known["digests"] if run["digests"].get(name) != known["digests"][name]
        ]
        raise ValueError(
            f"{run['case']}: {run['contestant']} ({run['profile']}, round {run['round']}) and "
            f"{known['contestant']} ({known['profile']}, round {known['round']}) read different "
            f"pixels of {', '.join(differ)}"
        )
