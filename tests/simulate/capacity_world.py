"""A service whose capacity is known: checkout behind a gateway, with a pool before its payments.

Instances differ, the load goes up in steps, the counter of CPU time is read at moments of its own.
What is known is what instances like these have on average, not what those drawn happen to have.
"""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.stats.bootstrap import Floats, Ints
from tests.jobs.capacity_lake import CPU_COUNTER, NOON, SECOND
from tests.metrics.conftest import rows_of
from tests.simulate.lakes import span_columns

BUCKET_S, STEP_BUCKETS = 10, 5
OPERATIONS = ("order", "quote")
CPU_S = np.array([0.080, 0.030])
BACKGROUND, CORES = 0.1, 2.0
BASE, IN_FLIGHT, DRIFT_AN_HOUR = 300e6, 12e6, 90e6
MEMORY_LIMIT = 2.0**30
SLOTS, HOLD_S = 4, 0.25
OBJECTIVE_S = 1.2
LEAST_RATE, MOST_RATE = 1.0, 14.0
GAMMA, ALPHA, BETA = 4.0, 0.05, 0.0012
MOST_IN_FLIGHT = 40
DIFFER = 0.04


@dataclass(frozen=True)
class World:
    """What a run is made of.

    Attributes:
        closed: whether so many users wait for each other, as the scalability law has it, or
            requests come as they like and wait for a slot.
        instances: that differ.
        steps: of load.
        flat: whether all steps have the same load.
        is_told: whether metrics tell of the slots, as the shop's do.
        differ: share by which instances differ: of CPU, background, base memory and time in the
            pool. Instances of the shop have the same switches, and do not.
    """

    closed: bool = False
    instances: int = 4
    steps: int = 12
    flat: bool = False
    differ: float = DIFFER
    is_told: bool = True

    @property
    def seconds(self) -> int:
        """Give how long it runs."""
        return self.steps * STEP_BUCKETS * BUCKET_S


@dataclass(frozen=True)
class Requests:
    """n requests of an instance: start, CPU, waiting for a slot, holding it, and operation."""

    start_s: Floats
    cpu_s: Floats
    wait_s: Floats
    held_s: Floats
    operation: Ints

    @property
    def end_s(self) -> Floats:
        """Give when they end."""
        return self.start_s + self.cpu_s + self.wait_s + self.held_s

    def in_flight(self, times: Floats) -> Ints:
        """Give how many are in flight at some times."""
        return _between(self.start_s, self.end_s, times)

    def busy_slots(self, times: Floats) -> Ints:
        """Give how many slots are held at some times."""
        return _between(self.end_s - self.held_s, self.end_s, times)


def _between(start: Floats, end: Floats, times: Floats) -> Ints:
    begun, over = (np.searchsorted(np.sort(each), times, "right") for each in (start, end))
    return begun - over


def run_of(world: World, service: str, seed: int) -> tuple[pa.Table, pa.Table]:
    """Give the spans and the data points of one run."""
    rng = np.random.default_rng([seed, int(world.closed), int(world.flat)])
    spans, points = [], []
    for number in range(world.instances):
        factors = 1 + world.differ * rng.standard_normal(4)
        made = (_closed if world.closed else _open)(world, factors, rng)
        instance = f"{service}-{number}"
        spans.append(spans_of(made, service, instance))
        points += list(_points(world, made, factors, service, instance, rng))
    return pa.concat_tables(spans), rows_of(points)


def _shares(world: World, rng: np.random.Generator) -> Floats:
    """Give the share of orders in every step: the mix is not the same all day."""
    return rng.uniform(0.3, 0.7, world.steps)


def _open(world: World, factors: Floats, rng: np.random.Generator) -> Requests:
    """Let requests come at random and wait for a slot of the pool."""
    rates = np.linspace(LEAST_RATE, MOST_RATE, world.steps)
    rates = np.full(world.steps, 6.0) if world.flat else rates
    length = STEP_BUCKETS * BUCKET_S
    counts = rng.poisson(rates * length)
    step = np.repeat(np.arange(world.steps), counts)
    start = np.sort(step * length + length * rng.random(len(step)))
    operation = (rng.random(len(step)) >= _shares(world, rng)[step]).astype(np.int64)
    cpu = factors[0] * CPU_S[operation] * rng.gamma(4, 0.25, len(step))
    held = factors[3] * HOLD_S * rng.exponential(size=len(step))
    return Requests(start, cpu, waits(start + cpu, held), held, operation)


def waits(arrive: Floats, held: Floats, slots: int = SLOTS) -> Floats:
    """Give how long each waits for one of the slots, first come, first served."""
    free = [0.0] * slots
    order = np.argsort(arrive, kind="stable")
    found = np.zeros(len(arrive))
    for place, time, lasts in zip(
        order.tolist(), arrive[order].tolist(), held[order].tolist(), strict=True
    ):
        begins = max(time, free[0])
        heapq.heapreplace(free, begins + lasts)
        found[place] = begins - time
    return found


