"""Which metrics tell of CPU, memory, limits and pools, the best first; old names are among them."""

# Seconds of CPU that a program has used.
CPU_COUNTERS = (
    *("container.cpu.time", "k8s.pod.cpu.time", "process.cpu.time", "jvm.cpu.time"),
    *("dotnet.process.cpu.time", "process.runtime.cpython.cpu_time", "container.cpu.usage.total"),
)
# Cores that are busy.
CPU_CORES = (
    *("container.cpu.usage", "k8s.container.cpu.usage", "k8s.pod.cpu.usage"),
    # As the kubelet's receiver called it: cores in spite of its name.
    "k8s.pod.cpu.utilization",
)
# Shares of the cores that a program may use.
CPU_SHARES = (
    *("process.cpu.utilization", "jvm.cpu.recent_utilization"),
    *("process.runtime.jvm.cpu.utilization", "process.runtime.cpython.cpu.utilization"),
)
# What a limit is of comes first; a heap after its collection is less than what a limit is of.
MEMORY = (
    *("container.memory.working_set", "container.memory.usage", "k8s.pod.memory.working_set"),
    *("k8s.pod.memory.usage", "process.memory.usage", "process.runtime.cpython.memory"),
    *("jvm.memory.used_after_last_gc", "process.runtime.jvm.memory.usage_after_last_gc"),
)
CPU_LIMITS = ("container.cpu.limit", "k8s.container.cpu_limit", "k8s.container.cpu.limit")
CPU_COUNTS = (
    *("process.cpu.count", "jvm.cpu.count", "dotnet.process.cpu.count", "go.processor.limit"),
    "system.cpu.logical.count",
)
MEMORY_LIMITS = (
    *("container.memory.limit", "k8s.container.memory_limit", "k8s.container.memory.limit"),
)
# Size and use of a pool.
POOLS = (
    ("db.client.connection.max", "db.client.connection.count"),
    ("db.client.connections.max", "db.client.connections.usage"),
    ("hikaricp.connections.max", "hikaricp.connections.active"),
    ("executor.pool.max", "executor.active"),
    ("tomcat.threads.config.max", "tomcat.threads.busy"),
    ("http.server.threads.max", "http.server.threads.busy"),
)

POOL_GAUGES = tuple(name for pair in POOLS for name in pair)
GAUGES = (
    *(*CPU_CORES, *CPU_SHARES, *MEMORY, *CPU_LIMITS, *CPU_COUNTS, *MEMORY_LIMITS),
    *POOL_GAUGES,
)
