"""The life of streams from outside: signs of life, deadlines, clients that leave, SIGTERM."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cubeflight
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import (
    L2A,
    address_of,
    binary,
    cli,
    environment,
    lay_out,
    require_realdata,
    serving_urls,
)
from test_protocol import field, fields
from test_s3 import KEYS, s3

BANDS = ["B01_60m", "B03_60m", "B04_60m", "B06_60m", "B11_60m", "SCL"]
TILE = "29UNU"
# What is begun after a stream has ended was under way already.
SLACK = timedelta(milliseconds=100)


@dataclass
class Place:
    """A server over an S3 server."""

    address: str
    requests: Path
    log: Path

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(0.01)

    def asked(self) -> list[dict]:
        """Requests of the S3 server; each is there when its response is over."""
        return [json.loads(line) for line in self.requests.read_text().splitlines()]

    def images(self) -> list[dict]:
        return [line for line in self.asked() if line["key"].endswith(".jp2")]

    def lines(self, words: str) -> list[str]:
        """Lines of the server's log."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text())
        return [line for line in plain.splitlines() if words in line]

    def times(self, words: str) -> list[datetime]:
        return [when(line.split()[0]) for line in self.lines(words)]

    def ended(self) -> str:
        self.until(lambda: self.lines("stream ended"))
        (line,) = self.lines("stream ended")
        return line

    def check_quiet(self) -> None:
        """Nothing begins after the stream has ended."""
        (end,) = self.times("stream ended")
        # That nothing comes is not seen before some time has passed.
        time.sleep(1)
        late = [line for line in self.asked() if when(line["time"]) > end + SLACK]
        assert late == []
        jobs = self.times("decoder job begins")
        assert [job for job in jobs if job > end + SLACK] == []


