"""How often the intervals of ``tailgate cache`` hold the truth, over simulated shops.

A gateway calls pricing, whose instances share a cache of Zipf-distributed keys that expires and
does not know of writes. Cold keys are larger and slower, and in bursts colder keys are asked for
while everything takes longer: the plain difference of misses and hits is no penalty. The truth is
that of the same shop over a far longer time, in which what each miss cost is known.

    python -m tests.simulate.cache_truth --runs 100
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.cache import CacheAnswer, run
from pipeline.jobs.cache_names import CacheNames
from pipeline.jobs.cache_request import CacheRequest
from pipeline.lake import Lake, append
from pipeline.schema import SPANS
from pipeline.stats.bootstrap import Interval
from tests.simulate.lakes import new_lake, span_columns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# 2026-11-25T12:00:00Z.
NOON = 1_795_608_000_000_000_000
SECOND, MILLI = 1e9, 1e6
WARM_S = 300
RUNS_A_LAKE = 20
FIGURES = ("hit ratio", "miss penalty", "stale share")


@dataclass(frozen=True)
class Shop:
    """What is simulated.

    Attributes:
        minutes: that are seen, after five that fill the cache.
        per_s: requests a second outside of bursts.
        keys, zipf: how many, and how unevenly they are asked for.
        ttl_s: how long entries are kept.
        writes_per_key_s: writes of each key.
        instances: of pricing.
        burst: chance that a minute is one, in which traffic doubles, for colder keys.
        slower: how many times longer everything takes in a burst.
        varied: deviation of the log of how long things take, minute by minute.
    """

    minutes: int = 20
    per_s: float = 3.0
    keys: int = 120
    zipf: float = 1.0
    ttl_s: float = 40.0
    writes_per_key_s: float = 1 / 150
    instances: int = 4
    burst: float = 0.2
    slower: float = 1.5
    varied: float = 0.1


SHOPS = {
    "steady": Shop(burst=0.0),
    "bursts": Shop(),
    "few keys": Shop(keys=30, ttl_s=15.0),
    "two instances": Shop(instances=2, varied=0.2),
    "an hour": Shop(minutes=60),
}


@dataclass(frozen=True)
class Lookups:
    """n lookups in the order of time, and w writes.

    Attributes:
        at: seconds since the cache was cold.
        key, instance, version: of each.
        hit, stale: what came of it; only hits are stale.
        took_s, cost_s: how long, and how much of that is because it missed (had it missed).
        size: bytes of the item.
        write_at, write_key, write_version: of writes.
    """

    at: Floats
    key: Ints
    instance: Ints
    version: Ints
    hit: NDArray[np.bool_]
    stale: NDArray[np.bool_]
    took_s: Floats
    cost_s: Floats
    size: Ints
    write_at: Floats
    write_key: Ints
    write_version: Ints


@dataclass(frozen=True)
class Truth:
    """What an endless time would show: shares, and seconds."""

    hit_ratio: float
    penalty_s: float
    stale: float


def simulate(shop: Shop, minutes: int, rng: np.random.Generator) -> Lookups:
    """Play a shop from a cold cache for some minutes."""
    is_burst = rng.random(minutes) < shop.burst
    minute = np.repeat(
        np.arange(minutes), rng.poisson(60 * shop.per_s * np.where(is_burst, 2.0, 1.0))
    )
    at = np.sort(60 * (minute + rng.random(len(minute))))
    minute = (at // 60).astype(np.int64)
    key = _asked(shop, is_burst[minute], rng)
    # Of each key: the colder the larger. The same in every run, as a shop has its goods.
    goods = np.random.default_rng(1)
    size_of = 500 * (1 + np.arange(shop.keys) / 10) * goods.lognormal(0, 0.3, shop.keys)
    slow = np.where(is_burst, shop.slower, 1.0) * rng.lognormal(0, shop.varied, minutes)
    size = size_of[key]
    cost = slow[minute] * rng.gamma(4, 1.5e-3, len(at)) * (1 + size / 20_000)
    least = slow[minute] * (3e-4 + 1.5e-6 * size) * rng.lognormal(0, 0.3, len(at))
    written = rng.poisson(shop.writes_per_key_s * 60 * minutes, shop.keys)
    write_key = np.repeat(np.arange(shop.keys), written)
    write_at = 60 * minutes * rng.random(len(write_key))
    order = np.lexsort((write_at, write_key))
    write_at, write_key = write_at[order], write_key[order]
    first = np.concatenate([[0], np.cumsum(written)])
    write_version = np.arange(len(write_key)) - first[write_key] + 1
    times = [write_at[first[k] : first[k + 1]] for k in range(shop.keys)]
    hit, version, stale = _played(shop, at, key, cost, times)
    return Lookups(
        at,
        key,
        rng.integers(0, shop.instances, len(at)),
        version,
        hit,
        stale,
        least + np.where(hit, 0.0, cost),
        cost,
        size.astype(np.int64),
        write_at,
        write_key,
        write_version,
    )


def _asked(shop: Shop, in_burst: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Draw keys; in bursts colder ones."""
    drawn = rng.random(len(in_burst))
    found = np.empty(len(in_burst), dtype=np.int64)
    for burst, exponent in ((False, shop.zipf), (True, shop.zipf / 2)):
        share = np.cumsum(1 / np.arange(1, shop.keys + 1) ** exponent)
        chosen = in_burst == burst
        found[chosen] = np.searchsorted(share / share[-1], drawn[chosen])
    return found


