"""What a search gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from . import _radiometry


class Missing(NamedTuple):
    """A product that is not in the cube, and why."""

    id: str
    code: str
    reason: str


class StepError(NamedTuple):
    """An asset that could not be read; its pixels are fill at that time step."""

    time: np.datetime64
    column: str
    product_id: str
    code: str
    message: str


@dataclass(frozen=True)
class SearchResult:
    """A cube and what is to be known about it.

    Attributes:
        datatree: the cube, in memory, in EOPF groups.
        matched_ids: products that the cube is made of, in time order.
        missing: products that matched but are left out, each with a code and a reason.
        errors: assets that could not be read, each with the time step it leaves empty.
        plan: the server's plan (time_steps, requests, bytes, jp2_tiles, ...).
    """

    datatree: xr.DataTree
    matched_ids: list[str]
    missing: list[Missing]
    errors: list[StepError] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)

    def reflectance(self) -> xr.DataTree:
        """The cube with its reflectance bands as float32 reflectance, NaN where there is no data.

        Raw digital numbers become what ``radiometry="reflectance"`` would have given: each time
        step with its own offset. Harmonised ones do as well, but cannot be below 0.0001. Other
        variables are those of :attr:`datatree`, not copies.

        Raises:
            ValueError: the offset of a time step is not known.
        """
        return _radiometry.reflectance(self.datatree)

    def __repr__(self) -> str:
        steps = self.plan.get("time_steps", "?")
        return (
            f"<cubeflight.SearchResult: {steps} time steps, {len(self.matched_ids)} products, "
            f"{len(self.missing)} missing, {len(self.errors)} unreadable assets>\n{self.datatree!r}"
        )


@dataclass(frozen=True)
class WindowsResult:
    """The cubes of a list of windows, read as one plan.

    Attributes:
        cubes: for each window, in the order of the request, what a search for it alone gives.
        matched_ids: products that the cubes are made of, in time order.
        missing: products that matched but are left out, each with a code and a reason.
        plan: the server's plan for all windows (time_steps, requests, bytes, jp2_tiles, ...).
    """

    cubes: list[SearchResult]
    matched_ids: list[str]
    missing: list[Missing]
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> list[StepError]:
        """Those of all cubes, each once."""
        return list(dict.fromkeys(error for cube in self.cubes for error in cube.errors))

    def __repr__(self) -> str:
        steps = self.plan.get("time_steps", "?")
        return (
            f"<cubeflight.WindowsResult: {len(self.cubes)} windows, {steps} time steps, "
            f"{len(self.matched_ids)} products, {len(self.missing)} missing>"
        )
