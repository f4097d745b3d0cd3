"""What a request will cost and give."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ._errors import ProtocolError
from ._result import Missing

# proto3 JSON writes 64 bit integers as strings.
_INTEGERS = (
    "time_steps",
    "jp2_tiles",
    "requests",
    "bytes",
    "header_requests",
    "assets_without_index",
    "estimated_requests",
    "estimated_bytes",
    "row_blocks",
    "mask_requests",
    "mask_bytes",
)


class Plan(Mapping[str, Any]):
    """A server's plan of a cube: what reading it takes. Nothing has been read.

    Its keys are also attributes:

    - ``time_steps``, ``matched_ids``, ``missing``, ``shapes`` (rows and columns in pixels by EOPF
      path), ``row_blocks`` (messages of a step)
    - ``jp2_tiles`` to decode; ``requests`` for pixels and their ``bytes``, ``header_requests``
      beside them; ``mask_requests`` and ``mask_bytes``, those that tell which pixels are valid
    - ``assets_without_index``, which are looked into while reading; ``estimated_requests`` and
      ``estimated_bytes`` for these
    - ``estimated_seconds`` of reading by the server, all requests included
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"a plan has no {name}")
        return self._values[name]

    def _lines(self) -> list[tuple[str, str]]:
        lines = [("time steps", f"{self.time_steps} of {len(self.matched_ids)} products")]
        for path, (rows, columns) in self.shapes.items():
            lines.append((path, f"{rows} x {columns} pixels"))
        requests = self.requests + self.header_requests
        lines.append(("to read", f"{requests} requests, {_size(self.bytes)}"))
        lines.append(("to decode", f"{self.jp2_tiles} JP2 tiles"))
        if self.assets_without_index:
            lines.append(
                (
                    "without index",
                    f"{self.assets_without_index} assets, about {self.estimated_requests} "
                    f"requests, {_size(self.estimated_bytes)} more",
                )
            )
        lines.append(("estimated time", f"{self.estimated_seconds:.2g} s of reading"))
        if self.missing:
            lines.append(("missing", f"{len(self.missing)} products: {_reasons(self.missing)}"))
        return lines

    def __repr__(self) -> str:
        lines = self._lines()
        width = max(len(name) for name, _ in lines)
        return "<cubeflight.Plan>\n" + "\n".join(
            f"  {name:{width}}  {text}" for name, text in lines
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self._lines()
        )
        return f"<table><caption>cubeflight.Plan</caption>{rows}</table>"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"


def _reasons(missing: list[Missing]) -> str:
    counts: dict[str, int] = {}
    for product in missing:
        counts[product.code] = counts.get(product.code, 0) + 1
    return ", ".join(f"{count} {code}" for code, count in sorted(counts.items()))


def decode(payload: bytes) -> Plan:
    """A PlanSummary with snake_case names; fields that proto3 JSON leaves out get their zero."""
    try:
        raw = json.loads(payload) if payload else {}
    except ValueError as error:
        raise ProtocolError(f"the plan summary is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise ProtocolError("the plan summary is not a JSON object")
    plan: dict[str, Any] = {key: 0 for key in sorted(_INTEGERS)}
    plan |= {"estimated_seconds": 0.0, "matched_ids": [], "missing": [], "shapes": {}}
    try:
        for key, value in raw.items():
            name = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
            plan[name] = int(value) if name in _INTEGERS else value
        plan["estimated_seconds"] = float(plan["estimated_seconds"])
        plan["missing"] = [
            Missing(item.get("id", ""), item.get("code", ""), item.get("reason", ""))
            for item in plan["missing"]
        ]
        plan["shapes"] = {
            item["path"]: [int(item.get("height", 0)), int(item.get("width", 0))]
            for item in plan["shapes"] or ()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProtocolError(f"the plan summary is not understood: {error!r}") from error
    return Plan(plan)
