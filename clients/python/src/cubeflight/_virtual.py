"""Cubes that are read from the JP2 files themselves, by the index that a server streams."""

from __future__ import annotations

import base64
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import xarray as xr

from . import _jp2, _request
from ._lazy import known
from ._result import UnreadableAssetWarning
from ._schema import Column, columns
from ._streams import micros
from ._tree import Steps

if TYPE_CHECKING:
    from ._client import Client

_EXTRA = "virtual stores need {name}: pip install 'cubeflight[virtual]'"
# Of files whose records do not name a bucket: those of a directory.
_UNNAMED = "s3://unnamed"
_UNKNOWN = ("block", "errors", "status", "time", "valid_fraction")


def virtual(
    client: Client,
    tile: str,
    datetime: _request.TimeRange = None,
    bands: str | Iterable[str] = ("B02", "B03", "B04", "B08", "SCL"),
    *,
    collection: str = "sentinel-2-l2a",
    cloud_cover: float | None = None,
    product_ids: Iterable[str] | None = None,
    query: _request.Query | None = None,
    store: Any = None,
    chunks: Any = {},  # noqa: B006 - never changed
    timeout: float | None = None,
    **storage_options: Any,
) -> xr.DataTree:
    """A cube of the whole tile whose pixels no server touches.

    The server is asked for the time steps and for its TLM records, which say where the tile-parts
    of each file lie. They become a virtual Zarr store; what is indexed is read from the bucket by
    byte range, a JP2 tile at a time, and decoded here. Groups, variables, dtypes, coordinates and
    attributes are those of :meth:`Client.search` with ``radiometry="raw"`` of the whole tile.

    A file without a complete record, or coded otherwise than most of its asset, is fill, with an
    :class:`UnreadableAssetWarning`. Of a time step of several products the first that has the file
    is read; where a server would have merged them, a warning says so.

    Args:
        client: of a server whose index knows the files.
        tile: MGRS tile.
        datetime, bands, collection, cloud_cover, product_ids, query, timeout: as in
            :meth:`Client.search`.
        store: an obstore store for the bucket, or a dict of them by the URLs that the records
            name, ``"s3://eodata"`` say. Default: one made of the URL and `storage_options`; records
            of files in a directory name none.
        chunks: ``{}`` for dask arrays of one JP2 tile a chunk, or sizes; None for xarray's own lazy
            indexing.
        storage_options: for ``obstore.store.from_url``, as ``endpoint=``, ``region=``.

    Raises:
        ImportError: the extra ``virtual`` is not installed.
        CubeflightError: a subclass by what went wrong at the server.
        ValueError: the records name several buckets and `store` is one, or a file is no JP2 of
            tiles.
    """
    store_of = _stores(store, storage_options)
    request: dict[str, Any] = {
        "tile": tile,
        "datetime": datetime,
        "collection": collection,
        "cloud_cover": cloud_cover,
        "product_ids": product_ids,
        "query": query,
    }
    bands = [bands] if isinstance(bands, str) else list(bands)
    cube = client.search(**request, bands=bands, chunks=None, timeout=timeout)
    opened = cube._opened
    assert opened is not None
    schema = opened.info.schema
    found = opened.connection.explain(opened.request, timeout) if opened.steps else []
    found = sorted(found, key=lambda step: micros(step["time"]))
    records = client.tlm(
        tile,
        datetime,
        bands,
        collection=collection,
        product_ids=cube.matched_ids or None,
        timeout=timeout,
    )
    tensors = columns(schema)
    assets = _by_column(client, request, bands, tensors, records, timeout)
    steps = _steps(schema, tensors, found, cube.matched_ids)
    arrays = [_Asset.of(column, assets[column.path], found) for column in tensors]
    return _opened(steps, tensors, arrays, store_of, chunks)


