"""Real profiles hold what the corpus says they hold."""

from collections import Counter

import pytest

from collectors.otlp.profile_revisions import from_earlier
from collectors.otlp.profiles import check
from collectors.pprof_message import read_pprof
from collectors.pprof_samples import read_pprof_rows
from pipeline.errors import BadRequest
from tests.otlp_profiles.profile_corpus import corpus, entries
from tests.otlp_profiles.profile_messages import tables_of
from tests.otlp_profiles.profile_oracle import Walk, found_in

REAL = "otlp/sig-profiling/profile.otlp"

# The corpus names unsymbolised frames by their address alone.
IN_THEIR_WORDS = {"linux-vdso.1.so+0xb03": "0xb03", "libc-2.31.so+0xc5b28": "0xc5b28"}


def test_a_real_ebpf_request_has_the_totals_of_the_corpus() -> None:
    folder = corpus()
    facts = entries(folder)[REAL]["facts"]
    payload = (folder / REAL).read_bytes()
    found = check(payload)
    assert (found.total, found.rejected) == (facts["profiles"], 0)
    tables, _ = tables_of(payload)
    samples = tables["profile_samples"].to_pylist()
    totals: Counter[str] = Counter()
    flat: Counter[str] = Counter()
    leaves = {row["stack_id"]: row["leaf_function"] for row in tables["profile_stacks"].to_pylist()}
    for row in samples:
        totals[row["sample_type"]] += row["samples"]
        flat[leaves[row["stack_id"]]] += row["value"]
    assert totals == facts["observations"]
    assert sum(flat.values()) == facts["timestamps"]
    top = [[IN_THEIR_WORDS.get(name, name), value] for name, value in flat.most_common(4)]
    assert top == facts["top5_flat"][:4]
    profiles = tables["profiles"].to_pylist()
    assert sum(each["total"] for row in profiles for each in row["sample_types"]) == 189


def test_a_real_ebpf_request_tells_threads_processes_and_kinds_of_frames() -> None:
    tables, warnings = tables_of((corpus() / REAL).read_bytes())
    # It is of the revision before ours, where attributes have another number.
    assert warnings == {"requests_of_an_earlier_revision": 1}
    rows = tables["profile_samples"].to_pylist()
    assert {"Thread-0", "Thread-1", "Thread-2", "agent", "node"} <= {
        row["thread_name"] for row in rows
    }
    assert all(row["pid"] and row["thread_id"] and row["comm"] for row in rows)
    assert {row["profile_type"] for row in rows} == {"cpu"}
    kinds = Counter(tables["profile_frames"]["kind"].to_pylist())
    assert {"java", "kernel", "native", "js"} <= set(kinds)


def test_a_real_ebpf_request_becomes_the_rows_of_a_plain_walk() -> None:
    payload = (corpus() / REAL).read_bytes()
    renumbered = from_earlier(payload)
    assert renumbered is not None
    walk = Walk(renumbered.SerializeToString())
    values, counts = found_in(tables_of(payload)[0])
    assert values == walk.rows
    assert counts == walk.observations


def test_real_pprof_files_have_the_totals_of_the_corpus() -> None:
    folder = corpus()
    seen = 0
    for name, entry in entries(folder).items():
        facts = entry.get("facts", {})
        if entry["format"] != "pprof" or entry["outcome"] != "accept" or "total" not in facts:
            continue
        rows = read_pprof_rows(read_pprof((folder / name).read_bytes()), 128, Counter())
        found = [[each.name, each.unit] for each, _ in rows.types]
        assert found == facts["sample_types"], name
        assert [total for _, total in rows.types] == facts["total"], name
        flat: dict[str, Counter[str]] = {}
        leaves = {row["stack_id"]: row["leaf_function"] for row in rows.stacks.stacks.to_pylist()}
        factor = {each.name: each.factor for each, _ in rows.types}
        columns = [rows.columns[each].to_pylist() for each in ("sample_type", "stack_id", "value")]
        for kind, stack, value in zip(*columns, strict=True):
            flat.setdefault(kind, Counter())[leaves[stack]] += value // factor[kind]
        for kind, top in facts.get("top5_flat", {}).items():
            symbols = [[each, value] for each, value in top if "0x" not in each]
            assert all(flat[kind][each] == value for each, value in symbols), (name, kind)
        seen += 1
    assert seen >= 10


def test_broken_pprof_files_are_refused() -> None:
    folder = corpus()
    refused = [
        name
        for name, entry in entries(folder).items()
        if entry["format"] == "pprof" and entry["outcome"] == "reject"
    ]
    assert len(refused) >= 10
    for name in refused:
        data = (folder / name).read_bytes()
        with pytest.raises(BadRequest):
            read_pprof_rows(read_pprof(data), 128, Counter())
