"""Contact sheets and progress bars."""

import io
from pathlib import Path

import cubeflight
import matplotlib.figure
import numpy as np
import pytest

from test_archive import SEED, TILE
from test_cache import Upstream
from test_python_lazy import STEPS, client, moved, upstream  # noqa: F401 - fixtures

matplotlib.use("Agg")


def drawn(figure: matplotlib.figure.Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def pictures(figure: matplotlib.figure.Figure) -> list:
    return [axes.images[0] for axes in figure.axes if axes.images]


@pytest.mark.parametrize("band", [None, "b08", "scl", ("b08", "b08", "b08")])
def test_every_step_has_a_picture(
    client: cubeflight.Client,  # noqa: F811
    upstream: Upstream,  # noqa: F811
    band: object,
    tmp_path: Path,
):
    cube = client.search(TILE, bands=["B08", "B11", "SCL"], bounds=SEED)
    moved(upstream)
    figure = cube.plot_overview(band)
    lazy = moved(upstream)
    figure.savefig(tmp_path / "overview.png")
    shown = pictures(figure)
    assert len(shown) == STEPS
    assert all(max(image.get_array().shape[:2]) <= 320 for image in shown)
    assert len(np.unique(drawn(figure).reshape(-1, 4), axis=0)) > 8
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    first = cube.datatree["measurements/reflectance/r10m"].time.values[0]
    assert titles[0].startswith(str(first)[:10])
    cube.load()
    whole = moved(upstream)
    if band != "scl":
        assert lazy < whole / 2
    assert len(pictures(cube.plot_overview(band))) == STEPS
    with pytest.raises(KeyError, match="b08"):
        cube.plot_overview("b99")


def test_a_bar_counts_time_steps(
    client: cubeflight.Client,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
):
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    client.search(TILE, bands=["SCL"], bounds=SEED).load(progress=True)
    assert f"{STEPS}/{STEPS}" in said.getvalue()
