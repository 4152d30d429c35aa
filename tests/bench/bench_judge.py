"""Judging 1,000 operations on 10 instances for an hour, against a bare GROUP BY of the rows."""

import contextlib
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from measure import Measure, table
from pipeline.gate.judgement import Tolerance, judge
from pipeline.jobs.judge import compare, read
from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.lake import Lake, append, open_lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, session
from pipeline.schema import LATENCY_MINUTES
from pipeline.stats.buckets import bucket_index

OPERATIONS, INSTANCES, MINUTES, REQUESTS_A_CELL = 1000, 10, 60, 10
FIRST_MINUTE = 29_926_800
FILES = 10

BARE = """
    SELECT operation, service_version, service_instance_id, minute, bucket, SUM(requests)
    FROM latency_minutes
    GROUP BY ALL
"""


def main() -> list[Measure]:
    """Measure on a lake that is thrown away afterwards."""
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
        # Each in a process of its own, so that the most memory is the judge's.
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool,
    ):
        pool.submit(make, folder).result()
        best, parts, rows, peak = pool.submit(judged, folder).result()
        bare = min(seconds(bare_query, open_lake(Path(folder) / "lake")) for _ in range(2))
    against = f"bare GROUP BY, {bare:.2f} s, {rows / 1e6:.1f} M rows"
    return [
        Measure("judge, 1,000 operations, 3 quantiles", best, "s", against, best / bare, 5.0,
                "value", True),
        Measure("  of which reading", parts[0], "s", against, parts[0] / bare),
        Measure("  of which comparing", parts[1], "s", against, parts[1] / bare),
        Measure("  most memory", peak, "GiB", "", None, 1.0, "value", True),
    ]  # fmt: skip


def judged(folder: str) -> tuple[float, tuple[float, float], int, float]:
    """Judge twice; give the better time, its reading and comparing, the rows and the memory."""
    request = JudgeRequest(
        parse_selector("service.version=1.4.0"), parse_selector("service.version=1.4.1")
    )
    lake = open_lake(Path(folder) / "lake")
    best, parts = float("inf"), (0.0, 0.0)
    for _ in range(2):
        started = time.monotonic()
        inputs = read(lake, request)
        reading = time.monotonic() - started
        answer = judge(compare(inputs, request), Tolerance())
        spent = time.monotonic() - started
        if spent < best:
            best, parts = spent, (reading, spent - reading)
        rows = inputs.tables["cells"].num_rows
        assert sum(bool(check.operation) for check in answer.checks) >= 4 * OPERATIONS
        del inputs, answer
    return best, parts, rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def make(folder: str) -> None:
    """Make the lake."""
    lake = open_lake(Path(folder) / "lake", create=True)
    for number in range(FILES):
        append(lake, LATENCY_MINUTES, minutes(number))


def minutes(number: int) -> pa.Table:
    """Make one file of minutes: a tenth of the operations, lognormal durations."""
    rng = np.random.default_rng(number)
    operations = OPERATIONS // FILES
    n = operations * INSTANCES * MINUTES * REQUESTS_A_CELL
    cell = np.arange(n) // REQUESTS_A_CELL
    nanos = np.exp(rng.normal(18.4, 0.5, n))
    key = np.sort(cell * 4096 + bucket_index(nanos).astype(np.int64))
    key, count = np.unique(key, return_counts=True)
    cell, bucket = key // 4096, key % 4096
    minute, cell = cell % MINUTES, cell // MINUTES
    instance, operation = cell % INSTANCES, cell // INSTANCES + number * operations
    names = [f"GET /api/v1/resource{each}" for each in range(OPERATIONS)]
    made = {
        "minute": pa.array(minute + FIRST_MINUTE),
        "service_instance_id": text(instance, [f"shop-{each}" for each in range(INSTANCES)]),
        "service_name": text(instance * 0, ["shop"]),
        "service_version": text(instance % 2, ["1.4.0", "1.4.1"]),
        "operation": text(operation, names),
        "kind": pa.array(np.full(len(key), 2, np.int32)),
        "outcome": text((rng.random(len(key)) < 0.01).astype(int), ["ok", "http_5xx"]),
        "bucket": pa.array(bucket.astype(np.int32)),
        "requests": pa.array(count.astype(float)),
        "requests_squared": pa.array(count.astype(float)),
        "spans": pa.array(count),
        "date": pa.array(np.full(len(key), FIRST_MINUTE // 1440), pa.int32()).cast(pa.date32()),
    }
    schema = LATENCY_MINUTES.arrow_schema
    columns = [made.get(field.name, pa.nulls(len(key), field.type)) for field in schema]
    return pa.table(columns, schema=schema)


def text(index: np.ndarray, values: list[str]) -> pa.Array:
    """Take texts by their place."""
    return pa.array(values).take(pa.array(index))


def bare_query(lake: Lake) -> None:
    """Ask what a person would write to get the cells."""
    with contextlib.closing(session()) as connection:
        define_snapshot(connection, take_snapshot(lake, LATENCY_MINUTES))
        connection.execute(f"CREATE TEMP TABLE answer AS {BARE}")


def seconds(function: object, *arguments: object) -> float:
    """Time one call."""
    started = time.monotonic()
    function(*arguments)  # type: ignore[operator]
    return time.monotonic() - started


if __name__ == "__main__":
    print(table(main()))
    sys.exit()
