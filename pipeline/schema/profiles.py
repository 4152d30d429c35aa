"""The profiles: what was measured, its samples, and the stacks and frames they share.

Ids are content hashes, so files from many machines merge without coordination.
"""

import pyarrow as pa

from pipeline.schema.common import INGEST_COLUMNS, RESOURCE_COLUMNS, SCOPE_COLUMNS
from pipeline.schema.table import ATTRIBUTES, Column, Table

SAMPLE_TYPES = pa.list_(
    pa.struct(
        [
            pa.field("type", pa.string()),
            pa.field("unit", pa.string()),
            pa.field("total", pa.int64()),
        ]
    )
)

NUM_LABELS = pa.list_(
    pa.struct(
        [
            pa.field("key", pa.string()),
            pa.field("value", pa.int64()),
            pa.field("unit", pa.string()),
        ]
    )
)

PROFILE_TYPES = (
    "cpu",
    "wall",
    "off_cpu",
    "alloc_space",
    "alloc_objects",
    "inuse_space",
    "inuse_objects",
    "lock_wait",
    "lock_count",
    "goroutine",
    "events",
    "other",
)

FRAME_KINDS = ("native", "kernel", "jit", "python", "java", "js", "inlined", "unknown")

PROFILES = Table(
    "profiles",
    grain="one row a profile",
    columns=(
        *RESOURCE_COLUMNS,
        Column("profile_id", pa.int64(), "content hash", nullable=False),
        Column("time_unix_nano", pa.int64(), "start", "ns", nullable=False),
        Column("duration_nano", pa.int64(), "how long it was recorded", "ns"),
        Column("period", pa.int64(), "units of period_type between samples"),
        Column("period_type", pa.string(), "cpu, wall, …"),
        Column("sample_types", SAMPLE_TYPES, "each with its total"),
        Column("default_sample_type", pa.string(), "what a viewer shows first"),
        Column("drop_frames", pa.string(), "regular expression, as sent"),
        Column("keep_frames", pa.string(), "regular expression, as sent"),
        Column("comments", pa.list_(pa.string()), "as sent"),
        Column("attributes", ATTRIBUTES, "the profile's", nullable=False),
        Column("source_format", pa.string(), "otlp, pprof, …"),
        Column("source_file", pa.string(), "where it was imported from"),
        Column("source_sha256", pa.string(), "of the file"),
        Column("warnings", pa.list_(pa.string()), "what was repaired or dropped"),
        Column("lost", pa.int64(), "samples the profiler lost", "samples"),
        *SCOPE_COLUMNS,
        *INGEST_COLUMNS,
    ),
    sort_by=("service_name", "time_unix_nano"),
)

PROFILE_SAMPLES = Table(
    "profile_samples",
    grain="one row a profile, a sample type, a stack and a set of labels",
    columns=(
        *RESOURCE_COLUMNS,
        Column("profile_id", pa.int64(), "its profile", nullable=False),
        Column("stack_id", pa.int64(), "its stack", nullable=False),
        Column("time_unix_nano", pa.int64(), "of the profile, or of the sample", "ns", False),
        Column("duration_nano", pa.int64(), "of the profile", "ns"),
        Column("profile_type", pa.string(), ", ".join(PROFILE_TYPES), nullable=False),
        Column("sample_type", pa.string(), "as sent", nullable=False),
        Column("sample_unit", pa.string(), "nanoseconds, bytes, count, …", nullable=False),
        Column("value", pa.int64(), "in sample_unit", nullable=False),
        Column("samples", pa.int64(), "raw observations", "observations"),
        Column("is_cumulative", pa.bool_(), "since the process started", nullable=False),
        Column("thread_id", pa.int64(), "the thread"),
        Column("pid", pa.int64(), "the process"),
        Column("thread_name", pa.string(), "the thread's name"),
        Column("comm", pa.string(), "the command's name"),
        Column("trace_id", pa.string(), "32 hex digits"),
        Column("span_id", pa.string(), "16 hex digits"),
        Column("local_root_span_id", pa.string(), "16 hex digits"),
        Column("labels", ATTRIBUTES, "string labels", nullable=False),
        Column("num_labels", NUM_LABELS, "numbers with their units"),
        *SCOPE_COLUMNS,
        *INGEST_COLUMNS,
    ),
    sort_by=("service_name", "profile_type", "time_unix_nano", "profile_id", "stack_id"),
)

PROFILE_STACKS = Table(
    "profile_stacks",
    grain="one row a stack; equal stacks may stand twice until compaction",
    columns=(
        Column("stack_id", pa.int64(), "hash of its frames", nullable=False),
        Column("depth", pa.int32(), "frames", "frames", nullable=False),
        Column("truncated", pa.bool_(), "whether the profiler cut it", nullable=False),
        Column("leaf_function", pa.string(), "innermost"),
        Column("root_function", pa.string(), "outermost"),
        Column("functions", pa.list_(pa.string()), "leaf first, inlined ones expanded"),
        Column("frame_ids", pa.list_(pa.int64()), "leaf first"),
    ),
    sort_by=("stack_id",),
    partition_by=(),
    time_column="",
    distinct_by=("stack_id",),
)

PROFILE_FRAMES = Table(
    "profile_frames",
    grain="one row a frame; equal frames may stand twice until compaction",
    columns=(
        Column("frame_id", pa.int64(), "hash of what follows", nullable=False),
        Column("function", pa.string(), "tidied for people"),
        Column("system_name", pa.string(), "as the system has it"),
        Column("file", pa.string(), "source file"),
        Column("line", pa.int64(), "line in it"),
        Column("column", pa.int64(), "column in it"),
        Column("start_line", pa.int32(), "first line of the function"),
        Column("mapping", pa.string(), "binary or library"),
        Column("build_id", pa.string(), "of the binary"),
        Column("address", pa.int64(), "in the binary"),
        Column("kind", pa.string(), ", ".join(FRAME_KINDS), nullable=False),
    ),
    sort_by=("frame_id",),
    partition_by=(),
    time_column="",
    distinct_by=("frame_id",),
)
