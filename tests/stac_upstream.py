"""A STAC API that is not ours, started by a test: stac-fastapi on pgSTAC, as CDSE runs it."""

from __future__ import annotations

import collections
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))


def require_postgis() -> Path:
    """Skips without PostgreSQL and PostGIS; where CI=true that is a failure."""
    for path in reversed(POSTGRES):
        version = path.parts[-2]
        if Path(f"/usr/share/postgresql/{version}/extension/postgis.control").is_file():
            return path
    reason = "no PostgreSQL with PostGIS: apt-get install postgresql postgresql-postgis"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextmanager
def database(folder: Path) -> Iterator[dict[str, str]]:
    """A cluster of its own with the schema of pgSTAC; gives its variables. `folder` has its log."""
    # not in the folders of pytest, which are for their owner alone
    with tempfile.TemporaryDirectory(prefix="cubeflight-pgstac-") as data:
        yield from cluster_in(Path(data), folder)


def cluster_in(data: Path, folder: Path) -> Iterator[dict[str, str]]:
    programs, port = require_postgis(), free_port()
    # PostgreSQL refuses to run as root
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(data, pwd.getpwnam("postgres").pw_uid)
    cluster, log = data / "cluster", folder / "postgres.log"
    initdb = [programs / "initdb", "-D", cluster, "-A", "trust", "-U", "stac", "--no-sync"]
    subprocess.run([*user, *map(str, initdb)], check=True, stdout=subprocess.DEVNULL, cwd="/")
    server = [programs / "postgres", "-D", cluster, "-p", port, "-c", "fsync=off"]
    server += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    variables = {"HOST": "127.0.0.1", "PORT": str(port), "USER": "stac", "PASSWORD": "stac"}
    environment = {f"PG{name}": value for name, value in variables.items()}
    with log.open("w") as errors:
        process = subprocess.Popen([*user, *map(str, server)], stderr=errors, cwd="/")
    try:
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait(lambda: subprocess.run(ready, check=False).returncode == 0, process, log)
        create = [str(programs / "createdb"), "stac"]
        subprocess.run(create, check=True, env=os.environ | environment)
        environment["PGDATABASE"] = "stac"
        pypgstac(environment, "migrate")
        yield environment
    finally:
        stop(process, user)


def stop(process: subprocess.Popen[Any], user: list[str]) -> None:
    """Of a process behind runuser, the child, which does not hear what its parent is told."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    ids = children.read_text().split() if user else [str(process.pid)]
    subprocess.run(["kill", "-INT", *ids], check=False)
    process.wait(30)


def pypgstac(environment: dict[str, str], *arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pypgstac.pypgstac", *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def load(environment: dict[str, str], folder: Path, collection: dict, items: list[dict]) -> None:
    """Adds a collection and its items, those that are there being left."""
    for name, what, method in (
        ("collections", [collection], "upsert"),
        ("items", items, "insert_ignore"),
    ):
        file = folder / f"{name}.ndjson"
        file.write_text("\n".join(json.dumps(one) for one in what))
        pypgstac(environment, "load", name, file, "--method", method)


@dataclass
class Api:
    """A running API, and the requests that it got: method, path, status."""

    url: str
    log: Path

    def requests(self) -> list[tuple[str, str, int]]:
        found = re.findall(r'"([A-Z]+) (\S+) HTTP/[0-9.]+" ([0-9]+)', self.log.read_text())
        return [(method, path, int(status)) for method, path, status in found]

    def count(self) -> collections.Counter[tuple[str, int]]:
        """Searches by method and status."""
        searches = (line for line in self.requests() if line[1].startswith("/search"))
        return collections.Counter((method, status) for method, _, status in searches)


@contextmanager
def serving_items(
    environment: dict[str, str], folder: Path, name: str, **variables: str
) -> Iterator[Api]:
    """The API over the database; `variables` are of its environment."""
    port, log = free_port(), folder / f"{name}.log"
    command = [sys.executable, "-m", "uvicorn", "--factory", "stac_upstream:create", "--port"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, str(port), "--no-use-colors"],
            env=os.environ | environment | variables,
            cwd=Path(__file__).parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait(lambda: "Application startup complete" in log.read_text(), process, log)
        yield Api(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(30)


def wait(ready: Any, process: subprocess.Popen[Any], log: Path, deadline: float = 60) -> None:
    end = time.monotonic() + deadline
    while not ready():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def create() -> Any:
    """The application, with a limit on its searches a second where PER_SECOND says so."""
    from stac_fastapi.pgstac.app import create_app

    app, limit = create_app(), int(os.environ.get("PER_SECOND", "0"))
    return limited(app, limit) if limit else app


def limited(app: Any, limit: int) -> Any:
    """Answers 429 to what exceeds `limit` requests in any second."""
    times: collections.deque[float] = collections.deque()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        now = time.monotonic()
        while times and now - times[0] >= 1:
            times.popleft()
        if len(times) < limit:
            times.append(now)
            return await app(scope, receive, send)
        headers = [(b"retry-after", b"1"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return None

    return answer
