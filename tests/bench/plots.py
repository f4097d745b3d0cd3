"""Figures as bars, SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from .cases import BY_NAME, CONTESTANTS, OURS, PROFILES
from .figures import medians, spread
from .targets import Runs

# The same bytes from the same figures.
mpl.rcParams.update({"svg.hashsalt": "cubeflight", "font.size": 9, "svg.fonttype": "none"})
# Largest to smallest bar of a linear axis.
WIDE = 12
PANELS = (
    ("wall", "wall, s", 1.0),
    ("cpu", "CPU, s", 1.0),
    ("requests", "requests", 1.0),
    ("bytes", "MB", 1e6),
)


def bars(runs: Runs, case: str, out: Path) -> bool:
    """Bars of a case: one panel for each figure, a group of bars for each profile. False where
    there is nothing to draw."""
    profiles = [p for p in PROFILES if any(key[:2] == (case, p) for key in runs)]
    who = [
        name
        for name in CONTESTANTS
        if any(key == (case, p, name) for p in profiles for key in runs)
    ]
    if not profiles or len(who) < 2:
        return False
    figure, panels = plt.subplots(1, len(PANELS), figsize=(11, 2.8), layout="constrained")
    for panel, (metric, label, unit) in zip(panels, PANELS, strict=True):
        for number, name in enumerate(who):
            _bars(
                panel, runs, case, profiles, name, number / len(who), metric, unit, 0.9 / len(who)
            )
        heights = [bar.get_height() for bar in panel.patches if bar.get_height() > 0]
        # else the smallest could not be seen
        wide = bool(heights) and max(heights) > WIDE * min(heights)
        panel.set_yscale("log" if wide else "linear")
        panel.set_title(f"{label} (logarithmic)" if wide else label)
        panel.set_xticks([place + 0.4 for place in range(len(profiles))], profiles)
        panel.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(who), frameon=False)
    figure.suptitle(BY_NAME[case].title)
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return True


def _bars(
    panel: plt.Axes,
    runs: Runs,
    case: str,
    profiles: Sequence[str],
    name: str,
    shift: float,
    metric: str,
    unit: float,
    width: float,
) -> None:
    places, heights, below, above = [], [], [], []
    for place, profile in enumerate(profiles):
        if not (found := runs.get((case, profile, name))):
            continue
        middle = medians(found)[metric]
        least, most = spread(found, metric)
        places.append(place + shift)
        heights.append(middle / unit)
        below.append((middle - least) / unit)
        above.append((most - middle) / unit)
    colour = "#c1440e" if name == OURS else f"C{CONTESTANTS.index(name) + 5}"
    errors = {"elinewidth": 0.7}
    panel.bar(
        places, heights, width, align="edge", label=name, color=colour, yerr=[below, above],
        error_kw=errors,
    )  # fmt: skip
