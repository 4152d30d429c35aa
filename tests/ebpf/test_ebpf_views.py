"""Views over eBPF rows: percentiles of histograms, system calls, network traffic."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from collectors.bcc import BCC_TABLE
from pipeline.jobs.job import Connection, asking, define_view
from pipeline.lake import Lake, append, take_snapshot
from pipeline.lake.catalog import define_snapshot
from pipeline.schema import EBPF_COUNTS, EBPF_EVENTS, EBPF_HISTOGRAMS, Table
from tests.ebpf.bcc_reading import read_text

EBPF_TABLES = (EBPF_HISTOGRAMS, EBPF_COUNTS, EBPF_EVENTS)
TABLE_OF = {table.name: table for table in EBPF_TABLES}
# 2026-11-25T12:00:00Z
NOON = 1_795_608_000_000_000_000
DAY = 86_400_000_000_000
SECOND = 1_000_000_000

TEMPLATE: dict[str, Any] = {
    "service_name": "shop",
    "service_version": "1",
    "resource_attributes": [],
    "time_unix_nano": NOON,
    "metric": "usecs",
    "unit": "us",
    "keys": [],
    "high_inclusive": True,
    "is_cumulative": False,
    "status": "ok",
    "fields": [],
    "source_file": "one.txt",
    "ingest_batch_id": "ab" * 16,
    "ingest_time_unix_nano": NOON,
}


def add(lake: Lake, table: Table, *rows: dict[str, Any], **shared: Any) -> None:
    """Append rows; what they leave out is in the template."""
    made = []
    for row in rows:
        full = TEMPLATE | shared | row
        full.setdefault("event", full["tool"])
        full["date"] = full["time_unix_nano"] // DAY
        made.append(full)
    arrays = [
        pa.array([row.get(field.name) for row in made], pa.int32()).cast(pa.date32())
        if field.name == "date"
        else pa.array([row.get(field.name) for row in made], field.type)
        for field in table.arrow_schema
    ]
    append(lake, table, pa.table(arrays, schema=table.arrow_schema))


def buckets(*rows: tuple[int | None, int | None, int]) -> list[dict[str, Any]]:
    """Give buckets of low, high and count."""
    return [{"bucket_low": low, "bucket_high": high, "count": count} for low, high, count in rows]


@contextlib.contextmanager
def opened(lake: Lake) -> Iterator[Connection]:
    """Open the tables and these views alone, as a connection to a lake has them."""
    with asking() as connection:
        for table in EBPF_TABLES:
            define_snapshot(connection, take_snapshot(lake, table))
        for view in ("ebpf_percentiles", "syscalls", "network_io"):
            define_view(connection, view)
        yield connection


def asked(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    """Give a query's rows."""
    with opened(lake) as connection:
        return connection.execute(query).fetchall()


def test_percentiles_lie_inside_their_bucket(lake: Lake) -> None:
    # Of 100 values the 50th is the last in 0 to 1, the 90th half way into 8 to 15.
    rows = buckets((0, 1, 50), (2, 3, 30), (8, 15, 20))
    add(lake, EBPF_HISTOGRAMS, *rows, tool="runqlat")
    query = "SELECT count, p50, p50_low, p50_high, p90, p90_low, p90_high FROM ebpf_percentiles"
    assert asked(lake, query) == [(100, 1.0, 0, 1, 11.5, 8, 15)]
    assert asked(lake, "SELECT max_low, max_high FROM ebpf_percentiles") == [(8, 15)]


def test_a_bound_that_is_not_included_is_one_less(lake: Lake) -> None:
    add(lake, EBPF_HISTOGRAMS, *buckets((2, 4, 10)), tool="bpftrace", high_inclusive=False)
    query = "SELECT p50, p50_low, p50_high, max_high FROM ebpf_percentiles"
    assert asked(lake, query) == [(2.5, 2, 3, 3)]


def test_a_bucket_of_one_value_is_that_value(lake: Lake) -> None:
    add(lake, EBPF_HISTOGRAMS, *buckets((5, 5, 3)), tool="bpftrace")
    query = "SELECT p50, p99, max_low, max_high FROM ebpf_percentiles"
    assert asked(lake, query) == [(5.0, 5.0, 5, 5)]


def test_an_open_end_is_no_bound_and_no_value(lake: Lake) -> None:
    rows = buckets((None, -1, 20), (0, 9, 60), (10, None, 20))
    add(lake, EBPF_HISTOGRAMS, *rows, tool="bpftrace")
    query = "SELECT p50, p90, p90_low, p90_high, max_low, max_high FROM ebpf_percentiles"
    assert asked(lake, query) == [(4.5, None, 10, None, 10, None)]


def test_prints_of_intervals_add_up(lake: Lake) -> None:
    for second in (0, 1):
        time = NOON + second * SECOND
        add(lake, EBPF_HISTOGRAMS, *buckets((0, 1, 5)), tool="runqlat", time_unix_nano=time)
    assert asked(lake, "SELECT count FROM ebpf_percentiles") == [(10,)]


def test_of_prints_that_repeat_the_last_counts(lake: Lake) -> None:
    for second, count in enumerate((5, 8)):
        time = NOON + second * SECOND
        add(
            lake,
            EBPF_HISTOGRAMS,
            *buckets((0, 1, count)),
            tool="bpftrace",
            time_unix_nano=time,
            is_cumulative=True,
        )
    # Another recording repeats its own prints only.
    add(
        lake,
        EBPF_HISTOGRAMS,
        *buckets((0, 1, 2)),
        tool="bpftrace",
        is_cumulative=True,
        source_file="two.txt",
    )
    assert asked(lake, "SELECT count FROM ebpf_percentiles") == [(10,)]


