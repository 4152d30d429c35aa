"""Levels of the runtime saved under a name: later ones are held against them, and warn at most."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.cli.main import main
from pipeline.errors import UsageError
from pipeline.gate.budget_reading import problems, read_budgets
from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.judgement import Tolerance
from pipeline.gate.metric_checks import metric_checks
from pipeline.gate.runtime import SignalRequest, levels_to_save, read_signals
from pipeline.gate.verdict import Check, settle
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.jobs.runtime_store import SavedLevel, load_levels, save_levels
from pipeline.lake import Lake, append
from pipeline.schema import SPANS
from tests.gate.runtime_points import NOON, V1, V2, land, level, pauses, points

MAIN = (("saved", "main"),)
NAMES = ("queue_depth", "gc_pause_p50_ms")


def keep(lake: Lake, where: tuple[tuple[str, str], ...] = V1) -> list[SavedLevel]:
    """Save v1's levels as main."""
    signals = read_signals(lake, SignalRequest((where,), names=NAMES))
    found = levels_to_save(signals, 0.05)
    save_levels(lake, found, "main", (None, None), NOON)
    return found


def beside(lake: Lake, metric: str = "queue_depth", **given: float) -> Check:
    """Hold v2 against what was saved."""
    budget = Budget("b", metric=metric, where=V2, baseline=MAIN, **given)  # type: ignore[arg-type]
    (found,) = check_budgets(lake, [budget], 0.05).checks
    return found


def test_what_is_saved_is_loaded_as_it_was_and_the_last_one_counts(lake: Lake) -> None:
    land(lake, points("queue.depth", 10.0, "v1"))
    found = keep(lake)
    told = level(lake, "queue_depth")
    assert told.measure is not None
    (saved,) = load_levels(lake, "main")
    assert saved == replace(found[0], saved_time_unix_nano=NOON)
    assert (saved.value, saved.value_low) == (told.measure.canary, told.measure.low)
    assert (saved.told_by, saved.instances, saved.minutes) == (("queue.depth",), 3, 12)
    save_levels(lake, [replace(found[0], value=99.0)], "main", (None, None), NOON + 1)
    assert [each.value for each in load_levels(lake, "main")] == [99.0]
    with pytest.raises(UsageError, match=r"other: not saved; saved ones: main"):
        load_levels(lake, "other")


@pytest.mark.parametrize(("now", "verdict"), [(15.0, "warn"), (10.1, "pass"), (5.0, "pass")])
def test_a_level_is_held_against_the_saved_one_and_warns_at_most(
    lake: Lake, now: float, verdict: str
) -> None:
    land(lake, points("queue.depth", 10.0, "v1"), points("queue.depth", now, "v2"))
    keep(lake)
    found = beside(lake, increase_ratio=0.1)
    assert found.measure is not None
    assert (found.verdict, found.scale, found.measure.method) == (verdict, "ratio", "levels")
    assert found.measure.effect == pytest.approx(now / 10 - 1, abs=0.001)
    assert found.measure.low < found.measure.effect < found.measure.high
    assert "not_concurrent: main was saved 2026-11-25 12:00 UTC" in found.reason


def test_a_percentile_is_held_against_the_saved_one(lake: Lake) -> None:
    land(lake, pauses("v8js.gc.duration", 100, 0.02, "v1"))
    land(lake, pauses("v8js.gc.duration", 100, 0.03, "v2"))
    keep(lake)
    found = beside(lake, "gc_pause_p50_ms", increase_ratio=0.1)
    assert found.measure is not None
    assert found.measure.baseline == pytest.approx(20, rel=0.03)
    assert found.measure.effect == pytest.approx(0.5, abs=0.03)


def test_what_cannot_be_held_against_it_says_why(lake: Lake) -> None:
    land(lake, points("queue.depth", 10.0, "v1"), points("queue.depth", 10.0, "v2"))
    (saved,) = keep(lake)
    cases = (
        ([replace(saved, unit="jobs")], "not_comparable: main is in jobs, the canary in items"),
        ([saved, replace(saved, service_version="v0")], "several_versions: main has v0, v1"),
        ([replace(saved, thing="mails")], "no data of queue_depth on the canary side"),
        ([replace(saved, metric="threads")], "main has no queue_depth of it"),
    )
    for later, (changed, why) in enumerate(cases, 1):
        save_levels(lake, changed, "main", (None, None), NOON + later)
        budget = Budget("b", metric="queue_depth", where=V2, baseline=MAIN, increase=1)
        checks = check_budgets(lake, [budget], 0.05).checks
        assert any(why in check.reason for check in checks), (why, checks)
        assert {check.verdict for check in checks} <= {"inconclusive", "no_data"}
    unsaved = replace(budget, baseline=(("saved", "other"),))
    (check,) = check_budgets(lake, [unsaved], 0.05).checks
    assert (check.verdict, "tailgate runtime --save other" in check.reason) == ("no_data", True)


