from pathlib import Path

import pytest

import cubeflight
from cubeflight._settings import settings


def test_arguments_come_before_the_environment_and_the_file(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text('url = "grpc://file:1"\ntoken = "of the file"\ntenant = "t"\n')
    named = {"CUBEFLIGHT_CONFIG": str(file)}
    assert settings(None, None, None, named) == (("grpc://file:1",), "of the file", "t")
    assert settings(None, "mine", None, named).token == "mine"
    # a token goes to the server that its own source names only
    assert settings("grpc://here:1", None, None, named) == (("grpc://here:1",), None, None)
    set_ = named | {"CUBEFLIGHT_URL": "grpc://a:1, grpc://b:2", "CUBEFLIGHT_TOKEN": "x"}
    assert settings(None, None, None, set_) == (("grpc://a:1", "grpc://b:2"), "x", None)
    assert settings(["grpc://c:1", "grpc://d:1"], None, "u", {}).urls[1] == "grpc://d:1"


def test_the_file_has_a_usual_place(tmp_path: Path):
    (tmp_path / "cubeflight").mkdir()
    (tmp_path / "cubeflight/config.toml").write_text('url = "grpc://usual:1"')
    assert settings(None, None, None, {"XDG_CONFIG_HOME": str(tmp_path)}).urls[0].endswith("l:1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "not there"),
        ("url = ", "not TOML"),
        ('uri = "grpc://x:1"', "may hold"),
        ("url = 7", "may hold"),
        ("#" * 70_000, "larger"),
        ("", "no server is named"),
    ],
)
def test_files_that_are_no_use_are_named(tmp_path: Path, text: str | None, said: str):
    file = tmp_path / "c.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=said):
        settings(None, None, None, {"CUBEFLIGHT_CONFIG": str(file)})


def test_bad_arguments_are_refused():
    for wrong in ({"tenant": "\n"}, {"retries": -1}, {"token": "ä"}):
        with pytest.raises(ValueError):
            cubeflight.connect("grpc://127.0.0.1:1", **wrong)