class _Stores:
    """The stores of the URLs that records name."""

    def __init__(self, given: Any, options: Mapping[str, Any]) -> None:
        self._given = given
        self._options = options

    def registry(self, urls: Sequence[str]) -> Any:
        from obspec_utils.registry import ObjectStoreRegistry
        from obstore.store import from_url

        if self._given is None:
            if _UNNAMED in urls:
                raise ValueError(
                    "the records do not name where the files lie: pass store=, an obstore store of "
                    "the bucket or directory"
                )
            return ObjectStoreRegistry({url: from_url(url, **self._options) for url in urls})
        if isinstance(self._given, Mapping):
            if missing := set(urls) - self._given.keys():
                raise ValueError(f"store has nothing for {', '.join(sorted(missing))}")
            return ObjectStoreRegistry({url: self._given[url] for url in urls})
        if len(urls) > 1:
            raise ValueError(f"the files lie in {', '.join(urls)}: give a dict of stores")
        return ObjectStoreRegistry({url: self._given for url in urls})


def _stores(given: Any, options: Mapping[str, Any]) -> _Stores:
    try:
        import numcodecs  # noqa: F401
        import obstore  # noqa: F401
        import virtualizarr  # noqa: F401
        from zarr.registry import register_codec

        from ._zarr_codec import NAME, Jp2TileZarrCodec
    except ImportError as error:
        raise ImportError(_EXTRA.format(name=error.name)) from error
    # The entry point does this in an installed package.
    register_codec(NAME, Jp2TileZarrCodec)
    return _Stores(given, options)


def _by_column(
    client: Client,
    request: Mapping[str, Any],
    bands: Sequence[str],
    tensors: Sequence[Column],
    records: pa.Table,
    timeout: float | None,
) -> dict[str, list[dict[str, Any]]]:
    """The records of each column. Columns stand in the order of the bands that were asked for."""
    by_band: dict[str, list[dict[str, Any]]] = {}
    for record in records.to_pylist():
        by_band.setdefault(record["band_id"], []).append(record)
    found: dict[str, list[dict[str, Any]]] = {column.path: [] for column in tensors}
    for band, rows in by_band.items():
        asked = _request.build(tile=request["tile"], bands=[band], collection=request["collection"])
        (column,) = columns(client._connection.schema(asked, timeout))
        if column.path in found:
            found[column.path] += rows
    return found


def _steps(
    schema: pa.Schema,
    tensors: Sequence[Column],
    found: Sequence[Mapping[str, Any]],
    matched: Sequence[str],
) -> Steps:
    paths = {column.path for column in tensors}
    names = [name for name in schema.names if name not in paths and name not in _UNKNOWN]
    times = np.array([micros(step["time"]) for step in found], dtype="datetime64[us]")
    rows = [known(step, names, schema) for step in found]
    return Steps(schema, tensors, times, rows, names, matched)


