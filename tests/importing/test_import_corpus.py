"""Real files of OTLP, from a corpus that is not part of the project, import as it says."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from collectors.importing import Outcome
from collectors.otlp.signals import SIGNALS
from pipeline.lake import Lake, open_lake
from tests.importing import otlp_files as files

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"
ENTRIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text())["files"] if MANIFEST.exists() else []
)
OTLP = [entry for entry in ENTRIES if entry["format"].startswith("otlp")]
# What the corpus calls formats, and the collectors that read them.
READ_BY = {
    "pprof": ("pprof",),
    "folded": ("folded",),
    "speedscope": ("speedscope",),
    "perf-script": ("perf-script",),
    "perf-stat-csv": ("perf-stat",),
    "perf-stat-interval-csv": ("perf-stat",),
    "perf-stat-json": ("perf-stat",),
    "bpftrace-json": ("bpftrace-json",),
    "bpftrace-text": ("bpftrace-text",),
    "bpftrace-table": ("bcc-table",),
    "bcc-hist": ("bcc-histogram",),
    "bcc-table": ("bcc-table",),
    "bcc-stacks": ("bcc-stacks",),
}
# Of files alike in format and fate so many go through the lake; their collectors' own tests read
# every one of them. TAILGATE_CORPUS takes all.
ALIKE_MOST = 1000 if os.environ.get("TAILGATE_CORPUS") else 8


def spread(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take some of those alike, evenly spread over the list."""
    alike: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        alike.setdefault((entry["format"], entry["outcome"]), []).append(entry)
    return [
        group[place * len(group) // min(len(group), ALIKE_MOST)]
        for group in alike.values()
        for place in range(min(len(group), ALIKE_MOST))
    ]


IMPORTS = spread([entry for entry in ENTRIES if entry["format"] in READ_BY])
UNSUPPORTED = [entry for entry in ENTRIES if entry["file"].startswith("unsupported/")]

SIGNAL = {"trace": "traces", "metrics": "metrics", "logs": "logs", "events": "logs"}

if not ENTRIES:
    pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS", allow_module_level=True)


def key(entry: dict[str, Any]) -> str:
    """Name a case after its file."""
    return str(entry["file"])


@pytest.mark.parametrize(
    "entry", [entry for entry in OTLP if entry["format"].startswith("otlp-json")], ids=key
)
def test_an_example_of_the_protocol_imports_with_its_facts(
    lake: Lake, entry: dict[str, Any]
) -> None:
    signal = SIGNAL[entry["format"].partition(":")[2]]
    (outcome,) = files.run(lake, CORPUS / entry["file"])
    assert (outcome.status, outcome.reason, outcome.rejected) == ("imported", "", 0)
    assert outcome.sha256 == entry["sha256"]
    assert outcome.signals == [signal]
    facts = entry["facts"]
    table = files.TABLE[signal]
    assert outcome.rows[table] == facts.get("points", facts["items"])
    if signal in ("traces", "metrics"):
        found = sorted(row["name"] for row in files.rows(lake, table, "name"))
        assert found == sorted(facts["names"])
    else:
        column = "event_name" if entry["format"].endswith("events") else "body"
        assert [row[column] for row in files.rows(lake, table)] == facts["names"]


@pytest.mark.parametrize("entry", [e for e in OTLP if e["format"] == "otlp-profiles"], ids=key)
def test_real_profiles_import_with_their_facts(lake: Lake, entry: dict[str, Any]) -> None:
    if "profiles" not in [signal.name for signal in SIGNALS]:
        pytest.skip("profiles are not taken yet")
    (outcome,) = files.run(lake, CORPUS / entry["file"])
    facts = entry["facts"]
    assert (outcome.status, outcome.rejected, outcome.signals) == ("imported", 0, ["profiles"])
    assert outcome.rows["profiles"] == facts["profiles"]
    found = files.rows(lake, "profile_samples", "sample_type", "value", "samples")
    totals: Counter[str] = Counter()
    for row in found:
        totals[row["sample_type"]] += row["samples"]
    assert totals == facts["observations"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Import every file of a profiler or eBPF tool into one lake; give the outcomes by file."""
    lake = open_lake(tmp_path_factory.mktemp("corpus") / "lake", create=True)
    entries = [*IMPORTS, *UNSUPPORTED]
    outcomes = files.run(lake, *(CORPUS / entry["file"] for entry in entries))
    return {str(outcome.file.relative_to(CORPUS)): outcome for outcome in outcomes}


@pytest.mark.slow
@pytest.mark.parametrize("entry", IMPORTS, ids=key)
def test_a_real_file_is_known_for_what_it_is_and_imported_or_refused(
    told: dict[str, Outcome], entry: dict[str, Any]
) -> None:
    outcome = told[entry["file"]]
    if entry["outcome"] == "accept":
        assert outcome.status in ("imported", "known"), outcome.reason
        assert outcome.format in READ_BY[entry["format"]]
        # One is a heading with nothing below.
        empty = entry.get("facts", {}).get("rows") == 0
        assert empty or outcome.messages + outcome.known > 0
    elif entry["outcome"] == "reject":
        assert outcome.status in ("refused", "empty")
        assert not sum(outcome.rows.values())
        assert outcome.reason or outcome.status == "empty"


@pytest.mark.slow
@pytest.mark.parametrize("entry", UNSUPPORTED, ids=key)
def test_a_format_that_is_not_read_is_refused_with_those_that_are(
    told: dict[str, Outcome], entry: dict[str, Any]
) -> None:
    outcome = told[entry["file"]]
    assert outcome.status == "refused"
    assert "known formats: pprof, speedscope" in outcome.reason