def _played(
    shop: Shop, at: Floats, key: Ints, cost: Floats, times: list[Floats]
) -> tuple[NDArray[np.bool_], Ints, NDArray[np.bool_]]:
    """Play lookups one after the other: whether each hit, its version, and whether it was stale."""
    ready, version_in = [np.inf] * shop.keys, [0] * shop.keys
    hit = np.zeros(len(at), dtype=np.bool_)
    version = np.zeros(len(at), dtype=np.int64)
    now = np.empty(len(at), dtype=np.int64)
    for k in range(shop.keys):
        now[key == k] = np.searchsorted(times[k], at[key == k])
    for place, (moment, k, load) in enumerate(
        zip(at.tolist(), key.tolist(), cost.tolist(), strict=True)
    ):
        if ready[k] <= moment < ready[k] + shop.ttl_s:
            hit[place], version[place] = True, version_in[k]
            continue
        version[place] = now[place]
        if not ready[k] > moment or ready[k] == np.inf:
            ready[k], version_in[k] = moment + load, int(now[place])
    return hit, version, hit & (version != now)


def truth_of(shop: Shop, minutes: int = 12_000) -> Truth:
    """Give what a shop does in a very long time.

    Hits of any age up to the time to live are as likely, and writes come by chance: of an age a,
    1 - exp(-u a) are stale.
    """
    long = simulate(shop, minutes, np.random.default_rng(20))
    seen = long.at > WARM_S
    x = shop.writes_per_key_s * shop.ttl_s
    return Truth(
        float(long.hit[seen].mean()),
        float(long.cost_s[seen & ~long.hit].mean()),
        float(1 + np.expm1(-x) / x),
    )


