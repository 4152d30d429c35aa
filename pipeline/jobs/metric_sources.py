"""Which OTLP metrics tell a named metric: their names, units, parts that do not count, and sums.

Names are those of OpenTelemetry's semantic conventions, then of older instrumentation, of the
Collector's receivers and of Micrometer.
"""

from dataclasses import dataclass

# How the series of an instance become one level: parts of one thing add up, of some the largest
# counts, and some stand for one another. AS_SENT adds up sums and takes gauges for one another.
ADD, MOST, MEAN, AS_SENT = "add", "most", "mean", ""

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Source:
    """An OTLP metric that tells a named metric.

    Attributes:
        name: of the OTLP metric.
        unit: of its points where they carry none.
        fold: how the series of an instance become one level: ADD, MOST, MEAN or AS_SENT.
        without: attribute keys with patterns (* and ?): a point that has one of them is left out.
        tells: what it measures where that is not what the metric's first source does; unlike ones
            are never compared.
        thing: the queue or pool that it is of, where no attribute says.
        is_watched: whether a monitor tells it of the whole, so that instances are no replicates.
        is_shared: whether instances share its partitions, each of which is of one at a time.
    """

    name: str
    unit: str = ""
    fold: str = AS_SENT
    without: Pairs = ()
    tells: str = ""
    thing: str = ""
    is_watched: bool = False
    is_shared: bool = False


def sources(
    *names: str, unit: str = "", fold: str = AS_SENT, without: Pairs = ()
) -> tuple[Source, ...]:
    """Make sources that differ in their names only."""
    return tuple(Source(name, unit, fold, without) for name in names)


def _either(keys: tuple[str, ...], patterns: tuple[str, ...]) -> Pairs:
    """Give every key with every pattern."""
    return tuple((key, pattern) for key in keys for pattern in patterns)


# A GarbageCollectorMXBean of the JVM, by name and action, is of pauses or of whole cycles, most of
# which run beside the program:
#   pauses: Copy, PS Scavenge, ParNew, G1 Young Generation (end of minor GC); MarkSweepCompact,
#     PS MarkSweep, G1 Old Generation (end of major GC); G1 Concurrent GC, which is Remark and
#     Cleanup (end of concurrent GC pause); ZGC … Pauses, Shenandoah … Pauses (end of GC pause);
#     GPGC … Pauses
#   cycles: ZGC … Cycles, Shenandoah … Cycles (end of GC cycle), ZGC up to JDK 16, GPGC New and Old,
#     and ConcurrentMarkSweep, whose time is that of the cycle
_JVM_NAME = ("jvm.gc.name", "gc")
_JVM_ACTION = ("jvm.gc.action", "action")
_CYCLES = (
    *_either(_JVM_NAME, ("*Cycles", "ZGC", "GPGC New", "GPGC Old", "ConcurrentMarkSweep")),
    *_either(_JVM_ACTION, ("end of GC cycle",)),
)
# What of the same bean is a part of a cycle that another one counts.
_PARTS = (
    *_either(_JVM_NAME, ("*Pauses", "G1 Concurrent GC")),
    *_either(_JVM_ACTION, ("end of GC pause", "end of concurrent GC pause")),
)

_GC_HISTOGRAMS = (
    Source("jvm.gc.duration", "s", without=_CYCLES),
    Source("process.runtime.jvm.gc.duration", "ms", without=_CYCLES),
    Source("jvm.gc.pause", "ms", without=_CYCLES),
    Source("v8js.gc.duration", "s"),
    Source("go.gc.pause.duration", "s"),
    Source("process.runtime.go.gc.pause_ns", "ns"),
    Source("gc.pause.duration", "s"),
)
GC_PAUSES = (
    *_GC_HISTOGRAMS,
    Source("dotnet.gc.pause.time", "s"),
    Source("process.runtime.dotnet.gc.duration", "ns"),
    *sources("go.gc.pause_total_ns", "process.runtime.go.gc.pause_total_ns", unit="ns"),
    Source("runtime.go.gc.pause_total_ns", "ns"),
)
GC_HISTOGRAMS = _GC_HISTOGRAMS
GC_COLLECTIONS = (
    Source("jvm.gc.duration", without=_PARTS),
    Source("process.runtime.jvm.gc.duration", without=_PARTS),
    Source("jvm.gc.pause", without=_PARTS),
    *sources("v8js.gc.duration", "dotnet.gc.collections"),
    *sources("process.runtime.dotnet.gc.collections.count", "process.runtime.go.gc.count"),
    # process.runtime.cpython.gc_count is none of them: objects allocated since the last one.
    Source("cpython.gc.collections"),
)

