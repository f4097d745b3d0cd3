"""Servers and contestants as processes, and what they used."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

KEY, SECRET = "bench", "bench-secret"
HERE = Path(__file__).resolve().parent
CLIENT = HERE.parent.parent / "clients/python/src"


class Store(NamedTuple):
    """A running S3 server."""

    endpoint: str
    log: Path


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Of processes: nothing of the caller's that changes what they do."""
    dropped = ("AWS_", "CUBEFLIGHT_", "GDAL_", "CPL_", "VSI_", "RUST_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    # modules beside and above this one, and the client of this clone
    kept["PYTHONPATH"] = os.pathsep.join((str(HERE.parent), str(CLIENT)))
    return kept | (extra or {})


def keys(endpoint: str) -> dict[str, str]:
    """What clients of the S3 server need."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def _listening(
    command: Sequence[str | Path], pattern: str, extra: dict[str, str], errors: Path
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with errors.open("w") as file:
        process = subprocess.Popen(
            list(map(str, command)),
            env=environment(extra),
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.match(rf"listening on ({pattern})", line)
        if not found:
            raise RuntimeError(f"{command[1]} did not start: {line!r}\n{errors.read_text()}")
        yield process, found.group(1)
        if process.poll() is not None:
            raise RuntimeError(f"{command[1]} ended by itself:\n{errors.read_text()}")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def store(binary: Path, root: Path, profile: str, scratch: Path) -> Iterator[Store]:
    """The testkit's S3 server over a directory of buckets, with a fresh log and a full burst."""
    log = scratch / "requests.jsonl"
    log.unlink(missing_ok=True)
    command = [binary, "s3", "--root", root, "--listen", "127.0.0.1:0", "--profile", profile]
    command += ["--log", log, "--credentials", f"{KEY}:{SECRET}"]
    with _listening(command, r"http://127\.0\.0\.1:\d+", {}, scratch / "s3.log") as (_, url):
        yield Store(url, log)


@contextmanager
def server(
    binary: Path, endpoint: str, index: Path, options: Sequence[str], scratch: Path
) -> Iterator[tuple[int, str]]:
    """A cubeflight server over the store: its process and its address."""
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--store", "s3://eodata"]
    command += ["--index", index.as_uri(), *options]
    pattern = r"grpc://127\.0\.0\.1:\d+"
    with _listening(command, pattern, keys(endpoint), scratch / "serve.log") as (process, url):
        yield process.pid, url


def contestant(job: dict[str, Any], scratch: Path, timeout: float = 1800) -> dict[str, Any]:
    """Runs a contestant as a fresh process: what it reports, and its whole CPU seconds and peak
    memory by wait4."""
    path, out = scratch / "job.json", scratch / "report.json"
    out.unlink(missing_ok=True)
    path.write_text(json.dumps(job | {"out": str(out)}))
    module = f"bench.contestants.{job['module']}"
    with (scratch / "contestant.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(path)],
            env=environment(keys(job["endpoint"]) | job.get("environment", {})),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        alarm = signal.signal(signal.SIGALRM, lambda *_: process.kill())
        signal.alarm(int(timeout))
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, alarm)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not out.is_file():
        text = (scratch / "contestant.log").read_text()[-3000:]
        raise RuntimeError(f"{job['contestant']} ended with {process.returncode}:\n{text}")
    report = json.loads(out.read_text())
    report["process_cpu"] = usage.ru_utime + usage.ru_stime
    report["peak_memory"] = usage.ru_maxrss * 1024
    return report
