"""Cubes that are read where they are looked at: each index becomes a request for its part."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from ._builder import Builder
from ._connection import Connection, command
from ._errors import IncompleteStream, ProtocolError
from ._result import StepError, UnreadableAssetWarning
from ._schema import Column, columns
from ._streams import fill, micros
from ._tree import Steps

# What only reading tells.
_UNKNOWN = ("block", "errors", "status", "time", "valid_fraction")
# Pixels along each side of a chunk by default, by the pixel size in metres: a few JP2 tiles.
_CHUNK = {10: 2048, 20: 1280, 60: 768}
# A server takes no more times than this in one request.
_MOST_TIMES = 3000
_MONTH = 30 * 86_400 * 1_000_000  # microseconds


@dataclass(frozen=True)
class Source:
    """A request that parts are read of. It may be pickled: in another process it connects anew."""

    connection: Connection
    request: Mapping[str, Any]
    timeout: float | None

    @property
    def whole_steps(self) -> bool:
        """Whether what a pixel is depends on the others of its step, so that windows cannot be cut:
        the share of valid pixels is that of the window."""
        return "minValid" in self.request

    def part(
        self, column: Column, times: Sequence[str], rows: range, cols: range
    ) -> dict[str, Any]:
        """The request for some steps and pixels of a column."""
        kept = {key: value for key, value in self.request.items() if key != "maxEndpoints"}
        kept |= {"bands": [column.path], "times": list(times)}
        if self.whole_steps:
            return kept
        a, _, c, _, e, f = column.transform[:6]
        # Between the edge and the centre of the outermost pixels: these centres and no others.
        x = (c + (cols[0] + 0.25) * a, c + (cols[-1] + 0.75) * a)
        y = (f + (rows[0] + 0.25) * e, f + (rows[-1] + 0.75) * e)
        for key in ("crs", "align"):
            kept.pop(key, None)
        bounds = {"minX": min(x), "minY": min(y), "maxX": max(x), "maxY": max(y)}
        return kept | {"bounds": bounds}

    def read(
        self, column: Column, times: Sequence[str], rows: range, cols: range
    ) -> np.ndarray[Any, Any]:
        """Reads some steps and pixels of a column, (time, [band,] y, x)."""
        request = self.part(column, times, rows, cols)
        sink = _Part(len(times))
        # The request is its own ticket: one call, and no plan is made twice.
        ticket = fl.Ticket(command(request))
        turn = micros(times[0]) // _MONTH  # one replica a month: its caches are warm
        place = fl.FlightEndpoint(ticket, self.connection.turned(turn))
        fill(self.connection, request, [place], sink, self.timeout)
        (values,), steps, errors = sink.take()
        _warn(errors)
        if steps.times.astype(np.int64).tolist() != sorted(micros(time) for time in times):
            raise ProtocolError(f"{column.path}: the server sent other time steps than were asked")
        shape = column.shape[-2:] if self.whole_steps else (len(rows), len(cols))
        if values.shape[-2:] != shape or values.dtype != column.dtype:
            raise ProtocolError(
                f"{column.path}: the server cut {values.shape[-2:]} pixels, expected {shape}"
            )
        if self.whole_steps:
            return values[..., rows.start : rows.stop, cols.start : cols.stop]
        return values


class _Part:
    """A builder that is made when the first message tells the schema."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._builder: Builder | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        if self._builder is None:
            self._builder = Builder(batch.schema, self._steps)
        self._builder.add(batch)

    def arrived(self) -> set[int]:
        return self._builder.arrived() if self._builder else set()

    def forget(self) -> None:
        if self._builder:
            self._builder.forget()

    def incomplete(self) -> IncompleteStream | None:
        if self._builder:
            return self._builder.incomplete()
        return IncompleteStream(f"the stream ended early, all {self._steps} time steps are missing")

    def take(self) -> tuple[list[np.ndarray[Any, Any]], Steps, list[StepError]]:
        assert self._builder is not None
        return self._builder.take()


