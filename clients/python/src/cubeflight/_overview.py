"""Contact sheets: a small picture of each time step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from ._cube import Cube

_MOST_PICTURES = 200
# Pixels along the longer side of a picture.
_SIDE = 160
_MOST_REDUCED = 4
# Classes 0 to 11 of the scene classification, in the colours of ESA's products.
_CLASSES = (
    "#000000", "#ff0000", "#2f2f2f", "#643200", "#00a000", "#ffe65a",
    "#0000ff", "#808080", "#c0c0c0", "#ffffff", "#64c8ff", "#ff96ff",
)  # fmt: skip


def overview(cube: Cube, band: str | Sequence[str] | None, columns: int | None) -> Any:
    """See :meth:`cubeflight.Cube.plot_overview`."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'cubeflight[plot]'") from error
    names = [band] if isinstance(band, str) else list(band or _choice(cube.datatree))
    if len(names) not in (1, 3):
        raise ValueError(f"a picture is of one band or of three, not of {len(names)}")
    bands = [_thumbnails(cube, name) for name in names]
    if len({values.shape for values in bands}) > 1:
        raise ValueError(f"{', '.join(names)} have pixels of different sizes: choose others")
    times = bands[0].time
    each = -(-times.size // _MOST_PICTURES)
    bands = [values.isel(time=slice(None, None, each)).load() for values in bands]
    count = bands[0].sizes["time"]
    pictures, options = _pictures(bands)
    across = columns or max(1, min(count, math.ceil(math.sqrt(count * 1.6))))
    down = max(1, -(-count // across))
    figure, axes = pyplot.subplots(
        down, across, figsize=(across * 1.7, down * 1.9), squeeze=False, layout="constrained"
    )
    for place in axes.flat:
        place.axis("off")
    for step, (place, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        place.imshow(picture, interpolation="nearest", **options)
        place.set_title(_title(bands[0].isel(time=step)), fontsize=7)
    note = f", every {each}th step" if each > 1 else ""
    figure.suptitle(f"{cube.tile}: {', '.join(names)}{note}", fontsize=9)
    return figure


def _leaves(tree: xr.DataTree) -> dict[str, str]:
    """Path of each variable by its name, that of the finest pixels."""
    found: dict[str, tuple[float, str]] = {}
    for node in tree.subtree:
        for name, variable in node.data_vars.items():
            pixel = abs(variable.attrs["proj:transform"][0])
            path = f"{node.path.strip('/')}/{name}"
            if str(name) not in found or pixel < found[str(name)][0]:
                found[str(name)] = (pixel, path)
    return {name: path for name, (_, path) in found.items()}


def _choice(tree: xr.DataTree) -> list[str]:
    """What is in colour, else what there is."""
    names = list(_leaves(tree))
    if "tci" in names:
        return ["tci"]
    if {"b04", "b03", "b02"} <= set(names):
        return ["b04", "b03", "b02"]
    if not names:
        raise ValueError("the cube has no bands")
    return [next((name for name in names if name.startswith("b")), names[0])]


def _thumbnails(cube: Cube, name: str) -> xr.DataArray:
    """A variable, small: by a request of its own at a lower resolution where there is a server."""
    leaves = _leaves(cube.datatree)
    wanted = name.strip("/")
    path = wanted if "/" in wanted else leaves.get(wanted.lower())
    if path is None or path.rpartition("/")[2] not in leaves:
        raise KeyError(f"the cube has no {name!r}, it has {', '.join(leaves)}")
    values: Any = cube.datatree[path]
    longest = max(values.sizes["y"], values.sizes["x"])
    opened = cube._opened
    if opened is not None and not cube.loaded and not opened.request.get("reduce"):
        level = min(int(math.log2(max(longest / _SIDE, 1))), _MOST_REDUCED)
        smaller = opened.narrowed({"bands": [path], "reduce": level})
        values = smaller.tree()[0][path]
        longest = max(values.sizes["y"], values.sizes["x"])
    stride = max(1, longest // _SIDE)
    small: xr.DataArray = values.isel(y=slice(None, None, stride), x=slice(None, None, stride))
    return small


def _pictures(bands: Sequence[xr.DataArray]) -> tuple[Any, dict[str, Any]]:
    """What imshow takes: pictures, and options for all of them."""
    from matplotlib.colors import ListedColormap

    first = bands[0]
    if first.name == "scl":
        return first.values, {"cmap": ListedColormap(_CLASSES), "vmin": -0.5, "vmax": 11.5}
    if first.ndim == 4:
        return np.moveaxis(first.values, 1, -1), {}
    stretched = [_stretched(band) for band in bands]
    if len(stretched) == 1:
        return np.ma.masked_invalid(stretched[0]), {"cmap": "gray", "vmin": 0, "vmax": 1}
    colours = np.stack(stretched, axis=-1)
    return np.nan_to_num(colours, nan=1.0), {}


def _stretched(band: xr.DataArray) -> np.ndarray[Any, Any]:
    """Between the 2nd and the 98th percentile of the whole series, 0 to 1; fill is not-a-number."""
    values: np.ndarray[Any, Any] = band.values.astype(np.float32)
    fill = band.attrs.get("_FillValue")
    if fill is not None:
        values[band.values == fill] = np.nan
    if np.isnan(values).all():
        return values
    low, high = np.nanpercentile(values, (2, 98))
    stretched: np.ndarray[Any, Any] = (values - low) / max(float(high - low), 1e-9)
    return stretched.clip(0, 1)


def _title(step: xr.DataArray) -> str:
    text = str(np.datetime64(step.time.values, "D"))
    if "cloud_cover" in step.coords and np.isfinite(step.cloud_cover):
        text += f" {float(step.cloud_cover):.0f} %"
    if "status" in step.coords and str(step.status.values) in ("failed", "skipped"):
        text += f" {step.status.values}"
    return text
