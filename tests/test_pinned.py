"""The schema of raw cubes, which is sent before any product is known."""

import json
from pathlib import Path

import cubeflight
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import L2A, lay_out, require_realdata, serving

B04 = "measurements/reflectance/r60m/b04"
BOX = (560003.7, 5840007.2, 570003.7, 5850007.2)
BOUNDS = dict(zip(("minX", "minY", "maxX", "maxY"), BOX, strict=True))
# An id is enough for the schema: nothing is looked for.
OLD = "S2A_MSIL2A_20190212T115411_N0212_R023_T29UNU_20201007T160857"


def schema(address: str, **request: object) -> pa.Schema:
    command = {"tile": "29UNU", "bands": ["B04_60m"], "bounds": BOUNDS} | request
    descriptor = fl.FlightDescriptor.for_command(json.dumps(command).encode())
    with fl.FlightClient(address) as client:
        found = client.get_schema(descriptor).schema
        if OLD not in request.get("productIds", []):
            assert client.get_flight_info(descriptor).schema.equals(found, check_metadata=True)
        return found


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, (b"raw-mixed", None, None)),
        ({"productIds": [L2A]}, (b"raw", b"0.0001", b"-0.1")),
        ({"productIds": [OLD]}, (b"raw", b"0.0001", b"0.0")),
        ({"productIds": [L2A, OLD]}, (b"raw-mixed", None, None)),
        ({"productIds": [L2A], "radiometry": "harmonised"}, (b"harmonised", b"0.0001", b"0.0")),
        ({"productIds": [L2A], "radiometry": "reflectance"}, (b"reflectance", None, None)),
    ],
)
def test_raw_is_scaled_where_the_products_are_pinned(server: str, request_: dict, said: tuple):
    metadata = schema(server, **request_).field(B04).metadata
    keys = (b"radiometry", b"scale_factor", b"add_offset")
    assert tuple(metadata.get(key) for key in keys) == said


def test_the_metadata_of_a_product_have_the_last_word(tmp_path: Path):
    require_realdata()
    lay_out(tmp_path, [L2A])
    (xml,) = tmp_path.rglob("MTD_MSIL2A.xml")
    text = xml.read_text()
    assert ">-1000<" in text
    xml.write_text(text.replace(">-1000<", ">-900<"))
    arguments = {"bands": ["B04_60m"], "bounds": BOX}
    with (
        serving(tmp_path / "eodata", tmp_path / "index") as address,
        cubeflight.connect(address) as client,
    ):
        # The schema would promise -0.1 of this product.
        with pytest.raises(cubeflight.FailedPrecondition) as error:
            client.search("29UNU", **arguments, product_ids=[L2A]).load()
        assert error.value.code == "CF-FLT-007" and error.value.product == L2A
        assert "-900" in str(error.value) and "-1000" in str(error.value)
        # Not pinned, the step has its own.
        b04 = client.search("29UNU", **arguments).load().datatree[B04]
        assert list(b04.b04_offset.values) == [-900]
        assert b04.attrs["add_offset"] == -0.09
