"""Bars that tell how far a cube has come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ._errors import IncompleteStream
from ._streams import Sink


@contextmanager
def counted(sink: Sink, steps: int, show: bool) -> Iterator[Sink]:
    """The sink, or one that moves a bar of time steps in a terminal or notebook as well.

    Raises:
        ImportError: a bar is wanted and tqdm is not installed.
    """
    if not show:
        yield sink
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress bars need tqdm: pip install 'cubeflight[progress]'") from error
    with tqdm(total=steps, unit="step", desc="cubeflight") as bar:
        yield _Counting(sink, bar)


class _Counting:
    def __init__(self, sink: Sink, bar: Any) -> None:
        self._sink = sink
        self._bar = bar
        self.arrived = sink.arrived
        self.forget = sink.forget

    def add(self, batch: pa.RecordBatch) -> None:
        self._sink.add(batch)
        self._bar.update(len(self._sink.arrived()) - self._bar.n)

    def incomplete(self) -> IncompleteStream | None:
        return self._sink.incomplete()
