"""Pauses as SDKs send them, decoded as landing does, and judged by name to the exit status."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
)

from collectors.otlp.signals import METRIC_POINTS
from pipeline.cli.main import main
from pipeline.lake import Lake, append
from pipeline.schema import METRICS, SPANS
from tests.gate.runtime_points import MINUTE, NOON, land, level, points, value, values
from tests.otlp.messages import attributes

DELTA, CUMULATIVE = 1, 2
MINUTES, INSTANCES = 20, 3
RECEIVED = NOON + 60 * MINUTE
Row = dict[str, Any]


def request(service: str, version: str, instance: int, *metrics: Metric) -> bytes:
    """Give the bytes of a request of one process."""
    sent = ExportMetricsServiceRequest()
    group = sent.resource_metrics.add()
    named = {
        "service.name": service,
        "service.version": version,
        "service.instance.id": f"{version}-{instance}",
    }
    group.resource.attributes.extend(attributes(named))
    group.scope_metrics.add().metrics.extend(metrics)
    return sent.SerializeToString()


def land_requests(lake: Lake, payloads: list[bytes]) -> None:
    """Land requests through the decoder that landing uses."""
    batch_ids = [number.to_bytes(16, "big") for number in range(len(payloads))]
    received = [RECEIVED + number for number in range(len(payloads))]
    rows, _ = METRIC_POINTS.decode(payloads, batch_ids, received, 1024, 1 << 16)
    append(lake, METRICS, rows[METRICS.name])


def _as(temporality: int) -> AggregationTemporality.ValueType:
    """Give a temporality as the protocol has it."""
    return cast("AggregationTemporality.ValueType", temporality)


def times(minute: int, temporality: int, start: int = 0) -> Row:
    """Give the times of the point that ends a minute."""
    since = minute - 1 if temporality == DELTA else start
    return {
        "start_time_unix_nano": NOON + since * MINUTE,
        "time_unix_nano": NOON + minute * MINUTE,
    }


def histogram(
    name: str, unit: str, temporality: int, minute: int, each: float, **given: Any
) -> Metric:
    """Give 30 pauses a minute of 20 units each; cumulative ones add up since the start."""
    start = given.pop("start", 0)
    counted = 30 * (1 if temporality == DELTA else minute - start)
    metric = Metric(name=name, unit=unit)
    metric.histogram.aggregation_temporality = _as(temporality)
    metric.histogram.data_points.append(
        HistogramDataPoint(
            **times(minute, temporality, start),
            count=counted,
            sum=counted * each,
            explicit_bounds=[0.98 * each, 1.02 * each],
            bucket_counts=[0, counted, 0],
            attributes=attributes(given),
        )
    )
    return metric


def exponential(name: str, temporality: int, minute: int) -> Metric:
    """Give 30 pauses a minute of 2^-5 s: at scale 0 they lie in bucket -6, which ends there."""
    counted = 30 * (1 if temporality == DELTA else minute)
    metric = Metric(name=name, unit="s")
    metric.exponential_histogram.aggregation_temporality = _as(temporality)
    point = ExponentialHistogramDataPoint(
        **times(minute, temporality), count=counted, sum=counted * 2.0**-5, scale=5
    )
    point.positive.offset = -5 * 32 - 1
    point.positive.bucket_counts.append(counted)
    metric.exponential_histogram.data_points.append(point)
    return metric


def counter(
    name: str, unit: str, temporality: int, minute: int, each: float, start: int = 0
) -> Metric:
    """Give a counter that rises by as much every minute."""
    metric = Metric(name=name, unit=unit)
    metric.sum.aggregation_temporality = _as(temporality)
    metric.sum.is_monotonic = True
    total = each * (1 if temporality == DELTA else minute - start)
    metric.sum.data_points.append(
        NumberDataPoint(**times(minute, temporality, start), as_int=round(total))
        if unit in ("ns", "")
        else NumberDataPoint(**times(minute, temporality, start), as_double=total)
    )
    return metric


def everyone() -> Iterator[tuple[str, int, Metric]]:
    """Give what six runtimes send each minute: 0.6 s of pauses, a hundredth of the time."""
    for minute in range(1, MINUTES + 1):
        # This process starts anew after ten minutes.
        start = 0 if minute <= 10 else 10
        java = {"jvm.gc.name": "G1 Young Generation", "jvm.gc.action": "end of minor GC"}
        yield "java", minute, histogram("jvm.gc.duration", "s", CUMULATIVE, minute, 0.02, **java)
        yield (
            *("restarted", minute),
            histogram("jvm.gc.duration", "s", CUMULATIVE, minute, 0.02, start=start, **java),
        )
        yield "node", minute, histogram("v8js.gc.duration", "s", DELTA, minute, 0.02)
        yield "go", minute, counter("go.gc.pause_total_ns", "ns", CUMULATIVE, minute, 6e8)
        yield (
            *("old go", minute),
            counter("process.runtime.go.gc.pause_total_ns", "", CUMULATIVE, minute, 6e8, start),
        )
        yield "dotnet", minute, counter("dotnet.gc.pause.time", "s", CUMULATIVE, minute, 0.6)
        yield "dotnet delta", minute, counter("dotnet.gc.pause.time", "s", DELTA, minute, 0.6)


def test_pauses_of_every_runtime_are_the_same_share_of_time(lake: Lake) -> None:
    sent = [
        request(service, "v1", instance, metric)
        for service, _, metric in everyone()
        for instance in range(INSTANCES)
    ]
    # Each request is sent again, in another batch: nothing counts twice.
    land_requests(lake, [*sent, *sent])
    services = {service for service, _, _ in everyone()}
    found = values(lake, "gc_pause_share")
    assert found == dict.fromkeys(services, pytest.approx(0.01, rel=1e-6))
    # Only histograms tell percentiles.
    assert set(values(lake, "gc_pause_p95_ms")) == {"java", "restarted", "node"}
    assert value(lake, "gc_pause_p95_ms", service="java") == pytest.approx(20, rel=0.03)
    assert value(lake, "gc_collections_per_minute", service="restarted") == pytest.approx(30)


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
def test_exponential_histograms_tell_pauses_too(lake: Lake, temporality: int) -> None:
    sent = [
        request("node", "v1", instance, exponential("v8js.gc.duration", temporality, minute))
        for minute in range(1, MINUTES + 1)
        for instance in range(INSTANCES)
    ]
    land_requests(lake, sent)
    assert value(lake, "gc_pause_share") == pytest.approx(30 / 32 / 60)
    assert value(lake, "gc_pause_p50_ms") == pytest.approx(1000 / 32, rel=0.03)
    assert level(lake, "gc_pause_p50_ms").unit == "ms"


BUDGETS = """
[[budget]]
name = "the collector stays out of the way"
metric = "gc_pause_share"
where = "service.version=v2"
max = 0.015

