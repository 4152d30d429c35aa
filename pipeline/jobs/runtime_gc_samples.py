"""How much of a profile is in CPython's garbage collector: the samples with one of its frames.

CPython's metrics tell no pauses; a profile with native frames tells the share of the time that its
threads ran, or of all their time, in the collector.

Source: CPython, Python/gc.c and Modules/gcmodule.c of 3.9 to 3.14, for the functions' names;
profiling.sampling of 3.15 for <GC>.
"""

import pyarrow as pa

from pipeline.jobs.job import Connection, ask
from pipeline.jobs.metric_settling import Told
from pipeline.jobs.metric_sources import Source
from pipeline.jobs.named_metrics import GC_SAMPLES
from pipeline.jobs.senders import define_by_sender
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_snapshot
from pipeline.schema import PROFILE_SAMPLES, PROFILE_STACKS
from pipeline.schema.rollups import MINUTE_NANO

COLLECTORS = (
    *("gc_collect_main", "gc_collect_with_callback", "gc_collect_generations"),
    *("gc_collect_region", "gc_collect_increment", "gc_collect_young", "gc_collect_full"),
    *("gc_collect_internal", "collect_with_callback", "_PyGC_Collect", "_Py_RunGC", "<GC>"),
)
# What is sampled, the best first: only threads that run, or all.
_TYPES = ("cpu", "wall")
GC_SAMPLES_TOLD = tuple(Told(Source(f"{each} profiles"), "", 1.0, "", each) for each in _TYPES)
TO_COLLECT = (
    "collect profiles with native frames, in which gc_collect_main is seen: "
    "py-spy record --native, or perf record -g"
)


def gc_samples(
    connection: Connection, lake: Lake, service: str, minutes: tuple[int, int]
) -> pa.Table:
    """Read the rows of the services in whose profiles the collector is seen at all.

    Args:
        connection: where the tables are made.
        lake: the lake.
        service: pattern of services.
        minutes: the first, and the one after the last.

    Raises:
        LakeError: a file cannot be read.
    """
    first, end = minutes
    files = take_snapshot(lake, PROFILE_SAMPLES).between(first * MINUTE_NANO, end * MINUTE_NANO + 1)
    define_by_sender(connection, PROFILE_SAMPLES, [file.path for file in files])
    define_snapshot(connection, take_snapshot(lake, PROFILE_STACKS))
    asked = {"service": service, "first_minute": first, "end_minute": end}
    return ask(
        connection, GC_SAMPLES, asked | {"collectors": list(COLLECTORS), "types": list(_TYPES)}
    )
