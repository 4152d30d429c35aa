"""Real folded files, speedscope documents and trace events, from a corpus outside the project."""

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.chrome_trace import CHROME_TRACE
from collectors.collector import Collector, Head
from collectors.expand import head
from collectors.folded import FOLDED
from collectors.speedscope import SPEEDSCOPE
from pipeline.errors import BadFile
from tests.profiles.folded_reading import Read, read_file

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"
ENTRIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text())["files"] if MANIFEST.exists() else []
)
if not ENTRIES:
    pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS", allow_module_level=True)

ENTRIES = [entry for entry in ENTRIES if (CORPUS / entry["file"]).is_file()]
OF_FILE = {entry["file"]: entry for entry in ENTRIES}
FOLDED_TEXT = [entry for entry in ENTRIES if entry["format"] in ("folded", "golden:folded")]
STACKS = [entry for entry in FOLDED_TEXT if entry["facts"]["lines"]]
NONE = [entry for entry in FOLDED_TEXT if not entry["facts"]["lines"]]
SPEEDSCOPES = [entry for entry in ENTRIES if entry["format"] == "speedscope"]
TRACES = [entry for entry in ENTRIES if entry["format"] == "other:trace-event"]
DIFF = "folded/inferno/diff-default.txt"
SECOND_NANO = 1_000_000_000


def key(entry: dict[str, Any]) -> str:
    """Name a case after its file."""
    return str(entry["file"])


def sniffed(collector: Collector, entry: dict[str, Any]) -> bool:
    """Tell whether a collector takes a file for its own."""
    return collector.sniff(head(CORPUS / entry["file"], 256 << 10))


def flat_and_cumulative(
    stacks: dict[tuple[str, ...], int],
) -> tuple[Counter[str], Counter[str]]:
    """Give the value of each function alone, and with what it calls, once a stack."""
    flat: Counter[str] = Counter()
    cumulative: Counter[str] = Counter()
    for stack, value in stacks.items():
        flat[stack[-1]] += value
        for function in set(stack):
            cumulative[function] += value
    return flat, cumulative


def assert_holds(told: list[list[Any]], found: Counter[str], read: Callable[[str], str]) -> None:
    """See that the functions of a fact have its values, by names as we read them."""
    wanted: Counter[str] = Counter()
    for name, value in told:
        wanted[read(name)] += value
    for name, value in wanted.items():
        # Several frames may have one name here, as their lines and suffixes are no part of it.
        assert found[name] >= int(value), name
    assert sum(found.values()) >= sum(map(int, wanted.values()))


def plain(name: str) -> str:
    """Give the function of a frame as text."""
    for suffix in ("_[k]", "_[j]", "_[i]"):
        name = name.removesuffix(suffix)
    function, parenthesis, place = name.rpartition(" (")
    is_place = ":" in place or ".so" in place
    return function if parenthesis and is_place and "," not in place else name


@pytest.mark.parametrize("entry", STACKS, ids=key)
def test_folded_text_is_read_with_its_facts(entry: dict[str, Any]) -> None:
    assert sniffed(FOLDED, entry)
    facts = entry["facts"]
    found = read_file(FOLDED.read, CORPUS / entry["file"])
    assert found.messages == facts["lines"]
    stacks = found.stacks()
    assert sum(stacks.values()) == int(facts["total"])
    if "unparsed_lines" not in facts:
        return
    assert len(found.rejects) == facts["unparsed_lines"]
    assert all(value > 0 for value in stacks.values())
    if "pyspy" not in entry["file"]:
        assert len(found.tables["profile_samples"]) == facts["unique_stacks"]
    flat, cumulative = flat_and_cumulative(stacks)
    if isinstance(facts["total"], int):
        assert_holds(facts["top5_flat"], flat, plain)
        assert_holds(facts["top5_cum"], cumulative, plain)


@pytest.mark.parametrize("entry", NONE, ids=key)
def test_an_empty_file_is_no_folded_text_and_refused(entry: dict[str, Any]) -> None:
    assert not sniffed(FOLDED, entry)
    with pytest.raises(BadFile, match="no line is a stack"):
        read_file(FOLDED.read, CORPUS / entry["file"])


