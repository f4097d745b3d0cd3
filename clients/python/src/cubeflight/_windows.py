"""From record batches to a DataTree for each window of a list."""

from __future__ import annotations

import pyarrow as pa

from ._cube import Builder
from ._errors import ProtocolError
from ._result import SearchResult
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

    def finish(self, plan: dict[str, object]) -> list[SearchResult]:
        """The cubes in the order of the windows, or the error that says which steps are missing."""
        cubes = []
        for builder in self._builders:
            tree, errors = builder.finish()
            matched, missing = plan["matched_ids"], plan["missing"]
            assert isinstance(matched, list) and isinstance(missing, list)
            cubes.append(SearchResult(tree, list(matched), list(missing), errors, plan))
        return cubes

    def mixed_offsets(self) -> str | None:
        """What to say where raw digital numbers are not comparable over the time steps."""
        return next(filter(None, (builder.mixed_offsets() for builder in self._builders)), None)