CPU = sources(
    "process.cpu.time", "jvm.cpu.time", "container.cpu.time", "k8s.pod.cpu.time", unit="s"
)
CPU_USE = (
    Source("process.cpu.utilization", fold=ADD, without=(("state", "idle"), ("cpu.mode", "idle"))),
    *sources("jvm.cpu.recent_utilization", "container.cpu.utilization"),
    *sources("process.runtime.jvm.cpu.utilization", "process.cpu.usage"),
)

# The parts of a name that tell one queue from another, each by whichever key is there.
QUEUE_KEYS = (
    ("messaging.consumer.group.name", "group", "consumer_group", "messaging.kafka.consumer.group"),
    ("messaging.destination.name", "topic", "rabbitmq.queue.name", "queue", "queue.name", "name"),
)
QUEUE = (
    *sources("queue.depth", "queue.length", fold=ADD),
    # What is delivered and not acknowledged is being worked on.
    Source(
        *("rabbitmq.message.current", "", ADD, (("state", "unacknowledged"),)),
        is_watched=True,
    ),
    Source("dotnet.thread_pool.queue.length", "", ADD, thing="thread pool"),
    Source("process.runtime.dotnet.thread_pool.queue.length", "", ADD, thing="thread pool"),
    Source("executor.queued", "", ADD),
    Source("kestrel.queued_requests", "", ADD, thing="kestrel"),
)


@dataclass(frozen=True)
class Wait:
    """Two OTLP metrics that tell together how long items wait.

    Attributes:
        level: how many wait.
        taken: counts those that are taken.
    """

    level: Source
    taken: Source


_BY_NAME = {each.name: each for each in QUEUE}
WAITS = (
    Wait(_BY_NAME["rabbitmq.message.current"], Source("rabbitmq.message.delivered")),
    Wait(_BY_NAME["executor.queued"], Source("executor.completed")),
    Wait(
        _BY_NAME["dotnet.thread_pool.queue.length"],
        Source("dotnet.thread_pool.work_item.count", thing="thread pool"),
    ),
    Wait(
        _BY_NAME["process.runtime.dotnet.thread_pool.queue.length"],
        Source("process.runtime.dotnet.thread_pool.completed_items.count", thing="thread pool"),
    ),
    Wait(
        Source("kafka.consumer.records_lag", "", ADD),
        Source("kafka.consumer.records_consumed_total"),
    ),
    Wait(
        Source("kafka.consumer.fetch.manager.records.lag", "", ADD),
        Source("kafka.consumer.fetch.manager.records.consumed.total"),
    ),
    Wait(Source("queue.depth", "", ADD), Source("messaging.client.consumed.messages")),
)

PARTITION_KEYS = (
    *("messaging.destination.partition.id", "messaging.kafka.destination.partition"),
    "partition",
)
_LARGEST = "the largest lag of a partition"
LAG = (
    Source("kafka.consumer_group.lag", "", ADD, is_watched=True),
    Source("kafka.consumer_group.lag_sum", "", ADD, is_watched=True),
    *(
        Source(name, "", ADD, is_shared=True)
        for name in (
            *("kafka.consumer.records_lag", "kafka.consumer.lag"),
            *("kafka.consumer.fetch.manager.records.lag", "messaging.consumer.lag"),
        )
    ),
    *(
        Source(name, "", MOST, tells=_LARGEST, is_shared=True)
        for name in (
            "kafka.consumer.records_lag_max",
            "kafka.consumer.fetch.manager.records.lag.max",
        )
    ),
)

