"""Errors of the server as Python exceptions.

The server writes ``CF-<AREA>-<NNN> <text>; product=..; band=..; retry_after=..; hint=..``. pyarrow
folds several gRPC statuses into one exception type and adds its own words around the text, so the
code is looked for inside the message and the class is chosen from the code table first, then from
the phrase that Arrow's gRPC layer puts in front, then from pyarrow's exception type.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.flight as fl

from ._codes import GRPC_OF_CODE


class CubeflightError(Exception):
    """Something that the server refused or could not do.

    Attributes:
        code: ``CF-<AREA>-<NNN>``, or None if the text carries none (a proxy's error, say).
        message: the text without code and details.
        product: the product concerned, if any.
        band: the band concerned, if any.
        hint: what to do about it, if the server said.
        retry_after: seconds to wait before asking again, if the server said.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        product: str | None = None,
        band: str | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message
        self.code = code
        self.product = product
        self.band = band
        self.hint = hint
        self.retry_after = retry_after
        super().__init__(message)

    def __str__(self) -> str:
        text = f"{self.code} {self.message}" if self.code else self.message
        for key in ("product", "band", "retry_after", "hint"):
            value = getattr(self, key)
            if value is not None:
                text += f"; {key}={value}"
        return text


class InvalidRequest(CubeflightError, ValueError):
    """The request itself is wrong: unknown band, inverted bounds, malformed datetime."""


class SpansTiles(InvalidRequest):
    """No tile contains the geometry of a search.

    Attributes:
        tiles: those that have parts of it, the largest part first.
        coverage: the share of its area that each has, 0 to 1; of a line of its length.
    """

    tiles: tuple[str, ...] = ()
    coverage: Mapping[str, float] = {}


class NotFound(CubeflightError, LookupError):
    """Nothing there: no such tile, no index, no product."""


class Unauthenticated(CubeflightError):
    """The server does not know who is asking."""


class PermissionDenied(CubeflightError):
    """The server knows who is asking and refuses."""


class ResourceExhausted(CubeflightError):
    """A quota or limit is used up; `retry_after` says until when if the server knows."""


class FailedPrecondition(CubeflightError):
    """The request is right, but not in this state, for example an expired ticket."""


class Unavailable(CubeflightError):
    """The server or the store behind it cannot be reached now; trying again may help."""


class IncompleteStream(Unavailable):
    """The stream ended before all time steps had arrived.

    Attributes:
        missing_steps: datatake starts of the steps that did not arrive, as far as they are known.
    """

    missing_steps: tuple[str, ...] = ()


class Aborted(CubeflightError):
    """Somebody has cancelled the stream by its ticket."""


class DataLoss(CubeflightError):
    """A source file is damaged."""


class InternalError(CubeflightError):
    """A fault of the server."""


class ProtocolError(CubeflightError):
    """The server answered with something that this client does not understand."""


_BY_STATUS: dict[str, type[CubeflightError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "UNIMPLEMENTED": InvalidRequest,
    "NOT_FOUND": NotFound,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "FAILED_PRECONDITION": FailedPrecondition,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": Unavailable,
    "CANCELLED": Unavailable,
    "ABORTED": Aborted,
    "DATA_LOSS": DataLoss,
    "INTERNAL": InternalError,
    "UNKNOWN": InternalError,
}

# What Arrow C++ writes in front of the server's text, in the order in which it is looked for.
_PHRASES: tuple[tuple[str, str], ...] = (
    ("invalid argument error", "INVALID_ARGUMENT"),
    ("out-of-range error", "OUT_OF_RANGE"),
    ("not found error", "NOT_FOUND"),
    ("unauthenticated error", "UNAUTHENTICATED"),
    ("unauthorized error", "PERMISSION_DENIED"),
    ("permission denied error", "PERMISSION_DENIED"),
    ("resource exhausted error", "RESOURCE_EXHAUSTED"),
    ("precondition failed error", "FAILED_PRECONDITION"),
    ("unavailable error", "UNAVAILABLE"),
    ("timeout error", "DEADLINE_EXCEEDED"),
    ("cancelled call", "CANCELLED"),
    ("data loss error", "DATA_LOSS"),
    ("unimplemented error", "UNIMPLEMENTED"),
    ("internal error", "INTERNAL"),
)

_BY_TYPE: tuple[tuple[type[BaseException], str], ...] = (
    (fl.FlightUnauthenticatedError, "UNAUTHENTICATED"),
    (fl.FlightUnauthorizedError, "PERMISSION_DENIED"),
    (fl.FlightUnavailableError, "UNAVAILABLE"),
    (fl.FlightTimedOutError, "DEADLINE_EXCEEDED"),
    (fl.FlightCancelledError, "CANCELLED"),
    (fl.FlightInternalError, "INTERNAL"),
    (fl.FlightServerError, "INTERNAL"),
    (pa.ArrowKeyError, "NOT_FOUND"),
    (pa.ArrowNotImplementedError, "UNIMPLEMENTED"),
    (pa.ArrowInvalid, "INVALID_ARGUMENT"),
)

_CODE = re.compile(r"CF-[A-Z0-9]{2,8}-[0-9]{3}")
# What Arrow and gRPC write behind the server's text.
_TAIL = re.compile(r"\.? (?:Detail: |gRPC client debug context: |Client context: )")
_DETAIL = re.compile(r"; (product|band|retry_after|hint)=")
_GRPC_STATUS = re.compile(r"grpc_status: ?([0-9]+)")
_GRPC_NAMES = {
    "1": "CANCELLED",
    "3": "INVALID_ARGUMENT",
    "4": "DEADLINE_EXCEEDED",
    "5": "NOT_FOUND",
    "7": "PERMISSION_DENIED",
    "8": "RESOURCE_EXHAUSTED",
    "9": "FAILED_PRECONDITION",
    "10": "ABORTED",
    "11": "OUT_OF_RANGE",
    "12": "UNIMPLEMENTED",
    "13": "INTERNAL",
    "14": "UNAVAILABLE",
    "15": "DATA_LOSS",
    "16": "UNAUTHENTICATED",
}


def from_arrow(error: BaseException) -> CubeflightError:
    """The exception of this package for one that pyarrow raised."""
    # str() of a KeyError quotes its text, so the argument itself is taken.
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    found = _CODE.search(text)
    lead = text[: found.start()] if found else text
    body = text[found.end() :].lstrip() if found else text
    tail = _TAIL.search(body)
    if tail:
        body = body[: tail.start()]
    message, *pairs = _DETAIL.split(body.strip())
    details = dict(zip(pairs[::2], (value.strip() for value in pairs[1::2]), strict=False))
    code = found.group() if found else None
    status = GRPC_OF_CODE.get(code or "") or _status(error, lead, text)
    kind = _BY_STATUS.get(status, CubeflightError)
    return kind(
        message.strip(),
        code=code,
        product=details.get("product"),
        band=details.get("band"),
        hint=details.get("hint"),
        retry_after=_seconds(details.get("retry_after")),
    )


def _status(error: BaseException, lead: str, text: str) -> str:
    number = _GRPC_STATUS.search(text)
    if number and number.group(1) in _GRPC_NAMES:
        return _GRPC_NAMES[number.group(1)]
    for phrase, status in _PHRASES:
        if phrase in lead:
            return status
    for kind, status in _BY_TYPE:
        if isinstance(error, kind):
            return status
    return "UNKNOWN"


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Lets pyarrow's exceptions out as this package's own."""
    try:
        yield
    except CubeflightError:
        raise
    # get_schema and some readers raise plain OSError where Flight has a type of its own.
    except (pa.ArrowException, fl.FlightError, OSError) as error:
        raise from_arrow(error) from error
