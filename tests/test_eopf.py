"""The tree of a cube with all bands, beside the trees of real EOPF products."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cubeflight
import numpy as np
import pyproj
import pytest
import xarray as xr

from blackbox import REALDATA, ROOT, cli, require_realdata, serving

# The EOPF products, each with a window of its tile on the 60 m lattice.
PRODUCTS = {
    "S2A_MSIL2A_20251008T100041_N0511_R122_T32TQM_20251008T122613": (720_000, 4_680_000),
    "S2C_MSIL2A_20250811T112131_N0511_R037_T29TPF_20250811T152216": (630_000, 4_560_000),
    "S2B_MSIL1C_20250113T103309_N0511_R108_T32TLQ_20250113T122458": (330_000, 4_950_000),
}
SIDE = 1200

SPECTRAL = [f"B{n:02}" for n in range(1, 13)] + ["B8A"]
MASKS = ["CLASSI", *(f"{mask}_{band}" for mask in ("DETFOO", "QUALIT") for band in SPECTRAL)]
NATIVE = {
    10: ["B02", "B03", "B04", "B08"],
    20: ["B05", "B06", "B07", "B8A", "B11", "B12"],
    60: ["B01", "B09", "B10"],
}
L1C = [f"{band}_{metres}m" for metres, bands in NATIVE.items() for band in bands]
L1C += ["TCI_10m", *MASKS]
L2A = [f"{band}_10m" for band in (*NATIVE[10], "AOT", "WVP", "TCI")]
for metres in (20, 60):
    coarser = set(SPECTRAL) - {"B08", "B10"} - ({"B09"} if metres == 20 else set())
    others = ("AOT", "WVP", "TCI", "SCL", "CLD", "SNW")
    L2A += [f"{band}_{metres}m" for band in (*sorted(coarser), *others)]
L2A += MASKS

ABSENT = "-"


@dataclass(frozen=True)
class Difference:
    """Where and in what a cube differs from an EOPF product.

    `where` is a pattern of paths. `what` is "group", "variable", "dims", "dtype", "time coordinate"
    or "attributes" and their names. `eopf` and `here` are JSON, "-" for absent, or, where `check`
    tells whether a pair of values is the difference meant, words.
    """

    where: str
    what: str
    eopf: str
    here: str
    why: str
    check: Callable[[Any, Any], bool] | None = None

    def names(self) -> list[str]:
        kind, _, names = self.what.partition(" ")
        return (
            [f"attribute {n}" for n in names.split(", ")] if kind == "attributes" else [self.what]
        )

    def holds(self, eopf: Any, here: Any) -> bool:
        if (self.eopf == ABSENT) != (eopf is None) or (self.here == ABSENT) != (here is None):
            return False
        if self.check:
            return self.check(eopf, here)
        stated = [(self.eopf, eopf), (self.here, here)]
        return all(text in (ABSENT, "any") or json.loads(text) == value for text, value in stated)


def only_the_wavelength(eopf: str, here: str) -> bool:
    number = re.compile(r" ([0-9.]+) nm$")
    wavelengths = [float(number.search(text)[1]) for text in (eopf, here)]
    same = number.sub("", eopf) == number.sub("", here)
    return same and abs(wavelengths[0] - wavelengths[1]) < 20


def same_crs(eopf: str, here: str) -> bool:
    ours = pyproj.CRS.from_wkt(here)
    theirs = pyproj.CRS.from_wkt(eopf.strip('"').replace('\\"', '"'))
    return (
        eopf.startswith("PROJCS[") and here.startswith("PROJCRS[")
        and ours.to_epsg() == theirs.to_epsg()
    )  # fmt: skip


# docs/decisions/012-eopf-differences.md holds the same table.
DIFFERENCES = [
    Difference("conditions/geometry", "group", "any", ABSENT,
               "angles are in the metadata, not in a JP2 file; means are coordinates of `time`"),
    Difference("conditions/meteorology", "group", "any", ABSENT,
               "GRIB files, not JP2"),
    Difference("quality/probability/r60m", "group", ABSENT, "any",
               "the products hold the probabilities at 60 m too"),
    Difference("/", "attributes stac_discovery, other_metadata, other_metadata4", "any", ABSENT,
               "of one product; a cube has many"),
    Difference("/", "attributes Conventions, product_ids, attribution", ABSENT, "any",
               "what CF and the Copernicus terms ask for, and what the cube is made of"),
    Difference("*/r?0m", "attributes proj:epsg", ABSENT, "any",
               "the CRS without opening a variable"),
    Difference("*/r?0m/*", "dims", '["y", "x"] or ["band", "y", "x"]', '["time", ...]',
               "a cube is a time series", lambda eopf, here: here == ["time", *eopf]),
    Difference("*/time", "variable", ABSENT, "any",
               "datatake start, UTC"),
    Difference("*/r?0m/*", "time coordinate", ABSENT, "any",
               "what is known of each time step, and `b02_offset`: what its numbers need added"),
    Difference("*/spatial_ref", "variable", ABSENT, "any",
               "the grid mapping of CF"),
    Difference("*/r?0m/*", "attributes grid_mapping", ABSENT, '"spatial_ref"',
               "as CF asks"),
    Difference("*/[xy]", "dtype", '"<i8"', '"<f8"',
               "pixel centres, which need not be whole metres"),
    Difference("*/[xy]", "attributes standard_name, long_name, units, axis", ABSENT, "any",
               "without them CF readers do not know coordinates from data"),
    Difference("quality/probability/r20m/band", "variable", "any", ABSENT,
               "a number without meaning, left over from the conversion"),
    Difference("quality/probability/r20m/*", "attributes coordinates", '"band"', ABSENT,
               "names that number; xarray writes `coordinates` itself"),
    Difference("*/r?0m/*", "attributes _eopf_attrs", "any", ABSENT,
               "the bookkeeping of the EOPF library"),
    Difference("*/r?0m/*", "attributes dtype", "any", ABSENT,
               "the array has a dtype"),
    Difference("measurements/*", "attributes fill_value", "0", ABSENT,
               "`_FillValue` says it; readers do not know `fill_value` and make nodata -0.1"),
    Difference("*/r?0m/*", "attributes proj:wkt2", "WKT 1", "WKT 2",
               "the name says WKT 2", same_crs),
    Difference("measurements/*", "attributes valid_max", "65535", "32767",
               "the files have 15 bits"),
    Difference("measurements/*", "attributes long_name", "wavelength of the satellite",
               "wavelength of Sentinel-2A",
               "a cube may hold several satellites", only_the_wavelength),
    Difference("measurements/*", "attributes radiometry", ABSENT, '"raw"',
               "raw, harmonised or reflectance: which one"),
    Difference("*/mask/*", "attributes flag_meanings", "a list", "words in one string",
               "as CF asks", lambda eopf, here: here.split(" ") == eopf),
    Difference("*/l2a_classification/*/scl",
               "attributes long_name, flag_values, flag_meanings, _FillValue, valid_min, valid_max",
               ABSENT, "any", "EOPF says nothing of the classes"),
    Difference("quality/atmosphere/*",
               "attributes long_name, standard_name, units, scale_factor, add_offset, _FillValue, "
               "valid_min, valid_max", ABSENT, "any",
               "EOPF does not say that the numbers are thousandths and that 0 is nodata"),
    Difference("quality/probability/*", "attributes long_name, units, valid_min, valid_max",
               ABSENT, "any", "EOPF says nothing of them; 0 is a value, not fill"),
    Difference("*/detector_footprint/*", "attributes _FillValue, valid_min, valid_max", ABSENT,
               "any", "0 is no detector"),
    Difference("*/l1c_classification/*", "attributes valid_min, valid_max", ABSENT, "any",
               "flags: 0 is a value"),
    Difference("quality/mask/*", "attributes valid_min, valid_max", ABSENT, "any",
               "flags: 0 is a value"),
    Difference("quality/*_quicklook/*", "attributes valid_min, valid_max", ABSENT, "any",
               "colours: 0 is a value"),
    Difference("quality/l2a_quicklook/*", "attributes long_name", ABSENT,
               '"TCI: True Color Image"', "as EOPF has it at level 1C"),
]  # fmt: skip

PAGE = ROOT / "docs/decisions/012-eopf-differences.md"


def bounds(product: str) -> tuple[float, float, float, float]:
    x, y = PRODUCTS[product]
    return (x, y, x + SIDE, y + SIDE)


def place(box: tuple[float, ...], metres: float) -> dict[str, Any]:
    """What `proj:*` says of a window."""
    left, bottom, right, top = box
    return {
        "proj:bbox": list(box),
        "proj:shape": [(top - bottom) / metres, (right - left) / metres],
        "proj:transform": [metres, 0, left, 0, -metres, top, 0, 0, 1],
    }


Node = dict[str, Any]


def real(product: str) -> dict[str, Node]:
    """Path -> what an EOPF product has there; `proj:*` as of the window."""
    tree = json.loads((REALDATA / f"eopf/{product}.json").read_text())
    found: dict[str, Node] = {}

    def visit(path: str, node: Node) -> None:
        attrs = dict(node.get("attributes") or {})
        found[path] = {"attrs": attrs}
        if "shape" in node:
            if node["fill_value"] is not None:
                attrs["_FillValue"] = node["fill_value"]  # as xarray has it
            dims = attrs.pop("_ARRAY_DIMENSIONS")
            found[path] |= {"dims": dims, "dtype": np.dtype(node["dtype"]).str}
            if "proj:bbox" in attrs:
                metres = attrs["proj:transform"][0]
                whole = place(tuple(attrs["proj:bbox"]), metres)
                assert {key: attrs[key] for key in whole} == whole
                attrs |= place(bounds(product), metres)
        for name, child in (node.get("members") or {}).items():
            visit(f"{path}/{name}".lstrip("/"), child)

    visit("/", tree)
    return {path.lstrip("/") or "/": node for path, node in found.items()}


def served(tree: xr.DataTree) -> dict[str, Node]:
    """The same of a cube."""
    found: dict[str, Node] = {}
    for group in tree.subtree:
        path = group.path.lstrip("/")
        found[path or "/"] = {"attrs": plain(group.attrs)}
        for name, variable in group.to_dataset(inherit=False).variables.items():
            assert not variable.encoding
            found[f"{path}/{name}"] = {
                "attrs": plain(variable.attrs),
                "dims": list(variable.dims),
                "dtype": variable.dtype.str,
            }
    return found


def plain(attrs: dict[str, Any]) -> dict[str, Any]:
    return {key: np.asarray(value).tolist() for key, value in attrs.items()}


Found = tuple[str, str, Any, Any]


def differences(eopf: dict[str, Node], here: dict[str, Node]) -> Iterator[Found]:
    """Path, what, the value in EOPF and here."""
    lone: set[str] = set()
    for path in sorted(eopf.keys() | here.keys()):
        theirs, ours = eopf.get(path), here.get(path)
        if any(path.startswith(f"{group}/") for group in lone):
            continue
        if theirs is None or ours is None:
            node = theirs or ours
            what = "variable" if "dims" in node else "group"
            if what == "group":
                lone.add(path)
            elif node["dims"] == ["time"] and not path.endswith("/time"):
                what = "time coordinate"
            yield path, what, theirs, ours
            continue
        for what in ("dims", "dtype"):
            if theirs.get(what) != ours.get(what):
                yield path, what, theirs.get(what), ours.get(what)
        for name in sorted(theirs["attrs"].keys() | ours["attrs"].keys()):
            pair = theirs["attrs"].get(name), ours["attrs"].get(name)
            if pair[0] != pair[1]:
                yield path, f"attribute {name}", *pair


def matches(difference: Difference, found: Found) -> bool:
    path, what, eopf, here = found
    return (
        fnmatch.fnmatchcase(path, difference.where)
        and what in difference.names()
        and difference.holds(eopf, here)
    )


def write_archive(out: Path, product: str) -> None:
    """A product of the tile with every band; at level 1C under the names of the EOPF product."""
    _, level, start, _, _, tile, _ = product.split("_")
    box = ",".join(map(str, bounds(product)))
    day = f"{start[:4]}-{start[4:6]}-01"
    period = ["--start", day, "--end", f"{start[:4]}-{start[4:6]}-28"]
    cli("archive", "--out", out, "--tile", tile[1:], *period, "--steps", "1",
        "--bands", ",".join(L2A), "--bounds", box, timeout=600)  # fmt: skip
    if level == "MSIL2A":
        return
    # Native bands are coded alike at both levels; B10 is of the kind of B09.
    folder = f"eodata/Sentinel-2/MSI/L1C/{start[:4]}/{start[4:6]}/{start[6:8]}/{product}.SAFE"
    granule = out / folder / f"GRANULE/L1C_{tile}_A041043_{start}"
    made = {path.stem.split("_", 2)[-1]: path for path in out.rglob("IMG_DATA/*/*.jp2")}
    made["B10_60m"] = made["B09_60m"]
    (granule / "IMG_DATA").mkdir(parents=True)
    for asset in L1C:
        if asset not in MASKS:
            name = f"{tile}_{start}_{asset.split('_')[0]}.jp2"
            shutil.copyfile(made[asset], granule / "IMG_DATA" / name)
    (masks,) = out.rglob("QI_DATA")
    shutil.copytree(masks, granule / "QI_DATA")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, cubeflight.Client]]:
    """A client per product, of a server over an archive of its tile."""
    require_realdata()
    with ExitStack() as stack:
        found = {}
        for product in PRODUCTS:
            work = tmp_path_factory.mktemp("eopf")
            write_archive(work / "archive", product)
            address = stack.enter_context(serving(work / "archive", work / "index"))
            found[product] = stack.enter_context(cubeflight.connect(address))
        yield found


def search(clients: dict[str, cubeflight.Client], product: str, **arguments: Any) -> xr.DataTree:
    level1 = "MSIL1C" in product
    result = (
        clients[product]
        .search(
            product.split("_")[5][1:],
            collection="sentinel-2-l1c" if level1 else "sentinel-2-l2a",
            **({"bands": L1C if level1 else L2A, "bounds": bounds(product)} | arguments),
        )
        .load()
    )
    assert result.errors == []
    assert len(result.matched_ids) == 1
    return result.datatree


@pytest.fixture(scope="module")
def found(clients: dict[str, cubeflight.Client]) -> list[Found]:
    """Every difference of any product."""
    trees = {product: served(search(clients, product)) for product in PRODUCTS}
    return [each for name, tree in trees.items() for each in differences(real(name), tree)]


def test_every_difference_is_listed(found: list[Found]):
    unlisted = [each for each in found if not any(matches(known, each) for known in DIFFERENCES)]
    assert unlisted == []


def test_every_listed_difference_occurs(found: list[Found]):
    for known in DIFFERENCES:
        occurring = {each[1] for each in found if matches(known, each)}
        assert occurring == set(known.names()), known


def test_the_page_lists_the_same():
    rows = [
        "| " + " | ".join(
            [f"`{known.where}`", known.what, known.eopf, known.here, known.why]
        ) + " |"
        for known in DIFFERENCES
    ]  # fmt: skip
    page = PAGE.read_text().splitlines()
    table = [line for line in page if line.startswith("| `")]
    assert table == rows


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_whole_tile_lies_where_the_product_does(
    clients: dict[str, cubeflight.Client], product: str
):
    path = "measurements/reflectance/r60m/b09"
    b09 = search(clients, product, bands=["B09"], bounds=None)[path]
    tree = json.loads((REALDATA / f"eopf/{product}.json").read_text())
    for name in path.split("/"):
        tree = tree["members"][name]
    for name in ("proj:bbox", "proj:epsg", "proj:shape", "proj:transform"):
        assert b09.attrs[name] == tree["attributes"][name]
    assert list(b09.shape) == [1, *tree["shape"]]


def test_pixels_of_every_kind_arrive(clients: dict[str, cubeflight.Client]):
    for product in PRODUCTS:
        tree = search(clients, product)
        for group in tree.subtree:
            for name, pixels in group.data_vars.items():
                # Nothing in the synthetic archive is broken or at the edge of the swath.
                assert "measurements" not in group.path or (pixels != 0).all(), name
                if "footprint" in group.path:
                    assert pixels.isin(range(1, 13)).all()
