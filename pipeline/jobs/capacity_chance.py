"""Load that varies by chance alone: what it seems to go with tells nothing.

Source: Fuller (1987), Measurement Error Models, section 1.1, for slopes that errors flatten.
"""

from dataclasses import replace

from pipeline.jobs.capacity_request import MOST_BUCKET_S
from pipeline.jobs.capacity_rows import ServiceRows
from pipeline.stats.capacity_demand import Demand, no_demand
from pipeline.stats.capacity_flat import varies_by_chance
from pipeline.stats.capacity_memory import MemoryFit, no_memory

# Of what load varies by: what goes with it then looks weaker by so much, and no interval says so.
MOST_CHANCE = 0.05
_LEAST_IN_FLIGHT = 1.0


def chance_of(rows: ServiceRows) -> str:
    """Say that a sample is too small to tell what goes with load; empty where it is not."""
    if rows.chance <= MOST_CHANCE:
        return ""
    longer = ", or give --bucket 60" if rows.buckets.width_s < MOST_BUCKET_S else ""
    return (
        f"traces are sampled: {rows.chance:.0%} of what load varies by is chance of the sample; "
        f"keep more traces{longer}, and ramp the load"
    )


def steady(rows: ServiceRows) -> str:
    """Say that load is too low, or varies as counts do by chance; empty where it does not."""
    buckets = rows.buckets
    most = float(buckets.concurrency_mean.max(initial=0.0))
    if most < _LEAST_IN_FLIGHT:
        return (
            f"never more than {most:.2g} requests were in flight on average: what they wait for "
            "cannot be told; ramp the load"
        )
    counts = buckets.throughput_per_s * buckets.width_s
    if rows.sampled or not varies_by_chance(counts, buckets.instance):
        return ""
    return "load varies no more than counts do by chance: ramp the load"


def without_demand(demand: Demand, reason: str) -> Demand:
    """Leave of costs what spans themselves tell, for a reason; all where there is none."""
    if not reason or not demand.buckets:
        return demand
    told = demand.by_operation if demand.is_told else ()
    nothing = no_demand(reason, demand.lag, demand.r_squared, demand.buckets)
    return replace(nothing, by_operation=told, is_told=demand.is_told)


def without_memory(memory: MemoryFit, reason: str) -> MemoryFit:
    """Leave nothing of memory, for a reason; all where there is none."""
    if not reason or not memory.buckets:
        return memory
    return no_memory(reason, memory.buckets)
