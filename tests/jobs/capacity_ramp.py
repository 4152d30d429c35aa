"""A service of one operation whose costs are plain: 20 ms of CPU a request, 0.2 cores besides.

Requests take 50 ms, one in flight takes 4 MB beside 200 MB, and there are 4 cores: 70 % of them
bear 130 requests a second.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.jobs.capacity import run
from pipeline.jobs.capacity_answer import ServiceCapacity
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.lake import Lake, append
from pipeline.schema import METRICS, SPANS
from tests.jobs.capacity_lake import CPU_COUNTER, NOON, SECOND, span, spans_table
from tests.metrics.conftest import rows_of

COST_S, BACKGROUND, CORES, LIMIT_PER_S = 0.02, 0.2, 4.0, 130.0
_BASE, _IN_FLIGHT = 200e6, 4e6
_MEAN_S = 0.05


@dataclass(frozen=True)
class Ramp:
    """What a run is made of.

    Attributes:
        rate: requests a second of a bucket by its number; by one more a bucket from 10 on.
        buckets, width_s: how many, and their length.
        instance, version: of spans; empty for none.
        of_metrics: instance and version that metrics have instead.
        cost_s: CPU seconds of a request.
        kept: share of requests whose spans are kept; each then stands for more.
        first_s: when it begins.
        running_s: for how long the process had been running before.
        points: what every point of a metric has besides.
        spans: what every span has besides.
        more: gauges of a bucket by its number, as name, value and attributes.
        seed: of its random numbers.
    """

    rate: Callable[[int], float] = lambda bucket: 10.0 + bucket
    buckets: int = 40
    width_s: int = 10
    instance: str = "shop-1"
    version: str = "1"
    of_metrics: tuple[str, str] | None = None
    cost_s: float = COST_S
    kept: float = 1.0
    first_s: float = 0.0
    running_s: float = 0.0
    points: dict[str, Any] = field(default_factory=dict)
    spans: dict[str, Any] = field(default_factory=dict)
    more: Callable[[int], list[dict[str, Any]]] = lambda _bucket: []
    took_s: Callable[[np.random.Generator, int], np.ndarray] = lambda rng, count: rng.gamma(
        4, _MEAN_S / 4, count
    )
    seed: int = 1


def land_ramp(lake: Lake, **given: Any) -> None:
    """Land the spans of a run, and what its process tells at the end of every bucket."""
    ramp = Ramp(**given)
    rng = np.random.default_rng(ramp.seed)
    rows: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    instance, version = ramp.of_metrics or (ramp.instance, ramp.version)
    first = NOON + int(ramp.first_s * SECOND)
    busy = BACKGROUND * ramp.running_s
    for bucket in range(ramp.buckets):
        began = first + bucket * ramp.width_s * SECOND
        count = int(rng.poisson(ramp.rate(bucket) * ramp.width_s))
        starts = began + np.sort(rng.integers(0, ramp.width_s * SECOND, count))
        took = ramp.took_s(rng, count)
        whose = {"service_version": ramp.version, "service_instance_id": ramp.instance}
        for start, seconds in zip(starts.tolist(), took.tolist(), strict=True):
            if ramp.kept == 1 or rng.random() < ramp.kept:
                trace = f"{ramp.seed:08x}{len(rows):024x}"
                end = start + int(seconds * SECOND)
                given = whose | {"sampling_weight": 1 / ramp.kept} | ramp.spans
                rows.append(span(trace, 1, None, "cart", 2, start, end, **given))
        busy += BACKGROUND * ramp.width_s + ramp.cost_s * count
        flight = float(took.sum()) / ramp.width_s
        stamp = {
            "service_name": "shop",
            "service_version": version,
            "service_instance_id": instance,
            "time_unix_nano": began + ramp.width_s * SECOND,
        }
        started = first - int(ramp.running_s * SECOND)
        counter = CPU_COUNTER | {"value_double": busy, "start_time_unix_nano": started}
        points.append(stamp | counter | ramp.points)
        gauges = [
            {"name": "process.memory.usage", "value_double": _BASE + _IN_FLIGHT * flight},
            {"name": "container.cpu.limit", "value_double": CORES},
            *ramp.more(bucket),
        ]
        points += [stamp | {"metric_type": "gauge"} | gauge | ramp.points for gauge in gauges]
    append(lake, SPANS, spans_table(rows))
    append(lake, METRICS, rows_of(points))


def capacities(lake: Lake, **asked: Any) -> tuple[ServiceCapacity, ...]:
    """Work out all versions."""
    return run(lake, CapacityRequest(**asked)).services


def limit_of(found: ServiceCapacity, resource: str) -> float:
    """Give what a resource allows, NaN where that is not identified."""
    named = {each.resource: each.per_second.estimate for each in found.limits}
    return named.get(resource, float("nan"))
