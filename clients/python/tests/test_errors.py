import pyarrow as pa
import pyarrow.flight as fl
import pytest
from server import Server

import cubeflight
from cubeflight import _errors

# A code of a newer server, which the table does not have: then the status decides.
TEXT = (
    "CF-NEW-004 band B99 is unknown; known are B01; B02; product=S2A_X; band=B99; "
    "retry_after=2.5; hint=ask for B01, or B02"
)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (pa.ArrowInvalid(TEXT), cubeflight.InvalidRequest),
        (pa.ArrowKeyError(TEXT), cubeflight.NotFound),
        (NotImplementedError(TEXT), cubeflight.InvalidRequest),
        (fl.FlightUnavailableError(TEXT), cubeflight.Unavailable),
        (fl.FlightTimedOutError(TEXT), cubeflight.Unavailable),
        (fl.FlightUnauthenticatedError(TEXT), cubeflight.Unauthenticated),
        (fl.FlightUnauthorizedError(TEXT), cubeflight.PermissionDenied),
        (fl.FlightInternalError(TEXT), cubeflight.InternalError),
        (fl.FlightServerError(TEXT), cubeflight.InternalError),
    ],
)
def test_errors_of_the_server(
    server: Server, client: cubeflight.Client, raised: Exception, kind: type
):
    server.error = raised
    with pytest.raises(kind) as caught:
        client.search("33TVN").load()
    error = caught.value
    assert type(error) is kind
    assert error.code == "CF-NEW-004"
    assert error.message == "band B99 is unknown; known are B01; B02"
    assert (error.product, error.band, error.retry_after) == ("S2A_X", "B99", 2.5)
    assert error.hint == "ask for B01, or B02"
    assert str(error) == TEXT


@pytest.mark.parametrize(
    ("phrase", "kind"),
    [
        ("invalid argument", cubeflight.InvalidRequest),
        ("resource exhausted", cubeflight.ResourceExhausted),
        ("precondition failed", cubeflight.FailedPrecondition),
    ],
)
def test_statuses_that_arrow_folds_into_one_type(phrase: str, kind: type):
    error = _errors.from_arrow(
        pa.ArrowInvalid(f"Flight returned {phrase} error, with message: CF-NEW-001 no; hint=x")
    )
    assert type(error) is kind
    assert error.code == "CF-NEW-001"


def test_what_grpc_writes_around_the_text_is_cut():
    error = _errors.from_arrow(
        fl.FlightInternalError(
            "Flight returned data loss error, with message: CF-JP2-009 cut. Short; hint=ask. Really"
            ". gRPC client debug context: DATA_LOSS:CF-JP2-009 cut. Short; hint=ask. Really. Client"
            " context: IOError: Server never sent a data message. Detail: Internal"
        )
    )
    assert type(error) is cubeflight.DataLoss
    assert (error.message, error.hint) == ("cut. Short", "ask. Really")


def test_code_table_goes_before_the_status(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(_errors.GRPC_OF_CODE, "CF-JP2-009", "DATA_LOSS")
    error = _errors.from_arrow(fl.FlightServerError("CF-JP2-009 cut short. Detail: Failed"))
    assert type(error) is cubeflight.DataLoss
    assert error.message == "cut short"


def test_no_server():
    with (
        cubeflight.connect("grpc://127.0.0.1:1") as client,
        pytest.raises(cubeflight.Unavailable) as caught,
    ):
        client.search("33TVN", timeout=20).load()
    assert caught.value.code is None


def test_stream_that_ends_early_names_the_missing_steps(server: Server, client: cubeflight.Client):
    server.stop_after = server.cube.blocks + 1
    with pytest.raises(cubeflight.IncompleteStream, match="2 of 3") as caught:
        client.search("33TVN").load()
    assert caught.value.missing_steps == ("2021-01-08T10:14:11", "2021-01-13T10:14:11")
    assert "2021-01-13T10:14:11" in str(caught.value)


def test_error_in_mid_stream(server: Server, client: cubeflight.Client):
    server.stop_after = 4
    server.stream_error = fl.FlightUnavailableError("CF-STO-003 store is down; product=S2A_X")
    with pytest.raises(cubeflight.Unavailable) as caught:
        client.search("33TVN").load()
    assert (caught.value.code, caught.value.product) == ("CF-STO-003", "S2A_X")


def test_more_steps_than_announced(server: Server, client: cubeflight.Client):
    server.summary = {"timeSteps": 2}
    with pytest.raises(cubeflight.ProtocolError, match="more time steps"):
        client.search("33TVN").load()


def test_plan_without_steps(server: Server, client: cubeflight.Client):
    server.summary = {"timeSteps": 0}
    with pytest.raises(cubeflight.ProtocolError):
        client.search("33TVN").load()


def test_column_without_its_grid(server: Server, client: cubeflight.Client):
    server.cube.bands[0].metadata = {"proj:shape": "eleven"}
    with pytest.raises(cubeflight.ProtocolError, match="b08"):
        client.search("33TVN").load()