def test_keys_units_services_and_releases_are_apart(lake: Lake) -> None:
    row = buckets((0, 1, 1))[0]
    others: list[dict[str, Any]] = [
        {"keys": [("disk", "sda")]},
        {"keys": [("disk", "sdb")]},
        {"unit": "ms"},
        {"service_name": "cart"},
        {"service_version": "2"},
    ]
    add(lake, EBPF_HISTOGRAMS, *({**row, **other} for other in others), tool="biolatency")
    assert asked(lake, "SELECT COUNT(*), MAX(count) FROM ebpf_percentiles") == [(5, 1)]


def test_empty_buckets_have_no_percentile(lake: Lake) -> None:
    add(lake, EBPF_HISTOGRAMS, *buckets((0, 1, 0)), tool="runqlat")
    assert asked(lake, "SELECT * FROM ebpf_percentiles") == []


def syscall(name: str, metric: str, value: int, **more: Any) -> dict[str, Any]:
    """Give a count of a system call."""
    return {"keys": [("syscall", name)], "metric": metric, "value_int": value} | more


def test_system_calls_have_their_number_and_time(lake: Lake) -> None:
    add(
        lake,
        EBPF_COUNTS,
        syscall("read", "syscalls", 10),
        syscall("read", "syscall_time", 250, unit="us"),
        syscall("read", "syscalls", 5, time_unix_nano=NOON + SECOND),
        syscall("futex", "syscalls", 7),
        syscall("futex", "syscall_time", 0, value_int=None, value_double=1.5, unit="ms"),
        syscall("openat", "syscalls", 1),
        tool="syscount",
    )
    query = "SELECT syscall, calls, time_nano FROM syscalls ORDER BY calls"
    assert asked(lake, query) == [
        ("openat", 1, None),
        ("futex", 7, 1_500_000),
        ("read", 15, 250_000),
    ]


def test_counts_that_repeat_count_once_and_what_was_not_counted_does_not(lake: Lake) -> None:
    add(
        lake,
        EBPF_COUNTS,
        syscall("read", "syscalls", 10, is_cumulative=True),
        syscall("read", "syscalls", 12, is_cumulative=True, time_unix_nano=NOON + SECOND),
        syscall("read", "syscalls", 99, status="not_counted"),
        {"metric": "syscalls", "value_int": 99, "keys": [("comm", "sh")]},
        tool="syscount",
    )
    assert asked(lake, "SELECT syscall, calls FROM syscalls") == [("read", 12)]


def test_traffic_is_told_by_tool(lake: Lake) -> None:
    life = [("TX_KB", "2"), ("RX_KB", "0.5"), ("MS", "1.5")]
    add(
        lake,
        EBPF_EVENTS,
        {"tool": "tcplife", "fields": life},
        {"tool": "tcplife", "fields": [("TX_KB", "1"), ("RX_KB", "n/a"), ("MS", "")]},
        {"tool": "tcpconnect", "fields": [("DADDR", "10.0.0.1")]},
        {"tool": "execsnoop", "fields": life},
    )
    query = (
        "SELECT tool, connections, sent_bytes, received_bytes, connected_nano "
        "FROM network_io ORDER BY tool"
    )
    assert asked(lake, query) == [
        ("tcpconnect", 1, None, None, None),
        ("tcplife", 2, 3072, 512, 1_500_000),
    ]


def test_a_connection_that_is_seen_in_two_intervals_is_one(lake: Lake) -> None:
    keys = [("pid", "7"), ("laddr", "10.0.0.1:80"), ("raddr", "10.0.0.2:5000")]
    for second in (0, 1):
        time = NOON + second * SECOND
        rows = [{"metric": "tx_kb", "value_int": 1}, {"metric": "rx_kb", "value_double": 0.5}]
        add(lake, EBPF_COUNTS, *rows, tool="tcptop", keys=keys, unit="KB", time_unix_nano=time)
    row = {"metric": "rx_kb", "value_int": 2, "keys": [*keys[:2], ("raddr", "10.0.0.3:5000")]}
    add(lake, EBPF_COUNTS, row, {"metric": "loadavg", "value_double": 0.1}, tool="tcptop")
    query = "SELECT connections, sent_bytes, received_bytes FROM network_io"
    assert asked(lake, query) == [(2, 2048, 3072)]


def test_what_tcplife_tcptop_and_syscount_print_is_shown(lake: Lake, tmp_path: Path) -> None:
    printed = {
        "tcplife": "PID   COMM       LADDR      LPORT RADDR      RPORT TX_KB RX_KB MS\n"
        "22597 record     10.0.0.1   46644 10.0.0.2   28527     3     1 0.25\n",
        "tcptop": "PID    COMM         LADDR              RADDR              RX_KB  TX_KB\n"
        "32225  curl         10.0.0.5:48120     10.0.0.9:443         120      3\n",
        "syscount": "SYSCALL                   COUNT        TIME (us)\n"
        "futex                        12          250.500\n",
    }
    for tool, text in printed.items():
        for name, rows in read_text(BCC_TABLE.read, tmp_path, text, f"{tool}.txt").tables.items():
            append(lake, TABLE_OF[name], pa.Table.from_pylist(rows, TABLE_OF[name].arrow_schema))
    query = "SELECT tool, connections, sent_bytes, received_bytes, connected_nano FROM network_io"
    assert asked(lake, f"{query} ORDER BY tool") == [
        ("tcplife", 1, 3072, 1024, 250_000),
        ("tcptop", 1, 3072, 122_880, None),
    ]
    assert asked(lake, "SELECT syscall, calls, time_nano FROM syscalls") == [("futex", 12, 250_500)]
