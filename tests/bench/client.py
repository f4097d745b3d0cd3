"""What the Python client adds to a bare pyarrow loop that copies into arrays allocated before.

    make bench-client

Each run is a process of its own, the two side by side in each round, over one server whose caches
are warm. Prints the medians and their ratios: wall and processor time of reading (imports and
connecting are not in it), and the most memory above what the process held before it, less the cube.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from blackbox import cli, serving
from test_archive import SEED, TILE, archive

BANDS = ["B08", "B11", "SCL"]

MEASURE = """
import json, resource, sys, threading, time
import numpy as np, pyarrow as pa, pyarrow.flight as fl
{imports}
request = json.loads(sys.argv[2])

def usage():
    return resource.getrusage(resource.RUSAGE_SELF)

def status(name):
    with open("/proc/self/status") as file:
        return next(int(l.split()[1]) for l in file if l.startswith(name + ":")) * 1024

{prepare}
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
held, before, start = status("VmRSS"), usage(), time.perf_counter()
{act}
wall, after = time.perf_counter() - start, usage()
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps(dict(wall=wall, cpu=cpu, above=status("VmHWM") - held - cube, cube=cube)))
"""

OURS = MEASURE.format(
    imports="import cubeflight, dask.array",
    prepare="client = cubeflight.connect(sys.argv[1])",
    act="""
b = request["bounds"]
found = client.search(request["tile"], bands=request["bands"],
                      bounds=(b["minX"], b["minY"], b["maxX"], b["maxY"])).load()
cube = sum(v.nbytes for n in found.datatree.subtree for v in n.data_vars.values())
""",
)

BARE = MEASURE.format(
    imports="import xarray, dask.array",  # the same libraries in memory
    prepare="client = fl.FlightClient(sys.argv[1])",
    act="""
descriptor = fl.FlightDescriptor.for_command(json.dumps(request).encode())
info = client.get_flight_info(descriptor)
steps = int(json.loads(info.app_metadata)["timeSteps"])
tensors = [i for i, f in enumerate(info.schema) if isinstance(f.type, pa.FixedShapeTensorType)]
arrays = [None] * len(tensors)
at = 0
for chunk in client.do_get(info.endpoints[0].ticket):
    batch = chunk.data
    if not batch.num_rows:
        continue
    assert batch.num_rows == 1 and batch.column("block")[0].as_py() == 0
    for n, i in enumerate(tensors):
        kind = info.schema.field(i).type
        values = batch.column(i).storage.flatten().to_numpy(zero_copy_only=True)
        if arrays[n] is None:
            arrays[n] = np.empty((steps, *kind.shape), values.dtype)
        arrays[n][at] = values.reshape(kind.shape)
    at += 1
assert at == steps
cube = sum(array.nbytes for array in arrays)
""",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--steps", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.environ["CUBEFLIGHT_BIN"] = str(Path(given.binary).absolute())
    bounds = dict(zip(("minX", "minY", "maxX", "maxY"), SEED, strict=True))
    request = json.dumps({"tile": TILE, "bands": BANDS, "bounds": bounds})
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        archive(place / "root", given.steps, ",".join(BANDS), timeout=1800)
        where = ["--store", (place / "root").as_uri(), "--index", (place / "index").as_uri()]
        cli("index", *where, timeout=600)
        with serving(place / "root", place / "index") as address:
            runs: dict[str, list[dict[str, float]]] = {"cubeflight": [], "bare": []}
            for number in range(given.rounds + 1):
                for name, script in (("cubeflight", OURS), ("bare", BARE)):
                    said = subprocess.run(
                        [sys.executable, "-c", script, address, request],
                        check=True,
                        capture_output=True,
                        text=True,
                    )
                    if number:  # the first warms up
                        runs[name].append(json.loads(said.stdout))
    report(runs, given.steps)


def report(runs: dict[str, list[dict[str, float]]], steps: int) -> None:
    medians = {
        name: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for name, found in runs.items()
    }
    ours, bare = medians["cubeflight"], medians["bare"]
    print(f"{steps} steps, bands {', '.join(BANDS)}, cube of {ours['cube'] / 2**20:.0f} MiB")
    for key in ("wall", "cpu"):
        ratio = ours[key] / bare[key]
        print(f"{key}: {ours[key]:.2f} s, bare loop {bare[key]:.2f} s, ratio {ratio:.2f}")
    above = {name: found["above"] / 2**20 for name, found in medians.items()}
    print(f"memory above the cube: {above['cubeflight']:.0f} MiB, bare {above['bare']:.0f} MiB")


if __name__ == "__main__":
    main()
