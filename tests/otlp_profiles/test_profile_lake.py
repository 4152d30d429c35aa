"""Profiles in the lake: read by DuckDB, each stack and frame one row after compaction."""

from collections import Counter

from collectors.otlp.profile_revisions import from_earlier
from pipeline.lake import Lake, append
from pipeline.lake.catalog import connect
from pipeline.lake.compact import compact
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES
from tests.otlp_profiles.profile_corpus import corpus
from tests.otlp_profiles.profile_messages import (
    NOON,
    PprofFile,
    Requested,
    empty_dictionary,
    tables_of,
)
from tests.otlp_profiles.profile_oracle import Walk

FOUR = (PROFILES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILE_FRAMES)
MIB = 1 << 20

# Samples first by stack, then the stacks, each function once a stack.
CUMULATIVE = """
    WITH per_stack AS (
      SELECT stack_id, sum(value) AS value FROM profile_samples GROUP BY stack_id
    ),
    stacks AS (
      SELECT stack_id, any_value(functions) AS functions FROM profile_stacks GROUP BY stack_id
    )
    SELECT function, sum(value)::BIGINT
    FROM (
      SELECT unnest(list_distinct(functions)) AS function, value
      FROM per_stack JOIN stacks USING (stack_id)
    )
    GROUP BY function ORDER BY 2 DESC, 1
"""


def land(lake: Lake, payload: bytes) -> None:
    tables, _ = tables_of(payload)
    for table in FOUR:
        append(lake, table, tables[table.name])


def recursive(service: str) -> bytes:
    asked = Requested(service)
    profile = asked.profile()
    asked.sample(profile, "leaf@l.go:3;loop;loop;main", times=[NOON, NOON + 1])
    asked.sample(profile, "other;main", times=[NOON])
    return asked.bytes()


def test_a_function_counts_once_a_sample_however_deep_it_recurses(lake: Lake) -> None:
    land(lake, recursive("checkout"))
    with connect(lake) as connection:
        found = connection.sql(CUMULATIVE).fetchall()
    assert found == [("main", 3), ("leaf", 2), ("loop", 2), ("other", 1)]


def test_stacks_and_frames_that_landed_twice_are_one_row_after_compaction(lake: Lake) -> None:
    for service in ("checkout", "cart"):
        land(lake, recursive(service))
    counts = "SELECT count(*), count(DISTINCT {}) FROM {}"
    with connect(lake) as connection:
        assert connection.sql(counts.format("stack_id", "profile_stacks")).fetchall() == [(4, 2)]
        assert connection.sql(counts.format("frame_id", "profile_frames")).fetchall() == [(8, 4)]
        before = connection.sql(CUMULATIVE).fetchall()
    for table in FOUR:
        done = compact(lake, table, MIB)
        assert (done.files_before, done.files_after) == (2, 1), table.name
    with connect(lake) as connection:
        assert connection.sql(counts.format("stack_id", "profile_stacks")).fetchall() == [(2, 2)]
        assert connection.sql(counts.format("frame_id", "profile_frames")).fetchall() == [(4, 4)]
        assert connection.sql("SELECT count(*) FROM profile_samples").fetchall() == [(4,)]
        assert connection.sql(CUMULATIVE).fetchall() == before


def test_frames_of_a_pprof_payload_and_of_a_dictionary_are_the_same_frames(lake: Lake) -> None:
    made = PprofFile()
    made.sample("work;main", 5)
    asked = Requested()
    empty_dictionary(asked)
    asked.profiles.add(
        time_unix_nano=NOON, original_payload_format="pprof", original_payload=made.bytes()
    )
    land(lake, asked.bytes())
    direct = Requested()
    direct.sample(direct.profile(), "work@:7;main@:7", [5])
    land(lake, direct.bytes())
    with connect(lake) as connection:
        found = connection.sql(
            "SELECT count(*), count(DISTINCT stack_id) FROM profile_samples"
        ).fetchall()
    assert found == [(2, 1)]


def test_a_real_request_is_read_back_by_duckdb(lake: Lake) -> None:
    payload = (corpus() / "otlp/sig-profiling/profile.otlp").read_bytes()
    land(lake, payload)
    with connect(lake) as connection:
        (total,) = connection.sql("SELECT sum(value)::BIGINT FROM profile_samples").fetchall()
        assert total == (189,)
        cumulative = dict(connection.sql(CUMULATIVE).fetchall())
        threads = connection.sql(
            "SELECT labels['thread.name'], sum(samples)::BIGINT FROM profile_samples "
            "GROUP BY 1 ORDER BY 2 DESC LIMIT 3"
        ).fetchall()
    request = from_earlier(payload)
    assert request is not None
    expected: Counter[str] = Counter()
    for (_, _, stack, _, _), value in Walk(request.SerializeToString()).rows.items():
        expected.update(dict.fromkeys(stack, value))
    assert cumulative == expected
    assert threads == [("Thread-2", 68), ("Thread-1", 60), ("Thread-0", 40)]
