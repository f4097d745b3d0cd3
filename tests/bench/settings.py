"""The settings of the contestants: for each the best that its users can know, by profile."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from .cases import GDAL, GDAL_TLM, ODC, OURS, SEED_WAY, Case

MODULES = {SEED_WAY: "seed", GDAL_TLM: "gdal", GDAL: "gdal", ODC: "odc", OURS: "ours"}

# What GDAL needs for any store of this kind. With 403 and 429 in the list it asks again where the
# store refuses for load.
GDAL_BASE = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "AWS_VIRTUAL_HOSTING": "FALSE",
    "GDAL_HTTP_MAX_RETRY": "50",
    "GDAL_HTTP_RETRY_DELAY": "0.1",
    "GDAL_HTTP_RETRY_CODES": "403,429,500,502,503,504",
    # the default of 16 MB is too small for threads side by side: chunks are fetched twice
    "CPL_VSIL_CURL_CACHE_SIZE": "134217728",
}
# Fewer and longer reads for tiles side by side (docs/tlm-tools.md).
GDAL_ROW = {"CPL_VSIL_CURL_CHUNK_SIZE": "1048576"}


def cores() -> int:
    """Of this machine, for this process."""
    return len(os.sched_getaffinity(0))


def of(contestant: str, case: Case, profile: str) -> dict[str, Any]:
    """Module, threads, connections (0: any number), bucket and environment of a contestant."""
    found: dict[str, Any] = {
        "module": MODULES[contestant],
        "threads": 32 if contestant == SEED_WAY else _threads(profile),
        "connections": 4 if profile == "cdse" else 0,
        "bucket": "tlm" if contestant in (GDAL_TLM, ODC) else "eodata",
        "environment": {},
    }
    if contestant in (GDAL_TLM, GDAL, ODC):
        environment = dict(GDAL_BASE)
        # files side by side, but where there is one file only, its tiles
        alone = case.steps * len(case.assets) == 1
        tiles = str(_threads(profile)) if alone else "1"
        environment["GDAL_NUM_THREADS"] = tiles
        if profile == "cdse" and contestant != GDAL and not case.reduce:
            environment |= GDAL_ROW
        found["environment"] = environment
    return found


def endpoint(contestant: str, url: str) -> dict[str, str]:
    """How GDAL is told of the store."""
    if contestant not in (GDAL_TLM, GDAL, ODC):
        return {}
    return {"AWS_S3_ENDPOINT": urlsplit(url).netloc, "AWS_HTTPS": "NO"}


def _threads(profile: str) -> int:
    """Of readers that fetch and decode in one thread: as many as the store gives connections to,
    and never fewer than keep the processors busy."""
    return {"local": max(4, cores()), "cdse": 4, "wan": 16}[profile]


def server_flags(case: Case, profile: str) -> tuple[str, ...]:
    """Of the cubeflight server."""
    return (("--store-profile", "cdse") if profile == "cdse" else ()) + case.flags


def told() -> list[str]:
    """The settings in words, for the page."""
    plain = ", ".join(f"`{key}={value}`" for key, value in GDAL_BASE.items())
    row = ", ".join(f"`{key}={value}`" for key, value in GDAL_ROW.items())
    local, wan = _threads("local"), _threads("wan")
    texts = (
        f"""**{SEED_WAY}**: obstore, 32 threads; table of tile-parts from `cubeflight tlm export`;
        one request for the header of each file, one for each JP2 tile; imagecodecs decodes whole
        JP2 tiles. Refusals for load are asked again after 0.1 to 0.5 s; in `cdse` no more than 4
        requests at a time, as its credential allows.""",
        f"""**{GDAL_TLM}** and **{GDAL}**: rasterio windows through `/vsis3/`, files side by side
        in {local} threads (`local`), 4 (`cdse`), {wan} (`wan`); files with a TLM by `cubeflight
        tlm inject`, and as they are. {plain}. Where a case has one file only, `GDAL_NUM_THREADS`
        is that number of threads, else 1. In `cdse` with TLM besides {row}: fewer requests.""",
        f"""**{ODC}**: `odc.stac.load` of the items of the archive onto the grid of the files, one
        chunk a date, dask's threads as many as GDAL's above, and GDAL's settings; files with a
        TLM.""",
        f"""**{OURS}**: `cubeflight serve` with its defaults, in `cdse` with `--store-profile
        cdse`, and the Python client. Its CPU is that of both. Indexed with packet lengths
        (`cubeflight index`).""",
    )
    return [words(text) for text in texts]


def words(text: str) -> str:
    """Without its line breaks."""
    return " ".join(text.split())
