"""A series over the mission's baselines, with all that real archives have now and then: every step
shows all that its products show, and its numbers mean one thing."""

import json
from collections.abc import Iterator
from pathlib import Path

import cubeflight
import numpy as np
import pytest

from blackbox import cli, codes, run, serving_urls
from test_mask import BOX, SCL, on_grid

TILE = "33TVN"
BANDS = ["B08", "B11", "B04_60m", "SCL"]
PATHS = {
    "measurements/reflectance/r10m/b08": 10,
    "measurements/reflectance/r20m/b11": 20,
    "measurements/reflectance/r60m/b04": 60,
    SCL: 20,
}
STEPS = 30


@pytest.fixture(scope="module")
def mission(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict]]:
    """An archive, and its products by id."""
    out = tmp_path_factory.mktemp("mission")
    said = cli(
        "archive", "--mission", "--out", out, "--tile", TILE, "--steps", str(STEPS),
        "--bands", ",".join(BANDS), "--bounds", ",".join(map(str, BOX)), "--json",
        timeout=600,
    )  # fmt: skip
    products = {product["id"]: product for product in json.loads(said)["product_list"]}
    cli("index", "--store", out / "eodata", "--index", out / "index")
    return out, products


def stores(out: Path) -> list[str]:
    return ["--catalog", str(out / "stac"), "--store-alias", "s3://eodata"]


@pytest.fixture(scope="module")
def client(mission: tuple[Path, dict]) -> Iterator[cubeflight.Client]:
    """Of a server that finds its products by STAC items, which list what is not there as well."""
    out, _ = mission
    log = out / "serve.log"
    index = (out / "index").as_uri()
    with (
        serving_urls((out / "eodata").as_uri(), index, log, options=stores(out)) as address,
        cubeflight.connect(address) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def alone(client: cubeflight.Client):
    """Cubes of single products, harmonised."""
    cache: dict[str, dict[str, np.ndarray]] = {}

    def read(product: str) -> dict[str, np.ndarray]:
        if product not in cache:
            cube = client.search(
                TILE, bands=BANDS, bounds=BOX, radiometry="harmonised", product_ids=[product]
            ).load()
            cache[product] = {path: cube.datatree[path].values[0] for path in PATHS}
        return cache[product]

    return read


@pytest.fixture(scope="module")
def harmonised(client: cubeflight.Client):
    return client.search(TILE, bands=BANDS, bounds=BOX, radiometry="harmonised").load()


def merged(parts: list[dict[str, np.ndarray]], path: str, metres: int) -> np.ndarray:
    """The first valid pixel; of 60 m that of the part with most of the nine valid."""
    valid = np.stack([part[SCL] != 0 for part in parts])
    if metres == 60:
        count, rows, columns = valid.shape
        nine = valid.reshape(count, rows // 3, 3, columns // 3, 3)
        owner = nine.sum(axis=(2, 4)).argmax(axis=0)
    else:
        owner = on_grid(valid.argmax(axis=0), metres)
    return np.choose(owner, [part[path] for part in parts])


def of_steps(cube) -> list[list[str]]:
    return [names.split() for names in cube.datatree[SCL].product_ids.values]


def test_every_step_shows_all_of_its_products(mission, harmonised, alone):
    _, products = mission
    assert harmonised.plan()["time_steps"] == STEPS
    several = 0
    for step, names in enumerate(of_steps(harmonised)):
        if any(products[name]["missing"] for name in names):
            continue  # see below
        parts = [alone(name) for name in names]
        several += len(parts) > 1
        for path, metres in PATHS.items():
            got = harmonised.datatree[path].values[step]
            np.testing.assert_array_equal(got, merged(parts, path, metres), err_msg=str(names))
    assert several >= 6
    kinds = {products[name]["extra"] for names in of_steps(harmonised) for name in names}
    assert {
        "duplicates", "superseded", "split_datastrips", "disjoint_datastrips", "lost_areas",
        "swath_edges", "unofficial", "without_assets", "missing_assets",
    } <= kinds  # fmt: skip


def test_no_product_is_dropped_without_a_word(mission, harmonised):
    _, products = mission
    read = {name for names in of_steps(harmonised) for name in names}
    left_out = {missing.id: missing.code for missing in harmonised.missing}
    assert read | left_out.keys() == set(products)
    assert set(left_out.values()) == {"duplicate", "superseded", "no_assets"}
    assert set(harmonised.matched_ids) == read


def test_an_image_that_is_not_there_is_read_from_another_product(mission, harmonised, alone):
    _, products = mission
    lacking = {name: it["missing"] for name, it in products.items() if it["missing"]}
    assert len(lacking) == 2
    replaced = [error for error in harmonised.errors if error.code == "CF-ENG-014"]
    assert {error.product_id for error in replaced} == set(lacking)
    assert len(harmonised.errors) == len(replaced)
    for step, names in enumerate(of_steps(harmonised)):
        if not lacking.keys() & set(names):
            continue
        (name,) = names
        (error,) = [error for error in replaced if error.product_id == name]
        other = next(it for it in products if it in error.message and it != name)
        assert harmonised.datatree[SCL].status.values[step] == "ok"
        for path in PATHS:
            source = other if path == error.column else name
            np.testing.assert_array_equal(
                harmonised.datatree[path].values[step], alone(source)[path]
            )


def test_harmonised_numbers_do_not_jump_with_the_baseline(mission, alone):
    """The same scene by the old and by the new chain."""
    _, products = mission
    scenes: dict[str, list[str]] = {}
    for name, product in products.items():
        if product["extra"] == "superseded":
            scenes.setdefault(name.split("_")[2], []).append(name)
    offsets = set()
    for names in scenes.values():
        old, new = sorted(names, key=lambda name: name.split("_")[3])
        offsets.add((products[old]["radiometric_offset"], products[new]["radiometric_offset"]))
        for path in PATHS:
            np.testing.assert_array_equal(alone(old)[path], alone(new)[path])
    assert (0, -1000) in offsets


def test_the_three_radiometries_agree(mission, client, harmonised):
    ask = {"bands": ["B08", "B11", "B04_60m", "SCL"], "bounds": BOX}
    raw = client.search(TILE, radiometry="raw", **ask).load()
    float_cube = client.search(TILE, radiometry="reflectance", **ask).load()
    assert of_steps(float_cube) == of_steps(harmonised)
    same = [a == b for a, b in zip(of_steps(raw), of_steps(harmonised), strict=True)]
    # raw numbers are not filled from products with another offset
    assert STEPS - 4 <= sum(same) < STEPS
    offsets = set()
    for path in PATHS:
        if path == SCL:
            continue
        numbers = raw.datatree[path]
        group = raw.datatree[path.rsplit("/", 1)[0]]
        offset = group[f"{path.rsplit('/', 1)[1]}_offset"].values.astype("int32")
        offsets |= set(offset.tolist())
        want = float_cube.datatree[path].values
        integers = harmonised.datatree[path].values
        for step in np.flatnonzero(same):
            digits = numbers.values[step].astype("int32")
            decoded = (digits + offset[step]).astype("float32") / np.float32(10_000)
            decoded[digits == 0] = np.nan
            np.testing.assert_array_equal(decoded, want[step])
            clipped = np.where(digits == 0, 0, np.maximum(1, digits + offset[step]))
            np.testing.assert_array_equal(clipped, integers[step])
    assert offsets == {0, -1000}


def test_solar_days_and_what_raw_numbers_cannot_mix(mission, client, harmonised):
    out, _ = mission
    days = client.search(TILE, bands=BANDS, bounds=BOX, radiometry="harmonised",
                         groupby="solar_day").load()  # fmt: skip
    # one pass of one tile a day
    assert of_steps(days) == of_steps(harmonised)
    for path in PATHS:
        np.testing.assert_array_equal(days.datatree[path].values, harmonised.datatree[path].values)
    done = run(
        "plan", "--store", out / "eodata", "--index", out / "index", "--tile", TILE,
        "--bands", "B08", "--group-by", "week",
    )  # fmt: skip
    assert codes(done.stderr) == ["CF-S2-018"]


def test_masks_hold_across_the_seams(client, harmonised):
    masked = client.search(
        TILE, bands=BANDS, bounds=BOX, radiometry="harmonised", mask={"scl": [3, 8, 9, 10]}
    ).load()
    np.testing.assert_array_equal(masked.datatree[SCL].values, harmonised.datatree[SCL].values)
    hidden = np.isin(harmonised.datatree[SCL].values, [0, 3, 8, 9, 10])
    path = "measurements/reflectance/r20m/b11"
    want = np.where(hidden, 0, harmonised.datatree[path].values)
    np.testing.assert_array_equal(masked.datatree[path].values, want)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict]]:
    """The same at level 1C."""
    out = tmp_path_factory.mktemp("level1")
    said = cli(
        "archive", "--mission", "--collection", "sentinel-2-l1c", "--out", out, "--tile", TILE,
        "--steps", str(STEPS), "--bands", "B08,B11", "--bounds", ",".join(map(str, BOX)), "--json",
        timeout=600,
    )  # fmt: skip
    cli("index", "--store", out / "eodata", "--index", out / "index", "--assets", "all")
    return out, {product["id"]: product for product in json.loads(said)["product_list"]}


