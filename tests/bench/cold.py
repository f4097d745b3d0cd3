"""A year over the seed's window with an empty index, against the limits of CDSE: what it costs the
first time, and the second.

    make build && .venv/bin/python tests/bench/cold.py [--steps 90] [--archive DIR]

Prints one JSON document. Requests are those that the store logged.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.flight as fl

sys.path.insert(0, str(Path(__file__).parent.parent))

from blackbox import cli, serving_urls
from test_archive import SEED, TILE, archive
from test_s3 import KEYS, s3

BANDS = ("B08", "B11", "SCL")
# SOT markers in a step of these bands.
CHAIN = 121 + 81 + 81
CDSE = ("--profile", "cdse")
REQUEST = {
    "tile": TILE,
    "bands": list(BANDS),
    "bounds": dict(zip(("minX", "minY", "maxX", "maxY"), SEED, strict=True)),
}


def pull(address: str) -> dict[str, Any]:
    """Reads the cube batch by batch: times in seconds, and the pixels of all steps."""
    start = time.monotonic()
    steps, arrivals = [], []
    with fl.FlightClient(address) as client:
        info = client.get_flight_info(fl.FlightDescriptor.for_command(json.dumps(REQUEST).encode()))
        planned = time.monotonic() - start
        for chunk in client.do_get(info.endpoints[0].ticket):
            if chunk.data.num_rows == 0:  # a sign of life
                continue
            arrivals.append(time.monotonic() - start)
            assert chunk.data.column("status").to_pylist() == ["ok"]
            steps.append(
                {
                    name: chunk.data.column(name).storage.flatten().to_numpy()
                    for name in chunk.data.schema.names
                    if name.startswith(("measurements/", "conditions/"))
                }
            )
    return {
        "planned": planned,
        "first": arrivals[0],
        "total": arrivals[-1],
        "steps": steps,
        "plan": json.loads(info.app_metadata),
    }


def written_back(address: str) -> None:
    """Waits until the index has what the server has learnt: it is written beside the stream."""
    command = fl.FlightDescriptor.for_command(json.dumps(REQUEST).encode())
    end = time.monotonic() + 120
    with fl.FlightClient(address) as client:
        while json.loads(client.get_flight_info(command).app_metadata).get("assetsWithoutIndex"):
            assert time.monotonic() < end, "nothing was written into the index"
            time.sleep(0.05)


def requests(log: Path, skip: int) -> tuple[int, Counter[str], int]:
    """Lines of the log so far; those after the first `skip` by status, and their bytes."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    fresh = lines[skip:]
    by_status = Counter(f"{line['operation']} {line['status']}" for line in fresh)
    return len(lines), by_status, sum(line["bytes"] for line in fresh)


def measure(
    root: Path,
    scratch: Path,
    steps: int,
    profile: tuple[str, ...] = CDSE,
    max_whole_read: int | None = None,
) -> dict:
    """Cold and warm runs over an archive; the pixels of all must be those of a full index."""
    log, index = scratch / "requests.jsonl", scratch / "index"
    result: dict[str, Any] = {"steps": steps, "sot_walk": steps * CHAIN, "profile": profile[-1]}
    options = ["--store-profile", "cdse"] if profile == CDSE else []
    # what the index saves is measured, not what a cache does
    options += ["--catalog", (root / "stac").as_uri(), "--cache-memory", "0"]
    # runs are compared, so that reads are planned alike whatever the server measures meanwhile
    options += ["--read-cost", "0.015,20000000"]
    if max_whole_read is not None:
        options += ["--max-whole-read", str(max_whole_read)]
        result["max_whole_read"] = max_whole_read
    pixels = {}
    with ExitStack() as stack:
        _, endpoint = stack.enter_context(s3(root, "--log", log, *profile))
        extra = {"AWS_ENDPOINT_URL": endpoint, **KEYS}
        seen = 0
        for name in ("cold", "again", "restarted"):
            if name != "again":
                # the second server knows only what the first one wrote into the index
                server = ExitStack()
                address = server.enter_context(
                    serving_urls(
                        "s3://eodata", index.as_uri(), scratch / "serve.log", extra, options
                    )
                )
            run = pull(address)
            if name == "cold":
                written_back(address)
            else:
                server.close()
            seen, by_status, size = requests(log, seen)
            pixels[name] = run["steps"]
            result[name] = {
                "requests": sum(by_status.values()),
                "by_status": dict(by_status),
                "share_of_sot_walk": round(sum(by_status.values()) / (steps * CHAIN), 4),
                "megabytes": round(size / 1e6, 1),
                "plan_seconds": round(run["planned"], 2),
                "first_step_seconds": round(run["first"], 2),
                "total_seconds": round(run["total"], 2),
                "assets_without_index": run["plan"].get("assetsWithoutIndex", 0),
            }
            assert len(run["steps"]) == steps
    expected = indexed(root, scratch)
    for name, found in pixels.items():
        for number, (step, right) in enumerate(zip(found, expected, strict=True)):
            assert step.keys() == right.keys()
            for band, values in step.items():
                assert np.array_equal(values, right[band]), (name, number, band)
    return result


def indexed(root: Path, scratch: Path) -> list[dict[str, np.ndarray]]:
    """The pixels of the same request, by an index that was made of whole files before."""
    index, store = scratch / "whole", root / "eodata"
    cli("index", "--store", store, "--index", index, timeout=600)
    options = ["--catalog", (root / "stac").as_uri(), "--store-alias", "s3://eodata"]
    log = scratch / "indexed.log"
    with serving_urls(store.as_uri(), index.as_uri(), log, None, options) as address:
        run = pull(address)
    assert run["plan"].get("assetsWithoutIndex", 0) == 0
    return run["steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=90)
    parser.add_argument("--archive", type=Path, help="made if it is not there")
    parser.add_argument("--profile", default="cdse")
    parser.add_argument("--max-whole-read", type=int, help="bytes up to which files are read whole")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.archive or Path(scratch) / "archive"
        if not (root / "stac").is_dir():
            archive(root, arguments.steps, ",".join(BANDS), timeout=900)
        profile = ("--profile", arguments.profile)
        found = measure(root, Path(scratch), arguments.steps, profile, arguments.max_whole_read)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
