"""Real files of OTLP, from a corpus that is not part of the project, import as it says."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from collectors.otlp.signals import SIGNALS
from pipeline.lake import Lake
from tests.importing import otlp_files as files

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MANIFEST = CORPUS / "manifest.json"
ENTRIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text())["files"] if MANIFEST.exists() else []
)
OTLP = [entry for entry in ENTRIES if entry["format"].startswith("otlp")]
OTHERS = [entry for entry in ENTRIES if not entry["format"].startswith("otlp")]

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


def test_nothing_of_another_format_is_taken_for_otlp(lake: Lake) -> None:
    paths = [CORPUS / entry["file"] for entry in OTHERS]
    told = files.run(lake, *(path for path in paths if path.exists()))
    assert len(told) > 200
    taken = [outcome.file for outcome in told if outcome.format.startswith("otlp")]
    assert taken == []
    assert all(not sum(outcome.rows.values()) for outcome in told)