def test_level_1c_is_merged_by_footprints_or_by_the_bands(old):
    """Before baseline 04.00 footprints are no images: a pixel is valid where all bands are."""
    out, products = old
    index = (out / "index").as_uri()
    ask = {"bounds": BOX, "radiometry": "harmonised", "collection": "sentinel-2-l1c"}
    bands, masks = ["B08", "B11"], ["DETFOO_B08", "DETFOO_B11"]
    reflectance, footprints = "measurements/reflectance", "conditions/mask/detector_footprint"

    def valid(tree, folder: str) -> np.ndarray:
        """On the grid of 20 m: where both bands have all of their pixels."""
        fine = tree[f"{folder}/r10m"].b08.values[0] != 0
        rows, columns = fine.shape
        fine = fine.reshape(rows // 2, 2, columns // 2, 2).all(axis=(1, 3))
        return fine & (tree[f"{folder}/r20m"].b11.values[0] != 0)

    with (
        serving_urls((out / "eodata").as_uri(), index, out / "serve.log") as address,
        cubeflight.connect(address) as client,
    ):
        tree = client.search(TILE, bands=bands, **ask).load().datatree[reflectance]
        majors = set()
        for step, text in enumerate(tree["r10m"].product_ids.values):
            names = text.split()
            if len(names) < 2 or any(products[name]["missing"] for name in names):
                continue
            trees = [
                client.search(TILE, bands=bands + masks, product_ids=[name], **ask).load().datatree
                for name in names
            ]
            known = [
                valid(one, footprints if name.split("_")[3] >= "N0400" else reflectance)
                for name, one in zip(names, trees, strict=True)
            ]
            majors.add(names[0].split("_")[3] >= "N0400")
            owner = np.stack(known).argmax(axis=0)
            for band, metres in (("b08", 10), ("b11", 20)):
                shown = [one[f"{reflectance}/r{metres}m"][band].values[0] for one in trees]
                np.testing.assert_array_equal(
                    tree[f"r{metres}m"][band].values[step],
                    np.choose(on_grid(owner, metres), shown),
                    err_msg=f"{band} {text}",
                )
            assert len({int(part) for part in np.unique(owner)}) > 1
        assert majors == {False, True}
