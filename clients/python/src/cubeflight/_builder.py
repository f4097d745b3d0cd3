"""From record batches to arrays, and to a DataTree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import xarray as xr

from ._errors import IncompleteStream, ProtocolError
from ._result import StepError
from ._schema import Column, columns
from ._tree import Steps


class Builder:
    """Copies the stream into arrays that are allocated once.

    Rows may arrive in any order. Each is copied from the Arrow buffer to its place, which its time
    and row-block tell, and let go, so memory is the cube and one message.

    With `window`, the columns of one window of a list, all rows are of that window.
    """

    def __init__(
        self,
        schema: pa.Schema,
        steps: int,
        matched_ids: Iterable[str] = (),
        window: list[Column] | None = None,
    ) -> None:
        self._schema = schema
        self._columns = columns(schema) if window is None else window
        self._of_window = window is not None
        self._steps = steps
        self._matched = list(matched_ids)
        self._blocks = max(column.blocks for column in self._columns)
        self._seen = np.zeros((steps, self._blocks), dtype=bool)
        self._index: dict[int, int] = {}
        self._rows: list[dict[str, Any]] = []
        self._arrays = [
            np.empty((steps, *column.shape), dtype=column.dtype) for column in self._columns
        ]
        names = schema.names
        for required in ("time", "block"):
            if required not in names:
                raise ProtocolError(f"the stream has no column {required}")
        tensors = {column.index for column in self._columns}
        self._metadata = [
            (name, index)
            for index, name in enumerate(names)
            if index not in tensors and name not in ("time", "block")
        ]

    @property
    def blocks(self) -> int:
        """Row-blocks of a time step."""
        return self._blocks

    def add(self, batch: pa.RecordBatch | None) -> None:
        """Takes one message; those without rows only keep the connection alive."""
        if batch is None or batch.num_rows == 0:
            return
        times = batch.column("time").cast(pa.int64()).to_pylist()
        blocks = [0] * len(times) if self._of_window else batch.column("block").to_pylist()
        targets = [self._target(time, block) for time, block in zip(times, blocks, strict=True)]
        for row, (step, block) in enumerate(targets):
            self._describe(batch, row, step, block)
        skipped = {step for step, _ in targets if self._rows[step].get("status") == "skipped"}
        for step in skipped:  # one row stands for all row-blocks
            for column, array in zip(self._columns, self._arrays, strict=True):
                array[step] = np.nan if column.dtype.kind == "f" else 0
            self._seen[step] = True
        if len(skipped) == len({step for step, _ in targets}):
            return
        for column, array in zip(self._columns, self._arrays, strict=True):
            values = _values(batch.column(column.index), column, len(targets))
            for row, (step, block) in enumerate(targets):
                first = block * column.block_rows
                rows = min(column.block_rows, column.shape[-2] - first)
                width = column.shape[-1]
                if rows > 0:  # the rest of the last block, or around a window, is padding
                    array[step, ..., first : first + rows, :] = values[row, ..., :rows, :width]
        for step, block in targets:
            self._seen[step, block] = True

    def _target(self, time: int, block: int) -> tuple[int, int]:
        step = self._index.setdefault(time, len(self._index))
        if step >= self._steps:
            raise ProtocolError(f"more time steps than the {self._steps} that were announced")
        if block >= self._blocks:
            raise ProtocolError(f"row-block {block} of {self._blocks}")
        if self._seen[step, block]:
            raise ProtocolError(f"row-block {block} of {np.datetime64(time, 'us')} came twice")
        return step, block

    def _describe(self, batch: pa.RecordBatch, row: int, step: int, block: int) -> None:
        values = {name: batch.column(index)[row].as_py() for name, index in self._metadata}
        if step == len(self._rows):
            self._rows.append(values)
            return
        known = self._rows[step]
        # Row-blocks are written as they are decoded: a later one may know more than the first.
        for error in values.get("errors") or ():
            if error not in known["errors"]:
                known["errors"].append(error)
        if "status" in values and values["status"] != known["status"]:
            known["status"] = "partial"
        for name, value in values.items():
            if known[name] is None:
                known[name] = value

    def arrived(self) -> set[int]:
        """Times of the complete steps, microseconds since 1970."""
        complete = np.all(self._seen, axis=1)
        return {time for time, step in self._index.items() if complete[step]}

    def forget(self) -> None:
        """Forgets what came of steps that are not complete, so that it may come again."""
        self.keep(self.arrived())

    def keep(self, times: set[int]) -> None:
        """Forgets what came of other steps than those of these times."""
        for time, step in self._index.items():
            if time not in times:
                self._seen[step] = False

    def finish(self) -> tuple[xr.DataTree, list[StepError]]:
        """The cube, or the error that says which steps did not arrive."""
        arrays, steps, errors = self.take()
        return steps.tree(arrays), errors

    def take(self) -> tuple[list[np.ndarray[Any, Any]], Steps, list[StepError]]:
        """The pixels (time, [band,] y, x) column by column, in time order, and what is known of the
        steps."""
        if error := self.incomplete():
            raise error
        self._sort()
        times = np.array(list(self._index), dtype="datetime64[us]")
        names = [name for name, _ in self._metadata]
        steps = Steps(self._schema, self._columns, times, self._rows, names, self._matched)
        return self._arrays, steps, step_errors(times, self._rows)

    def _sort(self) -> None:
        """Brings the steps, which stand as they arrived, into time order; step by step, so that
        nothing is held twice."""
        order = sorted(self._index)
        if order == list(self._index):
            return
        source = [self._index[time] for time in order]  # where the step of each place stands
        self._rows = [self._rows[step] for step in source]
        moved = [False] * len(source)
        for start in range(len(source)):
            if moved[start] or source[start] == start:
                continue
            # a cycle of the permutation: its first step is put aside, the others move up
            aside = [array[start].copy() for array in self._arrays]
            place = start
            while source[place] != start:
                for array in self._arrays:
                    array[place] = array[source[place]]
                moved[place] = True
                place = source[place]
            moved[place] = True
            for array, step in zip(self._arrays, aside, strict=True):
                array[place] = step
        self._index = {time: place for place, time in enumerate(order)}

    def incomplete(self) -> IncompleteStream | None:
        """The error that names the steps that did not arrive, if any."""
        complete: np.ndarray[Any, Any] = np.all(self._seen, axis=1)
        if complete.all():
            return None
        arrived = {
            str(np.datetime64(time, "us").astype("datetime64[s]"))
            for time, step in self._index.items()
            if complete[step]
        }
        expected = sorted({start for start in map(_datatake_start, self._matched) if start})
        missing = tuple(start for start in expected if start not in arrived)
        lacking = int((~complete).sum())
        if len(missing) != lacking:  # solar days, say: the ids do not tell the steps apart
            missing = ()
        named = f": {', '.join(missing)}" if missing else ""
        error = IncompleteStream(
            f"the stream ended early, {lacking} of {self._steps} time steps are missing{named}"
        )
        error.missing_steps = missing
        return error


def step_errors(times: np.ndarray[Any, Any], rows: Sequence[Mapping[str, Any]]) -> list[StepError]:
    """The errors of all steps, in their order."""
    return [
        StepError(
            time,
            error.get("column") or "",
            error.get("product_id") or "",
            error.get("code") or "",
            error.get("message") or "",
        )
        for time, row in zip(times, rows, strict=True)
        for error in row.get("errors") or ()
    ]


def _values(array: pa.Array, column: Column, rows: int) -> np.ndarray[Any, Any]:
    """The pixels of a message, without a copy: (row, [band,] y, x)."""
    storage = array.storage
    if storage.null_count:
        raise ProtocolError(f"column {column.path} has null rows")
    flat = storage.flatten()
    if flat.null_count:
        raise ProtocolError(f"column {column.path} has null pixels")
    values: np.ndarray[Any, Any] = flat.to_numpy(zero_copy_only=True)
    return values.reshape(rows, *column.block)


def _datatake_start(product_id: str) -> str | None:
    """The third part of a product id as "2022-10-05T11:54:11"."""
    parts = product_id.split("_")
    if len(parts) < 3 or len(parts[2]) != 15 or parts[2][8] != "T":
        return None
    day, clock = parts[2].split("T")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}"
