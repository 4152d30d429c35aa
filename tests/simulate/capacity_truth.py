"""How often the 90 % intervals of ``tailgate capacity`` hold what is true.

python -m tests.simulate.capacity_truth [--runs N] [--truth NAME …] [--seed N] [--differ SHARE]
    [--untold]

Services whose costs are known land in a lake and are worked out by the job itself. A row a figure:
the share of runs in which it is identified, in which its interval holds the truth, the mean
relative error of the estimate, and the median width of the interval beside the truth. Status 1
where an interval holds the truth in fewer than 90 % for sure (upper 95 % bound of the binomial).
"""

import argparse
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import beta

from pipeline.jobs.capacity import run
from pipeline.jobs.capacity_answer import ServiceCapacity
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.lake import Lake, append
from pipeline.report.tables import print_table
from pipeline.schema import METRICS, SPANS
from pipeline.stats.bootstrap import Interval
from pipeline.stats.capacity_limits import MOST_POOL
from pipeline.stats.usl import Usl
from tests.simulate import capacity_world as world
from tests.simulate.capacity_world import World, latency_limit, run_of
from tests.simulate.lakes import new_lake

HELD_LEAST = 0.9
_RUNS_A_LAKE = 10

OPEN = (
    *("D order", "D quote", "D order check", "D quote check", "U0", "m0", "m1", "drift"),
    *("cpu limit", "latency limit", "pool limit", "safe load"),
)
CLOSED = ("gamma", "alpha", "beta", "peak load", "peak throughput")


@dataclass(frozen=True)
class Seen:
    """A figure of a run: its interval, and what is true."""

    interval: Interval
    truth: float

    @property
    def known(self) -> bool:
        """Tell whether it was identified."""
        return not math.isnan(self.interval.low)

    @property
    def held(self) -> bool:
        """Tell whether the interval holds the truth."""
        return self.interval.holds(self.truth)


def figures(service: ServiceCapacity, made: World, latency: float) -> dict[str, Seen]:
    """Give every figure of an answer beside its truth."""
    if made.closed:
        law = Usl(world.GAMMA, world.ALPHA, world.BETA, (0.0,) * 3, 0.0, 0, 1.0, 0, 0.0, 0.0, 0.0)
        names = ("gamma", "alpha", "beta", "peak_load", "peak_throughput")
        unknown = Interval(math.nan, math.nan, math.nan)
        told = service.scalability.intervals
        return {
            name.replace("_", " "): Seen(told.get(name, unknown), getattr(law, name))
            for name in names
        }
    return _open_figures(service, made, latency)


def _open_figures(service: ServiceCapacity, made: World, latency: float) -> dict[str, Seen]:
    unknown = (Interval(math.nan, math.nan, math.nan),) * 2
    demand, memory = service.demand, service.memory
    done = service.rows.buckets.completions_per_s.sum(axis=0)
    mean = float((done * world.CPU_S).sum() / done.sum())
    cpu = (0.7 * world.CORES - world.BACKGROUND) / mean
    pool = MOST_POOL * world.SLOTS / world.HOLD_S
    told = [pool] if made.is_told else []
    limits = {each.resource: each.per_second for each in service.limits}
    base = world.BASE + world.DRIFT_AN_HOUR * (made.seconds - world.BUCKET_S) / 3600
    found = {}
    for place, name in enumerate(world.OPERATIONS):
        own, check = (each or unknown for each in (demand.by_operation, demand.check))
        found[f"D {name}"] = Seen(own[place], world.CPU_S[place])
        found[f"D {name} check"] = Seen(check[place], world.CPU_S[place])
    return found | {
        "U0": Seen(demand.background, world.BACKGROUND),
        "m0": Seen(memory.base_bytes, base),
        "m1": Seen(memory.bytes_in_flight, world.IN_FLIGHT),
        "drift": Seen(memory.drift_bytes_per_hour, world.DRIFT_AN_HOUR),
        "cpu limit": Seen(limits["cpu"], cpu),
        "latency limit": Seen(limits["latency"], latency),
        "pool limit": Seen(limits.get("executor.active", unknown[0]), pool),
        "safe load": Seen(service.safe.per_second, min(latency, cpu, *told)),
    }


