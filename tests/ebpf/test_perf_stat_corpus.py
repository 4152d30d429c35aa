"""Real files of perf stat, from a corpus that is not part of the project, read as it says."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from collectors.expand import head
from collectors.perf_stat import PERF_STAT
from pipeline.errors import BadFile
from tests.ebpf.perf_stat_reading import read_file

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"
ENTRIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text())["files"] if MANIFEST.exists() else []
)
STAT = [entry for entry in ENTRIES if entry["format"].startswith("perf-stat")]
HEAD_BYTES = 256 << 10

if not ENTRIES:
    pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS", allow_module_level=True)


@pytest.mark.parametrize("entry", STAT, ids=lambda entry: str(entry["file"]))
def test_a_file_is_read_with_its_facts(entry: dict[str, Any]) -> None:
    path, facts = CORPUS / entry["file"], entry["facts"]
    assert PERF_STAT.sniff(head(path, HEAD_BYTES))
    stat = read_file(path)
    found = [(row["metric"], value(row), row["unit"] or "") for row in stat.rows]
    expected = facts.get("counters") or [row[1:] for row in facts["rows"]]
    assert found == [(metric, number(text), unit) for metric, text, unit in expected]
    assert stat.rejects == []
    if "rows" in facts:
        times = [row["time_unix_nano"] for row in stat.rows]
        since = [round((time - times[0]) / 1e9, 6) for time in times]
        assert since == [round(row[0] - facts["rows"][0][0], 6) for row in facts["rows"]]


def value(row: dict[str, Any]) -> float | str:
    """Give a row's value, or that it has none."""
    if row["status"] != "ok":
        return str(row["status"])
    return float(row["value_double"] if row["value_int"] is None else row["value_int"])


def number(text: str | float) -> float | str:
    """Read a fact's value."""
    return "not_supported" if text == "<not supported>" else float(text)


def test_nothing_of_another_format_is_taken_for_it() -> None:
    taken = []
    for entry in ENTRIES:
        path = CORPUS / entry["file"]
        if entry in STAT or not path.exists():
            continue
        try:
            begin = head(path, HEAD_BYTES)
        except BadFile:
            continue
        if PERF_STAT.sniff(begin):
            taken.append(entry["file"])
    assert taken == []
