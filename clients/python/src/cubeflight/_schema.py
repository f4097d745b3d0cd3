"""The server's Arrow schema: which columns are pixels, where they lie, what describes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ._errors import ProtocolError

# Text even where it looks like a number ("1" is a unit).
_TEXT = frozenset(
    {"long_name", "standard_name", "units", "flag_meanings", "radiometry", "description", "comment"}
)
# CF asks that these have the type of the data.
_TYPED = frozenset(
    {"_FillValue", "valid_min", "valid_max", "valid_range", "flag_values", "flag_masks"}
)


@dataclass(frozen=True)
class Column:
    """One band of the cube.

    `block` is the shape of one row of the stream ([band,] block_rows, width), `shape` that of the
    whole window ([band,] y, x) in pixels, `transform` the affine matrix of the window (upper-left
    corner of the upper-left pixel), in metres of the UTM zone `epsg`.

    A cube of a list of windows has row-block k for window k, `windows[k]` (row, column, height,
    width) from where `transform` is, and `shape` is that of a row-block: see :meth:`window`.
    """

    index: int
    path: str
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    block: tuple[int, ...]
    shape: tuple[int, ...]
    epsg: int
    transform: tuple[float, ...]
    attrs: dict[str, Any]
    windows: tuple[tuple[int, int, int, int], ...] | None = None

    def window(self, number: int) -> Column:
        """One window of the list as a column of its own, of one row-block."""
        assert self.windows is not None
        top, left, height, width = self.windows[number]
        a, b, c, d, e, f, *rest = self.transform
        transform = (a, b, c + left * a, d, e, f + top * e, *rest)
        shape = (*self.block[:-2], height, width)
        place = {"proj:shape": [height, width], "proj:transform": list(transform)}
        return replace(
            self, shape=shape, transform=transform, attrs=self.attrs | place, windows=None
        )

    @property
    def group(self) -> str:
        """The group of the EOPF path."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The variable of the EOPF path."""
        return self.path.rpartition("/")[2]

    @property
    def block_rows(self) -> int:
        """Rows of one row-block, the last one's padding included."""
        return self.block[-2]

    @property
    def blocks(self) -> int:
        """Row-blocks that hold rows of this column."""
        if self.windows is not None:
            return len(self.windows)
        return -(-self.shape[-2] // self.block_rows)

    @property
    def is_reflectance(self) -> bool:
        """Whether the product's radiometric offset applies."""
        return self.path.startswith("measurements/reflectance/")

    @property
    def is_raw(self) -> bool:
        """Whether the pixels are digital numbers that need an offset of their time step."""
        return self.is_reflectance and self.attrs.get("radiometry") in ("raw", "raw-mixed")


def columns(schema: pa.Schema) -> list[Column]:
    """The pixel columns, in the order of the stream."""
    found = [
        _column(index, field)
        for index, field in enumerate(schema)
        if isinstance(field.type, pa.FixedShapeTensorType)
    ]
    if not found:
        raise ProtocolError("the stream has no pixel columns")
    return found


def _column(index: int, field: pa.Field) -> Column:
    metadata = {
        key.decode(): value.decode()
        for key, value in (field.metadata or {}).items()
        if not key.startswith(b"ARROW:extension:")
    }
    block = tuple(int(length) for length in field.type.shape)
    dims = tuple(field.type.dim_names or ("band", "y", "x")[-len(block) :])
    if dims[-2:] != ("y", "x") or len(block) not in (2, 3) or field.type.permutation:
        raise ProtocolError(f"column {field.name} has dimensions {dims}, expected (.., y, x)")
    if block[-2] < 1:
        raise ProtocolError(f"column {field.name} has row-blocks without rows")
    dtype = np.dtype(field.type.value_type.to_pandas_dtype())
    attrs = {key: _value(key, text, dtype) for key, text in metadata.items()}
    windows = _windows(field.name, block, attrs)
    if windows is not None:
        # each window has a place of its own
        attrs["proj:shape"] = block[-2:]
        attrs["proj:transform"] = attrs.pop("cubeflight:windows_transform", None)
    try:
        rows, width = (int(length) for length in attrs["proj:shape"])
        transform = tuple(float(number) for number in attrs["proj:transform"])
        epsg = int(attrs["proj:epsg"])
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(
            f"column {field.name} lacks proj:shape, proj:transform or proj:epsg"
        ) from error
    if width != block[-1] or len(transform) not in (6, 9):
        raise ProtocolError(f"column {field.name}: proj:shape or proj:transform does not fit")
    if transform[1] or transform[3]:
        raise ProtocolError(f"column {field.name} is on a rotated grid")
    shape = (*block[:-2], rows, width)
    return Column(index, field.name, dtype, dims, block, shape, epsg, transform, attrs, windows)


def _windows(
    name: str, block: tuple[int, ...], attrs: dict[str, Any]
) -> tuple[tuple[int, int, int, int], ...] | None:
    """The list of windows, where the cube has one: (row, column, height, width)."""
    listed = attrs.pop("cubeflight:windows", None)
    if listed is None:
        return None
    try:
        windows = tuple((int(t), int(x), int(h), int(w)) for t, x, h, w in listed)
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"column {name}: cubeflight:windows is no list of windows") from error
    if any(not 1 <= h <= block[-2] or not 1 <= w <= block[-1] for _, _, h, w in windows):
        raise ProtocolError(f"column {name}: a window is larger than a row-block")
    return windows


def _value(key: str, text: str, dtype: np.dtype[Any]) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if key == "flag_meanings" and isinstance(value, list):
        return " ".join(str(item) for item in value)
    if key in _TEXT:
        return value if isinstance(value, str) else text
    if key in _TYPED:
        if isinstance(value, str):  # "NaN" in quotes, as strict JSON has no other way
            value = float(value)
        typed = np.asarray(value).astype(dtype)
        return typed if typed.ndim else typed[()]
    return value


def schema_attributes(schema: pa.Schema) -> dict[str, Any]:
    """The schema's metadata, JSON values decoded."""
    attributes: dict[str, Any] = {}
    for key, value in (schema.metadata or {}).items():
        name, text = key.decode(), value.decode()
        try:
            attributes[name] = json.loads(text)
        except ValueError:
            attributes[name] = text
    return attributes
