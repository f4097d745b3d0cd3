"""xarray's engine ``cubeflight``: cubes by URL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import xarray as xr
from xarray.backends import BackendEntrypoint

from ._client import Client, connect
from ._lazy import side_of

_SCHEMES = {"cubeflight": "grpc", "cubeflight+tls": "grpc+tls"}


def _number(text: str) -> float:
    return float(text)


def _list(text: str) -> list[str]:
    return text.split(",")


def _bounds(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


# What a URL may say, by search()'s names; objects, as query and mask are, come by keyword.
_TEXTS: dict[str, Callable[[str], Any]] = {
    "datetime": str,
    "bands": _list,
    "bounds": _bounds,
    "crs": str,
    "align": str,
    "reduce": int,
    "cloud_cover": _number,
    "product_ids": _list,
    "radiometry": str,
    "min_valid": _number,
    "groupby": str,
    "on_error": str,
    "max_message_bytes": int,
    "times": _list,
    "compression": str,
    "timeout": _number,
}
_KEYWORDS = (*_TEXTS, "query", "mask")


class CubeflightBackend(BackendEntrypoint):
    """Opens ``cubeflight://host:port/COLLECTION/TILE?datetime=...&bands=B08,SCL`` lazily.

    ``cubeflight+tls://`` is encrypted; several replicas are separated by commas. What the URL's
    query or keywords say is what :meth:`cubeflight.Client.search` takes; token and tenant are given
    by keyword, or as :func:`cubeflight.connect` finds them. Numbers are as they are in
    ``search()``, and fill, scale and offset are attributes, unless ``mask_and_scale=True`` is
    passed.
    """

    description = "Sentinel-2 time series of a cubeflight server"
    url = "https://github.com/cubeflight/cubeflight"
    open_dataset_parameters = (
        "filename_or_obj", "drop_variables", "mask_and_scale", "group", "token", "tenant",
        *_KEYWORDS,
    )  # fmt: skip
    supports_groups = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether this is one of the URLs."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        return os.fspath(filename_or_obj).partition("://")[0] in _SCHEMES

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        mask_and_scale: bool | None = None,
        drop_variables: str | Iterable[str] | None = None,
        group: str | None = None,
        token: str | None = None,
        tenant: str | None = None,
        **arguments: Any,
    ) -> xr.Dataset:
        """One group, ``"measurements/reflectance/r10m"`` say; without one the root, which has
        attributes only.

        Raises:
            KeyError: there is no such group.
            CubeflightError: a subclass by what went wrong.
        """
        tree = self.open_datatree(
            filename_or_obj,
            mask_and_scale=mask_and_scale,
            drop_variables=drop_variables,
            token=token,
            tenant=tenant,
            **arguments,
        )
        path = "/" + (group or "").strip("/")
        if path not in tree.groups:
            raise KeyError(f"the cube has no group {group!r}, it has {', '.join(tree.groups)}")
        groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
        dataset = groups[path]
        dataset.set_close(tree.close)
        return dataset

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        mask_and_scale: bool | None = None,
        drop_variables: str | Iterable[str] | None = None,
        token: str | None = None,
        tenant: str | None = None,
        group: str | None = None,
        **arguments: Any,
    ) -> xr.DataTree:
        """All groups, or those below `group`.

        Raises:
            ValueError: the URL or a keyword is not understood.
            CubeflightError: a subclass by what went wrong.
        """
        server, tile, asked = _parse(os.fspath(filename_or_obj))
        unknown = arguments.keys() - set(_KEYWORDS)
        if unknown:
            raise TypeError(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(_KEYWORDS)}")
        given = {name: value for name, value in arguments.items() if value is not None}
        client = connect(server, token, tenant)
        try:
            # Chunks are xarray's own business.
            tree = client.search(tile, **(asked | given), chunks=None).datatree
            groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
            opened = {
                path: _prepared(dataset, mask_and_scale, drop_variables)
                for path, dataset in groups.items()
            }
            result = xr.DataTree.from_dict(opened)
            if group:
                result = xr.DataTree(result[group])  # type: ignore[arg-type]
        except BaseException:
            client.close()
            raise
        result.set_close(_Closing(client))
        return result

    def open_groups_as_dict(self, filename_or_obj: Any, **arguments: Any) -> dict[str, xr.Dataset]:
        """The groups by their paths."""
        tree = self.open_datatree(filename_or_obj, **arguments)
        return {node.path: node.to_dataset(inherit=False) for node in tree.subtree}


class _Closing:
    """Closes a client; it may be pickled with what it belongs to."""

    def __init__(self, client: Client) -> None:
        self._client: Client | None = client

    def __call__(self) -> None:
        if self._client is not None:
            self._client.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"_client": None}  # another process has connections of its own


def _prepared(
    dataset: xr.Dataset, mask_and_scale: bool | None, drop: str | Iterable[str] | None
) -> xr.Dataset:
    """What xarray's openers do for files."""
    dropped = [drop] if isinstance(drop, str) else list(drop or ())
    dataset = dataset.drop_vars([name for name in dropped if name in dataset.variables])
    if mask_and_scale:
        dataset = xr.decode_cf(dataset, mask_and_scale=True, decode_times=False)
    for variable in dataset.data_vars.values():
        side = side_of(variable.attrs)
        sizes = {"time": 1, "y": side, "x": side}
        chunks = {dim: min(sizes.get(str(dim), n), n) for dim, n in variable.sizes.items()}
        variable.encoding["preferred_chunks"] = chunks
    return dataset


def _parse(url: str) -> tuple[str, str, dict[str, Any]]:
    """Server, tile and arguments of a URL."""
    parts = urlsplit(url)
    path = [unquote(part) for part in parts.path.split("/") if part]
    if parts.scheme not in _SCHEMES or not parts.netloc or len(path) != 2:
        raise ValueError(
            f"{url!r} is not of the form cubeflight://host:port/COLLECTION/TILE?datetime=...&bands=..."
        )
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("a URL with user, password or fragment is not taken: pass token=")
    scheme = _SCHEMES[parts.scheme]
    server = ",".join(f"{scheme}://{place}" for place in parts.netloc.split(","))
    return server, path[1], {"collection": path[0]} | _arguments(parts.query)


def _arguments(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _TEXTS:
            raise ValueError(f"the URL says {name}=; it may say {', '.join(_TEXTS)}")
        if name in found:
            raise ValueError(f"the URL says {name} twice")
        try:
            found[name] = _TEXTS[name](text)
        except ValueError as error:
            raise ValueError(f"the URL says {name}={text}: {error}") from error
    return found
