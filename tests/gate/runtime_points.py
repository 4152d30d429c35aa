"""What tests of runtime signals share: points of three instances, a value a minute, by hand."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.verdict import Check
from pipeline.lake import Lake, append
from pipeline.schema import METRICS
from tests.metrics.conftest import rows_of

# 2026-11-25T12:00:00Z, a whole minute.
NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
MINUTES, INSTANCES = 12, 3

V1 = (("service_version", "v1"),)
V2 = (("service_version", "v2"),)
Point = dict[str, Any]
COUNTER: Point = {"metric_type": "sum", "is_monotonic": True, "aggregation_temporality": 2}
LEVEL: Point = {"metric_type": "sum", "is_monotonic": False, "aggregation_temporality": 2}


def points(
    name: str, value: float | Callable[[int, int], float], version: str = "v1", **given: Any
) -> list[Point]:
    """Give a point a minute of three instances; a plain value wanders by a hundredth."""
    rows = []
    for instance in range(INSTANCES):
        for minute in range(1, MINUTES + 1):
            now = (
                value(instance, minute)
                if callable(value)
                else value * (1 + 0.01 * math.sin(minute + instance))
            )
            rows.append(
                {
                    "metric_type": "gauge",
                    "name": name,
                    "service_version": version,
                    "service_instance_id": f"{version}-{instance}",
                    "time_unix_nano": NOON + minute * MINUTE - SECOND,
                    "value_double": now,
                    **given,
                }
            )
    return rows


def pauses(
    name: str, per_minute: int, each: float, version: str = "v1", **given: Any
) -> list[Point]:
    """Give a delta histogram a minute of three instances: so many pauses of so many units."""
    rows = []
    for row in points(name, 0.0, version):
        row |= {
            "metric_type": "histogram",
            "aggregation_temporality": 1,
            "start_time_unix_nano": row["time_unix_nano"] - MINUTE,
            "value_double": None,
            "unit": "s",
            "count": per_minute,
            "sum": per_minute * each,
            "explicit_bounds": [0.98 * each, 1.02 * each],
            "bucket_counts": [0, per_minute, 0],
        }
        rows.append(row | given)
    return rows


def land(lake: Lake, *series: Iterable[Point]) -> None:
    """Land points."""
    append(lake, METRICS, rows_of([dict(point) for each in series for point in each]))


def level(lake: Lake, metric: str, **given: Any) -> Check:
    """Measure a metric as a budget does, with a limit that nothing reaches."""
    (found,) = check_budgets(lake, [Budget("b", metric=metric, most=1e18, **given)], 0.05).checks
    return found


def value(lake: Lake, metric: str, **given: Any) -> float:
    """Give a metric's value."""
    found = level(lake, metric, **given)
    assert found.measure is not None, found.reason
    return found.measure.canary


def values(lake: Lake, metric: str) -> dict[str, float]:
    """Give a metric's values by service."""
    found = check_budgets(lake, [Budget("b", metric=metric, most=1e18)], 0.05).checks
    return {each.service_name: each.measure.canary for each in found if each.measure}


def beside(lake: Lake, metric: str, **given: Any) -> Check:
    """Compare v2 with v1, a tenth let through."""
    budget = Budget("b", metric=metric, where=V2, baseline=V1, increase_ratio=0.1, **given)
    (found,) = check_budgets(lake, [budget], 0.05).checks
    return found
