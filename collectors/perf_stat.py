"""Output of ``perf stat``: counters as a table, as CSV (-x,) and as JSON (-j)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content


def _sniff(head: Head) -> bool:
    """Tell whether a file begins as perf stat writes."""
    from collectors.perf_stat_lines import layout_of

    return layout_of(head.content, is_whole=head.whole) is not None


def _read(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file."""
    from collectors.perf_stat_rows import read

    return read(content, reading)


PERF_STAT = Collector(
    format="perf-stat",
    summary="perf stat: its table, -x, or -j; with -I, -A, -r",
    signals=("ebpf",),
    suffixes=(".txt", ".csv", ".json"),
    sniff=_sniff,
    read=_read,
)
