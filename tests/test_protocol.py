"""The Flight protocol as plain pyarrow sees it, at one server and at three replicas."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from blackbox import L2A, codes, run, serving_urls

REQUEST = {"tile": "29UNU", "bands": ["B04_60m", "SCL"], "productIds": [L2A]}
TENANT = b"x-cubeflight-tenant"


def command(**more: object) -> fl.FlightDescriptor:
    return fl.FlightDescriptor.for_command(json.dumps(REQUEST | more).encode())


def options(tenant: str) -> fl.FlightCallOptions:
    return fl.FlightCallOptions(headers=[(TENANT, tenant.encode())])


def code_of(call, *arguments: object) -> str:
    with pytest.raises((pa.ArrowException, fl.FlightError, OSError, KeyError)) as caught:
        call(*arguments)
    return codes(str(caught.value))[0]


@pytest.fixture(scope="module")
def flight(server: str) -> Iterator[fl.FlightClient]:
    with fl.FlightClient(server) as client:
        yield client


def varint(number: int) -> bytes:
    groups = []
    while True:
        number, low = divmod(number, 128)
        groups.append(low | (0x80 if number else 0))
        if not number:
            return bytes(groups)


def field(number: int, body: bytes) -> bytes:
    """A field of protobuf that holds bytes or a message."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> dict[int, bytes | int]:
    """The last value of each field of a message, by number."""
    found: dict[int, bytes | int] = {}
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        value: bytes | int
        value, at = read_varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        found[key >> 3] = value
    return found


def act(flight: fl.FlightClient, name: str, body: bytes) -> bytes:
    (result,) = flight.do_action(fl.Action(name, body))
    return result.body.to_pybytes()


def test_actions_are_those_that_are_listed(flight: fl.FlightClient):
    names = [action.type for action in flight.list_actions()]
    assert names == ["CancelFlightInfo", "RenewFlightEndpoint", "explain"]
    assert code_of(lambda: list(flight.do_action(fl.Action("usage", b"")))) == "CF-FLT-001"


def test_explain_tells_what_would_be_read(flight: fl.FlightClient):
    told = json.loads(act(flight, "explain", json.dumps(REQUEST).encode()))
    summary = json.loads(flight.get_flight_info(command()).app_metadata)
    assert told["summary"] == summary
    (step,) = told["steps"]
    assert step["productIds"] == [L2A]
    assert step["requests"] == int(summary["requests"]) > 0
    assert step["bytes"] == int(summary["bytes"]) > 0
    assert told["cost"]["bytesPerSecond"] > 0


def test_an_endpoint_can_be_renewed(flight: fl.FlightClient):
    (endpoint,) = flight.get_flight_info(command()).endpoints
    body = field(1, field(1, field(1, endpoint.ticket.ticket)))
    renewed = fields(act(flight, "RenewFlightEndpoint", body))
    ticket = fields(renewed[1])[1]
    assert ticket != endpoint.ticket.ticket
    seconds = fields(renewed[3])[1]
    assert seconds >= endpoint.expiration_time.as_py().timestamp()
    first = flight.do_get(endpoint.ticket).read_all()
    assert flight.do_get(fl.Ticket(ticket)).read_all() == first


def test_cancelling_what_does_not_run_is_said(flight: fl.FlightClient):
    info = flight.get_flight_info(command())
    body = field(1, info.serialize())
    not_cancellable = 3
    assert fields(act(flight, "CancelFlightInfo", body)) == {1: not_cancellable}
    assert code_of(act, flight, "CancelFlightInfo", b"") == "CF-FLT-019"


def test_a_handshake_gives_the_token_back(flight: fl.FlightClient):
    name, value = flight.authenticate_basic_token("me", "secret")
    assert (name, value) == (b"authorization", b"Bearer secret")


def test_tiles_are_found_by_path(flight: fl.FlightClient):
    criteria = json.dumps({"kind": "cube", "tile": "29UNU"}).encode()
    cubes = {tuple(i.descriptor.path): i for i in flight.list_flights(criteria)}
    listed = cubes[b"sentinel-2-l2a", b"29UNU"]
    info = flight.get_flight_info(listed.descriptor)
    assert info.schema == listed.schema == flight.get_schema(listed.descriptor).schema
    assert "measurements/reflectance/r10m/b08" in info.schema.names
    assert "conditions/mask/l2a_classification/r20m/scl" in info.schema.names
    assert info.endpoints


def test_a_ticket_is_its_tenants(flight: fl.FlightClient):
    info = flight.get_flight_info(command(), options("a"))
    (endpoint,) = info.endpoints
    assert flight.do_get(endpoint.ticket, options("a")).read_all().num_rows == info.total_records
    foreign = lambda: flight.do_get(endpoint.ticket, options("b")).read_all()  # noqa: E731
    assert code_of(foreign) == "CF-FLT-016"
    assert code_of(lambda: flight.do_get(endpoint.ticket).read_all()) == "CF-FLT-016"
    assert code_of(lambda: flight.get_flight_info(command(), options("a b"))) == "CF-FLT-018"


