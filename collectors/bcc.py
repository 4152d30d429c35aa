"""bcc and libbpf-tools: histograms, stacks and tables that their tools print."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content


def _sniff(family: str, head: Head) -> bool:
    """Tell whether a file begins as one of this family."""
    from collectors import bcc_sniff

    sniffs = {
        "histogram": bcc_sniff.is_histogram,
        "stacks": bcc_sniff.is_stacks,
        "table": bcc_sniff.is_table,
    }
    return sniffs[family](head)


def _read_histogram(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file of histograms."""
    from collectors.bcc_histogram import read

    return read(content, reading)


def _read_stacks(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file of stacks."""
    from collectors.bcc_stacks import read

    return read(content, reading)


def _read_table(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file of tables."""
    from collectors.bcc_table import read

    return read(content, reading)


BCC_HISTOGRAM = Collector(
    format="bcc-histogram",
    summary="histograms of bcc and libbpf-tools: runqlat, biolatency, funclatency, …",
    signals=("ebpf",),
    suffixes=(".txt",),
    sniff=partial(_sniff, "histogram"),
    read=_read_histogram,
)
BCC_STACKS = Collector(
    format="bcc-stacks",
    summary="stacks of bcc and libbpf-tools: profile, offcputime, stackcount, …",
    signals=("profiles",),
    suffixes=(".txt",),
    sniff=partial(_sniff, "stacks"),
    read=_read_stacks,
)
BCC_TABLE = Collector(
    format="bcc-table",
    summary="tables of bcc, libbpf-tools and bpftrace tools: execsnoop, tcplife, syscount, …",
    signals=("ebpf",),
    suffixes=(".txt",),
    sniff=partial(_sniff, "table"),
    read=_read_table,
)
