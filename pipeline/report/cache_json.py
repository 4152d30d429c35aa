"""Caches for programs, as JSON: the same answer gives the same bytes."""

import json
import math
from typing import Any, BinaryIO

from pipeline.jobs.cache import CacheAnswer, CacheResult
from pipeline.jobs.cache_ratio import Ratio
from pipeline.jobs.cache_worth import Worth
from pipeline.report.cache_beside import documents
from pipeline.stats.bootstrap import Interval
from pipeline.stats.miss_ratio import MissRatioCurve

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
CACHE_SCHEMA = "tailgate.cache/1"


def write_json(result: CacheResult, out: BinaryIO) -> None:
    """Write one JSON document; keys with units, null for unknown."""
    asked = result.request
    document = {
        "schema": CACHE_SCHEMA,
        "since_unix_nano": asked.since_unix_nano,
        "until_unix_nano": asked.until_unix_nano,
        "where": dict(asked.where),
        "objective_quantile": asked.objective_quantile,
        "objective_seconds": asked.objective_s or None,
        "exit_status": result.exit_status,
        "caches": [_cache(each) for each in result.caches],
        **plain_values(documents(result)),
    }
    out.write(json.dumps(document, indent=2, allow_nan=False).encode("ascii") + b"\n")


def _cache(answer: CacheAnswer) -> dict[str, Any]:
    """Give one cache."""
    penalty, worth, curve = answer.penalty, answer.worth, answer.curve
    return {
        "service_name": answer.rows.service_name,
        "service_version": answer.rows.service_version,
        "cache": answer.rows.cache,
        "lookups": answer.all.lookups,
        "told_by": answer.told_by,
        "hit_ratio": _interval(answer.all.hit_ratio),
        "operations": [_ratio(each) for each in answer.by_operation],
        "key_classes": [_ratio(each) for each in answer.by_class],
        "minutes": [
            {"minute": int(minute), "hit_ratio": _known(ratio)}
            for minute, ratio in zip(
                answer.minutes.tolist(), answer.minute_ratios.tolist(), strict=True
            )
        ],
        "miss_penalty_ns": _interval(penalty.mean),
        "miss_penalty_median_ns": _known(penalty.median),
        "miss_penalty_naive_ns": _known(penalty.naive),
        "misses": penalty.misses,
        "misses_dropped_ratio": penalty.dropped,
        "miss_penalty_reason": penalty.reason,
        "requests": None if worth is None else _worth(worth),
        "stampedes": None if answer.stampedes is None else vars(answer.stampedes),
        "curve": None if curve is None else _curve(curve, answer.keys),
        "caches_an_instance": answer.instances > 1,
        "policies": answer.policies,
        "staleness": [plain_values(vars(each)) for each in answer.staleness],
        "notes": list(answer.notes),
    }


def _worth(worth: Worth) -> dict[str, Any]:
    return {
        "requests": worth.requests,
        "missed_ratio": worth.missed,
        "quantiles_ms": {f"{q:g}": _known(v) for q, v in worth.quantiles_ms.items()},
        "without_misses_ms": {f"{q:g}": _known(v) for q, v in worth.without_ms.items()},
        "needed_hit_ratio": _known(worth.needed),
        "miss_seconds_per_hour": _known(worth.per_hour_s),
    }


def _curve(curve: MissRatioCurve, keys: int) -> dict[str, Any]:
    return {
        "unit": "bytes" if curve.in_bytes else "entries",
        "sizes": curve.sizes.tolist(),
        "miss_ratios": curve.ratios.tolist(),
        "spread": curve.spread.tolist(),
        "keys": keys,
        "sampling_rate": curve.rate,
        "knee": curve.knee,
    }


def _ratio(part: Ratio) -> dict[str, Any]:
    return {
        "name": part.name,
        "lookups": part.lookups,
        "hit_ratio": _interval(part.hit_ratio),
    }


def plain_values(value: Any) -> Any:
    """Give values for JSON: intervals as objects, null for what is not known."""
    if isinstance(value, Interval):
        return _interval(value)
    if isinstance(value, dict):
        return {str(key): plain_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(each) for each in value]
    return _known(value) if isinstance(value, float) else value


def _interval(found: Interval) -> dict[str, float | None]:
    return {name: _known(value) for name, value in vars(found).items()}


def _known(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
