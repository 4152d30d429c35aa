"""Sides chosen by any attribute, and what lakes hold that cannot be taken as it stands."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.gate.judgement import Tolerance, judge
from pipeline.jobs.judge import read, run
from pipeline.jobs.judge_cells import versioned_cells
from pipeline.jobs.judge_request import JudgeRequest, cell_values, parse_selector
from pipeline.lake import Lake, append, open_lake
from pipeline.schema import SPANS
from tests.jobs.judge_sides import BASELINE, CANARY, MINUTE, NOON, found, judged, spans

Land = Callable[..., object]

_SPAN = st.fixed_dictionaries(
    {
        "service_name": st.sampled_from(["shop", "pay"]),
        "service_version": st.sampled_from(["v1", "v2", None]),
        "service_instance_id": st.sampled_from(["a", "b", None]),
        "deployment_environment": st.sampled_from(["live", "test"]),
        "name": st.sampled_from(["GET /", "POST /"]),
        "kind": st.sampled_from([1, 2, 3, 5]),
        "start_time_unix_nano": st.integers(0, 3).map(lambda n: NOON + n * MINUTE),
        "duration_nano": st.sampled_from([-5, 0, 1, 2, 3, 1_000_000, 2**40, 2**62]),
        "status_code": st.sampled_from([0, 2]),
        "http_response_status_code": st.sampled_from([None, 200, 404, 503]),
        "sampling_weight": st.sampled_from([1.0, 2.5, 10.0]),
    }
)


@given(rows=st.lists(_SPAN, min_size=1, max_size=25))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spans_give_the_same_cells_as_their_rollup(
    tmp_path_factory: pytest.TempPathFactory,
    span_rows: Callable[..., object],
    rows: list[dict[str, Any]],
) -> None:
    lake = open_lake(tmp_path_factory.mktemp("cells") / "lake", create=True)
    # Ends are worked out from starts, and must fit in 63 bits.
    ends = [
        {
            **row,
            "end_time_unix_nano": min(row["start_time_unix_nano"] + row["duration_nano"], 2**62),
        }
        for row in rows
    ]
    append(lake, SPANS, span_rows(*ends))
    values = cell_values("requests", BASELINE, CANARY, ("deployment_environment",))
    rolled, of_minutes = versioned_cells(lake, values, None, None)
    lists: dict[str, list[str]] = {
        "baseline_resource": [],
        "canary_resource": [],
        "mix_by_attributes": [],
    }
    direct, of_spans = versioned_cells(lake, values | lists, None, None)
    assert list(of_minutes) == ["latency_minutes"]
    assert list(of_spans) == ["spans"]
    assert direct.to_pylist() == rolled.to_pylist()


def test_a_side_is_chosen_by_any_attribute_of_its_resource(lake: Lake, land: Land) -> None:
    for ring, factor in (("stable", 1.0), ("canary", 1.5)):
        more: dict[str, Any] = {
            "resource_attributes": [("deployment.ring", ring), ("k8s.node", "n=1,2")]
        }
        land(*spans("v1", factor=factor, **more))
    sides = [parse_selector(f"deployment.ring={ring}") for ring in ("stable", "canary")]
    check = found(judge(run(lake, JudgeRequest(sides[0], sides[1])), Tolerance()), "p50")
    assert check.verdict == "fail"
    assert check.measure is not None
    assert check.measure.n == (1200, 1200)


def test_a_key_that_no_resource_has_is_named(lake: Lake, land: Land) -> None:
    land(*spans("v1"))
    sides = [parse_selector(f"deployment.rnig={ring}") for ring in ("stable", "canary")]
    with pytest.raises(UsageError, match="deployment.rnig: not a dimension, and no resource"):
        run(lake, JudgeRequest(sides[0], sides[1]))


def test_a_value_that_no_resource_has_is_no_data(lake: Lake, land: Land) -> None:
    land(*spans("v1", resource_attributes=[("deployment.ring", "stable")]))
    sides = [parse_selector(f"deployment.ring={ring}") for ring in ("stable", "canary")]
    assert judge(run(lake, JudgeRequest(sides[0], sides[1])), Tolerance()).verdict == "no_data"


def test_cells_are_ordered_and_add_up(lake: Lake, land: Land) -> None:
    land(*spans("v1", "GET /b", 50), *spans("v2", "GET /a", 70, errors=7))
    cells = read(lake, JudgeRequest(BASELINE, CANARY)).tables["cells"]
    rows = [
        tuple(row[name] for name in ("operation", "side", "instance", "minute", "bucket"))
        for row in cells.to_pylist()
    ]
    assert rows == sorted(rows)
    assert len(set(rows)) == len(rows)
    assert sum(cells["requests"].to_pylist()) == 120
    assert sum(cells["errors"].to_pylist()) == 7


def test_the_minute_that_is_not_over_is_left_out(lake: Lake, land: Land) -> None:
    land(*spans("v1"), *spans("v2"))
    # Minutes 0 to 29 have requests; minute 29 is over 9 s ago, which is too short.
    now = NOON + 30 * MINUTE + 9_000_000_000
    answer = judged(lake, now_unix_nano=now)
    assert answer.judged.end_minute - answer.judged.first_minute == 29
    assert "minutes from 2026-03-01 12:29 on are not over: left out" in answer.notes
    assert "canary: newest minute 2026-03-01 12:29 UTC" in answer.notes
    settled = judged(lake, now_unix_nano=now + 1_000_000_000)
    assert settled.judged.end_minute - settled.judged.first_minute == 30
    # Who says until when has said what is to be judged.
    told = judged(lake, now_unix_nano=now, until_unix_nano=NOON + 30 * MINUTE)
    assert told.judged.end_minute - told.judged.first_minute == 30


def test_an_instance_with_a_clock_of_its_own_is_left_out_and_named(lake: Lake, land: Land) -> None:
    land(*spans("v1"), *spans("v2"))
    land(*spans("v2", requests=300, first=-3000, instances=1, service_instance_id="v2-skewed"))
    answer = judged(lake)
    assert any(note.startswith("instance shop/v2-skewed: its minutes") for note in answer.notes)
    assert answer.judged.shared == 1.0
    assert found(answer, "p50").verdict == "pass"


def test_a_canary_that_runs_dry_is_inconclusive(lake: Lake, land: Land) -> None:
    land(*spans("v1", requests=3000), *spans("v2", requests=2000, minutes=20))
    land(*spans("v2", requests=200, minutes=10, first=20))
    answer = judged(lake)
    check = found(answer, "traffic", "")
    assert (check.verdict, answer.verdict) == ("inconclusive", "inconclusive")
    assert check.reason == "starved: the canary's share of requests fell by more than half"


@pytest.mark.parametrize(("split", "verdict"), [(0.05, "pass"), (0.10, "fail"), (None, "")])
def test_traffic_is_held_against_the_split_that_was_meant(
    lake: Lake, land: Land, split: float | None, verdict: str
) -> None:
    land(*spans("v1", requests=5700), *spans("v2", requests=300))
    answer = judged(lake, Tolerance(relative=0.1, split=split))
    verdicts = [each.verdict for each in answer.checks if each.metric == "traffic_share"]
    assert verdicts == ([verdict] if verdict else [])
    assert "canary: 5 % of 6,000 requests" in answer.notes


def test_refused_requests_are_told_apart_and_decide_nothing(lake: Lake, land: Land) -> None:
    land(*spans("v1"), *spans("v2", requests=600))
    land(*spans("v2", requests=600, http_response_status_code=404))
    answer = judged(lake)
    check = found(answer, "error_4xx_ratio")
    assert (check.verdict, check.critical) == ("warn", False)
    assert found(answer, "error_ratio").verdict == "pass"


@pytest.mark.parametrize(
    ("direction", "factor", "verdict"),
    [
        ("increase", 0.5, "pass"),
        ("decrease", 0.5, "fail"),
        ("either", 0.5, "fail"),
        ("either", 2.0, "fail"),
        ("decrease", 2.0, "pass"),
    ],
)
def test_which_way_is_worse_can_be_said(
    lake: Lake, land: Land, direction: str, factor: float, verdict: str
) -> None:
    land(*spans("v1"), *spans("v2", factor=factor))
    tolerance = Tolerance(relative=0.1, directions=(("p50", direction),))
    check = found(judged(lake, tolerance, quantiles=(0.5,)), "p50")
    assert check.verdict == verdict
    assert check.measure is not None
    assert check.measure.low <= check.measure.effect <= check.measure.high
    assert np.sign(check.measure.effect) == (1 if verdict == "fail" else -1)


def test_more_instances_are_asked_for_where_instances_differ(lake: Lake, land: Land) -> None:
    for version in ("v1", "v2"):
        for number, factor in enumerate((0.8, 0.9, 1.0, 1.1, 1.25)):
            name = f"{version}-{number}"
            land(
                *spans(version, requests=300, factor=factor, instances=1, service_instance_id=name)
            )
    check = found(judged(lake), "p50")
    assert check.verdict == "inconclusive"
    assert check.advice.startswith("instances differ more than minutes: ")
