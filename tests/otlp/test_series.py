"""A series id is one stream's: the same whenever and wherever it is worked out, and no other's."""

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_DELTA,
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from collectors.otlp.series import hash_map, hash_text, series_ids
from collectors.otlp.signals import METRIC_POINTS
from pipeline.schema import ATTRIBUTES
from tests.otlp.decoding import decoded
from tests.otlp.messages import attributes
from tests.otlp.receivers import ROOT, environment
from tests.otlp.trace_strategies import NOW

STREAM: dict[str, Any] = {
    "kind": "gauge",
    "name": "queue.length",
    "unit": "1",
    "scope": "cart",
    "version": "1.0",
    "scope_attributes": {"a": "1"},
    "resource": {"service.name": "cart", "service.instance.id": "1"},
    "given": {"queue": "orders", "zone": "b"},
}


def request(**changes: Any) -> bytes:
    """Give a request of one point of the stream, with some of it changed."""
    stream = STREAM | changes
    point = NumberDataPoint(
        time_unix_nano=stream.get("time", NOW),
        as_int=stream.get("value", 1),
        attributes=attributes(stream["given"]),
    )
    metric = Metric(name=stream["name"], unit=stream["unit"])
    if stream["kind"] == "gauge":
        metric.gauge.CopyFrom(Gauge(data_points=[point]))
    else:
        metric.sum.CopyFrom(
            Sum(data_points=[point], aggregation_temporality=AGGREGATION_TEMPORALITY_DELTA)
        )
    scope = InstrumentationScope(
        name=stream["scope"],
        version=stream["version"],
        attributes=attributes(stream["scope_attributes"]),
    )
    resource = ResourceMetrics(
        resource=Resource(attributes=attributes(stream["resource"])),
        scope_metrics=[ScopeMetrics(scope=scope, metrics=[metric])],
    )
    return ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString()


def ids(*payloads: bytes) -> list[int]:
    found: list[int] = decoded(METRIC_POINTS, payloads)["series_id"].to_pylist()
    return found


def backwards(given: dict[str, str]) -> dict[str, str]:
    return dict(reversed(given.items()))


@pytest.mark.parametrize(
    "change",
    [
        {"time": NOW + 1},
        {"value": 2},
        {"given": backwards(STREAM["given"])},
        {"resource": backwards(STREAM["resource"])},
    ],
)
def test_points_of_one_stream_share_an_id(change: dict[str, Any]) -> None:
    assert len(set(ids(request(), request(**change)))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "sum"},
        {"name": "queue.size"},
        {"unit": ""},
        {"unit": "ms"},
        {"scope": "basket"},
        {"scope": ""},
        {"version": "1.1"},
        {"scope_attributes": {}},
        {"resource": {"service.name": "cart", "service.instance.id": "2"}},
        {"resource": {"service.name": "cart"}},
        {"given": {"queue": "orders"}},
        {"given": {"queue": "orders", "zone": "c"}},
        {"given": {"queue": "b", "zone": "orders"}},
        {"given": {"queue": "orders", "zone": "b", "": ""}},
        {"given": {}},
        # The same texts in other places.
        {"scope": "1", "unit": "cart"},
        {"given": STREAM["resource"], "resource": STREAM["given"]},
    ],
)
def test_points_of_other_streams_have_other_ids(change: dict[str, Any]) -> None:
    assert len(set(ids(request(), request(**change)))) == 2


def test_an_id_does_not_depend_on_what_else_is_decoded() -> None:
    (alone,) = ids(request())
    others = [request(name=f"m{number}", given={"k": str(number)}) for number in range(50)]
    assert ids(*others[:25], request(), *others[25:])[25] == alone
    assert alone in ids(request(kind="sum"), request())


# Worked out once; another number would cut every stream in the lake in two.
PINNED = [-5753239547626530559, -8144501765181984090, 7695651393844939354]


def pinned() -> list[int]:
    return ids(
        request(), request(given={}), request(unit="", scope="", version="", scope_attributes={})
    )


def test_ids_never_change() -> None:
    assert pinned() == PINNED


def test_ids_are_the_same_in_every_process() -> None:
    code = "from tests.otlp.test_series import pinned; print(pinned())"
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            env=environment() | {"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == str(PINNED)


@pytest.mark.slow
def test_a_million_streams_have_a_million_ids() -> None:
    numbers = np.arange(1_000_000)
    # As fleets have them: few values each of several keys, all texts short and alike.
    parts = (numbers % 100, numbers // 100 % 100, numbers // 10_000)
    values = np.stack([part.astype(str) for part in parts], axis=1).ravel()
    keys = np.tile(["host", "route", "status"], len(numbers))
    offsets = np.arange(0, 3 * len(numbers) + 1, 3, dtype=np.int32)
    maps = pa.MapArray.from_arrays(pa.array(offsets), pa.array(keys), pa.array(values))
    found = series_ids(hash_text(pa.array(["m"] * len(numbers))), hash_map(maps.cast(ATTRIBUTES)))
    assert len(np.unique(found)) == len(numbers)


def test_part_of_a_column_of_maps_hashes_as_it_does_in_the_whole() -> None:
    maps = pa.array([[("a", "1")], [], [("b", "2"), ("a", "1")], [("c", None)]], ATTRIBUTES)
    assert hash_map(maps[1:3]).tolist() == hash_map(maps).tolist()[1:3]
    assert len(set(hash_map(maps).tolist())) == 4
