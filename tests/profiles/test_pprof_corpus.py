"""Real pprof files, from a corpus that is not part of the project, read as it says."""

import functools
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from collectors.expand import head
from collectors.pprof import PPROF
from collectors.profile_types import canonical_unit
from pipeline.errors import BadFile
from tests.profiles.folded_reading import NOON, Read, read_file

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"
ENTRIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text())["files"] if MANIFEST.exists() else []
)
BY_FILE = {entry["file"]: entry for entry in ENTRIES}

LARGE_BYTES = 200_000

if not ENTRIES:
    pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS", allow_module_level=True)


def of(outcome: str, *formats: str) -> list[dict[str, Any]]:
    """Give the entries of some formats."""
    return [e for e in ENTRIES if e["format"] in formats and e["outcome"] == outcome]


def key(entry: dict[str, Any]) -> str:
    """Name a case after its file."""
    return str(entry["file"])


@functools.cache
def read_large(file: str) -> Read:
    """Read a file once for all tests."""
    return read_file(PPROF.read, CORPUS / file)


def read(entry: dict[str, Any]) -> Read:
    """Read a file of the corpus."""
    if (CORPUS / entry["file"]).stat().st_size > LARGE_BYTES:
        return read_large(entry["file"])
    return read_file(PPROF.read, CORPUS / entry["file"])