PENDING = sources(
    *("db.client.connection.pending_requests", "db.client.connections.pending_requests"),
    "hikaricp.connections.pending",
    fold=ADD,
)
POOL_WAIT = (
    Source("db.client.connection.wait_time", "s"),
    *sources("db.client.connections.wait_time", "hikaricp.connections.acquire", unit="ms"),
)
IN_FLIGHT = sources(
    *("http.server.active_requests", "rpc.server.active_requests", "http.server.requests.active"),
    fold=ADD,
)
LOOP_DELAY = (
    Source("nodejs.eventloop.delay.p99", "s", MOST),
    Source("process.runtime.nodejs.eventloop.delay.p99", "s", MOST),
)
LOOP_USE = sources("nodejs.eventloop.utilization", fold=MOST)

MEMORY = (
    Source("process.memory.usage", "By", ADD),
    Source("process.runtime.cpython.memory", "By", ADD, (("type", "vms"),)),
    *sources("container.memory.usage", "k8s.pod.memory.usage", unit="By", fold=ADD),
)
_NO_HEAP = (("jvm.memory.type", "non_heap"), ("type", "non_heap"), ("area", "nonheap"))
HEAP = (
    Source("jvm.memory.used", "By", ADD, _NO_HEAP),
    Source("process.runtime.jvm.memory.usage", "By", ADD, _NO_HEAP),
    Source("v8js.memory.heap.used", "By", ADD),
    Source("go.memory.used", "By", ADD, (("go.memory.type", "stack"),)),
    Source("process.runtime.go.mem.heap_alloc", "By", ADD),
    Source("dotnet.gc.last_collection.heap.size", "By", ADD),
)
ALLOCATED = (
    *sources("go.memory.allocated", "dotnet.gc.heap.total_allocated", unit="By"),
    Source("jvm.gc.memory.allocated", "By"),
)
THREADS = (
    *sources("process.thread.count", "jvm.thread.count", "jvm.threads.live", fold=ADD),
    *sources("go.goroutine.count", "process.runtime.go.goroutines", fold=ADD),
    *sources("process.runtime.cpython.thread_count", "dotnet.thread_pool.thread.count", fold=ADD),
)
FILES = sources(
    *("process.open_file_descriptor.count", "process.unix.file_descriptor.count"),
    *("process.files.open", "process.open_file_descriptors"),
    fold=ADD,
)


@dataclass(frozen=True)
class PoolPart:
    """An OTLP metric that tells a part of pools.

    Attributes:
        name: of the OTLP metric.
        family: parts of one family are of the same pools.
        part: ``used`` or ``max``.
        state: that its points must be in; empty for any.
    """

    name: str
    family: str
    part: str
    state: str = ""


USED, MAX = "used", "max"
POOL_PARTS = (
    PoolPart("db.client.connection.count", "db", USED, "used"),
    PoolPart("db.client.connection.max", "db", MAX),
    PoolPart("db.client.connections.usage", "older db", USED, "used"),
    PoolPart("db.client.connections.max", "older db", MAX),
    PoolPart("db.sql.connection.open", "otelsql", USED, "inuse"),
    PoolPart("db.sql.connection.max_open", "otelsql", MAX),
    PoolPart("hikaricp.connections.active", "hikaricp", USED),
    PoolPart("hikaricp.connections.max", "hikaricp", MAX),
    PoolPart("jdbc.connections.active", "jdbc", USED),
    PoolPart("jdbc.connections.max", "jdbc", MAX),
    PoolPart("tomcat.threads.busy", "tomcat", USED),
    PoolPart("tomcat.threads.config.max", "tomcat", MAX),
    PoolPart("jetty.threads.busy", "jetty", USED),
    PoolPart("jetty.threads.config.max", "jetty", MAX),
    PoolPart("executor.active", "executor", USED),
    PoolPart("executor.pool.max", "executor", MAX),
)
POOL_KEYS = (
    *("db.client.connection.pool.name", "pool.name", "pool", "jvm.thread.pool.name"),
    *("executor.name", "name", "id"),
)
POOL_STATE_KEYS = ("db.client.connection.state", "state", "status")
POOL_SOURCES = tuple(Source(each.name) for each in POOL_PARTS)
