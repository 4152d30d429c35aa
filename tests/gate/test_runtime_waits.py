"""How long items wait, by Little's law: on whole minutes, and where none is taken, too."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.main import main
from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.runtime import SignalRequest, levels_to_save, read_signals
from pipeline.gate.runtime_levels import SignalLevel
from pipeline.gate.saved_levels import beside_saved
from pipeline.gate.verdict import Check
from pipeline.jobs.runtime_store import save_levels
from pipeline.lake import Lake
from tests.gate.runtime_points import (
    COUNTER,
    LEVEL,
    MINUTE,
    NOON,
    V1,
    V2,
    Point,
    beside,
    land,
    points,
)

RISING = COUNTER | {"start_time_unix_nano": NOON}


def rising(each: float) -> Callable[[int, int], float]:
    """Give a counter that rises by as much every minute."""
    return lambda instance, minute: each * minute


def waits(lake: Lake) -> tuple[SignalLevel, ...]:
    """Read how long items wait."""
    (found,) = read_signals(lake, SignalRequest(names=("queue_wait_s",)))
    return found.levels


def queue(version: str, waiting: float, taken: float) -> list[Point]:
    """Give a queue in which so many wait, and of which so many are taken a minute."""
    return [
        *points("executor.queued", waiting, version),
        *points("executor.completed", rising(taken), version, **RISING),
    ]


def test_a_wait_is_what_waits_over_what_is_taken(lake: Lake) -> None:
    # 30 wait in one queue, of which 120 items a minute are taken; 8 in the other, 480 a minute.
    series = []
    for name, waiting, taken in (("mail", 30.0, 120.0), ("orders", 8.0, 480.0)):
        named: Point = {"attributes": [("name", name)]}
        series.append(points("executor.queued", waiting, **named))
        series.append(points("executor.completed", rising(taken), **named, **RISING))
    land(lake, *series)
    told = waits(lake)
    found = {each.thing: each.value.estimate for each in told}
    assert found == {"mail": pytest.approx(15, rel=0.01), "orders": pytest.approx(1, rel=0.01)}
    assert {each.reason for each in told} == {"by Little's law"}
    assert told[0].names == ("executor.queued over executor.completed",)


def test_a_wait_is_judged_by_its_name(lake: Lake) -> None:
    for version, waiting in (("v1", 30.0), ("v2", 60.0)):
        land(lake, queue(version, waiting, 120.0))
    found = beside(lake, "queue_wait_s")
    assert found.verdict == "fail"
    assert found.measure is not None
    assert found.measure.baseline == pytest.approx(15, rel=0.01)
    assert found.measure.effect == pytest.approx(1, rel=0.01)
    assert found.reason == "by Little's law"


@pytest.mark.parametrize("every", [1, 2, 5])
def test_a_level_and_a_counter_that_are_read_on_a_whole_minute_meet(lake: Lake, every: int) -> None:
    # 100 messages wait, and 600 a minute are delivered: each waits for 10 s.
    rows = []
    told: Point = {"resource_attributes": [("rabbitmq.queue.name", "orders")]}
    for minute in range(0, 61, every):
        when: Point = {"time_unix_nano": NOON + minute * MINUTE} | told
        ready = {"attributes": [("state", "ready")], "value_double": 100.0}
        rows.append(when | LEVEL | ready | {"name": "rabbitmq.message.current"})
        delivered = {"name": "rabbitmq.message.delivered", "value_double": 600.0 * minute}
        rows.append(when | RISING | delivered)
    land(lake, rows)
    (found,) = waits(lake)
    assert found.value.estimate == pytest.approx(10)


def test_items_that_wait_while_none_is_taken_fail_any_limit(
    lake: Lake, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    # Each minute 100 more wait; what was taken stays as it was.
    filling = points("executor.queued", lambda instance, minute: 100.0 * minute)
    land(lake, filling, points("executor.completed", rising(0.0), **RISING))
    (found,) = check_budgets(lake, [Budget("b", metric="queue_wait_s", most=1e9)], 0.05).checks
    assert (found.verdict, found.measure) == ("fail", None)
    assert found.reason == "unbounded: items wait and none was taken; by Little's law"
    file = tmp_path / "tailgate.toml"
    file.write_text('[[budget]]\nname = "wait"\nmetric = "queue_wait_s"\nmax = 10\n')
    with pytest.raises(SystemExit) as end:
        main(["check", "--lake", str(lake.path), "--config", str(file)])
    assert end.value.code == 1
    capsysbinary.readouterr()
    for how, told in (("text", b"queue_wait_s  shop v1  unbounded"), ("json", b'"reason": "unbou')):
        with pytest.raises(SystemExit):
            main(["runtime", "--lake", str(lake.path), "--signal", "queue_wait_s", "--format", how])
        out = capsysbinary.readouterr().out
        assert told in out
    (service,) = json.loads(out)["signals"][0]["services"]
    assert (service["value"]["estimate"], service["instances"]) == (None, 3)


def test_a_queue_in_which_nothing_waits_and_of_which_nothing_is_taken_has_no_wait(
    lake: Lake,
) -> None:
    idle = points("executor.queued", lambda instance, minute: 0.0)
    land(lake, idle, points("executor.completed", rising(0.0), **RISING))
    (found,) = check_budgets(lake, [Budget("b", metric="queue_wait_s", most=1e9)], 0.05).checks
    assert found.verdict == "no_data"


def test_a_canary_that_takes_nothing_is_worse_than_any_baseline(lake: Lake) -> None:
    land(lake, queue("v1", 30.0, 120.0), queue("v2", 30.0, 0.0))
    found = beside(lake, "queue_wait_s")
    assert (found.verdict, found.reason.partition(":")[0]) == ("fail", "unbounded")
    # Of one instance a side nobody knows how instances differ.
    budget = Budget("b", metric="queue_wait_s", increase_ratio=0.1, baseline=V1, where=V2)
    alone = (*V1, ("service_instance_id", "v1-0")), (*V2, ("service_instance_id", "v2-0"))
    few = Budget("b", metric="queue_wait_s", increase_ratio=0.1, baseline=alone[0], where=alone[1])
    assert check_budgets(lake, [few], 0.05).checks[0].verdict == "warn"
    # A baseline that takes nothing can be held against nothing.
    turned = Budget("b", metric="queue_wait_s", increase_ratio=0.1, baseline=V2, where=V1)
    verdicts = [check_budgets(lake, [each], 0.05).checks[0].verdict for each in (budget, turned)]
    assert verdicts == ["fail", "inconclusive"]


def test_beside_a_saved_wait_one_without_end_warns(lake: Lake) -> None:
    land(lake, queue("v1", 30.0, 120.0), queue("v2", 30.0, 0.0))
    signals = read_signals(lake, SignalRequest((V1,), names=("queue_wait_s",)))
    save_levels(lake, levels_to_save(signals, 0.05), "main", (None, None), NOON)
    budget = Budget("b", metric="queue_wait_s", increase_ratio=0.1)
    found: Check = next(beside_saved(budget, lake, "main", V2, 0.05, (None, None)))
    assert (found.verdict, found.reason.partition(":")[0]) == ("warn", "unbounded")
