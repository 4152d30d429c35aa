"""Simulated releases through the real path: rows of a lake, read, compared and judged.

Many runs share a lake, each as a service of its own, so that the statement runs once for all.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.gate.judgement import Judgement, Tolerance, judge
from pipeline.jobs.judge import compare, read
from pipeline.jobs.judge_request import QUANTILES, JudgeRequest, parse_selector
from pipeline.lake import Lake, append, open_lake
from pipeline.schema import LATENCY_MINUTES, SPANS
from pipeline.stats.cells import Side

Sides = tuple[Side, Side]

VERSIONS = ("v1", "v2")
OPERATION = "GET /cart"

# 2026-11-25T12:00Z; a whole hour, so that no run is cut by a day.
_FIRST_MINUTE = 1_795_608_000 // 60
_MINUTES_A_DAY = 1440


def span_columns(known: dict[str, pa.Array], same: dict[str, Any], count: int) -> pa.Table:
    """Give so many spans: columns that are known, and values that all rows share; else NULL."""
    columns = [
        known[field.name].cast(field.type)
        if field.name in known
        else pa.repeat(pa.scalar(same.get(field.name), field.type), count)
        for field in SPANS.arrow_schema
    ]
    return pa.Table.from_arrays(columns, schema=SPANS.arrow_schema)


@contextmanager
def new_lake(folder: Path | None = None) -> Iterator[Lake]:
    """Give an empty lake that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="tailgate-simulate-", dir=folder))
    try:
        yield open_lake(path / "lake", create=True)
    finally:
        shutil.rmtree(path)


def land(lake: Lake, runs: Sequence[Sides]) -> None:
    """Land runs as rows of latency_minutes: a service a run, a version a side."""
    parts = [
        _rows(side, f"run-{number:05d}", version)
        for number, sides in enumerate(runs)
        for version, side in zip(VERSIONS, sides, strict=True)
    ]
    append(lake, LATENCY_MINUTES, pa.concat_tables(parts))


def judge_each(
    lake: Lake, tolerance: Tolerance, quantiles: tuple[float, ...] = QUANTILES
) -> list[Judgement]:
    """Judge every run alone, in the order in which they landed."""
    baseline, canary = (parse_selector(f"service.version={version}") for version in VERSIONS)
    request = JudgeRequest(baseline, canary, quantiles=quantiles, services=False)
    judged = compare(read(lake, request), request)
    return [
        judge(replace(judged, comparisons=(comparison,), traffic=None), tolerance)
        for comparison in judged.comparisons
    ]


def _rows(side: Side, service: str, version: str) -> pa.Table:
    """Give one side as rows of the rollup."""
    count = len(side.count)
    minutes = side.minute + _FIRST_MINUTE
    names = pa.array([f"{version}-{number}" for number in range(side.instances)])
    same = {
        "service_name": service,
        "service_version": version,
        "operation": OPERATION,
        "kind": 2,
        "outcome": "ok",
    }
    known = {
        "minute": pa.array(minutes),
        "service_instance_id": pa.DictionaryArray.from_arrays(side.instance, names),
        "bucket": pa.array(side.bucket),
        "requests": pa.array(side.count),
        "requests_squared": pa.array(side.count_squared),
        "spans": pa.array(np.rint(side.count).astype(np.int64)),
        "date": pa.array((minutes // _MINUTES_A_DAY).astype(np.int32)),
    }
    columns = []
    for field in LATENCY_MINUTES.arrow_schema:
        if field.name in known:
            columns.append(known[field.name].cast(field.type))
        else:
            columns.append(pa.repeat(pa.scalar(same.get(field.name), field.type), count))
    return pa.Table.from_arrays(columns, schema=LATENCY_MINUTES.arrow_schema)
