"""From record batches to a DataTree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import xarray as xr

from . import _crs, _radiometry
from ._errors import IncompleteStream, ProtocolError
from ._result import StepError
from ._schema import Column, columns, schema_attributes

# Columns that are not metadata of a time step.
_STRUCTURE = frozenset({"time", "block", "errors", "radiometric_offset"})

# Beside what the schema itself says.
_STEP_ATTRS: dict[str, dict[str, str]] = {
    "product_ids": {"long_name": "products of the time step, separated by blanks"},
    "status": {"long_name": "ok, partial, failed or skipped"},
    "platform": {"long_name": "satellite"},
    "relative_orbit": {"long_name": "relative orbit number"},
    "processing_baseline": {"long_name": "processing baseline"},
    "sun_azimuth": {"standard_name": "solar_azimuth_angle"},
    "sun_elevation": {"standard_name": "solar_elevation_angle"},
    "view_azimuth": {"standard_name": "sensor_azimuth_angle"},
    "view_incidence": {"standard_name": "sensor_zenith_angle"},
    "sensing_time": {"long_name": "sensing time of the tile (UTC)"},
}


class Builder:
    """Copies the stream into arrays that are allocated once.

    Rows may arrive in any order. Each is copied from the Arrow buffer to its place, which its time
    and row-block tell, and let go, so memory is the cube and one message.

    With `window`, the columns of one window of a list, all rows are of that window.
    """

    def __init__(
        self,
        schema: pa.Schema,
        steps: int,
        matched_ids: Iterable[str] = (),
        window: list[Column] | None = None,
    ) -> None:
        self._schema = schema
        self._columns = columns(schema) if window is None else window
        self._of_window = window is not None
        self._steps = steps
        self._matched = list(matched_ids)
        self._blocks = max(column.blocks for column in self._columns)
        self._seen = np.zeros((steps, self._blocks), dtype=bool)
        self._index: dict[int, int] = {}
        self._rows: list[dict[str, Any]] = []
        self._arrays = [
            np.empty((steps, *column.shape), dtype=column.dtype) for column in self._columns
        ]
        names = schema.names
        for required in ("time", "block"):
            if required not in names:
                raise ProtocolError(f"the stream has no column {required}")
        tensors = {column.index for column in self._columns}
        self._metadata = [
            (name, index)
            for index, name in enumerate(names)
            if index not in tensors and name not in ("time", "block")
        ]

    @property
    def blocks(self) -> int:
        """Row-blocks of a time step."""
        return self._blocks

    def add(self, batch: pa.RecordBatch | None) -> None:
        """Takes one message; those without rows only keep the connection alive."""
        if batch is None or batch.num_rows == 0:
            return
        times = batch.column("time").cast(pa.int64()).to_pylist()
        blocks = [0] * len(times) if self._of_window else batch.column("block").to_pylist()
        targets = [self._target(time, block) for time, block in zip(times, blocks, strict=True)]
        for row, (step, block) in enumerate(targets):
            self._describe(batch, row, step, block)
        skipped = {step for step, _ in targets if self._rows[step].get("status") == "skipped"}
        for step in skipped:  # one row stands for all row-blocks
            for column, array in zip(self._columns, self._arrays, strict=True):
                array[step] = np.nan if column.dtype.kind == "f" else 0
            self._seen[step] = True
        if len(skipped) == len({step for step, _ in targets}):
            return
        for column, array in zip(self._columns, self._arrays, strict=True):
            values = _values(batch.column(column.index), column, len(targets))
            for row, (step, block) in enumerate(targets):
                first = block * column.block_rows
                rows = min(column.block_rows, column.shape[-2] - first)
                width = column.shape[-1]
                if rows > 0:  # the rest of the last block, or around a window, is padding
                    array[step, ..., first : first + rows, :] = values[row, ..., :rows, :width]
        for step, block in targets:
            self._seen[step, block] = True

    def _target(self, time: int, block: int) -> tuple[int, int]:
        step = self._index.setdefault(time, len(self._index))
        if step >= self._steps:
            raise ProtocolError(f"more time steps than the {self._steps} that were announced")
        if block >= self._blocks:
            raise ProtocolError(f"row-block {block} of {self._blocks}")
        if self._seen[step, block]:
            raise ProtocolError(f"row-block {block} of {np.datetime64(time, 'us')} came twice")
        return step, block

    def _describe(self, batch: pa.RecordBatch, row: int, step: int, block: int) -> None:
        values = {name: batch.column(index)[row].as_py() for name, index in self._metadata}
        if step == len(self._rows):
            self._rows.append(values)
            return
        known = self._rows[step]
        # Row-blocks are written as they are decoded: a later one may know more than the first.
        for error in values.get("errors") or ():
            if error not in known["errors"]:
                known["errors"].append(error)
        if "status" in values and values["status"] != known["status"]:
            known["status"] = "partial"
        for name, value in values.items():
            if known[name] is None:
                known[name] = value

    def finish(self) -> tuple[xr.DataTree, list[StepError]]:
        """The cube, or the error that says which steps did not arrive."""
        self._check_complete()
        self._sort()
        times = np.array(list(self._index), dtype="datetime64[us]")
        groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=self._root_attrs())}
        by_group: dict[str, list[tuple[Column, np.ndarray[Any, Any]]]] = {}
        for column, array in zip(self._columns, self._arrays, strict=True):
            by_group.setdefault(column.group, []).append((column, array))
        for group, members in by_group.items():
            groups[f"/{group}"] = self._dataset(times, members)
        errors = [
            StepError(
                time,
                error.get("column") or "",
                error.get("product_id") or "",
                error.get("code") or "",
                error.get("message") or "",
            )
            for time, row in zip(times, self._rows, strict=True)
            for error in row.get("errors") or ()
        ]
        return xr.DataTree.from_dict(groups), errors

    def _sort(self) -> None:
        """Brings the steps, which stand as they arrived, into time order; step by step, so that
        nothing is held twice."""
        order = sorted(self._index)
        if order == list(self._index):
            return
        source = [self._index[time] for time in order]  # where the step of each place stands
        self._rows = [self._rows[step] for step in source]
        moved = [False] * len(source)
        for start in range(len(source)):
            if moved[start] or source[start] == start:
                continue
            # a cycle of the permutation: its first step is put aside, the others move up
            aside = [array[start].copy() for array in self._arrays]
            place = start
            while source[place] != start:
                for array in self._arrays:
                    array[place] = array[source[place]]
                moved[place] = True
                place = source[place]
            moved[place] = True
            for array, step in zip(self._arrays, aside, strict=True):
                array[place] = step
        self._index = {time: place for place, time in enumerate(order)}

    def _check_complete(self) -> None:
        complete: np.ndarray[Any, Any] = np.all(self._seen, axis=1)
        if complete.all():
            return
        arrived = {
            str(np.datetime64(time, "us").astype("datetime64[s]"))
            for time, step in self._index.items()
            if complete[step]
        }
        expected = sorted({start for start in map(_datatake_start, self._matched) if start})
        missing = tuple(start for start in expected if start not in arrived)
        lacking = int((~complete).sum())
        if len(missing) != lacking:  # solar days, say: the ids do not tell the steps apart
            missing = ()
        named = f": {', '.join(missing)}" if missing else ""
        error = IncompleteStream(
            f"the stream ended early, {lacking} of {self._steps} time steps are missing{named}"
        )
        error.missing_steps = missing
        raise error

    def _root_attrs(self) -> dict[str, Any]:
        schema = schema_attributes(self._schema)
        attrs: dict[str, Any] = {"Conventions": "CF-1.11", "product_ids": self._matched}
        for key, value in schema.items():
            if key.rpartition(":")[2].rpartition(".")[2] == "attribution":
                attrs["attribution"] = value
        return attrs

    def _dataset(
        self, times: np.ndarray[Any, Any], members: list[tuple[Column, np.ndarray[Any, Any]]]
    ) -> xr.Dataset:
        first = members[0][0]
        if any(column.transform != first.transform or column.shape[-2:] != first.shape[-2:]
               or column.epsg != first.epsg for column, _ in members):  # fmt: skip
            raise ProtocolError(f"the columns of {first.group} are on different grids")
        # Coordinates without an index are not inherited in a DataTree, and a group that is saved
        # or opened alone should be complete: so every group has its own.
        coords = self._coords(times, first)
        offsets = self._offsets()
        read = self._read()
        place = _crs.place(first.epsg, first.transform, *first.shape[-2:])
        variables: dict[str, xr.Variable] = {}
        for column, array in members:
            attrs = {**column.attrs, **place, "grid_mapping": "spatial_ref"}
            if column.is_reflectance:
                table = offsets.get(column.path)
                _radiometry.settle(attrs, None if table is None else table[read])
            variables[column.name] = xr.Variable(("time", *column.dims), array, attrs)
            if len(column.dims) == 3:
                coords[column.dims[0]] = xr.Variable(
                    (column.dims[0],), np.arange(1, column.shape[0] + 1)
                )
            if column.path in offsets:
                coords[f"{column.name}_offset"] = _offset(column, offsets[column.path])
        return xr.Dataset(variables, coords=coords, attrs={"proj:epsg": first.epsg})

    def _coords(self, times: np.ndarray[Any, Any], column: Column) -> dict[str, xr.Variable]:
        rows, width = column.shape[-2:]
        a, _, c, _, e, f = column.transform[:6]
        coords = {
            "time": xr.Variable(
                ("time",), times, {"standard_name": "time", "long_name": "datatake start (UTC)"}
            ),
            "y": xr.Variable(
                ("y",),
                f + (np.arange(rows) + 0.5) * e,
                {
                    "standard_name": "projection_y_coordinate",
                    "long_name": "y of the pixel centre",
                    "units": "m",
                    "axis": "Y",
                },
            ),
            "x": xr.Variable(
                ("x",),
                c + (np.arange(width) + 0.5) * a,
                {
                    "standard_name": "projection_x_coordinate",
                    "long_name": "x of the pixel centre",
                    "units": "m",
                    "axis": "X",
                },
            ),
            "spatial_ref": xr.Variable(
                (), np.int64(0), _crs.grid_mapping(column.epsg, column.transform)
            ),
        }
        for name, index in self._metadata:
            if name in _STRUCTURE:
                continue
            values = [row[name] for row in self._rows]
            field = self._schema.field(index)
            sent = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            coords[name] = xr.Variable(
                ("time",), _array(values, field.type), _STEP_ATTRS.get(name, {}) | sent
            )
        return coords

    def _offsets(self) -> dict[str, np.ndarray[Any, Any]]:
        """What the raw digital numbers of each reflectance column need added, step by step, NaN
        where that is not known. Empty where no step knows."""
        order = [column.path for column in self._columns if column.is_reflectance]
        lists = [row.get("radiometric_offset") for row in self._rows]
        known = [values for values in lists if values]
        if not known or any(len(values) != len(order) for values in known):
            return {}
        table = np.array([values or [np.nan] * len(order) for values in lists], dtype=np.float32)
        return dict(zip(order, table.T, strict=True))

    def mixed_offsets(self) -> str | None:
        """What to say where raw digital numbers are not comparable over the time steps."""
        raw = {column.path: column.name for column in self._columns if column.is_raw}
        offsets, read = self._offsets().items(), self._read()
        return _radiometry.mixed({raw[path]: table[read] for path, table in offsets if path in raw})

    def _read(self) -> np.ndarray[Any, Any]:
        """Which time steps hold pixels: the skipped and the failed are fill, of no offset."""
        status = [row.get("status") for row in self._rows]
        return np.array([text not in ("skipped", "failed") for text in status], dtype=bool)


def _offset(column: Column, values: np.ndarray[Any, Any]) -> xr.Variable:
    """The coordinate `<band>_offset`. Offsets that are not known need a float for NaN."""
    dtype = np.float32 if np.isnan(values).any() else np.int16
    attrs = {"long_name": f"offset to add to raw digital numbers of {column.name}"}
    return xr.Variable(("time",), values.astype(dtype), attrs)


def _values(array: pa.Array, column: Column, rows: int) -> np.ndarray[Any, Any]:
    """The pixels of a message, without a copy: (row, [band,] y, x)."""
    storage = array.storage
    if storage.null_count:
        raise ProtocolError(f"column {column.path} has null rows")
    flat = storage.flatten()
    if flat.null_count:
        raise ProtocolError(f"column {column.path} has null pixels")
    values: np.ndarray[Any, Any] = flat.to_numpy(zero_copy_only=True)
    return values.reshape(rows, *column.block)


def _array(values: list[Any], kind: pa.DataType) -> np.ndarray[Any, Any]:
    if pa.types.is_timestamp(kind):
        return np.array(
            [np.datetime64("NaT") if value is None else value.replace(tzinfo=None)
             for value in values],
            dtype="datetime64[us]",
        )  # fmt: skip
    if pa.types.is_floating(kind):
        dtype = kind.to_pandas_dtype()
        return np.array([np.nan if value is None else value for value in values], dtype=dtype)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        if any(value is None for value in values):
            return np.array([np.nan if value is None else value for value in values], dtype=float)
        return np.array(values, dtype=kind.to_pandas_dtype())
    if pa.types.is_list(kind):
        values = [" ".join(str(item) for item in value or ()) for value in values]
    text = np.empty(len(values), dtype=object)
    text[:] = ["" if value is None else str(value) for value in values]
    return text


def _datatake_start(product_id: str) -> str | None:
    """The third part of a product id as "2022-10-05T11:54:11"."""
    parts = product_id.split("_")
    if len(parts) < 3 or len(parts[2]) != 15 or parts[2][8] != "T":
        return None
    day, clock = parts[2].split("T")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}"
