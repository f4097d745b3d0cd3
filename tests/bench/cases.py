"""What is measured: cases, and who takes part in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .places import SEED, WHOLE, Bounds, field, fields

PROFILES = ("local", "cdse", "wan")

# Names in tables.
OURS = "cubeflight"
SEED_WAY = "seed's way"
GDAL_TLM = "GDAL, TLM"
GDAL = "GDAL"
ODC = "odc-stac"
CONTESTANTS = (SEED_WAY, GDAL_TLM, GDAL, ODC, OURS)
# Takes minutes where requests are slow or rationed: one round there.
SLOW = (GDAL,)


@dataclass(frozen=True)
class Case:
    """A piece of work that all contestants of the case do.

    Attributes:
        name: in files and on the command line.
        title: what it is, for the page.
        assets: read at their own resolution.
        areas: bounds, metres; each is read over all dates.
        steps: dates.
        contestants: who takes part.
        repeats: rounds by profile; profiles that are not there are left out.
        archive: what is read: `year` or `edge`.
        reduce: the resolution is 2**reduce times coarser.
        flags: of the server.
        repeat: the same is read twice by one server, and the second time is measured.
        note: for the page.
        needs: options of the program (`serve --x`), without which the case is skipped.
        pure: the decoding alone is measured too.
    """

    name: str
    title: str
    assets: tuple[str, ...]
    areas: tuple[Bounds, ...]
    steps: int
    contestants: tuple[str, ...]
    repeats: dict[str, int]
    archive: str = "year"
    reduce: int = 0
    flags: tuple[str, ...] = ()
    repeat: bool = False
    note: str = ""
    needs: tuple[str, ...] = ()
    pure: bool = False

    def scaled(self, steps: int | None, repeats: int | None) -> Case:
        """With at most so many dates, and so many rounds in each profile."""
        return replace(
            self,
            steps=min(self.steps, steps or self.steps),
            repeats={name: repeats or n for name, n in self.repeats.items()},
        )


CUBE = ("B08_10m", "B11_20m", "SCL_20m")
YEAR = 90
PEER_STEPS = 12
FEW_STEPS = 6

CASES = (
    Case(
        "seed",
        "The seed's work: a year of a 10 km box",
        CUBE,
        (SEED,),
        YEAR,
        (SEED_WAY, OURS),
        {"local": 3, "cdse": 2, "wan": 1},
        pure=True,
    ),
    Case(
        "peers",
        "The same over fewer dates, all peers",
        CUBE,
        (SEED,),
        PEER_STEPS,
        CONTESTANTS,
        {"local": 2, "cdse": 1, "wan": 1},
    ),
    Case(
        "field",
        "A field of 500 m over a year",
        CUBE,
        (field(),),
        YEAR,
        (SEED_WAY, OURS),
        {"local": 3, "cdse": 1, "wan": 1},
        pure=True,
    ),
    Case(
        "field-peers",
        "A field of 500 m over fewer dates, more peers",
        CUBE,
        (field(),),
        FEW_STEPS,
        (SEED_WAY, GDAL_TLM, ODC, OURS),
        {"local": 2, "cdse": 1, "wan": 1},
    ),
    Case(
        "fields",
        "50 fields of 500 m scattered over the tile, as one plan",
        ("B08_10m",),
        fields(50),
        FEW_STEPS,
        (SEED_WAY, GDAL_TLM, OURS),
        {"local": 1},
    ),
    Case(
        "fields-year",
        "The 50 fields over a year, cubeflight alone",
        ("B08_10m",),
        fields(50),
        YEAR,
        (OURS,),
        {"local": 1},
    ),
    Case(
        "tile",
        "One date of a whole tile, 10 m",
        ("B08_10m",),
        (WHOLE,),
        1,
        CONTESTANTS,
        {"local": 1, "cdse": 1},
        pure=True,
    ),
    Case(
        "overview",
        "Overview at 1/16 of a whole tile, 10 m",
        ("B08_10m",),
        (WHOLE,),
        1,
        (GDAL_TLM, GDAL, OURS),
        {"local": 1, "cdse": 3},
        reduce=4,
        note="Neither the seed's way nor odc-stac gives these pixels.",
        needs=("plan --reduce",),
    ),
    Case(
        "band-20m",
        "The box at 20 m: small code-blocks",
        ("B11_20m",),
        (SEED,),
        PEER_STEPS,
        CONTESTANTS,
        {"local": 2},
    ),
    Case(
        "band-60m",
        "The box at 60 m: smaller code-blocks",
        ("B09_60m",),
        (SEED,),
        PEER_STEPS,
        CONTESTANTS,
        {"local": 2},
    ),
    Case(
        "edge",
        "Mostly nodata: 40 km around the box, data in 4 of 25 JP2 tiles, cut by the swath's edge",
        ("B08_10m",),
        ((430000, 5195000, 470000, 5235000),),
        PEER_STEPS,
        (SEED_WAY, GDAL_TLM, OURS),
        {"local": 2},
        archive="edge",
    ),
    Case(
        "nodata",
        "Nodata alone: 40 km beside it, 25 JP2 tiles a date",
        ("B08_10m",),
        ((405000, 5250000, 445000, 5290000),),
        PEER_STEPS,
        (SEED_WAY, GDAL_TLM, OURS),
        {"local": 2},
        archive="edge",
        pure=True,
        note="What is left is mostly what it takes to hand over the zeros.",
    ),
    Case(
        "again-bytes",
        "The year again, its bytes in the server's memory",
        CUBE,
        (SEED,),
        YEAR,
        (OURS,),
        {"local": 3, "cdse": 1},
        flags=("--cache-memory", str(2 << 30)),
        needs=("serve --cache-memory",),
        repeat=True,
        pure=True,
    ),
    Case(
        "again-decoded",
        "The year again, its pixels in the server's memory",
        CUBE,
        (SEED,),
        YEAR,
        (OURS,),
        {"local": 1},
        flags=("--cache-decoded", str(2 << 30)),
        needs=("serve --cache-decoded",),
        repeat=True,
    ),
)
BY_NAME = {case.name: case for case in CASES}
