import json
from collections.abc import Iterator
from pathlib import Path

import cubeflight
import pytest

from blackbox import L1C, L2A, OLD_L1C, Decoder, cli, lay_out, require_realdata, serving


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which three real products lie as in the bucket."""
    require_realdata()
    root = tmp_path_factory.mktemp("store")
    lay_out(root, [L2A, L1C, OLD_L1C])
    return root


@pytest.fixture(scope="session")
def indexed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """The index of the store, and what `index --json` said."""
    index = tmp_path_factory.mktemp("work") / "index"
    index.mkdir()
    where = ["--store", store.as_uri(), "--index", index.as_uri()]
    said = cli("index", *where, "--assets", "all", "--json")
    return index, json.loads(said)


@pytest.fixture(scope="session")
def server(store: Path, indexed: tuple[Path, dict]) -> Iterator[str]:
    """Address of a server over the indexed store."""
    with serving(store, indexed[0]) as address:
        yield address


@pytest.fixture
def client(server: str) -> Iterator[cubeflight.Client]:
    with cubeflight.connect(server) as client:
        yield client


@pytest.fixture(scope="session")
def decode(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    """Decodes real files, each proved against the oracle."""
    require_realdata()
    return Decoder(tmp_path_factory.mktemp("decoded"))