@dataclass
class _Asset:
    """An array of the store: the file of each time step, None where there is none."""

    column: Column
    files: list[dict[str, Any] | None]
    header: bytes | None

    @classmethod
    def of(
        cls,
        column: Column,
        records: Sequence[dict[str, Any]],
        steps: Sequence[Mapping[str, Any]],
    ) -> _Asset:
        usable = [record for record in records if record["complete"] and record["main_header"]]
        headers = Counter(record["main_header"] for record in usable)
        header = headers.most_common(1)[0][0] if headers else None
        by_product: dict[str, dict[str, Any]] = {
            record["product_id"]: record for record in usable if record["main_header"] == header
        }
        files = []
        for step in steps:
            ids = step.get("productIds") or []
            having = [by_product[name] for name in ids if name in by_product]
            if not having:
                _say(f"{column.path} at {step['time']} has no usable record and is fill")
            elif len(ids) > 1:
                _say(
                    f"{column.path} at {step['time']} is that of {having[0]['product_id']} alone, "
                    f"a server merges {len(ids)} products"
                )
            files.append(having[0] if having else None)
        return cls(column, files, header)

    @property
    def parsed(self) -> _jp2.Header:
        assert self.header is not None
        return _jp2.parse_header(self.header)

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Rows and columns of a JP2 tile."""
        if self.header is None:
            return self.column.shape[-2], self.column.shape[-1]
        rows, width = self.parsed.tile_shape
        return rows, width

    def manifest_array(self) -> Any:
        from virtualizarr.manifests import ChunkManifest, ManifestArray
        from virtualizarr.manifests.utils import create_v3_array_metadata

        shape = (len(self.files), *self.column.shape)
        lead = self.column.shape[:-2]
        rows, width = self.tile_shape
        grid = (shape[0], *[1] * len(lead), -(-shape[-2] // rows), -(-shape[-1] // width))
        paths = np.full(grid, "", dtype=np.dtypes.StringDType())
        offsets, lengths = np.zeros(grid, np.uint64), np.zeros(grid, np.uint64)
        for step, record in enumerate(self.files):
            if record is None:
                continue
            for tile, offset, length in zip(
                record["tile_part_tiles"],
                record["tile_part_offsets"],
                record["tile_part_lengths"],
                strict=True,
            ):
                place = (step, *[0] * len(lead), *divmod(tile, grid[-1]))
                paths[place] = f"{_store_of(record)}/{record['path'].lstrip('/')}"
                offsets[place], lengths[place] = offset, length
        manifest = ChunkManifest.from_arrays(paths=paths, offsets=offsets, lengths=lengths)
        metadata = create_v3_array_metadata(
            shape=shape,
            data_type=self.column.dtype,
            chunk_shape=(1, *lead, rows, width),
            fill_value=0,
            codecs=[self._codec()],
            dimension_names=("time", *self.column.dims),
        )
        return ManifestArray(metadata=metadata, chunkmanifest=manifest)

    def _codec(self) -> dict[str, Any]:
        if self.header is None:  # nothing is ever decoded
            return {"name": "bytes", "configuration": {"endian": "little"}}
        from ._zarr_codec import Jp2TileZarrCodec

        header = self.parsed
        expected = tuple(self.column.shape[-2:])
        if any(header.siz[2:4]) or any(header.siz[6:8]):
            raise ValueError(f"{self.column.path}: the image or its tiles do not begin at 0, 0")
        if header.image_shape != expected:
            raise ValueError(
                f"{self.column.path}: the files have {header.image_shape} pixels, not {expected}"
            )
        cells = "planes" if len(self.column.dims) == 3 else "plain"
        if cells == "plain" and header.components > 1:
            cells = "flags"
        text = base64.b64encode(self.header or b"").decode()
        return Jp2TileZarrCodec(text, self.column.dtype.str, cells).to_dict()


def _opened(
    steps: Steps,
    tensors: Sequence[Column],
    assets: Sequence[_Asset],
    stores: _Stores,
    chunks: Any,
) -> xr.DataTree:
    from virtualizarr.manifests import ManifestGroup, ManifestStore

    urls = {_store_of(record) for asset in assets for record in asset.files if record}
    by_group: dict[str, dict[str, _Asset]] = {}
    for asset in assets:
        by_group.setdefault(asset.column.group, {})[asset.column.name] = asset
    registry = stores.registry(sorted(urls))
    # Pixels without memory, which the lazy ones replace.
    empty = [np.broadcast_to(column.dtype.type(0), (len(steps.times), *column.shape))
             for column in tensors]  # fmt: skip
    described = steps.tree(empty)
    groups = {node.path: node.to_dataset(inherit=False) for node in described.subtree}
    for group, members in by_group.items():
        arrays = {name: asset.manifest_array() for name, asset in members.items()}
        store = ManifestStore(ManifestGroup(arrays=arrays), registry=registry)
        lazy = xr.open_dataset(
            store,  # type: ignore[arg-type]
            engine="zarr",
            chunks=None,
            consolidated=False,
            mask_and_scale=False,
            decode_coords=False,
        )
        dataset = groups[f"/{group}"]
        variables = {}
        for name, asset in members.items():
            variable = lazy[name].variable
            variable.attrs = dataset[name].attrs
            if chunks is not None:
                rows, width = asset.tile_shape
                sizes = {"time": 1, "y": rows, "x": width} | dict(chunks)
                variable = variable.chunk({dim: sizes.get(str(dim), -1) for dim in variable.dims})
            variables[name] = variable
        groups[f"/{group}"] = dataset.assign(variables)
    return xr.DataTree.from_dict(groups)


def _store_of(record: Mapping[str, Any]) -> str:
    return (record["store"] or _UNNAMED).rstrip("/")


def _say(text: str) -> None:
    warnings.warn(text, UnreadableAssetWarning, stacklevel=5)
