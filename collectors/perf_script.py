"""Text of ``perf script``: samples with their stacks, a profile an event."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content


def _sniff(head: Head) -> bool:
    """Tell whether a file begins as perf script writes."""
    from collectors.perf_script_sniff import is_perf_script

    return is_perf_script(head)


def _read(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file."""
    from collectors.perf_script_rows import read

    return read(content, reading)


PERF_SCRIPT = Collector(
    format="perf-script",
    summary="text of perf script, any -F with comm",
    signals=("profiles",),
    suffixes=(".txt", ".perf", ".stacks"),
    sniff=_sniff,
    read=_read,
)
