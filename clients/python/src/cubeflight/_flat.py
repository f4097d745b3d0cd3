"""A cube without groups: one Dataset, at one resolution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from . import _crs


def of_group(tree: xr.DataTree, group: str) -> xr.Dataset:
    """The dataset of a group: of an EOPF path, or of all groups with this last part.

    Raises:
        KeyError: the cube has no such group.
    """
    path = "/" + group.strip("/")
    leaves = _leaves(tree)
    found = {name: leaf for name, leaf in leaves.items() if name == path}
    if not found and "/" not in group:
        found = {name: leaf for name, leaf in leaves.items() if name.endswith(path)}
    if not found:
        raise KeyError(f"the cube has no group {group!r}, it has {', '.join(leaves)}")
    return _merged(found)


def at_resolution(tree: xr.DataTree, resolution: float, resampling: str) -> xr.Dataset:
    """All variables on the grid of one pixel size.

    Raises:
        ValueError: of the resampling only ``"nearest"`` is known, and sizes are above 0.
    """
    if resampling != "nearest":
        raise ValueError(f'resampling is "nearest", not {resampling!r}')
    if not resolution > 0:
        raise ValueError(f"resolution is a pixel size in metres above 0, not {resolution!r}")
    leaves = _leaves(tree)
    if not leaves:
        return tree.to_dataset()
    target = _grid(leaves, float(resolution))
    return _merged({name: _onto(leaf, target) for name, leaf in leaves.items()})


class _Grid:
    """Rows and columns of square pixels."""

    def __init__(self, transform: tuple[float, ...], shape: tuple[int, int]) -> None:
        self.transform = tuple(float(number) for number in transform[:6])
        self.shape = shape

    @classmethod
    def of(cls, dataset: xr.Dataset) -> _Grid:
        attrs = next(iter(dataset.data_vars.values())).attrs
        return cls(tuple(attrs["proj:transform"]), (dataset.sizes["y"], dataset.sizes["x"]))

    @property
    def pixel(self) -> float:
        return abs(self.transform[0])

    @property
    def y(self) -> np.ndarray[Any, Any]:
        _, _, _, _, e, f = self.transform
        return f + (np.arange(self.shape[0]) + 0.5) * e

    @property
    def x(self) -> np.ndarray[Any, Any]:
        a, _, c, *_ = self.transform
        return c + (np.arange(self.shape[1]) + 0.5) * a

    def nearest(self, other: _Grid) -> dict[str, np.ndarray[Any, Any]]:
        """For each pixel of another grid that of this which its centre lies in, or the nearest."""
        a, _, c, _, e, f = self.transform
        rows = np.floor((other.y - f) / e + 1e-9).astype(int)
        cols = np.floor((other.x - c) / a + 1e-9).astype(int)
        return {
            "y": rows.clip(0, self.shape[0] - 1),
            "x": cols.clip(0, self.shape[1] - 1),
        }


def _leaves(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    return {node.path: node.to_dataset(inherit=False) for node in tree.subtree if node.data_vars}


def _grid(leaves: Mapping[str, xr.Dataset], pixel: float) -> _Grid:
    """That of a group with this pixel size, else one over the extent of all."""
    grids = [_Grid.of(leaf) for leaf in leaves.values()]
    for grid in grids:
        if grid.pixel == pixel:
            return grid
    left = min(grid.transform[2] for grid in grids)
    top = max(grid.transform[5] for grid in grids)
    right = max(grid.transform[2] + grid.shape[1] * grid.pixel for grid in grids)
    bottom = min(grid.transform[5] - grid.shape[0] * grid.pixel for grid in grids)
    shape = (max(1, -int((bottom - top) // pixel)), max(1, -int((left - right) // pixel)))
    return _Grid((pixel, 0.0, left, 0.0, -pixel, top), shape)


def _onto(dataset: xr.Dataset, target: _Grid) -> xr.Dataset:
    source = _Grid.of(dataset)
    if (source.transform, source.shape) == (target.transform, target.shape):
        return dataset
    picked = dataset.isel(source.nearest(target))
    epsg = int(dataset.attrs["proj:epsg"])
    place = _crs.place(epsg, target.transform, *target.shape)
    place |= {
        "proj:transform": [*target.transform, 0.0, 0.0, 1.0],
        "proj:shape": list(target.shape),
    }
    for variable in picked.data_vars.values():
        variable.attrs = variable.attrs | place
    mapping = xr.Variable((), np.int64(0), _crs.grid_mapping(epsg, target.transform))
    return picked.assign_coords(
        y=("y", target.y, dataset.y.attrs),
        x=("x", target.x, dataset.x.attrs),
        spatial_ref=mapping,
    )


def _merged(leaves: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """One dataset. A name that several groups have gets as much of its path as tells them apart."""
    counts = Counter(str(name) for leaf in leaves.values() for name in leaf.data_vars)
    parts = []
    for path, leaf in leaves.items():
        twice = [str(name) for name in leaf.data_vars if counts[str(name)] > 1]
        parts.append(leaf.rename({name: _apart(name, path, leaves) for name in twice}))
    return xr.merge(parts, combine_attrs="override", compat="override", join="exact")


def _apart(name: str, path: str, leaves: Mapping[str, xr.Dataset]) -> str:
    others = [
        other.split("/")
        for other, leaf in leaves.items()
        if name in leaf.data_vars and other != path
    ]
    own = path.split("/")
    for length in range(1, len(own)):
        if all(other[-length:] != own[-length:] for other in others):
            return "_".join([name, *own[-length:]])
    return name
