"""The connection to a server."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, overload

import pyarrow as pa
import pyarrow.flight as fl

from . import _request, _tlm
from ._cube import Builder
from ._errors import ProtocolError, translated
from ._radiometry import RadiometryWarning
from ._result import SearchResult, WindowsResult
from ._windows import WindowsBuilder

_SCHEMES = ("grpc://", "grpc+tcp://", "grpc+tls://", "grpc+unix://")
_BANDS = ("B02", "B03", "B04", "B08", "SCL")
_REUSE = "arrow-flight-reuse-connection://"
_Take = Callable[[pa.RecordBatch | None], object]


def connect(url: str, token: str | None = None, **options: Any) -> Client:
    """Opens a connection.

    Args:
        url: ``grpc://host:port``, ``grpc+tcp://host:port`` or, encrypted, ``grpc+tls://host:port``.
        token: bearer token, sent with every call.
        options: passed on to :class:`pyarrow.flight.FlightClient` (``tls_root_certs``, ...).
    """
    return Client(url, token, **options)


class Client:
    """A connection; use it as a context manager or call :meth:`close`."""

    def __init__(self, url: str, token: str | None = None, **options: Any) -> None:
        if not url.startswith(_SCHEMES):
            raise ValueError(f"url must start with one of {', '.join(_SCHEMES)}: {url!r}")
        if token is not None and not (token.isascii() and token.isprintable() and token):
            raise ValueError("token must be printable ASCII text")
        self._url = url
        self._options = options
        self._headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        with translated():
            self._flight = fl.FlightClient(url, **options)

    def __repr__(self) -> str:
        return f"<cubeflight.Client {self._url}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; a second call does nothing."""
        self._flight.close()

    def plan(self, tile: str, **arguments: Any) -> dict[str, Any]:
        """What :meth:`search` with the same arguments would read, without reading pixels."""
        timeout = arguments.pop("timeout", None)
        info = self._info(_arguments(tile, arguments), timeout)
        return _request.decode_plan(info.app_metadata)

    @overload
    def search(
        self,
        tile: str,
        datetime: _request.TimeRange = None,
        bands: str | Iterable[str] = _BANDS,
        bounds: Sequence[float] | None = None,
        crs: str | int | None = None,
        *,
        windows: None = None,
        collection: str = "sentinel-2-l2a",
        align: str | None = None,
        reduce: int | None = None,
        cloud_cover: float | None = None,
        product_ids: Iterable[str] | None = None,
        radiometry: str | None = None,
        mask: _request.Mask | None = None,
        min_valid: float | None = None,
        group_by: str | None = None,
        query: _request.Query | None = None,
        on_error: str | None = None,
        max_message_bytes: int | None = None,
        times: _request.Times | None = None,
        ordered: bool | None = None,
        compression: str | None = None,
        timeout: float | None = None,
    ) -> SearchResult: ...

    @overload
    def search(
        self,
        tile: str,
        datetime: _request.TimeRange = None,
        bands: str | Iterable[str] = _BANDS,
        bounds: None = None,
        crs: str | int | None = None,
        *,
        windows: _request.Windows,
        collection: str = "sentinel-2-l2a",
        align: str | None = None,
        reduce: int | None = None,
        cloud_cover: float | None = None,
        product_ids: Iterable[str] | None = None,
        radiometry: str | None = None,
        mask: _request.Mask | None = None,
        min_valid: float | None = None,
        group_by: str | None = None,
        query: _request.Query | None = None,
        on_error: str | None = None,
        max_message_bytes: int | None = None,
        times: _request.Times | None = None,
        ordered: bool | None = None,
        compression: str | None = None,
        timeout: float | None = None,
    ) -> WindowsResult: ...

    def search(
        self,
        tile: str,
        datetime: _request.TimeRange = None,
        bands: str | Iterable[str] = _BANDS,
        bounds: Sequence[float] | None = None,
        crs: str | int | None = None,
        *,
        windows: _request.Windows | None = None,
        collection: str = "sentinel-2-l2a",
        align: str | None = None,
        reduce: int | None = None,
        cloud_cover: float | None = None,
        product_ids: Iterable[str] | None = None,
        radiometry: str | None = None,
        mask: _request.Mask | None = None,
        min_valid: float | None = None,
        group_by: str | None = None,
        query: _request.Query | None = None,
        on_error: str | None = None,
        max_message_bytes: int | None = None,
        times: _request.Times | None = None,
        ordered: bool | None = None,
        compression: str | None = None,
        timeout: float | None = None,
    ) -> SearchResult | WindowsResult:
        """Reads a cube into memory, or with `windows` several.

        Args:
            tile: MGRS tile, ``"33TVN"``.
            datetime: datatake start, both ends included: ``"2021-01-01/2022-01-01"``,
                ``"2022-10-05"`` (the whole day), or a pair of dates of which one may be None.
            bands: ``"B08"`` (native resolution), ``"B02_60m"``, ``"SCL"``, or an EOPF path.
            bounds: minx, miny, maxx, maxy; None for the whole tile.
            windows: several areas instead of bounds, at most 1,024: (minx, miny, maxx, maxy), or
                (x, y) for the pixel of a point. They are read as one plan, in which bytes that
                several of them need are read once, and give a :class:`WindowsResult`, whose
                ``cubes`` are in their order. A window that holds no pixel centre takes the pixel
                that its middle lies in.
            crs: CRS of bounds or windows, ``"EPSG:4326"`` or 4326 (x is longitude); None for
                the tile's UTM.
            collection: ``"sentinel-2-l2a"`` or ``"sentinel-2-l1c"``.
            align: ``"centre"`` (default: pixels whose centre lies in the bounds), ``"20m"`` or
                ``"60m"`` (bounds rounded outward so that the grids nest).
            reduce: pixels 2, 4, 8 or 16 times as large, by 1 to 4; 0 (default) is full resolution.
                Reflectance is smoothed, classes and masks are every 2nd, 4th, ... pixel.
            cloud_cover: largest cloud cover of a time step in percent.
            product_ids: only these products.
            radiometry: ``"raw"`` (default), ``"harmonised"`` or ``"reflectance"``.
            mask: reflectance that becomes fill: ``{"scl": [3, 8, 9, 10], "dilate": 60}`` masks
                clouds and their shadows, and what is up to 60 m around them.
            min_valid: skip time steps with a smaller share of valid pixels (0 to 1), before their
                bands are read; they stay in the cube as fill, with status ``"skipped"``.
            group_by: ``"datatake"`` (default) or ``"solar_day"``: what makes one time step.
            query: conditions on time steps as in STAC's query extension:
                ``{"eo:snow_cover": {"lte": 20}, "platform": {"in": ["sentinel-2a"]}}``.
            on_error: ``"mark"`` (default: a broken asset becomes fill and an entry in
                ``errors``) or ``"fail"``.
            max_message_bytes: largest Flight message.
            times: only the time steps of these times, as the ``time`` coordinate of the same cube
                has them; a time that it does not have is refused with :class:`NotFound`.
            ordered: False lets the server send row-blocks as they are complete; the cube is the
                same.
            compression: of the messages, ``"lz4"`` or ``"zstd"``, for slow networks; ``"none"``
                (default) is fastest elsewhere.
            timeout: seconds for each call to the server, the transfer included.

        Raises:
            CubeflightError: a subclass by what went wrong, with the server's code.
        """
        command = _request.encode(
            tile=tile,
            datetime=datetime,
            bands=bands,
            bounds=bounds,
            windows=windows,
            crs=crs,
            collection=collection,
            align=align,
            reduce=reduce,
            cloud_cover=cloud_cover,
            product_ids=product_ids,
            radiometry=radiometry,
            mask=mask,
            min_valid=min_valid,
            group_by=group_by,
            query=query,
            on_error=on_error,
            max_message_bytes=max_message_bytes,
            times=times,
            ordered=ordered,
            compression=compression,
        )
        info = self._info(command, timeout)
        plan = _request.decode_plan(info.app_metadata)
        steps, matched = _steps(plan, info), plan["matched_ids"]
        if windows is not None:
            several = WindowsBuilder(info.schema, steps, matched)
            self._fill(info, several, timeout)
            cubes = several.finish(plan)
            if note := several.mixed_offsets():
                warnings.warn(note, RadiometryWarning, stacklevel=2)
            return WindowsResult(cubes, list(matched), list(plan["missing"]), plan)
        builder = Builder(info.schema, steps, matched)
        self._fill(info, builder, timeout)
        tree, errors = builder.finish()
        if note := builder.mixed_offsets():
            warnings.warn(note, RadiometryWarning, stacklevel=2)
        return SearchResult(tree, list(matched), list(plan["missing"]), errors, plan)

    def tables(
        self,
        collection: str | None = None,
        tile: str | None = None,
        *,
        timeout: float | None = None,
    ) -> list[_tlm.TlmTable]:
        """The tables of TLM records that the server has.

        Args:
            collection: only those of this collection.
            tile: only those of this MGRS tile.
            timeout: seconds for the call.

        Raises:
            CubeflightError: a subclass by what went wrong, with the server's code.
        """
        given = {"collection": collection, "tile": tile}
        wanted = {key: value for key, value in given.items() if value is not None}
        criteria = json.dumps(wanted).encode() if wanted else b""
        with translated():
            infos = list(self._flight.list_flights(criteria, self._call(timeout)))
        # Other kinds of flights may come to be listed.
        tables = [info for info in infos if (info.descriptor.path or [None])[0] == b"tlm"]
        return [_tlm.decode_table(info.app_metadata) for info in tables]

    def tlm(
        self,
        tile: str,
        datetime: _request.TimeRange = None,
        bands: str | Iterable[str] | None = None,
        *,
        collection: str = "sentinel-2-l2a",
        product_ids: str | Iterable[str] | None = None,
        detail: str = "tlm",
        timeout: float | None = None,
    ) -> pa.Table:
        """Reads TLM records: where the tile-parts of each file lie, one file a row.

        With them JP2 files can be read tile by tile without this server, see
        :func:`cubeflight.tile_ranges`. Columns: ``product_id``, ``band_id`` (``"B02_10m"``),
        ``store``, ``path``, ``size``, ``etag``, ``first_sot``, ``complete``, ``tile_part_tiles``,
        ``tile_part_offsets``, ``tile_part_lengths``, ``main_header``, and with packets
        ``packet_counts`` and ``packet_lengths``; rows are ordered by datatake start, product and
        band. A record holds for the file of its ``size`` and ``etag``.

        Args:
            tile: MGRS tile, ``"33TVN"``.
            datetime: datatake start, as in :meth:`search`.
            bands: as in :meth:`search`; None for all.
            collection: ``"sentinel-2-l2a"`` or ``"sentinel-2-l1c"``.
            product_ids: only these products.
            detail: ``"tlm"``, or ``"packets"`` for the lengths of the packets as well.
            timeout: seconds for each call to the server, the transfer included.

        Raises:
            NotFound: the server has no table of this collection and tile.
            CubeflightError: another subclass by what went wrong, with the server's code.
        """
        path = _tlm.path(
            collection=collection,
            tile=tile,
            datetime=datetime,
            bands=bands,
            product_ids=product_ids,
            detail=detail,
        )
        with translated():
            descriptor = fl.FlightDescriptor.for_path(*path)
            info = self._flight.get_flight_info(descriptor, self._call(timeout))
        batches: list[pa.RecordBatch | None] = []
        for endpoint in info.endpoints:
            self._read(endpoint, batches.append, timeout)
        given = [batch for batch in batches if batch is not None]
        return pa.Table.from_batches(given, schema=info.schema)

    def _call(self, timeout: float | None) -> fl.FlightCallOptions:
        return fl.FlightCallOptions(timeout=timeout, headers=self._headers)

    def _info(self, command: bytes, timeout: float | None) -> fl.FlightInfo:
        descriptor = fl.FlightDescriptor.for_command(command)
        with translated():
            return self._flight.get_flight_info(descriptor, self._call(timeout))

    def _fill(
        self, info: fl.FlightInfo, builder: Builder | WindowsBuilder, timeout: float | None
    ) -> None:
        for endpoint in info.endpoints:
            self._read(endpoint, builder.add, timeout)

    def _read(self, endpoint: fl.FlightEndpoint, take: _Take, timeout: float | None) -> None:
        urls = [location.uri.decode() for location in endpoint.locations]
        if not urls or any(url.startswith(_REUSE) for url in urls):
            self._stream(self._flight, endpoint.ticket, take, timeout)
            return
        with translated(), fl.FlightClient(urls[0], **self._options) as flight:
            self._stream(flight, endpoint.ticket, take, timeout)

    def _stream(
        self, flight: fl.FlightClient, ticket: fl.Ticket, take: _Take, timeout: float | None
    ) -> None:
        with translated():
            reader = flight.do_get(ticket, self._call(timeout))
            done = False
            try:
                # Message by message: read_all would hold the cube twice, and stops without an
                # error at a message that carries only metadata.
                for chunk in reader:
                    take(chunk.data)
                done = True
            finally:
                # Only this stops the server; closing the client does not while a reader lives.
                if not done:
                    reader.cancel()


def _steps(plan: dict[str, Any], info: fl.FlightInfo) -> int:
    steps: int = plan["time_steps"]
    if steps < 0 or (steps == 0 and info.total_records > 0):
        raise ProtocolError("the plan summary does not say how many time steps there are")
    return steps


def _arguments(tile: str, given: dict[str, Any]) -> bytes:
    defaults: dict[str, Any] = {
        "datetime": None,
        "bands": _BANDS,
        "bounds": None,
        "windows": None,
        "crs": None,
        "collection": "sentinel-2-l2a",
        "align": None,
        "reduce": None,
        "cloud_cover": None,
        "product_ids": None,
        "radiometry": None,
        "mask": None,
        "min_valid": None,
        "group_by": None,
        "query": None,
        "on_error": None,
        "max_message_bytes": None,
        "times": None,
        "ordered": None,
        "compression": None,
    }
    unknown = given.keys() - defaults.keys()
    if unknown:
        raise TypeError(f"plan() got unexpected arguments {sorted(unknown)}")
    return _request.encode(tile=tile, **(defaults | given))
