"""The tables of an index: stats, compact, and the format as other tools read it."""

import json
import struct
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from blackbox import L2A, REALDATA, cli, codes, require_realdata, run

TABLE = ["--tile", "29UNU", "--collection", "sentinel-2-l2a"]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index of three files, of which two say the same."""
    require_realdata()
    where = tmp_path / "index"
    for table in ("L2A-29UNU-allres", "L2A-29UNU-allres", "L2A-29UNU"):
        peer = REALDATA / "index" / f"{table}.parquet"
        cli("tlm", "import", "--index", where, *TABLE, "--peer", peer)
    return where


def said(*arguments: str | Path) -> list[dict]:
    return json.loads(cli("tlm", *arguments, "--json"))["tables"]


def files(index: Path) -> list[Path]:
    return sorted((index / "v1/sentinel-2-l2a/29UNU").iterdir())


def tlm_entries(segment: bytes) -> list[tuple[int, int]]:
    """Tile and length of each tile-part in a TLM marker segment (ISO/IEC 15444-1 A.7.1)."""
    marker, _, _, style = struct.unpack(">HHBB", segment[:6])
    assert marker == 0xFF55
    form = ">" + ["", "B", "H"][style >> 4 & 3] + "HI"[style >> 6 & 1]
    entries = list(struct.iter_unpack(form, segment[6:]))
    return [entry if len(entry) == 2 else (at, *entry) for at, entry in enumerate(entries)]


def test_stats_and_compact(index: Path):
    assert len(files(index)) == 3
    (before,) = said("stats", "--index", index)
    assert (before["collection"], before["tile"]) == ("sentinel-2-l2a", "29UNU")
    assert before["files"] == 3
    assert before["records"] > before["products"] > 0
    assert before["time"][0].startswith("20")
    assert said("stats", "--index", index, *TABLE) == [before]
    assert said("stats", "--index", index, "--tile", "33TVN") == []

    (done,) = said("compact", "--index", index)
    assert (done["inputs"], done["removed"]) == (3, 0)
    assert done["records"] == before["records"]
    assert (index / done["output"]).is_file()
    (after,) = said("stats", "--index", index)
    assert after["files"] == 1
    assert {**after, "files": 0, "bytes": 0} == {**before, "files": 0, "bytes": 0}

    (again,) = said("compact", "--index", index, "--grace", "0")
    assert (again["inputs"], again["output"], again["removed"]) == (0, None, 3)
    assert [str(file.relative_to(index)) for file in files(index)] == [done["output"]]
    assert said("stats", "--index", index) == [after]


def test_text_forms(index: Path):
    text = cli("tlm", "stats", "--index", index)
    assert "sentinel-2-l2a 29UNU: " in text and "1 tables" in text
    assert "3 files" in cli("tlm", "compact", "--index", index, *TABLE)
    assert "one file already" in cli("tlm", "compact", "--index", index, *TABLE)


def test_the_table_is_plain_parquet(index: Path):
    cli("tlm", "compact", "--index", index, "--grace", "0")
    (file,) = files(index)
    rows = pq.read_table(file).to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["band_id"], row["datatake_start"]))
    peer = REALDATA / "index/L2A-29UNU-allres.parquet"
    cells = {row["path"]: row["index"] for row in pq.read_table(peer).to_pylist()}
    checked = 0
    for row in rows:
        cell = cells.get(row["path"])
        if cell is None or row["product_id"] != L2A:
            continue
        assert row["tile_part_offsets"] is None
        lengths = row["tile_part_lengths"]
        tiles = row["tile_part_tiles"] or range(len(lengths))
        assert (row["size"], row["first_sot"]) == struct.unpack(">QQ", cell[:16])
        assert list(zip(tiles, lengths, strict=True)) == tlm_entries(cell[20:]), row["path"]
        checked += 1
    assert checked
    tail = int(file.stem.rpartition("-")[2])
    bytes_ = file.read_bytes()
    assert bytes_.endswith(b"PAR1") and 0 < tail < len(bytes_)


def test_what_is_no_index(tmp_path: Path):
    done = run("tlm", "stats", "--index", tmp_path / "nowhere")
    assert done.returncode == 1 and codes(done.stderr) == ["CF-STO-002"]
    assert said("stats", "--index", tmp_path) == []
    assert said("compact", "--index", tmp_path) == []
