"""The notebooks of the guide run, against a server over a small archive."""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import cubeflight
import nbclient
import nbformat
import pytest

from blackbox import ROOT, cli, serving_urls
from test_archive import archive

GUIDE = sorted((ROOT / "docs/guide").glob("*.ipynb"))
STEPS = 5


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the notebooks find in their environment."""
    place = tmp_path_factory.mktemp("guide")
    root, index = place / "root", (place / "index").as_uri()
    archive(root, STEPS, "B04,B08,B11,SCL")
    cli("index", "--store", root.as_uri(), "--index", index, "--assets", "all")
    options = ["--catalog", "archive"]
    with serving_urls(root.as_uri(), index, place / "log", options=options) as address:
        package = str(Path(cubeflight.__file__).parent.parent)
        yield {
            "CUBEFLIGHT_URL": address,
            "CUBEFLIGHT_GUIDE_FILES": str(root / "eodata"),
            "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
        }


def test_the_guide_is_complete():
    assert [path.name[:2] for path in GUIDE] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("path", GUIDE, ids=lambda path: path.stem)
def test_notebooks_hold_no_output(path: Path):
    raw = json.loads(path.read_text())
    nbformat.validate(nbformat.from_dict(raw))
    assert raw["metadata"].keys() == {"kernelspec", "language_info"}
    for cell in raw["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


# Pictures of each notebook, and what it prints among other things.
SAID = {
    "01": (2, f"{STEPS} products, 0 missing"),
    "02": (1, f"33TVN {STEPS} time steps"),
    "03": (1, "skipped"),
    "04": (1, "256"),
    "05": (0, "requests together"),
    "06": (1, "TlmTable"),
}


@pytest.mark.parametrize("path", GUIDE, ids=lambda path: path.stem)
def test_notebooks_run(served: dict[str, str], path: Path, tmp_path: Path):
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(
        env=os.environ | served | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    )
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output.data for output in outputs if "data" in output]
    pictures = [each["image/png"] for each in data if "image/png" in each]
    texts = [output.text for output in outputs if "text" in output]
    texts += [each.get("text/plain", "") for each in data]
    count, said = SAID[path.name[:2]]
    assert len(pictures) == count
    assert any(said in text for text in texts), texts
    for number, picture in enumerate(pictures):
        (tmp_path / f"{number}.png").write_bytes(base64.b64decode(picture))