def runs_of(
    made: World, count: int, first: int = 0, latency: float = math.nan
) -> Iterator[dict[str, Seen]]:
    """Give the figures of so many runs, some a lake; ``latency`` is the true limit."""
    for start in range(first, first + count, _RUNS_A_LAKE):
        seeds = range(start, min(start + _RUNS_A_LAKE, first + count))
        with new_lake() as lake:
            for service in answers(lake, made, seeds):
                yield figures(service, made, latency)


def answers(lake: Lake, made: World, seeds: range) -> tuple[ServiceCapacity, ...]:
    """Land runs, each a service of its own, and work out their capacity."""
    landed = [run_of(made, f"checkout-{seed:05d}", seed) for seed in seeds]
    append(lake, SPANS, pa.concat_tables([each[0] for each in landed]))
    append(lake, METRICS, pa.concat_tables([each[1] for each in landed]))
    asked = CapacityRequest(
        service="checkout-*",
        bucket_s=world.BUCKET_S,
        objective_s=0.0 if made.closed else world.OBJECTIVE_S,
        memory_bytes=world.MEMORY_LIMIT,
    )
    return run(lake, asked).services


def surely_below(held: int, runs: int) -> bool:
    """Tell whether a share is below HELD_LEAST for sure (Clopper and Pearson, 95 %)."""
    return held < runs and bool(beta.ppf(0.95, held + 1, runs - held) < HELD_LEAST)


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument(
        "--differ", type=float, default=world.DIFFER, help="share by which instances differ"
    )
    parser.add_argument(
        "--untold", action="store_true", help="no metric tells of the slots that are waited for"
    )
    parser.add_argument("--truth", action="append", choices=(*OPEN, *CLOSED))
    asked = parser.parse_args()
    wanted = asked.truth or (*OPEN, *CLOSED)
    rows, good = [], True
    for closed, names in ((False, OPEN), (True, CLOSED)):
        chosen = [name for name in names if name in wanted]
        if not chosen:
            continue
        seen: list[Mapping[str, Seen]] = []
        latency = math.nan if closed else latency_limit()
        for each in runs_of(_world(closed, asked), asked.runs, asked.seed, latency):
            seen.append(each)
            if sys.stderr.isatty():
                print(f"\r{len(seen)} of {asked.runs} runs", end="", file=sys.stderr, flush=True)
        for name in chosen:
            row, fine = _row(name, [each[name] for each in seen])
            rows.append(row)
            good &= fine
    headings = ("figure", "identified %", "held %", "below %", "above %", "error %", "width %")
    print_table(headings, rows, [False] + [True] * 6, sys.stdout.buffer)
    return 0 if good else 1


def _world(closed: bool, asked: argparse.Namespace) -> World:
    return World(closed, differ=asked.differ, is_told=not asked.untold)


def _row(name: str, seen: list[Seen]) -> tuple[list[str], bool]:
    known = [each for each in seen if each.known]
    if not known:
        return [name, "0", *["–"] * 5], False
    held = sum(each.held for each in known)
    below = sum(each.interval.high < each.truth for each in known)
    errors = [each.interval.estimate / each.truth - 1 for each in known]
    widths = [(each.interval.high - each.interval.low) / each.truth for each in known]
    shares = [len(known) / len(seen), held / len(known), below / len(known)]
    shares += [1 - (held + below) / len(known), float(np.mean(errors)), float(np.median(widths))]
    return [name, *(f"{100 * each:.1f}" for each in shares)], not surely_below(held, len(known))


if __name__ == "__main__":
    sys.exit(main())
