"""The whole read path over buckets, in the words of an S3 server that is not ours (moto)."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import botocore.config
import cubeflight
import numpy as np
import pytest
from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from blackbox import L2A, Decoder, cli, codes, keys, require_realdata, run, serving_urls
from test_cube import BOX, R60M, SCL_20M, window

BANDS = ["B04_60m", "SCL_20m"]
REQUEST = [
    "--collection", "sentinel-2-l2a", "--tile", "29UNU", "--datetime", "2022-10-05",
    "--bands", "B04_60m,SCL", "--bounds", ",".join(map(str, BOX)),
]  # fmt: skip
STORES = ["--store", "s3://eodata", "--index", "s3://index/tlm"]


class Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        pass


@dataclass
class Server:
    """A server, and the requests that it got: method, path, If-None-Match, Range."""

    endpoint: str
    requests: list[tuple[str, str, str | None, str | None]]
    environment: dict[str, str] = field(default_factory=dict)

    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )

    def taken(self) -> list[tuple[str, str, str | None, str | None]]:
        """Requests since the last call."""
        requests, self.requests[:] = list(self.requests), []
        return requests


@pytest.fixture(scope="module")
def s3() -> Iterator[Server]:
    """Buckets `eodata`, with files of a real product, and `index`; signatures are checked."""
    require_realdata()
    requests: list[tuple[str, str, str | None, str | None]] = []
    moto = DomainDispatcherApplication(create_backend_app)

    def recorded(environ, start):
        header = environ.get
        path = environ["PATH_INFO"]
        requests.append(
            (environ["REQUEST_METHOD"], path, header("HTTP_IF_NONE_MATCH"), header("HTTP_RANGE"))
        )
        return moto(environ, start)

    http = make_server("127.0.0.1", 0, recorded, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        server = Server(f"http://127.0.0.1:{http.server_port}", requests)
        prepare(server)
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def prepare(server: Server) -> None:
    common = {
        "endpoint_url": server.endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "setup",
        "aws_secret_access_key": "setup",
    }
    iam = boto3.client("iam", **common)
    iam.create_user(UserName="reader")
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    server.environment = {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    client = boto3.client("s3", **common)
    for bucket in ("eodata", "index"):
        client.create_bucket(Bucket=bucket)
    for name, file in keys(L2A).items():
        if file.stem.endswith(tuple(BANDS)) or file.name.startswith("MTD_"):
            client.put_object(Bucket="eodata", Key=name, Body=file.read_bytes())
    # From now on every signature is checked.
    text = {"Content-Type": "text/plain"}
    urlopen(Request(f"{server.endpoint}/moto-api/reset-auth", b"0", text, method="POST")).close()
    server.taken()


@pytest.fixture(scope="module")
def indexed(s3: Server) -> dict:
    """What `index` said; also that it created its file only if it was not there."""
    said = json.loads(cli("index", *STORES, "--assets", "all", "--json", extra=s3.environment))
    puts = [request for request in s3.taken() if request[0] == "PUT"]
    assert [(path.startswith("/index/tlm/v1/"), condition) for _, path, condition, _ in puts] == [
        (True, "*")
    ]
    return said


@pytest.fixture(scope="module")
def client(
    s3: Server, indexed: dict, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cubeflight.Client]:
    log = tmp_path_factory.mktemp("bucket") / "serve.log"
    with (
        serving_urls("s3://eodata", "s3://index/tlm", log, s3.environment) as address,
        cubeflight.connect(address) as client,
    ):
        yield client


def test_index_is_idempotent(s3: Server, indexed: dict):
    assert indexed["indexed"] == indexed["found"] == len(BANDS)
    again = json.loads(cli("index", *STORES, "--assets", "all", "--json", extra=s3.environment))
    assert (again["indexed"], again["known"]) == (0, len(BANDS))
    assert not [request for request in s3.taken() if request[0] == "PUT"]


def test_an_index_file_is_never_overwritten(s3: Server, indexed: dict):
    """The server honours the condition that the index puts on what it writes."""
    bucket = s3.client()
    (listed,) = bucket.list_objects_v2(Bucket="index", Prefix="tlm/v1/")["Contents"]
    with pytest.raises(ClientError) as caught:
        bucket.put_object(Bucket="index", Key=listed["Key"], Body=b"x", IfNoneMatch="*")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    (after,) = bucket.list_objects_v2(Bucket="index", Prefix="tlm/v1/")["Contents"]
    assert after["ETag"] == listed["ETag"]


def check(pixels: np.ndarray, decode: Decoder, band: str, metres: int) -> None:
    np.testing.assert_array_equal(pixels, decode.asset(L2A, band)[window("29UNU", BOX, metres)])


def test_cube_is_read_by_the_planned_ranges(s3: Server, client: cubeflight.Client, decode: Decoder):
    plan = json.loads(cli("plan", *REQUEST, *STORES, "--json", extra=s3.environment))
    assert (plan["matched_ids"], plan["assets_without_index"]) == ([L2A], 0)
    s3.taken()
    result = client.search(
        "29UNU", datetime="2022-10-05", bands=["B04_60m", "SCL"], bounds=BOX
    ).load()
    assert result.errors == []
    check(result.datatree[f"{R60M}/b04"].values[0], decode, "B04_60m", 60)
    check(result.datatree[SCL_20M].values[0], decode, "SCL_20m", 20)
    reads = [request for request in s3.taken() if request[1].endswith(".jp2")]
    assert {method for method, *_ in reads} == {"GET"}
    ends = [tuple(map(int, text.removeprefix("bytes=").split("-"))) for *_, text in reads if text]
    assert len(ends) == len(reads) == plan["requests"] + plan["header_requests"]
    assert sum(last - first + 1 for first, last in ends) == plan["bytes"]


def test_pull(s3: Server, client: cubeflight.Client, tmp_path: Path, decode: Decoder):
    with serving_urls(*STORES[1::2], tmp_path / "serve.log", s3.environment) as address:
        cli("pull", address, *REQUEST, "--out", tmp_path / "cube.npz")
    with np.load(tmp_path / "cube.npz") as arrays:
        check(arrays[f"{R60M}/b04"][0], decode, "B04_60m", 60)


def url_of(band: str) -> tuple[str, Path]:
    ((name, file),) = (item for item in keys(L2A).items() if item[1].stem.endswith(band))
    return f"s3://eodata/{name}", file


def test_read_and_inspect(s3: Server):
    url, file = url_of("B04_60m")
    for command in (["read", "--sha256"], ["read", "--window", "100,200,30,40", "--sha256"]):
        assert cli(*command, url, extra=s3.environment) == cli(*command, file)
    near, far = (
        json.loads(cli("inspect", "--json", where, extra=s3.environment)) for where in (file, url)
    )
    # The checksum of the whole file is for those who have it at hand.
    apart = ("file", "sha256")
    assert len(near) > 3
    assert {k: v for k, v in far.items() if k not in apart} == {
        k: v for k, v in near.items() if k not in apart
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "CF-STO-006"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN000000000"}, "CF-STO-006"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "CF-STO-003"),
    ],
    ids=["wrong secret", "unknown key", "no keys"],
)
def test_credentials_that_do_not_work(
    s3: Server, indexed: dict, tmp_path: Path, change: dict[str, str], code: str
):
    # No shared credentials file either.
    extra = s3.environment | {"HOME": str(tmp_path)} | change
    url, _ = url_of("B04_60m")
    for command in (["read", url, "--sha256"], ["inspect", url], ["index", *STORES]):
        done = run(*command, extra=extra)
        assert (done.returncode, codes(done.stderr)) == (1, [code]), done.stderr
        assert "wrong" not in done.stderr
    # Of the catalogue it is the catalogue's failure, with the store's words.
    done = run("plan", *REQUEST, *STORES, extra=extra)
    assert done.returncode == 1
    assert codes(done.stderr)[0] in ("CF-CAT-003", code), done.stderr
    assert "credentials" in done.stderr


def test_names_that_are_not_there(s3: Server):
    for url in ("s3://eodata/nothing.jp2", "s3://elsewhere/nothing.jp2"):
        done = run("read", url, "--sha256", extra=s3.environment)
        assert (done.returncode, codes(done.stderr)) == (1, ["CF-STO-005"]), done.stderr
