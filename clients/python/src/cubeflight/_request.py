"""From Python arguments to a CubeRequest in proto3 JSON."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Instant = str | dt.date | dt.datetime | None
Mask = Mapping[str, Any]
Query = Mapping[str, Mapping[str, Any]]
Windows = Iterable[Sequence[float]]
TimeRange = Instant | tuple[Instant, Instant]
Time = str | dt.datetime | np.datetime64
Times = Time | Iterable[Time] | Any  # what NumPy makes an array of datetime64 of, too


def build(
    *,
    tile: str,
    datetime: TimeRange = None,
    bands: str | Iterable[str],
    bounds: Sequence[float] | None = None,
    windows: Windows | None = None,
    crs: str | int | None = None,
    collection: str = "sentinel-2-l2a",
    align: str | None = None,
    reduce: int | None = None,
    cloud_cover: float | None = None,
    product_ids: Iterable[str] | None = None,
    radiometry: str | None = None,
    mask: Mask | None = None,
    min_valid: float | None = None,
    groupby: str | None = None,
    query: Query | None = None,
    on_error: str | None = None,
    max_message_bytes: int | None = None,
    times: Times | None = None,
    ordered: bool | None = None,
    compression: str | None = None,
    max_endpoints: int | None = None,
) -> dict[str, Any]:
    """A CubeRequest in the words of proto3 JSON; what is None is left to the server's default."""
    request: dict[str, Any] = {
        "collection": collection,
        "tile": tile,
        "bands": [bands] if isinstance(bands, str) else list(bands),
    }
    if datetime is not None:
        request["datetime"] = interval(datetime)
    if bounds is not None:
        request["bounds"] = _bounds(bounds)
    if windows is not None:
        request["windows"] = _windows(windows)
    if crs is not None:
        request["crs"] = f"EPSG:{crs}" if isinstance(crs, int) else crs
    if cloud_cover is not None:
        request["cloudCoverMax"] = float(cloud_cover)
    if product_ids is not None:
        request["productIds"] = [product_ids] if isinstance(product_ids, str) else list(product_ids)
    if mask is not None:
        request["mask"] = _mask(mask)
    if query is not None:
        request["filters"] = _filters(query)
    if times is not None:
        request["times"] = _times(times)
    optional = {
        "minValid": min_valid,
        "groupBy": groupby,
        "align": align,
        "reduce": None if reduce is None else operator.index(reduce),
        "radiometry": radiometry,
        "onError": on_error,
        "maxMessageBytes": max_message_bytes,
        "ordered": ordered,
        "compression": compression,
        "maxEndpoints": max_endpoints,
    }
    request.update({key: value for key, value in optional.items() if value is not None})
    return request


def interval(value: TimeRange) -> str:
    """A STAC interval: "2021-01-01/2022-01-01", with ".." for an open end."""
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ValueError(f"datetime takes one instant or (start, end), not {len(value)} values")
        return "/".join(_instant(end) for end in value)
    return _instant(value)


def _instant(value: Instant) -> str:
    if value is None:
        return ".."
    if isinstance(value, str):
        return value
    if isinstance(value, dt.datetime):
        # A naive datetime is UTC, as everywhere in this package.
        utc = value.astimezone(dt.UTC) if value.tzinfo else value
        return utc.replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat()


def _times(times: Times) -> list[str]:
    """RFC 3339 of times, of which one may stand alone."""
    several: Any = times
    if isinstance(times, str | dt.datetime):
        several = [times]
    elif getattr(getattr(times, "dtype", None), "kind", None) == "M":  # the coordinate itself, say
        several = np.asarray(times).ravel()
    listed = [_time(time) for time in several]
    if not listed:
        raise ValueError("times is an empty list: give at least one, or None for all")
    return listed


def _time(time: Time) -> str:
    if getattr(getattr(time, "dtype", None), "kind", None) == "M":  # or an array of one
        return f"{np.asarray(time).astype('datetime64[us]').item().isoformat()}Z"
    if isinstance(time, str | dt.datetime):
        return _instant(time)
    raise ValueError(f"times are datetimes or text such as 2021-01-03T10:14:11Z, not {time!r}")


def _bounds(values: Sequence[float]) -> dict[str, float]:
    numbers = [float(value) for value in values]
    if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"bounds are four finite numbers (minx, miny, maxx, maxy), not {values!r}")
    return dict(zip(("minX", "minY", "maxX", "maxY"), numbers, strict=True))


def _windows(windows: Windows) -> list[dict[str, float]]:
    """Bounds, and points (x, y) as bounds whose corners are the same."""
    listed = [tuple(window) for window in windows]
    if not listed:
        raise ValueError("windows is an empty list: give at least one, or bounds")
    return [_bounds(window * 2 if len(window) == 2 else window) for window in listed]


def _mask(mask: Mask) -> dict[str, Any]:
    """``{"scl": [classes], "dilate": metres}``; one class may stand alone."""
    unknown = mask.keys() - {"scl", "dilate"}
    if unknown or "scl" not in mask:
        raise ValueError(f'mask is {{"scl": classes, "dilate": metres}}, not {dict(mask)!r}')
    classes = mask["scl"]
    listed = [classes] if isinstance(classes, int) else [int(number) for number in classes]
    return {"scl": listed, "dilate": float(mask.get("dilate", 0.0))}


def _filters(query: Query) -> list[dict[str, Any]]:
    """The conditions of STAC's query extension, one by one."""
    filters = []
    for name, tests in query.items():
        if not isinstance(tests, Mapping):
            raise ValueError(f'query["{name}"] is a dict such as {{"lte": 20}}, not {tests!r}')
        for comparison, value in tests.items():
            single = isinstance(value, str) or not isinstance(value, Iterable)
            values = [value] if single else list(value)
            filters.append(
                {"property": name, "op": comparison, "values": [str(item) for item in values]}
            )
    return filters
