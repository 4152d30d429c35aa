"""Real output of bcc and libbpf-tools, from a corpus that is not part of the project."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from collectors.bcc import BCC_HISTOGRAM, BCC_STACKS, BCC_TABLE
from collectors.bcc_columns import heading
from collectors.collector import Collector
from collectors.expand import head
from pipeline.errors import BadFile
from tests.ebpf.bcc_reading import read_path

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"
ENTRIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text())["files"] if MANIFEST.exists() else []
)

if not ENTRIES:
    pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS", allow_module_level=True)

FORMATS = (BCC_HISTOGRAM, BCC_STACKS, BCC_TABLE)
COLLECTOR_OF_FORMAT = {
    "bcc-hist": BCC_HISTOGRAM,
    "bcc-stacks": BCC_STACKS,
    "bcc-table": BCC_TABLE,
    "bpftrace-table": BCC_TABLE,
}
# What the schema calls the units that the tools print.
UNITS = {"usecs": "us", "msecs": "ms", "nsecs": "ns"}


def sniffed(entry: dict[str, Any]) -> Collector | None:
    """Give the first collector that takes a file for its own."""
    begin = head(CORPUS / entry["file"], 256 << 10)
    return next((collector for collector in FORMATS if collector.sniff(begin)), None)


def entries(outcome: str, *formats: str) -> list[Any]:
    """Give the cases of some formats, each under its file's name."""
    return [
        pytest.param(entry, id=entry["file"])
        for entry in ENTRIES
        if entry["format"] in formats and entry["outcome"] == outcome
    ]


@pytest.mark.parametrize("entry", entries("accept", *COLLECTOR_OF_FORMAT))
def test_each_file_is_known_for_what_it_is(entry: dict[str, Any]) -> None:
    assert sniffed(entry) is COLLECTOR_OF_FORMAT[entry["format"]]


@pytest.mark.parametrize("entry", entries("accept", "bcc-hist"))
def test_each_bucket_of_a_real_histogram_lands(entry: dict[str, Any]) -> None:
    found = read_path(BCC_HISTOGRAM.read, CORPUS / entry["file"])
    rows = found.columns("ebpf_histograms", "bucket_low", "bucket_high", "count")
    facts = entry["facts"]["histograms"]
    if not facts:
        # The facts know no heading with a blank in it.
        assert rows
        return
    assert rows == [tuple(row) for histogram in facts for row in histogram["rows"]]
    units, labels, place = [], [], 0
    for histogram in facts:
        unit, keys = found.columns("ebpf_histograms", "unit", "keys")[place]
        units.append(unit)
        labels.append(keys)
        place += len(histogram["rows"])
    assert units == [UNITS.get(histogram["unit"], histogram["unit"]) for histogram in facts]
    for histogram, keys in zip(facts, labels, strict=True):
        told = histogram["label"]
        key, _, value = (told or "").partition(" = ")
        if value and ":" not in key:
            assert keys[key] == value.strip("'")
        elif told:
            assert keys == {"label": told}


@pytest.mark.parametrize("entry", entries("accept", "bcc-stacks"))
def test_real_stacks_land_with_their_total(entry: dict[str, Any]) -> None:
    found = read_path(BCC_STACKS.read, CORPUS / entry["file"])
    facts = entry["facts"]
    assert found.messages == len(found.tables["profile_samples"]) == facts["stacks"]
    off_cpu = found.tables["profile_samples"][0]["profile_type"] == "off_cpu"
    total = facts["total"] * (1_000 if off_cpu else 1)
    assert sum(row["value"] for row in found.tables["profile_samples"]) == total
    assert [s["total"] for s in found.tables["profiles"][0]["sample_types"]] == [total]
    assert found.rejects == []


@pytest.mark.parametrize("entry", entries("accept", "bcc-table", "bpftrace-table"))
def test_each_row_of_a_real_table_lands(entry: dict[str, Any]) -> None:
    path = CORPUS / entry["file"]
    found = read_path(BCC_TABLE.read, path)
    facts = entry["facts"]
    lines = path.read_text().splitlines()
    first = next(line for line in lines if heading(line))
    assert first.split() == facts["header"]
    skipped = sum(found.warnings[f"{name}_lines_skipped"] for name in ("data", "stack", "text"))
    # The facts count every line below the heading; those that are none of the table's are told.
    told = found.messages + len(found.rejects) + skipped
    noise = facts["rows"] - told
    assert found.messages <= facts["rows"]
    if not skipped and not found.rejects and len(lines) == facts["rows"] + 1:
        assert noise == 0
    if facts.get("first"):
        events, counts = found.tables["ebpf_events"], found.tables["ebpf_counts"]
        if events:
            values = " ".join(value for _, value in events[0]["fields"])
        else:
            of_first = [row for row in counts if row["key_list"] == counts[0]["key_list"]]
            numbers = [row["value_int"] or row["value_double"] for row in of_first]
            values = " ".join([*counts[0]["key_list"], *map(str, numbers)])
        assert values.split() == facts["first"]
        assert found.messages == facts["rows"]
        assert found.rejects == []


@pytest.mark.parametrize("entry", entries("either", "bcc-hist", "bcc-other"))
def test_what_may_be_read_or_refused_is_one_of_the_two(entry: dict[str, Any]) -> None:
    collector = sniffed(entry)
    if collector is None:
        for each in FORMATS:
            with pytest.raises(BadFile):
                read_path(each.read, CORPUS / entry["file"])
        return
    found = read_path(collector.read, CORPUS / entry["file"])
    assert found.messages >= len(found.rejects)


def test_nothing_of_another_format_is_taken_for_bcc() -> None:
    asked, taken = 0, []
    for entry in ENTRIES:
        if entry["format"].startswith(("bcc", "bpftrace-table")):
            continue
        # Some are damaged on purpose, or are no files.
        with contextlib.suppress(BadFile, OSError):
            if sniffed(entry) is not None:
                taken.append(entry["file"])
            asked += 1
    assert asked > 150
    assert taken == []
