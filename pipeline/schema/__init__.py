"""The vocabulary as data: every table of the lake, one file per signal."""

from pipeline.schema.baselines import BASELINES
from pipeline.schema.ebpf import EBPF_COUNTS, EBPF_EVENTS, EBPF_HISTOGRAMS
from pipeline.schema.logs import LOGS
from pipeline.schema.metrics import METRICS
from pipeline.schema.profiles import (
    PROFILE_FRAMES,
    PROFILE_SAMPLES,
    PROFILE_STACKS,
    PROFILES,
)
from pipeline.schema.rollups import LATENCY_HOURS, LATENCY_MINUTES
from pipeline.schema.runtime_levels import RUNTIME_LEVELS
from pipeline.schema.spans import SPANS
from pipeline.schema.table import ATTRIBUTES, SCHEMA_VERSION, Column, Table, sql_type

TABLES = (
    SPANS,
    METRICS,
    LOGS,
    PROFILES,
    PROFILE_SAMPLES,
    PROFILE_STACKS,
    PROFILE_FRAMES,
    EBPF_HISTOGRAMS,
    EBPF_COUNTS,
    EBPF_EVENTS,
    LATENCY_MINUTES,
    LATENCY_HOURS,
    BASELINES,
    RUNTIME_LEVELS,
)

__all__ = [
    "ATTRIBUTES",
    "BASELINES",
    "EBPF_COUNTS",
    "EBPF_EVENTS",
    "EBPF_HISTOGRAMS",
    "LATENCY_HOURS",
    "LATENCY_MINUTES",
    "LOGS",
    "METRICS",
    "PROFILES",
    "PROFILE_FRAMES",
    "PROFILE_SAMPLES",
    "PROFILE_STACKS",
    "RUNTIME_LEVELS",
    "SCHEMA_VERSION",
    "SPANS",
    "TABLES",
    "Column",
    "Table",
    "sql_type",
]