class _Pixels(BackendArray):
    """A column of a cube, read by index."""

    def __init__(self, source: Source, column: Column, times: tuple[str, ...]) -> None:
        self._source = source
        self._column = column
        self._times = times
        self.shape = (len(times), *column.shape)
        self.dtype = column.dtype

    def __dask_tokenize__(self) -> object:
        return (type(self).__name__, command(dict(self._source.request)), self._column.path,
                self._times, self._source.connection.urls)  # fmt: skip

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        chosen = [np.arange(length)[index] for index, length in zip(key, self.shape, strict=True)]
        single = tuple(0 if index.ndim == 0 else slice(None) for index in chosen)
        wanted = [np.atleast_1d(index) for index in chosen]
        if not all(index.size for index in wanted):
            return np.empty([index.size for index in wanted], self.dtype)[single]
        steps, rows, cols = wanted[0], wanted[-2], wanted[-1]
        # A run of rows and columns is read, then picked from; of the steps only those wanted.
        span_y = range(int(rows.min()), int(rows.max()) + 1)
        span_x = range(int(cols.min()), int(cols.max()) + 1)
        unique = np.unique(steps)
        parts = [
            self._source.read(self._column, [self._times[step] for step in some], span_y, span_x)
            for some in np.array_split(unique, -(-unique.size // _MOST_TIMES))
        ]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        local = [np.searchsorted(unique, steps), *wanted[1:-2], rows - span_y[0], cols - span_x[0]]
        for axis, index in enumerate(local):
            if not np.array_equal(index, np.arange(values.shape[axis])):
                values = values.take(index, axis=axis)
        return values[single]


def open_tree(
    source: Source,
    schema: pa.Schema,
    found: list[dict[str, Any]],
    matched: Sequence[str],
    chunks: Any,
) -> tuple[xr.DataTree, Steps]:
    """The cube, of which nothing is read.

    Args:
        found: the time steps as the server explains them.
        chunks: as in :meth:`cubeflight.Client.search`.
    """
    all_columns = columns(schema)
    found = sorted(found, key=lambda step: micros(step["time"]))
    times = np.array([micros(step["time"]) for step in found], dtype="datetime64[us]")
    tensors = {column.path for column in all_columns}
    names = [name for name in schema.names if name not in tensors and name not in _UNKNOWN]
    rows = [known(step, names, schema) for step in found]
    steps = Steps(schema, all_columns, times, rows, names, matched)
    texts = tuple(step["time"] for step in found)
    arrays: list[Any] = []
    for column in all_columns:
        lazy: Any = indexing.LazilyIndexedArray(_Pixels(source, column, texts))
        if chunks is None:
            # As xarray does for files: what has been read whole stays in memory.
            lazy = indexing.MemoryCachedArray(  # type: ignore[no-untyped-call]
                indexing.CopyOnWriteArray(lazy)
            )
        arrays.append(lazy)
    tree = steps.tree(arrays)
    if chunks is None:
        return tree, steps
    chunked = {
        node.path: _chunked(node.to_dataset(inherit=False), chunks, source) for node in tree.subtree
    }
    return xr.DataTree.from_dict(chunked), steps


def _chunked(dataset: xr.Dataset, chunks: Any, source: Source) -> xr.Dataset:
    """Dask arrays of the pixels; coordinates are here already."""
    names = list(dataset.data_vars)
    if not names:
        return dataset
    side = -1 if source.whole_steps else side_of(dataset[names[0]].attrs)
    defaults = {"time": 1, "y": side, "x": side}

    def wanted(dims: Sequence[Any]) -> Any:
        if not isinstance(chunks, Mapping):
            return chunks
        sizes = defaults | dict(chunks)
        return {dim: sizes[dim] for dim in dims if dim in sizes}

    variables = {name: dataset[name].variable for name in names}
    chunked = {name: data.chunk(wanted(data.dims)) for name, data in variables.items()}
    return dataset.assign(chunked)


def side_of(attrs: Mapping[str, Any]) -> int:
    """Pixels along each side of a chunk of a variable with these attributes, by default."""
    return _CHUNK.get(round(abs(attrs["proj:transform"][0])), 1024)


def known(step: Mapping[str, Any], names: Sequence[str], schema: pa.Schema) -> dict[str, Any]:
    """What is known of a step by the names of the stream's columns, as reading would give it."""
    told = dict(step.get("metadata") or {}) | {"product_ids": step.get("productIds") or []}
    row: dict[str, Any] = {}
    for name in names:
        value, kind = told.get(name), schema.field(name).type
        if value is not None and pa.types.is_timestamp(kind):
            value = pa.scalar(value).cast(kind).as_py()
        row[name] = value
    return row


def _warn(errors: Sequence[StepError]) -> None:
    for error in errors:
        if error.code == "CF-ENG-014":  # says which product stands in for an image
            continue
        warnings.warn(
            f"{error.column} of {error.product_id} could not be read and is fill: "
            f"{error.code} {error.message}",
            UnreadableAssetWarning,
            stacklevel=2,
        )
