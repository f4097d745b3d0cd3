"""Calls to a server, or to one of several replicas, tried again where that may help."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.flight as fl

from ._errors import ProtocolError, Unavailable, translated

_SCHEMES = ("grpc://", "grpc+tcp://", "grpc+tls://", "grpc+unix://")
_REUSE = "arrow-flight-reuse-connection://"
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0

T = TypeVar("T")


class Connection:
    """Where the replicas are and how they are called.

    It may be pickled: in another process it connects anew. Threads may share it.
    """

    def __init__(
        self,
        urls: tuple[str, ...],
        token: str | None,
        tenant: str | None,
        retries: int,
        options: dict[str, Any],
    ) -> None:
        for url in urls:
            if not url.startswith(_SCHEMES):
                raise ValueError(f"url must start with one of {', '.join(_SCHEMES)}: {url!r}")
        for name, text in (("token", token), ("tenant", tenant)):
            if text is not None and not (text.isascii() and text.isprintable() and text):
                raise ValueError(f"{name} must be printable ASCII text")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, not {retries}")
        self.urls = urls
        self.retries = retries
        self._token = token
        self._tenant = tenant
        self._options = options
        self._prepare()

    def _prepare(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        if self._token:
            self._headers.append((b"authorization", f"Bearer {self._token}".encode()))
        if self._tenant:
            self._headers.append((b"x-cubeflight-tenant", self._tenant.encode()))
        self._lock = threading.Lock()
        self._clients: dict[str, fl.FlightClient] = {}
        self._closed = threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        kept = ("urls", "retries", "_token", "_tenant", "_options")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def flight(self, url: str) -> fl.FlightClient:
        """The client of a replica."""
        if self._closed.is_set():
            raise ValueError("the client is closed")
        with self._lock, translated():
            if url not in self._clients:
                self._clients[url] = fl.FlightClient(url, **self._options)
            return self._clients[url]

    def close(self) -> None:
        """Closes what is open; a second call does nothing."""
        self._closed.set()
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def call(self, timeout: float | None) -> fl.FlightCallOptions:
        """Options of each call."""
        return fl.FlightCallOptions(timeout=timeout, headers=self._headers)

    def locations(self, endpoint: fl.FlightEndpoint, turn: int = 0) -> list[str]:
        """Where a ticket may be redeemed: where the server says, then at the replicas of this
        connection, beginning with that of number `turn`."""
        named = [location.uri.decode() for location in endpoint.locations]
        named = [url for url in named if not url.startswith(_REUSE)]
        return list(dict.fromkeys([*named, *self.turned(turn)]))

    def attempt(self, act: Callable[[str], T], turn: int = 0) -> T:
        """Does something at a replica, at the next where one cannot be reached, and anew after a
        pause that becomes longer.

        Raises:
            Unavailable: none could be reached, all retries included.
        """
        tries = 0
        while True:
            for url in self.turned(turn):
                try:
                    return act(url)
                except Unavailable as error:
                    if not retryable(error):
                        raise
                    last = error
            if tries >= self.retries:
                raise last
            self.pause(tries, last)
            tries += 1

    def pause(self, tries: int, error: Unavailable) -> None:
        """Waits before a retry; ends at once where the connection is closed."""
        seconds = min(_FIRST_PAUSE * 2**tries, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)
        self._closed.wait(max(seconds, error.retry_after or 0.0))

    def info(self, request: dict[str, Any], timeout: float | None) -> fl.FlightInfo:
        """GetFlightInfo of a request."""
        return self.info_of(fl.FlightDescriptor.for_command(command(request)), timeout)

    def info_of(self, descriptor: fl.FlightDescriptor, timeout: float | None) -> fl.FlightInfo:
        """GetFlightInfo of a descriptor."""

        def act(url: str) -> fl.FlightInfo:
            with translated():
                return self.flight(url).get_flight_info(descriptor, self.call(timeout))

        return self.attempt(act)

    def schema(self, request: dict[str, Any], timeout: float | None) -> pa.Schema:
        """GetSchema of a request, which depends on the request alone."""
        descriptor = fl.FlightDescriptor.for_command(command(request))

        def act(url: str) -> pa.Schema:
            with translated():
                return self.flight(url).get_schema(descriptor, self.call(timeout)).schema

        return self.attempt(act)

    def turned(self, turn: int) -> list[str]:
        """The replicas, beginning with that of number `turn`."""
        return [self.urls[(turn + at) % len(self.urls)] for at in range(len(self.urls))]

    def explain(self, request: dict[str, Any], timeout: float | None) -> list[dict[str, Any]]:
        """The time steps of a request, as the action ``explain`` tells them."""

        def act(url: str) -> bytes:
            action = fl.Action("explain", command(request))
            with translated():
                results = list(self.flight(url).do_action(action, self.call(timeout)))
            return b"".join(result.body.to_pybytes() for result in results)

        told = self.attempt(act)
        try:
            steps = json.loads(told)["steps"]
            if not all(isinstance(step["time"], str) for step in steps):
                raise TypeError("time is no text")
        except (ValueError, KeyError, TypeError) as error:
            raise ProtocolError(f"the answer of explain is not understood: {error!r}") from error
        return list(steps)

    def listed(self, criteria: bytes, timeout: float | None) -> list[fl.FlightInfo]:
        """ListFlights."""

        def act(url: str) -> list[fl.FlightInfo]:
            with translated():
                return list(self.flight(url).list_flights(criteria, self.call(timeout)))

        return self.attempt(act)


def command(request: dict[str, Any]) -> bytes:
    """A CubeRequest as it travels."""
    return json.dumps(request, allow_nan=False).encode()


def retryable(error: Unavailable) -> bool:
    """Whether trying again may help: not where the time that the caller gave is over."""
    return not isinstance(error.__cause__, fl.FlightTimedOutError | pa.ArrowCancelled)
