"""Catalogues of items in Parquet, written by rustac and by stac-geoparquet."""

import asyncio
import json
from pathlib import Path

import cubeflight
import numpy as np
import pytest
import rustac

from blackbox import REALDATA, cli, require_realdata, run, serving_urls

# Written by stac-geoparquet 0.8.3 from two items of CDSE, with a few of their assets.
WRITTEN = Path(__file__).parent / "data/cdse.stac-geoparquet.parquet"
AREA = (450_000, 5_205_000, 451_200, 5_206_200)
BOX = ",".join(map(str, AREA))


def write(path: Path, items: list[dict]) -> Path:
    async def work() -> None:
        await rustac.write(str(path), items)

    path.parent.mkdir(parents=True, exist_ok=True)
    asyncio.run(work())
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive over two years and a baseline, so that items have unlike assets."""
    out = tmp_path_factory.mktemp("made")
    cli("archive", "--out", out, "--tile", "33TVN", "--steps", "6", "--start", "2021-03-01",
        "--end", "2022-12-01", "--bounds", BOX, "--bands", "B04_60m,SCL_60m,B01_20m,CLASSI",
        "--superseded", "1")  # fmt: skip
    return out


@pytest.fixture(scope="module")
def items(made: Path) -> list[dict]:
    found = [json.loads(path.read_text()) for path in sorted(made.rglob("stac/*/**/S2*.json"))]
    assert len(found) == 7
    assert len({frozenset(item["assets"]) for item in found}) > 1
    return found


def plan(store: Path, index: Path, catalog: Path, *options: str) -> dict:
    said = cli("plan", "--store", store, "--store-alias", "s3://eodata", "--index", index,
               "--catalog", catalog, "--json", *options)  # fmt: skip
    return json.loads(said)


def of_archive(made: Path, index: Path, catalog: Path, period: str = "..") -> dict:
    options = ["--tile", "33TVN", "--bands", "B04_60m,SCL,CLASSI", "--bounds", BOX]
    if period != "..":
        options += ["--datetime", period]
    return plan(made / "eodata", index, catalog, *options)


def index(made: Path, out: Path, catalog: Path) -> dict:
    where = ["--store", made / "eodata", "--store-alias", "s3://eodata", "--index", out]
    said = cli("index", *where, "--catalog", catalog, "--assets", "B04_60m,SCL,CLASSI", "--json")
    of_a_run = ("seconds", "rate", "files")
    return {key: value for key, value in json.loads(said).items() if key not in of_a_run}


def test_items_in_parquet_are_those_in_json(made: Path, items: list[dict], tmp_path: Path):
    index = tmp_path / "index"
    whole = write(tmp_path / "items.parquet", items)
    for year in ("2021", "2022"):
        part = [item for item in items if item["properties"]["datetime"].startswith(year)]
        assert part
        write(tmp_path / f"parts/deep/{year}.parquet", part)
    for period in ("..", "2021", "2022-01-01/2022-12-31", "2019"):
        want = of_archive(made, index, made / "stac", period)
        assert want["time_steps"] == len(want["matched_ids"])
        assert (period == "2019") == (want["time_steps"] == 0)
        for catalog in (whole, tmp_path / "parts"):
            assert of_archive(made, index, catalog, period) == want
    assert {each["code"] for each in of_archive(made, index, whole)["missing"]} == {"superseded"}


def test_a_cube_and_an_index_by_parquet(made: Path, items: list[dict], tmp_path: Path):
    catalog = write(tmp_path / "items.geoparquet", items)
    indexed = index(made, tmp_path / "index", catalog)
    assert indexed == index(made, tmp_path / "other", made / "stac")
    assert indexed["found"] > 0 and indexed["failed"] == []
    options = ["--catalog", str(catalog), "--store-alias", "s3://eodata"]
    where = ((made / "eodata").as_uri(), (tmp_path / "index").as_uri(), tmp_path / "log")
    with (
        serving_urls(*where, options=options) as address,
        cubeflight.connect(address) as client,
    ):
        result = client.search("33TVN", bands=["SCL", "B04_60m"], bounds=AREA,
                               radiometry="harmonised").load()  # fmt: skip
    assert len(result.matched_ids) == 6 and result.errors == []
    assert (result.datatree["measurements/reflectance/r60m/b04"] != 0).all()
    assert result.plan()["assets_without_index"] == 0
    cloud = {item["id"]: item["properties"]["eo:cloud_cover"] for item in items}
    np.testing.assert_allclose(
        result.datatree["conditions/mask/l2a_classification/r20m/scl"].cloud_cover,
        [cloud[each] for each in result.matched_ids],
    )


@pytest.mark.parametrize("writer", ["rustac", "stac-geoparquet"])
@pytest.mark.parametrize(("tile", "year"), [("36NYH", "2020"), ("55WFR", "2026")])
def test_real_items(tmp_path: Path, writer: str, tile: str, year: str):
    require_realdata()
    files = sorted((REALDATA / "stac/cdse").glob("*.FeatureCollection.json"))
    real = [item for file in files for item in json.loads(file.read_text())["features"]]
    whole = write(tmp_path / "items.parquet", real)
    catalog = whole if writer == "rustac" else WRITTEN
    store = tmp_path / "eodata"
    store.mkdir()
    options = ["--tile", tile, "--datetime", year, "--bands", "B02,SCL,QUALIT_B02"]
    got = plan(store, tmp_path / "index", catalog, *options)
    assert got == plan(store, tmp_path / "index", REALDATA / "stac/cdse", *options)
    assert len(got["matched_ids"]) == 1
    (item,) = (item for item in real if item["id"] in got["matched_ids"])
    assert f"T{tile}" in item["id"]


def test_bad_files_are_named(made: Path, items: list[dict], tmp_path: Path):
    catalog = tmp_path / "items"
    good = write(catalog / "good.parquet", items[:3])
    data = good.read_bytes()
    (catalog / "short.parquet").write_bytes(data[: len(data) // 2])
    (catalog / "text.parquet").write_text("no parquet at all")
    (catalog / "empty.parquet").write_bytes(b"")
    found = of_archive(made, tmp_path / "index", catalog)
    assert found["matched_ids"]
    bad = {each["id"]: each for each in found["missing"] if each["code"] == "unreadable_file"}
    assert {Path(each).name for each in bad} == {"short.parquet", "text.parquet"}
    # The only file there is.
    alone = of_archive(made, tmp_path / "index", catalog / "text.parquet")
    assert alone["time_steps"] == 0
    assert [each["code"] for each in alone["missing"]] == ["unreadable_file"]
    gone = run(
        "plan", "--store", made / "eodata", "--index", tmp_path / "index",
        "--catalog", catalog / "gone.parquet", "--tile", "33TVN", "--bands", "SCL",
    )  # fmt: skip
    assert gone.returncode == 1 and "gone.parquet" in gone.stderr
