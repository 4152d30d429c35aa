"""Replays of a release against itself: fair splits, the judge's own answer, honest limits."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import mannwhitneyu

from pipeline.errors import BadWindow, NotEnoughData, UsageError
from pipeline.gate.auditing import audit
from pipeline.gate.judgement import Tolerance, judge
from pipeline.jobs.audit import AuditRequest, History, history_of
from pipeline.jobs.audit_harm import compared
from pipeline.jobs.audit_splits import canary_size, dealt, thinned
from pipeline.jobs.judge import CELLS, Inputs, compare
from pipeline.schema import LATENCY_MINUTES
from pipeline.stats.buckets import bucket_index

FIRST = 29_000_000
REQUEST = AuditRequest((("service_version", "1"),), runs=40, harmed_runs=12)


def history(
    windows: int = 12,
    instances: int = 10,
    spread: float = 0.0,
    requests: int = 4000,
    operations: tuple[str, ...] = ("GET /cart",),
    seed: int = 1,
) -> pa.Table:
    """Give cells of hours in which instances differ by ``spread``, 2 % of the requests failing."""
    rng = np.random.default_rng(seed)
    tables = []
    for operation in operations:
        for window in range(windows):
            own = rng.normal(0, spread, instances)
            instance = rng.integers(0, instances, requests)
            minute = window * 60 + np.arange(requests) * 60 // requests
            logs = math.log(1e8) + rng.normal(0, 0.5, requests) + own[instance]
            bucket = bucket_index(np.exp(logs)).astype(np.int64)
            failed = rng.random(requests) < 0.02
            keys, inverse, count = np.unique(
                np.stack([instance, minute, bucket]), axis=1, return_inverse=True,
                return_counts=True,
            )  # fmt: skip
            errors = np.bincount(inverse.ravel(), weights=failed)
            tables.append(
                pa.table(
                    {
                        "service_name": ["shop"] * len(count),
                        "operation": [operation] * len(count),
                        "side": np.zeros(len(count), dtype=np.int32),
                        "instance": [f"shop/{number:02d}" for number in keys[0]],
                        "minute": FIRST + keys[1],
                        "bucket": keys[2],
                        "requests": count.astype(float),
                        "requests_squared": count.astype(float),
                        "errors": errors,
                        "errors_5xx": np.zeros(len(count)),
                        "errors_4xx": np.zeros(len(count)),
                    }
                )
            )
    return pa.concat_tables(tables).combine_chunks()


def cut(rows: pa.Table, **more: object) -> History:
    """Cut cells for replays."""
    return history_of(rows, 1, replace(REQUEST, **more))  # type: ignore[arg-type]


def test_a_replay_is_judged_as_the_same_rows_would_be_from_a_lake() -> None:
    rows = history(windows=1, operations=("GET /cart", "POST /pay"))
    of = cut(rows)
    replay = next(of.replays())
    asked = of.judge_request(services=True)
    ours = judge(
        of.judged(replay, asked, compared(replay.splits, asked, replay.clock)), Tolerance()
    )
    codes = rows["instance"].combine_chunks().dictionary_encode()
    chosen = np.unique(replay.splits[0].canary["instance_code"])
    side = np.isin(codes.indices.to_numpy(), chosen).astype(np.int32)
    place = rows.column_names.index("side")
    sided = rows.set_column(place, "side", pa.array(side)).sort_by(
        [(name, "ascending") for name in
         ("service_name", "operation", "side", "instance", "minute", "bucket")]
    )  # fmt: skip
    inputs = Inputs({CELLS: sided}, {LATENCY_MINUTES.name: 1})
    theirs = judge(compare(inputs, asked), Tolerance())
    assert len(ours.checks) == len(theirs.checks) == 12
    for mine, judged in zip(ours.checks, theirs.checks, strict=True):
        assert (mine.operation, mine.metric, mine.verdict) == (
            judged.operation, judged.metric, judged.verdict,
        )  # fmt: skip
        assert mine.measure is not None
        assert judged.measure is not None
        assert mine.measure.low == pytest.approx(judged.measure.low, abs=1e-9)
        assert mine.p_adjusted == pytest.approx(judged.p_adjusted, abs=1e-9)


def test_halves_are_whole_instances_and_no_split_comes_twice() -> None:
    seen = set()
    for replay in cut(history(windows=2, instances=4, requests=600), runs=1000).replays():
        (split,) = replay.splits
        baseline, canary = (
            frozenset(half["instance_code"].tolist()) for half in (split.baseline, split.canary)
        )
        assert not baseline & canary
        assert (len(baseline), len(canary)) == (2, 2)
        seen.add((replay.window, canary))
    # Two of four can be chosen in six ways, in each of two windows.
    assert len(seen) == 12


def test_a_small_canary_has_two_instances_and_its_share_of_the_requests() -> None:
    assert canary_size(40, 0.05) == 2
    for replay in cut(history(windows=3), share=0.05, runs=3).replays():
        (split,) = replay.splits
        baseline, canary = (
            float(half["requests"].sum()) for half in (split.baseline, split.canary)
        )
        assert len(np.unique(split.canary["instance_code"])) == 2
        assert canary / (baseline + canary) == pytest.approx(0.05, abs=0.015)


def test_dealing_is_the_same_every_time_and_ends_when_all_splits_were() -> None:
    present = np.arange(4)
    splits = [dealt(present, 0.5, turn, ("shop", 1)) for turn in range(7)]
    assert splits[6] is None
    assert len({tuple(split) for split in splits[:6] if split is not None}) == 6
    again = dealt(present, 0.5, 3, ("shop", 1))
    assert again is not None
    assert splits[3] is not None
    assert again.tolist() == splits[3].tolist()


def test_dealing_requests_loses_none_and_keeps_what_sampled_ones_stand_for_together() -> None:
    eights = np.full(200, 8.0)
    rows = {
        "requests": eights, "requests_squared": eights * 4, "errors": np.full(200, 4.0),
        "errors_5xx": np.zeros(200), "instance_code": np.arange(200),
    }  # fmt: skip
    first, second = thinned(rows, 0.5, np.random.default_rng(1))
    for name in ("requests", "requests_squared", "errors"):
        assert first[name].sum() + second[name].sum() == pytest.approx(rows[name].sum())
    assert set(first["requests"].tolist()) <= {4.0, 8.0}
    assert first["requests"].sum() == pytest.approx(800, abs=100)


def test_few_instances_are_split_by_request_and_that_is_said() -> None:
    found = audit(cut(history(instances=3, requests=1500), harmed_runs=0), Tolerance())
    (operation,) = found.operations
    assert (operation.way, operation.instances) == ("requests", 3)
    assert found.notes[0].startswith(
        "instance_effect_unknown: too few instances to deal them out in shop, so requests were"
    )


def test_quiet_history_fails_never_and_a_fifth_slower_is_found_nearly_always() -> None:
    found = audit(cut(history(requests=6000)), Tolerance())
    (operation,) = found.operations
    assert found.replays == 40
    assert found.overall.false_fails.events == 0
    caught = {(each.kind, each.size): each.failed.share for each in operation.caught}
    assert caught["slower", 0.2] > 0.9
    assert caught["slower", 0.5] == 1
    assert caught["errors", 0.02] > 0.5
    assert operation.smallest("slower") in (0.1, 0.2)
    # More errors change no duration.
    assert "p95" not in operation.caught[-1].by_metric


def test_harm_to_the_tail_is_seen_in_the_tail_alone() -> None:
    of = cut(history(requests=8000), slowdowns=(), added_errors=(), tail_slowdowns=(0.5,), runs=20)
    (caught,) = audit(of, Tolerance()).operations[0].caught
    assert caught.by_metric["p50"].share == 0
    assert caught.by_metric["p95"].share > 0.9


def test_operations_of_few_requests_are_audited_together() -> None:
    large, small = history(requests=4000), history(requests=150, operations=("a", "b"))
    found = audit(cut(pa.concat_tables([large, small]), harmed_runs=5), Tolerance())
    assert [each.operation for each in found.operations] == ["(other)", "GET /cart"]
    assert found.operations[0].requests == pytest.approx(300)
    assert found.operations[0].caught[3].failed.replays == 5


@pytest.mark.slow
def test_instances_that_differ_alarm_a_rank_test_and_not_the_judge() -> None:
    of = cut(history(windows=40, spread=0.05, requests=3000, seed=5), runs=200, harmed_runs=0)
    found = audit(of, Tolerance())
    alarms = [metric.false_alarms for metric in found.operations[0].metrics]
    # 200 replays at 1 %: more than 8 are a chance of one in four thousand.
    assert all(rate.replays == 200 and rate.events <= 8 for rate in alarms if rate.replays)
    ranked = 0
    for replay in of.replays():
        (split,) = replay.splits
        baseline, canary = (
            np.repeat(half["bucket"], half["requests"].astype(int))
            for half in (split.baseline, split.canary)
        )
        ranked += mannwhitneyu(canary, baseline, alternative="greater").pvalue <= 0.01
    assert ranked > 0.05 * 200


def test_the_same_history_gives_the_same_figures() -> None:
    rows = history(windows=6, spread=0.05, requests=1000)
    of, again = (cut(rows, runs=25, harmed_runs=5) for _ in range(2))
    assert audit(of, Tolerance()).operations == audit(again, Tolerance()).operations


def test_too_little_history_says_what_is_missing() -> None:
    with pytest.raises(NotEnoughData, match="60 minutes of history hold no window of 90 minutes"):
        cut(history(windows=1), window_minutes=90)
    with pytest.raises(NotEnoughData, match="6 different replays of 1 windows, 20 are needed"):
        audit(cut(history(windows=1, instances=4, requests=600), harmed_runs=0), Tolerance())
    with pytest.raises(NotEnoughData, match="no requests"):
        cut(history(windows=1).slice(0, 0))


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(BadWindow, match="window of 5 minutes"):
        replace(REQUEST, window_minutes=5)
    with pytest.raises(UsageError, match="share 0.6"):
        replace(REQUEST, share=0.6)
    with pytest.raises(UsageError, match="harm of 0"):
        replace(REQUEST, slowdowns=(0.0,))
    with pytest.raises(UsageError, match="less than 100 %"):
        replace(REQUEST, added_errors=(1.0,))
