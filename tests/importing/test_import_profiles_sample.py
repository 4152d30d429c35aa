"""The recorded profiles of the shop: real tools' files, with what a plain walk over them counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.jobs.profile_diff import run as profile_diff
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.lake import Lake, open_lake
from pipeline.lake.catalog import connect
from tests.importing import otlp_files as files

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "profiles"
EXPECTED: dict[str, dict[str, Any]] = json.loads((SAMPLE / "expected.json").read_text())["files"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Give a lake with the recorded profiles."""
    made = open_lake(tmp_path_factory.mktemp("profiles") / "lake", create=True)
    told = files.run(made, SAMPLE / "1.4.1", SAMPLE / "1.4.2")
    assert {outcome.status for outcome in told} == {"imported"}, told
    assert sum(outcome.rejected for outcome in told) == 0
    assert len(told) == len(EXPECTED)
    return made


def ask(lake: Lake, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask a lake."""
    with connect(lake) as connection:
        return connection.execute(sql, list(values)).fetchall()


def named(part: str) -> list[str]:
    """Give the files whose names hold this."""
    return [name for name in EXPECTED if part in name]


@pytest.mark.parametrize("name", [*named("raw.txt"), *named("perf-script"), *named("speedscope")])
def test_a_profile_has_as_many_samples_as_its_file(lake: Lake, name: str) -> None:
    version, file = name.split("/")
    ((samples, instances),) = ask(
        lake,
        "SELECT sum(s.samples), list(DISTINCT s.service_instance_id) FROM profile_samples AS s "
        "JOIN profiles AS p ON p.profile_id = s.profile_id "
        "WHERE p.source_file = ? AND p.service_version = ?",
        file,
        version,
    )
    assert samples == EXPECTED[name]["samples"]
    assert instances == [f"checkout-{version}-1"]


@pytest.mark.parametrize("name", named("raw.txt"))
def test_the_functions_at_the_leaves_are_those_of_the_file(lake: Lake, name: str) -> None:
    version, file = name.split("/")
    rows = ask(
        lake,
        "SELECT k.leaf_function, sum(s.samples) FROM profile_samples AS s "
        "JOIN profiles AS p ON p.profile_id = s.profile_id "
        "JOIN (SELECT DISTINCT stack_id, leaf_function FROM profile_stacks) AS k "
        "ON k.stack_id = s.stack_id "
        "WHERE p.source_file = ? AND p.service_version = ? GROUP BY ALL",
        file,
        version,
    )
    found = dict(rows)
    assert {leaf: found[leaf] for leaf in EXPECTED[name]["leaves"]} == EXPECTED[name]["leaves"]


@pytest.mark.parametrize("name", named("perf-stat"))
def test_every_counter_of_perf_stat_is_a_row(lake: Lake, name: str) -> None:
    version, file = name.split("/")
    ((rows,),) = ask(
        lake,
        "SELECT count(*) FROM ebpf_counts WHERE source_file = ? AND service_version = ?",
        file,
        version,
    )
    assert rows == EXPECTED[name]["counters"]


@pytest.mark.parametrize("name", named("reads"))
def test_a_histogram_of_bpftrace_adds_up(lake: Lake, name: str) -> None:
    version, file = name.split("/")
    rows = ask(
        lake,
        "SELECT metric, unit, sum(count)::BIGINT FROM ebpf_histograms "
        "WHERE source_file = ? AND service_version = ? GROUP BY ALL",
        file,
        version,
    )
    assert rows == [("@recv_us", "us", EXPECTED[name]["@recv_us"])]


@pytest.mark.parametrize("name", named("stacks"))
def test_a_map_of_stacks_lands_as_a_profile(lake: Lake, name: str) -> None:
    version, file = name.split("/")
    ((samples,),) = ask(
        lake,
        "SELECT sum(s.samples) FROM profile_samples AS s "
        "JOIN profiles AS p ON p.profile_id = s.profile_id "
        "WHERE p.source_file = ? AND p.service_version = ?",
        file,
        version,
    )
    assert samples == EXPECTED[name]["@"]


def test_the_function_that_was_made_slower_is_the_only_regression(lake: Lake) -> None:
    sides = [ProfileRequest(where=(("service.version", v),)) for v in ("1.4.1", "1.4.2")]
    result = profile_diff(lake, *sides)
    assert result.verdict == "fail"
    assert {each.function for each in result.regressions} == {"sign_receipt"}