def facts_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Give the facts of a file, perhaps by way of another."""
    facts: dict[str, Any] = entry["facts"]
    return BY_FILE[facts["same_facts_as"]]["facts"] if "same_facts_as" in facts else facts


def totals(found: Read) -> dict[str, int]:
    """Give the total of each type, in its own unit."""
    summed: Counter[str] = Counter()
    for row in found.tables["profile_samples"]:
        summed[row["sample_type"]] += row["value"]
    (profile,) = found.tables["profiles"]
    units = {each["type"]: canonical_unit(each["unit"])[1] for each in profile["sample_types"]}
    assert all(summed[name] % factor == 0 for name, factor in units.items())
    return {name: summed[name] // factor for name, factor in units.items()}


def by_function(found: Read, sample_type: str, unit: str) -> tuple[Counter[str], Counter[str]]:
    """Give flat and cumulative values; a function counts once a sample."""
    stacks = {row["stack_id"]: row["functions"] for row in found.tables["profile_stacks"]}
    flat: Counter[str] = Counter()
    cumulative: Counter[str] = Counter()
    for row in found.tables["profile_samples"]:
        if row["sample_type"] == sample_type:
            value = row["value"] // canonical_unit(unit)[1]
            # The corpus names a frame without a symbol by its address alone.
            names = [re.sub(r"^.*\+(0x[0-9a-f]+)$", r"\1", f) for f in stacks[row["stack_id"]]]
            flat[names[0]] += value
            cumulative.update(dict.fromkeys(names, value))
    return flat, cumulative


@pytest.mark.parametrize("entry", of("accept", "pprof"), ids=key)
def test_a_real_profile_has_the_facts_of_the_corpus(entry: dict[str, Any]) -> None:
    assert PPROF.sniff(head(CORPUS / entry["file"], 256 << 10))
    found, facts = read(entry), facts_of(entry)
    (profile,) = found.tables["profiles"]
    types = [[each["type"], each["unit"]] for each in profile["sample_types"]]
    assert types == facts["sample_types"]
    assert [each["total"] for each in profile["sample_types"]] == facts["total"]
    assert totals(found) == {
        name: total for (name, _), total in zip(types, facts["total"], strict=True)
    }
    assert found.messages == facts["samples"]
    assert (profile["period"] or 0, profile["duration_nano"] or 0) == (
        facts["period"],
        facts["duration_nanos"],
    )
    assert profile["period_type"] == (facts["period_type"] or [None])[0]
    assert profile["time_unix_nano"] == (facts["time_nanos"] or NOON - 5)
    assert found.warnings["profile_times_from_file"] == (not facts["time_nanos"])
    for name in ("default_sample_type", "drop_frames", "keep_frames"):
        assert (profile[name] or "") == facts[name]
    assert profile["comments"] == facts["comments"]
    assert max(row["depth"] for row in found.tables["profile_stacks"]) == facts["max_depth"]
    without_symbol = [row for row in found.tables["profile_frames"] if row["address"] is not None]
    assert len(without_symbol) == facts["unsymbolised_locations"]


@pytest.mark.parametrize("entry", of("accept", "pprof"), ids=key)
def test_a_real_profile_has_the_functions_and_labels_of_the_corpus(entry: dict[str, Any]) -> None:
    found, facts = read(entry), facts_of(entry)
    for name, unit in facts["sample_types"]:
        flat, cumulative = by_function(found, name, unit)
        for counted, fact in ((flat, "top5_flat"), (cumulative, "top5_cum")):
            top = facts[fact][name]
            assert [[each, counted[each]] for each, _ in top] == top
            assert sorted(counted.values(), reverse=True)[: len(top)] == [v for _, v in top]
    (first, _), *_ = facts["sample_types"]
    rows = [r for r in found.tables["profile_samples"] if r["sample_type"] == first]
    assert Counter(k for row in rows for k, _ in row["labels"]) == facts["str_labels"]
    numbers = Counter(each["key"] for row in rows for each in row["num_labels"])
    assert numbers == facts["num_labels"]
    every = [row["value"] for row in found.tables["profile_samples"]]
    assert sum(value < 0 for value in every) == facts["negative_values"]


@pytest.mark.parametrize("entry", of("reject", "pprof"), ids=key)
def test_a_broken_profile_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(BadFile, match=Path(entry["file"]).name):
        read(entry)


@pytest.mark.parametrize("entry", of("either", "pprof"), ids=key)
def test_a_doubtful_profile_has_its_facts_or_is_refused(entry: dict[str, Any]) -> None:
    try:
        found = read(entry)
    except BadFile:
        return
    assert list(totals(found).values()) == facts_of(entry)["total"]


@pytest.mark.parametrize("entry", of("either", "pprof-legacy"), ids=key)
def test_an_older_form_is_refused_by_name_with_the_way_out(entry: dict[str, Any]) -> None:
    assert PPROF.sniff(head(CORPUS / entry["file"], 256 << 10))
    with pytest.raises(BadFile, match=r"legacy .* profile .*go tool pprof -proto"):
        read(entry)


def test_nothing_of_another_format_is_taken_for_pprof() -> None:
    seen = 0
    for entry in ENTRIES:
        path = CORPUS / entry["file"]
        if path.exists() and not entry["format"].startswith("pprof"):
            assert not PPROF.sniff(head(path, 256 << 10)), entry["file"]
            seen += 1
    assert seen > 200


def raw_samples(text: str) -> tuple[list[str], list[int]]:
    """Give names and totals of the types that go tool pprof -raw prints."""
    _, _, samples = text.partition("Samples:\n")
    names, *lines = samples.partition("\nLocations")[0].splitlines()
    rows = [re.match(r" *((?:-?\d+ +)*-?\d+):", line) for line in lines]
    values = [list(map(int, row[1].split())) for row in rows if row]
    kinds = [name.partition("/")[0].partition("[")[0] for name in names.split()]
    return kinds, [sum(each) for each in zip(*values, strict=True)]


@pytest.mark.parametrize("entry", of("golden", "golden:pprof-raw"), ids=key)
def test_a_real_profile_has_the_totals_of_its_golden(entry: dict[str, Any]) -> None:
    source = BY_FILE[entry["file"].replace(".out.txt", ".in.pprof")]
    kinds, expected = raw_samples((CORPUS / entry["file"]).read_text())
    found = totals(read(source))
    assert [found[kind] for kind in kinds] == expected


@pytest.mark.slow  # Go may have to build it first.
@pytest.mark.skipif(not shutil.which("go"), reason="no go on PATH")
@pytest.mark.parametrize("entry", of("accept", "pprof"), ids=key)
def test_a_real_profile_has_the_totals_of_go_tool_pprof(entry: dict[str, Any]) -> None:
    told = subprocess.run(
        ["go", "tool", "pprof", "-symbolize=none", "-raw", str(CORPUS / entry["file"])],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    kinds, expected = raw_samples(told.stdout)
    found = totals(read(entry))
    assert [found[kind] for kind in kinds] == expected
