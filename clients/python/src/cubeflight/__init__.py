"""Sentinel-2 time series over Arrow Flight, as an xarray DataTree.

>>> import cubeflight
>>> with cubeflight.connect("grpc://localhost:50051") as client:  # doctest: +SKIP
...     cube = client.search("33TVN", datetime="2021-01-01/2022-01-01", bands=["B08", "SCL"])
...     cube.datatree["measurements/reflectance/r10m"]["b08"]
"""

from ._backend import CubeflightBackend
from ._client import Client, connect
from ._cube import Cube, Cubes
from ._errors import (
    Aborted,
    CubeflightError,
    DataLoss,
    FailedPrecondition,
    IncompleteStream,
    InternalError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ProtocolError,
    ResourceExhausted,
    SpansTiles,
    Unauthenticated,
    Unavailable,
)
from ._plan import Plan
from ._radiometry import RadiometryWarning
from ._references import open_references
from ._result import Missing, StepError, UnreadableAssetWarning
from ._tlm import TileRange, TlmTable, tile_ranges
from ._virtual import virtual

__version__ = "0.1.0"

__all__ = [
    "Aborted",
    "Client",
    "Cube",
    "CubeflightBackend",
    "CubeflightError",
    "Cubes",
    "DataLoss",
    "FailedPrecondition",
    "IncompleteStream",
    "InternalError",
    "InvalidRequest",
    "Missing",
    "NotFound",
    "PermissionDenied",
    "Plan",
    "ProtocolError",
    "RadiometryWarning",
    "ResourceExhausted",
    "SpansTiles",
    "StepError",
    "TileRange",
    "TlmTable",
    "Unauthenticated",
    "Unavailable",
    "UnreadableAssetWarning",
    "connect",
    "open_references",
    "tile_ranges",
    "virtual",
]
