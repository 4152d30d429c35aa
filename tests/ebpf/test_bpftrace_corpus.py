"""Real files of bpftrace, from a corpus that is not part of the project, read as it says."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from collectors.bpftrace import BPFTRACE_JSON, BPFTRACE_TEXT
from collectors.expand import head
from pipeline.errors import BadFile
from tests.ebpf.bpftrace_files import Told, tell

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"
ENTRIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text())["files"] if MANIFEST.exists() else []
)
JSON = [entry for entry in ENTRIES if entry["format"] == "bpftrace-json"]
TEXT = [entry for entry in ENTRIES if entry["format"] == "bpftrace-text"]
TABLES = [entry for entry in ENTRIES if entry["format"] == "bpftrace-table"]
OTHERS = [entry for entry in ENTRIES if not entry["format"].startswith("bpftrace")]

if not ENTRIES:
    pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS", allow_module_level=True)


def key(entry: dict[str, Any]) -> str:
    """Name a case after its file."""
    return str(entry["file"])


def content_of(entry: dict[str, Any]) -> bytes:
    """Give a file's bytes."""
    return Path(CORPUS / entry["file"]).read_bytes()


def buckets(told: Told) -> list[list[Any]]:
    """Give buckets as the corpus does: both bounds inclusive, the map's name with its keys."""
    columns = ("metric", "keys", "bucket_low", "bucket_high", "high_inclusive", "count")
    found = []
    for metric, keys, low, high, inclusive, count in told.rows("ebpf_histograms", *columns):
        name = f"{metric}[{', '.join(value for _, value in keys)}]" if keys else metric
        found.append([name, low, high if inclusive or high is None else high - 1, count])
    return found


def expected(hists: list[dict[str, Any]]) -> list[list[Any]]:
    """Give the buckets of histograms in the corpus' JSON."""
    found = []
    for each in hists:
        given = each["buckets"]
        for name, rows in given.items() if isinstance(given, dict) else [("", given)]:
            metric = f"{each['map']}[{name}]" if name else each["map"]
            found += [[metric, *row] for row in rows]
    return found


@pytest.mark.parametrize("entry", JSON, ids=key)
def test_a_real_file_of_json_has_its_facts(tmp_path: Path, entry: dict[str, Any]) -> None:
    assert BPFTRACE_JSON.sniff(head(CORPUS / entry["file"], 256 << 10))
    assert not BPFTRACE_TEXT.sniff(head(CORPUS / entry["file"], 256 << 10))
    told = tell(tmp_path, content_of(entry))
    facts = entry["facts"]
    assert told.rejects == []
    if isinstance(facts["objects"], list):
        assert told.messages == len(facts["objects"])
        check_objects(told, facts["objects"])
        return
    assert told.messages == facts["objects"]
    lost = [n for m, n in told.rows("ebpf_counts", "metric", "value_int") if m == "lost"]
    assert sum(lost) == facts["lost_events"]
    assert len(lost) == facts["types"].get("lost_events", 0)
    events = Counter(told.rows("ebpf_events", "event"))
    for event in ("printf", "time", "value", "attached_probes"):
        assert events[event] == facts["types"].get(event, 0)
    assert buckets(told) == expected(facts.get("hists", []))
    for metric, total in facts.get("map_totals", []):
        if total is not None:
            assert map_total(told, metric) == total


def check_objects(told: Told, objects: list[dict[str, Any]]) -> None:
    """Hold rows against every object of a small file."""
    hists = [each for each in objects if each["type"] == "hist"]
    assert buckets(told) == expected(hists)
    counts: list[tuple[Any, ...]] = []
    for each in objects:
        data: Any = each.get("data", {})
        if each["type"] == "stats":
            counts += [(f"{each['map']}.{name}", [], number) for name, number in data.items()]
        elif each["type"] == "tseries":
            counts += [(each["map"], [], slot["value"]) for slot in data]
        elif each["type"] == "map":
            pairs = data.items() if isinstance(data, dict) else [(None, data)]
            counts += [(each["map"], [name] if name else [], number) for name, number in pairs]
    assert told.rows("ebpf_counts", "metric", "key_list", "value_int") == counts


def map_total(told: Told, metric: str) -> int:
    """Give the sum of a map, in whichever table it is."""
    profiles = told.rows("profiles", "attributes", "sample_types")
    totals: list[int] = [
        types[0]["total"] for attributes, types in profiles if ("map", metric) in attributes
    ]
    counts = told.rows("ebpf_counts", "metric", "value_int")
    return sum([*totals, *(number for name, number in counts if name == metric)])


@pytest.mark.parametrize("entry", TEXT, ids=key)
def test_a_real_file_of_text_has_its_facts(tmp_path: Path, entry: dict[str, Any]) -> None:
    assert BPFTRACE_TEXT.sniff(head(CORPUS / entry["file"], 256 << 10))
    assert not BPFTRACE_JSON.sniff(head(CORPUS / entry["file"], 256 << 10))
    told = tell(tmp_path, content_of(entry), "text")
    assert (told.rejects, told.messages > 0) == ([], True)
    facts = entry.get("facts") or {}
    if "buckets" in facts:
        assert buckets(told) == facts["buckets"]
        assert sum(told.rows("ebpf_histograms", "count")) == facts["total"]


@pytest.mark.parametrize("entry", TABLES, ids=key)
def test_a_tool_s_table_is_left_to_those_who_read_tables(entry: dict[str, Any]) -> None:
    begin = head(CORPUS / entry["file"], 256 << 10)
    assert not BPFTRACE_JSON.sniff(begin)
    assert not BPFTRACE_TEXT.sniff(begin)


def test_nothing_of_another_format_is_taken_for_bpftrace() -> None:
    taken = []
    for entry in OTHERS:
        try:
            begin = head(CORPUS / entry["file"], 256 << 10)
        except BadFile:
            continue
        if BPFTRACE_JSON.sniff(begin) or BPFTRACE_TEXT.sniff(begin):
            taken.append(entry["file"])
    assert (taken, len(OTHERS) > 200) == ([], True)


def test_the_two_forms_of_one_program_have_the_same_maps(tmp_path: Path) -> None:
    pairs = [(e, e["file"].replace(".json", ".txt")) for e in JSON if "alltypes" in e["file"]]
    for entry, other in pairs:
        told = tell(tmp_path, content_of(entry))
        text = tell(tmp_path, (CORPUS / other).read_bytes(), "text")
        assert buckets(told) == buckets(text)
        columns = ("metric", "value_int")
        assert sorted(told.rows("ebpf_counts", *columns)) == sorted(
            text.rows("ebpf_counts", *columns)
        )
        assert told.rows("profile_samples", "value") == text.rows("profile_samples", "value")
