"""Servers that tests kill and start again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from blackbox import address_of, binary, environment
from test_s3 import KEYS, s3


@dataclass
class Replica:
    """A server with a bucket of its own address, so that what it reads is known."""

    index: Path
    endpoint: str
    log: Path
    options: tuple[str, ...] = ()
    listen: str = "127.0.0.1:0"
    process: subprocess.Popen[str] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"grpc://{self.listen}"

    def start(self) -> None:
        """Starts it, at the address that it had before."""
        command = [str(binary()), "serve", "--listen", self.listen, "--store", "s3://eodata"]
        command += ["--index", self.index.as_uri(), *self.options]
        errors = self.log.with_suffix(".serve.log")
        with errors.open("a") as said:
            self.process = subprocess.Popen(
                command,
                env=environment() | {"AWS_ENDPOINT_URL": self.endpoint, **KEYS},
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        self.listen = address_of(self.process, errors).removeprefix("grpc://")

    def kill(self) -> None:
        """Ends it without a farewell."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def reads(self) -> int:
        """Requests for images so far."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum("jp2" in json.loads(line)["key"] for line in lines)


@contextmanager
def replicas(
    count: int, root: Path, index: Path, place: Path, *options: str, profile: str = "local"
) -> Iterator[list[Replica]]:
    """Running servers over one archive and index."""
    with ExitStack() as stack:
        found = []
        for number in range(count):
            log = place / f"requests-{number}.jsonl"
            served = s3(root, "--log", log, "--profile", profile)
            _, endpoint = stack.enter_context(served)
            replica = Replica(index, endpoint, log, options)
            replica.start()
            stack.callback(replica.kill)
            found.append(replica)
        yield found