@pytest.mark.skipif(DIFF not in OF_FILE, reason="this corpus has no pair with its difference")
def test_a_difference_holds_the_two_profiles_it_is_of() -> None:
    assert sniffed(FOLDED, OF_FILE[DIFF])
    found = read_file(FOLDED.read, CORPUS / DIFF)
    before, after = found.tables["profiles"]
    for profile, name in ((before, "before.txt"), (after, "after.txt")):
        alone = read_file(FOLDED.read, (CORPUS / DIFF).with_name(name))
        assert found.stacks(profile_id=profile["profile_id"]) == alone.stacks()
        assert profile["sample_types"] == alone.tables["profiles"][0]["sample_types"]


@pytest.mark.parametrize("entry", SPEEDSCOPES, ids=key)
def test_a_speedscope_document_is_read_with_its_facts_or_refused(entry: dict[str, Any]) -> None:
    assert sniffed(SPEEDSCOPE, entry)
    path = CORPUS / entry["file"]
    if entry["outcome"] != "accept":
        with pytest.raises(BadFile, match="speedscope"):
            read_file(SPEEDSCOPE.read, path)
        return
    found = read_file(SPEEDSCOPE.read, path)
    facts = entry["facts"]
    assert len(found.tables["profile_frames"]) == facts["frames"]
    profiles = found.tables["profiles"]
    assert [dict(row["attributes"])["name"] for row in profiles] == [
        each["name"] for each in facts["profiles"]
    ]
    for row, told in zip(profiles, facts["profiles"], strict=True):
        factor = SECOND_NANO if told["unit"] == "seconds" else 1
        stacks = found.stacks(profile_id=row["profile_id"])
        assert sum(stacks.values()) == round(told["total"] * factor)
        flat, cumulative = flat_and_cumulative(stacks)
        for name, value in told["top5_flat"]:
            assert flat[name] == round(value * factor)
        for name, value in told["top5_cum"]:
            assert cumulative[name] == round(value * factor)
    assert found.messages == sum(each["n"] for each in facts["profiles"])


@pytest.mark.parametrize("entry", TRACES, ids=key)
def test_trace_events_are_a_profile_of_py_spy_or_not_known(entry: dict[str, Any]) -> None:
    if "pyspy" not in entry["file"]:
        assert not sniffed(CHROME_TRACE, entry)
        return
    assert sniffed(CHROME_TRACE, entry)
    path = CORPUS / entry["file"]
    found: Read = read_file(CHROME_TRACE.read, path)
    assert (found.messages, found.rejects) == (entry["facts"]["events"], [])
    # Told anew: what is open at the root is the thread's whole time.
    spent: Counter[int] = Counter()
    depth: Counter[int] = Counter()
    began: dict[int, int] = {}
    for event in json.loads(path.read_text()):
        thread = event["tid"]
        if event["ph"] == "B":
            if not depth[thread]:
                began[thread] = event["ts"]
            depth[thread] += 1
        else:
            depth[thread] -= 1
            if not depth[thread]:
                spent[thread] += event["ts"] - began[thread]
    for thread, micros in spent.items():
        assert sum(found.stacks(thread_id=thread).values()) == micros * 1000


@pytest.mark.parametrize(
    ("collector", "own"),
    [
        (FOLDED, ("folded", "golden:folded", "golden:folded-diff")),
        (SPEEDSCOPE, ("speedscope",)),
        (CHROME_TRACE, ("other:trace-event",)),
    ],
    ids=lambda value: value.format if isinstance(value, Collector) else "own",
)
def test_nothing_of_another_format_is_taken(collector: Collector, own: tuple[str, ...]) -> None:
    others = [entry for entry in ENTRIES if entry["format"] not in own]
    assert len(others) > 100
    taken = []
    for entry in others:
        try:
            begin = head(CORPUS / entry["file"], 256 << 10)
        except BadFile:
            continue
        cut = Head(begin.content[: len(begin.content) // 2], whole=False)
        taken += [entry["file"] for each in (begin, cut) if collector.sniff(each)]
    assert taken == []