def when(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Buckets, and beside them an index of what is in them."""
    require_realdata()
    root = tmp_path_factory.mktemp("life") / "root"
    lay_out(root, [L2A])
    cli("index", "--store", (root / "eodata").as_uri(), "--index", root.parent / "index")
    return root


@contextmanager
def place(
    root: Path,
    scratch: Path,
    *options: str,
    upstream: tuple[str, ...] = ("--profile", "wan"),
    index: Path | None = None,
    limit: int | None = None,
) -> Iterator[Place]:
    requests, log = scratch / "requests.jsonl", scratch / "serve.log"
    with s3(root, "--log", requests, *upstream) as (_, endpoint):
        extra = KEYS | {"AWS_ENDPOINT_URL": endpoint, "NO_COLOR": "1"}
        extra["RUST_LOG"] = "info,cubeflight_engine=trace"
        index = index or root.parent / "index"
        options = ("--cache-memory", "0", "--catalog", "archive", *options)
        with serving_urls(
            "s3://eodata", index.as_uri(), log, extra=extra, options=options, limit=limit
        ) as address:
            yield Place(address, requests, log)


def ticket(bands: list[str] = BANDS, **more: object) -> fl.Ticket:
    request = {"tile": TILE, "datetime": "2022-10-05", "bands": bands, "maxMessageBytes": 200_000}
    return fl.Ticket(json.dumps(request | more).encode())


def rows(table: pa.Table) -> list[tuple]:
    columns = [name for name in table.column_names if "/" not in name]
    return table.select([*columns]).to_pylist()


def pixels(batches: list[pa.RecordBatch]) -> list[bytes]:
    tensors = [name for name in batches[0].schema.names if "/" in name]
    return [
        batch.column(name).storage.flatten().to_numpy(zero_copy_only=False).tobytes()
        for batch in batches
        for name in tensors
    ]


def test_signs_of_life_harm_no_reader(root: Path, tmp_path: Path):
    """While a store does not answer, empty batches come; every reader gives the same rows."""
    request = ticket(["B04_60m", "SCL"])
    with (
        serving_urls(
            (root / "eodata").as_uri(), (root.parent / "index").as_uri(), tmp_path / "prompt.log"
        ) as address,
        fl.connect(address) as prompt,
    ):
        want = prompt.do_get(request).read_all()

    # the first read of each image is answered when nobody waits any more
    hang = (
        "hang key=B04_60m method=GET count=1 seconds=3; hang key=SCL method=GET count=1 seconds=3"
    )
    for name, read in {
        "read_all": lambda reader: reader.read_all(),
        "to_reader": lambda reader: reader.to_reader().read_all(),
        "iteration": lambda reader: [chunk.data for chunk in reader],
    }.items():
        scratch = tmp_path / name
        scratch.mkdir()
        upstream = ("--faults", hang)
        with place(root, scratch, "--keep-alive", "1", upstream=upstream) as at:
            with fl.connect(at.address) as flight:
                got = read(flight.do_get(request))
            assert 'reason="completed"' in at.ended()
        if name == "iteration":
            empty = [batch for batch in got if batch.num_rows == 0]
            assert len(empty) >= 2
            assert all(batch.schema.equals(want.schema, check_metadata=True) for batch in empty)
            got = pa.Table.from_batches(got)
        assert rows(got) == rows(want)
        full = [batch for batch in got.to_batches() if batch.num_rows]
        assert pixels(full) == pixels(want.to_batches())

    # and so do our own clients
    scratch = tmp_path / "clients"
    scratch.mkdir()
    with place(root, scratch, "--keep-alive", "1", upstream=("--faults", hang)) as at:
        with cubeflight.connect(at.address) as client:
            cube = client.search(TILE, "2022-10-05", ["B04_60m", "SCL"]).load()
        assert list(cube.datatree["measurements/reflectance/r60m"].status.values) == ["ok"]
    scratch = tmp_path / "pull"
    scratch.mkdir()
    with place(root, scratch, "--keep-alive", "1", upstream=("--faults", hang)) as at:
        out = scratch / "cube.npz"
        cli("pull", at.address, "--tile", TILE, "--datetime", "2022-10-05",
            "--bands", "B04_60m,SCL", "--out", out)  # fmt: skip
        assert out.stat().st_size > 0


def leave(at: Place, request: fl.Ticket, begun: Callable[[], object]) -> None:
    """A client goes when so much has begun."""
    with fl.connect(at.address) as flight:
        reader = flight.do_get(request)
        at.until(begun)
        reader.cancel()
        assert 'reason="client"' in at.ended()


@pytest.mark.parametrize("kind", ["pixels", "masks", "scan"])
def test_a_client_that_has_gone_costs_nothing(root: Path, tmp_path: Path, kind: str):
    more: dict[str, object] = {}
    options = ["--keep-alive", "0", "--read-cost", "0.000001,1000000000"]
    index = None
    if kind == "masks":
        more = {"mask": {"scl": [3, 8, 9], "dilate": 60}, "minValid": 0.01}
    if kind == "scan":
        options += ["--max-whole-read", "0", "--no-write-back"]
        index = tmp_path / "index"
    with place(root, tmp_path, *options, index=index) as at:
        with cubeflight.connect(at.address) as client:
            plan = client.plan(TILE, datetime="2022-10-05", bands=BANDS)
        # masks are read before anything else is
        enough = 1 if kind == "masks" else 4
        leave(at, ticket(**more), lambda: len(at.images()) >= enough)
        at.check_quiet()
        read = at.images()
        assert read
        if kind == "masks":
            assert {"SCL" in line["key"] for line in read} == {True}
        if kind == "pixels":
            assert len(read) < plan["requests"]


def test_cancelling_by_ticket_costs_nothing_more(root: Path, tmp_path: Path):
    options = ["--keep-alive", "0", "--read-cost", "0.000001,1000000000"]
    with place(root, tmp_path, *options) as at, fl.connect(at.address) as flight:
        info = flight.get_flight_info(fl.FlightDescriptor.for_command(ticket().ticket))
        planned = int(json.loads(info.app_metadata)["requests"])
        reader = flight.do_get(info.endpoints[0].ticket)
        at.until(lambda: len(at.images()) >= 4)
        action = fl.Action("CancelFlightInfo", field(1, info.serialize()))
        (answer,) = flight.do_action(action)
        cancelled = 1
        assert fields(answer.body.to_pybytes()) == {1: cancelled}
        with pytest.raises((pa.ArrowException, OSError), match="CF-FLT-011"):
            reader.read_all()
        assert 'reason="action"' in at.ended()
        at.check_quiet()
        assert len(at.images()) < planned


def test_a_deadline_ends_planning_and_pixels(root: Path, tmp_path: Path):
    for name, timeout in (("planning", 0.15), ("pixels", 2.0)):
        scratch = tmp_path / name
        scratch.mkdir()
        options = ["--keep-alive", "0", "--read-cost", "0.000001,1000000000"]
        if name == "pixels":
            options += ["--max-connections", "1"]
        with place(root, scratch, *options) as at, fl.connect(at.address) as flight:
            call = fl.FlightCallOptions(timeout=timeout)
            with pytest.raises(fl.FlightTimedOutError):
                flight.do_get(ticket(), call).read_all()
            # the client leaves at its deadline, too: either may be seen first
            assert re.search('reason="(deadline|client)"', at.ended())
            at.check_quiet()
            if name == "planning":
                assert at.images() == []
                assert at.asked()
            else:
                assert at.images()


def test_a_client_that_pauses_is_waited_for(root: Path, tmp_path: Path):
    """What a server reads ahead of a client that has stopped reading is bounded."""
    options = ["--keep-alive", "1", "--memory", "24MiB", "--read-cost", "0.000001,1000000000"]
    with place(root, tmp_path, *options, upstream=()) as at, fl.connect(at.address) as flight:
        with cubeflight.connect(at.address) as client:
            plan = client.plan(TILE, datetime="2022-10-05", bands=BANDS)
        reader = flight.do_get(ticket())
        first = reader.read_chunk().data
        count = -1

        def stalled() -> bool:
            nonlocal count
            before, count = count, len(at.images())
            time.sleep(0.7)
            return before == count

        at.until(stalled)
        assert count < plan["requests"] * 0.9
        assert not at.lines("stream ended")
        # a sign of life is not sent to who does not read, and all the rest comes
        left = [chunk.data for chunk in reader]
        assert 'reason="completed"' in at.ended()
        blocks = int(reader.schema.metadata[b"cubeflight:blocks"])
        assert first.num_rows + sum(batch.num_rows for batch in left) == blocks > 100


@contextmanager
def deaf() -> Iterator[str]:
    """A STAC API that takes requests and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in taken:
                connection.close()
            thread.join()


@contextmanager
def process(scratch: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """A server whose planning never ends."""
    (scratch / "store").mkdir()
    log = scratch / "serve.log"
    with deaf() as catalog, log.open("w") as errors:
        command = [str(binary()), "serve", "--listen", "127.0.0.1:0", "--catalog", catalog]
        command += ["--store", str(scratch / "store"), "--index", str(scratch / "index"), *options]
        server = subprocess.Popen(
            command,
            env=environment() | {"NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield server, address_of(server, log), log
        finally:
            server.kill()
            server.wait()
            assert server.stdout is not None
            server.stdout.close()


def until_refused(address: str) -> str:
    """What a server says that takes no calls any more, on a new connection."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with fl.connect(address) as flight:
            try:
                list(flight.list_flights())
            except fl.FlightUnavailableError as error:
                return str(error)
    raise AssertionError("calls are still taken")


def test_sigterm_refuses_new_calls_and_ends_streams_after_the_grace(tmp_path: Path):
    with process(tmp_path, "--keep-alive", "1", "--grace", "4") as (server, address, log):
        with fl.connect(address) as flight:
            reader = flight.do_get(ticket())
            assert reader.read_chunk().data.num_rows == 0
            server.send_signal(signal.SIGTERM)
            said = until_refused(address)
            assert "CF-FLT-008" in said
            assert "retry_after=1" in said
            # the stream goes on
            assert reader.read_chunk().data.num_rows == 0
            with pytest.raises(fl.FlightUnavailableError, match="CF-FLT-009"):
                reader.read_all()
        assert server.wait(20) == 0
        assert 'reason="drain"' in log.read_text()


def test_a_second_signal_ends_a_server_at_once(tmp_path: Path):
    with process(tmp_path, "--keep-alive", "1", "--grace", "600") as (server, address, log):
        with fl.connect(address) as flight:
            reader = flight.do_get(ticket())
            assert reader.read_chunk().data.num_rows == 0
            server.send_signal(signal.SIGTERM)
            until_refused(address)
            assert server.poll() is None
            server.send_signal(signal.SIGINT)
            with pytest.raises(fl.FlightUnavailableError):
                reader.read_all()
        assert server.wait(20) == 0
        assert "ended at once" in log.read_text()


def test_an_idle_server_ends_at_once(tmp_path: Path):
    with process(tmp_path, "--grace", "600") as (server, address, _):
        # an open connection without calls keeps nobody waiting
        with fl.connect(address) as flight:
            assert list(flight.list_flights()) == []
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0


class Names(fl.ClientMiddlewareFactory):
    """Sends a request id and keeps what comes back."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.received: list[str] = []

    def start_call(self, info: fl.CallInfo) -> fl.ClientMiddleware:
        factory = self

        class Named(fl.ClientMiddleware):
            def sending_headers(self) -> dict[str, str]:
                return {"x-request-id": factory.name}

            def received_headers(self, headers: dict[str, list[str]]) -> None:
                factory.received += headers.get("x-request-id", [])

        return Named()


def test_request_ids_are_in_answers_and_in_every_line(root: Path, tmp_path: Path):
    names = Names("caller-7")
    with place(root, tmp_path, upstream=()) as at:
        with fl.FlightClient(at.address, middleware=[names]) as flight:
            flight.do_get(ticket(["SCL"])).read_all()
            with pytest.raises(pa.ArrowInvalid) as refused:
                flight.do_get(fl.Ticket(b"{")).read_all()
        assert "caller-7" not in str(refused.value)
        assert names.received
        assert set(names.received) == {"caller-7"}
        at.until(lambda: len(at.lines("stream ended")) == 2)
        for words in ("stream ended", "decoder job begins", "request refused"):
            lines = at.lines(words)
            assert lines
            assert all("request_id=caller-7" in line for line in lines), words
