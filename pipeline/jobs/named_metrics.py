"""Named metrics: what else than latency and errors can be budgeted, and what it is made of.

A metric is one entry of NAMED_METRICS. Where it comes from data points, it names the OTLP metrics
that tell it, the best first: of these the first that both sides send counts. Where it comes from
anything else, it names a statement of sql/jobs that gives rows in the columns of metric_cells.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.jobs import metric_sources as told
from pipeline.jobs.metric_sources import Source
from pipeline.jobs.metric_units import BYTES, COUNT, TIME
from pipeline.jobs.metric_units import SHARE as SHARE_OF_ALL

# How rows are made of points, and compared.
GAUGE, PER_SECOND, PER_REQUEST = "gauge", "counter_per_second", "counter_per_request"
MEAN, QUANTILE, RATIO = "histogram_mean", "histogram_quantile", "ratio_of_sums"
SHARE, PROFILE = "share", "profile_share"
OBSERVATIONS = "observations_per_second"
WAIT = "level_over_rate"
# As the lake's points of that name are: settled when it is read.
BY_TYPE = "by_type"

PROMPT_TOKENS, CACHE_LOOKUPS, GC_SAMPLES = "cache_tokens", "cache_lookups", "runtime_gc_samples"

INCREASE, DECREASE, EITHER = "increase", "decrease", "either"
DIRECTIONS = (INCREASE, DECREASE, EITHER)

GENERIC = "metric:"
_GENERIC = re.compile(r"metric:(?P<name>.+?)(?::(?P<how>p\d{1,3}|mean|rate|per_request))?")
_HOW = {"mean": MEAN, "rate": PER_SECOND, "per_request": PER_REQUEST}


@dataclass(frozen=True)
class NamedMetric:
    """Something that is measured.

    Attributes:
        name: as budgets call it.
        unit: of its values.
        kind: GAUGE, PER_SECOND, ….
        direction: which way is worse.
        meaning: what it is, for people.
        sources: OTLP metrics, the best first.
        statement: of sql/jobs that reads them, or in place of them.
        dimension: TIME, BYTES, SHARE or COUNT: values are brought to its base unit, whatever unit
            they were sent in; empty for any, as sent.
        by: keys of attributes that tell one thing from another, such as queues: one name of each
            part, and each thing is measured by itself.
        quantile: of a histogram, between 0 and 1.
        per_operation: whether it is told of every operation, or of a service as a whole.
        has_pauses: whether spans and eBPF tools may tell it, as pauses of garbage collection.
        taken: of a WAIT, beside each source what counts the items that are taken from it.
        needs: the key of a budget that it cannot do without.
        factor: from the base unit to ``unit``.
    """

    name: str
    unit: str
    kind: str
    direction: str
    meaning: str
    sources: tuple[Source, ...] = ()
    statement: str = ""
    dimension: str = ""
    by: tuple[tuple[str, ...], ...] = ()
    quantile: float = 0.0
    per_operation: bool = False
    has_pauses: bool = False
    taken: tuple[Source, ...] = ()
    needs: str = ""
    factor: float = 1.0

    @property
    def is_hit_ratio(self) -> bool:
        """Tell whether it is of caches."""
        return self.statement in (CACHE_LOOKUPS, PROMPT_TOKENS)

    @property
    def names(self) -> tuple[str, ...]:
        """Give the names of the OTLP metrics that tell it, the best first."""
        return tuple(dict.fromkeys(each.name for each in self.sources))


NAMED_METRICS: tuple[NamedMetric, ...] = (
    NamedMetric(
        *("gc_pause_share", "ratio", PER_SECOND, INCREASE),
        "share of time that garbage collection stops the program",
        told.GC_PAUSES,
        dimension=TIME,
        has_pauses=True,
    ),
    *(
        NamedMetric(
            *(f"gc_pause_p{percent}_ms", "ms", QUANTILE, INCREASE),
            f"{percent}th percentile of the pauses of garbage collection",
            told.GC_HISTOGRAMS,
            dimension=TIME,
            has_pauses=True,
            quantile=percent / 100,
            factor=1e3,
        )
        for percent in (50, 95, 99)
    ),
    NamedMetric(
        *("gc_collections_per_minute", "1/min", OBSERVATIONS, INCREASE),
        "collections of garbage a minute, of a process",
        told.GC_COLLECTIONS,
        has_pauses=True,
        factor=60.0,
    ),
    NamedMetric(
        *("queue_depth", "items", GAUGE, INCREASE),
        "items that wait in a queue",
        told.QUEUE,
        dimension=COUNT,
        by=told.QUEUE_KEYS,
    ),
    NamedMetric(
        *("consumer_lag", "records", GAUGE, INCREASE),
        "records of a topic that a consumer group has not consumed yet",
        told.LAG,
        dimension=COUNT,
        by=told.QUEUE_KEYS,
    ),
    NamedMetric(
        *("queue_wait_s", "s", WAIT, INCREASE),
        "time that an item waits in a queue, by Little's law",
        tuple(pair.level for pair in told.WAITS),
        taken=tuple(pair.taken for pair in told.WAITS),
        dimension=COUNT,
        by=told.QUEUE_KEYS,
    ),
    NamedMetric(
        *("pool_pending", "requests", GAUGE, INCREASE),
        "requests that wait for a connection",
        told.PENDING,
        dimension=COUNT,
    ),
    NamedMetric(
        *("pool_wait_p95_ms", "ms", QUANTILE, INCREASE),
        "95th percentile of the wait for a connection",
        told.POOL_WAIT,
        dimension=TIME,
        quantile=0.95,
        factor=1e3,
    ),
    NamedMetric(
        *("pool_used_share", "ratio", GAUGE, INCREASE),
        "share of the fullest pool of connections or threads that is in use",
        told.POOL_SOURCES,
        statement="pool_use",
    ),
    NamedMetric(
        *("requests_in_flight", "requests", GAUGE, INCREASE),
        "requests being served",
        told.IN_FLIGHT,
        dimension=COUNT,
    ),
    NamedMetric(
        *("event_loop_delay_p99_s", "s", GAUGE, INCREASE),
        "99th percentile of the event loop's delay",
        told.LOOP_DELAY,
        dimension=TIME,
    ),
    NamedMetric(
        *("event_loop_use", "ratio", GAUGE, INCREASE),
        "time the event loop is busy",
        told.LOOP_USE,
        dimension=SHARE_OF_ALL,
    ),
    NamedMetric(
        *("cpu_utilization", "ratio", GAUGE, INCREASE),
        "CPU in use, of what there is",
        told.CPU_USE,
        dimension=SHARE_OF_ALL,
    ),
    NamedMetric(
        *("cache_hit_ratio", "ratio", SHARE, DECREASE),
        "share of lookups of a cache that were hits",
        statement=CACHE_LOOKUPS,
    ),
    NamedMetric(
        *("prompt_cache_hit_ratio", "ratio", SHARE, DECREASE),
        "share of the tokens of prompts that were in the cache of the model's provider",
        statement=PROMPT_TOKENS,
    ),
    NamedMetric(
        *("gc_sample_share", "ratio", SHARE, INCREASE),
        "share of a CPU profile's samples that are in CPython's garbage collector",
        statement=GC_SAMPLES,
    ),
    NamedMetric(
        *("cpu_seconds_per_request", "s", PER_REQUEST, INCREASE),
        "CPU time a request",
        told.CPU,
        dimension=TIME,
    ),
    NamedMetric(
        *("cost_per_million_requests", "currency", PER_REQUEST, INCREASE),
        "cost of the CPU time of a million requests, at cpu_price for a core and hour",
        told.CPU,
        dimension=TIME,
        needs="cpu_price",
    ),
    NamedMetric(
        *("cpu_cores", "cores", PER_SECOND, INCREASE), "CPU cores busy", told.CPU, dimension=TIME
    ),
    NamedMetric(
        *("memory_bytes", "By", GAUGE, INCREASE),
        "memory of a process",
        told.MEMORY,
        dimension=BYTES,
    ),
    NamedMetric(
        *("heap_bytes", "By", GAUGE, INCREASE),
        "memory used by the heap",
        told.HEAP,
        dimension=BYTES,
    ),
    NamedMetric(
        *("allocated_bytes_per_request", "By", PER_REQUEST, INCREASE),
        "memory that a request makes the program allocate",
        told.ALLOCATED,
        dimension=BYTES,
    ),
    NamedMetric(
        *("threads", "threads", GAUGE, INCREASE),
        "threads or goroutines of a process",
        told.THREADS,
        dimension=COUNT,
    ),
    NamedMetric(
        *("open_files", "files", GAUGE, INCREASE),
        "open file descriptors",
        told.FILES,
        dimension=COUNT,
    ),
    NamedMetric(
        *("db_calls_per_request", "calls", RATIO, INCREASE),
        "calls of databases that a request makes",
        statement="calls_per_request",
        per_operation=True,
    ),
    NamedMetric(
        *("calls_per_request", "calls", RATIO, INCREASE),
        "calls that a request makes, of those whose name matches",
        statement="calls_per_request",
        per_operation=True,
        needs="call",
    ),
    NamedMetric(
        *("profile_share", "ratio", PROFILE, INCREASE),
        "share of a profile that functions take, of those whose name matches",
        needs="function",
    ),
)

_BY_NAME: Mapping[str, NamedMetric] = MappingProxyType({each.name: each for each in NAMED_METRICS})


def named_metric(name: str) -> NamedMetric | None:
    """Give the metric of a name; None for none.

    ``metric:NAME`` is any OTLP metric, ``metric:NAME:p95`` a quantile of a histogram, and
    ``:mean``, ``:rate`` and ``:per_request`` say how else it is looked at.

    >>> named_metric("metric:http.client.request.duration:p95").quantile
    0.95
    >>> named_metric("metric:queue.depth").kind
    'by_type'
    """
    found = _GENERIC.fullmatch(name)
    if not found:
        return _BY_NAME.get(name)
    how = found["how"] or ""
    quantile = 0.0
    if how.startswith("p") and how not in _HOW:
        quantile = float(f"0.{how[1:]}")
        if not 0 < quantile < 1:
            return None
    kind = QUANTILE if quantile else _HOW.get(how, BY_TYPE)
    meaning = f"{how or 'level'} of {found['name']}"
    return NamedMetric(
        name, "", kind, INCREASE, meaning, (Source(found["name"]),), quantile=quantile
    )


def is_by_queue(name: str) -> bool:
    """Tell whether it is of queues or caches: what stands for an operation then has no requests.

    >>> is_by_queue("consumer_lag"), is_by_queue("p95")
    (True, False)
    """
    found = _BY_NAME.get(name)
    return found is not None and (bool(found.by) or found.is_hit_ratio)
