"""Profile types and units: the many names that profilers give, as the few of the schema."""

# Each type of the schema with the names it goes by, in small letters, blanks and dashes as "_".
PROFILE_TYPE_NAMES = {
    "cpu": ("cpu", "on_cpu", "process_cpu", "cpu_time", "cpu_samples", "cpu_nanoseconds"),
    "wall": ("wall", "wall_time", "wall_clock", "wallclock", "wall_samples", "itimer"),
    "off_cpu": ("off_cpu", "offcpu", "off_cpu_time"),
    "alloc_space": (
        "alloc_space",
        "alloc_size",
        "alloc_bytes",
        "allocated_space",
        "allocated_bytes",
        "alloc_in_new_tlab_bytes",
        "alloc_outside_tlab_bytes",
    ),
    "alloc_objects": (
        "alloc_objects",
        "alloc_samples",
        "allocated_objects",
        "allocations",
        "alloc_in_new_tlab_objects",
        "alloc_outside_tlab_objects",
    ),
    "inuse_space": ("inuse_space", "heap_space", "live_space", "heap_live_size", "live"),
    "inuse_objects": ("inuse_objects", "heap_objects", "live_objects", "heap_live_samples"),
    "lock_wait": ("delay", "lock_wait", "lock_time", "mutex_delay", "block_delay"),
    "lock_count": (
        "contentions",
        "lock_count",
        "lock_acquire",
        "mutex_count",
        "block_count",
    ),
    "goroutine": ("goroutine", "goroutines"),
    "events": (
        "events",
        "cycles",
        "instructions",
        "cache_misses",
        "branch_misses",
        "page_faults",
        "context_switches",
    ),
}
_TYPE_OF_NAME = {name: kind for kind, names in PROFILE_TYPE_NAMES.items() for name in names}

# What is counted since the process started, unless the profile says over which time it was.
_CUMULATIVE = ("alloc_space", "alloc_objects", "lock_wait", "lock_count")

_NANOSECONDS = {
    "nanoseconds": 1,
    "microseconds": 1_000,
    "milliseconds": 1_000_000,
    "seconds": 1_000_000_000,
    "minutes": 60_000_000_000,
    "hours": 3_600_000_000_000,
}
_BYTES = {
    "bytes": 1,
    "kilobytes": 1 << 10,
    "megabytes": 1 << 20,
    "gigabytes": 1 << 30,
    "terabytes": 1 << 40,
}
# The short forms that UCUM and pprof's own tools use.
_SHORT = {
    "ns": "nanoseconds",
    "us": "microseconds",
    "µs": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "sec": "seconds",
    "min": "minutes",
    "h": "hours",
    "b": "bytes",
    "by": "bytes",
    "kb": "kilobytes",
    "kib": "kilobytes",
    "kiby": "kilobytes",
    "mb": "megabytes",
    "mib": "megabytes",
    "miby": "megabytes",
    "gb": "gigabytes",
    "gib": "gigabytes",
    "giby": "gigabytes",
    "tb": "terabytes",
    "tib": "terabytes",
    "1": "count",
    "counts": "count",
    "objects": "count",
    "samples": "count",
}


def normal_name(name: str) -> str:
    """Write a type's name in one way.

    >>> normal_name("Alloc-Space")
    'alloc_space'
    """
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def profile_type(name: str, unit: str, period_type: str = "") -> str:
    """Give the schema's type of a profile.

    Args:
        name: the sample type's own.
        unit: its canonical unit.
        period_type: what the profiler counted between two samples.

    >>> profile_type("samples", "count", "cpu"), profile_type("frobs", "count")
    ('cpu', 'other')
    """
    plain = normal_name(name)
    if plain in ("samples", "sample"):
        # Plain samples are of whatever the sampling went by.
        found = _TYPE_OF_NAME.get(normal_name(period_type), "events")
        return found if found in ("cpu", "wall", "off_cpu") else "events"
    if plain == "events" and unit == "nanoseconds":
        # The eBPF profiler's own name for how long a thread was off the processor.
        return "off_cpu"
    return _TYPE_OF_NAME.get(plain, "other")


def canonical_unit(unit: str) -> tuple[str, int]:
    """Give the canonical unit and how many of it one of the given unit is.

    >>> canonical_unit("ms"), canonical_unit("KB"), canonical_unit(""), canonical_unit("cycles")
    (('nanoseconds', 1000000), ('bytes', 1024), ('count', 1), ('cycles', 1))
    """
    plain = unit.strip().lower()
    plain = _SHORT.get(plain, plain)
    for canonical, factors in (("nanoseconds", _NANOSECONDS), ("bytes", _BYTES)):
        for name in (plain, f"{plain}s"):
            if name in factors:
                return canonical, factors[name]
    # In braces UCUM writes what is counted.
    return ("count" if not plain or plain.startswith("{") else plain), 1


def is_cumulative(kind: str, duration_nano: int) -> bool:
    """Tell whether values run since the process started: no time of their own, of a kind that does.

    >>> is_cumulative("alloc_space", 0), is_cumulative("alloc_space", 30), is_cumulative("cpu", 0)
    (True, False, False)
    """
    return kind in _CUMULATIVE and duration_nano == 0
