import datetime as dt

import numpy as np
import pytest
import xarray as xr
from server import Server

import cubeflight
from cubeflight._request import interval


def test_request_as_proto3_json(server: Server, client: cubeflight.Client):
    client.plan(
        "33TVN",
        datetime=("2021-01-01", None),
        bands="B08",
        bounds=(14.3, 46.9, 14.5, 47.1),
        crs=4326,
        align="20m",
        reduce=2,
        cloud_cover=80,
        product_ids=["S2A_X"],
        radiometry="harmonised",
        on_error="fail",
    )
    assert server.commands == [
        {
            "collection": "sentinel-2-l2a",
            "tile": "33TVN",
            "bands": ["B08"],
            "datetime": "2021-01-01/..",
            "bounds": {"minX": 14.3, "minY": 46.9, "maxX": 14.5, "maxY": 47.1},
            "crs": "EPSG:4326",
            "cloudCoverMax": 80.0,
            "productIds": ["S2A_X"],
            "align": "20m",
            "reduce": 2,
            "radiometry": "harmonised",
            "onError": "fail",
        }
    ]


def test_delivery(server: Server, client: cubeflight.Client):
    first, second = "2021-01-03T10:14:11", "2021-01-05T10:04:01"
    coordinate = xr.DataArray(np.array([first, second], "datetime64[us]"), dims="time")
    for times in (
        [f"{first}Z", f"{second}Z"],
        [dt.datetime.fromisoformat(first), dt.datetime.fromisoformat(f"{second}+00:00")],
        coordinate,
        coordinate.values.astype("datetime64[ns]"),
        list(coordinate.values),
        list(coordinate),
        (time for time in coordinate.values.astype("datetime64[s]")),
    ):
        client.plan("33TVN", times=times, ordered=False, compression="lz4")
        command = server.commands[-1]
        assert (command["ordered"], command["compression"]) == (False, "lz4")
        sent = [dt.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in command["times"]]
        assert sent == [dt.datetime.fromisoformat(f"{text}+00:00") for text in (first, second)]
    for one in (f"{first}Z", coordinate[0], coordinate.values[0], coordinate.values[:1]):
        client.plan("33TVN", times=one)
        (text,) = server.commands[-1]["times"]
        assert text.startswith(first) and text.endswith("Z")
    for wrong, said in (([], "empty"), ([3], "not 3"), ([dt.date(2021, 1, 3)], "datetimes")):
        with pytest.raises(ValueError, match=said):
            client.plan("33TVN", times=wrong)


def test_what_is_not_given_is_not_sent(server: Server, client: cubeflight.Client):
    client.plan("33TVN", bands=("B08", "SCL"))
    assert server.commands == [
        {"collection": "sentinel-2-l2a", "tile": "33TVN", "bands": ["B08", "SCL"]}
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2021-01-01/2022-01-01", "2021-01-01/2022-01-01"),
        (dt.date(2021, 1, 3), "2021-01-03"),
        ((dt.date(2021, 1, 3), None), "2021-01-03/.."),
        ((None, "2021-06"), "../2021-06"),
        (dt.datetime(2021, 1, 3, 10, 14, 11), "2021-01-03T10:14:11Z"),
        (
            dt.datetime(2021, 1, 3, 10, 14, 11, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2021-01-03T08:14:11Z",
        ),
    ],
)
def test_interval(value, text: str):
    assert interval(value) == text


@pytest.mark.parametrize("bounds", [(1, 2, 3), (1, 2, 3, float("nan")), (1, 2, 3, float("inf"))])
def test_bounds_are_four_finite_numbers(client: cubeflight.Client, bounds):
    with pytest.raises(ValueError, match="four finite numbers"):
        client.search("33TVN", bounds=bounds).load()


def test_level_of_resolution_is_a_whole_number(server: Server, client: cubeflight.Client):
    client.plan("33TVN", bands="B08", reduce=np.int64(4))
    assert server.commands[-1]["reduce"] == 4
    client.plan("33TVN", bands="B08", reduce=0)
    assert server.commands[-1]["reduce"] == 0
    with pytest.raises(TypeError):
        client.search("33TVN", reduce=0.5).load()


def test_unknown_arguments_are_refused(client: cubeflight.Client):
    with pytest.raises(TypeError, match="colour"):
        client.plan("33TVN", colour="red")


@pytest.mark.parametrize("url", ["localhost:50051", "http://localhost:50051"])
def test_url_has_a_flight_scheme(url: str):
    with pytest.raises(ValueError, match="grpc://"):
        cubeflight.connect(url)


@pytest.mark.parametrize("token", ["", "a\nb", "ä"])
def test_token_is_printable(token: str):
    with pytest.raises(ValueError, match="token"):
        cubeflight.connect("grpc://127.0.0.1:1", token=token)
