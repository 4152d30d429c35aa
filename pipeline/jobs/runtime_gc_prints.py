"""Pauses that bpftrace counts: maps that a script prints of CPython's own probes.

    usdt:PYTHON:python:gc__start { @began[tid] = nsecs; }
    usdt:PYTHON:python:gc__done /@began[tid]/ {
      @gc_pause_ns = hist(nsecs - @began[tid]);
      @gc_pause_total_ns = sum(nsecs - @began[tid]);
      delete(@began[tid]);
    }
    interval:s:60 { time(); print(@gc_pause_ns); print(@gc_pause_total_ns);
                    clear(@gc_pause_ns); clear(@gc_pause_total_ns); }

A histogram tells percentiles, as narrow as its buckets are, and how often; only a sum tells the
share of the time. Source: CPython's howto "Instrumenting CPython with DTrace and SystemTap".
"""

import pyarrow as pa

from pipeline.jobs.job import Connection, ask, define_view
from pipeline.jobs.named_metrics import OBSERVATIONS, QUANTILE, NamedMetric
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import EBPF_COUNTS, EBPF_HISTOGRAMS
from pipeline.schema.rollups import HOUR_NANO, MINUTE_NANO

_UNITS = ("ns", "us", "ms")
HISTOGRAMS = tuple(f"gc_pause_{unit}" for unit in _UNITS)
TOTALS = tuple(f"gc_pause_total_{unit}" for unit in _UNITS)


def read_prints(
    connection: Connection, lake: Lake, service: str, minutes: tuple[int, int]
) -> pa.Table:
    """Read what bpftrace printed of pauses, and make the table ``gc_prints`` of it.

    Args:
        connection: where it is made, beside the tables that it reads.
        lake: the lake.
        service: pattern of services.
        minutes: the first, and the one after the last.

    Raises:
        LakeError: a file cannot be read.
    """
    first, end = minutes
    for table in (EBPF_HISTOGRAMS, EBPF_COUNTS):
        # What a print adds is told by the one before it, of up to an hour ago.
        since = first * MINUTE_NANO - HOUR_NANO
        files = take_snapshot(lake, table).between(since, end * MINUTE_NANO + 1)
        define_table(connection, table, [file.path for file in files])
    asked = {"service": service, "first_minute": first, "end_minute": end}
    names = {"histograms": list(HISTOGRAMS), "totals": list(TOTALS)}
    found = ask(connection, "runtime_gc_prints", asked | names)
    connection.register("gc_prints", found)
    return found


def print_rows(
    connection: Connection,
    lake: Lake,
    metric: NamedMetric,
    service: str,
    minutes: tuple[int, int],
    place: int,
) -> pa.Table | None:
    """Give the rows of a metric that prints tell, in its columns; None where there is no print.

    Raises:
        LakeError: a file cannot be read.
    """
    if read_prints(connection, lake, service, minutes).num_rows == 0:
        return None
    if metric.kind == QUANTILE:
        sent = ask(connection, "runtime_gc_print_buckets", {"place": place})
        connection.register("metric_requests", sent)
        define_view(connection, "metric_latency_buckets")
        first, end = minutes
        window = {"first_minute": first, "end_minute": end}
        return ask(connection, "metric_cells_buckets", window)
    values = {"place": place, "counts_observations": metric.kind == OBSERVATIONS}
    return ask(connection, "runtime_gc_print_minutes", values)
