"""Real files of perf script, from a corpus that is not part of the project, read as it says."""

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.collector import Head
from collectors.expand import Content, head
from collectors.perf_script import PERF_SCRIPT
from pipeline.errors import BadFile
from tests.profiles.perf_script_reading import Perf, read_file

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"
ENTRIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text())["files"] if MANIFEST.exists() else []
)
PERF = [entry for entry in ENTRIES if entry["format"] == "perf-script"]
OTHERS = [entry for entry in ENTRIES if entry["format"] != "perf-script"]
GOLDENS = [
    (entry["file"], golden)
    for entry in PERF
    for golden in entry.get("golden_files", [])
    # Addresses in names: ours are left out, so that one function is one frame.
    if not golden.endswith("-addrs.txt") and entry["bytes"]
]
HEAD_BYTES = 256 << 10

if not ENTRIES:
    pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS", allow_module_level=True)


def key(entry: dict[str, Any]) -> str:
    """Name a case after its file."""
    return str(entry["file"])


def of(outcome: str) -> list[dict[str, Any]]:
    """Give the entries with an outcome."""
    return [entry for entry in PERF if entry["outcome"] == outcome]


@pytest.mark.parametrize("entry", of("accept"), ids=key)
def test_a_file_is_read_with_its_facts(entry: dict[str, Any]) -> None:
    path, facts = CORPUS / entry["file"], entry["facts"]
    assert PERF_SCRIPT.sniff(head(path, HEAD_BYTES))
    perf = read_file(path)
    samples = perf.samples
    # A line that is no frame is a record there, and told as a reject here.
    assert perf.messages == len(samples) == facts["records"] - len(perf.rejects)
    assert Counter(sample["event"] for sample in samples) == facts["events"]
    comms = Counter(sample["comm"] for sample in samples)
    assert sorted(comms.values(), reverse=True)[:5] == [count for _, count in facts["comms"]]
    assert all(comms[comm] == count for comm, count in facts["comms"])
    stacked = [sample for sample in samples if sample["functions"] != ["[no stack]"]]
    if facts["frames"]:
        assert sum(len(sample["frames"]) for sample in stacked) == facts["frames"]
        leaves = Counter(s["frames"][0]["system_name"] or "[unknown]" for s in stacked)
        assert all(leaves[name] == count for name, count in facts["top5_leaf_records"])


@pytest.mark.parametrize("entry", of("either"), ids=key)
def test_an_odd_file_gives_no_wrong_rows(entry: dict[str, Any]) -> None:
    perf = read_file(CORPUS / entry["file"])
    assert Counter(sample["event"] for sample in perf.samples) == entry["facts"]["events"]
    assert len(perf.rejects) == 1


@pytest.mark.parametrize("entry", of("reject"), ids=key)
def test_a_file_without_samples_is_refused(entry: dict[str, Any]) -> None:
    assert not PERF_SCRIPT.sniff(Head((CORPUS / entry["file"]).read_bytes(), True))
    with pytest.raises(BadFile):
        read_file(CORPUS / entry["file"])


@pytest.mark.parametrize(("file", "golden"), GOLDENS, ids=lambda value: Path(value).name)
def test_stacks_are_those_that_the_folding_scripts_give(file: str, golden: str) -> None:
    perf = read_file(CORPUS / file)
    expected: Counter[str] = Counter()
    for line in (CORPUS / golden).read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        expected[stack] += int(count)
    samples = perf.samples
    if "/inferno/" not in file and not is_ended(CORPUS / file):
        # FlameGraph forgets the last sample of a file that does not end with a blank line.
        samples = samples[:-1]
    assert folded(perf, samples, golden, is_inferno="/inferno/" in file) == expected


def is_ended(path: Path) -> bool:
    """Tell whether the last sample of a file is ended by a blank line."""
    with Content(path) as content:
        return b"".join(content.chunks()).endswith(b"\n\n")


def folded(
    perf: Perf, samples: list[dict[str, Any]], golden: str, is_inferno: bool
) -> Counter[str]:
    """Fold as FlameGraph and inferno do, with the option that a golden's name ends in.

    They write blanks of comm as "_", name an unknown frame after its binary, and drop quotes.
    FlameGraph takes the first event of a file only.
    """
    first = perf.profiles[0]["profile_id"]
    result: Counter[str] = Counter()
    for sample in samples:
        if sample["profile_id"] != first and not is_inferno:
            continue
        root = sample["comm"].replace(" ", "_")
        pid = "?" if sample["pid"] is None else sample["pid"]
        if golden.endswith("-pid.txt"):
            root = f"{root}-{pid}"
        elif golden.endswith("-tid.txt"):
            root = f"{root}-{pid}/{sample['thread_id']}"
        names = [label(frame, golden) for frame in reversed(sample["frames"])]
        result[";".join([root, *names])] += sample["value"]
    return result


def label(frame: dict[str, Any], golden: str) -> str:
    """Name a frame as they do."""
    mapping, kind = frame["mapping"] or "", frame["kind"]
    name = str(frame["function"])
    if frame["system_name"] is None:
        name = f"[{mapping.rpartition('/')[2]}]" if mapping else "[unknown]"
    elif kind in ("java", "js"):
        # They keep where it is from in the name.
        name = str(frame["system_name"])
        name = name.removeprefix("L") if kind == "java" and "/" in name else name
        # They cut at a parenthesis, even in a regular expression.
        name = name.partition("(")[0]
    name = name.replace(";", ":").replace('"', "").replace("'", "").removesuffix("()")
    marks: dict[str, Callable[[], bool]] = {
        "_[k]": lambda: kind == "kernel" and golden.endswith(("-kernel.txt", "-all.txt")),
        "_[j]": lambda: "/perf-" in mapping and golden.endswith(("-jit.txt", "-all.txt")),
    }
    return name + "".join(mark for mark, holds in marks.items() if holds())


def test_nothing_of_another_format_is_taken_for_it() -> None:
    taken = []
    for entry in OTHERS:
        path = CORPUS / entry["file"]
        if not path.exists():
            continue
        try:
            begin = head(path, HEAD_BYTES)
        except BadFile:
            continue
        if PERF_SCRIPT.sniff(begin):
            taken.append(entry["file"])
    assert taken == []