def test_what_is_not_served_says_so(flight: fl.FlightClient):
    descriptor = fl.FlightDescriptor.for_path("x")

    def put() -> None:
        writer, _ = flight.do_put(descriptor, pa.schema([("x", pa.int8())]))
        writer.close()

    def exchange() -> None:
        writer, reader = flight.do_exchange(descriptor)
        with writer:
            writer.done_writing()
            reader.read_all()

    assert code_of(put) == "CF-FLT-001"
    assert code_of(exchange) == "CF-FLT-001"


def test_mutated_commands_are_answered(flight: fl.FlightClient):
    """Truncated JSON, an Any of another type, and a thousand damaged requests: all are answered."""
    good = json.dumps(REQUEST).encode()
    other = field(1, b"type.googleapis.com/google.protobuf.Empty") + field(2, b"")
    for body in (good[:-1], other, b"", b"\x00"):
        assert code_of(flight.get_schema, fl.FlightDescriptor.for_command(body)) == "CF-REQ-001"
    refused = 0
    for number in range(1_000):
        body = bytearray(good)
        for _ in range(1 + number % 3):
            body[secrets.randbelow(len(body))] = secrets.randbelow(256)
        try:
            flight.get_schema(fl.FlightDescriptor.for_command(bytes(body)))
        except (pa.ArrowException, fl.FlightError, OSError) as error:
            (code, *_) = codes(str(error))
            assert code.startswith(("CF-REQ-", "CF-S2-", "CF-PLN-", "CF-CRS-")), error
            refused += 1
    assert refused > 500
    assert flight.get_schema(command()).schema.names


@pytest.fixture(scope="module")
def replicas(
    store: Path, indexed: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Three servers over one index, with the same key."""
    folder = tmp_path_factory.mktemp("replicas")
    key = folder / "keys"
    key.write_text(f"# of the deployment\nfirst {secrets.token_hex(32)}\n")
    named = [f"grpc://replica-{number}:50051" for number in range(3)]
    flags = ["--ticket-keys", str(key), "--location", ",".join(named), "--endpoints", "3"]
    with ExitStack() as running:
        yield [
            running.enter_context(
                serving_urls(
                    store.as_uri(), indexed[0].as_uri(), folder / f"{n}.log", options=flags
                )
            )
            for n in range(3)
        ]


def test_a_ticket_of_one_replica_is_redeemed_at_another(replicas: list[str]):
    with ExitStack() as stack:
        clients = [stack.enter_context(fl.FlightClient(url)) for url in replicas]
        infos = [client.get_flight_info(command()) for client in clients]
        tables = [
            client.do_get(info.endpoints[0].ticket).read_all()
            for info in infos
            for client in clients
        ]
        assert all(table == tables[0] for table in tables)
        assert tables[0].num_rows == infos[0].total_records
        # whoever is asked names the same replica first, so that its caches stay warm
        places = [[place.uri for place in info.endpoints[0].locations] for info in infos]
        assert places[0] == places[1] == places[2]
        assert sorted(places[0]) == [f"grpc+tcp://replica-{n}:50051".encode() for n in range(3)]
        # and the endpoint of another can be renewed there
        body = field(1, field(1, field(1, infos[0].endpoints[0].ticket.ticket)))
        renewed = fields(act(clients[1], "RenewFlightEndpoint", body))
        again = clients[2].do_get(fl.Ticket(fields(renewed[1])[1])).read_all()
        assert again == tables[0]


def test_a_key_that_is_gone_ends_its_tickets(
    replicas: list[str], store: Path, indexed: tuple[Path, dict], tmp_path: Path
):
    key = tmp_path / "keys"
    key.write_text(f"second {secrets.token_hex(32)}\n")
    with (
        fl.FlightClient(replicas[0]) as before,
        serving_urls(
            store.as_uri(),
            indexed[0].as_uri(),
            tmp_path / "log",
            options=["--ticket-keys", str(key)],
        ) as url,
        fl.FlightClient(url) as after,
    ):
        (endpoint, *_) = before.get_flight_info(command()).endpoints
        assert code_of(lambda: after.do_get(endpoint.ticket).read_all()) == "CF-FLT-014"
        (own, *_) = after.get_flight_info(command()).endpoints
        damaged = bytearray(own.ticket.ticket)
        damaged[-1] ^= 1
        assert code_of(lambda: after.do_get(fl.Ticket(bytes(damaged))).read_all()) == "CF-FLT-013"


def test_a_ticket_expires(store: Path, indexed: tuple[Path, dict], tmp_path: Path):
    flags = ["--ticket-seconds", "1"]
    with (
        serving_urls(store.as_uri(), indexed[0].as_uri(), tmp_path / "log", options=flags) as url,
        fl.FlightClient(url) as client,
    ):
        (endpoint,) = client.get_flight_info(command()).endpoints
        client.do_get(endpoint.ticket).read_all()
        refused = None
        # until the server's clock has passed the second that the ticket names
        while refused is None:
            try:
                client.do_get(endpoint.ticket).read_all()
            except (pa.ArrowException, fl.FlightError) as error:
                refused = codes(str(error))[0]
        assert refused == "CF-FLT-015"


def test_replicas_need_a_key(store: Path, indexed: tuple[Path, dict]):
    where = ["--store", store.as_uri(), "--index", indexed[0].as_uri()]
    done = run("serve", "--listen", "127.0.0.1:0", *where, "--location", "grpc://a:1")
    assert done.returncode == 2
    assert "--ticket-keys" in done.stderr
