"""Folded (collapsed) stacks: a stack, root first, and its count a line; py-spy's raw form too."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content


def _sniff(head: Head) -> bool:
    """Tell whether a file begins as folded stacks."""
    from collectors.folded_sniff import is_folded

    return is_folded(head)


def _read(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file of folded stacks."""
    from collectors.folded_rows import read

    return read(content, reading)


# Of a short file a tenth is less than one line, so folded_rows holds to the share itself and only
# what is mostly bad is refused here.
FOLDED = Collector(
    format="folded",
    summary="folded stacks: frames by semicolons and a count a line, py-spy raw too",
    signals=("profiles",),
    suffixes=(".folded", ".collapsed", ".txt"),
    sniff=_sniff,
    read=_read,
    bad_share_most=0.5,
)
