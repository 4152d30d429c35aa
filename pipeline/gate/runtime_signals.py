"""Which named metrics are signals of the runtime: what is shown at once, and can be saved."""

# By area, in the order in which people look.
SIGNALS: tuple[tuple[str, str], ...] = (
    ("garbage collection", "gc_pause_share"),
    ("garbage collection", "gc_pause_p50_ms"),
    ("garbage collection", "gc_pause_p95_ms"),
    ("garbage collection", "gc_pause_p99_ms"),
    ("garbage collection", "gc_sample_share"),
    ("garbage collection", "gc_collections_per_minute"),
    ("queues", "queue_depth"),
    ("queues", "consumer_lag"),
    ("queues", "queue_wait_s"),
    ("pools", "pool_used_share"),
    ("pools", "pool_pending"),
    ("pools", "pool_wait_p95_ms"),
    ("load", "requests_in_flight"),
    ("event loop", "event_loop_delay_p99_s"),
    ("event loop", "event_loop_use"),
    ("processor", "cpu_cores"),
    ("processor", "cpu_utilization"),
    ("memory", "memory_bytes"),
    ("memory", "heap_bytes"),
    ("threads and files", "threads"),
    ("threads and files", "open_files"),
)

IS_SAVED = frozenset(name for _, name in SIGNALS)
NOT_SAVED = "is not among what tailgate runtime --save keeps"
