"""What digital numbers of reflectance bands mean: offsets of the time steps, and reflectance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

# What (DN + offset) is divided by, in all products of all processing baselines.
QUANTIFICATION = 10_000

_RAW = ("raw", "raw-mixed")
_SCALED = ("scale_factor", "add_offset")
_OF_NUMBERS = (*_SCALED, "valid_min", "valid_max")

_Array = np.ndarray[Any, Any]


class RadiometryWarning(UserWarning):
    """The raw digital numbers of a cube are not comparable from step to step."""


def settle(attrs: dict[str, Any], offsets: _Array | None) -> None:
    """Makes the attributes of a band say what holds for every step of this cube.

    The schema is sent before any product is known, so only here `scale_factor` and `add_offset` can
    be given for raw numbers: both where all steps have one offset, else neither.

    Args:
        attrs: of the variable, changed in place.
        offsets: what each time step that was read needs added, NaN where that is not known, or
            None.
    """
    if attrs.get("radiometry") not in _RAW or (offsets is not None and not offsets.size):
        return
    for name in _SCALED:
        attrs.pop(name, None)
    attrs["radiometry"] = "raw-mixed"
    if offsets is None or np.isnan(offsets).any() or (offsets != offsets[0]).any():
        return
    attrs["radiometry"] = "raw"
    attrs["scale_factor"] = 1 / QUANTIFICATION
    attrs["add_offset"] = float(offsets[0]) / QUANTIFICATION


def mixed(offsets: Mapping[str, _Array]) -> str | None:
    """Text of the warning where raw numbers of one band have several offsets; None if none has."""
    for band, values in offsets.items():
        known = np.unique(values[~np.isnan(values)])
        if known.size > 1:
            found = " and ".join(
                f"{value:g} in {int((values == value).sum())} time steps" for value in known
            )
            return (
                f"raw digital numbers of {band} need different offsets ({found}), so they are not "
                f"comparable over time: use result.reflectance(), add {band}_offset step by step, "
                f"or ask for radiometry='harmonised' or 'reflectance'"
            )
    return None


def reflectance(tree: xr.DataTree) -> xr.DataTree:
    """A tree whose reflectance bands are float32 reflectance, NaN where there is no data."""
    groups = {node.path: _group(node.to_dataset(inherit=False)) for node in tree.subtree}
    return xr.DataTree.from_dict(groups, name=tree.name)


def _group(dataset: xr.Dataset) -> xr.Dataset:
    decoded = {
        str(name): _decode(str(name), dataset)
        for name, variable in dataset.data_vars.items()
        if variable.attrs.get("radiometry") in (*_RAW, "harmonised")
    }
    return dataset.assign(decoded)


def _decode(name: str, dataset: xr.Dataset) -> xr.Variable:
    numbers = dataset[name].variable
    offsets = _offsets(name, dataset)
    _check_known(offsets, numbers, dataset)
    # As the server does: both numbers fit a float32, so the sum is exact.
    shift = offsets[(slice(None), *[np.newaxis] * (numbers.ndim - 1))]
    values: Any
    if numbers.chunks is None:
        values = numbers.values.astype(np.float32)
        values += shift
        values /= np.float32(QUANTIFICATION)
        values[numbers.values == 0] = np.nan
    else:  # lazy, and stays so
        scaled = (numbers.astype(np.float32).data + shift) / np.float32(QUANTIFICATION)
        values = numbers.copy(data=scaled).where(numbers != 0).data  # type: ignore[no-untyped-call]
    attrs = {key: value for key, value in numbers.attrs.items() if key not in _OF_NUMBERS}
    attrs |= {"_FillValue": np.float32(np.nan), "units": "1", "radiometry": "reflectance"}
    return xr.Variable(numbers.dims, values, attrs)


def _offsets(name: str, dataset: xr.Dataset) -> _Array:
    attrs = dataset[name].attrs
    if attrs["radiometry"] == "harmonised":
        return np.zeros(dataset.sizes["time"], np.float32)
    if "add_offset" in attrs:
        # Of every step; the coordinate says the same.
        offset = round(attrs["add_offset"] * QUANTIFICATION)
        return np.full(dataset.sizes["time"], offset, np.float32)
    known = dataset.get(f"{name}_offset")
    if known is None:
        return np.full(dataset.sizes["time"], np.nan, np.float32)
    offsets: _Array = known.values.astype(np.float32)
    return offsets


def _check_known(offsets: _Array, numbers: xr.Variable, dataset: xr.Dataset) -> None:
    """A step without any data needs no offset."""
    lacking = [step for step in np.flatnonzero(np.isnan(offsets)) if bool(numbers[step].any())]
    unknown = dataset["time"].values[lacking]
    if unknown.size:
        raise ValueError(
            f"the radiometric offset of {unknown.size} time steps is not known, first "
            f"{unknown[0].astype('datetime64[s]')}: leave them out"
        )
