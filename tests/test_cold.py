"""A cube over an archive that nobody has indexed."""

from pathlib import Path

import pytest

from bench.cold import BANDS, measure
from test_archive import archive


def check(root: Path, scratch: Path, steps: int, profile: tuple[str, ...]) -> None:
    archive(root, steps, ",".join(BANDS), timeout=900)
    found = measure(root, scratch, steps, profile)
    print({name: value for name, value in found.items() if name != "pixels"})
    cold, again, restarted = found["cold"], found["again"], found["restarted"]
    assert cold["assets_without_index"] == 3 * steps
    assert cold["share_of_sot_walk"] <= 0.10
    # every request was answered: none was refused for its rate
    assert all(status.endswith((" 200", " 206")) for status in cold["by_status"])
    assert again["assets_without_index"] == 0
    assert restarted["assets_without_index"] == 0
    # 12 JP2 tiles a step, and nothing but them
    assert again["requests"] == restarted["requests"] <= 12 * steps


def test_some_steps(tmp_path: Path):
    check(tmp_path / "root", tmp_path, 3, ("--profile", "local"))


@pytest.mark.long
def test_a_year_within_the_limits_of_cdse(tmp_path: Path):
    check(tmp_path / "root", tmp_path, 90, ("--profile", "cdse"))
