"""A baseline of another time: earlier windows, the same hour last week, one that was saved."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.cli.judge import command as judge_command
from pipeline.errors import UsageError
from pipeline.gate.judgement import Judgement, Tolerance, judge
from pipeline.jobs import baseline_store
from pipeline.jobs.baseline import run as baseline
from pipeline.jobs.baseline_request import BaselineRequest
from pipeline.jobs.judge import compare, read, run
from pipeline.jobs.judge_request import JudgeRequest, parse_baseline, parse_selector
from pipeline.lake import Lake
from tests.jobs.judge_sides import BASELINE, CANARY, NOON, found, spans

Land = Callable[..., object]
DAY = 1440


def earlier(version: str, days: int, factor: float = 1.0, **more: Any) -> Iterator[dict[str, Any]]:
    """Give half an hour of a version's requests, so many days before the others."""
    return spans(version, factor=factor, first=-days * DAY, **more)


def asked(lake: Lake, **more: Any) -> Judgement:
    """Judge v2 against earlier requests of v1."""
    request = JudgeRequest(BASELINE, CANARY, **{"baseline_shift_minutes": 7 * DAY, **more})
    return judge(run(lake, request), Tolerance(relative=0.10))


@pytest.mark.parametrize(("factor", "verdict"), [(2.0, "fail"), (1.0, "inconclusive")])
def test_seven_earlier_windows_are_seven_observations(
    lake: Lake, land: Land, factor: float, verdict: str
) -> None:
    # Logarithms of the windows' factors: -0.09, -0.06, … 0.09.
    factors = np.exp(0.03 * np.arange(-3, 4))
    for week, each in enumerate(factors, 1):
        land(*earlier("v1", 7 * week, float(each), requests=400))
    land(*spans("v2", requests=400, factor=factor))
    answer = asked(lake, baseline_windows=7)
    check = found(answer, "p50")
    assert check.verdict == verdict
    assert check.measure is not None
    assert check.measure.method == "windows"
    assert check.measure.effect == pytest.approx(factor - 1, abs=0.02)
    # Student's prediction interval: t(6) at 1 % is 3.143, s is 0.0648, and there is one more.
    reach = 3.1427 * 0.03 * np.sqrt(28 / 6) * np.sqrt(1 + 1 / 7)
    high = np.log1p(check.measure.high) - np.log1p(check.measure.effect)
    assert high == pytest.approx(reach, rel=0.02)


def test_one_earlier_window_can_warn_and_never_fails(lake: Lake, land: Land) -> None:
    land(*earlier("v1", 7))
    land(*spans("v2", factor=2.0))
    answer = asked(lake)
    check = found(answer, "p50")
    assert (check.verdict, check.reason) == ("warn", "baseline_not_concurrent")
    assert check.measure is not None
    assert check.measure.effect == pytest.approx(1.0, abs=0.02)
    assert "1 earlier windows have requests, 7 are needed" in answer.notes


def test_a_release_may_be_compared_with_its_own_past(lake: Lake, land: Land) -> None:
    land(*earlier("v2", 7))
    land(*spans("v2", factor=2.0))
    request = JudgeRequest(CANARY, CANARY, NOON, baseline_shift_minutes=7 * DAY)
    check = found(judge(run(lake, request), Tolerance()), "p50")
    assert check.verdict == "warn"


def test_working_days_are_not_compared_with_the_weekend(lake: Lake, land: Land) -> None:
    # The canary's day is a Sunday: of 14 days before it one Sunday and two Saturdays count.
    for day in range(1, 15):
        land(*earlier("v1", day, requests=30))
    land(*spans("v2", requests=30))
    inputs = read(
        lake, JudgeRequest(BASELINE, CANARY, baseline_shift_minutes=DAY, baseline_windows=14)
    )
    assert sorted(set(inputs.tables["cells"]["window"].to_pylist())) == [0, 1, 7, 8, 14]


def test_windows_that_hold_the_canary_itself_are_refused(lake: Lake, land: Land) -> None:
    land(*spans("v2"))
    with pytest.raises(UsageError, match="the baseline only 10 earlier"):
        asked(lake, baseline_shift_minutes=10)


@pytest.fixture
def saved(lake: Lake, land: Land) -> Lake:
    """Give a lake with a baseline saved of v1, and a canary that is twice as slow."""
    land(*earlier("v1", 30, errors=12))
    result = baseline(lake, BaselineRequest(group_by=("service.name", "operation")))
    baseline_store.save(lake, result, "main", NOON)
    land(*spans("v2", factor=2.0, errors=12))
    return lake


def test_a_saved_baseline_stands_for_its_requests(saved: Lake) -> None:
    request = JudgeRequest(parse_baseline("saved:main"), CANARY)
    answer = judge(run(saved, request), Tolerance(relative=0.10))
    check = found(answer, "p50")
    assert (check.verdict, check.reason) == ("warn", "baseline_not_concurrent")
    assert check.measure is not None
    assert check.measure.effect == pytest.approx(1.0, abs=0.02)
    errors = found(answer, "error_ratio").measure
    assert errors is not None
    assert (errors.baseline, errors.canary) == pytest.approx((0.01, 0.01))
    # All that it is made of is in the inputs.
    inputs = read(saved, request)
    assert compare(inputs, request) == answer.judged


def test_a_saved_baseline_without_the_operation_is_no_data(saved: Lake, land: Land) -> None:
    land(*spans("v2", "POST /new"))
    request = JudgeRequest(parse_baseline("saved:main"), CANARY)
    check = found(judge(run(saved, request), Tolerance()), "p50", "POST /new")
    assert (check.verdict, check.reason) == ("no_data", "no requests on the baseline side")


def test_a_saved_baseline_of_more_services_is_asked_for_one(saved: Lake) -> None:
    request = JudgeRequest(parse_baseline("saved:main"), (*CANARY, ("service_name", "none")))
    assert run(saved, request).comparisons == ()


def test_a_baseline_that_was_never_saved_is_named(lake: Lake, land: Land) -> None:
    land(*spans("v2"))
    with pytest.raises(UsageError, match="baseline other: not saved; saved ones: none yet"):
        run(lake, JudgeRequest(parse_baseline("saved:other"), CANARY))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--baseline-windows", "7"], "add --baseline-shift"),
        (["--baseline-window", "3h"], "less than a day"),
        (["--baseline-window", "7d", "--baseline-shift", "7d"], "says both"),
        (["--baseline-shift", "30s"], "less than a minute"),
        (["--direction", "p95"], "write METRIC=WAY"),
        (["--direction", "p95=up"], "known: increase, decrease, either"),
        (["--mix-by", "service.instance.id"], "cannot be told apart by this"),
    ],
)
def test_options_that_say_nothing_are_refused(lake: Lake, options: list[str], why: str) -> None:
    command = ["--lake", str(lake.path), "--baseline", "service.version=v1"]
    done = CliRunner().invoke(judge_command, [*command, "--canary", "service.version=v2", *options])
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)


def test_the_same_hour_of_last_week_is_asked_for_in_one_option(lake: Lake, land: Land) -> None:
    land(*earlier("v1", 7), *spans("v2"))
    command = ["--lake", str(lake.path), "--baseline", "service.version=v1"]
    command += ["--canary", "service.version=v2", "--baseline-shift", "7d", "--tolerance", "20"]
    done = CliRunner().invoke(judge_command, command)
    assert done.exception is None
    assert "baseline_not_concurrent" in done.output


def test_the_baselines_selector_is_read_like_any_other() -> None:
    assert parse_baseline("service.version=v1") == parse_selector("service.version=v1")
