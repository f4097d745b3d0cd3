"""Streams of a cube, side by side, taken up again where they break."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.flight as fl

from ._connection import Connection, retryable
from ._errors import IncompleteStream, ProtocolError, Unavailable, translated

_MOST_STREAMS = 8

Take = Callable[[pa.RecordBatch], object]


class Sink(Protocol):
    """Takes the messages of a cube."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes one message."""

    def arrived(self) -> set[int]:
        """Times of the complete steps, microseconds since 1970."""

    def forget(self) -> None:
        """Forgets what came of steps that are not complete."""

    def incomplete(self) -> IncompleteStream | None:
        """The error that names the steps that did not arrive."""


def fill(
    connection: Connection,
    request: dict[str, Any],
    endpoints: Sequence[fl.FlightEndpoint],
    sink: Sink,
    timeout: float | None,
) -> None:
    """Reads all endpoints of a cube. Where a stream breaks, the steps that are not complete are
    asked for anew, as long as at least one arrives in so many tries as the connection has retries.

    Raises:
        IncompleteStream: the streams ended, but steps are missing.
        CubeflightError: another subclass by what went wrong.
    """
    tries = 0
    while True:
        before = len(sink.arrived())
        try:
            stream(connection, endpoints, sink.add, timeout)
            if error := sink.incomplete():
                raise error
            return
        except Unavailable as error:
            if not retryable(error):
                raise
            tries = 0 if len(sink.arrived()) > before else tries + 1
            if tries > connection.retries or connection.retries == 0:
                raise
            connection.pause(tries, error)
            rest = remaining(connection, request, sink.arrived(), timeout)
            if not rest:
                raise
            sink.forget()
            endpoints = connection.info(request | {"times": rest}, timeout).endpoints


def remaining(
    connection: Connection, request: dict[str, Any], arrived: set[int], timeout: float | None
) -> list[str]:
    """The times of a request's steps without those that have arrived."""
    steps = connection.explain(request, timeout)
    return [step["time"] for step in steps if micros(step["time"]) not in arrived]


def micros(time: str) -> int:
    """Microseconds since 1970 of a time as the server writes it."""
    try:
        return int(pa.scalar(time).cast(pa.timestamp("us", "UTC")).cast(pa.int64()).as_py())
    except pa.ArrowInvalid as error:
        raise ProtocolError(f"{time!r} is no time: {error}") from error


def stream(
    connection: Connection,
    endpoints: Sequence[fl.FlightEndpoint],
    take: Take,
    timeout: float | None,
) -> None:
    """Reads endpoints side by side. `take` is called by one thread at a time.

    The reading is done by other threads, so that an interrupt reaches this one at once and ends all
    streams at the servers.
    """
    streams = _Streams(connection, take, timeout)
    workers = min(len(endpoints), _MOST_STREAMS)
    if not workers:
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="cubeflight")
    try:
        jobs = [pool.submit(streams.read, place, at) for at, place in enumerate(endpoints)]
        done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
        failed = [error for job in done if (error := job.exception())]
        # What another failure than a broken stream says is what matters.
        failed.sort(key=lambda error: isinstance(error, Unavailable))
        if failed:
            raise failed[0]
    finally:
        streams.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        streams.ended()


def batches(
    connection: Connection, endpoints: Sequence[fl.FlightEndpoint], timeout: float | None
) -> Iterator[pa.RecordBatch]:
    """The messages of endpoints one after the other, in the thread that asks for them."""
    for at, endpoint in enumerate(endpoints):
        streams = _Streams(connection, lambda _: None, timeout)
        try:
            yield from streams.messages(endpoint, at)
        finally:
            streams.stop()


class _Streams:
    def __init__(self, connection: Connection, take: Take, timeout: float | None) -> None:
        self._connection = connection
        self._take = take
        self._timeout = timeout
        self._taking = threading.Lock()
        self._lock = threading.Lock()
        self._readers: set[fl.FlightStreamReader] = set()
        self._stopped = False

    def stop(self) -> None:
        """Ends what is being read; only this stops the server, closing the client does not while a
        reader lives."""
        with self._lock:
            self._stopped = True
            for reader in self._readers:
                reader.cancel()

    def ended(self) -> None:
        """Waits until nothing is taken any more."""
        with self._taking:
            pass

    def read(self, endpoint: fl.FlightEndpoint, turn: int) -> None:
        """Takes all messages of an endpoint."""
        for batch in self.messages(endpoint, turn):
            with self._taking:
                if self._stopped:
                    return
                self._take(batch)

    def messages(self, endpoint: fl.FlightEndpoint, turn: int) -> Iterator[pa.RecordBatch]:
        """The messages of an endpoint, of the first of its locations that gives any."""
        urls = self._connection.locations(endpoint, turn)
        for left, url in zip(range(len(urls))[::-1], urls, strict=True):
            taken = 0
            try:
                for batch in self._batches(url, endpoint.ticket):
                    taken += 1
                    yield batch
                return
            except Unavailable as error:
                if self._stopped:
                    return
                # Once rows have come, another replica is asked for the missing steps only.
                if taken or not left or not retryable(error):
                    raise

    def _batches(self, url: str, ticket: fl.Ticket) -> Iterator[pa.RecordBatch]:
        try:
            with translated():
                flight = self._connection.flight(url)
                reader = flight.do_get(ticket, self._connection.call(self._timeout))
                with self._lock:
                    if self._stopped:
                        reader.cancel()
                        return
                    self._readers.add(reader)
                try:
                    # Message by message: read_all would hold the cube twice, and stops without an
                    # error at a message that carries only metadata.
                    for chunk in reader:
                        if chunk.data is not None and chunk.data.num_rows:
                            yield chunk.data
                finally:
                    with self._lock:
                        self._readers.discard(reader)
        except KeyboardInterrupt as error:  # what pyarrow makes of the status CANCELLED
            if not self._stopped:
                raise Unavailable("the call was cancelled") from error
