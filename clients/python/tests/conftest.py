from collections.abc import Iterator

import pytest
from server import Server, sample

import cubeflight


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(sample()) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[cubeflight.Client]:
    with cubeflight.connect(server.url, token="secret", retries=0) as client:
        yield client
