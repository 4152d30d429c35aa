"""A capacity for programs, as JSON: the same answer gives the same bytes."""

import json
import math
from typing import Any, BinaryIO

from pipeline.jobs.capacity_answer import CapacityResult, ServiceCapacity
from pipeline.stats.bootstrap import Interval
from pipeline.stats.capacity_drivers import DriverScan

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
CAPACITY_SCHEMA = "tailgate.capacity/1"


def write_json(result: CapacityResult, out: BinaryIO) -> None:
    """Write one JSON document; the same answer gives the same bytes."""
    asked = result.request
    document = {
        "schema": CAPACITY_SCHEMA,
        "since_unix_nano": asked.since_unix_nano,
        "until_unix_nano": asked.until_unix_nano,
        "where": dict(asked.where),
        "objective_quantile": asked.objective_quantile,
        "objective_seconds": asked.objective_s or None,
        "target_requests_per_second": asked.target_per_second or None,
        "zones": asked.zones,
        "exit_status": result.exit_status,
        "services": [_service(each) for each in result.services],
        "cost_changes": [
            {
                "service_name": each.service_name,
                "before": each.before,
                "after": each.after,
                "change_ratio": _interval(each.change),
            }
            for each in result.cost_changes
        ],
    }
    out.write(json.dumps(document, indent=2, allow_nan=False).encode("ascii") + b"\n")


def _service(service: ServiceCapacity) -> dict[str, Any]:
    """Give one version."""
    buckets = service.rows.buckets
    return {
        "service_name": service.rows.service_name,
        "service_version": service.rows.service_version,
        "spans": service.rows.requests,
        "is_sampled": service.rows.sampled,
        "instances": buckets.instances,
        "buckets": len(buckets.start_s),
        "bucket_seconds": buckets.width_s,
        "safe_requests_per_second_per_instance": _interval(service.safe.per_second),
        "binding_resource": service.safe.binding or None,
        "second_resource": service.safe.second or None,
        "second_distance_ratio": _number(service.safe.distance),
        "headroom_ratio": _interval(service.safe.headroom),
        "seen_requests_per_second_per_instance": _number(service.safe.seen_per_second),
        "is_extrapolated": service.safe.extrapolated,
        "limits": _limits(service),
        "replicas": _replicas(service),
        "concurrency": _concurrency(service),
        "cpu": _cpu(service),
        "operations": _operations(service),
        "memory": _memory(service),
        "latency": _latency(service),
        "scalability": _scalability(service),
        "cost_per_million_requests": _interval(service.cost.per_million) if service.cost else None,
        "notes": list(service.notes),
    }


def _cpu(service: ServiceCapacity) -> dict[str, Any]:
    meters, demand = service.rows.meters, service.demand
    return {
        "not_identified": demand.reason or None,
        "source": meters.cpu_source or None,
        "dealt_out_by": service.rows.dealt_by,
        "cores": _number(meters.cores) or None,
        "cores_source": meters.cores_source or None,
        "seconds_per_request": _interval(demand.mean),
        "background_cores": _interval(demand.background),
        "r_squared": _number(demand.r_squared),
        "lag_buckets": demand.lag,
        "estimators_disagree": list(demand.disagree),
        "drivers": _drivers(service.drivers),
    }


def _drivers(found: DriverScan) -> dict[str, Any]:
    """Give what CPU time was held against, on blocks of time held out."""
    return {
        "not_identified": found.reason or None,
        "follows": found.named.name if found.named else None,
        "beaten": found.beaten or None,
        "beaten_r_squared": _number(found.r_squared),
        "buckets": found.buckets,
        "blocks": found.blocks,
        "tried": [
            {
                "driver": each.name,
                "r_squared": _number(each.r_squared),
                "r_squared_gain": _interval(each.gain),
                "is_better": each.is_better,
                "per_request": _number(each.per_request),
                "variation_ratio": _number(each.variation),
            }
            for each in found.drivers
        ],
    }


def _memory(service: ServiceCapacity) -> dict[str, Any]:
    meters, memory = service.rows.meters, service.memory
    return {
        "not_identified": memory.reason or None,
        "source": meters.memory_source or None,
        "limit_bytes": _number(meters.memory_limit) or None,
        "base_bytes": _interval(memory.base_bytes),
        "bytes_per_request_in_flight": _interval(memory.bytes_in_flight),
        "drift_bytes_per_hour": _interval(memory.drift_bytes_per_hour),
        "leak_suspected": memory.leaks,
    }


def _concurrency(service: ServiceCapacity) -> dict[str, Any]:
    return {
        "mean": _number(service.concurrency.mean),
        "exceeded_1_percent_of_time": _number(service.concurrency.exceeded),
        "peak": _number(service.concurrency.peak),
        "is_estimated": service.concurrency.estimated,
    }


def _latency(service: ServiceCapacity) -> dict[str, Any]:
    latency = service.latency
    variation, durations = service.rows.variation, service.rows.durations
    return {
        "not_identified": latency.reason or None,
        "model": latency.model or None,
        "held_out_errors": {name: _number(each) for name, each in latency.held_out.items()},
        "chosen_in_draws_ratio": {name: _number(each) for name, each in latency.chosen.items()},
        "isotonic_gap": _number(latency.isotonic_gap),
        "isotonic_requests_per_second": _number(latency.isotonic_limit),
        "arrival_scv": variation.arrivals if variation else None,
        "service_scv": variation.service if variation else None,
        "duration_scv": durations[0].service if durations else None,
        "limit": _interval(latency.limit),
    }


def _limits(service: ServiceCapacity) -> list[dict[str, Any]]:
    return [
        {
            "resource": each.resource,
            "requests_per_second": _interval(each.per_second),
            "not_identified": each.reason or None,
        }
        for each in service.limits
    ]


def _replicas(service: ServiceCapacity) -> dict[str, Any] | None:
    found = service.replicas
    if found is None:
        return None
    return {
        "needed": _interval(found.needed),
        "instances": found.instances,
        "outcome": found.outcome,
        "is_extrapolated": found.extrapolated,
    }


def _operations(service: ServiceCapacity) -> list[dict[str, Any]]:
    demand = service.demand
    return [
        {
            "operation": name,
            "requests_per_second": _number(service.per_second[place]),
            "cpu_seconds_per_request": _interval(demand.by_operation[place])
            if demand.by_operation
            else None,
            "cpu_seconds_per_request_by_regression": _interval(demand.check[place])
            if demand.check
            else None,
        }
        for place, name in enumerate(service.rows.buckets.operations)
    ]


def _scalability(service: ServiceCapacity) -> dict[str, Any]:
    law = service.scalability
    found: dict[str, Any] = {"not_identified": law.reason or None}
    if law.fit is not None:
        found["shows_peak"] = law.shows_peak
        found["r_squared"] = _number(law.fit.r_squared)
        found |= {name: _interval(each) for name, each in law.intervals.items()}
    return found


def _interval(found: Interval) -> dict[str, float | None] | None:
    """Give an estimate with its bounds; null where there is none."""
    if math.isnan(found.estimate):
        return None
    return {name: _number(getattr(found, name)) for name in ("estimate", "low", "high")}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
