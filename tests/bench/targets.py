"""What is wanted of cubeflight, and whether it was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .cases import GDAL, GDAL_TLM, ODC, OURS, PROFILES, SEED_WAY
from .figures import METRICS, medians, ratio
from .measure import PURE

Runs = dict[tuple[str, str, str], list[dict]]


class Verdict(NamedTuple):
    """A target as a line of the page; held is None where it was not measured."""

    what: str
    target: str
    measured: str
    held: bool | None


class Ratio(NamedTuple):
    """A figure of ours, as a share of another's."""

    case: str
    profile: str
    metric: str
    against: str
    limit: float
    # whose case and profile, where they are not the same
    other: tuple[str, str] | None = None

    def verdict(self, runs: Runs) -> Verdict:
        """Compares medians."""
        other = self.other or (self.case, self.profile)
        ours = median(runs, self.case, self.profile, OURS, self.metric)
        theirs = median(runs, *other, self.against, self.metric)
        what = f"{self.case}, {self.profile}: {self.metric} beside {self.against}"
        target = f"<= {self.limit:g}"
        found = None if ours is None or theirs is None else ratio(ours, theirs)
        if found is None:
            return Verdict(what, target, "not measured", None)
        return Verdict(what, target, f"{found:.2f}", found <= self.limit)


class Absolute(NamedTuple):
    """A figure of ours alone."""

    case: str
    profile: str
    metric: str
    limit: float
    unit: str
    # how many of the metric are one of the unit
    scale: float = 1.0

    def verdict(self, runs: Runs) -> Verdict:
        """Compares the median."""
        found = median(runs, self.case, self.profile, OURS, self.metric)
        what = f"{self.case}, {self.profile}: {self.metric}"
        target = f"<= {self.limit:.3g}{self.unit}"
        if found is None:
            return Verdict(what, target, "not measured", None)
        found /= self.scale
        return Verdict(what, target, f"{found:.3g}{self.unit}", found <= self.limit)


class PerTile(NamedTuple):
    """Milliseconds of one thread that decoding a JP2 tile alone takes."""

    case: str
    limit: float

    def verdict(self, runs: Runs) -> Verdict:
        """Compares the median."""
        what = f"{self.case}: decoding alone, per JP2 tile"
        target = f"<= {self.limit:g} ms"
        found = sorted(run["tile_ms"] for run in runs.get((self.case, "local", PURE), []))
        if not found:
            return Verdict(what, target, "not measured", None)
        middle = found[len(found) // 2]
        return Verdict(what, target, f"{middle:.3f} ms", middle <= self.limit)


class Better(NamedTuple):
    """Every figure of ours below a peer's."""

    case: str
    profile: str
    against: str

    def verdict(self, runs: Runs) -> Verdict:
        """All metrics in one line."""
        what = f"{self.case}, {self.profile}: every figure beside {self.against}"
        pairs = [
            (
                metric,
                median(runs, self.case, self.profile, OURS, metric),
                median(runs, self.case, self.profile, self.against, metric),
            )
            for metric in METRICS
        ]
        if any(ours is None or theirs is None for _, ours, theirs in pairs):
            return Verdict(what, "< 1", "not measured", None)
        text = ", ".join(f"{metric} {ours / (theirs or 1):.2f}" for metric, ours, theirs in pairs)
        return Verdict(what, "< 1", text, all(ours < theirs for _, ours, theirs in pairs))


def median(runs: Runs, case: str, profile: str, who: str, metric: str) -> float | None:
    """None where it was not measured."""
    found = runs.get((case, profile, who))
    return medians(found)[metric] if found else None


def targets(overview_bytes: int) -> Sequence[Ratio | Absolute | PerTile | Better]:
    """All, in the order of the page. `overview_bytes` are those of the file of the overview."""
    peers = (GDAL_TLM, GDAL, ODC)
    return [
        Ratio("seed", "local", "cpu", SEED_WAY, 0.40),
        Ratio("seed", "local", "wall", SEED_WAY, 0.40),
        Ratio("seed", "cdse", "wall", SEED_WAY, 0.40),
        Ratio("seed", "cdse", "requests", SEED_WAY, 0.45),
        Ratio("seed", "wan", "wall", SEED_WAY, 0.55),
        Ratio("seed", "wan", "bytes", SEED_WAY, 0.55),
        *(Better("peers", profile, peer) for profile in PROFILES for peer in peers),
        Ratio("seed", "local", "wall", PURE, 1.15),
        PerTile("nodata", 0.2),
        Ratio("field", "wan", "bytes", SEED_WAY, 0.35),
        Ratio("field", "wan", "wall", SEED_WAY, 0.45),
        Absolute("overview", "cdse", "wall", 2.3, " s"),
        Absolute("overview", "cdse", "bytes", 0.02 * overview_bytes / 1e6, " MB", 1e6),
        Absolute("again-bytes", "cdse", "requests", 0, ""),
        Absolute("again-bytes", "local", "requests", 0, ""),
        Ratio("again-bytes", "local", "wall", PURE, 1.05),
        Ratio("again-decoded", "local", "wall", PURE, 0.20, ("again-bytes", "local")),
    ]


def verdicts(runs: Runs, overview_bytes: int) -> list[Verdict]:
    """Of all targets."""
    return [target.verdict(runs) for target in targets(overview_bytes)]