[[budget]]
name = "no more pauses than before"
metric = "gc_pause_share"
max_increase_percent = 10
"""


@pytest.fixture
def shop(lake: Lake, span_rows: Any, tmp_path: Path) -> tuple[Lake, Path]:
    """Give a lake in which v2 answers as fast as v1, and pauses twice as long; and budgets."""
    sent: list[bytes] = []
    spans: list[Row] = []
    for version, each in (("v1", 0.02), ("v2", 0.04)):
        for minute in range(1, MINUTES + 1):
            for instance in range(INSTANCES):
                paused = each * (1 + 0.02 * ((minute + instance) % 3))
                one = histogram("jvm.gc.duration", "s", DELTA, minute, paused)
                sent.append(request("shop", version, instance, one))
                spans += [
                    {
                        "service_name": "shop",
                        "service_version": version,
                        "service_instance_id": f"{version}-{instance}",
                        "name": "GET /cart",
                        "trace_id": f"{len(spans) + number + 1:032x}",
                        "start_time_unix_nano": NOON + minute * MINUTE - number * 10**9 - 1,
                        "duration_nano": 5_000_000 + 100_000 * ((number + minute) % 7),
                    }
                    for number in range(20)
                ]
    land_requests(lake, sent)
    append(lake, SPANS, span_rows(*spans))
    config = tmp_path / "tailgate.toml"
    config.write_text(BUDGETS)
    return lake, config


def run(capfdbinary: Any, *arguments: object) -> tuple[int, Row]:
    """Run a command, and give its status and its JSON."""
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return int(end.value.code or 0), json.loads(capfdbinary.readouterr().out)


def test_check_and_judge_fail_by_the_pauses_and_by_nothing_else(
    shop: tuple[Lake, Path], capfdbinary: Any
) -> None:
    lake, config = shop
    common = ("--lake", lake.path, "--config", config, "--format", "json")
    status, told = run(capfdbinary, "check", *common)
    assert status == 1
    failed = [each for each in told["checks"] if each["verdict"] == "fail"]
    assert [each["name"] for each in failed] == ["the collector stays out of the way"]
    # 30 pauses of 40.8 ms a minute.
    assert failed[0]["canary"] == pytest.approx(30 * 0.0408 / 60, rel=0.01)
    sides = ("--baseline", "service.version=v1", "--canary", "service.version=v2")
    status, told = run(capfdbinary, "judge", *common, *sides)
    assert status == 1
    failed = [each for each in told["checks"] if each["verdict"] == "fail"]
    assert [each["metric"] for each in failed] == ["gc_pause_share"]
    assert failed[0]["effect"] == pytest.approx(1.0, abs=0.02)


def test_a_queue_that_fails_is_not_explained_as_an_operation(
    shop: tuple[Lake, Path], capfdbinary: Any
) -> None:
    lake, config = shop
    for version, waiting in (("v1", 10.0), ("v2", 20.0)):
        land(lake, points("executor.queued", waiting, version, attributes=[("name", "mail")]))
    config.write_text('[[budget]]\nmetric = "queue_depth"\nmax_increase_percent = 10\n')
    sides = ("--baseline", "service.version=v1", "--canary", "service.version=v2")
    status, told = run(
        *(capfdbinary, "judge", "--lake", lake.path, "--config", config, "--format", "json"), *sides
    )
    assert status == 1
    failed = [each for each in told["checks"] if each["verdict"] == "fail"]
    assert [(each["metric"], each["operation"]) for each in failed] == [("queue_depth", "mail")]
    assert "no traces of these requests" not in json.dumps(told)
