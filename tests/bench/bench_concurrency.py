"""Requests in flight of 10 million spans by a sweep, against a bare sort of starts and ends."""

import sys
import time

import numpy as np
import pyarrow as pa

from measure import Measure, table
from pipeline.jobs.capacity_sweep import concurrency, levels
from pipeline.jobs.job import asking

SPANS, INSTANCES, HOURS = 10_000_000, 4, 1
SECOND = 1_000_000_000
FIRST = 1_795_608_000 * SECOND


def main() -> list[Measure]:
    """Measure over an hour of requests of four instances."""
    requests = made()
    with asking() as connection:
        connection.register("capacity_requests", requests)
        sweep = best(lambda: concurrency(requests, 60 * SECOND, (0, 2**62)))
        whole = best(lambda: levels(requests, (0, 2**62)))
        bare = best(
            lambda: connection.execute(
                "CREATE OR REPLACE TEMP TABLE bare AS SELECT started AS time FROM capacity_requests"
                " UNION ALL SELECT ended FROM capacity_requests ORDER BY time"
            )
        )
    against = f"a sort of the same, {bare:.2f} s"
    return [
        Measure("requests in flight of 10 M spans, by minute", sweep, "s", against, sweep / bare,
                3.0, "value", True),
        Measure("  for how long how many, over all", whole, "s", against, whole / bare),
    ]  # fmt: skip


def made() -> pa.Table:
    """Make requests of about 50 ms, in the order of time."""
    rng = np.random.default_rng(1)
    started = FIRST + np.sort(rng.integers(0, HOURS * 3600 * SECOND, SPANS))
    ended = started + (rng.lognormal(np.log(0.05), 0.5, SPANS) * SECOND).astype(np.int64)
    names = [f"shop-{number}" for number in range(INSTANCES)]
    return pa.table(
        {
            "service_name": pa.repeat("shop", SPANS),
            "service_version": pa.repeat("1.4.1", SPANS),
            "service_instance_id": pa.DictionaryArray.from_arrays(
                pa.array(rng.integers(0, INSTANCES, SPANS).astype(np.int32)), names
            ),
            "started": started,
            "ended": ended,
            "weight": np.ones(SPANS),
        }
    )


def best(function: object, repeats: int = 2) -> float:
    """Give the shortest of several runs, in seconds."""
    taken = []
    for _ in range(repeats):
        started = time.monotonic()
        function()  # type: ignore[operator]
        taken.append(time.monotonic() - started)
    return min(taken)


if __name__ == "__main__":
    print(table(main()))
    sys.exit()
