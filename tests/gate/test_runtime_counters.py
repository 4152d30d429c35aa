"""What counters of a runtime add, over the time that their instance was watched."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.gate.runtime import SignalRequest, read_signals
from pipeline.gate.runtime_levels import SignalLevel
from pipeline.lake import Lake
from tests.gate.runtime_points import COUNTER, LEVEL, MINUTE, NOON, SECOND, Point, land

DELTA, CUMULATIVE = 1, 2
Points = Callable[..., Point]


def level(lake: Lake, name: str, *window: int) -> SignalLevel:
    """Read the one level of a signal, in a window of minutes after noon where one is given."""
    since, until = (NOON + minute * MINUTE for minute in window) if window else (None, None)
    (found,) = read_signals(lake, SignalRequest(names=(name,), window=(since, until)))
    (one,) = found.levels
    return one


def estimate(lake: Lake, name: str, *window: int) -> float:
    """Give the value of a signal that one service sends."""
    return level(lake, name, *window).value.estimate


def at(minute: float, name: str, value: float, **given: Any) -> Point:
    """Give a point of a cumulative counter some minutes after noon, that runs since then."""
    return COUNTER | {
        "name": name,
        "service_instance_id": "a",
        "start_time_unix_nano": NOON,
        "time_unix_nano": NOON + round(minute * MINUTE),
        "value_double": value,
        **given,
    }


def busy(minute: int, mode: str, seconds: float, **given: Any) -> Point:
    """Give the CPU time of a mode."""
    told = {"attributes": [("cpu.mode", mode)], "unit": "s"}
    return at(minute, "process.cpu.time", seconds, **told, **given)


def test_a_series_that_begins_late_does_not_stretch_the_minute_it_begins_in(lake: Lake) -> None:
    # Half a core is busy all the time; what waits for the disk is first counted after 40 minutes.
    user = [busy(minute, "user", 30.0 * minute) for minute in range(1, 61)]
    wait = [busy(minute, "wait", 3.0) for minute in range(40, 61)]
    land(lake, user, wait)
    assert estimate(lake, "cpu_cores") == pytest.approx((1800 + 3) / 3600)


def test_what_a_series_counts_first_is_kept_however_long_its_process_runs(lake: Lake) -> None:
    # The process began two hours before noon, and has its first full collection, of 3 s, after 30
    # minutes: that is what came since its young collections were read a minute before.
    began = NOON - 120 * MINUTE
    bounds: Point = {"metric_type": "histogram", "unit": "s", "explicit_bounds": [0.1, 1.0]}
    sent = []
    for minute in range(61):
        young = {"attributes": [("jvm.gc.name", "G1 Young Generation")]} | bounds
        old = {"attributes": [("jvm.gc.name", "G1 Old Generation")]} | bounds
        many = 7200 + 60 * minute
        told = {"start_time_unix_nano": began, "value_double": None}
        counts = {"sum": 0.05 * many, "bucket_counts": [many, 0, 0]}
        sent.append(at(minute, "jvm.gc.duration", 0.0, **young | told | counts))
        if minute >= 30:
            once = {"sum": 3.0, "bucket_counts": [0, 0, 1]}
            sent.append(at(minute, "jvm.gc.duration", 0.0, **old | told | once))
    land(lake, sent)
    assert estimate(lake, "gc_pause_share") == pytest.approx((60 * 3 + 3) / 3600)
    assert estimate(lake, "gc_collections_per_minute") == pytest.approx(60 + 1 / 60)


def test_minutes_of_deltas_without_a_pause_were_watched_too(lake: Lake) -> None:
    # A pause of 1 s every 10 minutes of two hours, sent as what each minute added, and in all.
    bounds: Point = {"metric_type": "histogram", "unit": "s", "explicit_bounds": [0.1, 10.0]}
    sent = []
    for minute in range(1, 121):
        pauses = minute // 10
        common: Point = {"name": "jvm.gc.duration", "value": 0.0, "value_double": None} | bounds
        since = NOON + (minute - 1) * MINUTE
        if minute % 10 == 0:
            delta = {"aggregation_temporality": DELTA, "start_time_unix_nano": since}
            one = {"sum": 1.0, "bucket_counts": [0, 1, 0], "service_name": "delta"}
            sent.append(at(minute, **common | delta | one))
        every = {"sum": float(pauses), "bucket_counts": [0, pauses, 0], "service_name": "all"}
        sent.append(at(minute, **common | every))
        memory = LEVEL | {"unit": "By", "service_name": "delta", "start_time_unix_nano": None}
        sent.append(at(minute, "jvm.memory.used", 1e8, **memory))
    land(lake, sent)
    names = ("gc_pause_share", "gc_collections_per_minute")
    share, rate = read_signals(lake, SignalRequest(names=names))
    # The first point of any metric tells nothing of the time before it.
    for signal, added in ((share, 12 / 60), (rate, 12)):
        found = {each.service_name: each.value.estimate for each in signal.levels}
        assert found == {"delta": pytest.approx(added / 119), "all": pytest.approx(added / 120)}


def test_a_delta_of_a_part_of_a_minute_counts_over_all_of_it(lake: Lake) -> None:
    # Points are sent every 10 s; in one such interval of every minute 0.6 s of CPU time is added.
    sent = []
    for tick in range(1, 121):
        when = {"time_unix_nano": NOON + tick * 10 * SECOND}
        threads = LEVEL | when | {"start_time_unix_nano": None}
        sent.append(at(0, "process.thread.count", 8.0, **threads))
        if tick % 6 == 3:
            delta = {"aggregation_temporality": DELTA, "unit": "s"}
            since = {"start_time_unix_nano": NOON + (tick - 1) * 10 * SECOND}
            sent.append(at(0, "process.cpu.time", 0.6, **when | delta | since))
    land(lake, sent)
    # Of 20 minutes all but the 10 s before the first point.
    assert estimate(lake, "cpu_cores") == pytest.approx(20 * 0.6 / 1190)


def test_a_delta_that_is_no_number_is_left_out_and_not_none(lake: Lake) -> None:
    sent = []
    for minute in range(1, 21):
        delta = {"aggregation_temporality": DELTA, "unit": "s"}
        since = {"start_time_unix_nano": NOON + (minute - 1) * MINUTE}
        added = float("nan") if minute % 4 == 0 else 6.0
        sent.append(at(minute, "process.cpu.time", added, **delta | since))
    land(lake, sent)
    assert estimate(lake, "cpu_cores") == pytest.approx(0.1)
    assert "5 values that are no numbers left out" in level(lake, "cpu_cores").reason


def test_what_cpython_allocated_since_a_collection_is_no_count_of_collections(lake: Lake) -> None:
    # gc.get_count() of each generation, as opentelemetry-python-contrib sends it.
    allocated = [
        at(minute, "process.runtime.cpython.gc_count", float(97 * minute % 700), unit="By")
        for minute in range(61)
    ]
    land(lake, allocated)
    (found,) = read_signals(lake, SignalRequest(names=("gc_collections_per_minute",)))
    assert found.levels == ()
    collected = [at(minute, "cpython.gc.collections", 3.0 * minute) for minute in range(61)]
    land(lake, collected)
    assert estimate(lake, "gc_collections_per_minute") == pytest.approx(3)
