"""Rolling up and baselines: 20 M spans of an hour, against DuckDB's own quantiles of the same."""

import contextlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from measure import Measure, table
from pipeline.jobs.baseline import run
from pipeline.jobs.baseline_request import BaselineRequest
from pipeline.jobs.job import define_view
from pipeline.lake import Lake, append, open_lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, session
from pipeline.rollup import update
from pipeline.schema import LATENCY_HOURS, LATENCY_MINUTES, SPANS
from pipeline.schema.baselines import QUANTILES

SECOND_NANO = 1_000_000_000
FIRST_NANO = 1_795_608_000 * SECOND_NANO
MINUTES, INSTANCES, OPERATIONS, VERSIONS = 66, 20, 50, 2
FILES, SPANS_A_FILE = 20, 1_000_000

BARE = """
    SELECT service_name, operation, service_version, COUNT(*),
      QUANTILE_DISC(duration_nano, [0.5, 0.9, 0.95, 0.99, 0.999])
    FROM span_facts
    WHERE kind IN (2, 5) AND clock IN ('ok', 'reversed')
    GROUP BY ALL
"""


def main() -> list[Measure]:
    """Measure on a lake that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        lake = open_lake(Path(folder) / "lake", create=True)
        for number in range(FILES):
            append(lake, SPANS, spans(np.random.default_rng(number), number))
        return [*rolled_up(lake), *asked(lake)]


def rolled_up(lake: Lake) -> list[Measure]:
    """Measure each route from nothing to written rollups."""
    measures = []
    total = FILES * SPANS_A_FILE
    for route, goal in (("polars", None), ("duckdb", 3.0)):
        forget(lake)
        minutes_at: list[float] = []
        started = time.monotonic()
        update(lake, route, progress=lambda *_, at=minutes_at: at.append(time.monotonic()))
        ended = time.monotonic()
        minutes = total / (minutes_at[-1] - started) / 1e6
        measures += [
            Measure(f"minutes rollup, {route}, written", minutes, "M spans/s", "", None, goal),
            Measure(f"minutes and hours, {route}, written", total / (ended - started) / 1e6, "M/s"),
        ]
    rows = take_snapshot(lake, LATENCY_MINUTES).rows
    return [*measures, Measure("minutes rollup, size", rows / total, "rows/span")]


def asked(lake: Lake) -> list[Measure]:
    """Measure baselines against the bare query; each the best of three, taken in turn."""
    rollup, one_instance, exact, bare = [], [], [], []
    instance = (("service.instance.id", "shop-00003"),)
    for _ in range(3):
        rollup.append(seconds(run, lake, BaselineRequest()))
        one_instance.append(seconds(run, lake, BaselineRequest(where=instance)))
        exact.append(seconds(run, lake, BaselineRequest(exact=True)))
        bare.append(seconds(ask_bare, lake))
    best = min(bare)
    against = f"bare DuckDB, {best:.2f} s"
    minutes, both = min(one_instance), min(rollup)
    return [
        Measure("baseline from rollups", both, "s", against, both / best, 0.5, "value", True),
        Measure("baseline of one instance", minutes, "s", against, minutes / best),
        Measure(
            "baseline, exact", min(exact), "s", against, min(exact) / best, 1.3, "ratio", True
        ),
        Measure("largest error of a quantile", 100 * largest_error(lake), "%", "exact", None, 1.0,
                "value", True),
    ]  # fmt: skip


def largest_error(lake: Lake) -> float:
    """Give the worst quantile of any group, as a share of the exact one."""
    near, exact = (run(lake, BaselineRequest(exact=choice)).table for choice in (False, True))
    names = [f"duration_nano_p{q * 100:g}".replace(".", "") for q in QUANTILES]
    return max(
        float(np.abs(near[name].to_numpy() / exact[name].to_numpy() - 1).max()) for name in names
    )


def ask_bare(lake: Lake) -> None:
    """Ask what a person would write, without intervals or error ratios."""
    with contextlib.closing(session()) as connection:
        define_snapshot(connection, take_snapshot(lake, SPANS))
        define_view(connection, "span_facts")
        connection.sql(BARE).fetchall()


def seconds(function: object, *arguments: object) -> float:
    """Time one call."""
    started = time.monotonic()
    function(*arguments)  # type: ignore[operator]
    return time.monotonic() - started


def forget(lake: Lake) -> None:
    """Take the rollups away, so that an update starts from nothing."""
    for rollup in (LATENCY_MINUTES, LATENCY_HOURS):
        folder = lake.folder(rollup)
        folder.rename(lake.path.parent / f"{rollup.name}-{time.monotonic_ns()}")
    open_lake(lake.path, create=True)


def spans(rng: np.random.Generator, number: int) -> pa.Table:
    """Make one file's spans: lognormal, a median of its own for each operation, 1 % errors."""
    n = SPANS_A_FILE
    step = MINUTES * 60 * SECOND_NANO // FILES
    start = FIRST_NANO + number * step + np.sort(rng.integers(0, step, n))
    operation, instance = rng.integers(0, OPERATIONS, n), rng.integers(0, INSTANCES, n)
    duration = np.exp(rng.normal(16.8, 0.5, n) + operation * 0.05).astype(np.int64)
    routes = [f"/api/v1/resource{i}/{{id}}" for i in range(OPERATIONS)]
    columns = {
        "service_name": text(np.zeros(n, int), ["shop"]),
        "service_version": text(instance % VERSIONS, [f"1.4.{v}" for v in range(VERSIONS)]),
        "service_instance_id": text(instance, [f"shop-{i:05d}" for i in range(INSTANCES)]),
        "deployment_environment": text(np.zeros(n, int), ["production"]),
        "trace_id": text(np.zeros(n, int), ["0" * 32]),
        "span_id": text(np.zeros(n, int), ["0" * 16]),
        "name": text(operation, [f"GET {route}" for route in routes]),
        "kind": np.full(n, 2),
        "start_time_unix_nano": start,
        "end_time_unix_nano": start + duration,
        "duration_nano": duration,
        "status_code": np.zeros(n, int),
        "sampling_weight": np.ones(n),
        "sampling_known": np.zeros(n, bool),
        "http_request_method": text(operation % 2, ["GET", "POST"]),
        "http_route": text(operation, routes),
        "http_response_status_code": np.where(rng.random(n) < 0.01, 500, 200),
        "ingest_batch_id": text(np.zeros(n, int), ["b"]),
        "ingest_time_unix_nano": start + SECOND_NANO,
        "date": pa.array(start // (86400 * SECOND_NANO), pa.int32()).cast(pa.date32()),
    }
    none = pa.array([], pa.string())
    empty = pa.MapArray.from_arrays(pa.array(np.zeros(n + 1, np.int32)), none, none)
    columns |= {"resource_attributes": empty, "attributes": empty}
    arrays = [
        pa.array(columns[field.name], field.type)
        if isinstance(columns.get(field.name), np.ndarray)
        else columns.get(field.name, pa.nulls(n, field.type))
        for field in SPANS.arrow_schema
    ]
    return pa.table(arrays, schema=SPANS.arrow_schema)


def text(index: np.ndarray, values: list[str]) -> pa.Array:
    """Take texts by their place."""
    return pa.array(values).take(pa.array(index))


if __name__ == "__main__":
    print(table(main()))
    sys.exit()
