"""What is to be known about a cube beside its pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


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


class UnreadableAssetWarning(UserWarning):
    """An asset could not be read; its pixels are fill."""
