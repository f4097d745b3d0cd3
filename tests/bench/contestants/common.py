"""What all contestants share: the job, the clock, the report.

A contestant prepares itself (imports, connections, tables), reads once what the job names, and only
this is measured. What it read is reported as digests, by which the contestants are compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# Asset -> one array (time, y, x) for each area.
Cube = dict[str, list[np.ndarray[Any, Any]]]


def run(prepare: Callable[[dict], Any], work: Callable[[dict, Any], Cube]) -> None:
    """Does a job from the command line."""
    job = json.loads(Path(sys.argv[1]).read_text())
    ready = prepare(job)
    # so that each begins with all requests that the store allows at once
    time.sleep(job["settle"])
    server = job.get("server_pid")
    served = _cpu_of(server)
    began, spent, start = time.time(), _own_cpu(), time.perf_counter()
    cube = work(job, ready)
    wall = time.perf_counter() - start
    spent, ended = _own_cpu() - spent, time.time()
    report = {
        "wall": wall,
        "cpu": spent + _cpu_of(server) - served,
        "client_cpu": spent,
        "began": began,
        "ended": ended,
        "digests": {asset: _digest(areas) for asset, areas in cube.items()},
    }
    if server:
        report["server_memory"] = _peak_memory(server)
    Path(job["out"]).write_text(json.dumps(report))


def empty(job: dict) -> Cube:
    """Arrays of a job, to be filled."""
    steps = len(job["products"])
    return {
        asset: [
            np.zeros((steps, height, width), column["dtype"])
            for _, _, width, height in column["windows"]
        ]
        for asset, column in job["columns"].items()
    }


def _digest(areas: list[np.ndarray[Any, Any]]) -> str:
    """Of types, shapes and samples."""
    total = hashlib.sha256()
    for array in areas:
        plain = np.ascontiguousarray(array)
        total.update(f"{plain.dtype.str} {plain.shape} ".encode())
        total.update(memoryview(plain).cast("B"))
    return total.hexdigest()


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _cpu_of(pid: int | None) -> float:
    if pid is None:
        return 0.0
    # proc(5): user and system time of all threads, in ticks
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) * 1024 if found else 0
