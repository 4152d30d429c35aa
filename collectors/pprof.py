"""pprof: a profile as protobuf, gzipped or not; older forms are known and refused by name."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content


def _sniff(head: Head) -> bool:
    """Tell a profile by its protobuf fields, and an older form by its first words."""
    from collectors.pprof_sniff import is_pprof

    return is_pprof(head)


def _read(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a pprof file."""
    from collectors.pprof_file import read

    return read(content, reading)


PPROF = Collector(
    format="pprof",
    summary="pprof protobuf, as Go, google/pprof and most profilers write it",
    signals=("profiles",),
    suffixes=(".pprof", ".pb.gz", ".pb", ".prof"),
    sniff=_sniff,
    read=_read,
)
