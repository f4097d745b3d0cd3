"""Row-blocks and messages from one pixel to a whole tile with every band, to clients that take no
message above 4 MiB, from servers whose memory the system bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cubeflight
import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import cli, serving, serving_urls
from test_archive import SEED, TILE, archive
from test_memory import BESIDE, MIB, peak

# What gRPC clients in Rust and Go take unless told otherwise; pyarrow has no bound of its own.
LIMIT = [("grpc.max_receive_message_length", 4 * MIB)]
# One column of JP2 tiles from the north edge to the south edge; all other tiles are flat.
STRIP = "452000,5190300,453000,5299900"
B08 = "measurements/reflectance/r10m/b08"
B11 = "measurements/reflectance/r20m/b11"
# Every image of level 2A that there is at 60 m, masks of quality among them.
AT_60M = [
    *(f"B{band}_60m" for band in "01 02 03 04 05 06 07 8A 09 11 12".split()),
    *(f"{name}_60m" for name in ("AOT", "WVP", "SCL", "CLD", "SNW")),
]  # fmt: skip

Truth = Callable[[int, str], np.ndarray[Any, Any]]


def made(root: Path, steps: int, bands: list[str]) -> Path:
    cli(
        "archive", "--out", root, "--tile", TILE, "--steps", str(steps),
        # masks are images since baseline 04.00
        "--start", "2022-06-01", "--end", "2022-12-01",
        "--bands", ",".join(bands), "--bounds", STRIP, timeout=900,
    )  # fmt: skip
    cli("index", "--store", root / "eodata", "--index", root / "index", "--assets", "all")
    return root


def limited(root: Path, budget: int):
    """A server whose streams have so much memory, and whose process has not much more."""
    options = ["--memory", str(budget), "--cache-memory", "0", "--threads", "2"]
    return serving_urls(
        (root / "eodata").as_uri(),
        (root / "index").as_uri(),
        root / "serve.log",
        options=options,
        limit=budget + BESIDE,
    )


def decoded(root: Path, scratch: Path) -> Truth:
    """Whole images by time step and asset, decoded by `read`; those of one step at a time."""
    kept: dict[tuple[int, str], np.ndarray[Any, Any]] = {}

    def image(step: int, name: str) -> np.ndarray[Any, Any]:
        if (step, name) not in kept:
            for old in [key for key in kept if key[0] != step]:
                del kept[old]
            end = name if name[0] in "BAWST" else f"MSK_{name}"
            end = {"CLD_60m": "MSK_CLDPRB_60m", "SNW_60m": "MSK_SNWPRB_60m"}.get(name, end)
            files = sorted(
                (root / "eodata").rglob(f"*{end}.jp2"),
                # the datatake start in the name of the product
                key=lambda file: next(p for p in file.parts if ".SAFE" in p).split("_")[2],
            )
            out = scratch / "image.npy"
            cli("read", files[step], "--out", out, timeout=300)
            # its pages go when the array goes
            kept[step, name] = np.load(out, mmap_mode="r")
            out.unlink()
        return kept[step, name]

    return image


def stream(address: str, bands: list[str], truth: Truth) -> dict[str, int]:
    """Reads the whole tile row-block by row-block and compares every pixel."""
    command = json.dumps({"tile": TILE, "bands": bands})
    total = {"rows": 0, "steps": 0, "bytes": 0, "seen": 0}
    at: dict[str, int] = {}
    with fl.FlightClient(address, generic_options=LIMIT) as flight:
        info = flight.get_flight_info(fl.FlightDescriptor.for_command(command))
        plan = json.loads(info.app_metadata)
        reader = flight.do_get(info.endpoints[0].ticket)
        columns = [f.name for f in reader.schema if isinstance(f.type, pa.FixedShapeTensorType)]
        assert len(columns) == len(bands)
        for chunk in reader:
            batch = chunk.data
            if batch.num_rows == 0:  # a sign of life
                continue
            assert batch.num_rows == 1 and batch.column("status").to_pylist() == ["ok"]
            if batch.column("block")[0].as_py() == 0:
                total["steps"] += 1
                at = dict.fromkeys(columns, 0)
            total["rows"] += 1
            for band, name in zip(bands, columns, strict=True):
                pixels = batch.column(name).to_numpy_ndarray()[0]
                total["bytes"] += pixels.nbytes
                whole = truth(total["steps"] - 1, band)
                want = whole[at[name] : at[name] + pixels.shape[-2]]
                if pixels.ndim == 3:
                    want = np.moveaxis(want, -1, 0)
                elif want.ndim == 3:  # components are bits
                    want = np.packbits(want != 0, axis=-1, bitorder="little")[..., 0]
                np.testing.assert_array_equal(pixels[..., : want.shape[-2], :], want, name)
                assert not pixels[..., want.shape[-2] :, :].any(), name
                at[name] += want.shape[-2]
                total["seen"] += len(np.unique(want)) > 2
        heights = {shape["path"]: shape["height"] for shape in plan["shapes"]}
        assert at == heights
    assert total["rows"] == info.total_records == total["steps"] * plan["rowBlocks"]
    assert total["bytes"] == info.total_bytes
    return total


@pytest.mark.long
def test_a_whole_tile_of_four_bands_at_10_m(tmp_path: Path):
    bands = ["B02", "B03", "B04", "B08"]
    root = made(tmp_path, 3, bands)
    budget = 256 * MIB
    with limited(root, budget) as address:
        truth = decoded(root, tmp_path)
        total = stream(address, bands, lambda step, band: truth(step, f"{band}_10m"))
        found = peak(root / "serve.log", root / "index")
    assert total["steps"] == 3 and total["rows"] > 3 * 400
    assert total["bytes"] >= 3 * 4 * 10980 * 10980 * 2
    assert total["seen"] > 0.95 * 4 * total["rows"]
    assert found < budget + BESIDE, f"{found / MIB:.0f} MiB"


@pytest.mark.parametrize(
    ("more", "budget"),
    [
        (["TCI_60m", "QUALIT_B01"], 128 * MIB),
        # at their native 10 m: a unit of rows is six of theirs and one of the others
        pytest.param(["TCI_10m", "QUALIT_B02"], 256 * MIB, marks=pytest.mark.long),
    ],
    ids=["60 m", "10 m"],
)
def test_every_band_at_60_m_with_colours_and_quality(tmp_path: Path, more: list[str], budget: int):
    bands = [*AT_60M, *more]
    root = made(tmp_path, 1, bands)
    with limited(root, budget) as address:
        total = stream(address, bands, decoded(root, tmp_path))
        found = peak(root / "serve.log", root / "index")
    assert total["rows"] > 40 and total["seen"] > 5 * total["rows"]
    assert found < budget + BESIDE, f"{found / MIB:.0f} MiB"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("messages")
    archive(root, 2, "B02,B03,B08,B11")
    cli("index", "--store", root / "eodata", "--index", root / "index")
    with serving(root / "eodata", root / "index") as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[cubeflight.Client]:
    with cubeflight.connect(url) as client:
        yield client


def test_messages_above_the_limit_of_clients_are_not_sent_unless_asked_for(url: str):
    bounds = dict(zip(("minX", "minY", "maxX", "maxY"), SEED, strict=True))
    request = {"tile": TILE, "bands": ["B02", "B03", "B08"], "bounds": bounds}
    step = 3 * 1063 * 1049 * 2
    assert step > 4 * MIB
    with fl.FlightClient(url, generic_options=LIMIT) as flight:
        table = flight.do_get(fl.Ticket(json.dumps(request))).read_all()
        assert table.num_rows > 2
    ticket = fl.Ticket(json.dumps(request | {"maxMessageBytes": 16 * MIB}))
    with fl.connect(url) as flight:
        assert flight.do_get(ticket).read_all().num_rows == 2


def test_one_pixel(client: cubeflight.Client):
    whole = client.search(TILE, bands=["B08", "B11"], bounds=SEED).load().datatree
    left, top = 399960 + 5000 * 10, 5300040 - 9000 * 10
    one = client.search(TILE, bands=["B08"], bounds=(left + 4, top - 6, left + 6, top - 4)).load()
    pixel = one.datatree[B08]
    assert pixel.shape == (2, 1, 1) and one.plan()["row_blocks"] == 1
    want = whole[B08].sel(x=left + 5, y=top - 5)
    np.testing.assert_array_equal(pixel.values[:, 0, 0], want.values)
    assert want.values.any()
    # the whole tile has one in each corner
    corners = [(399960, 5300040), (509750, 5300040), (399960, 5190250), (509750, 5190250)]
    for x, y in corners:
        bounds = (x + 1, y - 9, x + 9, y - 1)
        found = client.search(TILE, bands=["B08"], bounds=bounds).load().datatree[B08]
        assert found.shape == (2, 1, 1)
        assert (found.x.item(), found.y.item()) == (x + 5, y - 5)


def test_the_smallest_message_is_one_unit_of_rows(client: cubeflight.Client):
    asked = {"bands": ["B08", "B11"], "bounds": SEED, "align": "20m"}
    whole = client.search(TILE, **asked).load()
    height, width = whole.datatree[B08].shape[1:]
    assert height % 2 == width % 2 == 0
    # two rows of 10 m and one of 20 m
    unit = (2 * width + width // 2) * 2
    small = client.search(TILE, **asked, max_message_bytes=unit).load()
    assert small.plan()["row_blocks"] == height // 2
    for path in (B08, B11):
        np.testing.assert_array_equal(small.datatree[path].values, whole.datatree[path].values)
    with pytest.raises(cubeflight.InvalidRequest) as error:
        client.search(TILE, **asked, max_message_bytes=unit - 1).load()
    assert error.value.code == "CF-PLN-001" and f"at least {unit} bytes" in str(error.value)
    # a step that just fits is one row-block, one byte less makes several
    step = unit * (height // 2)
    assert client.plan(TILE, **asked, max_message_bytes=step)["row_blocks"] == 1
    assert client.plan(TILE, **asked, max_message_bytes=step - 1)["row_blocks"] > 1
    # of the whole tile the same holds, and no band is too wide by default
    with pytest.raises(cubeflight.InvalidRequest, match="at least 54900 bytes"):
        client.plan(TILE, bands=["B08", "B11"], max_message_bytes=54_899)
    plan = client.plan(TILE, bands=["B08", "B11"], max_message_bytes=54_900)
    assert plan["row_blocks"] == 5490