def test_a_name_that_nothing_was_saved_under_stops_no_other_budget(lake: Lake) -> None:
    land(lake, points("queue.depth", 10.0, "v2"))
    budgets = [
        Budget("slow", metric="p95_ms", where=V2, baseline=MAIN, increase_ratio=0.1),
        Budget("deep", metric="queue_depth", most=20.0),
    ]
    slow, deep = check_budgets(lake, budgets, 0.05).checks
    assert (slow.verdict, deep.verdict) == ("no_data", "pass")
    assert slow.reason == "baseline main: not saved; saved ones: none yet"


@pytest.mark.parametrize("metric", ["queue_depth", "p95_ms", "cache_hit_ratio"])
def test_a_name_without_saved_levels_is_not_data_that_vanished(lake: Lake, metric: str) -> None:
    land(lake, points("queue.depth", 10.0, "v2"))
    sides = {"where": V2, "baseline": MAIN, "increase": 1.0, "must_have_data": True}
    (check,) = check_budgets(lake, [Budget("b", metric=metric, **sides)], 0.05).checks  # type: ignore[arg-type]
    assert check.verdict == "no_data"
    is_saved = metric == "queue_depth"
    assert ("tailgate runtime --save main" in check.reason) == is_saved
    if metric == "cache_hit_ratio":
        assert check.reason == f"{metric} is not among what tailgate runtime --save keeps"


def test_sides_that_cannot_be_compared_are_an_error_that_names_the_budget(
    lake: Lake, span_rows: Callable[..., pa.Table]
) -> None:
    append(lake, SPANS, span_rows({}))
    sides = {"where": (("team", "b"),), "baseline": (("team", "a"),), "must_have_data": True}
    budget = Budget("slow", metric="p95_ms", increase_ratio=0.1, **sides)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"budget slow: team: not a dim"):
        check_budgets(lake, [budget], 0.05)


def test_levels_are_saved_of_all_points_so_some_of_them_are_not_held_against_them(
    lake: Lake, tmp_path: Path
) -> None:
    land(lake, points("queue.depth", 10.0, "v1"), points("queue.depth", 5.0, "v2"))
    keep(lake)
    given = {"metric": "queue_depth", "max_increase": 5, "attributes": "queue=mails"}
    sides = {"baseline": "saved:main", "where": "service.version=v2"}
    ((key, why),) = problems(given | sides)
    assert (key, why.startswith("not beside saved:")) == ("attributes", True)
    assert problems(given | sides | {"baseline": "service.version=v1"}) == []
    budget = Budget("b", metric="queue_depth", increase=5, attributes=(("queue", "mails"),))
    (found,) = metric_checks(lake, [budget], JudgeRequest(MAIN, V2), Tolerance())
    assert (found.verdict, found.measure) == ("inconclusive", None)
    assert "not_comparable: main was saved of all points" in found.reason


def test_the_judge_s_saved_baseline_holds_budgets_by_its_name(lake: Lake) -> None:
    land(lake, points("queue.depth", 10.0, "v1"), points("queue.depth", 20.0, "v2"))
    keep(lake)
    budget = Budget("b", metric="queue_depth", increase_ratio=0.1)
    (found,) = metric_checks(lake, [budget], JudgeRequest(MAIN, V2), Tolerance())
    (settled,) = settle([found], 0.05)
    assert settled.verdict == "warn"
    assert settled.measure is not None
    assert settled.measure.effect == pytest.approx(1.0, abs=0.01)


def test_a_budget_s_baseline_may_be_a_saved_one(tmp_path: Path) -> None:
    file = tmp_path / "tailgate.toml"
    text = '[[budget]]\nmetric = "queue_depth"\nmax_increase = 5\nbaseline = "saved:main"\n'
    file.write_text(text + 'where = "service.version=v2"\n')
    (budget,) = read_budgets(file)
    assert budget.baseline == MAIN
    profile = {"metric": "profile_share", "function": "f", "max_increase": 1}
    sides = {"baseline": "saved:main", "where": "service.version=v2"}
    hits = {"metric": "cache_hit_ratio", "max_increase": 1}
    for metric in (profile, hits):
        why = (
            f"{metric['metric']} is not among what tailgate runtime --save keeps; choose some that"
        )
        assert problems(metric | sides) == [("baseline", f"{why} are in the lake")]


def test_the_command_saves_and_compares_by_name(lake: Lake, capsysbinary) -> None:
    land(lake, points("queue.depth", 10.0, "v1"), points("queue.depth", 15.0, "v2"))

    def run(*more: str) -> tuple[int, bytes, bytes]:
        with pytest.raises(SystemExit) as end:
            main(["runtime", "--lake", str(lake.path), "--signal", "queue_depth", *more])
        printed = capsysbinary.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    status, _, told = run("--where", "service.version=v1", "--save", "main")
    assert (status, told) == (0, b"saved 1 levels as main\n")
    sides = ("--baseline", "saved:main", "--canary", "service.version=v2")
    status, out, _ = run(*sides, "--format", "json")
    assert status == 0
    (check,) = json.loads(out)["signals"][0]["services"]
    assert check["effect"] == pytest.approx(0.5, abs=0.01)
    assert math.isfinite(check["low"])
    assert run(*sides)[1].startswith(b"signal")
    status, _, told = run("--baseline", "saved:x", "--canary", "service.version=v2")
    assert status == 2
    assert b"saved ones: main" in told
    assert run(*sides, "--save", "x")[0] == 2
