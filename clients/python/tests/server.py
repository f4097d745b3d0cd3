"""A Flight server in this process that serves a hand-made cube in the server's schema."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl

EPSG = 32633
ORIGIN = (399960.0, 5300040.0)

B08 = "measurements/reflectance/r10m/b08"
B02 = "measurements/reflectance/r10m/b02"
SCL = "conditions/mask/l2a_classification/r20m/scl"
TCI = "quality/l2a_quicklook/r10m/tci"
RECORDS = pa.schema([pa.field("product_id", pa.string(), nullable=False)])
PRODUCT = "S2A_MSIL2A_{}_N0500_R022_T33TVN_20230306T172000"


@dataclass
class Band:
    """A column: whole-cube pixels (time, [band,] y, x) and the rows of a row-block; of a list of
    windows (row, column, height, width) each is a row-block."""

    path: str
    pixels: np.ndarray
    block_rows: int
    resolution: int
    metadata: dict[str, str] = field(default_factory=dict)
    windows: list[tuple[int, int, int, int]] | None = None

    @property
    def block_shape(self) -> tuple[int, int]:
        if self.windows:
            return max(w[2] for w in self.windows), max(w[3] for w in self.windows)
        return self.block_rows, self.pixels.shape[-1]

    def part(self, step: int, block: int) -> np.ndarray:
        """The pixels of a row-block."""
        if self.windows:
            top, left, height, width = self.windows[block]
            return self.pixels[step][..., top : top + height, left : left + width]
        return self.pixels[step][..., block * self.block_rows :, :][..., : self.block_rows, :]

    @property
    def rows(self) -> int:
        return self.pixels.shape[-2]

    def field(self) -> pa.Field:
        tensor = [*self.pixels.shape[1:-2], *self.block_shape]
        names = ["band", "y", "x"][-len(tensor) :]
        kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(self.pixels.dtype), tensor, names)
        r = self.resolution
        transform = json.dumps([r, 0, ORIGIN[0], 0, -r, ORIGIN[1], 0, 0, 1])
        if self.windows:
            place = {
                "cubeflight:windows": json.dumps(self.windows),
                "cubeflight:windows_transform": transform,
            }
        else:
            shape = json.dumps([self.rows, self.pixels.shape[-1]])
            place = {"proj:transform": transform, "proj:shape": shape}
        metadata = {"_FillValue": "0", "proj:epsg": str(EPSG)} | place | self.metadata
        return pa.field(self.path, kind, nullable=False, metadata=metadata)

    def block(self, step: int, block: int) -> pa.Array:
        kind = self.field().type
        values = np.full(kind.shape, 77, self.pixels.dtype)  # padding that must not be seen
        part = self.part(step, block)
        values[..., : part.shape[-2], : part.shape[-1]] = part
        # The storage type comes from the schema: its children are not nullable.
        items = pa.array(values.ravel(), type=kind.value_type)
        storage = pa.FixedSizeListArray.from_arrays(items, type=kind.storage_type)
        return pa.ExtensionArray.from_storage(kind, storage)


@dataclass
class Cube:
    bands: list[Band]
    times: np.ndarray
    status: list[str] | None = None
    offsets: bool = True
    step_offsets: list[int | None] | None = None
    errors: dict[tuple[int, int], list[dict[str, str]]] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return len(self.times)

    @property
    def blocks(self) -> int:
        if windows := self.bands[0].windows:
            return len(windows)
        return max(-(-band.rows // band.block_rows) for band in self.bands)

    @property
    def ids(self) -> list[str]:
        return [PRODUCT.format(str(t)[:19].replace("-", "").replace(":", "")) for t in self.times]

    def schema(self) -> pa.Schema:
        error = pa.struct(
            [pa.field(name, pa.string(), nullable=False)
             for name in ("column", "product_id", "code", "message")]
        )  # fmt: skip

        def listed(kind: pa.DataType) -> pa.DataType:
            return pa.list_(pa.field("item", kind, nullable=False))

        fields = [
            pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("product_ids", listed(pa.string()), nullable=False),
            pa.field("status", pa.string(), nullable=False),
            pa.field("errors", listed(error), nullable=False),
            pa.field("block", pa.uint16(), nullable=False),
            pa.field("platform", pa.string()),
            pa.field("relative_orbit", pa.uint16()),
            pa.field("processing_baseline", pa.string()),
            pa.field("radiometric_offset", listed(pa.int16())),
            pa.field("cloud_cover", pa.float64(), metadata={"units": "percent"}),
            pa.field("sensing_time", pa.timestamp("us", "UTC")),
            *(band.field() for band in self.bands),
        ]
        metadata = {"attribution": "Contains modified Copernicus Sentinel data [2021]"}
        return pa.schema(fields, metadata=metadata)

    def batch(self, step: int, block: int) -> pa.RecordBatch:
        schema = self.schema()
        reflectance = sum(band.path.startswith("measurements/") for band in self.bands)
        time = int(self.times[step].astype("int64"))
        offsets = [-1000 - i for i in range(reflectance)] if self.offsets else None
        if self.step_offsets:
            offset = self.step_offsets[step]
            offsets = None if offset is None else [offset] * reflectance
        plain: dict[str, Any] = {
            "time": time,
            "product_ids": [self.ids[step]],
            "status": self.status[step] if self.status else "ok",
            "errors": self.errors.get((step, block), []),
            "block": block,
            "platform": "sentinel-2a",
            "relative_orbit": 22,
            "processing_baseline": "05.00",
            "radiometric_offset": offsets,
            "cloud_cover": None if step == 1 else 12.5,
            "sensing_time": None if step == 1 else time + 5_000_000,
        }
        columns = [
            pa.array([value], type=schema.field(name).type) for name, value in plain.items()
        ] + [band.block(step, block) for band in self.bands]
        return pa.RecordBatch.from_arrays(columns, schema=schema)


def sample(steps: int = 3, blocks: bool = True) -> Cube:
    """10 m, 20 m and RGB columns whose last row-blocks are padded."""
    random = np.random.default_rng(7)
    rows10, rows20 = (4, 2) if blocks else (11, 6)
    reflectance = {
        "valid_min": "1",
        "valid_max": "65535",
        "long_name": "BOA reflectance",
        "units": "1",
        "radiometry": "raw",
    }
    classes = {
        "flag_values": json.dumps(list(range(12))),
        "flag_meanings": "no_data saturated_or_defective dark_area",
    }
    bands = [
        Band(B08, random.integers(0, 65536, (steps, 11, 7), "u2"), rows10, 10, reflectance),
        Band(SCL, random.integers(0, 12, (steps, 6, 4), "u1"), rows20, 20, classes),
        Band(B02, random.integers(0, 65536, (steps, 11, 7), "u2"), rows10, 10, reflectance),
        Band(TCI, random.integers(0, 256, (steps, 3, 11, 7), "u1"), rows10, 10),
    ]
    start = np.datetime64("2021-01-03T10:14:11", "us")
    return Cube(bands, start + np.arange(steps) * np.timedelta64(5, "D"))


class Server(fl.FlightServerBase):
    """Serves one cube; how it does so can be changed from test to test."""

    def __init__(self, cube: Cube) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self.cube = cube
        self.commands: list[dict[str, Any]] = []
        self.headers: list[dict[str, Any]] = []
        self.paths: list[list[str]] = []
        self.criteria: list[bytes] = []
        self.records: list[pa.RecordBatch] = []
        self.summary: dict[str, Any] = {}
        self.error: Exception | None = None
        self.stream_error: Exception | None = None
        self.stop_after: int | None = None
        self.keep_alive = False
        self.endpoints = 1
        self.shuffled: int | None = None

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def get_flight_info(
        self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor
    ) -> fl.FlightInfo:
        if self.error:
            raise self.error
        if descriptor.path:
            self.paths.append([segment.decode() for segment in descriptor.path])
            return self._table(descriptor)
        self.commands.append(json.loads(descriptor.command))
        cube = self.cube
        # As proto3 JSON writes it: zeros left out, 64 bit integers as text.
        summary = {
            "timeSteps": cube.steps,
            "matchedIds": cube.ids,
            "missing": [{"id": "S2X", "code": "cloud_cover", "reason": "93 % of at most 80 %"}],
            "shapes": [{"path": b.path, "height": b.rows, "width": b.pixels.shape[-1]}
                       for b in cube.bands],
            "requests": "12",
            "bytes": "123456",
            "rowBlocks": cube.blocks,
        } | self.summary  # fmt: skip
        slices = np.array_split(np.arange(cube.steps), self.endpoints)
        tickets = [fl.Ticket(json.dumps([int(step) for step in part])) for part in slices]
        return fl.FlightInfo(
            cube.schema(),
            descriptor,
            [fl.FlightEndpoint(ticket, []) for ticket in tickets],
            cube.steps * cube.blocks,
            -1,
            app_metadata=json.dumps(summary).encode(),
        )

    def list_flights(self, context: fl.ServerCallContext, criteria: bytes) -> Any:
        self.criteria.append(criteria)
        if self.error:
            raise self.error
        yield self._table(fl.FlightDescriptor.for_path("tlm", "sentinel-2-l2a", "33TVN"))
        other = fl.FlightDescriptor.for_path("sentinel-2-l2a", "33TVN")
        yield fl.FlightInfo(pa.schema([]), other, [], -1, -1)

    def _table(self, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        summary = {
            "collection": "sentinel-2-l2a",
            "tile": "33TVN",
            "records": 7,
            "products": 2,
            "with_packets": 6,
            "incomplete": 1,
            "datetime": "2021-01-03T10:14:11Z/2021-01-08T10:14:11Z",
            "later": "more",
        } | self.summary
        endpoints = [fl.FlightEndpoint(fl.Ticket(b"records"), [])]
        payload = json.dumps(summary).encode()
        return fl.FlightInfo(RECORDS, descriptor, endpoints, 7, -1, app_metadata=payload)

    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        if ticket.ticket == b"records":
            return fl.GeneratorStream(RECORDS, iter(self.records))
        schema = self.cube.schema()
        return fl.GeneratorStream(schema, self._rows(json.loads(ticket.ticket)))

    def _rows(self, steps: list[int]) -> Any:
        rows = [(step, block) for step in steps for block in range(self.cube.blocks)]
        if self.shuffled is not None:
            np.random.default_rng(self.shuffled).shuffle(rows)
        for sent, (step, block) in enumerate(rows):
            if self.keep_alive:
                yield self.cube.batch(step, block).slice(0, 0)
            if sent == self.stop_after:
                if self.stream_error:
                    raise self.stream_error
                return
            yield self.cube.batch(step, block)
