"""The connection to a server."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypedDict, Unpack, overload

import pyarrow as pa
import pyarrow.flight as fl

from . import _plan, _request, _tlm
from ._connection import Connection
from ._cube import Cube, Cubes
from ._opened import Opened
from ._plan import Plan
from ._schema import columns
from ._settings import settings
from ._streams import batches

_BANDS = ("B02", "B03", "B04", "B08", "SCL")
Chunks = Mapping[str, Any] | int | Literal["auto"] | None


def connect(
    url: str | Sequence[str] | None = None,
    token: str | None = None,
    tenant: str | None = None,
    *,
    retries: int = 6,
    **options: Any,
) -> Client:
    """Opens a connection. Nothing is sent before the first call.

    What is None is taken from the environment (``CUBEFLIGHT_URL``, ``CUBEFLIGHT_TOKEN``,
    ``CUBEFLIGHT_TENANT``); where that names no server, from ``cubeflight/config.toml`` in
    ``XDG_CONFIG_HOME`` (``~/.config``), or the file that ``CUBEFLIGHT_CONFIG`` names, which may
    hold ``url``, ``token`` and ``tenant``.

    Args:
        url: ``grpc://host:port``, ``grpc+tcp://host:port`` or, encrypted, ``grpc+tls://host:port``;
            several replicas of a server as a list, or separated by commas.
        token: bearer token, sent with every call.
        tenant: on whose behalf, sent with every call.
        retries: how often a call is tried anew where a server cannot be reached, after pauses that
            become longer (0.2 s, 0.4 s, ... 10 s), and how often a broken stream is taken up
            without a further time step. 0: not at all.
        options: passed on to :class:`pyarrow.flight.FlightClient` (``tls_root_certs``, ...).

    Raises:
        ValueError: no server is named, or something given cannot be.
    """
    given = settings(url if url is None or isinstance(url, str) else list(url), token, tenant)
    return Client(Connection(given.urls, given.token, given.tenant, retries, options))


class SearchArguments(TypedDict, total=False):
    """What :meth:`Client.search` takes beside the place."""

    collection: str
    align: str | None
    reduce: int | None
    cloud_cover: float | None
    product_ids: Iterable[str] | None
    radiometry: str | None
    mask: _request.Mask | None
    min_valid: float | None
    groupby: str | None
    query: _request.Query | None
    on_error: str | None
    max_message_bytes: int | None
    times: _request.Times | None
    ordered: bool | None
    compression: str | None
    max_endpoints: int | None
    chunks: Chunks
    timeout: float | None


class Client:
    """A connection; use it as a context manager or call :meth:`close`. See :func:`connect`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return f"<cubeflight.Client {', '.join(self._connection.urls)}>"

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
        """Closes the connection; a second call does nothing. Lazy cubes that it gave cannot be read
        any more, those in memory stay."""
        self._connection.close()

    def plan(self, tile: Any, *arguments: Any, **named: Any) -> Plan:
        """What :meth:`search` with the same arguments would read, without reading pixels.

        Raises:
            CubeflightError: a subclass by what went wrong, with the server's code.
        """
        found: Cube | Cubes | dict[str, Cube] = self.search(tile, *arguments, **named)
        if isinstance(found, dict):
            raise ValueError('plan() is of one tile: call it for each instead of tiles="each"')
        return found.plan()

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
        tiles: None = None,
        **arguments: Unpack[SearchArguments],
    ) -> Cube: ...

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
        tiles: None = None,
        **arguments: Unpack[SearchArguments],
    ) -> Cubes: ...

    @overload
    def search(
        self,
        tile: Any,
        datetime: _request.TimeRange = None,
        bands: str | Iterable[str] = _BANDS,
        bounds: None = None,
        crs: str | int | None = None,
        *,
        windows: None = None,
        tiles: Literal["each"] | None = None,
        **arguments: Unpack[SearchArguments],
    ) -> Any: ...

    def search(
        self,
        tile: Any,
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
        groupby: str | None = None,
        query: _request.Query | None = None,
        on_error: str | None = None,
        max_message_bytes: int | None = None,
        times: _request.Times | None = None,
        ordered: bool | None = None,
        compression: str | None = None,
        max_endpoints: int | None = None,
        tiles: Literal["each"] | None = None,
        chunks: Chunks = {},  # noqa: B006 - never changed, and what users of xarray expect
        timeout: float | None = None,
    ) -> Cube | Cubes | dict[str, Cube]:
        """Finds a cube and plans it. Pixels are read where they are looked at, or by
        :meth:`Cube.load`.

        Args:
            tile: MGRS tile, ``"33TVN"``; or a geometry (shapely, GeoJSON, anything with
                ``__geo_interface__``), whose bounds, at least 60 m wide, are read of the tile that
                contains it; or a list of geometries, read as one plan of a tile that contains all
                (``pip install 'cubeflight[geometry]'``). Where several tiles do, it is the one of
                the geometry's UTM zone whose edge is farthest.
            datetime: datatake start, both ends included: ``"2021-01-01/2022-01-01"``,
                ``"2022-10-05"`` (the whole day), or a pair of dates of which one may be None.
            bands: ``"B08"`` (native resolution), ``"B02_60m"``, ``"SCL"``, or an EOPF path.
            bounds: minx, miny, maxx, maxy; None for the whole tile.
            windows: several areas instead of bounds, at most 1,024: (minx, miny, maxx, maxy), or
                (x, y) for the pixel of a point. They are read as one plan, in which bytes that
                several of them need are read once, and give :class:`Cubes`, in their order. A
                window that holds no pixel centre takes the pixel that its middle lies in.
            crs: CRS of bounds, windows or geometries, ``"EPSG:4326"`` or 4326 (x is longitude);
                None for the tile's UTM, of geometries for their own, else EPSG:4326.
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
            groupby: ``"datatake"`` (default) or ``"solar_day"``: what makes one time step.
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
            max_endpoints: parts of the cube that are streamed side by side, at most 64; None for
                what the server is set to.
            tiles: ``"each"`` for a geometry that no tile contains: a dict of cubes by tile, of the
                parts of the geometry's bounds that lie in them.
            chunks: of the lazy arrays. By default dask arrays, where dask is installed, of one
                task for each time step and some thousand pixels squared; ``{"time": 1, "y": 512,
                "x": 512}`` or ``"auto"`` as xarray takes them; None for xarray's own lazy
                indexing without dask. Either way only what is indexed is read.
            timeout: seconds for each call to the server, the transfer included.

        Returns:
            A :class:`Cube`; of several windows or geometries :class:`Cubes`; with ``tiles="each"``
            a dict of them by tile.

        Raises:
            SpansTiles: no tile contains the geometry.
            CubeflightError: another subclass by what went wrong, with the server's code.
            ValueError: an argument is not understood.
        """
        rest: dict[str, Any] = {
            "datetime": datetime,
            "bands": bands,
            "collection": collection,
            "align": align,
            "reduce": reduce,
            "cloud_cover": cloud_cover,
            "product_ids": product_ids,
            "radiometry": radiometry,
            "mask": mask,
            "min_valid": min_valid,
            "groupby": groupby,
            "query": query,
            "on_error": on_error,
            "max_message_bytes": max_message_bytes,
            "times": times,
            "ordered": ordered,
            "compression": compression,
            "max_endpoints": max_endpoints,
        }
        chunks = _chunks(chunks)
        if isinstance(tile, str):
            if tiles is not None:
                raise ValueError("tiles is for geometries: the tile is named")
            request = _request.build(tile=tile, bounds=bounds, windows=windows, crs=crs, **rest)
            opened = self._open(request, chunks, timeout)
            if windows is not None:
                return Cubes(opened.plan, tile, opened)
            return Cube(opened.plan, tile, opened)
        if bounds is not None or windows is not None:
            raise ValueError("a geometry has its own bounds: leave out bounds and windows")
        if tiles not in (None, "each"):
            raise ValueError(f'tiles is "each" or None, not {tiles!r}')
        from . import _geometry

        if _geometry.is_several(tile):
            if tiles is not None:
                raise ValueError('tiles="each" is for one geometry, not for a list')
            areas = _geometry.locate_all(tile, crs)
            request = _request.build(
                tile=areas.tile, bounds=None, windows=areas.windows, crs=areas.crs, **rest
            )
            opened = self._open(request, chunks, timeout)
            return Cubes(
                opened.plan,
                areas.tile,
                opened,
                other_tiles=areas.others,
                geometries=list(areas.geometries),
            )
        if tiles is None:
            return self._area(_geometry.locate(tile, crs), rest, chunks, timeout)
        found = _geometry.locate_each(tile, crs)
        return {name: self._area(area, rest, chunks, timeout) for name, area in found.items()}

    def _area(self, area: Any, rest: dict[str, Any], chunks: Chunks, timeout: float | None) -> Cube:
        # What is narrower holds no pixel centre of 60 m, perhaps.
        bounds = _widened(area.bounds, 60.0 * 2 ** (rest["reduce"] or 0))
        request = _request.build(tile=area.tile, bounds=bounds, windows=None, crs=area.crs, **rest)
        opened = self._open(request, chunks, timeout)
        return Cube(opened.plan, area.tile, opened, other_tiles=area.others, geometry=area.geometry)

    def _open(self, request: dict[str, Any], chunks: Chunks, timeout: float | None) -> Opened:
        info = self._connection.info(request, timeout)
        plan = _plan.decode(info.app_metadata)
        opened = Opened(self._connection, request, info, plan, chunks, timeout)
        columns(info.schema)  # what is not understood is said here, not when it is read
        _ = opened.steps
        return opened

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
        infos = self._connection.listed(criteria, timeout)
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
        info = self._connection.info_of(fl.FlightDescriptor.for_path(*path), timeout)
        read = list(batches(self._connection, info.endpoints, timeout))
        return pa.Table.from_batches(read, schema=info.schema)


def _widened(bounds: Sequence[float], least: float) -> list[float]:
    """Bounds of at least this width and height, about the same middle."""
    widened = list(bounds)
    for low, high in ((0, 2), (1, 3)):
        lacking = max(0.0, least - (bounds[high] - bounds[low]))
        widened[low] -= lacking / 2
        widened[high] += lacking / 2
    return widened


def _chunks(chunks: Chunks) -> Chunks:
    """The default needs dask; without it xarray's own lazy indexing does the same."""
    if chunks == {} and importlib.util.find_spec("dask") is None:
        return None
    return chunks
