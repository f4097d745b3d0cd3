"""Where the server is and who asks: arguments, then the environment, then a file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_KEYS = ("url", "token", "tenant")
_MOST_BYTES = 64 * 1024


class Settings(NamedTuple):
    """What a connection needs to know."""

    urls: tuple[str, ...]
    token: str | None
    tenant: str | None


def settings(
    url: str | list[str] | tuple[str, ...] | None,
    token: str | None,
    tenant: str | None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """The arguments; what is None comes from ``CUBEFLIGHT_URL``, ``CUBEFLIGHT_TOKEN`` and
    ``CUBEFLIGHT_TENANT``, then from the file that ``CUBEFLIGHT_CONFIG`` names, by default
    ``cubeflight/config.toml`` in ``XDG_CONFIG_HOME`` (``~/.config``).

    A token is never sent to a server that something else than its own source names: with `url`
    given, or from the environment, the file's token is not used.

    Raises:
        ValueError: no server is named, or the file is not understood.
    """
    given: dict[str, str | None] = {
        "url": ",".join(url) if isinstance(url, list | tuple) else url,
        "token": token,
        "tenant": tenant,
    }
    for key in _KEYS:
        if given[key] is None:
            given[key] = environment.get(f"CUBEFLIGHT_{key.upper()}") or None
    if given["url"] is None:
        filed = _file(environment)
        given = {key: filed.get(key) if given[key] is None else given[key] for key in _KEYS}
    urls = tuple(part.strip() for part in (given["url"] or "").split(",") if part.strip())
    if not urls:
        raise ValueError(
            "no server is named: give connect() a url, set CUBEFLIGHT_URL, or write "
            f'url = "grpc://host:port" into {_path(environment)}'
        )
    return Settings(urls, given["token"], given["tenant"])


def _path(environment: Mapping[str, str]) -> Path:
    if named := environment.get("CUBEFLIGHT_CONFIG"):
        return Path(named)
    home = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "cubeflight" / "config.toml"


def _file(environment: Mapping[str, str]) -> dict[str, str]:
    path = _path(environment)
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        if "CUBEFLIGHT_CONFIG" in environment:
            raise ValueError(f"CUBEFLIGHT_CONFIG names {path}, which is not there") from None
        return {}
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{path} is larger than {_MOST_BYTES} bytes")
    try:
        table = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    unknown = table.keys() - set(_KEYS)
    if unknown or not all(isinstance(value, str) and value for value in table.values()):
        raise ValueError(f"{path} may hold {', '.join(_KEYS)}, each a text; found {sorted(table)}")
    return table
