"""From pixels and what is known of each time step to a DataTree in EOPF groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import xarray as xr

from . import _crs, _radiometry
from ._errors import ProtocolError
from ._schema import Column, schema_attributes

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


@dataclass
class Steps:
    """The time steps of a cube.

    Attributes:
        schema: of the stream.
        columns: the pixel columns.
        times: datatake starts, datetime64[us], ascending.
        rows: what is known of each step, by the names of the schema.
        names: those that each row has.
        matched: ids of all products.
    """

    schema: pa.Schema
    columns: Sequence[Column]
    times: np.ndarray[Any, Any]
    rows: Sequence[Mapping[str, Any]]
    names: Sequence[str]
    matched: Sequence[str]

    def tree(self, arrays: Sequence[Any]) -> xr.DataTree:
        """The cube of these arrays (time, [band,] y, x), one for each column."""
        groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=self._root_attrs())}
        by_group: dict[str, list[tuple[Column, Any]]] = {}
        for column, array in zip(self.columns, arrays, strict=True):
            by_group.setdefault(column.group, []).append((column, array))
        for group, members in by_group.items():
            groups[f"/{group}"] = self._dataset(members)
        return xr.DataTree.from_dict(groups)

    def _root_attrs(self) -> dict[str, Any]:
        schema = schema_attributes(self.schema)
        attrs: dict[str, Any] = {"Conventions": "CF-1.11", "product_ids": list(self.matched)}
        for key, value in schema.items():
            if key.rpartition(":")[2].rpartition(".")[2] == "attribution":
                attrs["attribution"] = value
        return attrs

    def _dataset(self, members: list[tuple[Column, Any]]) -> xr.Dataset:
        first = members[0][0]
        if any(column.transform != first.transform or column.shape[-2:] != first.shape[-2:]
               or column.epsg != first.epsg for column, _ in members):  # fmt: skip
            raise ProtocolError(f"the columns of {first.group} are on different grids")
        # Coordinates without an index are not inherited in a DataTree, and a group that is saved
        # or opened alone should be complete: so every group has its own.
        coords = self._coords(first)
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

    def _coords(self, column: Column) -> dict[str, xr.Variable]:
        rows, width = column.shape[-2:]
        a, _, c, _, e, f = column.transform[:6]
        coords = {
            "time": xr.Variable(
                ("time",),
                self.times,
                {"standard_name": "time", "long_name": "datatake start (UTC)"},
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
        for name in self.names:
            if name in _STRUCTURE:
                continue
            values = [row[name] for row in self.rows]
            field = self.schema.field(name)
            sent = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            coords[name] = xr.Variable(
                ("time",), _array(values, field.type), _STEP_ATTRS.get(name, {}) | sent
            )
        return coords

    def _offsets(self) -> dict[str, np.ndarray[Any, Any]]:
        """What the raw digital numbers of each reflectance column need added, step by step, NaN
        where that is not known. Empty where no step knows."""
        order = [column.path for column in self.columns if column.is_reflectance]
        lists = [row.get("radiometric_offset") for row in self.rows]
        known = [values for values in lists if values]
        if not known or any(len(values) != len(order) for values in known):
            return {}
        table = np.array([values or [np.nan] * len(order) for values in lists], dtype=np.float32)
        return dict(zip(order, table.T, strict=True))

    def mixed_offsets(self) -> str | None:
        """What to say where raw digital numbers are not comparable over the time steps."""
        raw = {column.path: column.name for column in self.columns if column.is_raw}
        offsets, read = self._offsets().items(), self._read()
        return _radiometry.mixed({raw[path]: table[read] for path, table in offsets if path in raw})

    def _read(self) -> np.ndarray[Any, Any]:
        """Which time steps hold pixels: the skipped and the failed are fill, of no offset."""
        status = [row.get("status") for row in self.rows]
        return np.array([text not in ("skipped", "failed") for text in status], dtype=bool)


def _offset(column: Column, values: np.ndarray[Any, Any]) -> xr.Variable:
    """The coordinate `<band>_offset`. Offsets that are not known need a float for NaN."""
    dtype = np.float32 if np.isnan(values).any() else np.int16
    attrs = {"long_name": f"offset to add to raw digital numbers of {column.name}"}
    return xr.Variable(("time",), values.astype(dtype), attrs)


def _array(values: list[Any], kind: pa.DataType) -> np.ndarray[Any, Any]:
    if pa.types.is_timestamp(kind):
        return np.array(
            [np.datetime64("NaT", "us") if value is None else value.replace(tzinfo=None)
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
