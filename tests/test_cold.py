"""A cube over an archive that nobody has indexed."""

import json
import shutil
from pathlib import Path

import cubeflight
import numpy as np
import pytest

from bench.cold import BANDS, measure
from blackbox import cli, serving_urls
from test_archive import SEED, TILE, archive

# The archive's files are small, as they hold data only near the area of interest. Where whole reads
# are off, their tiles are looked for as in files of full size.
WHOLE = pytest.mark.parametrize("whole", [None, 0], ids=["read whole", "searched"])


def check(root: Path, steps: int, profile: tuple[str, ...], whole: int | None) -> None:
    archive(root, steps, ",".join(BANDS), timeout=900)
    found = measure(root, root.parent, steps, profile, whole)
    print(found)
    cold, again, restarted = found["cold"], found["again"], found["restarted"]
    assert cold["assets_without_index"] == 3 * steps
    assert cold["share_of_sot_walk"] <= 0.10
    # every request was answered: none was refused for its rate
    assert all(status.endswith((" 200", " 206")) for status in cold["by_status"])
    assert again["assets_without_index"] == 0
    assert restarted["assets_without_index"] == 0
    # 12 JP2 tiles a step, and nothing but them
    assert again["requests"] == restarted["requests"] <= 12 * steps


@WHOLE
def test_some_steps(tmp_path: Path, whole: int | None):
    check(tmp_path / "root", 3, ("--profile", "local"), whole)


@pytest.mark.long
@WHOLE
def test_a_year_within_the_limits_of_cdse(tmp_path: Path, whole: int | None):
    check(tmp_path / "root", 90, ("--profile", "cdse"), whole)


def test_tenants_records_stay_apart(tmp_path: Path):
    """A tenant's store holds other files under the same keys: what a server learns of them is for
    nobody else, though all use one index."""
    root, index = tmp_path / "root", tmp_path / "index"
    archive(root, 1, "B08,SCL", "--seed", "1")
    other, poisoned = tmp_path / "other", tmp_path / "poisoned"
    archive(other, 1, "B08,SCL", "--seed", "2")
    shutil.copytree(root, poisoned)
    for name in ("B08_10m", "SCL_20m"):
        (source,), (target,) = (list(at.rglob(f"*_{name}.jp2")) for at in (other, poisoned))
        target.write_bytes(source.read_bytes())
    arguments = {"bands": ["B08", "SCL"], "bounds": SEED}
    pixels = {}
    for owner, store in (("mallory", poisoned), (None, root), ("alice", root)):
        options = ["--max-whole-read", "0"]
        options += ["--index-owner", owner] if owner else []
        log = tmp_path / "serve.log"
        with (
            serving_urls(store.as_uri(), index.as_uri(), log, None, options) as address,
            cubeflight.connect(address) as client,
        ):
            assert client.plan(TILE, **arguments)["assets_without_index"] == 2, owner
            result = client.search(TILE, **arguments).load()
        assert result.errors == []
        pixels[owner] = result.datatree["measurements/reflectance/r10m"].b08.to_numpy()
    assert not np.array_equal(pixels["mallory"], pixels[None])
    np.testing.assert_array_equal(pixels["alice"], pixels[None])
    for owner in ("mallory", None, "alice"):
        options = ["--index-owner", owner] if owner else []
        (table,) = json.loads(cli("tlm", "stats", "--index", index, "--json", *options))["tables"]
        assert table["records"] == 2, owner