def _closed(world: World, factors: Floats, rng: np.random.Generator) -> Requests:
    """Let so many users ask again and again; each answer takes N / X(N) on average."""
    users = np.unique(np.rint(np.geomspace(1, MOST_IN_FLIGHT, world.steps)).astype(int))
    users = np.resize(users, world.steps)
    users = np.full(world.steps, 8) if world.flat else np.sort(users)
    length = STEP_BUCKETS * BUCKET_S
    starts, ends, step = [], [], []
    # Nobody leaves in the middle of a request: it ends in the next step, and then the next begins.
    free = np.zeros(int(users.max()))
    for place, count in enumerate(users):
        mean = (1 + ALPHA * (count - 1) + BETA * count * (count - 1)) / (GAMMA * factors[0])
        for user in range(count):
            lasted = mean * rng.gamma(4, 0.25, int(2 * length / mean) + 40)
            end = max(free[user], place * length) + np.cumsum(lasted)
            kept = end - lasted < (place + 1) * length
            free[user] = end[kept][-1] if kept.any() else free[user]
            ends.append(end[kept])
            starts.append((end - lasted)[kept])
            step.append(np.full(int(kept.sum()), place))
    start, end, where = (np.concatenate(each) for each in (starts, ends, step))
    operation = (rng.random(len(start)) >= _shares(world, rng)[where]).astype(np.int64)
    # So fast a service has less to work than the other one.
    cpu = np.minimum(factors[1] * CPU_S[operation] * rng.gamma(4, 0.25, len(start)), end - start)
    return Requests(start, cpu, end - start - cpu, np.zeros(len(start)), operation)


def spans_of(made: Requests, service: str, instance: str) -> pa.Table:
    """Give four spans a request: gateway, checkout, its call of payments, and payments."""
    count = len(made.start_s)
    whose = hashlib.blake2b(instance.encode(), digest_size=12).hexdigest()
    trace = pa.array([f"{whose}{number:08x}" for number in range(count)])
    start, end = (np.rint(each * SECOND).astype(np.int64) for each in (made.start_s, made.end_s))
    call = np.rint((made.start_s + made.cpu_s) * SECOND).astype(np.int64)
    names = pa.array([OPERATIONS[each] for each in made.operation.tolist()])
    parts = [
        _part((trace, 1, 0), "gateway", ("gateway-0", names, 2), (start - 1000, end + 1000)),
        _part((trace, 2, 1), service, (instance, names, 2), (start, end)),
        _part((trace, 3, 2), service, (instance, "POST", 3), (call, end)),
        _part((trace, 4, 3), "payments", ("payments-0", "POST", 2), (call + 1000, end)),
    ]
    return pa.concat_tables(parts)


def _part(
    ids: tuple[pa.Array, int, int],
    service: str,
    named: tuple[str, pa.Array | str, int],
    times: tuple[Ints, Ints],
) -> pa.Table:
    """Give one span of every request."""
    trace, own, parent = ids
    instance, name, kind = named
    start, end = (NOON + each for each in times)
    count = len(start)
    same: dict[str, Any] = {
        "service_name": service,
        "service_version": "v1",
        "service_instance_id": instance,
        "resource_attributes": [("service.name", service)],
        "span_id": f"{own:016x}",
        "parent_span_id": f"{parent:016x}" if parent else None,
        "kind": kind,
        "status_code": 0,
        "attributes": [],
        "sampling_weight": 1.0,
        "sampling_known": True,
        "ingest_batch_id": "ab" * 16,
    }
    known = {
        "trace_id": trace,
        "name": pa.repeat(name, count) if isinstance(name, str) else name,
        "start_time_unix_nano": pa.array(start),
        "end_time_unix_nano": pa.array(end),
        "duration_nano": pa.array(end - start),
        "ingest_time_unix_nano": pa.array(end + SECOND),
        "date": pa.array((start // (86_400 * SECOND)).astype(np.int32)),
    }
    return span_columns(known, same, count)


def _points(
    world: World,
    made: Requests,
    factors: Floats,
    service: str,
    instance: str,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """Give what a reader gets every ten seconds, at moments of its own."""
    scrapes = world.seconds // BUCKET_S
    at = rng.uniform(0, BUCKET_S) + BUCKET_S * np.arange(scrapes) + rng.normal(0, 0.05, scrapes)
    part = (at[:, None] - made.start_s) / np.maximum(made.cpu_s, 1e-9)
    work = np.clip(part, 0, 1) @ made.cpu_s
    wander = 1 + 0.2 * rng.standard_normal(scrapes)
    idle = np.cumsum(BACKGROUND * factors[1] * wander * np.diff(at, prepend=0.0))
    memory = BASE * factors[2] + IN_FLIGHT * made.in_flight(at) + DRIFT_AN_HOUR * at / 3600
    memory = memory + 2e6 * rng.standard_normal(scrapes)
    common = {
        "service_name": service,
        "service_version": "v1",
        "service_instance_id": instance,
    }
    told: dict[str, Floats] = {
        "process.memory.usage": memory,
        "container.cpu.limit": np.full(scrapes, CORES),
    }
    if world.is_told and not world.closed:
        told["executor.pool.max"] = np.full(scrapes, float(SLOTS))
        told["executor.active"] = made.busy_slots(at).astype(np.float64)
    for place, (time, busy) in enumerate(zip(at, work + idle, strict=True)):
        stamp = {"time_unix_nano": NOON + round(float(time) * SECOND)}
        yield common | stamp | CPU_COUNTER | {"value_double": float(busy)}
        for name, values in told.items():
            gauge = {"metric_type": "gauge", "name": name, "value_double": float(values[place])}
            yield common | stamp | gauge


@lru_cache(maxsize=1)
def latency_limit() -> float:
    """Give the load at which p95 of a long run without a ramp is the objective."""
    rng = np.random.default_rng(20261125)
    count = 400_000
    apart, held = rng.exponential(size=count), HOLD_S * rng.exponential(size=count)
    operation = rng.integers(0, 2, count)
    cpu = CPU_S[operation] * rng.gamma(4, 0.25, count)
    low, high = 1.0, 0.99 * SLOTS / HOLD_S
    for _ in range(12):
        rate = (low + high) / 2
        took = cpu + held + waits(np.cumsum(apart) / rate, held)
        low, high = (rate, high) if np.quantile(took, 0.95) <= OBJECTIVE_S else (low, rate)
    return (low + high) / 2
