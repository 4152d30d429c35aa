"""Pauses of garbage collection that no data point tells: spans, and events of an eBPF tool.

CPython's metrics tell how often it collects, never for how long. What can: a span named
``cpython.gc`` for each collection, from ``gc.callbacks``, bcc's ``pythongc`` on its USDT probes, or
maps of bpftrace on these.
"""

import pyarrow as pa

from pipeline.jobs.job import Connection, ask
from pipeline.jobs.metric_settling import Told
from pipeline.jobs.metric_sources import Source
from pipeline.jobs.named_metrics import OBSERVATIONS, QUANTILE, NamedMetric
from pipeline.jobs.runtime_gc_prints import print_rows, read_prints
from pipeline.jobs.senders import define_by_sender
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import EBPF_EVENTS, SPANS
from pipeline.schema.rollups import HOUR_NANO, MINUTE_NANO

SPAN_NAME = "cpython.gc"
# javagc, nodegc, pythongc and rubygc are this tool of bcc.
TOOL = "ugc"
# Of a recording; what a longer one tells after that is not read.
_LONGEST_NANO = 24 * HOUR_NANO
_SOURCES = (
    Source(f"spans named {SPAN_NAME}"),
    Source(f"bcc {TOOL}"),
    Source("bpftrace @gc_pause"),
)
SOURCES = tuple(Told(source, "", 1.0, "", "") for source in _SOURCES)


def has_pauses(connection: Connection, lake: Lake, service: str, minutes: tuple[int, int]) -> bool:
    """Tell whether there are any, and make the table ``pauses`` of them.

    Args:
        connection: where it is made, beside the tables that it reads.
        lake: the lake.
        service: pattern of services.
        minutes: the first, and the one after the last.

    Raises:
        LakeError: a file cannot be read.
    """
    return bool(
        read_pauses(connection, lake, service, minutes, 0).num_rows
        or read_prints(connection, lake, service, minutes).num_rows
    )


def read_pauses(
    connection: Connection, lake: Lake, service: str, minutes: tuple[int, int], place: int
) -> pa.Table:
    """Read them, and make the table ``pauses`` of them; the sources are at places from ``place``.

    Raises:
        LakeError: a file cannot be read.
    """
    first, end = minutes
    since, until = first * MINUTE_NANO, end * MINUTE_NANO + 1
    spans = take_snapshot(lake, SPANS).between(since, until)
    define_by_sender(connection, SPANS, [file.path for file in spans])
    # An event is kept under the time that its recording began.
    events = take_snapshot(lake, EBPF_EVENTS).between(since - _LONGEST_NANO, until)
    define_table(connection, EBPF_EVENTS, [file.path for file in events])
    asked = {"service": service, "first_minute": first, "end_minute": end, "place": place}
    found = ask(connection, "runtime_pauses", asked | {"span_name": SPAN_NAME, "tool": TOOL})
    connection.register("pauses", found)
    return found


def pause_rows(
    connection: Connection,
    lake: Lake,
    metric: NamedMetric,
    service: str,
    minutes: tuple[int, int],
    place: int,
) -> pa.Table | None:
    """Give the rows of a metric that pauses tell, in its columns; None where there is no pause.

    Raises:
        LakeError: a file cannot be read.
    """
    printed = print_rows(connection, lake, metric, service, minutes, place + 2)
    if read_pauses(connection, lake, service, minutes, place).num_rows == 0:
        return printed
    told = _event_rows(connection, metric, service, minutes, place)
    if printed is None:
        return told
    return pa.concat_tables([told, printed.select(told.column_names).cast(told.schema)])


def _event_rows(
    connection: Connection, metric: NamedMetric, service: str, minutes: tuple[int, int], place: int
) -> pa.Table:
    """Give the rows that the table ``pauses`` tells."""
    if metric.kind == QUANTILE:
        return ask(connection, "runtime_pause_buckets", {})
    first, end = minutes
    values = {"first_minute": first, "end_minute": end, "place": place, "tool": TOOL}
    values |= {"service": service}
    how = {"counts_observations": metric.kind == OBSERVATIONS}
    return ask(connection, "runtime_pause_minutes", values | how)
