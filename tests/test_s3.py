"""The S3 server of the testkit as a process of its own, and cubeflight reading through it."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blackbox import binary, codes, environment, oracle, require_realdata, run

KEYS = {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "a:secret"}


@contextmanager
def s3(root: Path, *arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server and its URL."""
    command = [str(binary()), "s3", "--root", str(root), "--listen", "127.0.0.1:0"]
    command += ["--credentials", "who:a:secret,other:x", *map(str, arguments)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        yield process, line.removeprefix("listening on ").strip()
    finally:
        process.kill()
        process.wait()


def read(url: str, endpoint: str, **keys: str) -> subprocess.CompletedProcess[str]:
    """`cubeflight read` of an object."""
    return subprocess.run(
        [str(binary()), "read", url, "--sha256"],
        env=environment() | {"AWS_ENDPOINT_URL": endpoint} | KEYS | keys,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_reads_through_it_survive_faults_and_are_logged(tmp_path: Path):
    require_realdata()
    file = min((known.path for known in oracle().values()), key=lambda path: path.stat().st_size)
    (tmp_path / "root/eodata").mkdir(parents=True)
    (tmp_path / "root/eodata/x.jp2").write_bytes(file.read_bytes())
    log, faults = tmp_path / "log.jsonl", tmp_path / "faults"
    faults.write_text("# once each\n503 count=1\nreset method=GET count=1\n")
    wanted = run("read", file, "--sha256").stdout
    with s3(tmp_path / "root", "--log", log, "--faults", faults) as (process, endpoint):
        got = read("s3://eodata/x.jp2", endpoint)
        assert got.returncode == 0, got.stderr
        assert got.stdout == wanted
        refused = read("s3://eodata/x.jp2", endpoint, AWS_SECRET_ACCESS_KEY="wrong")
        assert (refused.returncode, codes(refused.stderr)) == (1, ["CF-STO-006"])

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["fault"] for line in lines if line["fault"]] == ["status", "reset"]
    assert {(line["bucket"], line["key"]) for line in lines} == {("eodata", "x.jp2")}
    assert [line["credential"] for line in lines][-1] is None
    assert lines[-1]["status"] == 403


def test_what_it_cannot_use_is_named(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for arguments, code in (
            (("--root", tmp_path / "gone"), "CF-TST-001"),
            (("--root", tmp_path, "--listen", address), "CF-TST-002"),
            (("--root", tmp_path, "--log", tmp_path), "CF-TST-003"),
            (("--root", tmp_path, "--faults", "rain"), "CF-TST-004"),
        ):
            done = run("s3", *arguments)
            assert (done.returncode, codes(done.stderr)[:1]) == (1, [code]), done.stderr
    for arguments in (("--profile", "dsl"), ("--credentials", "key"), ()):
        root = ("--root", tmp_path) if arguments else ()
        assert run("s3", *root, *arguments).returncode == 2
