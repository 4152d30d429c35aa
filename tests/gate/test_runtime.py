"""Signals of the runtime: each convention is known, and what nobody sends is told."""

import json
import math
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.gate.runtime import SIGNALS, Signal, read_signals
from pipeline.lake import Lake, append
from pipeline.schema import METRICS
from tests.metrics.conftest import rows_of

# 2026-11-25T12:00:00Z, a whole minute.
NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000
MINUTES, INSTANCES = 12, 3
BOTH = ((("service_version", "v1"),), (("service_version", "v2"),))


def land(lake: Lake, name: str, value: float, version: str = "v1", **given: Any) -> None:
    """Land a point a minute of three instances, about a value that wanders a little."""
    rows = []
    for instance in range(INSTANCES):
        for minute in range(1, MINUTES + 1):
            now = value * (1 + 0.01 * math.sin(minute + instance))
            rows.append(
                {
                    "metric_type": "gauge",
                    "name": name,
                    "service_version": version,
                    "service_instance_id": f"{version}-{instance}",
                    "time_unix_nano": NOON + minute * 60 * SECOND - SECOND,
                    "value_double": now,
                    **given,
                }
            )
            if given.get("metric_type") == "sum":
                # Cumulative: so much more every minute.
                rows[-1]["value_double"] = value * minute
                rows[-1]["start_time_unix_nano"] = NOON
    append(lake, METRICS, rows_of(rows))


def signal(lake: Lake, name: str, sides: Any = ((),)) -> Signal:
    """Read one signal."""
    (found,) = [each for each in read_signals(lake, sides) if each.metric.name == name]
    return found


COUNTER = {"metric_type": "sum", "is_monotonic": True, "aggregation_temporality": 2}


@pytest.mark.parametrize(
    ("metric", "sent", "given", "name", "expected"),
    [
        # 0.6 s of pauses every minute: a hundredth of the time.
        ("dotnet.gc.pause.time", 0.6, COUNTER | {"unit": "s"}, "gc_pause_share", 0.01),
        (
            "process.runtime.dotnet.gc.duration",
            6e8,
            COUNTER | {"unit": "ns"},
            "gc_pause_share",
            0.01,
        ),
        ("process.cpu.time", 30.0, COUNTER | {"unit": "s"}, "cpu_cores", 0.5),
        ("executor.queued", 7.0, {}, "queue_depth", 7.0),
        ("rabbitmq.message.current", 40.0, {}, "queue_depth", 40.0),
        ("kafka.consumer_group.lag", 1200.0, {}, "consumer_lag", 1200.0),
        ("hikaricp.connections.pending", 3.0, {}, "pool_pending", 3.0),
        ("http.server.active_requests", 12.0, {}, "requests_in_flight", 12.0),
        ("nodejs.eventloop.delay.p99", 0.02, {"unit": "s"}, "event_loop_delay_p99_s", 0.02),
        ("process.memory.usage", 5e8, {"unit": "By"}, "memory_bytes", 5e8),
        ("jvm.thread.count", 80.0, {}, "threads", 80.0),
    ],
)
def test_a_signal_is_known_by_the_names_that_senders_give_it(
    lake: Lake, metric: str, sent: float, given: dict[str, Any], name: str, expected: float
) -> None:
    land(lake, metric, sent, **given)
    (check,) = signal(lake, name).checks
    assert check.measure is not None, check.reason
    assert check.measure.canary == pytest.approx(expected, rel=0.02)
    assert check.measure.low <= check.measure.canary <= check.measure.high


def test_slots_in_use_are_a_share_of_those_that_there_are(lake: Lake) -> None:
    land(lake, "db.client.connection.max", 10.0)
    land(
        lake, "db.client.connection.count", 4.0, attributes=[("db.client.connection.state", "used")]
    )
    land(
        lake, "db.client.connection.count", 6.0, attributes=[("db.client.connection.state", "idle")]
    )
    (check,) = signal(lake, "pool_used_share").checks
    assert check.measure is not None
    assert check.measure.canary == pytest.approx(0.4, rel=0.01)


def test_two_sides_are_compared_signal_by_signal(lake: Lake) -> None:
    for version, level in (("v1", 10.0), ("v2", 15.0)):
        land(lake, "queue.depth", level, version)
    (check,) = signal(lake, "queue_depth", BOTH).checks
    assert check.measure is not None
    assert check.measure.effect == pytest.approx(0.5, abs=0.01)
    assert check.measure.low > 0.4


def test_what_nobody_sends_is_told_with_what_to_send(lake: Lake) -> None:
    land(lake, "queue.depth", 5.0)
    found = read_signals(lake, ((),))
    assert [each.metric.name for each in found] == [name for _, name in SIGNALS]
    missing = {each.metric.name: each.missing for each in found if each.missing}
    assert "queue_depth" not in missing
    assert missing["gc_pause_share"].startswith("send jvm.gc.duration")
    assert "CPython tells how often" in missing["gc_pause_share"]


def test_the_command_says_it_in_words_and_in_json(lake: Lake, capsysbinary) -> None:
    def run(*more: str) -> tuple[int, bytes]:
        with pytest.raises(SystemExit) as end:
            main(["runtime", "--lake", str(lake.path), *more])
        return int(end.value.code or 0), capsysbinary.readouterr().out

    assert run()[0] == 3
    land(lake, "queue.depth", 5.0)
    status, out = run()
    assert status == 0
    assert b"queues  queue_depth  shop" in out
    assert b"not identified: consumer_lag: send kafka.consumer_group.lag" in out
    document = json.loads(run("--format", "json")[1])
    assert document["schema"] == "tailgate.runtime/1"
    depth = next(each for each in document["signals"] if each["name"] == "queue_depth")
    assert depth["services"][0]["canary"] == pytest.approx(5, rel=0.01)
    assert run("--baseline", "service.version=v1")[0] == 2
