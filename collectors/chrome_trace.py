"""Chrome trace events of a profiler: py-spy's chrometrace, frames that open and close a thread."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content

_BOM = b"\xef\xbb\xbf"
_PY_SPY = re.compile(rb'"cat"\s*:\s*"py-spy"')
_PHASE = re.compile(rb'"ph"\s*:\s*"[BEX]"')
_EVENTS = re.compile(rb'"traceEvents"\s*:\s*\[')


def _sniff(head: Head) -> bool:
    """Tell py-spy's events; the events of others are spans of anything, and no profile."""
    text = head.content.removeprefix(_BOM).lstrip()
    listed = text.startswith(b"[") or (text.startswith(b"{") and _EVENTS.search(text))
    return bool(listed and _PY_SPY.search(text) and _PHASE.search(text))


def _read(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file of trace events."""
    from collectors.chrome_trace_rows import read

    return read(content, reading)


CHROME_TRACE = Collector(
    format="chrome-trace",
    summary="trace events of a profiler: py-spy's chrometrace",
    signals=("profiles",),
    suffixes=(".json",),
    sniff=_sniff,
    read=_read,
)
