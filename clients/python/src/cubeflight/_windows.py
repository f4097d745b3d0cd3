"""From record batches to a DataTree for each window of a list."""

from __future__ import annotations

import pyarrow as pa
import xarray as xr

from ._builder import Builder
from ._errors import IncompleteStream, ProtocolError
from ._result import StepError
from ._schema import columns


class WindowsBuilder:
    """Hands each row to the builder of its window: memory is all cubes and one message."""

    def __init__(self, schema: pa.Schema, steps: int, matched_ids: list[str]) -> None:
        found = columns(schema)
        counts = {len(column.windows or ()) for column in found}
        if len(counts) != 1 or 0 in counts:
            raise ProtocolError("the stream is not one of a list of windows")
        self._builders = [
            Builder(schema, steps, matched_ids, [column.window(number) for column in found])
            for number in range(counts.pop())
        ]

    def add(self, batch: pa.RecordBatch | None) -> None:
        """Takes one message; those without rows only keep the connection alive."""
        if batch is None or batch.num_rows == 0:
            return
        numbers, states = (batch.column(name).to_pylist() for name in ("block", "status"))
        for row, (number, status) in enumerate(zip(numbers, states, strict=True)):
            part = batch.slice(row, 1)
            if status == "skipped":  # one row stands for all windows
                for builder in self._builders:
                    builder.add(part)
                continue
            if number >= len(self._builders):
                raise ProtocolError(f"row-block {number} of {len(self._builders)} windows")
            self._builders[number].add(part)

    def arrived(self) -> set[int]:
        """Times of the steps that are complete in all windows, microseconds since 1970."""
        return set.intersection(*(builder.arrived() for builder in self._builders))

    def forget(self) -> None:
        """Forgets what came of steps that are not complete in all windows."""
        arrived = self.arrived()
        for builder in self._builders:
            builder.keep(arrived)

    def incomplete(self) -> IncompleteStream | None:
        """The error that names the steps that did not arrive, if any."""
        return next(filter(None, (builder.incomplete() for builder in self._builders)), None)

    def take(self) -> list[tuple[xr.DataTree, list[StepError], str | None]]:
        """For each window, in their order, its cube, the assets that could not be read, and what to
        say where raw digital numbers are not comparable over the time steps."""
        taken = []
        for builder in self._builders:
            arrays, steps, errors = builder.take()
            taken.append((steps.tree(arrays), errors, steps.mixed_offsets()))
        return taken
