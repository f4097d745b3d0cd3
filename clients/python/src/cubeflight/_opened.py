"""A request that a server has planned."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pyarrow.flight as fl
import xarray as xr

from ._connection import Connection
from ._errors import ProtocolError
from ._lazy import Source, open_tree
from ._plan import Plan, decode
from ._tree import Steps

# Of what a ticket has left before it expires, so that it does not on its way.
_MARGIN = dt.timedelta(seconds=30)


@dataclass
class Opened:
    """A request, its plan, and the tickets to read it with."""

    connection: Connection
    request: dict[str, Any]
    info: fl.FlightInfo
    plan: Plan
    chunks: Any
    timeout: float | None

    @property
    def steps(self) -> int:
        """Time steps of the cube."""
        steps: int = self.plan["time_steps"]
        if steps < 0 or (steps == 0 and self.info.total_records > 0):
            raise ProtocolError("the plan summary does not say how many time steps there are")
        return steps

    def fresh_info(self) -> fl.FlightInfo:
        """The answer of GetFlightInfo, asked for anew where its tickets have expired."""
        soon = dt.datetime.now(dt.UTC) + _MARGIN
        ends = [endpoint.expiration_time for endpoint in self.info.endpoints]
        if any(end is not None and end.as_py() < soon for end in ends):
            self.info = self.connection.info(self.request, self.timeout)
        return self.info

    def narrowed(self, changes: dict[str, Any]) -> Opened:
        """A request for some of the same cube, without dask."""
        request = self.request | changes
        info = self.connection.info(request, self.timeout)
        plan = decode(info.app_metadata)
        return Opened(self.connection, request, info, plan, None, self.timeout)

    def tree(self) -> tuple[xr.DataTree, Steps]:
        """The lazy cube, and its time steps."""
        source = Source(self.connection, self.request, self.timeout)
        found = self.connection.explain(self.request, self.timeout) if self.steps else []
        return open_tree(source, self.info.schema, found, self.plan.matched_ids, self.chunks)
