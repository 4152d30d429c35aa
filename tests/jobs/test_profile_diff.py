"""The profile-diff job: which functions take a larger share on the canary."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from pipeline.cli.run import command
from pipeline.errors import NotEnoughData, UsageError
from pipeline.jobs.profile_diff import DiffResult, run
from pipeline.jobs.profile_domains import class_of
from pipeline.jobs.profile_findings import Finding
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.registry import JOBS
from pipeline.lake import Lake, append, open_lake
from pipeline.report.profile_diff import WRITERS
from pipeline.schema import SPANS
from tests.jobs.profile_sides import land_side
from tests.report.profile_lake import NOON

SpanRows = Callable[..., pa.Table]

BASE = {
    "main;serve;parse": 300,
    "main;serve;render;fmt": 200,
    "main;serve;render": 100,
    "main;serve;db;send": 150,
    "main;serve;db": 50,
    "main;gc": 100,
    "main;log": 60,
    "main;serve;hash": 40,
}
CONCENTRATION = 2000.0


def drawn(shares: Mapping[str, int], stacks: Sequence[str], profiles: int, seed: int) -> np.ndarray:
    """Draw profiles of 2000 samples, about twice as different as binomial ones."""
    generator = np.random.default_rng(seed)
    weights = np.array([shares.get(stack, 0) for stack in stacks], dtype=np.float64)
    chances = np.maximum(weights / weights.sum() * CONCENTRATION, 1e-9)
    each = generator.dirichlet(chances, profiles)
    return np.array([generator.multinomial(2000, row / row.sum()) for row in each])


def land_both(
    lake: Lake,
    canary: Mapping[str, int],
    profiles: int = 8,
    baseline: Mapping[str, int] = BASE,
    gone_after: int = 0,
    seed: int = 1,
    module: str = "",
) -> None:
    """Land a baseline, release 1, and a canary, release 2."""
    stacks = sorted({*baseline, *canary})
    rows = drawn(canary, stacks, profiles, seed + 100)
    if gone_after:
        rows[gone_after:] = drawn(baseline, stacks, profiles - gone_after, seed + 200)
    before = drawn(baseline, stacks, profiles, seed)
    land_side(lake, stacks, before.tolist(), version="1", module_of=module)
    land_side(lake, stacks, rows.tolist(), version="2", module_of=module)


def side(version: str, **rest: str) -> ProfileRequest:
    """Select a release."""
    return ProfileRequest(where=(("service.version", version),), **rest)  # type: ignore[arg-type]


def compared(lake: Lake) -> DiffResult:
    """Run the job on both releases."""
    return run(lake, side("1"), side("2"))


def by_name(result: DiffResult) -> dict[str, Finding]:
    """Give the findings by function."""
    return {finding.function: finding for finding in result.findings}


def test_the_job_is_known() -> None:
    assert "profile-diff" in [job.name for job in JOBS]


def test_a_function_that_grew_is_a_regression_and_its_callers_are_not_told_again(
    lake: Lake,
) -> None:
    land_both(lake, BASE | {"main;serve;render;fmt": 400})
    result = compared(lake)
    assert result.verdict == "fail"
    [regression] = result.regressions
    assert regression.function == "fmt"
    assert regression.path == ("main", "serve", "render", "fmt")
    assert regression.covers == ("render",)
    # 200 of 1000 to 400 of 1200.
    assert regression.change_points == pytest.approx(100 * (400 / 1200 - 0.2), abs=1.5)
    assert regression.change_points_low > 0
    assert result.findings[0] == regression
    told = {(row["function"], row["kind"]): row["outcome"] for row in result.table.to_pylist()}
    assert told["fmt", "flat"] == told["fmt", "cumulative"] == "regression"
    assert told["render", "cumulative"] == "covered"
    assert (result.method, result.permutations, result.exact) == ("permutation", 1000, False)


def test_the_same_release_twice_passes_and_tells_what_would_have_been_found(lake: Lake) -> None:
    land_both(lake, BASE)
    result = compared(lake)
    assert result.verdict == "pass"
    assert result.regressions == ()
    rows = result.table.to_pylist()
    assert {row["outcome"] for row in rows} <= {"no_change", "small"}
    fmt = next(row for row in rows if (row["function"], row["kind"]) == ("fmt", "flat"))
    # Twice the binomial variance, 16000 samples a side: about 2.9 errors of 0.6 points.
    assert 1 < fmt["detectable_points"] < 4


@pytest.mark.slow
def test_a_sound_release_is_not_blamed(tmp_path: Path) -> None:
    blamed = 0
    for seed in range(10):
        lake = open_lake(tmp_path / str(seed), create=True)
        land_both(lake, BASE, profiles=6, seed=seed * 1000)
        blamed += compared(lake).verdict != "pass"
    assert blamed <= 2


def test_six_profiles_a_side_are_dealt_in_all_ways(lake: Lake) -> None:
    land_both(lake, BASE | {"main;log": 200}, profiles=6)
    result = compared(lake)
    assert (result.permutations, result.exact) == (924, True)
    assert [finding.function for finding in result.regressions] == ["log"]


def test_of_fewer_profiles_what_grew_is_suspected_and_the_verdict_inconclusive(lake: Lake) -> None:
    land_both(lake, BASE | {"main;serve;hash": 250}, profiles=3)
    result = compared(lake)
    assert result.verdict == "inconclusive"
    assert result.method == "quasi_binomial"
    assert by_name(result)["hash"].outcome == "suspected"
    assert "3 and 3 profiles" in " ".join(result.notes)


def test_a_cost_that_moved_inside_its_caller_is_no_regression(lake: Lake) -> None:
    renamed = {name: value for name, value in BASE.items() if name != "main;serve;render;fmt"}
    land_both(lake, renamed | {"main;serve;render;fmt2": 200})
    result = compared(lake)
    assert result.verdict == "pass"
    moved = by_name(result)["fmt2"]
    assert (moved.outcome, moved.why) == ("moved", "caller render")
    assert by_name(result)["fmt"].outcome == "improvement"


def test_a_cost_that_moved_inside_its_class_is_no_regression(lake: Lake) -> None:
    baseline = BASE | {"main;a;Cart.add": 200, "main;b;Cart.sum": 20}
    canary = BASE | {"main;a;Cart.add": 20, "main;b;Cart.sum": 200}
    land_both(lake, canary, baseline=baseline)
    result = compared(lake)
    grown = by_name(result)["Cart.sum"]
    assert (grown.outcome, grown.why) == ("moved", "class Cart")


def test_a_module_that_is_everything_does_not_excuse_a_regression(lake: Lake) -> None:
    land_both(lake, BASE | {"main;log": 200}, module="shop.bin")
    assert [finding.function for finding in compared(lake).regressions] == ["log"]


def test_growth_that_is_gone_in_the_last_third_is_transient(lake: Lake) -> None:
    land_both(lake, BASE | {"main;serve;hash": 250}, profiles=12, gone_after=8)
    result = compared(lake)
    assert by_name(result)["hash"].outcome == "transient"
    assert result.verdict == "pass"


def test_shares_that_grew_because_another_shrank_are_no_regressions(lake: Lake) -> None:
    land_both(lake, BASE | {"main;serve;parse": 50})
    result = compared(lake)
    assert result.verdict == "pass"
    assert by_name(result)["parse"].outcome == "improvement"
    assert {finding.outcome for finding in result.findings[1:]} <= {"rescaled", "improvement"}


def test_growth_of_less_than_a_tenth_is_let_through(lake: Lake) -> None:
    stacks = ["main;a", "main;b"]
    land_side(lake, stacks, [[5000, 5000]] * 6, version="1")
    land_side(lake, stacks, [[5400, 4600]] * 6, version="2")
    result = compared(lake)
    assert result.verdict == "pass"
    rows = result.table.to_pylist()
    row = next(r for r in rows if (r["function"], r["kind"]) == ("a", "flat"))
    assert row["p_value_adjusted"] < 0.05
    assert row["outcome"] == "small"


def test_growth_of_less_than_a_tenth_of_a_point_is_let_through(lake: Lake) -> None:
    stacks = ["main;a", "main;b"]
    land_side(lake, stacks, [[20, 100_000]] * 6, version="1")
    land_side(lake, stacks, [[90, 100_000]] * 6, version="2")
    assert compared(lake).verdict == "pass"


def test_functions_of_few_samples_are_counted_and_not_told(lake: Lake) -> None:
    land_side(lake, ["a", "b"], [[500, 0]] * 6, version="1")
    land_side(lake, ["a", "b"], [[500, 1]] * 6, version="2")
    result = compared(lake)
    assert {row["function"] for row in result.table.to_pylist()} == {"a"}
    assert "1 functions with fewer than 10 samples: not told" in result.notes


def test_values_do_not_count_samples_do(lake: Lake) -> None:
    # Twice the time a sample, the same samples.
    stacks = ["main;a", "main;b"]
    land_side(lake, stacks, [[50, 50]] * 6, version="1")
    land_side(lake, stacks, [[50, 50]] * 6, version="2", worth=20_000_000)
    result = compared(lake)
    assert result.verdict == "pass"
    assert result.canary.value == 2 * result.baseline.value


def test_cpu_time_a_request_is_told_of_each_side(lake: Lake, span_rows: SpanRows) -> None:
    spans: list[dict[str, Any]] = [
        {
            "service_name": "shop",
            "service_version": version,
            "service_instance_id": None,
            "start_time_unix_nano": NOON + number,
            "events": [],
            "links": [],
        }
        for version, requests in (("1", 4), ("2", 2))
        for number in range(requests)
    ]
    append(lake, SPANS, span_rows(*spans))
    for version in ("1", "2"):
        land_side(lake, ["main;a"], [[100]], version=version)
    result = compared(lake)
    # A second of CPU time each.
    assert [result.baseline.requests, result.canary.requests] == [4, 2]
    assert result.baseline.cpu_seconds_per_request == pytest.approx(0.25)
    assert result.canary.cpu_seconds_per_request == pytest.approx(0.5)


def test_values_since_the_start_are_differenced_first(lake: Lake) -> None:
    since_start = {"is_cumulative": True}
    for version, leak in (("1", 10), ("2", 60)):
        rows = [[1000 + n * 100, n * leak] for n in range(8)]
        land_side(
            lake,
            ["main;a", "main;leak"],
            rows,
            version=version,
            instance=f"pod-{version}",
            kind="alloc_space",
            unit="bytes",
            own=since_start,
        )
    result = compared(lake)
    assert result.baseline.samples == 7 * 110
    assert [finding.function for finding in result.regressions] == ["leak"]


def test_too_few_samples_are_not_enough_data(lake: Lake) -> None:
    land_side(lake, ["a"], [[2]], version="1")
    land_side(lake, ["a"], [[3]], version="2")
    with pytest.raises(NotEnoughData, match="2 samples of the baseline and 3 of the canary"):
        compared(lake)
    with pytest.raises(NotEnoughData, match="service.version=3"):
        run(lake, side("1"), side("3"))


def test_sides_without_a_common_type_are_not_compared(lake: Lake) -> None:
    land_side(lake, ["a"], [[20]], version="1")
    land_side(lake, ["a"], [[20]], version="2", kind="wall")
    with pytest.raises(UsageError, match="on every side"):
        compared(lake)


def test_swapped_sides_tell_an_improvement(lake: Lake) -> None:
    land_both(lake, BASE | {"main;serve;render;fmt": 400})
    result = run(lake, side("2"), side("1"))
    assert result.verdict == "pass"
    assert by_name(result)["fmt"].outcome == "improvement"


def test_the_same_lake_gives_the_same_bytes_in_every_format(lake: Lake) -> None:
    land_both(lake, BASE | {"main;serve;render;fmt": 400})
    written = {}
    for form, write in WRITERS.items():
        outs = [io.BytesIO(), io.BytesIO()]
        for out in outs:
            write(compared(lake), out)
        assert outs[0].getvalue() == outs[1].getvalue()
        written[form] = outs[0].getvalue().decode()
    document = json.loads(written["json"])
    assert document["schema"] == "tailgate.profile_diff/1"
    assert document["findings"][0]["path"] == ["main", "serve", "render", "fmt"]
    rows = list(csv.DictReader(io.StringIO(written["csv"])))
    assert len(rows) == len(document["functions"])
    lines = written["text"].splitlines()
    assert lines[0].startswith("regression: main > serve > render > fmt: +")
    assert lines[-1] == "verdict: fail (1 regressions; 1000 permutations)"


def test_the_command_ends_with_the_verdicts_status(lake: Lake, tmp_path: Path) -> None:
    land_both(lake, BASE | {"main;log": 200})
    out = tmp_path / "diff.json"
    call = ["profile-diff", "--lake", str(lake.path), "--format", "json", "--output", str(out)]
    for baseline, canary, status in (("1", "2", 1), ("2", "1", 0)):
        sides = ["--baseline", f"service.version={baseline}"]
        sides += ["--canary", f"service.version={canary}", "--where", "service.name=shop"]
        answer = CliRunner().invoke(command, [*call, *sides], standalone_mode=False)
        assert answer.return_value == status
    assert json.loads(out.read_bytes())["verdict"] == "pass"
    nowhere = str(tmp_path / "missing" / "diff.json")
    answer = CliRunner().invoke(command, [*call[:-1], nowhere, *sides])
    assert isinstance(answer.exception, UsageError)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("std::vector<int>::push_back(int const&)", "std::vector<int>"),
        ("net/http.(*conn).serve", "net/http.(*conn)"),
        ("operator()", ""),
        ("", ""),
        ("[unknown]", ""),
    ],
)
def test_a_class_is_what_stands_before_the_last_part(function: str, expected: str) -> None:
    assert class_of(function) == expected
