"""Opening Kerchunk references that ``cubeflight tlm references`` wrote."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import xarray as xr

from . import _crs, _radiometry

_EXTRA = "reading references needs {name}: pip install 'cubeflight[references]'"


def open_references(
    path: str | os.PathLike[str],
    *,
    mask_and_scale: bool = False,
    target_options: dict[str, Any] | None = None,
    **storage_options: Any,
) -> xr.DataTree:
    """Opens references as a lazy DataTree that reads the JP2 files themselves.

    A slice reads the byte ranges of the JP2 tiles that it meets and decodes them here; nothing else
    is read. Groups, variables and attributes are those of :meth:`Client.search`, of the whole tile.

    Args:
        path: ``FILE.json`` or ``DIR.parq``, a path or any URL that fsspec opens.
        mask_and_scale: whether fill becomes not-a-number, in floating point. By default pixels are
            the raw numbers, and ``_FillValue`` and ``scale_factor`` are attributes.
        target_options: for the file system of ``path``, if it is not that of the JP2 files.
        storage_options: for the file system of the JP2 files, as
            ``endpoint_url="https://eodata.dataspace.copernicus.eu"`` of s3fs.

    Raises:
        ImportError: the extra ``references`` is not installed.
    """
    try:
        import fsspec
        import numcodecs
        from fsspec.implementations.reference import LazyReferenceMapper, ReferenceFileSystem
        from zarr.storage import FsspecStore
    except ImportError as error:
        raise ImportError(_EXTRA.format(name=error.name)) from error

    from ._codec import Jp2TileCodec

    # The entry point does this in an installed package.
    numcodecs.register_codec(Jp2TileCodec)
    own = storage_options if target_options is None else target_options
    protocol, _ = fsspec.core.split_protocol(os.fspath(path))
    files, root = fsspec.core.url_to_fs(os.fspath(path), **(own if protocol else {}))
    if root.endswith(".json"):
        references = json.loads(files.cat_file(root))
    else:
        # The default engine, fastparquet, is not among what this package needs.
        references = LazyReferenceMapper(root.rstrip("/"), fs=files, engine="pyarrow")
    reference_fs = ReferenceFileSystem(references, fs={}, asynchronous=True)
    reference_fs.fss = _Targets(storage_options)
    store = FsspecStore(reference_fs, read_only=True, path="")
    # `chunks=None` is the lazy indexing of xarray itself, without dask.
    tree = xr.open_datatree(
        store,  # type: ignore[arg-type]
        engine="zarr",
        chunks=None,
        consolidated=True,
        mask_and_scale=mask_and_scale,
    )
    groups = {
        node.path: _described(node.to_dataset(inherit=False), raw=not mask_and_scale)
        for node in tree.subtree
    }
    return xr.DataTree.from_dict(groups, name=tree.name)


def _described(dataset: xr.Dataset, *, raw: bool) -> xr.Dataset:
    """Adds the attributes that :meth:`Client.search` makes of what is known as well."""
    for name in dataset.data_vars:
        attrs = dataset[name].attrs
        if {"proj:transform", "proj:shape", "proj:epsg"} <= attrs.keys():
            rows, width = attrs["proj:shape"]
            attrs |= _crs.place(attrs["proj:epsg"], attrs["proj:transform"], rows, width)
        offsets = dataset.coords.get(f"{name}_offset")
        if raw and offsets is not None:
            attrs["radiometry"] = "raw"
            _radiometry.settle(attrs, offsets.values.astype(np.float32))
    return dataset


class _Targets(dict[Any, Any]):
    """File systems by protocol, opened when a reference names one. All calls are asynchronous, as
    zarr 3 wants them, also where a file system has none of its own."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        self._options = options

    def __missing__(self, protocol: str | None) -> Any:
        import fsspec
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

        kind = fsspec.get_filesystem_class(protocol or "file")
        if kind.async_impl:
            self[protocol] = kind(**self._options, asynchronous=True)
        else:
            self[protocol] = AsyncFileSystemWrapper(kind(**self._options), asynchronous=True)
        return self[protocol]
