"""Named metrics: what else than latency and errors can be budgeted, and what it is made of.

A metric is one entry of NAMED_METRICS. Where it comes from data points, it names the OTLP metrics
that tell it, the best first: of these the first that a service sends counts. Where it comes from
anything else, it names a statement of sql/jobs that gives rows in the columns of metric_cells.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# How rows are made of points, and compared.
GAUGE = "gauge"
PER_SECOND = "counter_per_second"
PER_REQUEST = "counter_per_request"
MEAN = "histogram_mean"
QUANTILE = "histogram_quantile"
RATIO = "ratio_of_sums"
SHARE = "share"
PROFILE = "profile_share"
# As the lake's points of that name are: settled when it is read.
BY_TYPE = "by_type"

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
        sources: names of OTLP metrics, the best first.
        statement: of sql/jobs, in place of sources.
        in_seconds: whether durations are brought to seconds, whatever unit they were sent in.
        quantile: of a histogram, between 0 and 1.
        per_operation: whether it is told of every operation, or of a service as a whole.
        needs: the key of a budget that it cannot do without.
        factor: from seconds, or what it is sent in, to ``unit``.
    """

    name: str
    unit: str
    kind: str
    direction: str
    meaning: str
    sources: tuple[str, ...] = ()
    statement: str = ""
    in_seconds: bool = False
    quantile: float = 0.0
    per_operation: bool = False
    needs: str = ""
    factor: float = 1.0


# Of semantic conventions, then of older ones and of Micrometer. CPython tells counts, no pauses.
_GC = (
    *("jvm.gc.duration", "process.runtime.jvm.gc.duration", "jvm.gc.pause"),
    *("v8js.gc.duration", "dotnet.gc.pause.time", "process.runtime.dotnet.gc.duration"),
    *("process.runtime.go.gc.pause_ns", "go.gc.pause.duration", "gc.pause.duration"),
)
_CPU = ("process.cpu.time", "jvm.cpu.time", "container.cpu.time", "k8s.pod.cpu.time")
_QUEUE = (
    *("queue.depth", "queue.length", "dotnet.thread_pool.queue.length"),
    *("executor.queued", "kestrel.queued_requests", "rabbitmq.message.current"),
)
_LAG = (
    *("kafka.consumer_group.lag", "kafka.consumer.records_lag_max", "kafka.consumer.lag"),
    *("kafka.consumer.fetch.manager.records.lag.max", "messaging.consumer.lag"),
)
_PENDING = (
    *("db.client.connection.pending_requests", "db.client.connections.pending_requests"),
    "hikaricp.connections.pending",
)
_POOL_WAIT = (
    *("db.client.connection.wait_time", "db.client.connections.wait_time"),
    "hikaricp.connections.acquire",
)
_IN_FLIGHT = (
    "http.server.active_requests",
    "rpc.server.active_requests",
    "http.server.requests.active",
)
_LOOP_DELAY = ("nodejs.eventloop.delay.p99", "process.runtime.nodejs.eventloop.delay.p99")
_LOOP_USE = ("nodejs.eventloop.utilization",)
_CPU_USE = ("process.cpu.utilization", "jvm.cpu.recent_utilization", "container.cpu.utilization")
_MEMORY = ("process.memory.usage", "container.memory.usage", "k8s.pod.memory.usage")
_HEAP = ("jvm.memory.used", "v8js.memory.heap.used", "go.memory.used")
_ALLOCATED = ("go.memory.allocated", "dotnet.gc.heap.total_allocated")
_THREADS = ("process.thread.count", "jvm.thread.count", "go.goroutine.count")
_FILES = ("process.open_file_descriptor.count", "process.unix.file_descriptor.count")

NAMED_METRICS: tuple[NamedMetric, ...] = (
    NamedMetric(
        *("gc_pause_share", "ratio", PER_SECOND, INCREASE),
        "share of time that garbage collection stops the program",
        _GC,
        in_seconds=True,
    ),
    NamedMetric(
        *("gc_pause_p99_ms", "ms", QUANTILE, INCREASE),
        "99th percentile of the pauses of garbage collection",
        _GC,
        in_seconds=True,
        quantile=0.99,
        factor=1e3,
    ),
    NamedMetric("queue_depth", "items", GAUGE, INCREASE, "items that wait in queues", _QUEUE),
    NamedMetric("consumer_lag", "records", GAUGE, INCREASE, "records not consumed yet", _LAG),
    NamedMetric(
        "pool_pending", "requests", GAUGE, INCREASE, "requests that wait for a connection", _PENDING
    ),
    NamedMetric(
        *("pool_wait_p95_ms", "ms", QUANTILE, INCREASE),
        "95th percentile of the wait for a connection",
        _POOL_WAIT,
        in_seconds=True,
        quantile=0.95,
        factor=1e3,
    ),
    NamedMetric(
        *("pool_used_share", "ratio", SHARE, INCREASE),
        "share of connections and pool threads in use",
        statement="pool_use",
    ),
    NamedMetric(
        "requests_in_flight", "requests", GAUGE, INCREASE, "requests being served", _IN_FLIGHT
    ),
    NamedMetric(
        *("event_loop_delay_p99_s", "s", GAUGE, INCREASE),
        "99th percentile of the event loop's delay",
        _LOOP_DELAY,
    ),
    NamedMetric(
        *("event_loop_use", "ratio", GAUGE, INCREASE), "time the event loop is busy", _LOOP_USE
    ),
    NamedMetric(
        *("cpu_utilization", "ratio", GAUGE, INCREASE), "CPU in use, of what there is", _CPU_USE
    ),
    NamedMetric(
        *("cache_hit_ratio", "ratio", SHARE, DECREASE),
        "share of reads of caches that were hits",
        statement="cache_reads",
    ),
    NamedMetric(
        *("cpu_seconds_per_request", "s", PER_REQUEST, INCREASE),
        "CPU time a request",
        _CPU,
        in_seconds=True,
    ),
    NamedMetric(
        *("cost_per_million_requests", "currency", PER_REQUEST, INCREASE),
        "cost of the CPU time of a million requests, at cpu_price for a core and hour",
        _CPU,
        in_seconds=True,
        needs="cpu_price",
    ),
    NamedMetric(
        "cpu_cores", "cores", PER_SECOND, INCREASE, "CPU cores busy", _CPU, in_seconds=True
    ),
    NamedMetric("memory_bytes", "By", GAUGE, INCREASE, "memory of a process", _MEMORY),
    NamedMetric("heap_bytes", "By", GAUGE, INCREASE, "memory used by the heap", _HEAP),
    NamedMetric(
        *("allocated_bytes_per_request", "By", PER_REQUEST, INCREASE),
        "memory that a request makes the program allocate",
        _ALLOCATED,
    ),
    NamedMetric(
        "threads", "threads", GAUGE, INCREASE, "threads or goroutines of a process", _THREADS
    ),
    NamedMetric("open_files", "files", GAUGE, INCREASE, "open file descriptors", _FILES),
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
    return NamedMetric(name, "", kind, INCREASE, meaning, (found["name"],), quantile=quantile)