def spans_of(shop: Shop, made: Lookups, number: int) -> pa.Table:
    """Give a run as spans: of the gateway, of pricing, of its cache, and of writes."""
    seen = np.flatnonzero(made.at > WARM_S)
    wrote = np.flatnonzero(made.write_at > WARM_S)
    count, writes = len(seen), len(wrote)
    began = NOON + (SECOND * (made.at[seen] - WARM_S)).astype(np.int64)
    took = (SECOND * made.took_s[seen]).astype(np.int64)
    ahead = int(MILLI)
    write_began = NOON + (SECOND * (made.write_at[wrote] - WARM_S)).astype(np.int64)
    starts = np.concatenate([began - 2 * ahead, began - ahead, began, write_began])
    lasted = np.concatenate([took + 4 * ahead, took + 2 * ahead, took, np.full(writes, 1000)])
    kinds = np.repeat([2, 2, 1, 1], [count, count, count, writes])
    place = np.concatenate([np.tile(np.arange(count), 3), count + np.arange(writes)])
    level = np.repeat([1, 2, 3, 1], [count, count, count, writes])
    is_lookup, is_write = level == 3, np.arange(len(level)) >= 3 * count
    names = np.where(is_write, "price write", np.where(is_lookup, "cache get", "GET /price"))
    service = np.where(level == 1, f"gateway-{number:03d}", f"pricing-{number:03d}")
    keys = np.concatenate([np.full(2 * count, -1), made.key[seen], made.write_key[wrote]])
    version = np.concatenate([made.version[seen], made.write_version[wrote]])
    instance = np.concatenate([np.tile(made.instance[seen], 3), np.zeros(writes, dtype=np.int64)])
    trace = [f"{number:08x}{each:024x}" for each in place]
    senders = [f"{name}-{each}" for name, each in zip(service, instance, strict=True)]
    told = np.arange(3 * count + writes) - 2 * count
    told = np.where(is_lookup, told, 0)
    known = {
        "service_name": pa.array(service),
        "service_instance_id": pa.array(senders),
        "trace_id": pa.array(trace),
        "span_id": pa.array([f"{deep:016x}" for deep in level]),
        "parent_span_id": pa.array([None if d == 1 else f"{d - 1:016x}" for d in level]),
        "name": pa.array(names),
        "kind": pa.array(kinds),
        "start_time_unix_nano": pa.array(starts),
        "end_time_unix_nano": pa.array(starts + lasted),
        "duration_nano": pa.array(lasted),
        "attributes": _attributes(version, 2 * count, count, writes),
        "cache_hit": pa.array(made.hit[seen][told], mask=~is_lookup),
        "cache_key": pa.array([f"price-{number}:{k}" for k in keys], mask=keys < 0),
        "cache_item_size": pa.array(made.size[seen][told], mask=~is_lookup),
        "ingest_time_unix_nano": pa.array(starts + int(SECOND)),
        "date": pa.array((starts // (86_400 * int(SECOND))).astype(np.int32)),
    }
    return _table(known, len(starts))


def _attributes(version: Ints, without: int, lookups: int, writes: int) -> pa.MapArray:
    """Give the item's version on lookups and writes, and what marks a write."""
    sizes = np.repeat([0, 1, 2], [without, lookups, writes])
    keys = ["item"] * lookups + ["item", "cache.operation"] * writes
    told = [str(each) for each in version]
    values = told[:lookups]
    for each in told[lookups:]:
        values += [each, "write"]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.MapArray.from_arrays(pa.array(offsets), pa.array(keys, pa.string()), pa.array(values))


def _table(known: dict[str, pa.Array], count: int) -> pa.Table:
    """Give the lake's columns; what is not known is the same in every row."""
    same = {
        "service_version": "1",
        "status_code": 0,
        "sampling_weight": 1.0,
        "sampling_known": True,
        "ingest_batch_id": "ab" * 16,
        "resource_attributes": [],
    }
    return span_columns(known, same, count)


def answers(shop: Shop, runs: int, seed: int = 1) -> Iterator[CacheAnswer]:
    """Run the job on many shops, each a service of its own."""
    for first in range(0, runs, RUNS_A_LAKE):
        with new_lake() as lake:
            _land(lake, shop, range(first, min(first + RUNS_A_LAKE, runs)), seed)
            request = CacheRequest(names=CacheNames(version_attribute=("item",)), ttl_s=shop.ttl_s)
            yield from run(lake, request).caches


def _land(lake: Lake, shop: Shop, numbers: range, seed: int) -> None:
    minutes = shop.minutes + WARM_S // 60
    made = [simulate(shop, minutes, np.random.default_rng([seed, number])) for number in numbers]
    parts = [spans_of(shop, each, number) for each, number in zip(made, numbers, strict=True)]
    append(lake, SPANS, pa.concat_tables(parts))


def found_of(answer: CacheAnswer) -> dict[str, Interval]:
    """Give the intervals of an answer, in the truth's units."""
    penalty = answer.penalty.mean
    seconds = Interval(*(each / SECOND for each in (penalty.estimate, penalty.low, penalty.high)))
    return dict(
        zip(FIGURES, (answer.all.hit_ratio, seconds, answer.staleness[0].measured), strict=True)
    )


def covered(
    shop: Shop, truth: Truth, runs: int, seed: int = 1
) -> dict[str, tuple[float, float, float]]:
    """Give of each figure the share of runs that hold the truth, the bias and the mean width.

    The bias and the width are shares of the truth.
    """
    known = dict(zip(FIGURES, (truth.hit_ratio, truth.penalty_s, truth.stale), strict=True))
    found = [found_of(answer) for answer in answers(shop, runs, seed)]
    return {
        name: (
            float(np.mean([each[name].holds(value) for each in found])),
            float(np.mean([each[name].estimate for each in found])) / value - 1,
            float(np.mean([each[name].high - each[name].low for each in found])) / value,
        )
        for name, value in known.items()
    }


def main() -> None:
    """Print how often intervals held the truth, a shop a line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--shop", choices=[*SHOPS, "all"], default="all")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{asked.runs} runs a shop; of 90 % intervals: held, (bias, width: shares of the truth)")
    for name, shop in SHOPS.items():
        if asked.shop in (name, "all"):
            found = covered(shop, truth_of(shop), asked.runs, asked.seed)
            told = "; ".join(
                f"{figure} {100 * held:.0f} % ({bias:+.3f}, {width:.2f})"
                for figure, (held, bias, width) in found.items()
            )
            print(f"{name}: {told}", flush=True)


if __name__ == "__main__":
    main()
