"""What a search gives back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from . import _flat, _overview, _progress, _radiometry
from ._builder import Builder
from ._connection import retryable
from ._errors import ProtocolError, Unavailable
from ._plan import Plan
from ._result import Missing, StepError
from ._streams import batches, fill, micros, remaining
from ._windows import WindowsBuilder

if TYPE_CHECKING:
    from ._opened import Opened


class Cube:
    """A cube: what is known of it, and its pixels, which are read where they are looked at.

    Attributes:
        tile: the MGRS tile.
        other_tiles: tiles that the geometry of the search lies in as well.
        matched_ids: products that the cube is made of, in time order.
        missing: products that matched but are left out, each with a code and a reason.
        errors: assets that could not be read, each with the time step it leaves empty, as
            :meth:`load` found them.
    """

    def __init__(
        self,
        plan: Plan,
        tile: str,
        opened: Opened | None,
        *,
        tree: xr.DataTree | None = None,
        errors: list[StepError] | None = None,
        other_tiles: tuple[str, ...] = (),
        geometry: Any = None,
    ) -> None:
        self.tile = tile
        self.other_tiles = other_tiles
        self.geometry = geometry
        self.matched_ids: list[str] = list(plan.matched_ids)
        self.missing: list[Missing] = list(plan.missing)
        self.errors: list[StepError] = errors or []
        self._plan = plan
        self._opened = opened
        self._tree = tree
        self._loaded = tree is not None
        self._warned = False

    @property
    def datatree(self) -> xr.DataTree:
        """The cube in EOPF groups: lazy, or after :meth:`load` in memory.

        Each variable is (time, [band,] y, x) with the dtype of the stream; ``time`` is the datatake
        start (UTC), ``y`` and ``x`` are pixel centres in metres of the tile's UTM zone, and what is
        known of each step is a coordinate on ``time``.
        """
        if self._tree is None:
            assert self._opened is not None
            self._tree, steps = self._opened.tree()
            self._warn(steps.mixed_offsets())
        return self._tree

    def dataset(
        self,
        group: str | None = None,
        *,
        resolution: float | None = None,
        resampling: str = "nearest",
    ) -> xr.Dataset:
        """The cube as one Dataset, as lazy as :attr:`datatree` is.

        Args:
            group: ``"r10m"`` for all variables of the groups of that name, or an EOPF path such as
                ``"measurements/reflectance/r10m"``.
            resolution: instead of a group, all variables on the grid of this pixel size in metres.
                A name that several groups have gets as much of its path as tells them apart,
                ``b02_r60m`` say.
            resampling: ``"nearest"``: each pixel of the grid takes that which its centre lies in.

        Raises:
            KeyError: there is no such group.
            ValueError: neither or both of group and resolution are given, or another resampling.
        """
        if (group is None) == (resolution is None):
            raise ValueError('give a group, "r10m" say, or resolution=10')
        if group is not None:
            return _flat.of_group(self.datatree, group)
        assert resolution is not None
        return _flat.at_resolution(self.datatree, resolution, resampling)

    def plan(self) -> Plan:
        """What reading the whole cube takes: requests, bytes, tiles, estimated time."""
        return self._plan

    def load(self, progress: bool = False) -> Cube:
        """Reads the cube into memory, each band in one contiguous array, and returns it.

        All bands and steps come in few streams, which is much faster than one by one. Where a
        stream breaks it is taken up at the steps that are missing.

        Args:
            progress: show a bar of time steps (needs tqdm: ``pip install 'cubeflight[progress]'``).

        Raises:
            CubeflightError: a subclass by what went wrong, with the server's code.
        """
        if self._loaded:
            return self
        assert self._opened is not None
        opened = self._opened
        info = opened.fresh_info()
        builder = Builder(info.schema, opened.steps, self.matched_ids)
        with _progress.counted(builder, opened.steps, progress) as sink:
            fill(opened.connection, opened.request, info.endpoints, sink, opened.timeout)
        arrays, steps, self.errors = builder.take()
        self._tree, self._loaded = steps.tree(arrays), True
        self._warn(steps.mixed_offsets())
        return self

    def iter_steps(self) -> Iterator[xr.DataTree]:
        """The time steps one by one in memory, as trees whose ``time`` has length 1; no more than
        one is held. Where the stream breaks it is taken up at the next step.

        Raises:
            CubeflightError: a subclass by what went wrong, with the server's code.
        """
        if self._loaded:
            tree = self.datatree
            for step in range(self._plan.time_steps):
                yield tree.map_over_datasets(_step, kwargs={"step": step})
            return
        assert self._opened is not None
        yield from self._stream(self._opened)

    def _stream(self, opened: Opened) -> Iterator[xr.DataTree]:
        request = opened.request | {"ordered": True}
        endpoints = opened.connection.info(request, opened.timeout).endpoints
        done: set[int] = set()
        tries = 0
        while True:
            before, building = len(done), dict[int, Builder]()
            try:
                for batch in batches(opened.connection, endpoints, opened.timeout):
                    for row in range(batch.num_rows):
                        part = batch.slice(row, 1)
                        time = part.column("time").cast("int64")[0].as_py()
                        if time not in building:
                            ids = part.column("product_ids")[0].as_py()
                            building[time] = Builder(part.schema, 1, ids)
                        building[time].add(part)
                        if building[time].incomplete() is None:
                            tree, _ = building.pop(time).finish()
                            done.add(time)
                            yield tree
                if len(done) < self._plan.time_steps:
                    raise Unavailable("the stream ended before all time steps had come")
                return
            except Unavailable as error:
                tries = 0 if len(done) > before else tries + 1
                retries = opened.connection.retries
                if tries > retries or not retries or not retryable(error):
                    raise
                opened.connection.pause(tries, error)
                rest = remaining(opened.connection, opened.request, done, opened.timeout)
                if not rest:
                    return
                again = request | {"times": sorted(rest, key=micros)}
                endpoints = opened.connection.info(again, opened.timeout).endpoints

    def reflectance(self) -> xr.DataTree:
        """The cube with its reflectance bands as float32 reflectance, NaN where there is no data.
        Dask arrays stay lazy.

        Raw digital numbers become what ``radiometry="reflectance"`` would have given: each time
        step with its own offset. Harmonised ones do as well, but cannot be below 0.0001. Other
        variables are those of :attr:`datatree`, not copies.

        Raises:
            ValueError: the offset of a time step is not known.
        """
        return _radiometry.reflectance(self.datatree)

    @property
    def loaded(self) -> bool:
        """Whether the pixels are in memory."""
        return self._loaded

    def plot_overview(
        self, band: str | Sequence[str] | None = None, *, columns: int | None = None
    ) -> Any:
        """A contact sheet: a small picture of each time step with its date and cloud cover.

        A lazy cube is read at a reduced resolution, which takes a small part of its bytes. One
        stretch holds for all steps, so that they may be compared; fill is white.

        Args:
            band: a variable, ``"b08"`` or ``"scl"`` say, or three for red, green and blue; None for
                a colour image where the bands make one.
            columns: pictures in a row.

        Returns:
            A ``matplotlib.figure.Figure``; of more than 200 steps it has every 2nd, 3rd, ...

        Raises:
            ImportError: matplotlib is not installed (``pip install 'cubeflight[plot]'``).
            KeyError: the cube has no such variable.
        """
        return _overview.overview(self, band, columns)

    def _warn(self, note: str | None) -> None:
        if note and not self._warned:
            self._warned = True
            warnings.warn(note, _radiometry.RadiometryWarning, stacklevel=3)

    def _headline(self) -> str:
        state = "in memory" if self._loaded else "lazy"
        text = (
            f"<cubeflight.Cube {self.tile}, {state}: {self._plan.time_steps} time steps, "
            f"{len(self.matched_ids)} products, {len(self.missing)} missing"
        )
        return f"{text}, {len(self.errors)} unreadable assets>" if self.errors else f"{text}>"

    def __repr__(self) -> str:
        if self._tree is None:
            return f"{self._headline()}\n{self._plan!r}"
        return f"{self._headline()}\n{self._tree!r}"

    def _repr_html_(self) -> str:
        head = self._headline().replace("<", "&lt;").replace(">", "&gt;")
        tree = "" if self._tree is None else str(self._tree._repr_html_())  # type: ignore[no-untyped-call]
        return f"<div><p>{head}</p>{self._plan._repr_html_()}{tree}</div>"


def _step(dataset: xr.Dataset, step: int) -> xr.Dataset:
    return dataset.isel(time=slice(step, step + 1)) if "time" in dataset.dims else dataset


class Cubes:
    """The cubes of several windows, read as one plan when one of them is looked at.

    Attributes:
        tile: the MGRS tile.
        other_tiles: tiles that all geometries of the search lie in as well.
        matched_ids: products that the cubes are made of, in time order.
        missing: products that matched but are left out, each with a code and a reason.
    """

    def __init__(
        self,
        plan: Plan,
        tile: str,
        opened: Opened,
        *,
        other_tiles: tuple[str, ...] = (),
        geometries: list[Any] | None = None,
    ) -> None:
        self.tile = tile
        self.other_tiles = other_tiles
        self.matched_ids: list[str] = list(plan.matched_ids)
        self.missing: list[Missing] = list(plan.missing)
        self._plan = plan
        self._opened = opened
        self._geometries = geometries
        self._cubes: list[Cube] | None = None

    @property
    def cubes(self) -> list[Cube]:
        """For each window, in the order of the request, what a search for it alone gives, read."""
        self.load()
        assert self._cubes is not None
        return self._cubes

    @property
    def errors(self) -> list[StepError]:
        """Those of all cubes, each once."""
        return list(dict.fromkeys(error for cube in self.cubes for error in cube.errors))

    def __len__(self) -> int:
        return len(self._opened.request["windows"])

    def __iter__(self) -> Iterator[Cube]:
        return iter(self.cubes)

    def __getitem__(self, number: int) -> Cube:
        return self.cubes[number]

    def plan(self) -> Plan:
        """What reading all windows takes."""
        return self._plan

    def load(self, progress: bool = False) -> Cubes:
        """Reads all cubes into memory, bytes that several of them need once, and returns them.

        Args:
            progress: show a bar of time steps (needs tqdm).

        Raises:
            CubeflightError: a subclass by what went wrong, with the server's code.
        """
        if self._cubes is not None:
            return self
        opened = self._opened
        info = opened.fresh_info()
        builder = WindowsBuilder(info.schema, opened.steps, self.matched_ids)
        with _progress.counted(builder, opened.steps, progress) as sink:
            fill(opened.connection, opened.request, info.endpoints, sink, opened.timeout)
        geometries = self._geometries or [None] * len(self)
        taken = builder.take()
        if len(taken) != len(self):
            raise ProtocolError(f"the stream has {len(taken)} windows, {len(self)} were asked for")
        self._cubes = [
            Cube(self._plan, self.tile, None, tree=tree, errors=errors, geometry=geometry)
            for (tree, errors, _), geometry in zip(taken, geometries, strict=True)
        ]
        if note := next(filter(None, (note for _, _, note in taken)), None):
            warnings.warn(note, _radiometry.RadiometryWarning, stacklevel=2)
        return self

    def __repr__(self) -> str:
        return (
            f"<cubeflight.Cubes {self.tile}: {len(self)} windows, {self._plan.time_steps} time "
            f"steps, {len(self.matched_ids)} products, {len(self.missing)} missing>"
        )
