"""Signals of the runtime: each convention is known, and what nobody sends is told."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import Table

from pipeline.cli.main import main
from pipeline.gate.runtime import Signal, SignalRequest, read_signals
from pipeline.gate.runtime_levels import SignalLevel
from pipeline.gate.runtime_signals import SIGNALS
from pipeline.jobs.judge_request import Pairs
from pipeline.lake import Lake, append
from pipeline.schema import SPANS
from tests.gate.runtime_points import COUNTER, NOON, V1, V2, Point, land, pauses, points

BOTH = (V1, V2)


def rising(each: float) -> Callable[[int, int], float]:
    """Give a counter that rises by as much every minute."""
    return lambda instance, minute: each * minute


def signal(lake: Lake, name: str, sides: tuple[Pairs, ...] = ((),)) -> Signal:
    """Read one signal."""
    (found,) = read_signals(lake, SignalRequest(sides, names=(name,)))
    return found


def levels(lake: Lake, *names: str) -> dict[str, tuple[SignalLevel, ...]]:
    """Read the levels of some signals."""
    found = read_signals(lake, SignalRequest(names=names))
    return {each.metric.name: each.levels for each in found}


RISING = COUNTER | {"start_time_unix_nano": NOON}
PERCENTILES = ("gc_pause_p50_ms", "gc_pause_p95_ms", "gc_pause_p99_ms")
SENT: tuple[tuple[str, float, Point, str, float], ...] = (
    # 0.6 s of pauses every minute: a hundredth of the time.
    ("dotnet.gc.pause.time", 0.6, RISING | {"unit": "s"}, "gc_pause_share", 0.01),
    ("process.runtime.dotnet.gc.duration", 6e8, RISING | {"unit": "ns"}, "gc_pause_share", 0.01),
    ("dotnet.gc.collections", 30.0, RISING, "gc_collections_per_minute", 30.0),
    ("process.runtime.go.gc.count", 30.0, RISING, "gc_collections_per_minute", 30.0),
    ("process.cpu.time", 30.0, RISING | {"unit": "s"}, "cpu_cores", 0.5),
    ("executor.queued", 7.0, {}, "queue_depth", 7.0),
    ("rabbitmq.message.current", 40.0, {}, "queue_depth", 40.0),
    ("kafka.consumer_group.lag", 1200.0, {}, "consumer_lag", 1200.0),
    ("hikaricp.connections.pending", 3.0, {}, "pool_pending", 3.0),
    ("http.server.active_requests", 12.0, {}, "requests_in_flight", 12.0),
    ("nodejs.eventloop.delay.p99", 0.02, {"unit": "s"}, "event_loop_delay_p99_s", 0.02),
    ("process.memory.usage", 5e8, {"unit": "By"}, "memory_bytes", 5e8),
    ("jvm.thread.count", 80.0, {}, "threads", 80.0),
)


def test_a_signal_is_known_by_the_names_that_senders_give_it(lake: Lake) -> None:
    series = []
    for name, sent, given, _, _ in SENT:
        rises = given.get("metric_type") == "sum"
        series.append(points(name, rising(sent) if rises else sent, service_name=name, **given))
    land(lake, *series)
    found = {
        (level.service_name, name): level
        for name, each in levels(lake, *(each[3] for each in SENT)).items()
        for level in each
    }
    for name, _, _, metric, expected in SENT:
        value = found[name, metric].value
        assert value.estimate == pytest.approx(expected, rel=0.02)
        assert value.low <= value.estimate <= value.high
        assert found[name, metric].names == (name,)


def test_pauses_have_percentiles_and_collections_a_rate(lake: Lake) -> None:
    # A minute has 100 pauses of 20 ms and 10 of 80 ms.
    bounds = [0.0196, 0.0204, 0.0784, 0.0816]
    told: Point = {"explicit_bounds": bounds, "bucket_counts": [0, 100, 0, 10, 0], "count": 110}
    land(lake, [row | told for row in pauses("v8js.gc.duration", 1, 2.8)])
    found = levels(lake, "gc_pause_share", *PERCENTILES, "gc_collections_per_minute")
    expected = dict(zip(PERCENTILES, (20, 80, 80), strict=True))
    for name, milliseconds in expected.items():
        assert found[name][0].value.estimate == pytest.approx(milliseconds, rel=0.03)
    assert found["gc_collections_per_minute"][0].value.estimate == pytest.approx(110)
    assert found["gc_pause_share"][0].value.estimate == pytest.approx(2.8 / 60)


def test_versions_are_rows_of_their_own(lake: Lake) -> None:
    land(lake, points("queue.depth", 10.0, "v1"), points("queue.depth", 30.0, "v2"))
    found = signal(lake, "queue_depth").levels
    assert [(each.service_version, round(each.value.estimate)) for each in found] == [
        ("v1", 10),
        ("v2", 30),
    ]


def test_a_level_has_its_spread_over_time_and_whether_it_grows(lake: Lake) -> None:
    def filling(instance: int, minute: int) -> float:
        return 10.0 + minute

    land(lake, points("queue.depth", filling, "v1"), points("queue.depth", 5.0, "v2"))
    grown, steady = signal(lake, "queue_depth").levels
    # Of 11 to 22: the 18th of 36 minutes, the 35th, and the last.
    assert grown.over_time == (16.0, 22.0, 22.0)
    assert grown.per_hour.estimate == pytest.approx(60)
    assert (grown.grows, steady.grows) == (True, False)


def test_how_long_a_share_is_above_four_fifths(lake: Lake) -> None:
    def busy(instance: int, minute: int) -> float:
        return 0.9 if minute <= 3 else 0.5

    land(lake, points("process.cpu.utilization", busy))
    (level,) = signal(lake, "cpu_utilization").levels
    assert level.saturated.estimate == pytest.approx(3 / 12)
    assert 0 < level.saturated.low < 3 / 12 < level.saturated.high < 1
    assert math.isnan(level.per_hour.estimate) or not level.grows


def test_one_instance_has_a_level_that_says_what_it_does_not_know(lake: Lake) -> None:
    rows = points("process.memory.usage", 5e8, unit="By")
    land(lake, [row for row in rows if row["service_instance_id"] == "v1-0"])
    (level,) = signal(lake, "memory_bytes").levels
    assert level.value.estimate == pytest.approx(5e8, rel=0.01)
    assert level.reason == "one instance: how instances differ is not known"


def test_two_sides_are_compared_signal_by_signal(lake: Lake) -> None:
    land(lake, points("queue.depth", 10.0, "v1"), points("queue.depth", 15.0, "v2"))
    (check,) = signal(lake, "queue_depth", BOTH).checks
    assert check.measure is not None
    assert check.measure.effect == pytest.approx(0.5, abs=0.01)
    assert check.measure.low > 0.4


def test_what_nobody_sends_is_told_with_what_to_send(lake: Lake) -> None:
    land(lake, points("queue.depth", 5.0))
    found = read_signals(lake, SignalRequest())
    assert [each.metric.name for each in found] == [name for _, name in SIGNALS]
    missing = {each.metric.name: each.missing for each in found if each.missing}
    assert "queue_depth" not in missing
    assert missing["gc_pause_share"].startswith("send jvm.gc.duration")
    assert "CPython's metrics tell how often" in missing["gc_pause_share"]


def test_the_command_says_it_in_words_and_in_json(lake: Lake, capsysbinary) -> None:
    def run(*more: str) -> tuple[int, bytes]:
        with pytest.raises(SystemExit) as end:
            main(["runtime", "--lake", str(lake.path), *more])
        return int(end.value.code or 0), capsysbinary.readouterr().out

    depth = ("--signal", "queue_depth")
    status, out = run()
    assert status == 3
    assert out.startswith(b"no signal of the runtime was found: send metrics")
    land(lake, points("queue.depth", 5.0))
    status, out = run()
    assert status == 0
    assert b"queue_depth  shop v1" in out
    # What nobody sends is not a wall before what there is: one alone says what would tell it.
    assert b"\n  queues: consumer_lag, queue_wait_s\n" in out
    alone = run("--signal", "consumer_lag")[1]
    assert b"not identified: consumer_lag: send kafka.consumer_group.lag" in alone
    document = json.loads(run("--format", "json", *depth)[1])
    assert document["schema"] == "tailgate.runtime/1"
    (told,) = document["signals"]
    assert told["services"][0]["value"]["estimate"] == pytest.approx(5, rel=0.01)
    # Markdown holds the figures that a line has no room for.
    (row,) = [
        line
        for line in run("--format", "markdown", *depth)[1].decode().splitlines()
        if "shop" in line
    ]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["queue_depth", "shop v1"]
    assert cells[9:13] == ["36.0", "3", "12", "queue.depth"]
    assert run("--baseline", "service.version=v1")[0] == 2
    assert run("--where", "kind=server")[0] == 2
    assert run("--signal", "speed")[0] == 2


def test_pauses_of_cpython_come_from_spans(lake: Lake, span_rows: Callable[..., Table]) -> None:
    # A process answers from 12:00 to 12:10, and every 10 s a collection takes 100 ms; how often it
    # collects is told by a metric too, and that says nothing of pauses.
    rows = []
    for instance in range(2):
        common = {"service_name": "shop", "service_instance_id": f"shop-{instance}"}
        for second in range(0, 600, 10):
            pause = {"name": "cpython.gc", "kind": 1, "duration_nano": 100_000_000}
            start = {"start_time_unix_nano": NOON + second * 10**9}
            rows += [common | start | pause, common | start | {"duration_nano": 10 * 10**9}]
    append(lake, SPANS, span_rows(*rows))
    land(lake, points("cpython.gc.collections", 9.0, service_name="other", **RISING))
    found = levels(lake, "gc_pause_share", "gc_pause_p50_ms", "gc_collections_per_minute")
    (share,) = found["gc_pause_share"]
    assert share.value.estimate == pytest.approx(0.01)
    assert share.names == ("spans named cpython.gc",)
    (median,) = found["gc_pause_p50_ms"]
    assert median.value.estimate == pytest.approx(100, rel=0.01)
    assert {each.service_name: each.names for each in found["gc_collections_per_minute"]} == {
        "other": ("cpython.gc.collections",),
        "shop": ("spans named cpython.gc",),
    }


def test_pauses_of_cpython_come_from_an_ebpf_tool(lake: Lake, tmp_path: Path) -> None:
    # Of 10 minutes: a pause of 30 ms every 3 s.
    lines = [f"{second:.3f} 30000.00 gen 2 GC collected 9 objects" for second in range(0, 600, 3)]
    head = ["Tracing garbage collections in python process 7... Ctrl-C to quit."]
    file = tmp_path / "pythongc.txt"
    file.write_text("\n".join([*head, "START TIME (us) DESCRIPTION", *lines, ""]))
    began = ("--time", "2026-11-25T12:00:00Z", "--service", "shop")
    with pytest.raises(SystemExit) as end:
        main(["import", "--lake", str(lake.path), *began, str(file)])
    assert not end.value.code
    (share,) = signal(lake, "gc_pause_share").levels
    assert share.value.estimate == pytest.approx(0.01, rel=0.01)
    assert (share.names, share.minutes) == (("bcc ugc",), 10)
